// compile-kernels: the module @kernels becomes machine code.
//
// In: a module with a nested module @kernels of llvm.func kernels whose bodies are scf, arith, math,
// vector and llvm (what passes/cpu/KernelBuilder.h emits).
// Out: @kernels lowered to the LLVM dialect (it stays, for --emit kernels), and one plan.code op with
// an ELF shared object that exports each kernel under its name, plus the instruction set it needs,
// as names that __builtin_cpu_supports knows. The object has no undefined symbol: one that LLVM
// would need (memset, fmaf on a machine without FMA) is an error that names it.
//
// Rules of the numbers: no fast-math flag is set and AllowFPOpFusion is Strict, so a fused
// multiply-add is one only where the kernel says so. The loop and SLP vectorizers are off: kernels are
// written in vectors, and what is scalar in them has an order that is part of the result.

#include "passes/OptimizeKernels.h"
#include "passes/Passes.h"
#include "passes/RunTool.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

namespace mirl::passes {
#define GEN_PASS_DEF_COMPILEKERNELS
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

struct Machine {
  std::string arch, tune;
  std::vector<StringRef> isa;
  bool avx512 = false;
};

// What to compile for. "native" is the best of the two levels that this machine has, tuned for it, so
// that a plan runs on any machine of that level.
std::optional<Machine> chooseMachine(StringRef cpu, llvm::function_ref<InFlightDiagnostic()> error) {
  static const std::vector<StringRef> v3 = {"avx2", "fma", "bmi", "bmi2"};
  static const std::vector<StringRef> v4 = {"avx2",    "fma",      "bmi",      "bmi2",
                                            "avx512f", "avx512bw", "avx512dq", "avx512vl"};
  Machine machine;
  machine.tune = "generic";
  if (cpu == "native") {
    llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
    auto has = [&](ArrayRef<StringRef> names) {
      return llvm::all_of(names, [&](StringRef name) { return features.lookup(name); });
    };
    machine.tune = llvm::sys::getHostCPUName().str();
    if (has(v4) && features.lookup("avx512cd"))
      cpu = "x86-64-v4";
    else if (has(v3))
      cpu = "x86-64-v3";
    else {
      error() << "this machine's CPU (" << machine.tune
              << ") lacks AVX2 or FMA, which kernels need; choose cpu=x86-64-v3 to compile for another";
      return std::nullopt;
    }
  }
  machine.arch = cpu.str();
  if (cpu == "x86-64-v4") {
    machine.isa = v4;
    machine.avx512 = true;
  } else if (cpu == "x86-64-v3") {
    machine.isa = v3;
  } else {
    error() << "option cpu must be native, x86-64-v3 or x86-64-v4, is '" << cpu << "'";
    return std::nullopt;
  }
  return machine;
}

class CompileKernels : public impl::CompileKernelsBase<CompileKernels> {
public:
  using CompileKernelsBase::CompileKernelsBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<plan::PlanDialect, LLVM::LLVMDialect, cf::ControlFlowDialect, scf::SCFDialect,
                    vector::VectorDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<ModuleOp>("kernels");
    if (!kernels) {
      module.emitError("compile-kernels needs a nested module @kernels (run nn-to-plan first)");
      return signalPassFailure();
    }
    auto machine = chooseMachine(cpu, [&] { return module.emitError(); });
    if (!machine || failed(lower(kernels)))
      return signalPassFailure();
    std::string object;
    if (failed(emitObject(kernels, *machine, object)) || failed(checkSymbols(kernels, object)) ||
        failed(link(kernels, object)))
      return signalPassFailure();
    for (auto old : llvm::make_early_inc_range(module.getOps<plan::CodeOp>()))
      old.erase();
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    plan::CodeOp::create(builder, module.getLoc(), builder.getStringAttr(object),
                         builder.getStrArrayAttr(machine->isa));
  }

private:
  LogicalResult lower(ModuleOp kernels) {
    OpPassManager pm(ModuleOp::getOperationName());
    pm.addPass(createSCFToControlFlowPass());
    pm.addPass(createConvertVectorToLLVMPass());
    pm.addPass(createConvertMathToLLVMPass());
    pm.addPass(createArithToLLVMConversionPass());
    pm.addPass(createConvertControlFlowToLLVMPass());
    pm.addPass(createReconcileUnrealizedCastsPass());
    return runPipeline(pm, kernels);
  }

