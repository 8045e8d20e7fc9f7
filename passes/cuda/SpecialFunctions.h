// Instructions of the special function unit, on one f32 of a thread. Results below the smallest normal number are zero; what is
// no number stays none.

#ifndef MIRL_PASSES_CUDA_SPECIALFUNCTIONS_H
#define MIRL_PASSES_CUDA_SPECIALFUNCTIONS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mirl::passes::cuda {

// 2^x: at most 2 ulp off.
mlir::Value exp2(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

// e^x as 2^(x · log2 e): off by (2 + |x|) · 2^-23 of itself.
mlir::Value specialExp(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

// log2(x): off by at most 2^-22, or by as much of its value.
mlir::Value log2(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

// 1 / x: at most 1 ulp off.
mlir::Value specialReciprocal(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_SPECIALFUNCTIONS_H
