// fuse: the same results. The reference evaluates the bodies of nn.fused, which come from another table (how an op is
// computed on one element) than the definitions of the ops themselves.

#include "test/unit/Step.h"

#include "gtest/gtest.h"

using namespace mirl;
using namespace mirl::test;

static bool isElementwise(mlir::Operation &op) {
  return mlir::isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::StopGradientOp>(op);
}

// Fuses a program's function; the results must stay, and no elementwise op may. Returns the module.
static mlir::OwningOpRef<mlir::ModuleOp> checkFused(const Program &program, const std::string &results) {
  std::vector<Tensor> expected = program.run(results);
  auto module = parse(program.text(results, false));
  if (!module || !run(*module, "func.func(fuse)"))
    return nullptr;
  mlir::func::FuncOp function = functionOf(*module);
  for (mlir::Operation &op : function.front())
    EXPECT_FALSE(isElementwise(op)) << op.getName().getStringRef().str() << " is left";
  std::vector<Tensor> actual = interpret(function, program.values(), program.extents());
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i)
    expectNear(actual[i], expected[i], 1e-14, results + ", result " + std::to_string(i));
  return module;
}

TEST(Fuse, EveryKind) {
  const Tensor x = row({0.3, 1.5, 4, 0.01}), y = row({1.5, 1.5, -2, 7});
  auto check = [&](const std::string &op) {
    SCOPED_TRACE(op);
    Program program({0, 4, 0, 0});
    program.in("x", "!t", x).in("y", "!t", y).ops("%z = " + op + " : !t");
    checkFused(program, "%z : !t");
  };
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForUnaryKind(); ++kind) {
    check("nn.unary " + stringifyUnaryKind(static_cast<nn::UnaryKind>(kind)).str() + " %x");
    if (auto which = static_cast<nn::UnaryKind>(kind); which != nn::UnaryKind::log && which != nn::UnaryKind::sqrt && which != nn::UnaryKind::rsqrt)
      check("nn.unary " + stringifyUnaryKind(which).str() + " %y"); // negative numbers as well
  }
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForBinaryKind(); ++kind)
    check("nn.binary " + stringifyBinaryKind(static_cast<nn::BinaryKind>(kind)).str() + " %x, %y");
  for (unsigned kind = 0; kind <= nn::getMaxEnumValForCompareKind(); ++kind)
    check("nn.compare " + stringifyCompareKind(static_cast<nn::CompareKind>(kind)).str() + " %x, %y");
  check("nn.stop_gradient %x");
  Program select({0, 4, 0, 0});
  select.in("c", "!t", row({1, 0, -1, 0})).in("x", "!t", x).in("y", "!t", y).ops("%z = nn.select %c, %x, %y : !t");
  checkFused(select, "%z : !t");
}

TEST(Fuse, OneLoopOfMany) {
  // Splats and a number that is spread enter the loop; a value that is used outside is one of its results.
  Program program({0, 4, 0, 0});
  program.in("x", "!t", random({4}, 1)).in("n", "!f", number(0.4));
  program.ops("%two = nn.splat 2.0 : !t\n%s = nn.spread %n : (!f) -> !t\n%a = nn.binary mul %x, %two : !t\n%b = nn.binary add %a, %s : !t\n"
              "%c = nn.unary tanh %b : !t\n%d = nn.binary max %c, %x : !t\n%total = nn.reduce sum %d : (!t) -> !f");
  auto module = checkFused(program, "%total : !f, %b : !t");
  ASSERT_TRUE(module);
  EXPECT_EQ(count<nn::FusedOp>(functionOf(*module)), 1u);
  EXPECT_EQ(count<nn::SplatOp>(functionOf(*module)), 0u);
  EXPECT_EQ(count<nn::SpreadOp>(functionOf(*module)), 0u);
}

TEST(Fuse, WhatDependsOnARowSumStaysBehindIt) {
  // %b depends on %a by way of a sum: they cannot be one loop; nor can %c, which is related to both, join %a's.
  Program program({0, 4, 2, 0});
  program.in("x", "!t", random({4}, 2)).in("o", "!so", row({0, 3, 4}));
  program.ops("%a = nn.unary exp %x : !t\n%s = nn.segment_reduce sum %a, %o : (!t, !so) -> !s\n%t = nn.unary log %s : !s\n"
              "%y = nn.segment_spread %t, %o : (!s, !so) -> !t\n%b = nn.binary sub %x, %y : !t\n%c = nn.binary mul %b, %a : !t\n"
              "%d = nn.unary square %x : !t\n%z = nn.binary add %d, %c : !t");
  auto module = checkFused(program, "%z : !t, %t : !s");
  ASSERT_TRUE(module);
  EXPECT_EQ(count<nn::FusedOp>(functionOf(*module)), 3u);
}

