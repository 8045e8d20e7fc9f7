// The adjoints that `differentiate` builds, evaluated by the reference definitions, against differences of the reference
// (Unit.h states step and tolerance), for every differentiable op; and what differentiate itself does where gradients
// meet: values used twice, a weight with two roles, accumulators carried from one micro-batch to the next.

#include "test/unit/Unit.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace mirl;
using namespace mirl::test;

TEST(AdjointCoverage, EveryOpHasATest) {
  expectTestOfEveryOp("Adjoint", [](mlir::RegisteredOperationName op) {
    return op.hasInterface<nn::DifferentiableOpInterface>();
  });
}

// --- helpers -------------------------------------------------------------------------------------------

// %loss = Σ w · x for fixed weights w, so that each element of %x counts differently.
static Program &weighted(Program &program, const std::string &x, const std::string &type, int64_t rows) {
  return program.in("weights", type, random({rows}, 70, 0.5, 2))
      .ops("%terms = nn.binary mul %" + x + ", %weights : " + type + "\n%loss = nn.reduce sum %terms : (" + type + ") -> !f");
}

// %loss from rows of several columns: the log-probs of fixed targets under fixed weights, the one way from rows to
// numbers.
static Program &probed(Program &program, const std::string &x, const std::string &axis, int64_t columns, int64_t rows) {
  std::string n = std::to_string(columns), head = "tensor<3x" + n + "xf32>";
  std::vector<double> targets;
  for (int64_t r = 0; r < rows; ++r)
    targets.push_back(static_cast<double>(r * 2 % 3));
  program.in("head", head, random({3, columns}, 71, -1.5, 1.5)).in("targets", "!" + axis + "i", row(targets));
  program.ops("%logprobs, %lses = nn.linear_logprob %" + x + ", %head, %targets : (!" + axis + n + ", " + head + ", !" + axis + "i) -> (!" +
              axis + ", !" + axis + ")");
  return weighted(program, "logprobs", "!" + axis, rows);
}

// --- elementwise ---------------------------------------------------------------------------------------

TEST(Adjoint, Unary) {
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForUnaryKind(); ++kind) {
    auto which = static_cast<nn::UnaryKind>(kind);
    SCOPED_TRACE(stringifyUnaryKind(which).str());
    bool positive = which == nn::UnaryKind::log || which == nn::UnaryKind::sqrt || which == nn::UnaryKind::rsqrt;
    // Both signs where the function has them, away from the kink of abs.
    Tensor x = positive ? row({0.3, 1, 2.5, 7}) : row({-2.5, -0.3, 0.4, 3});
    Program program({0, 4, 0, 0});
    program.wrt("x", "!t", x).ops("%y = nn.unary " + stringifyUnaryKind(which).str() + " %x : !t");
    weighted(program, "y", "!t", 4).checkGradients("loss");
  }
  // No overflow far out, where differences are of no use: log_sigmoid' = 1 and 0, sigmoid' = 0.
  for (auto [kind, expected] : {std::pair("log_sigmoid", std::vector<double>{1, 0}), std::pair("sigmoid", std::vector<double>{0, 0}),
                                std::pair("silu", std::vector<double>{0, 1}), std::pair("tanh", std::vector<double>{0, 0})}) {
    Program program({0, 2, 0, 0});
    program.wrt("x", "!t", row({-800, 800}))
        .ops(std::string("%y = nn.unary ") + kind + " %x : !t\n%loss = nn.reduce sum %y : (!t) -> !f");
    auto gradients = program.gradients("loss");
    ASSERT_EQ(gradients.size(), 1u);
    expectNear(gradients[0], row(expected), 1e-15, kind);
  }
  Program zero({0, 1, 0, 0});
  zero.wrt("x", "!t", row({0})).ops("%y = nn.unary abs %x : !t\n%loss = nn.reduce sum %y : (!t) -> !f");
  auto gradients = zero.gradients("loss");
  ASSERT_EQ(gradients.size(), 1u);
  EXPECT_EQ(gradients[0].data[0], 0); // the subgradient at the kink
}

