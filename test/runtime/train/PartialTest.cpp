// Partial rollouts: budgets, the replay buffer, staleness.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/rollout/Replay.h"
#include "runtime/train/Trainer.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using test::Instr;
using test::ToyOptions;
using ::testing::HasSubstr;

// --- the engine ------------------------------------------------------------------------------------

SampleOptions Settings() {
  SampleOptions options;
  options.n = 3;
  options.max_tokens = 20;
  options.seed = 77;
  options.first_id = FirstSequenceId(4);
  return options;
}

std::vector<Prompt> Prompts() {
  return {test::MakePrompt({1, 2, 3}), test::MakePrompt({4}), test::MakePrompt({0, 0, 5, 1}),
          test::MakePrompt({2, 2})};
}

TEST(PartialRollout, RoundsGiveTheSameTokens) {
  auto session = test::ToySession({.slots = 5, .kv_blocks = 6});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok()) << roller.status();
  std::vector<Prompt> prompts = Prompts();
  std::mt19937_64 random(5);
  RolloutStats kept;
  for (int draw = 0; draw < 80; ++draw) {
    SampleOptions options = Settings();
    options.keep = draw % 2 == 1; // The weights are the same all the time: no bit depends on it.
    auto batch = (*roller)->Begin(prompts, options);
    ASSERT_TRUE(batch.ok());
    int rounds = 0;
    while (CountUnfinished(*batch).sequences > 0) {
      ASSERT_LT(++rounds, 300);
      options.budget = random() % 2 ? kNoLimit : 1 + static_cast<int64_t>(random() % 9);
      options.total_budget = random() % 2 ? kNoLimit : 1 + static_cast<int64_t>(random() % 40);
      options.version = options.keep ? 0 : rounds;
      std::vector<int64_t> before;
      for (const auto &trajectory : batch->trajectories)
        before.push_back(trajectory->response_size());
      RolloutStats stats;
      ASSERT_TRUE((*roller)->Continue(*batch, options, stats).ok());
      ASSERT_LE(stats.tokens, options.total_budget);
      kept.kept += stats.kept;
      kept.given_up += stats.given_up;
      ASSERT_TRUE(options.keep || stats.kept == 0);
      if (CountUnfinished(*batch).sequences > 0 && options.budget == kNoLimit) {
        ASSERT_EQ(stats.tokens, options.total_budget) << "spent to the last token";
      }
      for (size_t s = 0; s < before.size(); ++s)
        ASSERT_LE(batch->trajectories[s]->response_size() - before[s], options.budget);
    }
    for (size_t s = 0; s < batch->trajectories.size(); ++s) {
      const Trajectory &got = *batch->trajectories[s];
      auto want = test::Reference(*got.prompt.ids, options.seed, got.sequence_id, options.max_tokens);
      ASSERT_EQ(got.response, want.tokens);
      ASSERT_EQ(got.logprob, want.logprob);
      ASSERT_EQ(got.finished(), want.finished);
      int64_t tokens = 0, last = -1;
      for (const Segment &segment : got.segments) {
        ASSERT_GT(segment.version, last);
        last = segment.version;
        tokens += segment.tokens;
      }
      ASSERT_EQ(tokens, got.response_size());
    }
  }
  EXPECT_GT(kept.kept, 200);
  EXPECT_GT(kept.given_up, 20) << "the pool is small";
}

