// plan-recompute: the same values under every budget that can be met, an error under one that cannot.

#include "test/unit/Step.h"

#include "dialects/plan/Plan.h"
#include "gtest/gtest.h"
#include "mlir/AsmParser/AsmParser.h"

#include <regex>

using namespace mirl;
using namespace mirl::test;

// The largest sum of bytes that are live at a time: each value from its op to its last use, at the capacities; a value in
// another's storage costs nothing, and a result of an elementwise op has the place of an operand of its type that ends there. Written
// from the pass's description.
static int64_t peakOf(mlir::func::FuncOp function) {
  auto capacities = function->getAttrOfType<mlir::DictionaryAttr>(nn::attr::kCapacities);
  std::vector<mlir::Operation *> ops;
  for (mlir::Operation &op : function.front())
    ops.push_back(&op);
  std::vector<int64_t> live(ops.size(), 0);
  auto lastUse = [&](mlir::Value value, size_t from) {
    size_t last = from;
    for (size_t k = from + 1; k < ops.size(); ++k)
      if (llvm::is_contained(ops[k]->getOperands(), value))
        last = k;
    return last;
  };
  for (size_t i = 0; i < ops.size(); ++i)
    for (mlir::OpResult result : ops[i]->getResults()) {
      auto inPlace = mlir::dyn_cast<nn::InPlaceOpInterface>(ops[i]);
      if (inPlace && inPlace.getTiedOperand(result.getResultNumber()) >= 0)
        continue;
      size_t last = lastUse(result, i);
      bool elementwise = mlir::isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp>(ops[i]);
      bool replaces = elementwise && llvm::any_of(ops[i]->getOperands(), [&](mlir::Value operand) {
        return operand.getDefiningOp() && operand.getType() == result.getType() && lastUse(operand, i) == i;
      });
      int64_t bytes = *plan::bytesAtCapacity(mlir::cast<mlir::RankedTensorType>(result.getType()), capacities);
      for (size_t k = i + replaces; k <= last; ++k)
        live[k] += bytes;
    }
  return *std::max_element(live.begin(), live.end());
}

static unsigned recomputed(mlir::func::FuncOp function) {
  unsigned n = 0;
  for (mlir::Operation &op : function.front())
    n += op.hasAttr("nn.recomputed");
  return n;
}

static std::string pass(int64_t budget) { return "plan-recompute{budget=" + std::to_string(budget) + "}"; }
// The same for one entry, of whatever kind.
static std::string pass(mlir::StringRef entry, int64_t budget) {
  return "plan-recompute{entries=" + entry.str() + "=" + std::to_string(budget) + "}";
}

// The least that the pass can do with a function, as its error says; 0 when it does not say.
static int64_t leastOf(mlir::ModuleOp module, mlir::StringRef name) {
  mlir::OwningOpRef<mlir::ModuleOp> clone(module.clone());
  std::string errors;
  EXPECT_FALSE(run(functionOf(*clone, name), pass(1), &errors)) << "one byte is no budget";
  std::smatch match;
  EXPECT_TRUE(std::regex_search(errors, match, std::regex("needs at least (\\d+) bytes of transient memory after recomputing \\d+ ops, "
                                                          "but the budget is 1: raise it, or lower the micro-batch's tokens")))
      << errors;
  return match.empty() ? 0 : std::stoll(match[1]);
}

// Runs `module` under budgets from the least possible to the peak; `values` must not change.
static void checkBudgets(mlir::ModuleOp module, mlir::StringRef name, const std::function<std::vector<Tensor>(mlir::ModuleOp)> &values) {
  int64_t peak = peakOf(functionOf(module, name)), least = leastOf(module, name);
  ASSERT_GT(least, 0);
  ASSERT_LT(least, peak) << "nothing can be recomputed: the test tests nothing";
  std::vector<Tensor> expected = values(module);
  ASSERT_FALSE(expected.empty());
  unsigned most = 0;
  for (int part = 0; part <= 5; ++part) {
    int64_t budget = least + (peak - least) * part / 5;
    SCOPED_TRACE("budget " + std::to_string(budget));
    mlir::OwningOpRef<mlir::ModuleOp> clone(module.clone());
    ASSERT_TRUE(run(functionOf(*clone, name), pass(budget)));
    mlir::func::FuncOp function = functionOf(*clone, name);
    EXPECT_LE(peakOf(function), budget);
    most = std::max(most, recomputed(function));
    if (budget == peak) {
      EXPECT_EQ(recomputed(function), 0u);
    }
    std::vector<Tensor> actual = values(*clone);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      expectNear(actual[i], expected[i], 0); // the same ops on the same values: the same bits
  }
  EXPECT_GT(most, 0u);
  // No budget: nothing happens.
  mlir::OwningOpRef<mlir::ModuleOp> clone(module.clone());
  ASSERT_TRUE(run(functionOf(*clone, name), pass(0)));
  EXPECT_EQ(recomputed(functionOf(*clone, name)), 0u);
  // One byte less than the least is refused.
  std::string errors;
  EXPECT_FALSE(run(functionOf(*clone, name), pass(least - 1), &errors));
}

