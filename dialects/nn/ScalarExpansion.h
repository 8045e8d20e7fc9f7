// The elementwise ops as scalar programs of arith and math: the one place that says how a sigmoid is
// computed. Used where ops are fused; the kernels vectorise what comes out.

#ifndef MIRL_DIALECTS_NN_SCALAREXPANSION_H
#define MIRL_DIALECTS_NN_SCALAREXPANSION_H

#include "dialects/nn/Nn.h"

namespace mirl::nn {

// Builds one element of unary, binary, compare, select, splat, stop_gradient or cast from its scalar
// operands (f32); null for other ops. A bf16 result is not rounded yet. It will be, so a target may approximate the exponential and
// the division of sigmoid and silu, which have the flags afn and arcp then.
mlir::Value expandScalar(mlir::OpBuilder &builder, mlir::Operation *op, mlir::ValueRange operands);

} // namespace mirl::nn

#endif // MIRL_DIALECTS_NN_SCALAREXPANSION_H