// What a checkpoint carries of the cache is what the undisturbed rollout had.
TEST(PartialRollout, WhatIsKeptGoesOnFromASavedState) {
  for (int64_t blocks : {0, 4}) { // the plan's; too few for all
    auto session = test::ToySession({.slots = 5}), other = test::ToySession({.slots = 5});
    auto roller = Roller::Create(*session, test::ToyPolicy(*session));
    auto second = Roller::Create(*other, test::ToyPolicy(*other), {.kv_blocks = blocks});
    ASSERT_TRUE(roller.ok() && second.ok());
    SampleOptions options = Settings();
    options.keep = true;
    options.budget = 6;
    RolloutStats stats;
    Batch batch = *(*roller)->Begin(Prompts(), options);
    ASSERT_TRUE((*roller)->Continue(batch, options, stats).ok());
    StateDict state;
    ASSERT_TRUE((*roller)->ExportKept("kept/pi", state).ok());
    ASSERT_GT(state.json["kept/pi"]["blocks"], 4);
    absl::Status status = (*second)->ImportKept("kept/pi", state);
    ASSERT_TRUE(status.ok()) << status;
    StateDict again;
    ASSERT_TRUE((*second)->ExportKept("kept/pi", again).ok());
    EXPECT_EQ(state == again, blocks == 0);
    stats = {};
    options.budget = kNoLimit;
    int64_t waits = CountUnfinished(batch).sequences;
    ASSERT_TRUE((*second)->Continue(batch, options, stats).ok());
    EXPECT_EQ(stats.kept, blocks == 0 ? waits : 0);
    EXPECT_EQ(stats.prefill_tokens == 0, blocks == 0) << "nothing is computed again, or all";
    for (const auto &trajectory : batch.trajectories) {
      auto want = test::Reference(*trajectory->prompt.ids, options.seed, trajectory->sequence_id,
                                  options.max_tokens);
      ASSERT_EQ(trajectory->response, want.tokens);
      ASSERT_EQ(trajectory->logprob, want.logprob);
    }
    // Damage is an error, not another rollout.
    for (const char *name : {"ids", "computed", "weights", "offsets", "table", "kv/0"}) {
      StateDict bad = state;
      StateTensor &tensor = bad.tensors["kept/pi/" + std::string(name)];
      ASSERT_FALSE(tensor.bytes.empty()) << name;
      int64_t items = tensor.shape[0];
      tensor.bytes.resize(tensor.bytes.size() / static_cast<size_t>(items));
      tensor.shape = {1};
      EXPECT_FALSE((*second)->ImportKept("kept/pi", bad).ok()) << name;
    }
  }
}

TEST(PartialRollout, WhatWouldBeTooOldEndsInSpiteOfTheBudget) {
  auto session = test::ToySession({.eos = ""});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok());
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.version = 3;
  options.budget = 2;
  RolloutStats stats;
  Batch batch = *(*roller)->Begin({prompts.data(), 2}, options);
  ASSERT_TRUE((*roller)->Continue(batch, options, stats).ok());
  options.version = 5;
  AppendGroups(batch, *(*roller)->Begin({prompts.data() + 2, 2}, options));
  options.finish_below = 4; // older than 4: the first two
  ASSERT_TRUE((*roller)->Continue(batch, options, stats).ok());
  Batch finished = TakeFinished(batch, 5);
  ASSERT_EQ(finished.groups(), 2);
  ASSERT_EQ(batch.groups(), 2);
  for (const auto &trajectory : finished.trajectories) {
    EXPECT_EQ(trajectory->segments, (std::vector<Segment>{{3, 2}, {5, 18}}));
    EXPECT_EQ(trajectory->handed_over, 5);
  }
  for (const auto &trajectory : batch.trajectories)
    EXPECT_EQ(trajectory->segments, (std::vector<Segment>{{5, 2}}));
  options.budget = 0;
  EXPECT_FALSE((*roller)->Continue(batch, options, stats).ok());
}

