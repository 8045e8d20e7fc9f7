#include "runtime/train/Trainer.h"

#include <cmath>
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using test::Instr;
using test::ToyOptions;
using ::testing::HasSubstr;

// draw 4 prompts, sample 3 responses to each, verify, score, train on batches of `sequences`.
std::vector<Instr> RlProgram(double sequences = 6, double shuffle = 1) {
  return {
      {.op = "draw",
       .results = {"x"},
       .texts = {{"dataset", "prompts"}, {"kind", "prompts"}},
       .numbers = {{"count", 4}}},
      {.op = "sample",
       .results = {"y"},
       .operands = {"x"},
       .texts = {{"policy", "pi"}},
       .numbers = {{"n", 3}, {"temperature", 1}, {"top_k", 0}, {"top_p", 1}, {"max_tokens", 8}}},
      {.op = "verify",
       .results = {"correct"},
       .operands = {"y"},
       .texts = {{"kind", "regex"}, {"pattern", "[ab]"}}},
      {.op = "score", .operands = {"y"}, .texts = {{"entry", "rollout.reward"}}},
      {.op = "batches",
       .results = {"b"},
       .operands = {"y"},
       .numbers = {{"sequences", sequences}, {"shuffle", shuffle}},
       .body = {{.op = "step", .operands = {"b"}, .texts = {{"step", "train"}}}}}};
}

class TrainerTest : public ::testing::Test {
protected:
  TrainerTest() {
    prompts_ = folder_.Write(
        "prompts.jsonl",
        "{\"prompt\": \"ab\", \"answer\": \"c\"}\n{\"prompt\": \"c\"}\n{\"prompt\": \"dd\"}\n"
        "{\"prompt\": \"efg\"}\n{\"prompt\": \"ga\"}\n{\"prompt\": \"bcd\"}\n");
    examples_ = folder_.Write("examples.jsonl",
                              "{\"prompt\": \"ab\", \"response\": \"cd\", \"reward\": 1}\n"
                              "{\"prompt\": \"a\", \"response\": \"b.\"}\n");
  }

  struct Run {
    std::vector<IterationMetrics> metrics;
    std::vector<float> weights;
    int64_t parity_tokens = 0, parity_mismatches = 0;
  };

  ToyOptions Options(std::vector<Instr> program) {
    ToyOptions options;
    options.program = std::move(program);
    options.datasets = {{"prompts", prompts_}, {"examples", examples_}};
    return options;
  }

  absl::StatusOr<Run> Train(const ToyOptions &options, int64_t iterations = 2,
                            TrainerOptions trainer_options = {}) {
    auto session = test::ToySession(options);
    auto tokenizer = test::ToyTokenizer();
    trainer_options.iterations = iterations;
    trainer_options.params = {{"scale", 2.0}};
    auto trainer = Trainer::Create(*session, *tokenizer, trainer_options);
    if (!trainer.ok())
      return trainer.status();
    Run run;
    for (int64_t i = 0; i < iterations; ++i) {
      auto metrics = (*trainer)->RunIteration(i);
      if (!metrics.ok())
        return metrics.status();
      run.metrics.push_back(*metrics);
    }
    run.weights.resize(test::kVocabulary);
    std::memcpy(run.weights.data(),
                session->Buffer(*session->plan().root().buffers()->Get(0)).data(),
                4 * run.weights.size());
    run.parity_tokens = (*trainer)->parity_tokens();
    run.parity_mismatches = (*trainer)->parity_mismatches();
    return run;
  }

  test::TemporaryFolder folder_;
  std::string prompts_, examples_;
};

TEST_F(TrainerTest, AnIterationOfReinforcementLearning) {
  auto run = Train(Options(RlProgram()));
  ASSERT_TRUE(run.ok()) << run.status();
  const IterationMetrics &first = run->metrics[0];
  EXPECT_EQ(first.iteration, 0);
  EXPECT_EQ(first.Get("sequences"), 12);
  EXPECT_EQ(first.Get("updates"), 1.5)
      << "two batches; the optimizer was reset before: mean of 1 and 2";
  EXPECT_EQ(run->metrics[1].Get("updates"), 1.5);
  for (const char *name : {"loss", "reward_mean", "accuracy", "response_length_mean",
                           "finished_fraction", "rollout_tokens_per_s", "train_tokens_per_s"})
    EXPECT_TRUE(std::isfinite(first.Get(name))) << name;
  // 12 responses of unequal lengths in 4 slots.
  EXPECT_GT(first.Get("idle_fraction"), 0);
  EXPECT_LT(first.Get("idle_fraction"), 0.75);
  // The reward entry's formula, from the means.
  EXPECT_NEAR(first.Get("reward_mean"),
              2 * first.Get("accuracy") + 0.5 * first.Get("finished_fraction"), 1e-6);
  EXPECT_NEAR(first.Get("rollout_tokens"), 12 * first.Get("response_length_mean"), 1e-6);
  EXPECT_EQ(first.values[0].first, "loss");
  EXPECT_NE(run->weights, std::vector<float>(test::kVocabulary)) << "nothing was learned";
}