TEST(Adjoint, Binary) {
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForBinaryKind(); ++kind) {
    std::string name = stringifyBinaryKind(static_cast<nn::BinaryKind>(kind)).str();
    SCOPED_TRACE(name);
    auto make = [&](bool left, bool right) {
      Program program({0, 4, 0, 0});
      auto argument = [&](const char *which, bool wanted, Tensor value) {
        wanted ? program.wrt(which, "!t", value) : program.in(which, "!t", value);
      };
      argument("x", left, row({-2, 0.5, 3, 1}));
      argument("y", right, row({1.5, 2, -0.7, 0.6}));
      program.ops("%z = nn.binary " + name + " %x, %y : !t");
      return weighted(program, "z", "!t", 4);
    };
    make(true, true).checkGradients("loss");
    make(true, false).checkGradients("loss");
    make(false, true).checkGradients("loss");
  }
  // On ties of min and max the gradient goes to the left.
  for (const char *kind : {"min", "max"}) {
    Program program({0, 1, 0, 0});
    program.wrt("x", "!t", row({2})).wrt("y", "!t", row({2}));
    program.ops(std::string("%z = nn.binary ") + kind + " %x, %y : !t\n%loss = nn.reduce sum %z : (!t) -> !f");
    auto gradients = program.gradients("loss");
    ASSERT_EQ(gradients.size(), 2u);
    EXPECT_EQ(gradients[0].data[0], 1) << kind;
    EXPECT_EQ(gradients[1].data[0], 0) << kind;
  }
}

TEST(Adjoint, Select) {
  // The condition is one of the values itself; it stays away from 0.
  Program program({0, 4, 0, 0});
  program.in("c", "!t", row({1, 0, -1, 0})).wrt("x", "!t", random({4}, 1)).wrt("y", "!t", random({4}, 2));
  program.ops("%z = nn.select %c, %x, %y : !t\n%v = nn.select %x, %z, %y : !t");
  weighted(program, "v", "!t", 4).checkGradients("loss");
}

TEST(Adjoint, Compare) {
  // No gradient through a comparison, but through the other factor.
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", row({-1, 0.5, 2})).wrt("y", "!t", row({0, 1, 1}));
  program.ops("%c = nn.compare gt %x, %y : !t\n%z = nn.binary mul %c, %x : !t");
  weighted(program, "z", "!t", 3).checkGradients("loss");
}

TEST(Adjoint, StopGradient) {
  // x · stop(x) has the gradient x, not 2x.
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", row({-1, 0.5, 2}));
  program.ops("%s = nn.stop_gradient %x : !t\n%z = nn.binary mul %s, %x : !t\n%loss = nn.reduce sum %z : (!t) -> !f");
  auto gradients = program.gradients("loss");
  ASSERT_EQ(gradients.size(), 1u);
  expectNear(gradients[0], row({-1, 0.5, 2}), 0);
  // Behind it alone: the gradient is an output all the same, of zeros.
  Program stopped({0, 2, 0, 0});
  stopped.wrt("x", "!t", row({3, 4}))
      .ops("%e = nn.unary exp %x : !t\n%s = nn.stop_gradient %e : !t\n%loss = nn.reduce sum %s : (!t) -> !f");
  gradients = stopped.gradients("loss");
  ASSERT_EQ(gradients.size(), 1u);
  expectNear(gradients[0], row({0, 0}), 0);
}

TEST(Adjoint, Cast) {
  // The gradient of a rounding is passed on as it comes, in the type of what was rounded.
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", random({3}, 3))
      .ops("%b = nn.cast %x : (!t) -> tensor<?xbf16, #nn.axis<token>>\n"
           "%y = nn.cast %b : (tensor<?xbf16, #nn.axis<token>>) -> !t");
  weighted(program, "y", "!t", 3).checkGradients("loss");
}

TEST(Adjoint, Splat) {
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", random({3}, 3)).ops("%two = nn.splat 2.0 : !t\n%z = nn.binary mul %two, %x : !t");
  weighted(program, "z", "!t", 3).checkGradients("loss");
}