TEST(PartialRollout, ARepetitionEndsAResponse) {
  auto session = test::ToySession({.eos = ""});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok());
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.repeat = {.ngram = 1, .times = 3, .window = 8};
  std::set<Ending> endings;
  for (int64_t budget : {kNoLimit, int64_t{3}}) {
    options.budget = budget;
    RolloutStats stats;
    Batch batch = *(*roller)->Begin(prompts, options);
    while (CountUnfinished(batch).sequences > 0)
      ASSERT_TRUE((*roller)->Continue(batch, options, stats).ok());
    for (const auto &trajectory : batch.trajectories) {
      std::span<const int32_t> response(trajectory->response);
      EXPECT_EQ(trajectory->ending == Ending::repeat, Repeats(response, options.repeat));
      for (size_t i = 0; i < response.size(); ++i)
        EXPECT_FALSE(Repeats(response.first(i), options.repeat)) << "found too late";
      endings.insert(trajectory->ending);
    }
  }
  EXPECT_TRUE(endings.count(Ending::repeat));
  options.repeat.window = 2;
  EXPECT_FALSE((*roller)->Begin(prompts, options).ok());
}

// --- the trainer -----------------------------------------------------------------------------------

class PartialTrainer : public ::testing::Test {
protected:
  PartialTrainer() {
    std::string lines;
    for (const char *prompt : {"ab", "c", "dd", "efg", "ga", "bcd", "e"})
      lines += std::string("{\"prompt\": \"") + prompt + "\"}\n";
    prompts_ = folder_.Write("prompts.jsonl", lines);
  }

  // draw 4 prompts, sample 3 responses to each within the budget, verify, score, train on batches
  // of 6 sequences: 2 updates of 4 groups, 4 of the 8 in flight.
  ToyOptions Program(double budget, double max_age, bool trains = true,
                     const std::string &cache = "") {
    Instr sample = {.op = "sample",
                    .results = {"y"},
                    .operands = {"x"},
                    .texts = {{"policy", "pi"}},
                    .numbers = {{"n", 3}, {"temperature", 1}, {"max_tokens", 12}}};
    if (budget > 0)
      sample.numbers.insert(sample.numbers.end(),
                            {{"budget", budget}, {"max_age", max_age}, {"in_flight", 2}});
    if (!cache.empty())
      sample.texts.push_back({"cache", cache});
    ToyOptions options;
    options.datasets = {{"prompts", prompts_}};
    options.program = {{.op = "draw",
                        .results = {"x"},
                        .texts = {{"dataset", "prompts"}, {"kind", "prompts"}},
                        .numbers = {{"count", 4}}},
                       sample,
                       {.op = "verify",
                        .results = {"correct"},
                        .operands = {"y"},
                        .texts = {{"kind", "regex"}, {"pattern", "[ab]"}}},
                       {.op = "score", .operands = {"y"}, .texts = {{"entry", "rollout.reward"}}}};
    if (trains)
      options.program.push_back(
          {.op = "batches",
           .results = {"b"},
           .operands = {"y"},
           .numbers = {{"sequences", 6}, {"shuffle", 1}},
           .body = {{.op = "step", .operands = {"b"}, .texts = {{"step", "train"}}}}});
    return options;
  }

  // The same with so many groups of an iteration in place of a budget.
  ToyOptions Ready(double ready, double max_age, bool trains = true, const std::string &cache = "") {
    ToyOptions options = Program(1, max_age, trains, cache);
    for (auto &number : options.program[1].numbers)
      if (number.first == "budget")
        number = {"ready", ready};
    options.slots = options.prefill_sequences = 24; // all that is in flight
    return options;
  }

  absl::StatusOr<std::unique_ptr<Trainer>> Make(Session &session, Params params = {}) {
    TrainerOptions options;
    options.seed = 11;
    options.iterations = 100;
    options.params = {{"scale", 2.0}};
    for (auto [name, value] : params)
      options.params[name] = value;
    options.check_parity = true;
    return Trainer::Create(session, *tokenizer_, options);
  }

  static std::vector<float> Weights(Session &session) {
    std::vector<float> weights(test::kVocabulary);
    std::memcpy(weights.data(), session.Buffer(*session.plan().root().buffers()->Get(0)).data(),
                4 * weights.size());
    return weights;
  }

  test::TemporaryFolder folder_;
  std::string prompts_;
  std::unique_ptr<Tokenizer> tokenizer_ = test::ToyTokenizer();
};

