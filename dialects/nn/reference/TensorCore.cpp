// The sum of the tensor cores (TensorCore.h).

#include "dialects/nn/reference/TensorCore.h"
#include "dialects/nn/reference/TensorCoreStep.h"

#include <algorithm>
#include <cassert>

namespace mirl::nn::reference {

float tensorCoreSum(llvm::ArrayRef<uint16_t> a, llvm::ArrayRef<uint16_t> b, float accumulator) {
  assert(a.size() == b.size() && "both factors have one number for each k");
  for (size_t from = 0; from < a.size(); from += kTensorCoreStep) {
    size_t count = std::min(kTensorCoreStep, a.size() - from);
    // Zeros behind the last k change nothing.
    uint16_t bits[2][kTensorCoreStep] = {};
    int32_t significands[2][kTensorCoreStep], exponents[2][kTensorCoreStep];
    std::copy_n(a.begin() + from, count, bits[0]);
    std::copy_n(b.begin() + from, count, bits[1]);
    TensorCoreFactors x = splitFactors(bits[0], kTensorCoreStep, significands[0], exponents[0]);
    TensorCoreFactors y = splitFactors(bits[1], kTensorCoreStep, significands[1], exponents[1]);
    tensorCoreStep(x, y, 1, &accumulator);
  }
  return accumulator;
}

} // namespace mirl::nn::reference
