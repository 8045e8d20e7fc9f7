// A whole training step, from .mirl to the adjoint of a transformer: all gradients against differences of the loss, and
// loss and gradients independent of where the batch is cut.

#include "test/unit/Step.h"

#include "gtest/gtest.h"

#include <cmath>
#include <fstream>
#include <regex>
#include <sstream>

using namespace mirl;
using namespace mirl::test;

static const Params kParams = {{"tau", 0.3}, {"lr", 1e-3}};

static std::vector<std::string> weightsOf(mlir::ModuleOp module) {
  std::vector<std::string> weights;
  for (auto variable : module.getOps<nn::VariableOp>())
    if (variable.getKind() == "weight" && variable.getOwner() == "pi")
      weights.push_back(variable.getSymName().str());
  return weights;
}

// The gradients of all weights against differences of the loss, at a few elements of each. The loss is the micro entry's
// as rl-to-nn leaves it; the gradients are the differentiated one's.
static void checkAllGradients(const std::string &loss, bool tied) {
  std::string program = programOf(loss, false), config = tinyConfig(tied);
  auto plain = compileProgram(program, config, kToNn);
  auto differentiated = compileProgram(program, config, std::string(kToNn) + "," + kDifferentiate);
  ASSERT_TRUE(plain && differentiated);
  Sequences sequences = randomSequences(2, 2, 9, 11);
  const std::vector<int64_t> whole = {0, 4};
  Variables start = makeVariables(*plain, 100), after = start;
  runStep(*differentiated, sequences, whole, kParams, after);

  std::vector<std::string> weights = weightsOf(*plain);
  ASSERT_EQ(weights.size(), tied ? 26u : 27u); // twelve a layer, the embedding, the last norm, the head
  for (const std::string &weight : weights) {
    ASSERT_TRUE(after.count(weight + ".grad")) << weight;
    Tensor gradient = after.at(weight + ".grad");
    for (int n = 1; after.count(weight + ".grad." + std::to_string(n)); ++n) // of its other uses
      for (size_t i = 0; i < gradient.data.size(); ++i)
        gradient.data[i] += after.at(weight + ".grad." + std::to_string(n)).data[i];
    ASSERT_EQ(gradient.shape, start.at(weight).shape) << weight;
    double largest = 0;
    for (double value : gradient.data)
      largest = std::max(largest, std::abs(value));
    // A bias of the keys moves all scores of a row alike but for the rotation: small, not 0.
    EXPECT_GT(largest, 1e-6) << weight << " gets no gradient";
    size_t size = gradient.data.size();
    for (size_t element : {size_t(0), size / 3, size - 1}) {
      double expected = difference(
          [&](double x) {
            Variables moved = start;
            moved[weight].data[element] = x;
            auto outputs = runStep(*plain, sequences, whole, kParams, moved);
            return outputs.count("loss") ? outputs.at("loss").data[0] : NAN;
          },
          start.at(weight).data[element]);
      EXPECT_NEAR(gradient.data[element], expected, kDerivativeTolerance * std::max(1.0, std::abs(expected)))
          << weight << " element " << element;
    }
  }
}

TEST(TrainStep, GradientsOfMirrorDescent) { checkAllGradients("mirror_descent(logp, y.logprob, y.reward, tau)", false); }

TEST(TrainStep, GradientsWithTiedEmbeddings) { checkAllGradients("mirror_descent(logp, y.logprob, y.reward, tau)", true); }

TEST(TrainStep, GradientsOfAnEntropyBonus) {
  checkAllGradients("mirror_descent(logp, y.logprob, y.reward, tau) - 0.2 * mean(entropy(pi, y), over = batch)"
                    " + mean(square(sum(logprob(pi, y, temperature = 0.8), over = group)), over = batch)",
                    false);
}

// --- cuts ----------------------------------------------------------------------------------------------

