// Instructions that have no op of their own.

#ifndef MIRL_PASSES_CUDA_INLINEPTX_H
#define MIRL_PASSES_CUDA_INLINEPTX_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mirl::passes::cuda {

// PTX whose $0, $1, … are the result and the operands, with LLVM's constraints ("=f,f"). `sideEffects`: it stays where it is
// written, used or not.
mlir::Value inlinePtx(mlir::ImplicitLocOpBuilder &b, mlir::Type result, mlir::ValueRange operands,
                      llvm::StringRef text, llvm::StringRef constraints, bool sideEffects = false);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_INLINEPTX_H
