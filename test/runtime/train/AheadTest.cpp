// Rollouts on a device that runs behind the host: with steps ahead they are those without, by bits.

#include <algorithm>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/rollout/Replay.h"
#include "runtime/rollout/Roller.h"
#include "test/runtime/train/LateDevice.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt::test {
namespace {

using ::testing::HasSubstr;

struct Late {
  std::unique_ptr<Session> session;
  LateDevice *device = nullptr;
};

Late LateSession(const ToyOptions &options) {
  Late late;
  SessionOptions session_options;
  session_options.device = [&](std::shared_ptr<const Plan> plan) {
    auto device = std::make_unique<LateDevice>(std::move(plan));
    late.device = device.get();
    return device;
  };
  auto session = Session::Create(ToyPlan(options), session_options);
  EXPECT_TRUE(session.ok()) << session.status();
  late.session = *std::move(session);
  return late;
}

SampleOptions Settings() {
  SampleOptions options;
  options.n = 5;
  options.max_tokens = 30;
  options.seed = 0x1234567890;
  options.first_id = FirstSequenceId(42);
  options.version = 3;
  return options;
}

std::vector<Prompt> Prompts() {
  return {MakePrompt({1, 2, 3}), MakePrompt({4}), MakePrompt({0, 0, 5, 1, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0, 1, 2}),
          MakePrompt({1, 2, 3}), MakePrompt({6, 6})};
}

void ExpectEqual(const Batch &got, const Batch &want) {
  ASSERT_EQ(got.sequences(), want.sequences());
  for (size_t i = 0; i < got.trajectories.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "sequence " << i);
    const Trajectory &a = *got.trajectories[i], &b = *want.trajectories[i];
    EXPECT_EQ(a.sequence_id, b.sequence_id);
    EXPECT_EQ(a.response, b.response);
    EXPECT_EQ(a.logprob, b.logprob);
    EXPECT_EQ(a.ending, b.ending);
    EXPECT_EQ(a.segments, b.segments);
  }
}

// Rounds until all have ended. `ended`: how often each sequence was said to have.
Batch Rollout(Session &session, const RollerOptions &engine, SampleOptions options, RolloutStats &stats,
              int64_t *preemptions = nullptr, const std::vector<Prompt> &prompts = Prompts()) {
  auto roller = Roller::Create(session, ToyPolicy(session), engine);
  EXPECT_TRUE(roller.ok()) << roller.status();
  std::vector<const Trajectory *> ended;
  options.ended = [&](const Trajectory &trajectory) {
    EXPECT_NE(trajectory.ending, Ending::none);
    ended.push_back(&trajectory);
  };
  int64_t tokens = 0, watched = 0;
  (*roller)->Watch([&](const Scheduler &, int64_t now) {
    EXPECT_GE(now, tokens);
    tokens = now;
    ++watched;
  });
  auto batch = (*roller)->Begin(prompts, options);
  EXPECT_TRUE(batch.ok()) << batch.status();
  int64_t calls = 0;
  for (int round = 0; CountUnfinished(*batch).sequences > 0 && round < 100; ++round, ++options.version) {
    tokens = 0;
    int64_t before = stats.tokens;
    absl::Status status = (*roller)->Continue(*batch, options, stats);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(tokens, stats.tokens - before);
    if (!status.ok())
      break;
  }
  calls = stats.decode_calls + stats.prefill_calls;
  EXPECT_EQ(watched, calls);
  EXPECT_EQ(ended.size(), batch->trajectories.size()) << "each ends once";
  std::ranges::sort(ended);
  EXPECT_EQ(std::ranges::adjacent_find(ended), ended.end());
  int64_t sampled = 0;
  for (const auto &trajectory : batch->trajectories)
    sampled += trajectory->response_size();
  EXPECT_EQ(stats.tokens, sampled);
  if (preemptions)
    *preemptions += stats.preemptions;
  return *std::move(batch);
}

