// The bit-exact model of the tensor cores' sum, against cases computed by hand.

#include "dialects/nn/reference/TensorCore.h"

#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <vector>

using mirl::nn::reference::tensorCoreSum;

namespace {

// Of numbers that are bf16.
std::vector<uint16_t> bf16(std::initializer_list<float> values) {
  std::vector<uint16_t> bits;
  for (float value : values)
    bits.push_back(llvm::bit_cast<uint32_t>(value) >> 16);
  return bits;
}

float sum(std::initializer_list<float> a, std::initializer_list<float> b, float accumulator = 0) {
  return tensorCoreSum(bf16(a), bf16(b), accumulator);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TensorCore, ExactSums) {
  EXPECT_EQ(sum({}, {}, 3), 3.0f);
  EXPECT_EQ(sum({1, 2, 3}, {4, 5, 6}), 32.0f);
  EXPECT_EQ(sum({1.5f, -0.25f}, {2, 8}, 0.5f), 1.5f);
  EXPECT_EQ(sum({0, 0}, {5, 7}), 0.0f);
}

// E = 0: a product below 2^-25 vanishes, one of 2^-25 stays in the sum but behind the last bit of 1.
TEST(TensorCore, AlignmentTruncates) {
  EXPECT_EQ(sum({1, 0x1p-12f}, {1, 0x1p-14f}), 1.0f);
  // Two of 2^-24 and one of 2^-23 add exactly in the aligned sum before the result is truncated.
  EXPECT_EQ(sum({1, 0x1p-12f, 0x1p-12f}, {1, 0x1p-12f, 0x1p-12f}), 1.0f + 0x1p-23f);
  // Four of 2^-25 make 2^-23; four of 2^-26 are each truncated away.
  EXPECT_EQ(sum({1, 0x1p-12f, 0x1p-12f, 0x1p-12f, 0x1p-12f}, {1, 0x1p-13f, 0x1p-13f, 0x1p-13f, 0x1p-13f}), 1.0f + 0x1p-23f);
  EXPECT_EQ(sum({1, 0x1p-13f, 0x1p-13f, 0x1p-13f, 0x1p-13f}, {1, 0x1p-13f, 0x1p-13f, 0x1p-13f, 0x1p-13f}), 1.0f);
}

TEST(TensorCore, TruncatesTowardZeroNotToNearest) {
  // 1 + 1.5 · 2^-23 would round up.
  EXPECT_EQ(sum({1, 1.5f}, {1, 0x1p-23f}), 1.0f + 0x1p-23f);
  EXPECT_EQ(sum({-1, -1.5f}, {1, 0x1p-23f}), -1.0f - 0x1p-23f);
}

// The exponent of 1.5 · 1.5 is 0 although the product is 2.25: what is kept reaches down to 2^-25.
TEST(TensorCore, ProductsAreNotNormalised) {
  EXPECT_EQ(sum({1.5f, 0x1p-12f, -1.5f}, {1.5f, 0x1p-13f, 1.5f}), 0x1p-25f);
  // As one number of exponent 1 the same accumulator leaves nothing below 2^-24.
  EXPECT_EQ(sum({0x1p-12f, -1.5f}, {0x1p-13f, 1.5f}, 2.25f), 0.0f);
}

// The second step starts from a truncated accumulator.
TEST(TensorCore, StepsOfSixteen) {
  std::vector<uint16_t> a(17, 0), b(17, 0);
  a[0] = b[0] = a[15] = a[16] = bf16({1})[0];
  b[15] = b[16] = bf16({0x1p-24f})[0];
  EXPECT_EQ(tensorCoreSum(a, b), 1.0f); // 1 + 2^-24 twice, each truncated
  std::swap(b[16], b[14]);
  a[14] = a[15];
  EXPECT_EQ(tensorCoreSum(a, b), 1.0f + 0x1p-23f); // both in one step
}

TEST(TensorCore, Subnormals) {
  EXPECT_EQ(sum({0x1p-100f}, {0x1p-49f}), 0x1p-149f);
  EXPECT_EQ(sum({0x1p-100f}, {0x1p-50f}), 0.0f);
  EXPECT_EQ(sum({0x1p-133f}, {1}), 0x1p-133f); // the smallest bf16
  EXPECT_EQ(sum({1}, {0x1p-130f}, 0x1p-149f), 0x1p-130f + 0x1p-149f);
}

// However small the terms are, the unit is not below 2^-158.
TEST(TensorCore, LeastUnit) {
  // Twice 1023 · 2^-159, of which 1022 are kept, and 2 · 2^-159: 2046, and not 2048 = 2 · 2^-149.
  EXPECT_EQ(sum({0x21p-80f, 0x21p-80f, 0x1p-80f}, {0x1fp-79f, 0x1fp-79f, 0x1p-78f}), 0x1p-149f);
  // Twice 511 · 2^-158 and 2 · 2^-158 stay what they are.
  EXPECT_EQ(sum({0x49p-80f, 0x49p-80f, 0x1p-80f}, {0x7p-78f, 0x7p-78f, 0x1p-77f}), 0x1p-148f);
}

TEST(TensorCore, OverflowInfinityAndNan) {
  EXPECT_EQ(sum({0x1p100f}, {0x1p28f}), kInfinity);
  EXPECT_EQ(sum({-0x1p100f}, {0x1p28f}), -kInfinity);
  // Beyond the range within a step, but not at its end.
  EXPECT_EQ(sum({0x1p100f, -0x1p100f}, {0x1p28f, 0x1p28f}), 0.0f);
  EXPECT_EQ(sum({kInfinity, 1}, {2, 3}), kInfinity);
  EXPECT_EQ(sum({1}, {1}, -kInfinity), -kInfinity);
  EXPECT_TRUE(std::isnan(sum({kInfinity, kInfinity}, {1, -1})));
  EXPECT_TRUE(std::isnan(sum({kInfinity}, {0})));
  EXPECT_TRUE(std::isnan(sum({NAN}, {0})));
}

} // namespace
