#include "runtime/rollout/Roller.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/device/cpu/Memory.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using test::MakePrompt;
using test::Reference;
using ::testing::HasSubstr;

std::vector<Prompt> Prompts() {
  return {MakePrompt({1, 2, 3}), MakePrompt({4}),
          MakePrompt({0, 0, 5, 1, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0, 1, 2}),
          MakePrompt({1, 2, 3}), MakePrompt({6, 6})};
}

SampleOptions Settings() {
  SampleOptions options;
  options.n = 5;
  options.max_tokens = 12;
  options.seed = 0x1234567890;
  options.first_id = FirstSequenceId(42);
  options.version = 3;
  return options;
}

void ExpectReference(const Batch &batch, const SampleOptions &options) {
  for (size_t i = 0; i < batch.trajectories.size(); ++i) {
    const Trajectory &got = *batch.trajectories[i];
    int64_t id = SequenceId(options.first_id, static_cast<int64_t>(i) / options.n,
                            static_cast<int64_t>(i) % options.n);
    EXPECT_EQ(got.sequence_id, id);
    auto want =
        Reference(*got.prompt.ids, options.seed, id, options.max_tokens, options.temperature);
    EXPECT_EQ(got.response, want.tokens) << "sequence " << i;
    EXPECT_EQ(got.logprob, want.logprob) << "sequence " << i;
    EXPECT_EQ(got.finished(), want.finished) << "sequence " << i;
  }
}

class RolloutSlots : public ::testing::TestWithParam<int64_t> {};

TEST_P(RolloutSlots, TokensDoNotDependOnTheSchedule) {
  for (int64_t prefill_tokens : {1, 3, 64}) {
    for (int64_t prefill_context : {19, 64}) {
      auto session = test::ToySession({.slots = GetParam(),
                                       .prefill_context = prefill_context,
                                       .prefill_tokens = prefill_tokens});
      auto roller = Roller::Create(*session, test::ToyPolicy(*session));
      ASSERT_TRUE(roller.ok()) << roller.status();
      std::vector<Prompt> prompts = Prompts();
      RolloutStats stats;
      // Twice: nothing of the first may remain.
      for (int round = 0; round < 2; ++round) {
        stats = {};
        auto batch = (*roller)->Sample(prompts, Settings(), stats);
        ASSERT_TRUE(batch.ok()) << batch.status();
        ASSERT_EQ(batch->sequences(), 25);
        EXPECT_EQ(batch->groups(), 5);
        EXPECT_EQ(batch->trajectories[0]->segments,
                  (std::vector<Segment>{{3, batch->trajectories[0]->response_size()}}));
        EXPECT_EQ(batch->trajectories[0]->policy, &test::ToyPolicy(*session));
        ExpectReference(*batch, Settings());
        int64_t tokens = 0;
        bool different = false;
        for (const auto &trajectory : batch->trajectories) {
          tokens += trajectory->response_size();
          different |= trajectory->response != batch->trajectories[0]->response;
        }
        EXPECT_TRUE(different);
        EXPECT_EQ(stats.tokens, tokens);
      }
      EXPECT_EQ(stats.prefill_tokens, 28) << "each prompt is computed once";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Slots, RolloutSlots, ::testing::Values(1, 2, 3, 7, 64));

// An engine, and how often it called each entry.
struct CountedEngine {
  std::unique_ptr<Session> session;
  std::map<std::string, int> calls;
  std::unique_ptr<Roller> roller;

  explicit CountedEngine(const test::ToyOptions &options) : session(test::ToySession(options)) {
    session->Trace([this](const TraceEvent &event) { calls[std::string(event.entry)] += event.kernel.empty() && event.op.empty(); });
    auto made = Roller::Create(*session, test::ToyPolicy(*session));
    EXPECT_TRUE(made.ok()) << made.status();
    roller = *std::move(made);
  }
  // Forgets the calls before. All prompts: the tokens must be right.
  RolloutStats Sample(const SampleOptions &options, size_t prompts) {
    calls.clear();
    RolloutStats stats;
    std::vector<Prompt> all = Prompts();
    auto batch = roller->Sample(std::span(all).first(prompts), options, stats);
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (batch.ok() && prompts == all.size())
      ExpectReference(*batch, options);
    return stats;
  }
};

// A call of few sequences is that of an entry for few, and gives what the others give.
TEST(Rollout, FewRowsHaveEntriesOfTheirOwn) {
  CountedEngine engine({.slots = 7, .decode_few = {4, 2, 9}});
  RolloutStats stats = engine.Sample(Settings(), Prompts().size());
  EXPECT_GT(engine.calls["pi.decode"], 0);
  EXPECT_GT(engine.calls["pi.decode.4"], 0);
  EXPECT_GT(engine.calls["pi.decode.2"], 0);
  EXPECT_EQ(engine.calls["pi.decode.9"], 0) << "it is for more rows than the one for all slots";
  EXPECT_EQ(engine.calls["pi.decode"] + engine.calls["pi.decode.4"] + engine.calls["pi.decode.2"], stats.decode_calls);
  // One sequence: no more rows than the smallest has room for.
  SampleOptions one = Settings();
  one.n = 1;
  stats = engine.Sample(one, 1);
  EXPECT_EQ(engine.calls["pi.decode.2"], stats.decode_calls);
  EXPECT_GT(stats.decode_calls, 0);
}

// So is a call with rows of prompts, if it has room for the tokens that are sampled in it as well.
TEST(Rollout, PromptsOfFewRowsHaveEntriesOfTheirOwn) {
  CountedEngine engine({.slots = 7, .prefill_few = {{12, 7}, {5, 1}}});
  RolloutStats stats = engine.Sample(Settings(), Prompts().size());
  EXPECT_GT(engine.calls["pi.prefill"], 0);
  EXPECT_GT(engine.calls["pi.prefill.12"], 0);
  EXPECT_EQ(engine.calls["pi.prefill"] + engine.calls["pi.prefill.12"] + engine.calls["pi.prefill.5"], stats.prefill_calls);
  // One sequence, of few tokens; then two, which sample two.
  for (int64_t n : {1, 2}) {
    SampleOptions some = Settings();
    some.n = n;
    stats = engine.Sample(some, 1);
    EXPECT_EQ(engine.calls["pi.prefill.5"], n == 1);
    EXPECT_EQ(engine.calls["pi.prefill.12"], n == 2);
    EXPECT_EQ(stats.prefill_calls, 1);
  }
}

TEST(Rollout, AnEntryForFewRowsOfAnotherKindIsRefused) {
  auto plan = Plan::Parse(test::ToyPlanBytes({.decode_few = {2}, .decode_few_kind = "prefill"}), "toy.plan");
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("policy pi: 'pi.decode.2' is not an entry of kind decode"));
}

TEST(Rollout, SlotsAreKeptBusy) {
  auto session = test::ToySession({.slots = 7});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok());
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.n = 50; // more than there are slots
  RolloutStats stats;
  auto batch = (*roller)->Sample(prompts, options, stats);
  ASSERT_TRUE(batch.ok());
  // All the time but for the end.
  EXPECT_GT(static_cast<double>(stats.decode_rows),
            0.95 * 7 * static_cast<double>(stats.decode_calls));
  EXPECT_EQ(stats.prefill_tokens, 28);
}

