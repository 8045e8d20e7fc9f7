// Every pass, in pipeline order. One pass a file: PascalCase.cpp = def here = flag = test file.

#ifndef MIRL_PASSES
#define MIRL_PASSES

include "mlir/Pass/PassBase.td"

// --- rl: what the user wrote ---------------------------------------------------------------------

def VerifyRl : Pass<"verify-rl", "mlir::ModuleOp"> {
  let summary = "Check the rules of rl that need the whole program";
}

def SplitStep : Pass<"split-step", "mlir::ModuleOp"> {
  let summary = "Cut each training step into batch, micro-batch and apply phases, and find its packing";
}

def RlToNn : Pass<"rl-to-nn", "mlir::ModuleOp"> {
  let summary = "Instantiate models and lower steps, samplers and rewards to entries of nn ops";
  let dependentDialects = ["mirl::nn::NnDialect", "mirl::plan::PlanDialect", "mlir::func::FuncDialect"];
  let options = [
    Option<"context", "context", "int64_t", "0", "Tokens of the longest sequence (0: what the program declares)">,
    Option<"microTokens", "micro-tokens", "int64_t", "0", "Context tokens of a micro-batch (0: chosen)">,
    Option<"slots", "slots", "int64_t", "0", "Sequences decoded at a time (0: chosen)">,
    Option<"kvBlocks", "kv-blocks", "int64_t", "0", "Blocks of 16 positions of the KV cache's pool (0: as many as all sequences need)">,
    ListOption<"prefillRows", "prefill-rows", "int64_t", "Further prefill entries, each for at most so many rows, where a call may have more">,
    ListOption<"decodeRows", "decode-rows", "int64_t", "Further decode entries, each for at most so many sequences, where more are decoded at a time">,
  ];
}

// --- nn: tensors -----------------------------------------------------------------------------------

def AssignTypes : Pass<"assign-types", "mlir::ModuleOp"> {
  let summary = "Make weights, caches and activations bf16, with f32 originals of trained weights";
  let dependentDialects = ["mirl::nn::NnDialect"];
  let options = [Option<"dtype", "dtype", "std::string", "\"f32\"", "Of weights and activations: f32 (nothing changes) or bf16">];
}

def Differentiate : Pass<"differentiate", "mlir::func::FuncOp"> {
  let summary = "Build the adjoint of functions that ask for gradients";
  let dependentDialects = ["mirl::nn::NnDialect"];
}

def PlanRecompute : Pass<"plan-recompute", "mlir::func::FuncOp"> {
  let summary = "Recompute forward values in the backward pass until a memory budget is met";
  let options = [
    Option<"budget", "budget", "int64_t", "0", "Bytes of transient memory of a training entry (0: no limit)">,
    ListOption<"entries", "entries", "std::string", "NAME=BYTES: the budget of one entry, of whatever kind">,
    Option<"tensorCores", "tensor-cores", "bool", "false",
           "Vocabulary heads are the tensor cores': a chunk of the logits' gradient counts, and what a budget leaves keeps logits">,
  ];
}

def Fuse : Pass<"fuse", "mlir::func::FuncOp"> {
  let summary = "Fuse elementwise ops into one loop, and sums into the product or norm before them";
  let dependentDialects = ["mirl::nn::NnDialect", "mlir::arith::ArithDialect", "mlir::math::MathDialect"];
}

def AssignNumerics : Pass<"assign-numerics", "mlir::func::FuncOp"> {
  let summary = "Write the order of every reduction into its op";
  let options = [
    Option<"tensorCores", "tensor-cores", "bool", "false", "Products of bf16 are those of Hopper's tensor cores: k16">,
  ];
}

def GroupLaunches : Pass<"group-launches", "mlir::func::FuncOp"> {
  let summary = "Gather the ops that are one launch on a GPU: products of one operand, and what is made of them";
  let dependentDialects = ["mirl::nn::NnDialect"];
}

def SelectLibrary : Pass<"select-library", "mlir::ModuleOp"> {
  let summary = "Mark the products that cuBLASLt may compute in place of a kernel";
  let dependentDialects = ["mirl::nn::NnDialect"];
  let options = [
    Option<"pattern", "pattern", "std::string", "\"*\"", "Which ones: a glob over ENTRY/KIND/NxK">,
    Option<"anyBits", "any-bits", "bool", "false", "Whatever its bits are; else where they are the kernel's">,
  ];
}

// --- plan: the executable ----------------------------------------------------------------------------

def NnToPlan : Pass<"nn-to-plan", "mlir::ModuleOp"> {
  let summary = "Turn entries into launches of generated kernels over slices";
  let dependentDialects = ["mirl::plan::PlanDialect", "mlir::func::FuncDialect", "mlir::scf::SCFDialect",
                           "mlir::vector::VectorDialect", "mlir::LLVM::LLVMDialect", "mlir::arith::ArithDialect",
                           "mlir::math::MathDialect", "mlir::NVVM::NVVMDialect"];
  let options = [Option<"target", "target", "std::string", "\"cpu\"", "Device of the kernels: cpu or cuda">];
}

def AssignMemory : Pass<"assign-memory", "mlir::ModuleOp"> {
  let summary = "Give every slice its offset in the arena";
}

def CompileKernels : Pass<"compile-kernels", "mlir::ModuleOp"> {
  let summary = "Compile the kernels to one shared object for the target machine";
  let options = [
    Option<"cpu", "cpu", "std::string", "\"native\"", "CPU to compile for: native, x86-64-v3 or x86-64-v4">,
  ];
}

def CompileCuda : Pass<"compile-cuda", "mlir::ModuleOp"> {
  let summary = "Compile the kernels to a cubin for an NVIDIA GPU (instead of compile-kernels)";
  let options = [
    Option<"arch", "arch", "std::string", "\"sm_90a\"", "GPU to compile for: sm_90a">,
    Option<"ptxOnly", "ptx-only", "bool", "false", "Stop before ptxas: the code is PTX">,
  ];
}

def VerifyPlan : Pass<"verify-plan", "mlir::ModuleOp"> {
  let summary = "Check that the module is a complete, executable plan";
}

#endif // MIRL_PASSES