TEST_F(TrainerTest, TheOptimizerKeepsItsStateWhenAsked) {
  ToyOptions options = Options(RlProgram());
  options.reset = "never";
  auto run = Train(options);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->metrics[0].Get("updates"), 1.5);
  EXPECT_EQ(run->metrics[1].Get("updates"), 3.5);
}

TEST_F(TrainerTest, TheScheduleChangesNothing) {
  ToyOptions options = Options(RlProgram());
  auto expected = Train(options, 4);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (int64_t slots : {1, 3, 64}) {
    for (int64_t context : {40, 4096}) {
      options.slots = slots;
      options.micro_context = context;
      auto run = Train(options, 4);
      ASSERT_TRUE(run.ok()) << run.status();
      EXPECT_EQ(run->weights, expected->weights);
      for (size_t i = 0; i < 4; ++i)
        EXPECT_EQ(run->metrics[i].Get("loss"), expected->metrics[i].Get("loss"));
    }
  }
  auto other = Train(options, 4, {.seed = 1});
  ASSERT_TRUE(other.ok());
  EXPECT_NE(other->metrics[0].Get("loss"), expected->metrics[0].Get("loss"));
}

TEST_F(TrainerTest, BatchesAreWholeGroupsAndThePartialOneCounts) {
  // 4 groups of 3; batches of at most 8 hold two groups, of at most 2 still one.
  for (auto [size, count] : {std::pair{8.0, 2}, {2.0, 4}, {9.0, 2}, {100.0, 1}}) {
    auto run = Train(Options(RlProgram(size)), 1);
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->metrics[0].Get("updates"), (count + 1) / 2.0) << size;
    EXPECT_EQ(run->metrics[0].Get("micro_batches"), count) << size;
  }
}

TEST_F(TrainerTest, Examples) {
  std::vector<Instr> program = {
      {.op = "draw",
       .results = {"y"},
       .texts = {{"dataset", "examples"}, {"kind", "examples"}},
       .numbers = {{"count", 2}}},
      {.op = "repeat",
       .numbers = {{"count", 3}},
       .body = {{.op = "step", .operands = {"y"}, .texts = {{"step", "train"}}}}}};
  auto run = Train(Options(program), 1);
  ASSERT_TRUE(run.ok()) << run.status();
  const IterationMetrics &metrics = run->metrics[0];
  EXPECT_EQ(metrics.Get("updates"), 2); // mean of 1, 2, 3
  EXPECT_EQ(metrics.Get("response_length_mean"), 2.5) << "cd. and b.";
  EXPECT_EQ(metrics.Get("train_tokens"), 3 * (5 + 3));
  EXPECT_TRUE(std::isnan(metrics.Get("accuracy")));
  EXPECT_TRUE(std::isnan(metrics.Get("rollout_tokens_per_s")));
  EXPECT_TRUE(std::isnan(metrics.Get("idle_fraction"))) << "nothing was sampled";
}

TEST_F(TrainerTest, ParityIsCheckedWhileTheWeightsAreThoseThatSampled) {
  auto run = Train(Options(RlProgram(6)), 3, {.check_parity = true});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->parity_mismatches, 0);
  double compared = 0, sampled = 0;
  for (const IterationMetrics &metrics : run->metrics) {
    compared += metrics.Get("parity_tokens");
    sampled += metrics.Get("rollout_tokens");
    EXPECT_EQ(metrics.Get("parity_mismatches"), 0);
  }
  // The first of two batches of every iteration.
  EXPECT_EQ(run->parity_tokens, compared);
  EXPECT_GT(compared, 0);
  EXPECT_LT(compared, sampled);
  auto whole = Train(Options(RlProgram(100)), 3, {.check_parity = true});
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->metrics[0].Get("parity_tokens"), whole->metrics[0].Get("rollout_tokens"));
}