// --- sums and spreads ----------------------------------------------------------------------------------

TEST(Adjoint, Spread) {
  Program program({0, 4, 0, 0});
  program.wrt("x", "!f", number(0.7)).ops("%e = nn.unary exp %x : !f\n%y = nn.spread %e : (!f) -> !t");
  weighted(program, "y", "!t", 4).checkGradients("loss");
}

TEST(Adjoint, SegmentSpread) {
  // Group to sequence to token; there are empty segments on both levels.
  Program program({0, 5, 4, 3});
  program.wrt("x", "!g", random({3}, 4)).in("o", "!so", row({0, 2, 2, 5, 5})).in("go", "!go", row({0, 3, 3, 4}));
  program.ops("%e = nn.unary exp %x : !g\n%s = nn.segment_spread %e, %go : (!g, !go) -> !s\n"
              "%y = nn.segment_spread %s, %o : (!s, !so) -> !t");
  weighted(program, "y", "!t", 5).checkGradients("loss");
}

TEST(Adjoint, SegmentReduce) {
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForReduceKind(); ++kind) {
    std::string name = stringifyReduceKind(static_cast<nn::ReduceKind>(kind)).str();
    SCOPED_TRACE(name);
    // The empty segment's infinity is cut off before it reaches the loss; differences of values stay above 2h.
    Program program({0, 6, 4, 0});
    program.wrt("x", "!t", row({0.4, -0.9, 0.1, 0.8, -0.3, 0.6})).in("o", "!so", row({0, 3, 3, 5, 6}));
    program.ops("%y = nn.segment_reduce " + name + " %x, %o : (!t, !so) -> !s\n%t = nn.unary sigmoid %y : !s");
    weighted(program, "t", "!s", 4).checkGradients("loss");
  }
  // Ties: to every row that equals the extreme.
  for (const char *kind : {"max", "min"}) {
    Program program({0, 3, 1, 0});
    program.wrt("x", "!t", row({2, 2, 2})).in("o", "!so", row({0, 3}));
    program.ops(std::string("%y = nn.segment_reduce ") + kind + " %x, %o : (!t, !so) -> !s\n%loss = nn.reduce sum %y : (!s) -> !f");
    auto gradients = program.gradients("loss");
    ASSERT_EQ(gradients.size(), 1u);
    expectNear(gradients[0], row({1, 1, 1}), 0, kind);
  }
}

TEST(Adjoint, SegmentCount) {
  Program program({0, 5, 3, 0});
  program.wrt("x", "!s", random({3}, 5)).in("o", "!so", row({0, 2, 2, 5}));
  program.ops("%n = nn.segment_count %o : (!so) -> !s\n%y = nn.binary mul %n, %x : !s");
  weighted(program, "y", "!s", 3).checkGradients("loss");
}

TEST(Adjoint, Reduce) {
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForReduceKind(); ++kind) {
    std::string name = stringifyReduceKind(static_cast<nn::ReduceKind>(kind)).str();
    SCOPED_TRACE(name);
    Program program({0, 4, 0, 0});
    program.wrt("x", "!t", row({0.4, -0.9, 0.1, 0.8}));
    program.ops("%y = nn.reduce " + name + " %x : (!t) -> !f\n%loss = nn.unary exp %y : !f").checkGradients("loss");
  }
  // With a start, which has a gradient too.
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", random({3}, 6)).wrt("start", "!f", number(0.3));
  program.ops("%y = nn.reduce sum %x into(%start) : (!t, !f) -> !f\n%loss = nn.unary exp %y : !f").checkGradients("loss");
}

TEST(Adjoint, Extent) {
  Program program({0, 3, 0, 0});
  program.wrt("x", "!t", random({3}, 7));
  program.ops("%s = nn.reduce sum %x : (!t) -> !f\n%n = nn.extent <token> : !f\n%loss = nn.binary div %s, %n : !f").checkGradients("loss");
}

// --- models --------------------------------------------------------------------------------------------

