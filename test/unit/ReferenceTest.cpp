// The reference definitions of NnScalarOps.td against numbers computed here, and the rule that every op with a reference
// definition has a test of its name (this file, ReferenceModelTest.cpp, ReferenceAdjointTest.cpp).

#include "test/unit/Unit.h"

#include "gtest/gtest.h"

#include <cmath>
#include <map>

using namespace mirl;
using namespace mirl::test;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ReferenceCoverage, EveryOpHasATest) {
  expectTestOfEveryOp("Reference", [](mlir::RegisteredOperationName op) {
    return op.hasInterface<nn::ReferenceOpInterface>();
  });
}

TEST(Reference, Splat) {
  Extents extents{2, 3, 1, 1};
  auto results = Program(extents)
                     .ops("%a = nn.splat 0.1 : !t\n %b = nn.splat -2.0 : tensor<2x2xf32>\n %c = nn.splat 7.0 : !f\n"
                          "%d = nn.splat 1.0 : !c2")
                     .run("%a : !t, %b : tensor<2x2xf32>, %c : !f, %d : !c2");
  ASSERT_EQ(results.size(), 4u);
  expectNear(results[0], filled({3}, 0.1f), 0); // the constant is an f32
  expectNear(results[1], filled({2, 2}, -2), 0);
  expectNear(results[2], number(7), 0);
  expectNear(results[3], filled({2, 2}, 1), 0);
}

TEST(Reference, Unary) {
  // Of x = 0.5 and x = 2, from tables.
  const std::map<std::string, std::pair<double, double>> expected = {
      {"neg", {-0.5, -2}},
      {"exp", {1.6487212707001282, 7.38905609893065}},
      {"log", {-0.6931471805599453, 0.6931471805599453}},
      {"sqrt", {0.7071067811865476, 1.4142135623730951}},
      {"rsqrt", {1.4142135623730951, 0.7071067811865476}},
      {"abs", {0.5, 2}},
      {"sigmoid", {0.6224593312018546, 0.8807970779778823}},
      {"silu", {0.3112296656009273, 1.7615941559557646}},
      {"tanh", {0.46211715726000973, 0.9640275800758169}},
      {"log_sigmoid", {-0.47407698418010663, -0.1269280110429726}},
      {"square", {0.25, 4}},
  };
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForUnaryKind(); ++kind) {
    std::string name = stringifyUnaryKind(static_cast<nn::UnaryKind>(kind)).str();
    ASSERT_TRUE(expected.count(name)) << name;
    auto results = Program({0, 2, 0, 0}).in("x", "!t", row({0.5, 2})).ops("%y = nn.unary " + name + " %x : !t").run("%y : !t");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], row({expected.at(name).first, expected.at(name).second}), 1e-15, name);
  }
  auto edge = [](const std::string &kind, double x) {
    auto results = Program().in("x", "!f", number(x)).ops("%y = nn.unary " + kind + " %x : !f").run("%y : !f");
    return results.empty() ? NAN : results[0].data[0];
  };
  EXPECT_EQ(edge("abs", -3), 3);
  EXPECT_EQ(edge("square", -3), 9);
  EXPECT_EQ(edge("log", 0), -kInfinity);
  EXPECT_EQ(edge("rsqrt", 0), kInfinity);
  EXPECT_EQ(edge("sigmoid", -1000), 0); // exp overflows, the sigmoid does not
  EXPECT_EQ(edge("sigmoid", 1000), 1);
  EXPECT_EQ(edge("log_sigmoid", -1000), -1000);
  EXPECT_EQ(edge("log_sigmoid", 1000), 0);
  EXPECT_NEAR(edge("silu", -2), -2 * (1 - 0.8807970779778823), 1e-15);
}

TEST(Reference, Binary) {
  const std::map<std::string, std::vector<double>> expected = {
      {"add", {7, -1}}, {"sub", {-3, -5}}, {"mul", {10, -6}}, {"div", {0.4, -1.5}}, {"min", {2, -3}}, {"max", {5, 2}},
  };
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForBinaryKind(); ++kind) {
    std::string name = stringifyBinaryKind(static_cast<nn::BinaryKind>(kind)).str();
    ASSERT_TRUE(expected.count(name)) << name;
    auto results = Program({0, 0, 2, 0})
                       .in("x", "!s", row({2, -3}))
                       .in("y", "!s", row({5, 2}))
                       .ops("%z = nn.binary " + name + " %x, %y : !s")
                       .run("%z : !s");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], row(expected.at(name)), 1e-15, name);
  }
}