TEST_F(PartialTrainer, WholeGroupsOnceEachWithinTheBounds) {
  double oldest = 0;
  for (double max_age : {4.0, 100.0}) {
    auto session = test::ToySession(Program(1, max_age));
    auto trainer = Make(*session);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    std::set<int64_t> ids;
    double resumed = 0, mean_segments = 0;
    oldest = 0;
    for (int64_t i = 0; i < 60; ++i) {
      int64_t version = (*trainer)->versions().count("pi") ? (*trainer)->versions().find("pi")->second : 0;
      auto metrics = (*trainer)->RunIteration(i);
      ASSERT_TRUE(metrics.ok()) << metrics.status();
      Batch waiting = (*trainer)->unfinished();
      ASSERT_LE(waiting.groups(), 8);
      EXPECT_EQ(metrics->Get("unfinished"), CountUnfinished(waiting).sequences);
      EXPECT_EQ(metrics->Get("unfinished_groups"), waiting.groups());
      double age_of_all = 0;
      ASSERT_EQ((*trainer)->sampled().size(), 1u);
      const Batch &handed = *(*trainer)->sampled()[0];
      EXPECT_EQ(metrics->Get("groups"), handed.groups());
      EXPECT_EQ(handed.sequences(), 3 * handed.groups());
      for (const auto &trajectory : handed.trajectories) {
        EXPECT_NE(trajectory->ending, Ending::none);
        EXPECT_TRUE(ids.insert(trajectory->sequence_id).second) << "handed over twice";
        EXPECT_EQ(trajectory->handed_over, version);
        for (const Segment &segment : trajectory->segments)
          age_of_all = std::max(age_of_all, static_cast<double>(version - segment.version));
      }
      EXPECT_EQ(metrics->Get("staleness_max"), age_of_all);
      EXPECT_LE(age_of_all, max_age) << "iteration " << i;
      oldest = std::max(oldest, age_of_all);
      resumed += metrics->Get("resumed");
      if (std::isfinite(metrics->Get("segments_mean")))
        mean_segments = std::max(mean_segments, metrics->Get("segments_mean"));
    }
    EXPECT_GT(oldest, 1);
    EXPECT_GT(resumed, 50);
    EXPECT_GT(mean_segments, 1.5);
    EXPECT_GT((*trainer)->parity_tokens(), 100);
    EXPECT_EQ((*trainer)->parity_mismatches(), 0)
        << "keys of older policies are computed again, so the training pass agrees";
  }
  EXPECT_GT(oldest, 4) << "the bound above did hold something back";
}

// The fewest that must go now, for all to go in time.
TEST(PartialRollout, GroupsAreDueInTime) {
  std::mt19937_64 random(8);
  int64_t some = 0;
  for (int round = 0; round < 2000; ++round) {
    auto ready = 1 + static_cast<int64_t>(random() % 4);
    std::vector<int64_t> left(random() % 12);
    for (int64_t &one : left)
      one = static_cast<int64_t>(random() % 5);
    std::sort(left.begin(), left.end());
    auto in_time = [&](int64_t now) {
      for (int64_t i = now; i < static_cast<int64_t>(left.size()); ++i)
        if (1 + (i - now) / ready > left[static_cast<size_t>(i)])
          return false;
      return true;
    };
    int64_t due = GroupsDue(left, ready);
    ASSERT_TRUE(in_time(due)) << ready << " " << ::testing::PrintToString(left);
    if (due > 0)
      ASSERT_FALSE(in_time(due - 1)) << ready << " " << ::testing::PrintToString(left);
    some += due > 0;
  }
  EXPECT_GT(some, 500);
}

