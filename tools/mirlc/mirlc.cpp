// mirlc: a .mirl program and a model's config.json in, a plan out.
//
//   mirlc FILE.mirl --model DIR [--set k=v]… [--target cpu] [--emit rl|nn|kernels|plan] -o OUT.plan
//
// A .mlir file at the rl or nn level is taken as well, and goes on from there. Exit codes: 0, 1 (the program or the
// surroundings are wrong), 2 (the command line is).

#include "frontend/Frontend.h"
#include "passes/MemoryBudget.h"
#include "passes/Passes.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>
#include <csignal>

using namespace mlir;
using namespace mirl;
namespace cl = llvm::cl;

static cl::OptionCategory category("mirlc options");
static cl::opt<std::string> input(cl::Positional, cl::desc("FILE.mirl"), cl::cat(category));
static cl::opt<std::string> modelDir("model", cl::desc("Folder with the model's config.json"), cl::value_desc("dir"), cl::cat(category));
static cl::list<std::string> sets("set", cl::desc("Set a const or a parameter of the program"), cl::value_desc("name=value"),
                                  cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("cpu, or cpu:x86-64-v3, cpu:x86-64-v4, cpu:native (default), or cuda:sm_90a"),
                                   cl::value_desc("target"), cl::init("cpu"), cl::cat(category));
static cl::opt<std::string> emit("emit", cl::desc("What to write: rl, nn, kernels, ptx (text) or plan"), cl::value_desc("stage"),
                                 cl::init("plan"), cl::cat(category));
static cl::opt<std::string> moduleKind("module", cl::desc("Code of a plan for a GPU: cubin (default) or ptx, which the driver compiles"),
                                       cl::value_desc("kind"), cl::init("cubin"), cl::cat(category));
