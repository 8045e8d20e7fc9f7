// nn.linear and its gradients.
//
// Tolerance: an element is one chain of K fused multiply-adds on numbers from [−1, 1]. A partial sum after k steps is
// about √k/3, a step rounds it by at most 2^-24 of itself, and roundings add up like a random walk: their deviation is
// about K/7 · 2^-24. Of a hundred thousand elements the largest is 4.5 deviations out, in its sums and in its
// roundings: up to 2 · K · 2^-24.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

using namespace mirl::test;

namespace {

double chainError(double depth) { return 2 * std::max(2.0, depth) * 0x1p-24; }

std::string linear(int64_t n, int64_t k, bool bias = false, bool residual = false) {
  EntryText text;
  std::vector<EntryText::Value> operands{text.input("x", rows(k)), text.input("w", fixed({n, k}))};
  std::string form = "nn.linear {0}, {1}";
  if (bias) {
    operands.push_back(text.input("bias", fixed({n})));
    form += " bias({2})";
  }
  if (residual) {
    form += " residual({" + std::to_string(operands.size()) + "})";
    operands.push_back(text.input("residual", rows(n)));
  }
  text.result(text.op(form, operands, {rows(n)})[0]);
  return text.str();
}

std::string dataGrad(int64_t n, int64_t k) {
  EntryText text;
  text.result(text.op("nn.linear_data_grad {0}, {1}", {text.input("g", rows(n)), text.input("w", fixed({n, k}))}, {rows(k)})[0]);
  return text.str();
}

std::string weightGrad(int64_t n, int64_t k) {
  EntryText text;
  auto g = text.input("g", rows(n)), x = text.input("x", rows(k)), into = text.variable("into", fixed({n, k}));
  text.update(text.op("nn.linear_weight_grad {0}, {1}, {2}", {g, x, into}, {fixed({n, k})})[0], 2);
  return text.str();
}

struct Shape {
  int64_t n, k;
};
// Single numbers, odd sizes below and above a panel, the small model's, and sizes that are packed (above 511).
const Shape kShapes[] = {{1, 1}, {5, 20}, {17, 33}, {48, 96}, {96, 256}, {100, 600}, {530, 37}};

class Sizes : public testing::TestWithParam<Shape> {};

TEST_P(Sizes, Linear) {
  auto [n, k] = GetParam();
  for (bool extras : {false, true}) {
    auto entry = Entry::compile(linear(n, k, extras, extras));
    ASSERT_TRUE(entry);
    for (int64_t m : {1, 2, 4, 7, 8, 9, 29, 32, 33, 64, 1000}) {
      SCOPED_TRACE("rows " + std::to_string(m));
      Extents extents{m, 0, 0, 0};
      check(*entry, entry->randomArguments(extents), extents, chainError(k), 0x1p-23);
    }
  }
}

TEST_P(Sizes, DataGrad) {
  auto [n, k] = GetParam();
  auto entry = Entry::compile(dataGrad(n, k));
  ASSERT_TRUE(entry);
  for (int64_t m : {1, 7, 64, 1000}) {
    SCOPED_TRACE("rows " + std::to_string(m));
    Extents extents{m, 0, 0, 0};
    check(*entry, entry->randomArguments(extents), extents, chainError(n), 0x1p-23);
  }
}

TEST_P(Sizes, WeightGrad) {
  auto [n, k] = GetParam();
  auto entry = Entry::compile(weightGrad(n, k));
  ASSERT_TRUE(entry);
  for (int64_t m : {1, 7, 64, 1000}) {
    SCOPED_TRACE("rows " + std::to_string(m));
    Extents extents{m, 0, 0, 0};
    check(*entry, entry->randomArguments(extents), extents, chainError(m), 0x1p-23);
  }
}

// A row's bits depend on that row alone, not on how many there are.
TEST_P(Sizes, RowAlone) {
  auto [n, k] = GetParam();
  for (const std::string &text : {linear(n, k, true, true), dataGrad(n, k)}) {
    auto entry = Entry::compile(text);
    ASSERT_TRUE(entry);
    auto all = entry->randomArguments({1000, 0, 0, 0});
    Tensor whole = entry->run(all, {1000, 0, 0, 0})[0];
    for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 31, 32, 33, 64, 999}) {
      auto part = all;
      for (Tensor &argument : part)
        if (argument.rows() == 1000)
          argument = rows(argument, 0, m);
      EXPECT_TRUE(sameBits(entry->run(part, {m, 0, 0, 0})[0], rows(whole, 0, m))) << m << " rows";
    }
  }
}

// The gradient of a weight is one chain over the rows of all micro-batches.
TEST_P(Sizes, MicroBatches) {
  auto [n, k] = GetParam();
  auto entry = Entry::compile(weightGrad(n, k));
  ASSERT_TRUE(entry);
  auto all = entry->randomArguments({61, 0, 0, 0});
  Tensor whole = entry->run(all, {61, 0, 0, 0})[0];
  for (int64_t pieces : {2, 8, 61}) {
    Tensor into = all[2];
    for (int64_t i = 0; i < pieces; ++i) {
      int64_t from = 61 * i / pieces, to = 61 * (i + 1) / pieces;
      into = entry->run({rows(all[0], from, to), rows(all[1], from, to), into}, {to - from, 0, 0, 0})[0];
    }
    EXPECT_TRUE(sameBits(whole, into)) << pieces << " pieces";
  }
}

TEST_P(Sizes, InstructionSets) {
  auto [n, k] = GetParam();
  for (const std::string &text : {linear(n, k, true, true), dataGrad(n, k), weightGrad(n, k)})
    for (int64_t m : {21, 65})
      expectSameOnAllCpus(text, [m](const Entry &entry) { return entry.randomArguments({m, 0, 0, 0}); }, {m, 0, 0, 0});
}

// A number of rows that is known beforehand.
TEST_P(Sizes, FixedRows) {
  auto [n, k] = GetParam();
  for (int64_t m : {3, 8, 20, 32, 40}) {
    SCOPED_TRACE("rows " + std::to_string(m));
    EntryText text;
    auto x = text.input("x", fixed({m, k})), w = text.input("w", fixed({n, k}));
    text.result(text.op("nn.linear {0}, {1}", {x, w}, {fixed({m, n})})[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    check(*entry, entry->randomArguments({0, 0, 0, 0}), {0, 0, 0, 0}, chainError(k), 0x1p-23);
  }
}

INSTANTIATE_TEST_SUITE_P(Matmul, Sizes, testing::ValuesIn(kShapes), [](const auto &info) {
  return "n" + std::to_string(info.param.n) + "_k" + std::to_string(info.param.k);
});

} // namespace
