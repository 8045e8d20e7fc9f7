// The sum that Hopper's tensor cores compute over products of bf16, bit for bit: numerics `k16`.
//
// k goes up in steps of 16 with one accumulator. A step aligns the 16 exact products and the accumulator to the largest
// exponent among them, E, but at least −133 (a product's is the sum of its factors' exponents, its significand is not
// normalised): each is truncated toward zero to a multiple of 2^(E−25), they are added exactly, and the sum is truncated
// toward zero to f32 (subnormals kept). Zeros do not count for E. Measured on an H200 against wgmma and mma.sync, the least
// E on an H100 (test/gpu); the shape of a tile, the order of k within a step and zeros behind the last k do not change a bit.

#ifndef MIRL_DIALECTS_NN_REFERENCE_TENSORCORE_H
#define MIRL_DIALECTS_NN_REFERENCE_TENSORCORE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace mirl::nn::reference {

// accumulator + Σ_k a[k] · b[k]. `a` and `b` hold the bits of bf16 and are equally long. A product or accumulator that is
// NaN, 0 · ∞, or ∞ of both signs gives NaN; a finite sum beyond f32 gives ∞.
float tensorCoreSum(llvm::ArrayRef<uint16_t> a, llvm::ArrayRef<uint16_t> b, float accumulator = 0);

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_TENSORCORE_H