TEST(Ahead, TheSameTokens) {
  int64_t ahead = 0, dead = 0, preemptions = 0;
  for (const std::string eos : {"7", "", "[7, 2]"})
    for (int64_t slots : {1, 3, 7, 64})
      for (int64_t kv_blocks : {2, 5, 0})
        for (int64_t repeat : {0, 1}) {
          ToyOptions plan{.slots = slots, .decode_few = {4, 2}, .eos = eos};
          if (kv_blocks > 2 * slots)
            continue;
          SampleOptions options = Settings();
          options.repeat = {.ngram = repeat, .times = 2, .window = 8};
          SCOPED_TRACE(testing::Message() << "eos " << eos << ", " << slots << " slots, " << kv_blocks << " blocks");
          RolloutStats want_stats, got_stats;
          Batch want = Rollout(*ToySession(plan), {.kv_blocks = kv_blocks}, options, want_stats);
          EXPECT_EQ(want_stats.ahead_calls, 0);
          Late late = LateSession(plan);
          Batch got = Rollout(*late.session, {.kv_blocks = kv_blocks}, options, got_stats, &preemptions);
          EXPECT_EQ(late.device->queued(), 0u) << "nothing is left running";
          ExpectEqual(got, want);
          EXPECT_EQ(got_stats.tokens, want_stats.tokens);
          ahead += got_stats.ahead_calls;
          dead += got_stats.decode_rows - want_stats.decode_rows;
        }
  EXPECT_GT(ahead, 500);
  EXPECT_GT(dead, 50);
  EXPECT_GT(preemptions, 10);
}

TEST(Ahead, MostStepsAre) {
  ToyOptions plan{.slots = 25, .eos = ""};
  Late late = LateSession(plan);
  RolloutStats stats;
  SampleOptions options = Settings();
  options.max_tokens = 12;
  Rollout(*late.session, {}, options, stats);
  // But for those behind a prefill. Blocks are there for all.
  EXPECT_EQ(stats.ahead_calls, stats.decode_calls - stats.prefill_calls);
  EXPECT_GE(stats.ahead_calls, 10);
  EXPECT_EQ(stats.tokens, 25 * 12);
}

// Where many rows decode and few are of prompts, each have a call.
TEST(Ahead, RowsThatDecodeHaveACallOfTheirOwn) {
  for (int64_t kv_blocks : {70, 0}) {
    SCOPED_TRACE(testing::Message() << kv_blocks << " blocks");
    ToyOptions plan{.slots = 60, .decode_few = {50}, .prefill_few = {{48, 12}}, .prefill_sequences = 64};
    SampleOptions options = Settings();
    options.n = 1;
    std::vector<Prompt> prompts; // more than there are slots
    for (int i = 0; i < 50; ++i)
      for (const Prompt &prompt : Prompts())
        prompts.push_back(prompt);
    RolloutStats want_stats, got_stats;
    Batch want = Rollout(*ToySession(plan), {.kv_blocks = kv_blocks}, options, want_stats, nullptr, prompts);
    EXPECT_EQ(want_stats.split_calls, 0);
    Late late = LateSession(plan);
    Batch got = Rollout(*late.session, {.kv_blocks = kv_blocks}, options, got_stats, nullptr, prompts);
    ExpectEqual(got, want);
    EXPECT_EQ(late.device->queued(), 0u) << "nothing is left running";
    EXPECT_GT(got_stats.split_calls, 5);
    EXPECT_LT(got_stats.split_calls, got_stats.prefill_calls) << "some have too many rows of prompts, or too few that decode";
    // A plan without entries for few rows has nothing to gain.
    plan.prefill_few = {};
    RolloutStats stats;
    ExpectEqual(Rollout(*LateSession(plan).session, {.kv_blocks = kv_blocks}, options, stats, nullptr, prompts), want);
    EXPECT_EQ(stats.split_calls, 0);
  }
}