  LogicalResult emitObject(ModuleOp kernels, const Machine &machine, std::string &object) {
    static const bool initialized = [] {
      LLVMInitializeX86TargetInfo();
      LLVMInitializeX86Target();
      LLVMInitializeX86TargetMC();
      LLVMInitializeX86AsmPrinter();
      return true;
    }();
    (void)initialized;
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(kernels, context, "kernels");
    if (!ir)
      return kernels.emitError("the kernels could not be translated to LLVM IR");
    llvm::Triple triple("x86_64-unknown-linux-gnu");
    std::string message;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
    if (!target)
      return kernels.emitError("LLVM has no x86-64 code generator: ") << message;
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
    std::unique_ptr<llvm::TargetMachine> targetMachine(
        target->createTargetMachine(triple, machine.arch, "", options, llvm::Reloc::PIC_,
                                    llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
    ir->setDataLayout(targetMachine->createDataLayout());
    ir->setTargetTriple(triple);
    StringRef width = machine.avx512 ? "512" : "256";
    for (llvm::Function &function : *ir) {
      if (function.isDeclaration())
        continue;
      function.addFnAttr("target-cpu", machine.arch);
      function.addFnAttr("tune-cpu", machine.tune);
      function.addFnAttr("prefer-vector-width", width);
      function.addFnAttr("min-legal-vector-width", width);
      function.addFnAttr("no-builtins");
      function.addFnAttr(llvm::Attribute::NoUnwind);
    }
    optimizeKernels(*ir, *targetMachine);
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream os(bytes);
    llvm::legacy::PassManager codegen;
    // No library call may be invented.
    auto *libraryInfo = new llvm::TargetLibraryInfoImpl(triple);
    libraryInfo->disableAllFunctions();
    codegen.add(new llvm::TargetLibraryInfoWrapperPass(*libraryInfo));
    if (targetMachine->addPassesToEmitFile(codegen, os, nullptr,
                                           llvm::CodeGenFileType::ObjectFile))
      return kernels.emitError("LLVM cannot write an object file for x86-64");
    codegen.run(*ir);
    delete libraryInfo;
    object.assign(bytes.begin(), bytes.end());
    return success();
  }

  // A kernel calls nothing outside itself.
  LogicalResult checkSymbols(ModuleOp kernels, StringRef object) {
    auto file = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef(object, "kernels.o"));
    if (!file)
      return kernels.emitError("the object file of the kernels cannot be read back: ")
             << llvm::toString(file.takeError());
    LogicalResult result = success();
    for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
      auto flags = symbol.getFlags();
      auto name = symbol.getName();
      if (!flags || !name) {
        llvm::consumeError(flags.takeError());
        llvm::consumeError(name.takeError());
        continue;
      }
      if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty())
        result = kernels.emitError("a kernel needs the function '")
                 << *name << "', but kernels must call nothing outside themselves";
    }
    return result;
  }

  // Replaces the relocatable object by a shared one.
  LogicalResult link(ModuleOp kernels, std::string &object) {
    std::string linker;
    for (StringRef name : {"ld.lld-22", "ld.lld"}) {
      auto found = llvm::sys::findProgramByName(name);
      if (!found)
        found = llvm::sys::findProgramByName(name, {"/usr/lib/llvm-22/bin"});
      if (found) {
        linker = *found;
        break;
      }
    }
    if (linker.empty())
      return kernels.emitError("linking kernels needs ld.lld-22 or ld.lld in PATH (Debian package lld-22)");
    // The plan is content-addressed: the same kernels must give the same bytes.
    static constexpr StringRef arguments[] = {"-shared", "--no-undefined", "--build-id=none", "-soname", "kernels.so",
                                              "-z", "noexecstack"};
    std::string linked, said;
    if (failed(runTool(kernels, {linker, "linking", arguments, "o", "so"}, object, linked, said)))
      return failure();
    object = std::move(linked);
    return success();
  }
};

} // namespace
} // namespace mirl::passes
