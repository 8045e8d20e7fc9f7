#include <algorithm>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/runtime/train/SchedulerDriver.h"

namespace mirl::rt::test {
namespace {

using ::testing::HasSubstr;

TEST(Scheduler, ThePoolMustHoldTheLongestSequence) {
  auto small = Scheduler::Create({.slots = 4, .rows = 64, .blocks = 6, .max_context = 100});
  ASSERT_FALSE(small.ok());
  EXPECT_THAT(small.status().message(),
              HasSubstr("6 blocks of 16 positions; one sequence of the longest length, 100 tokens, "
                        "needs 7"));
  EXPECT_TRUE(Scheduler::Create({.slots = 4, .rows = 64, .blocks = 7, .max_context = 100}).ok());
  EXPECT_THAT(Scheduler::Create({.slots = 4, .rows = 3, .blocks = 7, .max_context = 100})
                  .status().message(), HasSubstr("3 rows"));
  EXPECT_FALSE(Scheduler::Create({.slots = 0, .rows = 3, .blocks = 7, .max_context = 100}).ok());
  EXPECT_FALSE(
      Scheduler::Create({.slots = 1, .rows = 3, .blocks = 7, .max_context = 100, .chunk = -1}).ok());
}

TEST(Scheduler, WhatCannotBeAdded) {
  auto scheduler = Make({.slots = 2, .rows = 8, .blocks = 4, .max_context = 64});
  auto message = [&](const SequenceSpec &spec) {
    return std::string(scheduler->Add(spec).message());
  };
  EXPECT_THAT(message({.prompt = 0, .limit = 1}), HasSubstr("at least one token"));
  EXPECT_THAT(message({.prompt = 60, .limit = 5}), HasSubstr("do not fit the context of 64"));
  EXPECT_THAT(message({.prompt = kNoLimit, .limit = 5}), HasSubstr("do not fit"));
  EXPECT_THAT(message({.prompt = 5, .response = 5, .limit = 5}), HasSubstr("cannot go on"));
  EXPECT_THAT(message({.prompt = 5, .limit = 5, .budget = 0}), HasSubstr("at least one token, is 0"));
  ASSERT_TRUE(scheduler->Add({.group = 1, .prompt = 5, .limit = 5}).ok());
  EXPECT_THAT(message({.group = 1, .prompt = 6, .limit = 5}), HasSubstr("must be equal"));
  EXPECT_EQ(scheduler->sequences(), 1);
}

TEST(Scheduler, APromptIsComputedOnceAndSharedByItsSamples) {
  for (int64_t slots : {1, 3, 8}) {
    auto scheduler = Make({.slots = slots, .rows = 64, .blocks = 64, .max_context = 64});
    Engine engine(*scheduler, Specs(*scheduler, 2, 8, 20, 10));
    engine.RunToLengths(std::vector<int64_t>(16, 10));
    // With too few slots a later sample feeds the prompt's last token once more.
    int64_t again = scheduler->stats().prefill_rows - 2 * 20;
    EXPECT_GE(again, 0);
    EXPECT_LE(again, slots == 8 ? 0 : 14);
    EXPECT_EQ(scheduler->stats().preemptions, 0);
    EXPECT_EQ(scheduler->pool().used(), 0);
    if (slots == 8) // The prompt's whole block once; of the other and what follows one each.
      EXPECT_LE(scheduler->stats().peak_blocks, 1 + 8);
  }
}

TEST(Scheduler, FreeSlotsAreRefilledAtOnce) {
  auto scheduler = Make({.slots = 7, .rows = 64, .blocks = 70, .max_context = 128});
  Engine engine(*scheduler, Specs(*scheduler, 40, 5, 9, 100));
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 200; ++i)
    lengths.push_back(1 + i * 37 % 90);
  engine.RunToLengths(lengths);
  const SchedulerStats &stats = scheduler->stats();
  EXPECT_GT(static_cast<double>(stats.sampled), 0.95 * 7 * static_cast<double>(stats.steps));
}

TEST(Scheduler, ALongPromptDoesNotStopTheOthers) {
  auto scheduler = Make({.slots = 4, .rows = 32, .blocks = 100, .max_context = 512, .chunk = 8});
  std::vector<SequenceSpec> specs = {{.group = 0, .prompt = 4, .limit = 100},
                                     {.group = 1, .prompt = 400, .limit = 10}};
  for (const SequenceSpec &spec : specs)
    ASSERT_TRUE(scheduler->Add(spec).ok());
  int64_t first_token = 0, steps = 0;
  std::vector<uint8_t> stop;
  while (const Step *step = scheduler->Next()) {
    ++steps;
    EXPECT_LE(step->rows, 8 + 2);
    if (scheduler->state(0) != SequenceState::ended)
      EXPECT_EQ(step->sampled.front(), 0) << "a token of the short one in every step";
    if (first_token == 0 && step->sampled.back() == 1)
      first_token = steps;
    stop.assign(step->sampled.size(), 0);
    scheduler->Complete(stop);
  }
  EXPECT_GE(first_token, 400 / 9);
  EXPECT_LE(first_token, 52);
}

TEST(Scheduler, ADryPoolPreemptsTheYoungest) {
  auto scheduler = Make({.slots = 16, .rows = 64, .blocks = 10, .max_context = 160});
  Engine engine(*scheduler, Specs(*scheduler, 8, 2, 30, 130));
  engine.RunToLengths(std::vector<int64_t>(16, 130));
  EXPECT_GT(scheduler->stats().preemptions, 10);
  EXPECT_GT(scheduler->stats().recomputed_rows, 0);
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(engine.ended(i), 1);
}

TEST(Scheduler, WasteIsUnderFourPercentOfLongSequences) {
  auto scheduler = Make({.slots = 64, .rows = 256, .blocks = 64 * 64, .max_context = 1024});
  Specs(*scheduler, 8, 8, 200, 800);
  int64_t unused = 0, allocated = 0;
  std::vector<uint8_t> stop;
  while (const Step *step = scheduler->Next()) {
    stop.assign(step->sampled.size(), 0);
    scheduler->Complete(stop);
    unused += scheduler->unused_positions();
    allocated += scheduler->pool().used() * kBlockTokens; // A shared block counts once.
  }
  EXPECT_LT(static_cast<double>(unused), 0.04 * static_cast<double>(allocated));
}

TEST(Scheduler, BudgetsSuspend) {
  auto scheduler = Make({.slots = 4, .rows = 64, .blocks = 64, .max_context = 128});
  std::vector<SequenceSpec> specs = Specs(*scheduler, 3, 4, 10, 100, /*budget=*/16);
  Engine each(*scheduler, specs);
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 12; ++i)
    lengths.push_back(8 * (i + 1));
  each.RunToLengths(lengths);
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(each.lengths()[static_cast<size_t>(i)], std::min<int64_t>(16, 8 * (i + 1)));
    EXPECT_EQ(scheduler->state(i), i < 2 ? SequenceState::ended : SequenceState::suspended);
  }
  // In total, to the token.
  for (int64_t budget : {1, 3, 100, 1000}) {
    scheduler->Begin({.budget = budget});
    Engine all(*scheduler, Specs(*scheduler, 3, 4, 10, 100));
    all.RunToLengths(std::vector<int64_t>(12, 50));
    EXPECT_EQ(all.tokens(), std::min<int64_t>(budget, 12 * 50));
    EXPECT_EQ(scheduler->finished(), 12);
  }
  // Those that must end now do.
  scheduler->Begin({.budget = 10});
  specs.assign(6, {.group = 0, .prompt = 10, .response = 3, .limit = 100, .budget = 2});
  specs[1].overdue = specs[4].overdue = true;
  for (const SequenceSpec &spec : specs)
    ASSERT_TRUE(scheduler->Add(spec).ok());
  Engine overdue(*scheduler, specs);
  overdue.RunToLengths(std::vector<int64_t>(6, 50));
  for (int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(scheduler->state(i), i == 1 || i == 4 ? SequenceState::ended
                                                     : SequenceState::suspended) << i;
}