TEST(Rollout, WithoutAnEndTokenLengthEnds) {
  auto session = test::ToySession({.slots = 4, .eos = ""});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok());
  std::vector<Prompt> prompts = Prompts();
  RolloutStats stats;
  auto batch = (*roller)->Sample(prompts, Settings(), stats);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(stats.tokens, 25 * 12);
  for (const auto &trajectory : batch->trajectories)
    EXPECT_EQ(trajectory->ending, Ending::length);
}

TEST(Rollout, ForcedLengthsEndResponsesInsteadOfTheModel) {
  auto session = test::ToySession({.slots = 4});
  auto length = [](const Trajectory &trajectory) { return trajectory.sequence_id % 20; };
  auto roller = Roller::Create(*session, test::ToyPolicy(*session), {.forced_length = length});
  ASSERT_TRUE(roller.ok()) << roller.status();
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.n = 19;
  RolloutStats stats;
  auto batch = (*roller)->Sample(prompts, options, stats);
  ASSERT_TRUE(batch.ok()) << batch.status();
  bool beyond_an_end = false;
  for (const auto &trajectory : batch->trajectories) {
    EXPECT_EQ(trajectory->response_size(),
              std::clamp<int64_t>(length(*trajectory), 1, options.max_tokens));
    EXPECT_EQ(trajectory->ending, Ending::length);
    const std::vector<int32_t> &response = trajectory->response;
    beyond_an_end |= std::find(response.begin(), response.end() - 1, test::kEos) < response.end() - 1;
    auto want = Reference(*trajectory->prompt.ids, options.seed, trajectory->sequence_id,
                          trajectory->response_size());
    for (size_t i = 0; i < want.tokens.size(); ++i)
      EXPECT_EQ(response[i], want.tokens[i]) << "the tokens are the model's";
  }
  EXPECT_TRUE(beyond_an_end);
}