// Where it is not wanted, or the session would not have it.
TEST(Ahead, NoneWhereItIsNotWanted) {
  ToyOptions plan{.slots = 25};
  RolloutStats want_stats;
  Batch want = Rollout(*ToySession(plan), {}, Settings(), want_stats);
  for (bool trace : {false, true}) {
    Late late = LateSession(plan);
    int64_t events = 0;
    if (trace)
      late.session->Trace([&](const TraceEvent &) { ++events; });
    RolloutStats stats;
    ExpectEqual(Rollout(*late.session, {.run_ahead = trace}, Settings(), stats), want);
    EXPECT_EQ(stats.ahead_calls, 0);
    EXPECT_EQ(stats.decode_rows, want_stats.decode_rows);
    EXPECT_EQ(events > 0, trace);
  }
}

// In rounds, with what is kept or without; the weights stay as they are, so all is as if there were no rounds.
TEST(Ahead, Budgets) {
  int64_t ahead = 0, kept_ahead = 0;
  for (int64_t budget : {3, 5})
    for (bool keep : {false, true})
      for (int64_t kv_blocks : {5, 14, 0}) {
        // The last: each of the 25 sequences has its slot, and its blocks.
        ToyOptions plan{.slots = kv_blocks ? 7 : 25, .decode_few = {2}, .prefill_sequences = 32};
        SampleOptions options = Settings();
        options.budget = budget;
        options.keep = keep;
        RolloutStats want_stats, got_stats;
        Batch want = Rollout(*ToySession(plan), {.kv_blocks = kv_blocks}, options, want_stats);
        Late late = LateSession(plan);
        ExpectEqual(Rollout(*late.session, {.kv_blocks = kv_blocks}, options, got_stats), want);
        EXPECT_EQ(got_stats.kept_tokens, want_stats.kept_tokens);
        EXPECT_EQ(got_stats.given_up, want_stats.given_up);
        ahead += got_stats.ahead_calls;
        kept_ahead += keep && kv_blocks == 0 ? got_stats.ahead_calls : 0;
      }
  EXPECT_GT(ahead, 20);
  EXPECT_GT(kept_ahead, 5);
}

// A launch that is refused, and one that fails when it runs, at every place: the error is the one without steps
// ahead, the tokens that came before are there, and the next rollout goes on.
TEST(Ahead, Errors) {
  ToyOptions plan{.slots = 3, .prefill_context = 64, .eos = ""};
  SampleOptions options = Settings();
  options.max_tokens = 6;
  options.n = 1;
  for (bool refused : {true, false})
    for (int64_t launch = 1; launch <= 12; ++launch) {
      SCOPED_TRACE(testing::Message() << (refused ? "refused " : "failing ") << launch);
      std::string messages[2];
      int64_t tokens[2] = {}, stepped[2] = {};
      for (bool ahead : {false, true}) {
        Late late = LateSession(plan);
        auto roller = Roller::Create(*late.session, ToyPolicy(*late.session), {.run_ahead = ahead});
        ASSERT_TRUE(roller.ok());
        auto batch = (*roller)->Begin(Prompts(), options);
        ASSERT_TRUE(batch.ok());
        (refused ? late.device->refused_launch : late.device->failing_launch) = late.device->launches + launch;
        SampleOptions counted = options;
        counted.stepped = [&] { ++stepped[ahead]; };
        RolloutStats stats;
        absl::Status status = (*roller)->Continue(*batch, counted, stats);
        messages[ahead] = std::string(status.message());
        tokens[ahead] = stats.tokens;
        EXPECT_EQ(late.device->queued(), 0u) << "nothing is left running";
        if (!refused)
          continue;
        EXPECT_TRUE((*roller)->Continue(*batch, options, stats).ok());
        RolloutStats want_stats;
        Batch want = Rollout(*ToySession(plan), {}, options, want_stats);
        ExpectEqual(*batch, want);
      }
      EXPECT_THAT(messages[0], HasSubstr(refused ? "toy: launching: refused" : "(--profile tells the op): running: failed"));
      EXPECT_EQ(messages[0], messages[1]);
      EXPECT_EQ(tokens[0], tokens[1]);
      EXPECT_EQ(stepped[0], stepped[1]);
    }
}

} // namespace
} // namespace mirl::rt::test