TEST(Adjoint, Embedding) {
  // A row twice, a row never; as an output and into an accumulator.
  for (bool weight : {false, true}) {
    Program program({4, 0, 0, 0});
    Tensor table = random({3, 4}, 8);
    weight ? program.weight("table", "tensor<3x4xf32>", table) : program.wrt("table", "tensor<3x4xf32>", table);
    program.in("ids", "!ci", row({2, 0, 2, 2})).ops("%x = nn.embedding %table, %ids : (tensor<3x4xf32>, !ci) -> !c4");
    probed(program, "x", "c", 4, 4).checkGradients("loss");
  }
}

TEST(Adjoint, Linear) {
  for (bool weight : {false, true}) {
    Program program({3, 0, 0, 0});
    auto parameter = [&](const char *name, const char *type, Tensor value) {
      weight ? program.weight(name, type, value) : program.wrt(name, type, value);
    };
    program.wrt("x", "!c2", random({3, 2}, 9)).wrt("r", "!c4", random({3, 4}, 10));
    parameter("w", "tensor<4x2xf32>", random({4, 2}, 11));
    parameter("b", "tensor<4xf32>", random({4}, 12));
    program.ops("%y = nn.linear %x, %w bias(%b) residual(%r) : (!c2, tensor<4x2xf32>, tensor<4xf32>, !c4) -> !c4");
    probed(program, "y", "c", 4, 3).checkGradients("loss");
  }
  // Each operand alone: nothing is built for the others.
  for (const char *alone : {"x", "w", "b", "r"}) {
    Program program({3, 0, 0, 0});
    auto argument = [&](const char *name, const char *type, Tensor value) {
      std::string(alone) == name ? program.wrt(name, type, value) : program.in(name, type, value);
    };
    argument("x", "!c2", random({3, 2}, 9));
    argument("w", "tensor<4x2xf32>", random({4, 2}, 11));
    argument("b", "tensor<4xf32>", random({4}, 12));
    argument("r", "!c4", random({3, 4}, 10));
    program.ops("%y = nn.linear %x, %w bias(%b) residual(%r) : (!c2, tensor<4x2xf32>, tensor<4xf32>, !c4) -> !c4");
    probed(program, "y", "c", 4, 3).checkGradients("loss");
  }
}

TEST(Adjoint, RmsNorm) {
  for (bool weight : {false, true}) {
    Program program({3, 0, 0, 0});
    program.wrt("x", "!c4", random({3, 4}, 13));
    Tensor w = random({4}, 14, 0.5, 1.5);
    weight ? program.weight("w", "tensor<4xf32>", w) : program.wrt("w", "tensor<4xf32>", w);
    // An eps that is not small, so that its part of the derivative shows.
    program.ops("%y, %rstd = nn.rms_norm %x, %w {eps = 0.1 : f32} : (!c4, tensor<4xf32>) -> (!c4, !c)");
    probed(program, "y", "c", 4, 3).checkGradients("loss");
  }
}

TEST(Adjoint, Rotary) {
  Tensor table = filled({4, 4}, 0);
  for (int p = 0; p < 4; ++p)
    for (int i = 0; i < 2; ++i) {
      table.data[p * 4 + i] = std::cos(p * (0.4 + i));
      table.data[p * 4 + 2 + i] = std::sin(p * (0.4 + i));
    }
  for (const char *inverse : {"", ", inverse"}) {
    Program program({3, 0, 0, 0});
    program.wrt("x", "!c8", random({3, 8}, 15)).in("p", "!ci", row({3, 0, 2})).in("table", "tensor<4x4xf32>", table);
    program.ops(std::string("%y = nn.rotary %x, %p, %table {head_dim = 4 : i64") + inverse + "} : (!c8, !ci, tensor<4x4xf32>) -> !c8");
    probed(program, "y", "c", 8, 3).checkGradients("loss");
  }
}