TEST_F(TrainerTest, ParityFindsASingleBit) {
  auto session = test::ToySession({});
  Params params = {{"scale", 1.0}};
  Stepper stepper(*session, params);
  auto expected = test::Reference({1, 2}, 9, 5, 8);
  Batch batch;
  batch.trajectories = {test::MakeTrajectory({1, 2}, expected.tokens, expected.logprob)};
  batch.trajectories[0]->policy = &test::ToyPolicy(*session);
  batch.group_offsets = {0, 1};
  const fb::Step &step = *session->plan().FindStep("train");
  auto result = stepper.Run(step, batch, {}, &test::ToyPolicy(*session), 0);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->parity_tokens, static_cast<int64_t>(expected.tokens.size()));
  EXPECT_EQ(result->parity_mismatches, 0);
  uint32_t bits;
  std::memcpy(&bits, &batch.trajectories[0]->logprob[0], 4);
  bits ^= 1;
  std::memcpy(&batch.trajectories[0]->logprob[0], &bits, 4);
  EXPECT_EQ(stepper.Run(step, batch, {}, &test::ToyPolicy(*session), 0)->parity_mismatches, 1);
  EXPECT_EQ(stepper.Run(step, batch, {}, &test::ToyPolicy(*session), 1)->parity_tokens, 0)
      << "another version";
  EXPECT_EQ(stepper.Run(step, batch, {})->parity_tokens, 0) << "not asked for";
}

TEST_F(TrainerTest, ParityNeedsTheOutput) {
  ToyOptions options = Options(RlProgram());
  options.micro_logprob = false;
  EXPECT_TRUE(Train(options).ok());
  auto run = Train(options, 1, {.check_parity = true});
  EXPECT_THAT(std::string(run.status().message()), HasSubstr("train.micro"));
}

TEST_F(TrainerTest, EvaluatesEverySoOftenAndAtTheEnd) {
  std::vector<Instr> program = RlProgram();
  program.push_back({.op = "evaluate",
                     .texts = {{"policy", "pi"},
                               {"dataset", "prompts"},
                               {"name", "held"},
                               {"kind", "regex"},
                               {"pattern", "a"}},
                     .numbers = {{"temperature", 1}, {"max_tokens", 8}, {"every", 2}}});
  auto run = Train(Options(program), 5);
  ASSERT_TRUE(run.ok()) << run.status();
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(std::isfinite(run->metrics[i].Get("held/accuracy")), i == 1 || i == 3 || i == 4) << i;
  EXPECT_GT(run->metrics[4].Get("held/response_length_mean"), 0);
  // It does not disturb the training.
  auto without = Train(Options(RlProgram()), 5);
  EXPECT_EQ(run->weights, without->weights);
}

TEST_F(TrainerTest, WhatIsWrongIsSaidBeforeTheStart) {
  auto refusal = [&](const ToyOptions &options, TrainerOptions trainer_options = {}) {
    auto run = Train(options, 1, std::move(trainer_options));
    EXPECT_FALSE(run.ok());
    return std::string(run.status().message());
  };
  EXPECT_THAT(refusal(Options({})), HasSubstr("iteration"));
  std::string other = folder_.Write("other.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"xyz\"}\n");
  EXPECT_THAT(refusal(Options(RlProgram()), {.data = {{"prompts", other}}}),
              HasSubstr("other.jsonl:2"));
  EXPECT_THAT(refusal(Options(RlProgram()), {.data = {{"nothing", other}}}), HasSubstr("prompts"));
  EXPECT_THAT(refusal(Options(RlProgram()), {.data = {{"prompts", "/none"}}}), HasSubstr("/none"));
  std::vector<Instr> program = RlProgram();
  program[2].texts[1].second = "(";
  EXPECT_THAT(refusal(Options(program)), HasSubstr("regular expression"));
  program = RlProgram();
  program[1].numbers[0].second = 1.5;
  EXPECT_THAT(refusal(Options(program)), HasSubstr("whole number"));
}

TEST_F(TrainerTest, AVerifierThatCannotScoreEndsTheRun) {
  std::vector<Instr> program = RlProgram();
  program[2].texts = {{"kind", "exact_answer"}, {"field", "answer"}}; // Some records have none.
  auto run = Train(Options(program));
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(std::string(run.status().message()), HasSubstr("prompts.jsonl:"));
}

} // namespace
} // namespace mirl::rt
