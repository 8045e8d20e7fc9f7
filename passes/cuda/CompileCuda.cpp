// compile-cuda: the module @kernels becomes a cubin.
//
// In: a module with a nested module @kernels of llvm.func kernels that SimtKernelBuilder wrote (nn-to-plan with
// target=cuda).
// Out: @kernels lowered to the LLVM dialect, one plan.code op with the cubin (ptx-only: with the PTX) and the architecture it is for, and
// plan.target = "cuda" on the module. PTX comes from LLVM's NVPTX back end, machine code from NVIDIA's ptxas.
//
// Rules of the numbers, as in compile-kernels: no fast-math flag is set and AllowFPOpFusion is Strict, so PTX says
// add.rn and mul.rn, which ptxas does not contract; division and square roots are correctly rounded, subnormals kept.

#include "passes/OptimizeKernels.h"
#include "passes/Passes.h"
#include "passes/cuda/Ptxas.h"
#include "passes/cuda/SimtKernelBuilder.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

namespace mirl::passes {
#define GEN_PASS_DEF_COMPILECUDA
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// The oldest PTX whose bulk copies name the block's own shared memory: any ptxas from CUDA 12.8 on takes it.
constexpr llvm::StringLiteral kPtxVersion = "+ptx86";

class CompileCuda : public impl::CompileCudaBase<CompileCuda> {
public:
  using CompileCudaBase::CompileCudaBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<plan::PlanDialect, LLVM::LLVMDialect, NVVM::NVVMDialect, cf::ControlFlowDialect,
                    scf::SCFDialect, vector::VectorDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    registerNVVMDialectTranslation(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<ModuleOp>("kernels");
    if (!kernels) {
      module.emitError("compile-cuda needs a nested module @kernels (run nn-to-plan{target=cuda} first)");
      return signalPassFailure();
    }
    if (arch != "sm_90a") {
      module.emitError() << "option arch must be sm_90a, is '" << arch << "'";
      return signalPassFailure();
    }
    std::string ptx;
    if (failed(lower(kernels)) || failed(emitPtx(kernels, ptx)) || failed(cuda::checkPtx(kernels, ptx)))
      return signalPassFailure();
    std::string code = ptx;
    if (!ptxOnly && failed(cuda::assemble(kernels, arch, ptx, code)))
      return signalPassFailure();
    for (auto old : llvm::make_early_inc_range(module.getOps<plan::CodeOp>()))
      old.erase();
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    plan::CodeOp::create(builder, module.getLoc(), builder.getStringAttr(code), builder.getStrArrayAttr({arch}));
    module->setAttr("plan.target", builder.getStringAttr("cuda"));
  }

private:
  LogicalResult lower(ModuleOp kernels) {
    OpPassManager pm(ModuleOp::getOperationName());
    pm.addPass(createSCFToControlFlowPass());
    // What has no intrinsic is inline PTX.
    pm.addPass(createConvertNVVMToLLVMPass());
    pm.addPass(createConvertVectorToLLVMPass());
    pm.addPass(createConvertMathToLLVMPass());
    pm.addPass(createArithToLLVMConversionPass());
    pm.addPass(createConvertControlFlowToLLVMPass());
    pm.addPass(createReconcileUnrealizedCastsPass());
    return runPipeline(pm, kernels);
  }

  LogicalResult emitPtx(ModuleOp kernels, std::string &ptx) {
    static const bool initialized = [] {
      LLVMInitializeNVPTXTargetInfo();
      LLVMInitializeNVPTXTarget();
      LLVMInitializeNVPTXTargetMC();
      LLVMInitializeNVPTXAsmPrinter();
      return true;
    }();
    (void)initialized;
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(kernels, context, "kernels");
    if (!ir)
      return kernels.emitError("the kernels could not be translated to LLVM IR");
    llvm::Triple triple("nvptx64-nvidia-cuda");
    std::string message;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
    if (!target)
      return kernels.emitError("LLVM has no NVPTX code generator: ") << message;
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
    std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
        triple, arch, kPtxVersion, options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Default));
    ir->setDataLayout(machine->createDataLayout());
    ir->setTargetTriple(triple);
    optimizeKernels(*ir, *machine);
    llvm::SmallVector<char, 0> text;
    llvm::raw_svector_ostream os(text);
    llvm::legacy::PassManager codegen;
    if (machine->addPassesToEmitFile(codegen, os, nullptr, llvm::CodeGenFileType::AssemblyFile))
      return kernels.emitError("LLVM cannot write PTX");
    codegen.run(*ir);
    ptx.assign(text.begin(), text.end());
    return success();
  }
};

} // namespace
} // namespace mirl::passes