TEST(Reference, Compare) {
  // Of −1, 0 and 1 with 0.
  const std::map<std::string, std::vector<double>> expected = {
      {"eq", {0, 1, 0}}, {"ne", {1, 0, 1}}, {"lt", {1, 0, 0}}, {"le", {1, 1, 0}}, {"gt", {0, 0, 1}}, {"ge", {0, 1, 1}},
  };
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForCompareKind(); ++kind) {
    std::string name = stringifyCompareKind(static_cast<nn::CompareKind>(kind)).str();
    ASSERT_TRUE(expected.count(name)) << name;
    auto results = Program({0, 0, 0, 3})
                       .in("x", "!g", row({-1, 0, 1}))
                       .in("y", "!g", row({0, 0, 0}))
                       .ops("%z = nn.compare " + name + " %x, %y : !g")
                       .run("%z : !g");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], row(expected.at(name)), 0, name);
  }
}

TEST(Reference, Select) {
  auto results = Program({0, 4, 0, 0})
                     .in("c", "!t", row({1, 0, -0.0, -2}))
                     .in("x", "!t", row({1, 2, 3, 4}))
                     .in("y", "!t", row({5, 6, 7, kInfinity}))
                     .ops("%z = nn.select %c, %x, %y : !t")
                     .run("%z : !t");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({1, 6, 7, 4}), 0);
}

TEST(Reference, StopGradient) {
  auto results = Program({0, 2, 0, 0}).in("x", "!t", row({1, -2})).ops("%y = nn.stop_gradient %x : !t").run("%y : !t");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({1, -2}), 0);
}

TEST(Reference, Cast) {
  // The reference is exact: it rounds nothing, on the way to bf16 or back. 1 + 2^-9 has no bf16.
  auto results = Program({0, 2, 0, 0})
                     .in("x", "!t", row({1.001953125, -2}))
                     .ops("%b = nn.cast %x : (!t) -> tensor<?xbf16, #nn.axis<token>>\n"
                          "%y = nn.cast %b : (tensor<?xbf16, #nn.axis<token>>) -> !t")
                     .run("%y : !t");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({1.001953125, -2}), 0);
}

TEST(Reference, Spread) {
  auto results = Program({0, 3, 0, 0}).in("x", "!f", number(4)).ops("%y = nn.spread %x : (!f) -> !t").run("%y : !t");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({4, 4, 4}), 0);
}

TEST(Reference, SegmentSpread) {
  // The second and the last segment are empty.
  auto results = Program({0, 4, 4, 0})
                     .in("x", "!s", row({1, 2, 3, 4}))
                     .in("o", "!so", row({0, 1, 1, 4, 4}))
                     .ops("%y = nn.segment_spread %x, %o : (!s, !so) -> !t")
                     .run("%y : !t");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({1, 3, 3, 3}), 0);
}

TEST(Reference, SegmentReduce) {
  const std::map<std::string, std::vector<double>> expected = {
      {"sum", {1, 0, 3, 0}},
      {"max", {1, -kInfinity, 5, -kInfinity}},
      {"min", {1, kInfinity, -7, kInfinity}},
  };
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForReduceKind(); ++kind) {
    std::string name = stringifyReduceKind(static_cast<nn::ReduceKind>(kind)).str();
    ASSERT_TRUE(expected.count(name)) << name;
    auto results = Program({0, 4, 4, 0})
                       .in("x", "!t", row({1, 5, -7, 5}))
                       .in("o", "!so", row({0, 1, 1, 4, 4}))
                       .ops("%y = nn.segment_reduce " + name + " %x, %o : (!t, !so) -> !s")
                       .run("%y : !s");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], row(expected.at(name)), 0, name);
  }
  // Sequences to groups.
  auto groups = Program({0, 0, 5, 2})
                    .in("x", "!s", row({1, 2, 3, 4, 5}))
                    .in("o", "!go", row({0, 2, 5}))
                    .ops("%y = nn.segment_reduce sum %x, %o : (!s, !go) -> !g")
                    .run("%y : !g");
  ASSERT_EQ(groups.size(), 1u);
  expectNear(groups[0], row({3, 12}), 0);
}

TEST(Reference, SegmentCount) {
  auto results = Program({0, 4, 4, 0})
                     .in("o", "!so", row({0, 1, 1, 4, 4}))
                     .ops("%y = nn.segment_count %o : (!so) -> !s")
                     .run("%y : !s");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({1, 0, 3, 0}), 0);
}

