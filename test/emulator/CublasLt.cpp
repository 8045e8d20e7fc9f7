// libcublasLt.so.13: the functions of cuBLASLt that the runtime looks up
// (runtime/device/cuda/CublasLt.h), for the emulated GPU. Products of bf16 with the bits of the
// tensor cores, k ascending; an algorithm that may split a sum does so, into two halves.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "dialects/nn/reference/TensorCoreStep.h"
#include "runtime/device/cuda/CublasLt.h"

using namespace mirl::rt::cuda;
namespace reference = mirl::nn::reference;

namespace mirl::rt::cuda {
// What the handles are.
struct BlasDescriptionTag {
  int32_t transposed_a = kBlasNormal, transposed_b = kBlasNormal, bias_type = -1;
  uint32_t epilogue = 0;
  Address bias = 0;
};
struct BlasLayoutTag {
  int type = 0;
  uint64_t rows = 0, columns = 0;
  int64_t leading = 0;
};
struct BlasPreferenceTag {
  uint32_t reductions = 0;
};
} // namespace mirl::rt::cuda

// The emulated driver's.
extern "C" Result cuLaunchHostFunc(Stream stream, void (*function)(void *), void *data);

namespace {

constexpr BlasStatus kInvalidValue = 7;
constexpr size_t kStep = reference::kTensorCoreStep;

struct Multiplication {
  BlasDescriptionTag description;
  BlasLayoutTag a, b, d;
  Address from_a, from_b, from_c, to;
  float beta;
  bool split;
};

template <typename T> T &At(Address address, uint64_t index) {
  return reinterpret_cast<T *>(address)[index];
}

float Widen(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

// To nearest even; of numbers.
uint16_t Narrow(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float Read(Address address, int type, uint64_t index) {
  return type == kBlasF32 ? At<float>(address, index) : Widen(At<uint16_t>(address, index));
}

// d[m, n] = Σ_k op(a)[m, k] · op(b)[k, n], column-major.
void Run(const Multiplication &x) {
  uint64_t m = x.d.rows, n = x.d.columns;
  uint64_t k = x.description.transposed_a == kBlasTransposed ? x.a.rows : x.a.columns,
           steps = (k + kStep - 1) / kStep;
  auto element = [](Address address, const BlasLayoutTag &layout, bool transposed, uint64_t row,
                    uint64_t column) {
    if (transposed)
      std::swap(row, column);
    return At<uint16_t>(address, column * static_cast<uint64_t>(layout.leading) + row);
  };
  std::vector<uint16_t> wide(kStep * m), narrow(kStep);
  std::vector<int32_t> wide_significands(kStep * m), wide_exponents(kStep * m);
  int32_t significands[kStep], exponents[kStep];
  std::vector<float> sums(n * m), first;
  for (uint64_t step = 0; step < steps; ++step) {
    if (x.split && step == steps / 2) {
      first = sums;
      std::fill(sums.begin(), sums.end(), 0.0f);
    }
    for (uint64_t i = 0; i < kStep; ++i)
      for (uint64_t row = 0; row < m; ++row)
        wide[i * m + row] =
            step * kStep + i < k
                ? element(x.from_a, x.a, x.description.transposed_a == kBlasTransposed, row,
                          step * kStep + i)
                : 0;
    auto columns = reference::splitFactors(wide.data(), wide.size(), wide_significands.data(),
                                           wide_exponents.data());
    for (uint64_t column = 0; column < n; ++column) {
      for (uint64_t i = 0; i < kStep; ++i)
        narrow[i] = step * kStep + i < k
                        ? element(x.from_b, x.b, x.description.transposed_b == kBlasTransposed,
                                  step * kStep + i, column)
                        : 0;
      reference::tensorCoreStep(
          reference::splitFactors(narrow.data(), kStep, significands, exponents), columns, m,
          &sums[column * m]);
    }
  }
  for (uint64_t at = 0; at < sums.size(); ++at) {
    float value = first.empty() ? sums[at] : first[at] + sums[at];
    if (x.beta != 0)
      value += x.beta * Read(x.from_c, x.d.type, at);
    if (x.description.epilogue == kBlasAddBias)
      value += Read(x.description.bias, x.description.bias_type, at % m);
    if (x.d.type == kBlasF32)
      At<float>(x.to, at) = value;
    else
      At<uint16_t>(x.to, at) = Narrow(value);
  }
}

// Whether the shapes of a product belong together.
bool Fits(const BlasDescriptionTag &description, const BlasLayoutTag &a, const BlasLayoutTag &b,
          const BlasLayoutTag &d) {
  auto extent = [](const BlasLayoutTag &layout, bool transposed, bool rows) {
    return transposed != rows ? layout.rows : layout.columns;
  };
  bool ta = description.transposed_a == kBlasTransposed,
       tb = description.transposed_b == kBlasTransposed;
  auto packed = [](const BlasLayoutTag &layout) {
    return layout.leading == static_cast<int64_t>(layout.rows);
  };
  return a.type == kBlasBF16 && b.type == kBlasBF16 && packed(a) && packed(b) && packed(d) &&
         extent(a, ta, true) == d.rows && extent(b, tb, false) == d.columns &&
         extent(a, ta, false) == extent(b, tb, true);
}

} // namespace

#define MIRL_EXPORT extern "C" __attribute__((visibility("default")))

MIRL_EXPORT size_t cublasLtGetVersion() { return 130000; }
MIRL_EXPORT const char *cublasLtGetStatusString(BlasStatus status) {
  return status == kBlasNotSupported ? "not supported" : "an invalid value";
}
MIRL_EXPORT BlasStatus cublasLtCreate(BlasHandle *handle) {
  static int handles;
  *handle = reinterpret_cast<BlasHandle>(&handles);
  return 0;
}
MIRL_EXPORT BlasStatus cublasLtDestroy(BlasHandle) { return 0; }
MIRL_EXPORT BlasStatus cublasLtMatmulDescCreate(BlasDescription *made, int compute, int scale) {
  *made = new BlasDescriptionTag;
  return compute == kBlasCompute32 && scale == kBlasF32 ? 0 : kInvalidValue;
}
MIRL_EXPORT BlasStatus cublasLtMatmulDescDestroy(BlasDescription made) { return delete made, 0; }
MIRL_EXPORT BlasStatus cublasLtMatmulDescSetAttribute(BlasDescription made, int attribute,
                                                      const void *value, size_t bytes) {
  auto set = [&](auto &to) -> BlasStatus {
    if (bytes != sizeof(to))
      return kInvalidValue;
    std::memcpy(&to, value, bytes);
    return 0;
  };
  switch (attribute) {
  case kBlasTransposeA:
    return set(made->transposed_a);
  case kBlasTransposeB:
    return set(made->transposed_b);
  case kBlasEpilogue:
    return set(made->epilogue);
  case kBlasBias:
    return set(made->bias);
  case kBlasBiasType:
    return set(made->bias_type);
  default:
    return kInvalidValue;
  }
}
MIRL_EXPORT BlasStatus cublasLtMatrixLayoutCreate(BlasLayout *made, int type, uint64_t rows,
                                                  uint64_t columns, int64_t leading) {
  *made = new BlasLayoutTag{type, rows, columns, leading};
  return 0;
}
MIRL_EXPORT BlasStatus cublasLtMatrixLayoutDestroy(BlasLayout made) { return delete made, 0; }
MIRL_EXPORT BlasStatus cublasLtMatmulPreferenceCreate(BlasPreference *made) {
  *made = new BlasPreferenceTag;
  return 0;
}
MIRL_EXPORT BlasStatus cublasLtMatmulPreferenceDestroy(BlasPreference made) {
  return delete made, 0;
}
MIRL_EXPORT BlasStatus cublasLtMatmulPreferenceSetAttribute(BlasPreference made, int attribute,
                                                            const void *value, size_t bytes) {
  if (attribute == kBlasReductions)
    std::memcpy(&made->reductions, value, std::min(bytes, sizeof(made->reductions)));
  return bytes == (attribute == kBlasWorkspaceBytes ? 8 : 4) ? 0 : kInvalidValue;
}
MIRL_EXPORT BlasStatus cublasLtMatmulAlgoGetHeuristic(BlasHandle, BlasDescription description,
                                                      BlasLayout a, BlasLayout b, BlasLayout,
                                                      BlasLayout d, BlasPreference preference, int,
                                                      BlasCandidate *candidates, int *found) {
  *found = 1;
  candidates[0] = {};
  candidates[0].algorithm.data[0] = preference->reductions != 0;
  return Fits(*description, *a, *b, *d) ? 0 : kBlasNotSupported;
}
MIRL_EXPORT BlasStatus cublasLtMatmulAlgoCheck(BlasHandle, BlasDescription description,
                                               BlasLayout a, BlasLayout b, BlasLayout, BlasLayout d,
                                               const BlasAlgorithm *, BlasCandidate *candidate) {
  *candidate = {};
  return Fits(*description, *a, *b, *d) ? 0 : kBlasNotSupported;
}
MIRL_EXPORT BlasStatus cublasLtMatmul(BlasHandle, BlasDescription description, const void *alpha,
                                      Address from_a, BlasLayout a, Address from_b, BlasLayout b,
                                      const void *beta, Address from_c, BlasLayout, Address to,
                                      BlasLayout d, const BlasAlgorithm *algorithm, Address, size_t,
                                      Stream stream) {
  if (!Fits(*description, *a, *b, *d) || *static_cast<const float *>(alpha) != 1)
    return kInvalidValue;
  // It lives as long as the process: a graph may be launched again.
  static std::vector<std::unique_ptr<Multiplication>> all;
  all.push_back(std::make_unique<Multiplication>(
      Multiplication{*description, *a, *b, *d, from_a, from_b, from_c, to,
                     *static_cast<const float *>(beta), algorithm->data[0] != 0}));
  return cuLaunchHostFunc(
             stream, [](void *data) { Run(*static_cast<Multiplication *>(data)); },
             all.back().get())
             ? kInvalidValue
             : 0;
}
