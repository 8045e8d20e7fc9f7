// verify-plan: is this module a complete, executable plan?
//
// In: the module at the end of the pipeline. Out: unchanged, or an error. Checked from scratch, not with the data of
// the passes before: that every slice has an offset and lies in the arena, that two slices of an entry share no byte
// while both hold something that will still be read (but what a pointwise launch makes of what it reads last), that nothing is read before it is written, that what a launch
// reads before earlier ones have ended (`early`) is a buffer or an input that none of the entry's commands writes, that every kernel exists, and that nothing but the plan is left. (That names mean things of the right kind is the ops' verifiers' work.)

#include "passes/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringSet.h"

namespace mirl::passes {
#define GEN_PASS_DEF_VERIFYPLAN
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

class EntryCheck {
public:
  EntryCheck(plan::EntryOp entry, int64_t persistent, int64_t arena)
      : entry_(entry), persistent_(persistent), arena_(arena) {}

  LogicalResult run() {
    for (Operation &op : entry_.getBody().front())
      if (failed(visitDefinition(op)))
        return failure();
    return failure(failed(checkOrder()) || failed(checkOverlap()) || failed(checkEarly()));
  }

private:
  struct Window {
    Operation *op;
    int64_t begin, end;          // bytes
    int64_t first = -1, last = -1; // commands, in order
  };

  LogicalResult visitDefinition(Operation &op) {
    if (!isa<plan::BufferOp, plan::InputOp, plan::AllocOp>(op))
      return success();
    auto offset = op.getAttrOfType<IntegerAttr>("offset");
    if (!offset)
      return op.emitOpError("has no offset: run assign-memory");
    int64_t bytes = *plan::bytesAtCapacity(cast<plan::SliceType>(op.getResult(0).getType()).getTensor(), entry_.getCapacities());
    Window window{&op, offset.getInt(), offset.getInt() + bytes};
    int64_t low = isa<plan::BufferOp>(op) ? 0 : persistent_, high = isa<plan::BufferOp>(op) ? persistent_ : arena_;
    if (window.begin < low || window.end > high)
      return op.emitOpError() << "must lie in bytes " << low << " to " << high << " of the arena, lies in " << window.begin
                              << " to " << window.end;
    windows_.push_back(window);
    index_[op.getResult(0)] = windows_.size() - 1;
    return success();
  }

  // Numbers the commands; what is in a loop has the loop's number, since any trip may follow any other.
  LogicalResult checkOrder() {
    int64_t now = 0;
    llvm::DenseSet<Value> written;
    for (Window &window : windows_)
      if (!isa<plan::AllocOp>(window.op)) {
        written.insert(window.op->getResult(0));
        window.first = 0;
      }
    for (Operation &op : entry_.getBody().front()) {
      ++now;
      WalkResult result = op.walk<WalkOrder::PreOrder>([&](Operation *command) {
        for (Value slice : command->getOperands()) {
          Window &window = windows_[index_[slice]];
          window.first = window.first < 0 ? now : window.first;
          window.last = isa<plan::OutputOp>(command) ? INT64_MAX : std::max(window.last, now);
        }
        auto [reads, writes] = effects(command);
        for (Value slice : reads)
          if (!written.contains(slice)) {
            command->emitOpError("reads a slice that nothing has written").attachNote(slice.getLoc()) << "the slice";
            return WalkResult::interrupt();
          }
        written.insert(writes.begin(), writes.end());
        return WalkResult::advance();
      });
      if (result.wasInterrupted())
        return failure();
    }
    return success();
  }

  static std::pair<SmallVector<Value>, SmallVector<Value>> effects(Operation *command) {
    SmallVector<Value> reads, writes;
    if (auto launch = dyn_cast<plan::LaunchOp>(command)) {
      reads.assign(launch.getReads().begin(), launch.getReads().end());
      writes.assign(launch.getWrites().begin(), launch.getWrites().end());
      for (int64_t update : launch.getUpdates())
        reads.push_back(writes[update]);
    } else if (auto fill = dyn_cast<plan::FillOp>(command)) {
      writes.push_back(fill.getSlice());
    } else if (auto copy = dyn_cast<plan::CopyOp>(command)) {
      reads.push_back(copy.getFrom());
      writes.push_back(copy.getTo());
    } else if (auto output = dyn_cast<plan::OutputOp>(command)) {
      reads.push_back(output.getSlice());
    }
    return {reads, writes};
  }

