// One step of the tensor cores' sum (TensorCore.h): 16 products and an accumulator, for many
// columns at once. Needs no LLVM, so that whatever computes with these bits can share it.

#ifndef MIRL_DIALECTS_NN_REFERENCE_TENSORCORESTEP_H
#define MIRL_DIALECTS_NN_REFERENCE_TENSORCORESTEP_H

#include <cstddef>
#include <cstdint>

namespace mirl::nn::reference {

inline constexpr size_t kTensorCoreStep = 16;

// bf16 as factors: value = significand · 2^(exponent − 7), the significand with the sign and not
// normalised. Zeros have an exponent below every other's.
struct TensorCoreFactors {
  const uint16_t *bits;
  const int32_t *significands, *exponents;
  bool finite; // none is an infinity or no number
};

// Splits `count` numbers into `significands` and `exponents`.
TensorCoreFactors splitFactors(const uint16_t *bits, size_t count, int32_t *significands,
                               int32_t *exponents);

// accumulators[n] += Σ_k a[k] · b[k · columns + n] for k < 16, n < columns, as one step.
void tensorCoreStep(const TensorCoreFactors &a, const TensorCoreFactors &b, size_t columns,
                    float *accumulators);

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_TENSORCORESTEP_H
