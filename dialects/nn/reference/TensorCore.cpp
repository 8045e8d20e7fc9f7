// The sum of the tensor cores (TensorCore.h).

#include "dialects/nn/reference/TensorCore.h"

#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <optional>

namespace mirl::nn::reference {
namespace {

constexpr size_t kStep = 16;
constexpr int kGuard = 25;  // the unit of the aligned sum is 2^(E−25)
constexpr int kFloor = -133; // the least E

// ±significand · 2^(exponent − bits): `bits` of the significand lie behind the point.
struct Term {
  int64_t significand;
  int exponent, bits;
};

// The terms of a float from its fields; subnormals have the exponent of the smallest normal number.
Term decode(uint32_t bits, int fraction) {
  int exponent = bits >> fraction & 255;
  int64_t significand = bits & ((1u << fraction) - 1);
  if (exponent)
    significand |= int64_t(1) << fraction;
  if (bits >> (fraction + 8) & 1)
    significand = -significand;
  return {significand, std::max(exponent, 1) - 127, fraction};
}

float toFloat(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }

// significand in units of 2^(top − kGuard), truncated toward zero.
int64_t align(const Term &term, int top) {
  int shift = top - kGuard - (term.exponent - term.bits);
  int64_t magnitude = std::abs(term.significand);
  magnitude = shift >= 63 ? 0 : shift >= 0 ? magnitude >> shift : magnitude << -shift;
  return term.significand < 0 ? -magnitude : magnitude;
}

// sum · 2^(top − kGuard), truncated toward zero to f32.
float truncate(int64_t sum, int top) {
  uint64_t magnitude = std::abs(sum);
  if (magnitude == 0)
    return 0;
  int highest = 63 - llvm::countl_zero(magnitude);
  // The unit of the result's last place; subnormals have that of the smallest normal number.
  int unit = std::max(top - kGuard + highest - 23, -149), drop = unit - (top - kGuard);
  uint64_t kept = drop >= 64 ? 0 : drop >= 0 ? magnitude >> drop : magnitude << -drop;
  // Exact: at most 24 bits, or beyond the range.
  float result = std::ldexp(static_cast<float>(kept), unit);
  return sum < 0 ? -result : result;
}

// What a step gives when something in it is no finite number.
std::optional<float> special(llvm::ArrayRef<uint16_t> a, llvm::ArrayRef<uint16_t> b, float accumulator) {
  bool special = !std::isfinite(accumulator);
  float sum = special ? accumulator : 0;
  for (size_t k = 0; k < a.size(); ++k) {
    float x = toFloat(a[k]), y = toFloat(b[k]);
    if (std::isfinite(x) && std::isfinite(y))
      continue;
    special = true;
    sum += x * y;
  }
  return special ? std::optional(sum) : std::nullopt;
}

} // namespace

float tensorCoreSum(llvm::ArrayRef<uint16_t> a, llvm::ArrayRef<uint16_t> b, float accumulator) {
  assert(a.size() == b.size() && "both factors have one number for each k");
  for (size_t from = 0; from < a.size(); from += kStep) {
    size_t count = std::min(kStep, a.size() - from);
    llvm::ArrayRef<uint16_t> x = a.slice(from, count), y = b.slice(from, count);
    if (std::optional<float> result = special(x, y, accumulator)) {
      accumulator = *result;
      continue;
    }
    llvm::SmallVector<Term, kStep + 1> terms{decode(llvm::bit_cast<uint32_t>(accumulator), 23)};
    for (size_t k = 0; k < count; ++k) {
      Term p = decode(x[k], 7), q = decode(y[k], 7);
      terms.push_back({p.significand * q.significand, p.exponent + q.exponent, 14});
    }
    int top = kFloor;
    for (const Term &term : terms)
      if (term.significand)
        top = std::max(top, term.exponent);
    int64_t sum = 0;
    for (const Term &term : terms)
      if (term.significand)
        sum += align(term, top);
    accumulator = truncate(sum, top);
  }
  return accumulator;
}

} // namespace mirl::nn::reference