TEST_F(PartialTrainer, HandsOverAsManyGroupsAsAreWantedInTheirOrder) {
  for (const char *cache : {"recompute", "keep"}) {
    double oldest = 0;
    // 8 groups in flight, 2 of them each time, and an update: the last of 8 is 3 updates old at least.
    for (double max_age : {3.0, 100.0}) {
      auto session = test::ToySession(Ready(2, max_age, true, cache));
      auto trainer = Make(*session);
      ASSERT_TRUE(trainer.ok()) << trainer.status();
      EXPECT_THAT((*trainer)->schedule(), HasSubstr("--slots"));
      std::set<int64_t> ids;
      double ended = 0, resumed = 0, earlier = 0;
      oldest = 0;
      for (int64_t i = 0; i < 60; ++i) {
        std::vector<int64_t> begun;
        for (const auto &trajectory : (*trainer)->unfinished().trajectories)
          begun.push_back(trajectory->sequence_id);
        EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
        auto metrics = (*trainer)->RunIteration(i);
        ASSERT_TRUE(metrics.ok()) << metrics.status();
        EXPECT_EQ(metrics->Get("groups"), 2);
        EXPECT_EQ(metrics->Get("sequences"), 6);
        EXPECT_LE(metrics->Get("staleness_max"), max_age) << "iteration " << i;
        Batch waiting = (*trainer)->unfinished();
        EXPECT_LE(waiting.groups(), 6);
        EXPECT_EQ(metrics->Get("ended_groups"), CountEnded(waiting));
        const Batch &handed = *(*trainer)->sampled()[0];
        int64_t last = -1;
        for (const auto &trajectory : handed.trajectories) {
          EXPECT_NE(trajectory->ending, Ending::none);
          EXPECT_GT(trajectory->sequence_id, last) << "in the order in which they were begun";
          last = trajectory->sequence_id;
          EXPECT_TRUE(ids.insert(last).second) << "handed over twice";
        }
        // What has ended and is not handed over is younger than what is.
        for (int64_t group = 0; group < waiting.groups(); ++group) {
          const Trajectory *first = waiting.trajectories[static_cast<size_t>(3 * group)].get();
          bool all = true;
          for (int64_t s = 3 * group; s < 3 * group + 3; ++s)
            all &= waiting.trajectories[static_cast<size_t>(s)]->ending != Ending::none;
          if (all)
            EXPECT_GT(first->sequence_id, last);
          else
            earlier += first->sequence_id < last;
        }
        oldest = std::max(oldest, metrics->Get("staleness_max"));
        ended += metrics->Get("ended_groups");
        resumed += metrics->Get("resumed");
      }
      EXPECT_EQ((*trainer)->versions().find("pi")->second, 60) << "an update each time";
      EXPECT_GT(ended, 5);
      EXPECT_GT(resumed, 50);
      if (max_age == 3)
        EXPECT_EQ(oldest, 3) << "the bound is met";
      else
        EXPECT_GT(earlier, 10) << "younger groups overtake";
      EXPECT_GT((*trainer)->parity_tokens(), 20);
      EXPECT_EQ((*trainer)->parity_mismatches(), 0);
    }
    EXPECT_GT(oldest, 3) << "the bound did hold something back";
  }
}

TEST_F(PartialTrainer, WithFrozenWeightsBudgetsChangeNothing) {
  for (double budget : {0.0, 1.0, 5.0, /*groups:*/ -2.0}) {
    bool ready = budget < 0;
    auto session = test::ToySession(ready ? Ready(-budget, 1, /*trains=*/false) : Program(budget, 1, /*trains=*/false));
    auto trainer = Make(*session);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    double kept = 0;
    for (int64_t i = 0; i < 40; ++i) {
      auto metrics = (*trainer)->RunIteration(i);
      ASSERT_TRUE(metrics.ok()) << metrics.status();
      for (const auto &trajectory : (*trainer)->sampled()[0]->trajectories) {
        auto want = test::Reference(*trajectory->prompt.ids, 11, trajectory->sequence_id, 12);
        ASSERT_EQ(trajectory->response, want.tokens);
        ASSERT_EQ(trajectory->logprob, want.logprob);
        ASSERT_FALSE(trajectory->mixed_keys);
      }
      kept += budget != 0 ? metrics->Get("kept") : 0;
    }
    EXPECT_EQ(kept > 100, budget != 0) << "nothing changes, so nothing is computed again";
    if (!ready) // Which groups are first depends on which run together.
      EXPECT_EQ((*trainer)->schedule(), "") << "nor does anything depend on it";
  }
}