// Ends with the step that brings the last of so many groups, and of those that must end, and not before.
TEST(Scheduler, EndsWhenSoManyGroupsHave) {
  std::mt19937 random(9);
  auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); };
  int64_t at_once = 0, waited = 0, suspended = 0;
  for (int round = 0; round < 300; ++round) {
    auto scheduler = Make({.slots = draw(1, 12), .rows = 64, .blocks = draw(8, 64), .max_context = 128});
    int64_t groups = draw(1, 8), goal = draw(0, 8);
    scheduler->Begin({.groups = goal});
    std::vector<SequenceSpec> specs;
    std::vector<int64_t> lengths, known;
    std::vector<int64_t> open(static_cast<size_t>(groups));
    for (int64_t group = 0; group < groups; ++group) {
      int64_t n = draw(1, 4);
      bool overdue = draw(0, 5) == 0;
      for (int64_t i = 0; i < n; ++i) {
        specs.push_back({.group = group, .prompt = 10, .limit = 100, .overdue = overdue, .key = draw(0, 1) ? 100 * group + i : -1});
        ASSERT_TRUE(scheduler->Add(specs.back()).ok());
        lengths.push_back(draw(1, 100));
        ++open[static_cast<size_t>(group)];
      }
    }
    known.resize(specs.size());
    auto reached = [&] {
      int64_t ended = std::count(open.begin(), open.end(), 0);
      bool overdue = false;
      for (size_t i = 0; i < specs.size(); ++i)
        overdue |= specs[i].overdue && open[static_cast<size_t>(specs[i].group)] > 0;
      return ended >= goal && !overdue;
    };
    at_once += reached();
    while (const Step *step = scheduler->Next()) {
      ASSERT_FALSE(reached()) << "round " << round << ": a step too many";
      std::vector<uint8_t> stop;
      for (int32_t index : step->sampled) {
        auto i = static_cast<size_t>(index);
        stop.push_back(++known[i] >= lengths[i]);
        open[static_cast<size_t>(specs[i].group)] -= stop.back();
      }
      scheduler->Complete(stop);
    }
    int64_t left = 0;
    for (size_t i = 0; i < specs.size(); ++i) {
      bool ended = known[i] >= lengths[i];
      ASSERT_EQ(scheduler->state(static_cast<int64_t>(i)), ended ? SequenceState::ended : SequenceState::suspended);
      ASSERT_TRUE(ended || !specs[i].overdue);
      left += !ended;
    }
    ASSERT_TRUE(reached() || left == 0) << "round " << round << ": it stopped too early";
    suspended += left;
    waited += std::count(open.begin(), open.end(), 0) > goal;
  }
  EXPECT_GT(at_once, 10);
  EXPECT_GT(waited, 30) << "more than wanted, for the sake of those that had to end";
  EXPECT_GT(suspended, 300);
}