TEST(Recompute, Chain) {
  // A chain of maths whose every value the adjoint reads: what is kept can be made again from what is before.
  Program program({0, 4, 0, 0});
  program.wrt("x", "!t", random({4}, 1));
  std::string last = "x";
  for (int i = 0; i < 6; ++i) {
    std::string n = std::to_string(i);
    program.ops("%a" + n + " = nn.unary tanh %" + last + " : !t\n%b" + n + " = nn.unary exp %a" + n + " : !t");
    last = "b" + n;
  }
  program.ops("%loss = nn.reduce sum %" + last + " : (!t) -> !f");
  auto module = parse(program.text("%loss : !f", true));
  ASSERT_TRUE(module && run(*module, "func.func(differentiate)"));
  functionOf(*module)->setAttr(nn::attr::kCapacities, mlir::parseAttribute("{token = 1000 : i64}", &context()));
  checkBudgets(*module, "", [&](mlir::ModuleOp m) { return interpret(functionOf(m), program.values(), program.extents()); });
}

static const Params kParams = {{"tau", 0.3}, {"lr", 1e-3}};

TEST(Recompute, TrainStep) {
  auto module = compileProgram(programOf("grpo_kl(logp, y.logprob, ref, y.reward)", true), tinyConfig(false),
                               std::string(kToNn) + "," + kDifferentiate);
  ASSERT_TRUE(module);
  Sequences sequences = randomSequences(2, 2, 9, 13);
  Variables start = makeVariables(*module, 300);
  auto values = [&](mlir::ModuleOp m) {
    Variables variables = start;
    std::vector<Tensor> all;
    for (auto &[name, output] : runStep(m, sequences, {0, 2, 4}, kParams, variables))
      all.push_back(output);
    for (auto &[name, variable] : variables)
      all.push_back(variable);
    return all;
  };
  checkBudgets(*module, "train.micro", values);
}

TEST(Recompute, ImpossibleBudgetsEnd) {
  // In every entry, whatever can be moved to and fro in it. A budget without a name is a training entry's alone.
  auto module = compileProgram(programOf("grpo_kl(logp, y.logprob, ref, y.reward)", true), tinyConfig(false),
                               std::string(kToNn) + "," + kDifferentiate);
  ASSERT_TRUE(module);
  unsigned refused = 0;
  for (mlir::func::FuncOp function : module->getOps<mlir::func::FuncOp>()) {
    std::string errors;
    bool micro = function.getSymName() == "train.micro";
    EXPECT_EQ(run(function, pass(1), &errors), !micro) << function.getSymName().str();
    errors.clear();
    if (run(function, pass(function.getSymName(), 1), &errors))
      continue; // the model, which is no entry, and entries without values of their own
    ++refused;
    EXPECT_NE(errors.find("'" + function.getSymName().str() + "' needs at least "), std::string::npos) << errors;
    EXPECT_NE(errors.find("bytes of transient memory"), std::string::npos) << errors;
  }
  EXPECT_GE(refused, 3u); // train.batch, train.micro, pi.score at least
}

TEST(Recompute, WholeStepIsFusedAfterwards) {
  // What recomputation leaves must still go through the passes behind it.
  auto module = compileProgram(programOf("grpo_kl(logp, y.logprob, ref, y.reward)", true), tinyConfig(true),
                               std::string(kToNn) + "," + kDifferentiate);
  ASSERT_TRUE(module);
  int64_t least = leastOf(*module, "train.micro");
  Sequences sequences = randomSequences(2, 2, 9, 13);
  Variables expected = makeVariables(*module, 300), actual = expected;
  runStep(*module, sequences, {0, 4}, kParams, expected);
  ASSERT_TRUE(run(functionOf(*module, "train.micro"), pass(least)));
  ASSERT_TRUE(run(*module, "func.func(fuse,assign-numerics)"));
  runStep(*module, sequences, {0, 4}, kParams, actual);
  for (auto &[name, tensor] : expected)
    expectNear(actual.at(name), tensor, 1e-12, name);
}

TEST(Recompute, ValueThatIsOnlyUsedLate) {
  // %early is read by nothing before the peak: once it is made again behind it, the first one is dead and must not stop
  // the passes that follow.
  Program program({0, 4, 0, 0});
  program.in("x", "!t", random({4}, 2)).in("y", "!t", random({4}, 3));
  program.ops("%early = nn.unary tanh %x : !t\n%a = nn.unary exp %y : !t\n%b = nn.unary square %a : !t\n%c = nn.binary mul %a, %b : !t\n"
              "%s = nn.reduce sum %c : (!t) -> !f\n%p = nn.reduce sum %early into(%s) : (!t, !f) -> !f");
  auto module = parse(program.text("%p : !f", false));
  ASSERT_TRUE(module);
  mlir::func::FuncOp function = functionOf(*module);
  function->setAttr(nn::attr::kCapacities, mlir::parseAttribute("{token = 1000 : i64}", &context()));
  std::vector<Tensor> expected = interpret(function, program.values(), program.extents());
  ASSERT_TRUE(run(function, pass(peakOf(function) - 4)));
  EXPECT_EQ(recomputed(functionOf(*module)), 1u);
  ASSERT_TRUE(run(*module, "func.func(fuse)"));
  auto results = interpret(functionOf(*module), program.values(), program.extents());
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], expected[0], 1e-15);
}