// The toy's keys are the same whatever the weights, so a trainer that keeps them must give the bits of
// one that does not.
TEST_F(PartialTrainer, KeepsByNameThoughTheWeightsChange) {
  auto session = test::ToySession(Program(2, 8)), other = test::ToySession(Program(2, 8, true, "keep"));
  auto again = Make(*session), keeps = Make(*other);
  ASSERT_TRUE(again.ok() && keeps.ok());
  EXPECT_EQ((*again)->schedule(), "");
  EXPECT_THAT((*keeps)->schedule(), HasSubstr("--kv-blocks"));
  double kept = 0, fewer = 0;
  int mixed = 0;
  for (int64_t i = 0; i < 20; ++i) {
    auto want = (*again)->RunIteration(i), got = (*keeps)->RunIteration(i);
    ASSERT_TRUE(want.ok() && got.ok());
    EXPECT_TRUE(std::isnan(want->Get("kept")));
    kept += got->Get("kept");
    fewer += want->Get("rollout_prefill_tokens") - got->Get("rollout_prefill_tokens");
    EXPECT_LE(got->Get("parity_tokens"), want->Get("parity_tokens"));
    for (const auto &trajectory : (*keeps)->sampled()[0]->trajectories) {
      EXPECT_EQ(trajectory->mixed_keys, trajectory->segments.size() > 1);
      mixed += trajectory->mixed_keys;
    }
  }
  EXPECT_GT(kept, 20);
  EXPECT_GT(fewer, 100);
  EXPECT_GT(mixed, 10);
  EXPECT_EQ(Weights(*session), Weights(*other));
}

TEST_F(PartialTrainer, GoesOnFromASavedState) {
  for (const char *cache : {"recompute", "keep", "ready"}) {
    ToyOptions program = cache == std::string("ready") ? Ready(2, 4, true, "keep") : Program(2, 8, true, cache);
    auto session = test::ToySession(program), other = test::ToySession(program);
    auto trainer = Make(*session), first = Make(*other);
    ASSERT_TRUE(trainer.ok() && first.ok());
    for (int64_t i = 0; i < 5; ++i)
      ASSERT_TRUE((*trainer)->RunIteration(i).ok() && (*first)->RunIteration(i).ok());
    StateDict state = *(*first)->Export();
    auto second = Make(*other);
    ASSERT_TRUE((*second)->Import(state).ok());
    EXPECT_TRUE(*(*second)->Export() == state);
    EXPECT_GT((*second)->unfinished().groups(), 0);
    for (int64_t i = 5; i < 12; ++i) {
      auto want = (*trainer)->RunIteration(i), got = (*second)->RunIteration(i);
      ASSERT_TRUE(want.ok() && got.ok());
      for (const char *name : {"loss", "groups", "unfinished", "resumed", "staleness_mean",
                               "rollout_prefill_tokens", "kept"}) {
        double a = want->Get(name), b = got->Get(name);
        EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << name << " " << i;
      }
    }
    EXPECT_EQ(Weights(*session), Weights(*other));
    // A state without them, or with another run's, is refused and changes nothing.
    StateDict bad = state;
    bad.json.erase("unfinished/0");
    EXPECT_FALSE((*second)->Import(bad).ok());
    bad = state;
    bad.tensors.erase("unfinished/0/tokens");
    EXPECT_THAT(std::string((*second)->Import(bad).message()), HasSubstr("unfinished/0/tokens"));
  }
}