TEST(Scheduler, WhatIsKeptIsNotComputedAgain) {
  auto scheduler = Make({.slots = 4, .rows = 64, .blocks = 64, .max_context = 128});
  Cache cache(*scheduler);
  std::vector<SequenceSpec> specs(4, {.group = 0, .prompt = 40, .limit = 60, .budget = 7});
  int64_t prefilled = 0;
  for (int64_t round = 0; round < 9; ++round) {
    scheduler->Begin({}, /*weights=*/round);
    for (size_t i = 0; i < specs.size(); ++i) {
      specs[i].key = 100 + static_cast<int64_t>(i);
      ASSERT_TRUE(scheduler->Add(specs[i]).ok());
    }
    Engine engine(*scheduler, specs, &cache, round);
    ASSERT_NO_FATAL_FAILURE(engine.RunToLengths(std::vector<int64_t>(4, 60)));
    prefilled += scheduler->stats().prefill_rows + scheduler->stats().recomputed_rows;
    EXPECT_EQ(scheduler->stats().kept, round > 0 ? 4 : 0);
    EXPECT_EQ(scheduler->stats().kept_positions, round > 0 ? 4 * (40 + 7 * round - 1) : 0);
    EXPECT_EQ(scheduler->kept().size(), round < 8 ? 4u : 0u);
    for (size_t i = 0; i < specs.size(); ++i)
      specs[i].response = engine.lengths()[i];
  }
  EXPECT_EQ(specs[0].response, 60);
  EXPECT_EQ(prefilled, 40) << "the prompt, once";
  EXPECT_EQ(scheduler->pool().used(), 0);
}