static cl::opt<std::string> output("o", cl::desc("Where to write it (text: standard output)"), cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> dtype("dtype", cl::desc("Weights and activations: f32 (default for cpu) or bf16 (default for cuda)"),
                                  cl::value_desc("type"), cl::cat(category));
static cl::list<std::string> budgets("memory-budget", cl::desc("All memory of the plan, or transient memory of one entry, as 512MiB"),
                                     cl::value_desc("[entry=]bytes"), cl::cat(category));
static cl::opt<int64_t> context("context", cl::desc("Tokens of the longest sequence (default: the program's capacity)"), cl::value_desc("n"),
                                cl::init(0), cl::cat(category));
static cl::opt<int64_t> microTokens("micro-tokens", cl::desc("Tokens of a micro-batch (default: chosen)"), cl::value_desc("n"),
                                    cl::init(0), cl::cat(category));
static cl::opt<int64_t> slots("slots", cl::desc("Sequences decoded at a time (default: chosen)"), cl::value_desc("n"), cl::init(0),
                              cl::cat(category));
static cl::opt<int64_t> kvBlocks("kv-blocks", cl::desc("Blocks of 16 positions of the KV cache's pool (default: enough for all slots)"),
                                 cl::value_desc("n"), cl::init(0), cl::cat(category));
static cl::opt<std::string> products("products", cl::desc("Who computes matrix products: own (default), or cublaslt[=PATTERN] where it may"),
                                     cl::value_desc("who"), cl::init("own"), cl::cat(category));
static cl::opt<std::string> parity("parity", cl::desc("on (default), or off: cuBLASLt's products need not have the kernels' bits"),
                                   cl::value_desc("on|off"), cl::init("on"), cl::cat(category));
static cl::opt<std::string> library("library", cl::desc("Where `use` looks for models and libraries"), cl::value_desc("dir"), cl::Hidden,
                                    cl::cat(category));

static constexpr llvm::StringLiteral kHelp = R"(mirlc: compile a .mirl program to a plan

usage: mirlc FILE.mirl --model DIR [options] -o OUT.plan

  --model DIR            folder with the model's config.json
  --set NAME=VALUE       set a const or a parameter of the program (repeatable)
  --target TARGET        cpu (for this machine), cpu:x86-64-v3 (AVX2) or cpu:x86-64-v4 (AVX-512), or cuda:sm_90a
                         (NVIDIA Hopper; needs ptxas, but with --module ptx)
  --dtype TYPE           of weights and activations: f32 (default for cpu) or bf16 (default for cuda; sums, log-probs,
                         gradients of weights and the optimizer stay f32)
  --emit STAGE           rl, nn or kernels (text), ptx (text; of cuda), or plan (default)
  --module KIND          code in a plan for a GPU: cubin (default; needs ptxas) or ptx, which the GPU's driver compiles when
                         the plan is loaded
  -o FILE                where to write it; text goes to standard output without it
  --memory-budget SIZE   all memory of the plan (512MiB, 40GiB, …; on a GPU with what its driver takes, as nvidia-smi
                         shows it): training entries recompute until it is met, and keep logits with what is left (on
                         a GPU). ENTRY=SIZE is the transient memory of the entry of that name (train.micro=1GiB), and
                         may be given again
  --context N            tokens of the longest sequence (default: the program's `capacity context`)
  --micro-tokens N       tokens of a micro-batch
  --slots N              sequences decoded at a time
  --products WHO         own (default): our kernels compute every matrix product; cublaslt[=PATTERN], of a GPU: cuBLASLt may
                         compute those that PATTERN names (ENTRY/KIND/NxK, as 'train.micro/weight_grad/*'), and does where it
                         is faster and has the same bits
  --parity WHICH         on (default), or off: cuBLASLt computes those products whatever its bits are; log-probs of rollout and
                         training then differ
  --kv-blocks N          blocks of 16 positions of the KV cache's pool (default: enough for all slots at full length)
  --help, --version

example: mirlc examples/chain/mirror_descent.mirl --model examples/chain/model --set samples=4 -o rl.plan
)";

namespace {

int usage(const llvm::Twine &message) {
  llvm::errs() << "mirlc: error: " << message << "\ntry 'mirlc --help'\n";
  return 2;
}

int fail(const llvm::Twine &message) {
  llvm::errs() << "mirlc: error: " << message << "\n";
  return 1;
}

// Bytes of "512MiB", "2GiB", "1000000"; nothing when it is no such number.
std::optional<int64_t> parseBytes(llvm::StringRef text) {
  int64_t unit = 1, number;
  for (auto [suffix, size] : {std::pair<llvm::StringRef, int64_t>("KiB", 1 << 10), {"MiB", 1 << 20}, {"GiB", 1 << 30}})
    if (text.consume_back(suffix))
      unit = size;
  if (text.trim().getAsInteger(10, number) || number <= 0 || number > (int64_t(1) << 62) / unit)
    return std::nullopt;
  return number * unit;
}

// Prints `file:line:col: error: …`, the line and a caret for locations in files; others plainly.
class Diagnostics : public SourceMgrDiagnosticHandler {
public:
  Diagnostics(llvm::SourceMgr &sources, MLIRContext *context) : SourceMgrDiagnosticHandler(sources, context, llvm::errs()) {
    setCallStackLimit(4);
  }
};

// Writes text or bytes: to standard output, or to a file by way of a temporary one beside it.
int write(llvm::StringRef path, llvm::function_ref<LogicalResult(llvm::raw_ostream &)> print) {
  if (path.empty() || path == "-") {
    llvm::raw_fd_ostream &out = llvm::outs();
    bool good = succeeded(print(out));
    out.flush();
    // Left set, the stream would end the process by itself.
    std::error_code error = out.error();
    out.clear_error();
    if (error)
      return fail("cannot write to standard output: " + error.message());
    return good ? 0 : 1;
  }
  auto file = llvm::sys::fs::TempFile::create(path.str() + ".%%%%%%.tmp", 0666 & ~022);
  if (!file)
    return fail("cannot write " + path + ": " + llvm::toString(file.takeError()));
  bool good;
  std::error_code error;
  {
    llvm::raw_fd_ostream os(file->FD, /*shouldClose=*/false);
    good = succeeded(print(os));
    os.flush();
    error = os.error();
    os.clear_error();
  }
  if (!good || error) {
    llvm::consumeError(file->discard());
    return good ? fail("cannot write " + path + ": " + error.message()) : 1;
  }
  if (llvm::Error kept = file->keep(path))
    return fail("cannot write " + path + ": " + llvm::toString(std::move(kept)));
  return 0;
}

// Whether a budget's entry exists; says which ones there are when it does not.
bool checkEntry(ModuleOp module, llvm::StringRef name) {
  std::string known;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(nn::attr::kKind))
      continue;
    if (function.getSymName() == name)
      return true;
    known += (known.empty() ? "" : ", ") + function.getSymName().str();
  }
  fail("--memory-budget " + name + ": the program has no entry of this name; it has " + known);
  return false;
}