TEST(Reference, Reduce) {
  for (auto [kind, some, none] : {std::tuple("sum", -1.0, 0.0), std::tuple("max", 5.0, -kInfinity), std::tuple("min", -8.0, kInfinity)}) {
    std::string op = std::string("%y = nn.reduce ") + kind + " %x : (!t) -> !f";
    auto results = Program({0, 4, 0, 0}).in("x", "!t", row({1, 5, -8, 1})).ops(op).run("%y : !f");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], number(some), 0, kind);
    results = Program({0, 0, 0, 0}).in("x", "!t", row({})).ops(op).run("%y : !f");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], number(none), 0, kind);
  }
  auto results = Program({0, 2, 0, 0})
                     .in("x", "!t", row({1, 2}))
                     .in("start", "!f", number(10))
                     .ops("%y = nn.reduce sum %x into(%start) : (!t, !f) -> !f")
                     .run("%y : !f");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], number(13), 0);
}

TEST(Reference, Extent) {
  auto results = Program({11, 7, 3, 2})
                     .ops("%a = nn.extent <context> : !f\n %b = nn.extent <token> : !f\n %c = nn.extent <sequence> : !f\n"
                          "%d = nn.extent <group> : !f")
                     .run("%a : !f, %b : !f, %c : !f, %d : !f");
  ASSERT_EQ(results.size(), 4u);
  expectNear(results[0], number(11), 0);
  expectNear(results[1], number(7), 0);
  expectNear(results[2], number(3), 0);
  expectNear(results[3], number(2), 0);
}

TEST(Reference, Fused) {
  // A number enters as itself; there are two results; every op of a body occurs.
  const std::string body = R"(
    %a, %b = nn.fused %x, %n : (!t, !f) -> (!t, !t) {
    ^bb0(%e: f32, %k: f32):
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %e, %k : f32
      %less = arith.subf %sum, %one : f32
      %product = arith.mulf %less, %e : f32
      %ratio = arith.divf %product, %k : f32
      %minus = arith.negf %ratio : f32
      %high = arith.maximumf %minus, %e : f32
      %low = arith.minimumf %high, %k : f32
      %gt = arith.cmpf ogt, %e, %one : f32
      %chosen = arith.select %gt, %low, %e : f32
      nn.yield %chosen, %ratio : f32, f32
    })";
  auto results = Program({0, 2, 0, 0}).in("x", "!t", row({0.5, 3})).in("n", "!f", number(4)).ops(body).run("%a : !t, %b : !t");
  ASSERT_EQ(results.size(), 2u);
  // 3: ratio = (3 + 4 − 1) · 3 / 4 = 4.5, high = max(−4.5, 3) = 3, low = min(3, 4) = 3. 0.5 is not above 1.
  expectNear(results[0], row({0.5, 3}), 0);
  expectNear(results[1], row({3.5 * 0.5 / 4, 4.5}), 0);

  const std::string functions = R"(
    %a, %b, %c = nn.fused %x : (!t) -> (!t, !t, !t) {
    ^bb0(%e: f32):
      %exp = math.exp %e : f32
      %log = math.log %exp : f32
      %sqrt = math.sqrt %exp : f32
      %rsqrt = math.rsqrt %exp : f32
      %unit = arith.mulf %sqrt, %rsqrt : f32
      %tanh = math.tanh %e : f32
      %abs = math.absf %tanh : f32
      %log1p = math.log1p %abs : f32
      %fma = math.fma %log, %unit, %log1p : f32
      nn.yield %fma, %abs, %unit : f32, f32, f32
    })";
  results = Program({0, 2, 0, 0}).in("x", "!t", row({-0.5, 2})).ops(functions).run("%a : !t, %b : !t, %c : !t");
  ASSERT_EQ(results.size(), 3u);
  double small = 0.46211715726000973, large = 0.9640275800758169; // tanh 0.5, tanh 2
  expectNear(results[0], row({-0.5 + std::log(1 + small), 2 + std::log(1 + large)}), 1e-15);
  expectNear(results[1], row({small, large}), 1e-15);
  expectNear(results[2], row({1, 1}), 1e-15);

  for (auto [predicate, expected] : {std::pair("oeq", std::vector<double>{0, 1, 0}), std::pair("une", std::vector<double>{1, 0, 1}),
                                     std::pair("olt", std::vector<double>{1, 0, 0}), std::pair("ole", std::vector<double>{1, 1, 0}),
                                     std::pair("ogt", std::vector<double>{0, 0, 1}), std::pair("oge", std::vector<double>{0, 1, 1})}) {
    results = Program({0, 3, 0, 0})
                  .in("x", "!t", row({-1, 0, 1}))
                  .ops(std::string("%y = nn.fused %x : (!t) -> !t {\n^bb0(%e: f32):\n%zero = arith.constant 0.0 : f32\n"
                                   "%one = arith.constant 1.0 : f32\n%holds = arith.cmpf ") +
                       predicate + ", %e, %zero : f32\n%r = arith.select %holds, %one, %zero : f32\nnn.yield %r : f32\n}")
                  .run("%y : !t");
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], row(expected), 0, predicate);
  }
}