TEST(Scheduler, WhatIsKeptIsTheFirstToGo) {
  // The pool holds one of the longest length and a bit.
  auto scheduler = Make({.slots = 1, .rows = 64, .blocks = 10, .max_context = 128});
  Cache cache(*scheduler);
  auto add = [&](std::vector<SequenceSpec> specs) {
    for (const SequenceSpec &spec : specs)
      EXPECT_TRUE(scheduler->Add(spec).ok());
    return specs;
  };
  std::vector<SequenceSpec> specs;
  for (int64_t i = 0; i < 3; ++i)
    specs.push_back({.group = i, .prompt = 30, .limit = 90, .budget = 5, .key = i});
  Engine first(*scheduler, add(specs), &cache);
  first.RunToLengths({90, 90, 90});
  ASSERT_EQ(scheduler->kept().size(), 3u);
  ASSERT_EQ(scheduler->pool().used(), 9);
  // Another rollout, of one that needs 8 blocks: two must go, and no one is preempted.
  scheduler->Begin();
  Engine other(*scheduler, add({{.group = 9, .prompt = 20, .limit = 100}}), &cache);
  other.RunToLengths({100});
  EXPECT_EQ(scheduler->stats().given_up, 3 - static_cast<int64_t>(scheduler->kept().size()));
  EXPECT_GE(scheduler->stats().given_up, 2);
  EXPECT_EQ(scheduler->stats().preemptions, 0);
  // The first to go on loses nothing to those behind it, which are computed again.
  scheduler->DropKept();
  EXPECT_EQ(scheduler->pool().used(), 0);
  scheduler->Begin();
  Engine again(*scheduler, add(specs), &cache);
  again.RunToLengths({90, 90, 90});
  for (SequenceSpec &spec : specs) {
    spec.response = 5;
    spec.budget = kNoLimit;
  }
  scheduler->Begin();
  Engine last(*scheduler, add(specs), &cache);
  last.RunToLengths({90, 90, 90});
  EXPECT_GE(scheduler->stats().kept, 1);
  EXPECT_GE(scheduler->stats().given_up, 1);
  EXPECT_EQ(scheduler->stats().kept + scheduler->stats().given_up, 3);
  EXPECT_GT(scheduler->stats().prefill_rows, 30) << "computed again";
  EXPECT_EQ(scheduler->pool().used(), 0);
}

TEST(Scheduler, TheYoungestLosesWhatItKept) {
  auto scheduler = Make({.slots = 1, .rows = 64, .blocks = 10, .max_context = 128});
  Cache cache(*scheduler);
  std::vector<SequenceSpec> specs;
  for (int64_t i = 0; i < 3; ++i)
    specs.push_back({.group = i, .prompt = 30, .limit = 90, .budget = 5, .key = i});
  for (int round = 0; round < 2; ++round) {
    if (round > 0) // The first one goes on alone, and needs one block more than there are.
      scheduler->Begin({.budget = 40});
    for (SequenceSpec &spec : specs) {
      ASSERT_TRUE(scheduler->Add(spec).ok());
    }
    Engine engine(*scheduler, specs, &cache);
    ASSERT_NO_FATAL_FAILURE(engine.RunToLengths({45, 90, 90}));
    for (size_t i = 0; i < specs.size(); ++i)
      specs[i].response = engine.lengths()[i];
    specs[0].budget = kNoLimit;
  }
  EXPECT_EQ(specs[0].response, 45);
  EXPECT_EQ(scheduler->stats().given_up, 1);
  EXPECT_EQ(scheduler->kept().count(1), 1u);
  EXPECT_EQ(scheduler->kept().count(2), 0u);
}

