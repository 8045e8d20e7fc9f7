// A budget for all of a plan's memory becomes one for its training entries, which plan-recompute meets.

#include "passes/MemoryBudget.h"

#include "llvm/Support/Format.h"

using namespace mlir;

namespace mirl::passes {
namespace {

constexpr int kAttempts = 8;

// Others hold nothing for a backward pass.
bool canRecompute(plan::EntryOp entry) { return entry.getKind() == "micro"; }

} // namespace

std::string mebibytes(int64_t bytes) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.1f MiB", static_cast<double>(bytes) / 1048576.0);
  return text;
}

FailureOr<int64_t> findTransientBudget(ModuleOp module, PipelineOptions options, int64_t total) {
  int64_t drivers = options.cuda.empty() ? 0 : kDriverBytes, most = total - drivers, persistent = 0;
  auto refuse = [&](Location loc, const Twine &why) {
    return emitError(loc) << "--memory-budget " << mebibytes(total) << " cannot be met: " << why
                          << (drivers ? "; " + mebibytes(drivers) + " are the GPU's driver's" : "");
  };
  options.memoryBudget = std::max<int64_t>(1, most);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    OwningOpRef<ModuleOp> copy = cast<ModuleOp>(module->clone());
    PassManager pm(module.getContext());
    buildNnToKernels(pm, options);
    buildKernelsToMemory(pm, options);
    if (failed(pm.run(*copy))) {
      if (attempt == 0)
        return failure();
      return refuse(module.getLoc(), mebibytes(most - persistent) + " are left beside the " + mebibytes(persistent) + " that stay");
    }
    auto number = [&](StringRef key) { return (*copy)->getAttrOfType<IntegerAttr>(key).getInt(); };
    persistent = number("plan.persistent_bytes");
    if (number("plan.arena_bytes") <= most)
      return options.memoryBudget;
    int64_t room = most - persistent, largest = 0;
    if (room <= 0)
      return refuse(module.getLoc(), "weights, optimizer, gradients and caches alone take " + mebibytes(persistent));
    for (auto entry : copy->getOps<plan::EntryOp>()) {
      auto peak = static_cast<int64_t>(entry.getPeakBytes().value_or(0));
      largest = std::max(largest, peak);
      // The first attempt only told what stays. A training entry's estimate leaves out what its schedules and the gaps
      // between slices take, which is what may still be above.
      if (peak > room && (!canRecompute(entry) || (attempt > 0 && options.memoryBudget <= peak - room)))
        return refuse(entry.getLoc(), "'" + entry.getSymName() + "' takes " + mebibytes(peak) + " beside the " + mebibytes(persistent) +
                      " that stay; lower --micro-tokens or --slots");
    }
    options.memoryBudget = attempt == 0 ? room : options.memoryBudget - (largest - room);
  }
  return refuse(module.getLoc(), "after " + Twine(kAttempts) + " attempts a training entry still takes too much; give its ENTRY=SIZE, the transient "
                "memory of one entry");
}

} // namespace mirl::passes
