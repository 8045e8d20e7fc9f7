// Elementwise ops, alone and fused, the optimizer and the norm of gradients.
//
// Tolerances: additions, comparisons and selections are correctly rounded (2^-23 relative leaves room for one more
// rounding); exp, log and what is built from them are within a few units of the last place: 1e-6 relative, and where a
// result passes through zero (log near 1, tanh, silu) 1e-6 of the numbers that cancel.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mirl::test;

namespace {

const int64_t kRows[] = {1, 7, 64, 1000};
Extents context(int64_t count) { return {count, 0, 0, 0}; }

// `type` of one argument after another, all of the same.
std::string elementwise(const std::string &form, int64_t operands, const std::string &type) {
  EntryText text;
  std::vector<EntryText::Value> in;
  for (int64_t i = 0; i < operands; ++i)
    in.push_back(text.input("x" + std::to_string(i), type));
  text.result(text.op(form, in, {type}, type)[0]);
  return text.str();
}

const std::string kTypes[] = {scalars(), rows(5), rows(96), fixed({33, 7}), scalar()};

void checkAll(const std::string &form, int64_t operands, double low, double high, double absolute, double relative) {
  for (const std::string &type : kTypes) {
    SCOPED_TRACE(form + " of " + type);
    auto entry = Entry::compile(elementwise(form, operands, type));
    ASSERT_TRUE(entry);
    for (int64_t count : kRows) {
      std::vector<Tensor> arguments;
      for (int64_t i = 0; i < operands; ++i)
        arguments.push_back(entry->random(i, context(count), 9 + i, low, high));
      check(*entry, arguments, context(count), absolute, relative);
    }
  }
}

struct Unary {
  const char *kind;
  double low, high, absolute, relative;
};
class UnaryKinds : public testing::TestWithParam<Unary> {};
TEST_P(UnaryKinds, Reference) {
  Unary u = GetParam();
  checkAll(std::string("nn.unary ") + u.kind + " {0}", 1, u.low, u.high, u.absolute, u.relative);
}
INSTANTIATE_TEST_SUITE_P(All, UnaryKinds,
                         testing::Values(Unary{"neg", -3, 3, 0, 0}, Unary{"exp", -80, 80, 0, 1e-6},
                                         Unary{"log", 1e-3, 10, 1e-7, 1e-6}, Unary{"sqrt", 0, 10, 0, 0x1p-23},
                                         Unary{"rsqrt", 1e-3, 10, 0, 0x1p-22}, Unary{"abs", -3, 3, 0, 0},
                                         Unary{"sigmoid", -30, 30, 0, 1e-6}, Unary{"silu", -30, 30, 0, 1e-6},
                                         Unary{"tanh", -10, 10, 0, 1e-6}, Unary{"log_sigmoid", -30, 30, 0, 1e-6},
                                         Unary{"square", -3, 3, 0, 0x1p-23}),
                         [](const auto &info) { return std::string(info.param.kind); });

TEST(Elementwise, Binary) {
  for (std::string kind : {"add", "sub", "mul", "div", "min", "max"})
    checkAll("nn.binary " + kind + " {0}, {1}", 2, -2, 2, 0x1p-24, 0x1p-23);
}

TEST(Elementwise, Compare) {
  for (std::string kind : {"eq", "ne", "lt", "le", "gt", "ge"}) {
    auto entry = Entry::compile(elementwise("nn.compare " + kind + " {0}, {1}", 2, rows(5)));
    ASSERT_TRUE(entry);
    auto arguments = entry->randomArguments(context(64));
    for (Tensor &argument : arguments)
      for (double &x : argument.data)
        x = std::floor(2 * x); // many are equal
    check(*entry, arguments, context(64), 0, 0);
  }
}

TEST(Elementwise, Select) {
  auto entry = Entry::compile(elementwise("nn.select {0}, {1}, {2}", 3, rows(5)));
  ASSERT_TRUE(entry);
  auto arguments = entry->randomArguments(context(64));
  for (double &x : arguments[0].data)
    x = std::floor(2 * x);
  check(*entry, arguments, context(64), 0, 0);
}

TEST(Elementwise, SplatAndStopGradient) {
  for (const std::string &type : kTypes) {
    for (std::string value : {"0.0", "-1.5"}) {
      EntryText text;
      auto x = text.input("x", type);
      text.result(text.op("nn.splat " + value, {}, {type}, type)[0]);
      text.result(text.op("nn.stop_gradient {0}", {x}, {type}, type)[0]);
      auto entry = Entry::compile(text.str());
      ASSERT_TRUE(entry);
      for (int64_t count : kRows)
        check(*entry, entry->randomArguments(context(count)), context(count), 0, 0);
    }
  }
}

// silu(gate) · up as one loop, with a rank-0 factor; the same bits on every machine.
TEST(Elementwise, Fused) {
  EntryText text;
  auto gate = text.input("gate", rows(37)), up = text.input("up", rows(37));
  auto silu = text.op("nn.unary silu {0}", {gate}, {rows(37)}, rows(37))[0];
  auto product = text.op("nn.binary mul {0}, {1}", {silu, up}, {rows(37)}, rows(37))[0];
  text.result(text.op("nn.unary exp {0}", {product}, {rows(37)}, rows(37))[0]);
  for (int64_t count : kRows)
    check(text.str(), context(count), 1e-6, 2e-6);
  expectSameOnAllCpus(text.str(), [](const Entry &entry) { return entry.randomArguments(context(64)); }, context(64));
}

TEST(Optimizer, Adamw) {
  for (int64_t n : {1, 20, 4096, 10007})
    for (double step : {1.0, 2.0, 10.0, 1000.0}) {
      SCOPED_TRACE("elements " + std::to_string(n) + ", step " + std::to_string(step));
      EntryText text;
      std::string type = fixed({n});
      auto w = text.variable("w", type), g = text.input("g", type), m = text.variable("m", type), v = text.variable("v", type);
      auto out = text.op("nn.adamw {0}, {1}, {2}, {3}, {4}, {5}, {6} {beta1 = 0.9 : f32, beta2 = 0.999 : f32, eps = 1.0e-8 : "
                         "f32, weight_decay = 0.01 : f32}",
                         {w, g, m, v, text.input("lr", scalar()), text.input("step", scalar()), text.input("scale", scalar())},
                         {type, type, type});
      text.update(out[0], 0);
      text.update(out[1], 2);
      text.update(out[2], 3);
      auto entry = Entry::compile(text.str());
      ASSERT_TRUE(entry);
      auto arguments = entry->randomArguments({});
      for (double &x : arguments[3].data)
        x = std::abs(x); // a mean of squares
      arguments[4].data = {static_cast<float>(1e-3)};
      arguments[5].data = {step};
      arguments[6].data = {0.5};
      // beta as a float differs from 0.9 and 0.999 alike in both; moments cancel where m and g have opposite signs.
      check(*entry, arguments, {}, 2e-7, 2e-6);
      expectSameOnAllCpus(text.str(), [&](const Entry &) { return arguments; }, {});
    }
}

TEST(Optimizer, SquaredNorm) {
  for (int64_t n : {1, 20, 4096, 4097, 100000}) {
    EntryText text;
    text.result(text.op("nn.squared_norm {0}, {1}", {text.input("x", fixed({n})), text.input("into", scalar())}, {scalar()})[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    // 256 additions in a lane, then a tree, then a chain of at most 25 blocks, all of positive numbers.
    check(*entry, entry->randomArguments({}), {}, 1e-7, 5e-6);
    expectSameOnAllCpus(text.str(), [](const Entry &entry) { return entry.randomArguments({}); }, {});
  }
}

} // namespace