TEST(Adjoint, Attention) {
  // Four query heads over two, and one over one; sequences of 3, 0, 1 and 2 rows.
  Program grouped({6, 0, 4, 0});
  grouped.wrt("q", "!c8", random({6, 8}, 16)).wrt("k", "!c4", random({6, 4}, 17)).wrt("v", "!c4", random({6, 4}, 18));
  grouped.in("o", "!so", row({0, 3, 3, 4, 6}));
  grouped.ops("%y, %lse = nn.attention %q, %k, %v, %o {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.75 : f32} :"
              " (!c8, !c4, !c4, !so) -> (!c8, !c4)");
  probed(grouped, "y", "c", 8, 6).checkGradients("loss");
  // One tensor in all three roles.
  Program itself({4, 0, 2, 0});
  itself.wrt("x", "!c2", random({4, 2}, 19)).in("o", "!so", row({0, 3, 4}));
  itself.ops("%y, %lse = nn.attention %x, %x, %x, %o {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.5 : f32} :"
             " (!c2, !c2, !c2, !so) -> (!c2, !c1)");
  probed(itself, "y", "c", 2, 4).checkGradients("loss");
  for (const char *alone : {"q", "k", "v"}) {
    Program program({3, 0, 1, 0});
    auto argument = [&](const char *name, const char *type, Tensor value) {
      std::string(alone) == name ? program.wrt(name, type, value) : program.in(name, type, value);
    };
    argument("q", "!c4", random({3, 4}, 20));
    argument("k", "!c2", random({3, 2}, 21));
    argument("v", "!c2", random({3, 2}, 22));
    program.in("o", "!so", row({0, 3}));
    program.ops("%y, %lse = nn.attention %q, %k, %v, %o {heads = 2 : i64, kv_heads = 1 : i64, scale = 1.0 : f32} :"
                " (!c4, !c2, !c2, !so) -> (!c4, !c2)");
    probed(program, "y", "c", 4, 3).checkGradients("loss");
  }
}

TEST(Adjoint, GatherRows) {
  Program program({4, 2, 0, 0});
  program.wrt("x", "!c3", random({4, 3}, 23)).in("rows", "!ti", row({3, 1}));
  program.ops("%y = nn.gather_rows %x, %rows : (!c3, !ti) -> !t3");
  probed(program, "y", "t", 3, 2).checkGradients("loss");
  // The other way round: rows of the token axis.
  Program tokens({2, 4, 0, 0});
  tokens.wrt("x", "!t3", random({4, 3}, 24)).in("rows", "!ci", row({0, 2}));
  tokens.ops("%y = nn.gather_rows %x, %rows : (!t3, !ci) -> !c3");
  probed(tokens, "y", "c", 3, 2).checkGradients("loss");
}

TEST(Adjoint, LinearLogprob) {
  // Log-probs, entropies, both; the weight as an output, as an accumulator, or without a gradient.
  for (const char *which : {"logprob", "entropy", "both"})
    for (int weight : {0, 1, 2}) {
      SCOPED_TRACE(std::string(which) + " " + std::to_string(weight));
      Program program({0, 3, 0, 0});
      program.wrt("h", "!t2", random({3, 2}, 25));
      Tensor w = random({4, 2}, 26, -2, 2);
      if (weight == 0)
        program.in("w", "tensor<4x2xf32>", w);
      else
        weight == 1 ? program.wrt("w", "tensor<4x2xf32>", w) : program.weight("w", "tensor<4x2xf32>", w);
      program.in("y", "!ti", row({0, 3, 3})).in("e", "!t", random({3}, 27, 0.5, 2));
      program.ops("%a, %lse, %b = nn.linear_logprob %h, %w, %y {temperature = 0.7 : f32} : (!t2, tensor<4x2xf32>, !ti) -> (!t, !t, !t)");
      program.ops("%eb = nn.binary mul %b, %e : !t\n%sum = nn.binary add %a, %eb : !t");
      weighted(program, std::string(which) == "both" ? "sum" : std::string(which) == "entropy" ? "b" : "a", "!t", 3).checkGradients("loss");
    }
  // The weight alone, and no entropy at all.
  Program program({0, 2, 0, 0});
  program.in("h", "!t2", random({2, 2}, 28)).wrt("w", "tensor<4x2xf32>", random({4, 2}, 29)).in("y", "!ti", row({1, 0}));
  program.ops("%a, %lse = nn.linear_logprob %h, %w, %y : (!t2, tensor<4x2xf32>, !ti) -> (!t, !t)");
  weighted(program, "a", "!t", 2).checkGradients("loss");
}

