// Embedding, norms, rotary, row gathers, and their adjoints.
//
// Tolerances: moves of numbers are exact. A norm's sum of d squares is 16 lanes and a tree: a relative error of about
// √(d/16) · 2^-24, so that 2e-6 holds for d ≤ 1000. Sums over rows are chains: 2 · rows · 2^-24 (MatmulTest.cpp).

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <numeric>

using namespace mirl::test;

namespace {

const int64_t kRows[] = {1, 7, 64, 1000};

Extents context(int64_t count) { return {count, 0, 0, 0}; }
double chainError(int64_t count) { return 2 * std::max<int64_t>(2, count) * 0x1p-24; }

class Rows : public testing::TestWithParam<int64_t> {
protected:
  int64_t d = GetParam();
};

TEST_P(Rows, Embedding) {
  EntryText text;
  text.result(text.op("nn.embedding {0}, {1}", {text.input("table", fixed({50, d})), text.input("ids", indices())}, {rows(d)})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (int64_t count : kRows) {
    auto arguments = entry->randomArguments(context(count));
    arguments[1] = entry->random(1, context(count), 2, 0, 50);
    check(*entry, arguments, context(count), 0, 0);
  }
}

std::string embeddingGrad(int64_t d) {
  EntryText text;
  auto g = text.input("g", rows(d)), ids = text.input("ids", indices()), into = text.variable("into", fixed({50, d}));
  text.update(text.op("nn.embedding_grad {0}, {1}, {2}", {g, ids, into}, {fixed({50, d})})[0], 2);
  return text.str();
}

std::string normWeightGrad(int64_t d) {
  EntryText text;
  auto g = text.input("g", rows(d)), x = text.input("x", rows(d)), rstd = text.input("rstd", scalars());
  auto into = text.variable("into", fixed({d}));
  text.update(text.op("nn.rms_norm_weight_grad {0}, {1}, {2}, {3}", {g, x, rstd, into}, {fixed({d})})[0], 3);
  return text.str();
}

std::string columnSum(int64_t d) {
  EntryText text;
  auto x = text.input("x", rows(d)), into = text.variable("into", fixed({d}));
  text.update(text.op("nn.column_sum {0}, {1}", {x, into}, {fixed({d})})[0], 1);
  return text.str();
}

// The ops that add rows to an accumulator, which is their last argument.
TEST_P(Rows, Accumulators) {
  for (const std::string &text : {embeddingGrad(d), normWeightGrad(d), columnSum(d)}) {
    SCOPED_TRACE(text);
    auto entry = Entry::compile(text);
    ASSERT_TRUE(entry);
    auto argumentsOf = [&](const Entry &entry, int64_t count) {
      auto arguments = entry.randomArguments(context(count));
      if (text.find("embedding_grad") != std::string::npos)
        arguments[1] = entry.random(1, context(count), 2, 0, 50);
      return arguments;
    };
    for (int64_t count : kRows)
      check(*entry, argumentsOf(*entry, count), context(count), chainError(count), 0x1p-23);
    // The chain goes on from one micro-batch to the next.
    auto all = argumentsOf(*entry, 61);
    Tensor whole = entry->run(all, context(61))[0];
    for (int64_t pieces : {2, 8}) {
      auto part = all;
      for (int64_t i = 0; i < pieces; ++i) {
        int64_t from = 61 * i / pieces, to = 61 * (i + 1) / pieces;
        for (size_t a = 0; a + 1 < all.size(); ++a)
          part[a] = rows(all[a], from, to);
        part.back() = entry->run(part, context(to - from))[0];
      }
      EXPECT_TRUE(sameBits(whole, part.back())) << pieces << " pieces";
    }
    expectSameOnAllCpus(text, [&](const Entry &entry) { return argumentsOf(entry, 61); }, context(61));
  }
}

TEST_P(Rows, Gather) {
  EntryText text;
  text.result(text.op("nn.gather_rows {0}, {1}", {text.input("x", rows(d)), text.input("rows", indices("token"))},
                      {rows(d, "token")})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (int64_t count : kRows) {
    Extents extents{90, count, 0, 0};
    auto arguments = entry->randomArguments(extents);
    arguments[1] = entry->random(1, extents, 2, 0, 90);
    check(*entry, arguments, extents, 0, 0);
  }
}

TEST_P(Rows, Scatter) {
  EntryText text;
  text.result(text.op("nn.scatter_rows {0}, {1}", {text.input("x", rows(d, "token")), text.input("rows", indices("token"))},
                      {rows(d)})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (int64_t count : kRows) {
    Extents extents{2 * count, count, 0, 0};
    auto arguments = entry->randomArguments(extents);
    std::vector<double> order(2 * count);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(4));
    std::copy_n(order.begin(), count, arguments[1].data.begin());
    check(*entry, arguments, extents, 0, 0);
  }
}

std::string norm(int64_t d) {
  EntryText text;
  for (const auto &value : text.op("nn.rms_norm {0}, {1} {eps = 1.0e-5 : f32}",
                                   {text.input("x", rows(d)), text.input("w", fixed({d}))}, {rows(d), scalars()}))
    text.result(value);
  return text.str();
}

std::string normDataGrad(int64_t d, bool residual) {
  EntryText text;
  std::vector<EntryText::Value> in{text.input("g", rows(d)), text.input("x", rows(d)), text.input("w", fixed({d})),
                                   text.input("rstd", scalars())};
  if (residual)
    in.push_back(text.input("residual", rows(d)));
  text.result(text.op(std::string("nn.rms_norm_data_grad {0}, {1}, {2}, {3}") + (residual ? ", {4}" : ""), in, {rows(d)})[0]);
  return text.str();
}

TEST_P(Rows, Norms) {
  for (const std::string &text : {norm(d), normDataGrad(d, false), normDataGrad(d, true)}) {
    SCOPED_TRACE(text);
    auto entry = Entry::compile(text);
    ASSERT_TRUE(entry);
    for (int64_t count : kRows) {
      auto arguments = entry->randomArguments(context(count));
      check(*entry, arguments, context(count), 2e-6, 2e-6);
    }
    auto all = entry->randomArguments(context(100));
    auto whole = entry->run(all, context(100));
    for (int64_t count : {1, 7, 64}) {
      auto part = all;
      for (Tensor &argument : part)
        if (argument.rows() == 100)
          argument = rows(argument, 0, count);
      EXPECT_TRUE(sameBits(entry->run(part, context(count))[0], rows(whole[0], 0, count))) << count << " rows";
    }
    expectSameOnAllCpus(text, [](const Entry &entry) { return entry.randomArguments(context(61)); }, context(61));
  }
}

// Not 100: Norms cuts every argument of 100 rows, and must leave the weights alone.
INSTANTIATE_TEST_SUITE_P(Columns, Rows, testing::Values(1, 5, 16, 24, 96, 131, 600));

TEST(Rotary, Heads) {
  for (int64_t head : {2, 10, 24, 32, 64})
    for (std::string inverse : {"", ", inverse"}) {
      EntryText text;
      text.result(text.op("nn.rotary {0}, {1}, {2} {head_dim = " + std::to_string(head) + " : i64" + inverse + "}",
                          {text.input("x", rows(3 * head)), text.input("positions", indices()),
                           text.input("table", fixed({40, head}))},
                          {rows(3 * head)})[0]);
      auto entry = Entry::compile(text.str());
      ASSERT_TRUE(entry);
      for (int64_t count : kRows) {
        auto arguments = entry->randomArguments(context(count));
        arguments[1] = entry->random(1, context(count), 2, 0, 40);
        // Two products and a sum of numbers that are at most 1: three roundings.
        check(*entry, arguments, context(count), 3 * 0x1p-24, 0x1p-23);
      }
    }
}

} // namespace