TEST(Fuse, TwoLoopsThatNeedEachOther) {
  // Two types in turn, each op fed by the one before; both directions of the order are kept.
  Program program({0, 3, 3, 0});
  program.in("x", "!t", random({3}, 3)).in("o", "!so", row({0, 1, 2, 3}));
  std::string value = "x";
  for (int i = 0; i < 4; ++i) {
    std::string n = std::to_string(i);
    program.ops("%a" + n + " = nn.binary mul %" + value + ", %x : !t\n%s" + n + " = nn.segment_reduce sum %a" + n + ", %o : (!t, !so) -> !s\n%b" + n +
                " = nn.unary tanh %s" + n + " : !s\n%c" + n + " = nn.segment_spread %b" + n + ", %o : (!s, !so) -> !t");
    value = "c" + n;
  }
  checkFused(program, "%" + value + " : !t");
}

TEST(Fuse, SumsIntoProductAndNorm) {
  Program program({3, 0, 0, 0});
  program.in("x", "!c2", random({3, 2}, 4)).in("w", "tensor<2x2xf32>", random({2, 2}, 5)).in("b", "tensor<2xf32>", random({2}, 6));
  program.in("n", "tensor<2xf32>", random({2}, 7)).in("rstd", "!c", random({3}, 8, 0.5, 1)).in("g", "!c2", random({3, 2}, 9));
  program.ops("%p = nn.linear %x, %w bias(%b) : (!c2, tensor<2x2xf32>, tensor<2xf32>) -> !c2\n%y = nn.binary add %x, %p : !c2\n"
              "%q = nn.linear %y, %w : (!c2, tensor<2x2xf32>) -> !c2\n%z = nn.binary add %q, %y : !c2\n"
              "%d = nn.rms_norm_data_grad %z, %x, %n, %rstd : (!c2, !c2, tensor<2xf32>, !c) -> !c2\n%e = nn.binary add %d, %g : !c2");
  auto module = checkFused(program, "%e : !c2, %z : !c2");
  ASSERT_TRUE(module);
  EXPECT_EQ(count<nn::FusedOp>(functionOf(*module)), 0u);
  // Two products in one sum: one takes the other, once. A product with another use, or with a residual, takes none.
  Program both({3, 0, 0, 0});
  both.in("x", "!c2", random({3, 2}, 4)).in("w", "tensor<2x2xf32>", random({2, 2}, 5));
  both.ops("%p = nn.linear %x, %w : (!c2, tensor<2x2xf32>) -> !c2\n%q = nn.linear %x, %w residual(%p) : (!c2, tensor<2x2xf32>, !c2) -> !c2\n"
           "%y = nn.binary add %p, %q : !c2\n%r = nn.linear %y, %w : (!c2, tensor<2x2xf32>) -> !c2\n%z = nn.binary add %r, %r : !c2");
  checkFused(both, "%z : !c2, %y : !c2");
}

TEST(Fuse, TrainStep) {
  // All that the compiler does to an entry of nn, with and without fuse.
  const Params params = {{"tau", 0.3}, {"lr", 1e-3}};
  for (const char *loss : {"mirror_descent(logp, y.logprob, y.reward, tau)", "grpo_kl(logp, y.logprob, ref, y.reward)",
                           "dpo(logp, ref, y.reward) - 0.1 * mean(entropy(pi, y), over = batch)"}) {
    SCOPED_TRACE(loss);
    auto module = compileProgram(programOf(loss, true), tinyConfig(false), std::string(kToNn) + "," + kDifferentiate);
    ASSERT_TRUE(module);
    Sequences sequences = randomSequences(2, 2, 9, 14);
    Variables expected = makeVariables(*module, 400), actual = expected;
    auto before = runStep(*module, sequences, {0, 2, 4}, params, expected);
    ASSERT_TRUE(run(*module, "func.func(fuse,assign-numerics)"));
    for (mlir::func::FuncOp function : module->getOps<mlir::func::FuncOp>())
      if (!function->hasAttr(nn::attr::kModel))
        for (mlir::Operation &op : function.front())
          EXPECT_FALSE(isElementwise(op)) << function.getSymName().str() << ": " << op.getName().getStringRef().str();
    EXPECT_GT(count<nn::FusedOp>(functionOf(*module, "train.micro")), 0u);
    auto after = runStep(*module, sequences, {0, 2, 4}, params, actual);
    for (auto &[name, output] : before)
      expectNear(after.at(name), output, 1e-12, name);
    for (auto &[name, variable] : expected)
      expectNear(actual.at(name), variable, 1e-12, name);
  }
}