// --- where gradients meet ------------------------------------------------------------------------------

TEST(Differentiate, ValueUsedTwice) {
  // Numbers, and rows: the gradients of all uses add up.
  Program numbers({0, 3, 0, 0});
  numbers.wrt("x", "!t", random({3}, 30));
  numbers.ops("%e = nn.unary exp %x : !t\n%s = nn.unary square %e : !t\n%p = nn.binary mul %e, %s : !t\n"
              "%q = nn.binary sub %p, %e : !t\n%r = nn.binary add %q, %x : !t\n%d = nn.binary div %r, %r : !t\n%u = nn.binary add %d, %r : !t");
  weighted(numbers, "u", "!t", 3).checkGradients("loss");
  Program rows({3, 0, 0, 0});
  rows.wrt("x", "!c2", random({3, 2}, 31)).wrt("w", "tensor<2x2xf32>", random({2, 2}, 32)).wrt("n", "tensor<2xf32>", random({2}, 33, 0.5, 1));
  rows.ops("%h, %rstd = nn.rms_norm %x, %n {eps = 0.01 : f32} : (!c2, tensor<2xf32>) -> (!c2, !c)\n"
           "%a = nn.linear %h, %w : (!c2, tensor<2x2xf32>) -> !c2\n%g = nn.unary silu %a : !c2\n%m = nn.binary mul %g, %h : !c2\n"
           "%y = nn.linear %m, %w residual(%x) : (!c2, tensor<2x2xf32>, !c2) -> !c2");
  probed(rows, "y", "c", 2, 3).checkGradients("loss");
}

TEST(Differentiate, WeightUsedTwice) {
  // A tied embedding: table and head. Both parts go into one accumulator, or one output.
  for (bool weight : {false, true}) {
    Program program({4, 2, 0, 0});
    Tensor table = random({5, 3}, 34);
    weight ? program.weight("table", "tensor<5x3xf32>", table) : program.wrt("table", "tensor<5x3xf32>", table);
    program.in("ids", "!ci", row({4, 0, 2, 4})).in("rows", "!ti", row({1, 3})).in("y", "!ti", row({2, 4}));
    program.ops("%x = nn.embedding %table, %ids : (tensor<5x3xf32>, !ci) -> !c3\n%h = nn.gather_rows %x, %rows : (!c3, !ti) -> !t3\n"
                "%a, %lse = nn.linear_logprob %h, %table, %y : (!t3, tensor<5x3xf32>, !ti) -> (!t, !t)");
    weighted(program, "a", "!t", 2).checkGradients("loss");
  }
  // A matrix and a bias that two layers share.
  Program shared({3, 0, 0, 0});
  shared.wrt("x", "!c3", random({3, 3}, 35)).weight("w", "tensor<3x3xf32>", random({3, 3}, 36)).weight("b", "tensor<3xf32>", random({3}, 37));
  shared.ops("%h = nn.linear %x, %w bias(%b) : (!c3, tensor<3x3xf32>, tensor<3xf32>) -> !c3\n%g = nn.unary tanh %h : !c3\n"
             "%y = nn.linear %g, %w bias(%b) : (!c3, tensor<3x3xf32>, tensor<3xf32>) -> !c3");
  probed(shared, "y", "c", 3, 3).checkGradients("loss");
}

TEST(Differentiate, WeightInElementwiseMaths) {
  // A weight whose gradient comes from ops that know no accumulator must not lose it.
  Program program({0, 0, 0, 0});
  program.weight("w", "!f", number(0.7)).in("x", "!f", number(2)).ops("%p = nn.binary mul %w, %x : !f\n%loss = nn.unary exp %p : !f");
  auto gradients = program.gradients("loss");
  ASSERT_EQ(gradients.size(), 1u) << "the gradient of %w is lost";
  expectNear(gradients[0], number(2 * std::exp(1.4)), kDerivativeTolerance);
}