TEST(Rollout, BusySlotsAreCounted) {
  // Five prompts, one response of 3 tokens each, in 4 slots: 3 steps with 4 of them, 3 with one.
  auto session = test::ToySession({.slots = 4, .eos = ""});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  ASSERT_TRUE(roller.ok());
  std::vector<Prompt> prompts(5, MakePrompt({1, 2, 3}));
  SampleOptions options = Settings();
  options.n = 1;
  options.max_tokens = 3;
  RolloutStats stats;
  ASSERT_TRUE((*roller)->Sample(prompts, options, stats).ok());
  EXPECT_EQ(stats.slot_steps, 4 * 6);
  EXPECT_EQ(stats.busy_slot_steps, 3 * 4 + 3 * 1);
}

TEST(Rollout, TheSeedMatters) {
  auto session = test::ToySession({});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  std::vector<Prompt> prompts = Prompts();
  RolloutStats stats;
  SampleOptions options = Settings();
  auto first = (*roller)->Sample(prompts, options, stats);
  options.seed += uint64_t{1} << 32;
  auto second = (*roller)->Sample(prompts, options, stats);
  ASSERT_TRUE(first.ok() && second.ok());
  ExpectReference(*second, options);
  int same = 0;
  for (size_t i = 0; i < 25; ++i)
    same += first->trajectories[i]->response == second->trajectories[i]->response;
  EXPECT_LT(same, 10);
}

TEST(Rollout, GreedyAndLimits) {
  auto session = test::ToySession({.eos = "[7, 6]"});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.temperature = 0;
  options.max_tokens = 1000;
  RolloutStats stats;
  auto batch = (*roller)->Sample(prompts, options, stats);
  ASSERT_TRUE(batch.ok()) << batch.status();
  for (const auto &trajectory : batch->trajectories) {
    EXPECT_LE(trajectory->prompt_size() + trajectory->response_size(), test::kContext);
    bool ended = trajectory->response.back() == 7 || trajectory->response.back() == 6;
    EXPECT_EQ(trajectory->ending, ended ? Ending::eos : Ending::length);
    if (!ended) {
      EXPECT_EQ(trajectory->prompt_size() + trajectory->response_size(), test::kContext);
    }
    for (size_t i = 0; i + 1 < trajectory->response.size(); ++i)
      EXPECT_LT(trajectory->response[i], 6);
    EXPECT_EQ(
        trajectory->response,
        batch->trajectories[static_cast<size_t>(&trajectory - &batch->trajectories[0]) / 5 * 5]
            ->response);
  }
}

TEST(Rollout, BadPromptsNameTheirRecord) {
  auto session = test::ToySession({});
  auto roller = Roller::Create(*session, test::ToyPolicy(*session));
  auto refusal = [&](std::vector<int32_t> ids, SampleOptions options) {
    std::vector<Prompt> prompts = {MakePrompt(std::move(ids), "p.jsonl:9")};
    RolloutStats stats;
    auto batch = (*roller)->Sample(prompts, options, stats);
    EXPECT_FALSE(batch.ok());
    return std::string(batch.status().message());
  };
  EXPECT_THAT(refusal({}, Settings()), HasSubstr("p.jsonl:9"));
  EXPECT_THAT(refusal(std::vector<int32_t>(32, 1), Settings()), HasSubstr("p.jsonl:9"));
  EXPECT_THAT(refusal({1, 8}, Settings()), HasSubstr("token 8"));
  SampleOptions options = Settings();
  options.max_tokens = 0;
  EXPECT_THAT(refusal({1}, options), HasSubstr("max_tokens"));
  options = Settings();
  options.top_p = 0;
  EXPECT_THAT(refusal({1}, options), HasSubstr("top_p"));
}

// Whatever the engine is told, the tokens are the same.
TEST(Rollout, NothingTheEngineDecidesChangesATokenOrItsLogprob) {
  std::vector<Prompt> prompts = Prompts();
  SampleOptions options = Settings();
  options.max_tokens = 30;
  int64_t preemptions = 0;
  for (int64_t slots : {1, 2, 7, 20}) {
    for (int64_t kv_blocks : {2, 3, 5, 40}) {
      for (int64_t chunk : {0, 1, 5}) {
        auto session = test::ToySession({.slots = 20, .prefill_sequences = 20, .eos = ""});
        auto roller = Roller::Create(*session, test::ToyPolicy(*session),
                                     {.slots = slots, .kv_blocks = kv_blocks, .chunk = chunk});
        ASSERT_TRUE(roller.ok()) << roller.status();
        RolloutStats stats;
        auto batch = (*roller)->Sample(prompts, options, stats);
        ASSERT_TRUE(batch.ok()) << batch.status();
        for (size_t i = 0; i < batch->trajectories.size(); ++i) {
          const Trajectory &got = *batch->trajectories[i];
          // The toy's end token is no end here.
          std::vector<int32_t> head(got.response.begin(),
                                    std::find(got.response.begin(), got.response.end(), 7));
          auto want = Reference(*got.prompt.ids, options.seed, got.sequence_id,
                                static_cast<int64_t>(head.size()));
          if (head.empty())
            continue;
          EXPECT_EQ(head, want.tokens);
          EXPECT_EQ(std::vector<float>(got.logprob.begin(),
                                       got.logprob.begin() + static_cast<int64_t>(head.size())),
                    want.logprob);
          EXPECT_EQ(got.ending, Ending::length);
        }
        EXPECT_LE(stats.peak_kv_blocks, kv_blocks);
        preemptions += stats.preemptions;
      }
    }
  }
  EXPECT_GT(preemptions, 300);
}

