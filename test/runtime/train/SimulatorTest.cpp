#include "runtime/rollout/Simulator.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mirl::rt {
namespace {

using ::testing::HasSubstr;

// Room for everything, so that nothing but the lengths matters.
SimulatorOptions Roomy(int64_t slots) {
  SimulatorOptions options;
  options.limits.slots = slots;
  options.limits.max_context = 1024;
  options.limits.rows = slots * 1024;
  options.limits.blocks = slots * BlocksOf(1024);
  options.prompts = slots;
  options.cost.step = 1;
  return options;
}

DrawGroup Always(int64_t prompt, std::vector<int64_t> responses) {
  return [=] { return SimulatedGroup{prompt, responses}; };
}

// The prompts' lengths in turn, over and over.
DrawGroup InTurn(std::vector<int64_t> lengths, int64_t prompt = 1) {
  return [=, next = size_t{0}]() mutable {
    return SimulatedGroup{prompt, {lengths[next++ % lengths.size()]}};
  };
}

SimulatorResult Simulated(const SimulatorOptions &options, const DrawGroup &draw) {
  absl::StatusOr<SimulatorResult> result = Simulate(options, draw);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : SimulatorResult{};
}

// An iteration ends when so many groups have. One response of 50 tokens among many of one: it waits for
// nobody, and nobody for it until it is as old as it may be.
TEST(Simulator, TrainsOnGroupsThatAreReady) {
  auto lengths = [next = 0]() mutable { return SimulatedGroup{1, {next++ == 3 ? 50 : 1}}; };
  for (int64_t oldest : {int64_t{5}, int64_t{100}}) {
    SimulatorOptions options = Roomy(4);
    options.keep = true;
    options.ready = 3;
    options.in_flight = 1;
    options.max_staleness = oldest;
    options.iterations = 60;
    SimulatorResult result = Simulated(options, lengths);
    EXPECT_EQ(result.groups, 3 * 60) << "as many in every iteration";
    EXPECT_EQ(result.max_staleness, std::min<int64_t>(oldest, 49));
    // One step each, but for the one that waits for its end; the group that was too many then is the next one's.
    EXPECT_EQ(result.work.steps, oldest == 5 ? 5 + 45 + 54 : 60);
    EXPECT_EQ(result.unfinished, 1);
  }
  SimulatorOptions options = Roomy(4);
  options.ready = 3;
  auto refusal = [&] { return std::string(Simulate(options, lengths).status().message()); };
  EXPECT_THAT(refusal(), HasSubstr("needs a limit of those in flight"));
  options.in_flight = 2;
  options.max_staleness = 1;
  EXPECT_THAT(refusal(), HasSubstr("the last is 2 iterations old; the most is 1"));
  options.max_staleness = 2;
  EXPECT_EQ(refusal(), "");
  options.ready = 4;
  EXPECT_THAT(refusal(), HasSubstr("fewer than the new prompts, 4"));
  options.ready = 3;
  options.total_budget = 100;
  EXPECT_THAT(refusal(), HasSubstr("not both"));
}

TEST(Simulator, ConstantLengthsTakeWhatTheFormulaSays) {
  SimulatorOptions options = Roomy(8);
  options.cost = {.step = 3, .decode = 0.25, .prefill = 0.5, .kv = 0.001};
  constexpr int64_t kPrompt = 20, kLength = 100, kSlots = 8;
  SimulatorResult result = Simulated(options, Always(kPrompt, {kLength}));
  // The prompts in one step, which gives the first token; then one row a token, but for the last
  // token, which is never fed. A row reads its own position and all before.
  int64_t last = kPrompt + kLength - 1;
  EXPECT_EQ(result.work.steps, kLength);
  EXPECT_EQ(result.work.prefill, kSlots * kPrompt);
  EXPECT_EQ(result.work.decode, kSlots * (kLength - 1));
  EXPECT_EQ(result.work.kv, kSlots * last * (last + 1) / 2);
  double seconds = 3.0 * kLength + 0.25 * kSlots * (kLength - 1) + 0.5 * kSlots * kPrompt +
                   0.001 * kSlots * last * (last + 1) / 2;
  EXPECT_NEAR(result.seconds, seconds, 1e-9 * seconds);
  EXPECT_NEAR(result.tokens_per_second(), kSlots * kLength / seconds, 1e-9);
  EXPECT_NEAR(result.idle_slots(), 0, 1e-12);
  EXPECT_NEAR(result.idle_devices(), 0, 1e-12);
}

TEST(Simulator, TwiceTheSequencesTakeTwoRounds) {
  SimulatorOptions options = Roomy(4);
  options.prompts = 8;
  SimulatorResult result = Simulated(options, Always(1, {10}));
  EXPECT_EQ(result.seconds, 20);
  options.devices = 2;
  EXPECT_EQ(Simulated(options, Always(1, {10})).seconds, 10);
  options.devices = 4; // Half of the slots have nothing.
  result = Simulated(options, Always(1, {10}));
  EXPECT_EQ(result.seconds, 10);
  EXPECT_EQ(result.idle_slots(), 0.5);
  EXPECT_EQ(result.idle_devices(), 0);
}

TEST(Simulator, SamplesOfAPromptPrefillItOnce) {
  SimulatorOptions options = Roomy(4);
  options.prompts = 1;
  SimulatorResult result = Simulated(options, Always(32, {5, 5, 5, 5}));
  EXPECT_EQ(result.work.prefill, 32);
  EXPECT_EQ(result.tokens, 20);
  EXPECT_EQ(result.groups, 1);
}

TEST(Simulator, OneLongSequenceHoldsUpAnIterationThatWaitsForIt) {
  SimulatorOptions options = Roomy(10);
  std::vector<int64_t> lengths(10, 10);
  lengths[3] = 200;
  SimulatorResult result = Simulated(options, InTurn(lengths));
  EXPECT_EQ(result.seconds, 200);
  EXPECT_DOUBLE_EQ(result.tokens_per_second(), 290 / 200.0);
  EXPECT_DOUBLE_EQ(result.idle_slots(), 1 - (10 * 10 + 190) / (10 * 200.0));
  EXPECT_EQ(result.max_staleness, 0);
  // On two devices one of them is done early.
  options.devices = 2;
  result = Simulated(options, InTurn(lengths));
  EXPECT_EQ(result.seconds, 200);
  EXPECT_DOUBLE_EQ(result.idle_devices(), 1 - (200 + 10) / 400.0);
}

TEST(Simulator, ABudgetOfASequenceBoundsTheIteration) {
  SimulatorOptions options = Roomy(20); // 10 new ones and at most 9 that go on
  options.prompts = 10;
  std::vector<int64_t> lengths(10, 10);
  lengths[3] = 95;
  options.sequence_budget = 10;
  options.warmup = 20;
  options.iterations = 5;
  SimulatorResult result = Simulated(options, InTurn(lengths));
  // The long one takes 10 iterations, so as many are under way and one ends in every iteration.
  EXPECT_EQ(result.seconds, 5 * 10);
  EXPECT_EQ(result.longest_rollout, 10);
  EXPECT_EQ(result.groups, 5 * 10);
  EXPECT_EQ(result.unfinished, 9);
  EXPECT_EQ(result.trained_tokens, 5 * (9 * 10 + 95));
  EXPECT_EQ(result.tokens, result.trained_tokens);
  // Its first 10 tokens are 9 iterations old when it ends, the next 8, …; the last 5 are new.
  EXPECT_EQ(result.max_staleness, 9);
  EXPECT_EQ(result.sum_staleness, 5 * 10 * (9 + 8 + 7 + 6 + 5 + 4 + 3 + 2 + 1));
  EXPECT_EQ(result.stale_tokens, 5 * 90);
  // What it knew is computed again every time it goes on: 10, 20, … 90 tokens.
  EXPECT_EQ(result.resumed, 5 * 450);
  // The prompts' and the known tokens' rows, and of each that goes on its prompt again.
  EXPECT_EQ(result.work.prefill, 5 * (10 + 450 + 9));
}

TEST(Simulator, StalenessIsBounded) {
  SimulatorOptions options = Roomy(20);
  options.prompts = 10;
  std::vector<int64_t> lengths(10, 10);
  lengths[3] = 95;
  options.sequence_budget = 10;
  options.warmup = 20;
  options.iterations = 5;
  options.max_staleness = 3;
  SimulatorResult result = Simulated(options, InTurn(lengths));
  EXPECT_EQ(result.max_staleness, 3);
  EXPECT_EQ(result.seconds, 5 * (95 - 30)); // The fourth iteration waits for its end.
  EXPECT_EQ(result.groups, 5 * 10);
  options.max_staleness = 0; // As without budgets, but for the first iteration of a sequence.
  EXPECT_EQ(Simulated(options, InTurn(lengths)).max_staleness, 1);
}

TEST(Simulator, ATotalBudgetIsHeldToTheToken) {
  SimulatorOptions options = Roomy(16);
  options.limits.max_context = 512;
  options.limits.rows = 64;
  options.limits.chunk = 24;
  options.limits.blocks = BlocksOf(512);
  options.devices = 3;
  options.prompts = 24;
  options.total_budget = 1000;
  options.iterations = 12;
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> length(3, 1);
  SimulatorResult result = Simulated(options, [&] {
    SimulatedGroup group{static_cast<int64_t>(1 + random() % 40), {}};
    for (int i = 0; i < 2; ++i)
      group.responses.push_back(std::clamp<int64_t>(std::llround(length(random)), 1, 400));
    return group;
  });
  EXPECT_EQ(result.tokens, 12 * 1000);
  EXPECT_LE(result.trained_tokens, result.tokens);
  EXPECT_GT(result.preemptions, 0);
  EXPECT_EQ(result.groups + result.unfinished, 12 * 24);
}

TEST(Simulator, GroupsInFlightAreBounded) {
  SimulatorOptions options = Roomy(10);
  options.sequence_budget = 10;
  options.in_flight = 3;
  options.iterations = 12;
  // 10 groups of 100 tokens each begin, 10 more in each of the next two iterations, then none until
  // the first 10 have ended in the tenth.
  SimulatorResult result = Simulated(options, Always(1, {100}));
  EXPECT_EQ(result.groups, 30);
  EXPECT_EQ(result.unfinished, 20); // Begun in the eleventh and in the twelfth.
}

TEST(Simulator, ThreadsChangeNothing) {
  SimulatorOptions options = Roomy(8);
  options.cost = {.step = 1e-3, .decode = 1e-5, .prefill = 3e-6, .kv = 1e-8};
  options.devices = 13;
  options.prompts = 60;
  options.iterations = 6;
  options.sequence_budget = 30;
  auto draw = [random = std::mt19937_64(7)]() mutable {
    SimulatedGroup group{static_cast<int64_t>(1 + random() % 40), {}};
    for (int i = 0; i < 3; ++i)
      group.responses.push_back(static_cast<int64_t>(1 + random() % 150));
    return group;
  };
  SimulatorResult one = Simulated(options, draw);
  options.threads = 4;
  SimulatorResult four = Simulated(options, draw);
  EXPECT_EQ(one.seconds, four.seconds);
  EXPECT_EQ(one.busy_slots, four.busy_slots);
  EXPECT_EQ(one.sum_staleness, four.sum_staleness);
  EXPECT_EQ(one.groups, four.groups);
  options.keep = true;
  four = Simulated(options, draw);
  options.threads = 1;
  one = Simulated(options, draw);
  EXPECT_EQ(one.seconds, four.seconds);
  EXPECT_EQ(one.kept, four.kept);
  EXPECT_GT(one.kept, 100);
}

TEST(Simulator, WhatIsKeptCostsNothingAgain) {
  SimulatorOptions options = Roomy(8);
  options.cost = {.step = 1, .decode = 0, .prefill = 1e-3, .kv = 0};
  options.prompts = 2;
  options.sequence_budget = 20;
  options.iterations = 30;
  options.in_flight = 3;
  SimulatorResult again = Simulated(options, Always(10, {30, 50}));
  options.keep = true;
  SimulatorResult kept = Simulated(options, Always(10, {30, 50}));
  EXPECT_EQ(kept.tokens, again.tokens);
  EXPECT_EQ(kept.groups, again.groups);
  EXPECT_EQ(kept.resumed, again.resumed);
  EXPECT_EQ(again.kept, 0);
  EXPECT_GT(kept.kept, 50);
  EXPECT_EQ(kept.given_up, 0);
  // Of a prompt's 10 tokens nothing more than once.
  EXPECT_EQ(kept.work.prefill, 10 * (kept.groups + kept.unfinished));
  EXPECT_GT(again.work.prefill, kept.work.prefill + again.resumed / 2);
  EXPECT_LT(kept.seconds, again.seconds);
  // Where there is no room, it is computed again, with the same tokens.
  options.limits.max_context = 64;
  options.limits.blocks = 8;
  SimulatorResult dry = Simulated(options, Always(10, {30, 50}));
  EXPECT_GT(dry.given_up, 0);
  EXPECT_GT(dry.work.prefill, kept.work.prefill);
  EXPECT_EQ(dry.tokens, kept.tokens);
}

TEST(Simulator, TrainingTakesItsTime) {
  SimulatorOptions options = Roomy(4);
  options.devices = 2;
  options.prompts = 8;
  options.iterations = 3;
  options.train_seconds = 5;
  options.train_token_seconds = 0.5;
  SimulatorResult result = Simulated(options, Always(1, {10}));
  EXPECT_EQ(result.rollout_seconds, 3 * 10);
  EXPECT_EQ(result.seconds, 3 * (10 + 5 + 0.5 * 80 / 2));
}

TEST(Simulator, BadOptions) {
  auto refused = [](SimulatorOptions options, const std::string &wanted) {
    EXPECT_THAT(std::string(Simulate(options, Always(1, {10})).status().message()),
                HasSubstr(wanted));
  };
  SimulatorOptions options = Roomy(4);
  options.sequence_budget = 0;
  refused(options, "sequence budget of at least 1, not 0");
  options = Roomy(4);
  options.devices = 3;
  options.total_budget = 2;
  refused(options, "total budget of 2 tokens leaves some of 3 devices nothing");
  options = Roomy(4);
  options.in_flight = 0.5;
  refused(options, "at least 1 times the new ones, not 0.5");
  options = Roomy(4);
  options.cost = {};
  refused(options, "cost above 0");
  options = Roomy(4);
  options.cost.kv = -1;
  refused(options, "at least 0 seconds, not -1");
  options = Roomy(4);
  options.limits.blocks = 3;
  refused(options, "pool has 3 blocks");
  options = Roomy(4);
  options.limits.max_context = 8;
  refused(options, "do not fit the context of 8");
}

TEST(StepCost, IsFoundFromSteps) {
  StepCost cost{.step = 2e-3, .decode = 1e-5, .prefill = 4e-6, .kv = 3e-9};
  std::mt19937_64 random(3);
  std::vector<MeasuredStep> steps;
  for (int i = 0; i < 200; ++i) {
    StepWork work{1, int64_t(random() % 64), int64_t(random() % 500), int64_t(random() % 100000)};
    steps.push_back({work, cost.Seconds(work)});
  }
  absl::StatusOr<StepCost> found = FitStepCost(steps);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_NEAR(found->step, cost.step, 1e-9);
  EXPECT_NEAR(found->decode, cost.decode, 1e-11);
  EXPECT_NEAR(found->prefill, cost.prefill, 1e-12);
  EXPECT_NEAR(found->kv, cost.kv, 1e-14);
}

TEST(StepCost, InterruptedStepsAreLeftOut) {
  const StepCost cost{.step = 2e-3, .decode = 1e-5, .prefill = 4e-6, .kv = 2e-8};
  std::mt19937_64 random(3);
  std::vector<MeasuredStep> steps;
  for (int i = 0; i < 400; ++i) {
    StepWork work{1, static_cast<int64_t>(random() % 64), static_cast<int64_t>(random() % 200), 0};
    work.kv = static_cast<int64_t>(random() % 50'000);
    double noise = 1 + 0.01 * (static_cast<double>(random() % 201) / 100 - 1);
    // One in twenty waits for another process, some of them for as long as 20 steps take.
    double pause = i % 20 == 0 ? 1e-3 * static_cast<double>(random() % 60) : 0;
    steps.push_back({work, cost.Seconds(work) * noise + pause});
  }
  absl::StatusOr<StepCost> found = FitStepCost(steps);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_NEAR(found->step, cost.step, 0.03 * cost.step);
  EXPECT_NEAR(found->decode, cost.decode, 0.05 * cost.decode);
  EXPECT_NEAR(found->prefill, cost.prefill, 0.05 * cost.prefill);
  EXPECT_NEAR(found->kv, cost.kv, 0.05 * cost.kv);
}

TEST(StepCost, NothingNegativeAndTheTotalStays) {
  // More rows are faster here; a line through it would have a negative part.
  std::vector<MeasuredStep> steps;
  double total = 0, fitted = 0;
  for (int64_t i = 1; i <= 50; ++i) {
    steps.push_back({{1, i, 0, 0}, 1.0 - 0.01 * static_cast<double>(i)});
    total += steps.back().seconds;
  }
  absl::StatusOr<StepCost> found = FitStepCost(steps);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_GT(found->step, 0);
  EXPECT_EQ(found->decode, 0);
  EXPECT_EQ(found->prefill, 0); // It never varies.
  for (const MeasuredStep &step : steps)
    fitted += found->Seconds(step.work);
  EXPECT_NEAR(fitted, total, 1e-9);
}

TEST(StepCost, BadMeasurements) {
  std::vector<MeasuredStep> steps{{{1, 1, 0, 1}, 1.0}};
  EXPECT_THAT(std::string(FitStepCost(steps).status().message()), HasSubstr("at least 2"));
  steps.push_back({{1, 1, 0, 1}, 0.0});
  EXPECT_THAT(std::string(FitStepCost(steps).status().message()), HasSubstr("took 0 seconds"));
}

} // namespace
} // namespace mirl::rt