TEST(Differentiate, LossThatIsAnArgument) {
  Program program;
  program.wrt("x", "!f", number(3));
  auto gradients = program.gradients("x");
  ASSERT_EQ(gradients.size(), 1u);
  expectNear(gradients[0], number(1), 0);
}

TEST(Differentiate, WhatTheLossDoesNotDependOn) {
  Program program({0, 2, 0, 0});
  program.wrt("x", "!t", row({1, 2})).wrt("unused", "!t", row({3, 4})).weight("w", "!t", row({5, 6}));
  program.ops("%loss = nn.reduce sum %x : (!t) -> !f");
  auto module = parse(program.text("%loss : !f", true));
  ASSERT_TRUE(module);
  ASSERT_TRUE(run(*module, "func.func(differentiate)"));
  auto function = functionOf(*module);
  // The loss and two outputs: the accumulator of %w stays as it is without being a result.
  EXPECT_EQ(function.getNumResults(), 3u);
  auto results = interpret(function, program.values(), program.extents());
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[1], row({1, 1}), 0);
  expectNear(results[2], row({0, 0}), 0);
}

TEST(Differentiate, RemovesItsAttributes) {
  Program program({0, 2, 0, 0});
  program.wrt("x", "!t", row({1, 2})).ops("%loss = nn.reduce sum %x : (!t) -> !f");
  auto module = parse(program.text("%loss : !f", true));
  ASSERT_TRUE(module);
  ASSERT_TRUE(run(*module, "func.func(differentiate)"));
  auto function = functionOf(*module);
  EXPECT_FALSE(function->hasAttr("nn.differentiate"));
  EXPECT_FALSE(function.getArgAttr(0, "nn.gradient_output"));
  EXPECT_EQ(function.getResultAttrOfType<mlir::StringAttr>(1, nn::attr::kName).getValue(), "grad.x");
  EXPECT_EQ(function.getResultAttrOfType<mlir::StringAttr>(1, nn::attr::kSource).getValue(), "output:grad.x");
}

TEST(Differentiate, RefusesWhatHasNoDerivative) {
  auto refusal = [](const Program &program) {
    std::string errors;
    auto module = parse(program.text("%loss : !f", true));
    EXPECT_TRUE(module);
    EXPECT_FALSE(module && run(*module, "func.func(differentiate)", &errors));
    return errors;
  };
  Program rstd({2, 0, 0, 0});
  rstd.wrt("x", "!c2", random({2, 2}, 38)).in("w", "tensor<2xf32>", row({1, 1}));
  rstd.ops("%y, %rstd = nn.rms_norm %x, %w {eps = 0.1 : f32} : (!c2, tensor<2xf32>) -> (!c2, !c)\n%loss = nn.reduce sum %rstd : (!c) -> !f");
  EXPECT_NE(refusal(rstd).find("no derivative of rstd"), std::string::npos);
  Program lse({0, 2, 0, 0});
  lse.wrt("h", "!t2", random({2, 2}, 39)).in("w", "tensor<3x2xf32>", random({3, 2}, 40)).in("y", "!ti", row({0, 1}));
  lse.ops("%a, %lse = nn.linear_logprob %h, %w, %y : (!t2, tensor<3x2xf32>, !ti) -> (!t, !t)\n%loss = nn.reduce sum %lse : (!t) -> !f");
  EXPECT_NE(refusal(lse).find("no derivative of lse"), std::string::npos);
  Program none({0, 2, 0, 0});
  none.in("x", "!t", row({1, 2})).ops("%loss = nn.reduce sum %x : (!t) -> !f");
  EXPECT_NE(refusal(none).find("no argument carries nn.gradient"), std::string::npos);
  Program norm;
  norm.wrt("w", "tensor<2xf32>", row({1, 2})).in("z", "!f", number(0)).ops("%loss = nn.squared_norm %w, %z : (tensor<2xf32>, !f) -> !f");
  EXPECT_NE(refusal(norm).find("has no derivative, but the loss depends on"), std::string::npos);
}

