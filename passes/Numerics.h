// What passes know of how a target computes: which ops the tensor cores serve, and what the adjoint of the vocabulary head needs.

#ifndef MIRL_PASSES_NUMERICS_H
#define MIRL_PASSES_NUMERICS_H

#include "mlir/IR/Operation.h"

namespace mirl::passes {

// Whether an op is a matrix product that the tensor cores serve: of two bf16 tensors, with rows of
// whole 16 bytes, which is what copies of tiles ask for. Logits that are sampled from are f32, and
// have the bits of nn.linear_logprob's.
bool isTensorCoreProduct(mlir::Operation *op);

// Of the gradient of the logits that the adjoint of nn.linear_logprob has in memory at a time, of those that it computes again.
inline constexpr int64_t kLogitChunkBytes = int64_t{288} << 20;

} // namespace mirl::passes

#endif // MIRL_PASSES_NUMERICS_H