// What a reward program does not answer is left out, and only that; whatever the budget.
TEST_F(PartialTrainer, GroupsGoOnWithoutWhatCouldNotBeScored) {
  std::string script = folder_.Write("worker.py", R"(
import json, os, sys
for line in sys.stdin:
    q = json.loads(line)
    if "c" in q["response"][:2]:
        os._exit(1)
    print(json.dumps({"id": q["id"], "reward": 1}), flush=True)
)");
  for (double budget : {0.0, 3.0}) {
    ToyOptions program = Program(budget, 8);
    program.program[2].texts = {{"kind", "program"}, {"command", "exec python3 " + script}};
    program.program[2].numbers = {{"timeout", 20}, {"workers", 2}};
    auto session = test::ToySession(program);
    auto trainer = Make(*session);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    double unscored = 0, scored = 0;
    for (int64_t i = 0; i < 6; ++i) {
      auto metrics = (*trainer)->RunIteration(i);
      ASSERT_TRUE(metrics.ok()) << metrics.status();
      int64_t left_out = 0;
      const Batch &batch = *(*trainer)->sampled()[0];
      EXPECT_EQ(batch.sequences(), 3 * batch.groups()) << "what was sampled is still all there";
      for (const auto &trajectory : batch.trajectories) {
        bool bad = tokenizer_->Decode(trajectory->response).substr(0, 2).find('c') != std::string::npos;
        EXPECT_EQ(trajectory->unscored, bad);
        EXPECT_EQ(std::isnan(trajectory->reward), bad);
        EXPECT_EQ(std::isnan(trajectory->fields.at("correct")), bad);
        left_out += bad;
      }
      EXPECT_EQ(metrics->Get("unscored"), left_out);
      EXPECT_EQ(metrics->Get("sequences"), batch.sequences() - left_out);
      if (batch.sequences() > left_out) {
        EXPECT_EQ(metrics->Get("accuracy"), 1) << "neither right nor wrong";
        EXPECT_FALSE(std::isnan(metrics->Get("reward_mean")));
        EXPECT_FALSE(std::isnan(metrics->Get("loss")));
      }
      unscored += left_out;
      scored += batch.sequences() - left_out;
    }
    EXPECT_GT(unscored, 3);
    EXPECT_GT(scored, 3);
  }
}

TEST_F(PartialTrainer, RefusesBudgetsThatMakeNoSense) {
  auto refusal = [&](const ToyOptions &options, double scale = 2) {
    auto session = test::ToySession(options);
    auto trainer = Make(*session, {{"scale", scale}});
    EXPECT_FALSE(trainer.ok());
    return std::string(trainer.status().message());
  };
  EXPECT_THAT(refusal(Program(2, 3)), HasSubstr("max_age must be at least 4"));
  EXPECT_THAT(refusal(Ready(2, 2)), HasSubstr("8 groups can be begun (in_flight = 2), and of them 2 are handed over"));
  EXPECT_THAT(refusal(Ready(2, 2)), HasSubstr("the last would be 3 updates old"));
  EXPECT_THAT(refusal(Ready(3, 3)), HasSubstr("the last would be 4 updates old"));
  EXPECT_THAT(refusal(Ready(4, 100)), HasSubstr("ready is 4 groups, but 4 are drawn"));
  ToyOptions options = Program(2, 4);
  for (auto &number : options.program[1].numbers)
    if (number.first == "budget")
      number.first = "unused";
  options.program[1].texts.push_back({"budget", "scale"});
  EXPECT_THAT(refusal(options, 0), HasSubstr("the parameter scale is 0"));
  EXPECT_THAT(refusal(options, 1.5), HasSubstr("whole number"));
  EXPECT_THAT(refusal(options, NAN), HasSubstr("nan"));
  auto session = test::ToySession(options);
  EXPECT_TRUE(Make(*session, {{"scale", 3}}).ok());
}

} // namespace
} // namespace mirl::rt