// --- accumulators --------------------------------------------------------------------------------------

TEST(Differentiate, AccumulatorsOverMicroBatches) {
  // Eight sequences, whose gradients are added in 1, 2 or 8 calls; each kind of accumulator occurs, the table's twice. The
  // loss goes on in an accumulator of its own.
  const std::vector<int64_t> lengths = {2, 1, 3, 1, 1, 4, 2, 2};
  Program program;
  program.in("ids", "!ci", row({})).in("targets", "!ti", row({})).in("o", "!so", row({})).in("rows", "!ti", row({}));
  const size_t kPorts = 4;
  program.in("sum", "!f", number(0));
  program.weight("table", "tensor<5x4xf32>", random({5, 4}, 50)).weight("n", "tensor<4xf32>", random({4}, 51, 0.5, 1.5));
  program.weight("w", "tensor<4x4xf32>", random({4, 4}, 52)).weight("b", "tensor<4xf32>", random({4}, 53));
  program.ops("%x = nn.embedding %table, %ids : (tensor<5x4xf32>, !ci) -> !c4\n"
              "%h, %rstd = nn.rms_norm %x, %n {eps = 0.01 : f32} : (!c4, tensor<4xf32>) -> (!c4, !c)\n"
              "%q = nn.linear %h, %w bias(%b) : (!c4, tensor<4x4xf32>, tensor<4xf32>) -> !c4\n"
              "%y, %lse = nn.attention %q, %q, %h, %o {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.7 : f32} :"
              " (!c4, !c4, !c4, !so) -> (!c4, !c2)\n"
              "%z = nn.gather_rows %y, %rows : (!c4, !ti) -> !t4\n"
              "%a, %l = nn.linear_logprob %z, %table, %targets : (!t4, tensor<5x4xf32>, !ti) -> (!t, !t)\n"
              "%square = nn.unary square %a : !t\n%loss = nn.reduce sum %square into(%sum) : (!t, !f) -> !f");
  auto module = parse(program.text("%loss : !f", true));
  ASSERT_TRUE(module);
  ASSERT_TRUE(run(*module, "func.func(differentiate)"));
  auto function = functionOf(*module);
  ASSERT_EQ(function.getNumResults(), 5u);

  std::vector<Tensor> whole;
  for (size_t pieces : {1, 2, 8}) {
    std::vector<Tensor> values = program.values();
    int64_t done = 0;
    for (size_t piece = 0; piece < pieces; ++piece) {
      std::vector<double> ids, targets, offsets = {0}, rows;
      for (size_t s = lengths.size() * piece / pieces; s < lengths.size() * (piece + 1) / pieces; ++s) {
        for (int64_t i = 0; i < lengths[s]; ++i, ++done) {
          rows.push_back(static_cast<double>(ids.size()));
          ids.push_back(static_cast<double>(done * 7 % 5));
          targets.push_back(static_cast<double>(done * 3 % 5));
        }
        offsets.push_back(static_cast<double>(ids.size()));
      }
      auto size = static_cast<int64_t>(ids.size());
      values[0] = row(ids), values[1] = row(targets), values[2] = row(offsets), values[3] = row(rows);
      auto results = interpret(function, values, {size, size, static_cast<int64_t>(offsets.size()) - 1, 0});
      ASSERT_EQ(results.size(), 5u);
      values[kPorts] = results[0];
      for (unsigned i = 1; i < results.size(); ++i)
        values[function.getResultAttrOfType<mlir::IntegerAttr>(i, nn::attr::kAlias).getInt()] = results[i];
    }
    if (pieces == 1)
      whole = values;
    for (size_t i = kPorts; i < values.size(); ++i)
      expectNear(values[i], whole[i], 1e-12, "argument " + std::to_string(i) + " after " + std::to_string(pieces) + " calls");
  }
}