TEST(Rollout, APoolOrSlotsThatThePlanDoesNotHaveAreRefused) {
  auto session = test::ToySession({.slots = 4});
  auto refusal = [&](const RollerOptions &options) {
    return std::string(
        Roller::Create(*session, test::ToyPolicy(*session), options).status().message());
  };
  EXPECT_THAT(refusal({.kv_blocks = 1}), HasSubstr("1 blocks of 16 positions; one sequence of the "
                                                   "longest length, 32 tokens, needs 2"));
  EXPECT_THAT(refusal({.kv_blocks = 9}), HasSubstr("KV blocks 9: policy pi was compiled for 1 to 8"));
  EXPECT_THAT(refusal({.kv_bytes = 1}), HasSubstr("0 blocks of 16 positions"));
  EXPECT_THAT(refusal({.kv_bytes = -1}), HasSubstr("-1 bytes"));
  EXPECT_THAT(refusal({.slots = 5}), HasSubstr("slots 5: policy pi was compiled for 1 to 4"));
  EXPECT_THAT(refusal({.slots = -1}), HasSubstr("slots -1"));
  EXPECT_THAT(refusal({.chunk = -1}), HasSubstr("chunk"));
}

TEST(Rollout, ThePoolIsAsLargeAsItsMemory) {
  auto session = test::ToySession({.slots = 4});
  const fb::Policy &policy = test::ToyPolicy(*session);
  auto blocks = [&](const RollerOptions &options) {
    auto roller = Roller::Create(*session, policy, options);
    EXPECT_TRUE(roller.ok()) << roller.status();
    return roller.ok() ? (*roller)->limits().blocks : -1;
  };
  int64_t bytes = 0; // of a block
  for (uint32_t i = 0; i < policy.kv_buffers()->size(); ++i)
    bytes += session->BufferBytes(
                 *session->plan().root().buffers()->Get(policy.kv_buffers()->Get(i))) /
             policy.kv_blocks();
  ASSERT_GT(bytes, 0);
  EXPECT_EQ(blocks({}), 8); // There is enough for a toy.
  EXPECT_EQ(blocks({.kv_bytes = 5 * bytes + bytes / 2}), 5);
  EXPECT_EQ(blocks({.kv_bytes = int64_t{1} << 60}), 8);
  EXPECT_EQ(blocks({.kv_blocks = 3, .kv_bytes = bytes}), 3);
}

TEST(MemoryState, TheLeastOfTheSystemAndTheControlGroupCounts) {
  test::TemporaryFolder folder;
  auto write = [&](const std::string &path, const std::string &text) {
    std::filesystem::create_directories(
        std::filesystem::path(folder.path() + "/" + path).parent_path());
    folder.Write(path, text);
  };
  auto available = [&] { return ReadMemoryState(folder.path()).available; };
  EXPECT_EQ(available(), INT64_MAX);
  write("proc/meminfo", "MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable:    4000 kB\n");
  write("proc/self/statm", "900 7 5 1 0 5 0\n");
  EXPECT_EQ(available(), 4000 * 1024);
  EXPECT_EQ(ReadMemoryState(folder.path()).resident, 7 * sysconf(_SC_PAGESIZE));
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  write("sys/fs/cgroup/a/b/memory.current", "70000\n");
  EXPECT_EQ(available(), 4000 * 1024);
  write("sys/fs/cgroup/a/b/memory.max", "100000\n");
  EXPECT_EQ(available(), 30000);
  write("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 1000\n");
  EXPECT_EQ(available(), 31000);
  write("proc/self/cgroup", "5:cpu:/x\n4:memory:/c\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "50000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "60000\n");
  EXPECT_EQ(available(), 0);
  EXPECT_GT(ReadMemoryState().resident, 1 << 16);
}

} // namespace
} // namespace mirl::rt