// Loss and gradients of the step must not depend on the cut: the batch entry runs once, the micro entry for each part,
// the accumulators carried. Returns false when split-step refuses the loss.
static bool checkCuts(const std::string &loss, bool reference, bool tied = false) {
  std::string errors;
  auto module = compileProgram(programOf(loss, reference), tinyConfig(tied), std::string(kToNn) + "," + kDifferentiate, &errors);
  if (!module)
    return false;
  // Four groups of two; groups that need not be whole are cut as well.
  Sequences sequences = randomSequences(4, 2, 9, 12);
  bool groups = needsWholeGroups(*module);
  Variables start = makeVariables(*module, 200), whole;
  std::map<std::string, Tensor> outputs;
  double largest = 0;
  auto check = [&](const std::vector<int64_t> &cuts, const std::string &what) {
    Variables variables = start;
    auto result = runStep(*module, sequences, cuts, kParams, variables);
    ASSERT_TRUE(result.count("loss")) << loss;
    if (whole.empty()) {
      whole = variables, outputs = result;
      EXPECT_NE(result.at("loss").data[0], 0);
    }
    expectNear(result.at("loss"), outputs.at("loss"), 1e-12, "loss, " + what);
    for (auto &[name, tensor] : variables) {
      // Relative to the tensor's largest element: sums of terms that cancel have no relative error of their own.
      double scale = 0;
      for (double value : whole.at(name).data)
        scale = std::max(scale, std::abs(value));
      largest = std::max(largest, mlir::StringRef(name).contains(".grad") ? scale : 0);
      for (size_t i = 0; i < tensor.data.size(); ++i)
        ASSERT_LE(std::abs(tensor.data[i] - whole.at(name).data[i]), 1e-12 * scale) << name << ", " << what << ": element " << i;
    }
  };
  for (int64_t pieces : {1, 2, 4})
    check(cutInto(sequences, pieces, groups), std::to_string(pieces) + " micro-batches");
  if (!groups) {
    check(cutInto(sequences, 8, false), "8 micro-batches");
    check({0, 3, 4, 8}, "micro-batches of 3, 1 and 4 sequences");
  }
  EXPECT_GT(largest, 1e-6) << loss << " has no gradient";
  return true;
}

TEST(TrainStep, CutsOfMirrorDescent) {
  EXPECT_TRUE(checkCuts("mirror_descent(logp, y.logprob, y.reward, tau)", false));
  EXPECT_TRUE(checkCuts("mirror_descent(logp, y.logprob, y.reward, tau)", false, /*tied=*/true));
}

TEST(TrainStep, CutsOfGroupValues) {
  // Means over groups of what depends on log-probs, linear (cut anywhere) and not (whole groups).
  EXPECT_TRUE(checkCuts("mean(mean(mean(logp, over = sequence), over = group), over = batch)", false));
  EXPECT_TRUE(checkCuts("mean(max(sum(logp, over = sequence), over = group) * min(sum(logp, over = sequence), over = group), over = batch)", false));
  EXPECT_TRUE(checkCuts("mean(logp * (logp - mean(logp, over = group)), over = batch)", false));
  EXPECT_TRUE(checkCuts("sum(logp, over = batch) / count(logp, over = batch) + 3 - mean(y.length, over = batch)", false));
}

TEST(TrainStep, WhatCannotBeCutIsRefused) {
  EXPECT_FALSE(checkCuts("square(mean(logp, over = batch))", false));
  EXPECT_FALSE(checkCuts("mean(logp - mean(logp, over = batch), over = batch)", false));
}

// Every function of the library that returns a number per batch is a loss.
TEST(TrainStep, CutsOfEveryLossOfTheLibrary) {
  std::ifstream file(std::string(MIRL_REPOSITORY) + "/frontend/lib/losses.mirl");
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  const std::map<std::string, std::string> given = {{"logp", "logp"},          {"old", "y.logprob"},         {"ref", "ref"},
                                                    {"reward", "y.reward"},    {"tau", "tau"},               {"advantage", "y.reward - 0.5"},
                                                    {"age", "y.age"}};
  const std::regex function("func (\\w+)\\(([^)]*)\\) -> batch"), parameter("(\\w+): \\w+( = [^,]*)?");
  unsigned losses = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), function), end; it != end; ++it) {
    std::string name = (*it)[1], parameters = (*it)[2], arguments;
    bool reference = false;
    for (std::sregex_iterator p(parameters.begin(), parameters.end(), parameter); p != end; ++p) {
      if ((*p)[2].matched)
        continue; // has a default
      ASSERT_TRUE(given.count((*p)[1])) << name << ": this test does not know what to give for `" << (*p)[1] << "`";
      reference |= (*p)[1] == "ref";
      arguments += (arguments.empty() ? "" : ", ") + given.at((*p)[1]);
    }
    SCOPED_TRACE(name);
    EXPECT_TRUE(checkCuts(name + "(" + arguments + ")", reference)) << "split-step refuses it";
    ++losses;
  }
  EXPECT_GE(losses, 14u);
}
