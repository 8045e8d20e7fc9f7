// PTX to machine code with NVIDIA's assembler, and the rules that kernels must meet.

#ifndef MIRL_PASSES_CUDA_PTXAS_H
#define MIRL_PASSES_CUDA_PTXAS_H

#include "mlir/IR/BuiltinOps.h"

namespace mirl::passes::cuda {

// The path of ptxas: $MIRL_PTXAS, PATH, the Python package nvidia-cuda-nvcc, /usr/local/cuda; "" when it is nowhere.
std::string findPtxas();

// A kernel calls nothing outside itself. Errors are at `kernels` and name the function.
llvm::LogicalResult checkPtx(mlir::ModuleOp kernels, llvm::StringRef ptx);

// Assembles PTX for `arch`. Warns of every kernel that spills registers.
llvm::LogicalResult assemble(mlir::ModuleOp kernels, llvm::StringRef arch, llvm::StringRef ptx, std::string &cubin);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_PTXAS_H