// Keys of older weights are for the sequence that had them: a sample that begins shares the prompt with
// one that has it of these weights, and with none else, and waits for none else.
TEST(Scheduler, OlderKeysAreNotShared) {
  for (bool recomputed : {false, true}) {
    auto scheduler = Make({.slots = 4, .rows = 64, .blocks = 64, .max_context = 128});
    Cache cache(*scheduler);
    std::vector<SequenceSpec> specs = {{.prompt = 40, .limit = 60, .budget = 7, .key = 1},
                                       {.prompt = 40, .limit = 60, .budget = 7, .key = 2}};
    for (const SequenceSpec &spec : specs)
      ASSERT_TRUE(scheduler->Add(spec).ok());
    Engine first(*scheduler, specs, &cache, 0);
    ASSERT_NO_FATAL_FAILURE(first.RunToLengths({60, 60}));
    scheduler->Begin({}, /*weights=*/1);
    for (SequenceSpec &spec : specs)
      spec.response = 7;
    if (recomputed)
      specs[0].key = 3; // of which nothing is kept
    specs.push_back({.prompt = 40, .limit = 60, .budget = 7, .key = 4});
    for (const SequenceSpec &spec : specs)
      ASSERT_TRUE(scheduler->Add(spec).ok());
    Engine second(*scheduler, specs, &cache, 1);
    ASSERT_NO_FATAL_FAILURE(second.RunToLengths({60, 60, 60}));
    EXPECT_EQ(scheduler->stats().kept, recomputed ? 1 : 2);
    // Seven tokens in seven steps, or in one more behind the prompt of the one that is computed again.
    EXPECT_EQ(scheduler->stats().steps, recomputed ? 8 : 7);
    EXPECT_EQ(scheduler->stats().prefill_rows + scheduler->stats().recomputed_rows,
              recomputed ? 40 + 7 : 40);
  }
}

TEST(Scheduler, AnotherSequenceOfTheSameKeyGetsNothingOfIt) {
  auto scheduler = Make({.slots = 2, .rows = 64, .blocks = 16, .max_context = 64});
  Cache cache(*scheduler);
  std::vector<SequenceSpec> specs = {{.group = 0, .prompt = 20, .limit = 40, .budget = 9, .key = 5}};
  ASSERT_TRUE(scheduler->Add(specs[0]).ok());
  Engine first(*scheduler, specs, &cache);
  first.RunToLengths({40});
  ASSERT_EQ(scheduler->kept().size(), 1u);
  scheduler->Begin();
  // It has no token yet, so it is not the one that was suspended.
  specs[0] = {.group = 1, .prompt = 35, .limit = 25, .budget = 9, .key = 5};
  specs.push_back(specs[0]);
  for (const SequenceSpec &spec : specs)
    ASSERT_TRUE(scheduler->Add(spec).ok());
  EXPECT_TRUE(scheduler->kept().empty());
  Engine second(*scheduler, specs, &cache);
  second.RunToLengths({25, 25}); // Both are suspended with one key: the later one has it.
  EXPECT_EQ(scheduler->kept().size(), 1u);
  scheduler->Begin();
  scheduler->DropKept();
  EXPECT_EQ(scheduler->pool().used(), 0);
}

TEST(Scheduler, KeptBlocksComeBackFromNumbers) {
  auto scheduler = Make({.slots = 2, .rows = 64, .blocks = 8, .max_context = 64});
  std::map<int64_t, Kept> kept;
  kept[3] = {.blocks = {0, 1}, .computed = 20};
  kept[4] = {.blocks = {0, 2}, .computed = 32}; // a prompt's block is shared
  std::vector<int32_t> numbers = scheduler->RestoreKept(kept, 3);
  ASSERT_EQ(numbers.size(), 3u);
  EXPECT_EQ(scheduler->pool().used(), 3);
  EXPECT_EQ(scheduler->pool().owners(numbers[0]), 2);
  EXPECT_EQ(scheduler->kept().at(4).blocks, (std::vector<int32_t>{numbers[0], numbers[2]}));
  EXPECT_TRUE(scheduler->RestoreKept(kept, 9).empty()) << "more than the pool has";
  EXPECT_EQ(scheduler->pool().used(), 0);
}

} // namespace
} // namespace mirl::rt::test
