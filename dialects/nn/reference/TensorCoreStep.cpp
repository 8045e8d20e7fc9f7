// A step of the tensor cores' sum (TensorCoreStep.h, TensorCore.h).

#include "dialects/nn/reference/TensorCoreStep.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace mirl::nn::reference {
namespace {

constexpr int kGuard = 25;       // the unit of the aligned sum is 2^(E−25)
constexpr int kFloor = -133;     // the least E
constexpr int kNothing = -10000; // the exponent of a zero
constexpr int kWidest = 31;      // a shift by so much leaves nothing of a term

uint32_t bitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

float toFloat(uint16_t bits) { return fromBits(uint32_t(bits) << 16); }

// The column n when something in it is no finite number: infinities and what is none, added as f32.
// A NaN has the bits that the device's arithmetic of f32 gives.
float special(const uint16_t *a, const uint16_t *b, size_t columns, float accumulator) {
  float sum = std::isfinite(accumulator) ? 0 : accumulator;
  for (size_t k = 0; k < kTensorCoreStep; ++k) {
    float x = toFloat(a[k]), y = toFloat(b[k * columns]);
    if (!std::isfinite(x) || !std::isfinite(y))
      sum += x * y;
  }
  return std::isnan(sum) ? fromBits(0x7fffffff) : sum;
}

bool finiteColumn(const uint16_t *a, const uint16_t *b, size_t columns, float accumulator) {
  bool finite = std::isfinite(accumulator);
  for (size_t k = 0; k < kTensorCoreStep; ++k)
    finite &= std::isfinite(toFloat(a[k])) && std::isfinite(toFloat(b[k * columns]));
  return finite;
}

// kWidth columns at a time, from the first on. What is not finite gives anything.
template <size_t kWidth>
void stepFinite(const TensorCoreFactors &a, const TensorCoreFactors &b, size_t columns,
                size_t first, float *accumulators) {
  int32_t top[kWidth], significand[kWidth], exponent[kWidth], sum[kWidth];
  for (size_t n = 0; n < kWidth; ++n) {
    uint32_t bits = bitsOf(accumulators[n]);
    int32_t biased = bits >> 23 & 255;
    int32_t magnitude = (bits & 0x7fffff) | (biased ? 0x800000 : 0);
    significand[n] = bits >> 31 ? -magnitude : magnitude;
    exponent[n] = magnitude ? std::max(biased, 1) - 127 : kNothing;
    top[n] = std::max(exponent[n], kFloor);
    sum[n] = 0;
  }
  for (size_t k = 0; k < kTensorCoreStep; ++k)
    for (size_t n = 0; n < kWidth; ++n)
      top[n] = std::max(top[n], a.exponents[k] + b.exponents[k * columns + first + n]);
  // A product has 14 bits behind the point: one of the exponent E is shifted to the left by 11. All
  // 16 fit in 31 bits.
  for (size_t k = 0; k < kTensorCoreStep; ++k)
    for (size_t n = 0; n < kWidth; ++n) {
      int32_t product = a.significands[k] * b.significands[k * columns + first + n];
      int32_t shift =
          std::min(top[n] - a.exponents[k] - b.exponents[k * columns + first + n], kWidest);
      int32_t magnitude = (std::abs(product) << (kGuard - 14)) >> shift;
      sum[n] += product < 0 ? -magnitude : magnitude;
    }
  for (size_t n = 0; n < kWidth; ++n) {
    int32_t magnitude =
        (std::abs(significand[n]) << (kGuard - 23)) >> std::min(top[n] - exponent[n], kWidest);
    int64_t total = int64_t(sum[n]) + (significand[n] < 0 ? -magnitude : magnitude);
    // Exact in double: at most 33 bits, and no exponent is below −158. Then toward zero, but beyond
    // f32 an infinity.
    uint64_t scale = uint64_t(top[n] - kGuard + 1023) << 52;
    double unit;
    std::memcpy(&unit, &scale, sizeof unit);
    double exact = static_cast<double>(total) * unit;
    float nearest = static_cast<float>(exact);
    uint32_t bits = bitsOf(nearest);
    bool beyond = std::abs(exact) >= 0x1p128;
    bool away = std::abs(static_cast<double>(nearest)) > std::abs(exact);
    accumulators[n] = fromBits(bits - (away && !beyond ? 1 : 0));
  }
}

} // namespace

TensorCoreFactors splitFactors(const uint16_t *bits, size_t count, int32_t *significands,
                               int32_t *exponents) {
  uint32_t highest = 0;
  for (size_t i = 0; i < count; ++i) {
    int32_t biased = bits[i] >> 7 & 255;
    int32_t magnitude = (bits[i] & 127) | (biased ? 128 : 0);
    significands[i] = bits[i] >> 15 ? -magnitude : magnitude;
    exponents[i] = magnitude ? std::max(biased, 1) - 127 : kNothing;
    highest = std::max(highest, static_cast<uint32_t>(biased));
  }
  return {bits, significands, exponents, highest < 255};
}

void tensorCoreStep(const TensorCoreFactors &a, const TensorCoreFactors &b, size_t columns,
                    float *accumulators) {
  constexpr size_t kWide = 16;
  for (size_t first = 0; first < columns;) {
    size_t width = columns - first >= kWide ? kWide : 1;
    bool finite = a.finite && b.finite;
    for (size_t n = 0; n < width; ++n)
      finite &= std::isfinite(accumulators[first + n]);
    float before[kWide];
    if (!finite)
      std::copy_n(accumulators + first, width, before);
    if (width == kWide)
      stepFinite<kWide>(a, b, columns, first, accumulators + first);
    else
      stepFinite<1>(a, b, columns, first, accumulators + first);
    for (size_t n = 0; !finite && n < width; ++n)
      if (const uint16_t *column = b.bits + first + n;
          !finiteColumn(a.bits, column, columns, before[n]))
        accumulators[first + n] = special(a.bits, column, columns, before[n]);
    first += width;
  }
}

} // namespace mirl::nn::reference