void summarise(ModuleOp module, double seconds) {
  int64_t entries = 0, kernels = 0, largest = 0, launches = 0, shared = 0;
  std::string name;
  for (auto entry : module.getOps<plan::EntryOp>()) {
    ++entries;
    entry.walk([&](plan::LaunchOp launch) {
      ++launches;
      shared += launch.getProducts().has_value();
    });
    if (static_cast<int64_t>(entry.getPeakBytes().value_or(0)) > largest) {
      largest = *entry.getPeakBytes();
      name = entry.getSymName().str();
    }
  }
  if (auto inner = module.lookupSymbol<ModuleOp>("kernels"))
    for (Operation &op : *inner.getBody())
      kernels += isa<FunctionOpInterface>(op);
  auto number = [&](llvm::StringRef key) { return module->getAttrOfType<IntegerAttr>(key).getInt(); };
  llvm::errs() << "mirlc: " << entries << " entries, " << kernels << " kernels; memory " << passes::mebibytes(number("plan.arena_bytes"))
               << " (persistent " << passes::mebibytes(number("plan.persistent_bytes")) << ", at most " << passes::mebibytes(largest) << " for " << name
               << "); ";
  if (module->hasAttr("plan.target"))
    llvm::errs() << "about " << passes::mebibytes(number("plan.arena_bytes") + passes::kDriverBytes) << " of the GPU's memory with its driver's; ";
  llvm::errs() << llvm::format("%.1f", seconds) << " s\n";
  if (shared)
    llvm::errs() << "mirlc: cuBLASLt may compute " << shared << " of " << launches << " launches\n";
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM initialised(argc, argv);
  // A file that grows beyond its limit is an error of the write, not the crash that LLVM's handler makes of it.
  std::signal(SIGXFSZ, SIG_IGN);
  cl::HideUnrelatedOptions(category);
  // LLVM registers --help and --version for itself, and would print options of no interest here.
  for (llvm::StringRef argument : llvm::ArrayRef(argv, argc).drop_front()) {
    if (argument == "--help" || argument == "-help" || argument == "-h") {
      return write("", [](llvm::raw_ostream &os) {
        os << kHelp;
        return success();
      });
    }
    if (argument == "--version" || argument == "-version") {
      return write("", [](llvm::raw_ostream &os) {
        os << "mirlc " MIRL_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
        return success();
      });
    }
  }
  std::string complaint;
  llvm::raw_string_ostream complaints(complaint);
  if (!cl::ParseCommandLineOptions(argc, argv, "", &complaints))
    return usage(llvm::StringRef(complaint).trim());
  if (input.empty())
    return usage("needs a .mirl file");
  if (!llvm::is_contained({"rl", "nn", "kernels", "ptx", "plan"}, emit))
    return usage("--emit takes rl, nn, kernels, ptx or plan, not '" + emit + "'");
  if (emit == "plan" && output.empty())
    return usage("needs -o FILE for the plan");
  passes::PipelineOptions options;
  auto [device, machine] = llvm::StringRef(target).split(':');
  if (device == "cuda") {
    options.cuda = machine.empty() ? "sm_90a" : machine.str();
    if (machine.starts_with("sm_") && options.cuda != "sm_90a")
      return fail("--target " + target + ": of NVIDIA's GPUs only Hopper is supported (H100, H200): cuda:sm_90a");
  } else {
    options.cpu = machine.empty() ? "native" : machine.str();
  }
  if ((device != "cpu" || !llvm::is_contained({"native", "x86-64-v3", "x86-64-v4"}, options.cpu)) && options.cuda != "sm_90a")
    return usage("--target takes cpu, cpu:native, cpu:x86-64-v3, cpu:x86-64-v4 or cuda:sm_90a, not '" + target + "'");
  if (!dtype.empty() && dtype != "f32" && dtype != "bf16")
    return usage("--dtype takes f32 or bf16, not '" + dtype + "'");
  options.bf16 = dtype.empty() ? !options.cuda.empty() : dtype == "bf16";
  options.tensorCores = !options.cuda.empty();
  if (moduleKind != "cubin" && moduleKind != "ptx")
    return usage("--module takes cubin or ptx, not '" + moduleKind + "'");
  options.ptxOnly = emit == "ptx" || moduleKind == "ptx";
  if (options.ptxOnly && options.cuda.empty())
    return usage((emit == "ptx" ? "--emit ptx" : "--module ptx") + std::string(" needs --target cuda:sm_90a"));
  auto [computer, pattern] = llvm::StringRef(products).split('=');
  if ((computer != "own" && computer != "cublaslt") || (products.find('=') != std::string::npos && (pattern.empty() || computer == "own")))
    return usage("--products takes own, cublaslt or cublaslt=PATTERN, not '" + products + "'");
  if (parity != "on" && parity != "off")
    return usage("--parity takes on or off, not '" + parity + "'");
  if (computer == "own" && parity == "off")
    return usage("--parity off needs --products cublaslt: what our own kernels compute always has the same bits");
  if (computer == "cublaslt") {
    if (options.cuda.empty())
      return usage("--products cublaslt needs --target cuda:sm_90a");
    options.libraryPattern = pattern.empty() ? "*" : pattern.str();
    options.anyBits = parity == "off";
  }
  int64_t memoryBudget = 0;
  for (llvm::StringRef budget : budgets) {
    auto [entry, size] = budget.contains('=') ? budget.rsplit('=') : std::pair(llvm::StringRef(), budget);
    auto bytes = parseBytes(size);
    if (!bytes || (entry.empty() && budget.contains('=')))
      return usage("--memory-budget takes a number of bytes, as 512MiB, or ENTRY=BYTES, not '" + budget + "'");
    if (entry.empty())
      memoryBudget = *bytes;
    else
      options.entryBudgets.push_back((entry + "=" + llvm::Twine(*bytes)).str());
  }
  if (context < 0 || microTokens < 0 || slots < 0 || kvBlocks < 0)
    return usage("--context, --micro-tokens, --slots and --kv-blocks take positive numbers");
  options.context = context;
  options.microTokens = microTokens;
  options.slots = slots;
  options.kvBlocks = kvBlocks;
  auto started = std::chrono::steady_clock::now();
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::InitializeNativeTargetAsmParser();

  DialectRegistry registry;
  passes::registerAll(registry);
  MLIRContext mlir(registry, MLIRContext::Threading::DISABLED);
  mlir.loadAllAvailableDialects();
  // A user reads the program's own lines, not the op behind them.
  mlir.printOpOnDiagnostic(false);
  llvm::SourceMgr sources;
  Diagnostics diagnostics(sources, &mlir);
  OwningOpRef<ModuleOp> module;
  if (llvm::StringRef(input).ends_with(".mlir")) {
    module = parseSourceFile<ModuleOp>(input, &mlir);
  } else {
    frontend::FrontendOptions front;
    front.file = input;
    front.modelDir = modelDir;
    front.libraryDir = library;
    for (const std::string &set : sets) {
      auto [name, value] = llvm::StringRef(set).split('=');
      if (name.empty() || value.empty())
        return usage("--set takes name=value, not '" + set + "'");
      front.sets.push_back({name.str(), value.str()});
    }
    module = frontend::compileFile(mlir, front);
  }
  if (!module)
    return 1;
  if (failed(verify(*module)))
    return 1;

  auto print = [&](llvm::raw_ostream &os) {
    OpPrintingFlags flags;
    flags.elideLargeElementsAttrs(64);
    module->print(os, flags);
    return success();
  };
  auto runPhase = [&](auto build) {
    PassManager pm(&mlir);
    build(pm, options);
    return succeeded(pm.run(*module));
  };
  if (emit == "rl")
    return write(output, print);
  bool program = !module->getOps<rl::PolicyOp>().empty() || !module->getOps<rl::EntryOp>().empty() ||
                 !module->getOps<rl::StepOp>().empty();
  if (!program && module->getOps<func::FuncOp>().empty()) {
    emitError(FileLineColLoc::get(&mlir, input, 1, 1))
        << "declares nothing that runs: a program needs a policy, a step or an entry";
    return 1;
  }
  if (program && !runPhase(passes::buildRlToNn))
    return 1;
  for (llvm::StringRef budget : options.entryBudgets)
    if (!checkEntry(*module, budget.rsplit('=').first))
      return 1;
  if (memoryBudget) {
    FailureOr<int64_t> transient = passes::findTransientBudget(*module, options, memoryBudget);
    if (failed(transient))
      return 1;
    options.memoryBudget = *transient;
  }
  if (!runPhase(passes::buildNnToKernels))
    return 1;
  if (emit == "nn")
    return write(output, print);
  if (!runPhase(passes::buildKernelsToMemory))
    return 1;
  if (emit == "kernels")
    return write(output, print);
  if (!runPhase(passes::buildMemoryToPlan))
    return 1;
  if (emit == "ptx")
    return write(output, [&](llvm::raw_ostream &os) {
      for (auto code : module->getOps<plan::CodeOp>())
        os << code.getObject();
      return success();
    });
  if (int code = write(output, [&](llvm::raw_ostream &os) { return passes::serializePlan(*module, os); }))
    return code;
  summarise(*module, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  return 0;
}