  // Whether `made` has the bytes of `used` because one pointwise launch is the last to use the one and the first to use the other.
  static bool replaces(const Window &made, const Window &used) {
    Value result = made.op->getResult(0), read = used.op->getResult(0);
    if (made.begin != used.begin || made.first != used.last || result.getType() != read.getType())
      return false;
    return llvm::any_of(result.getUsers(), [&](Operation *user) {
      auto launch = dyn_cast<plan::LaunchOp>(user);
      return launch && launch.getPointwise() && isa<plan::EntryOp>(launch->getParentOp()) &&
             llvm::is_contained(launch.getWrites(), result) && llvm::is_contained(launch.getReads(), read);
    });
  }

  LogicalResult checkOverlap() {
    for (size_t i = 0; i < windows_.size(); ++i)
      for (size_t j = i + 1; j < windows_.size(); ++j) {
        const Window &a = windows_[i], &b = windows_[j];
        if (isa<plan::BufferOp>(a.op) || isa<plan::BufferOp>(b.op))
          continue;
        bool bytes = a.begin < b.end && b.begin < a.end;
        bool life = a.first <= b.last && b.first <= a.last;
        if (bytes && life && !replaces(a, b) && !replaces(b, a)) {
          a.op->emitOpError("shares bytes of the arena with a slice that is live at the same time")
                  .attachNote(b.op->getLoc())
              << "the other slice";
          return failure();
        }
      }
    return success();
  }

  // By bytes: two buffers may be one variable's.
  LogicalResult checkEarly() {
    SmallVector<std::pair<Value, Operation *>> written;
    entry_.walk([&](Operation *command) {
      for (Value slice : effects(command).second)
        written.push_back({slice, command});
    });
    WalkResult result = entry_.walk([&](plan::LaunchOp launch) {
      for (int64_t index : launch.getEarly().value_or(ArrayRef<int64_t>())) {
        const Window &window = windows_[index_[launch.getReads()[index]]];
        bool input = isa<plan::InputOp>(window.op);
        if (isa<plan::AllocOp>(window.op)) {
          launch.emitOpError("reads a slice early that is no buffer and no input").attachNote(window.op->getLoc()) << "the slice";
          return WalkResult::interrupt();
        }
        for (auto [slice, command] : written) {
          const Window &other = windows_[index_[slice]];
          // Other slices have an input's bytes only when it was read last (checkOverlap).
          if (input ? other.op != window.op : window.begin >= other.end || other.begin >= window.end)
            continue;
          auto error = launch.emitOpError() << "reads " << (input ? "an input" : "a buffer") << " early that the entry writes";
          error.attachNote(command->getLoc()) << "here";
          return WalkResult::interrupt();
        }
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  plan::EntryOp entry_;
  int64_t persistent_, arena_;
  SmallVector<Window> windows_;
  llvm::DenseMap<Value, size_t> index_;
};

struct VerifyPlan : impl::VerifyPlanBase<VerifyPlan> {
  LogicalResult checkTopLevel(Operation &op) {
    if (auto inner = dyn_cast<ModuleOp>(op); inner && inner.getSymName() == "kernels")
      return success();
    if (isa<nn::VariableOp>(op) || isa_and_nonnull<plan::PlanDialect>(op.getDialect()))
      return success();
    return op.emitOpError("is left over: a plan has no such op");
  }

  LogicalResult check() {
    ModuleOp module = getOperation();
    auto persistent = module->getAttrOfType<IntegerAttr>("plan.persistent_bytes");
    auto arena = module->getAttrOfType<IntegerAttr>("plan.arena_bytes");
    if (!persistent || !arena)
      return module.emitOpError("has no memory plan: run assign-memory");
    llvm::StringSet<> kernels;
    module.walk([&](LLVM::LLVMFuncOp kernel) { kernels.insert(kernel.getSymName()); });
    for (Operation &op : *module.getBody()) {
      if (failed(checkTopLevel(op)))
        return failure();
      if (auto entry = dyn_cast<plan::EntryOp>(op)) {
        if (failed(EntryCheck(entry, persistent.getInt(), arena.getInt()).run()))
          return failure();
        auto launched = entry.walk([&](plan::LaunchOp launch) {
          if (kernels.contains(launch.getKernel()))
            return WalkResult::advance();
          launch.emitOpError("launches a kernel that does not exist: '") << launch.getKernel() << "'";
          return WalkResult::interrupt();
        });
        if (launched.wasInterrupted())
          return failure();
      }
    }
    return success();
  }

  void runOnOperation() override {
    if (failed(check()))
      signalPassFailure();
  }
};

} // namespace
} // namespace mirl::passes
