// When a step can be ahead of the tokens of the one before, and what becomes of its rows.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/runtime/train/SchedulerDriver.h"

namespace mirl::rt::test {
namespace {

using ::testing::ElementsAre;

constexpr SchedulerLimits kRoomy = {.slots = 4, .rows = 64, .blocks = 64, .max_context = 64};

void Add(Scheduler &scheduler, const SequenceSpec &spec, int64_t count = 1) {
  for (int64_t i = 0; i < count; ++i)
    ASSERT_TRUE(scheduler.Add(spec).ok());
}

// The scheduler's first decode step. `stop`: of the prefill before.
const Step *FirstDecode(Scheduler &scheduler) {
  const Step *step = scheduler.Next();
  while (step && !step->decode) {
    EXPECT_EQ(scheduler.NextAhead(), nullptr) << "its step is no decode step";
    scheduler.Complete(std::vector<uint8_t>(step->sampled.size()));
    step = scheduler.Next();
  }
  return step;
}

TEST(SchedulerAhead, ADecodeStepIsFollowed) {
  auto scheduler = Make(kRoomy);
  Add(*scheduler, {.prompt = 5, .limit = 20}, 3);
  EXPECT_EQ(scheduler->NextAhead(), nullptr) << "there is no step";
  const Step *step = FirstDecode(*scheduler);
  ASSERT_NE(step, nullptr);
  const Step *ahead = scheduler->NextAhead();
  ASSERT_NE(ahead, nullptr);
  EXPECT_NE(ahead, step);
  EXPECT_THAT(ahead->sampled, ElementsAre(0, 1, 2));
  EXPECT_THAT(ahead->carried, ElementsAre(RowRun{0, 0, 3}));
  EXPECT_EQ(ahead->pieces[1].first, step->pieces[1].first + 1);
  EXPECT_EQ(scheduler->NextAhead(), nullptr) << "one is ahead already";
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0});
  // Statistics have nothing of a step ahead before it is completed.
  EXPECT_EQ(scheduler->stats().steps, 2);
  EXPECT_EQ(scheduler->stats().ahead_steps, 0);
  EXPECT_EQ(scheduler->stats().sampled, 6);
  ASSERT_NE(scheduler->NextAhead(), nullptr);
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0});
  EXPECT_EQ(scheduler->stats().steps, 3);
  EXPECT_EQ(scheduler->stats().ahead_steps, 1);
  EXPECT_EQ(scheduler->stats().sampled, 9);
}

// What ends leaves a dead row, and none in the step behind.
TEST(SchedulerAhead, DeadRows) {
  auto scheduler = Make(kRoomy);
  Add(*scheduler, {.prompt = 5, .limit = 20}, 4);
  ASSERT_NE(FirstDecode(*scheduler), nullptr);
  ASSERT_NE(scheduler->NextAhead(), nullptr);
  int64_t used = scheduler->pool().used(), reads = scheduler->stats().kv_reads;
  scheduler->Complete(std::vector<uint8_t>{0, 1, 0, 0});
  EXPECT_EQ(scheduler->pool().used(), used - 1) << "its blocks are free at once";
  EXPECT_EQ(scheduler->active(), 3);
  const Step *behind = scheduler->NextAhead();
  ASSERT_NE(behind, nullptr);
  EXPECT_THAT(behind->sampled, ElementsAre(0, 2, 3));
  EXPECT_THAT(behind->carried, ElementsAre(RowRun{0, 0, 1}, RowRun{2, 1, 2}));
  // Whatever is said of the dead row.
  scheduler->Complete(std::vector<uint8_t>{0, 1, 0, 0});
  EXPECT_EQ(scheduler->finished(), 1);
  EXPECT_EQ(scheduler->stats().dead_rows, 1);
  EXPECT_EQ(scheduler->stats().sampled, 4 + 4 + 3);
  EXPECT_EQ(scheduler->stats().kv_reads, reads + 4 * 7) << "it reads what the others do";
  // All that is left ends.
  scheduler->Complete(std::vector<uint8_t>{1, 1, 1});
  EXPECT_EQ(scheduler->Next(), nullptr);
  EXPECT_EQ(scheduler->pool().used(), 0);
}

TEST(SchedulerAhead, AStepOfDeadRowsAlone) {
  auto scheduler = Make(kRoomy);
  Add(*scheduler, {.prompt = 5, .limit = 20}, 2);
  ASSERT_NE(FirstDecode(*scheduler), nullptr);
  ASSERT_NE(scheduler->NextAhead(), nullptr);
  scheduler->Complete(std::vector<uint8_t>{1, 1});
  EXPECT_EQ(scheduler->NextAhead(), nullptr);
  scheduler->Complete(std::vector<uint8_t>{0, 0});
  EXPECT_EQ(scheduler->stats().dead_rows, 2);
  EXPECT_EQ(scheduler->Next(), nullptr);
  EXPECT_EQ(scheduler->stats().sampled, 4);
}

// What ends for certain is left out; nothing is left: no step.
TEST(SchedulerAhead, LengthsAndBudgetsAreKnown) {
  auto scheduler = Make(kRoomy);
  Add(*scheduler, {.group = 0, .prompt = 5, .limit = 2});
  Add(*scheduler, {.group = 1, .prompt = 5, .limit = 3});
  Add(*scheduler, {.group = 2, .prompt = 5, .limit = 9, .budget = 2});
  Add(*scheduler, {.group = 3, .prompt = 5, .limit = 9, .budget = 2, .overdue = true});
  const Step *step = FirstDecode(*scheduler);
  ASSERT_EQ(step->rows, 4);
  const Step *ahead = scheduler->NextAhead();
  ASSERT_NE(ahead, nullptr);
  EXPECT_THAT(ahead->sampled, ElementsAre(1, 3));
  EXPECT_THAT(ahead->carried, ElementsAre(RowRun{1, 0, 1}, RowRun{3, 1, 1}));
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0, 0});
  EXPECT_EQ(scheduler->state(0), SequenceState::ended);
  EXPECT_EQ(scheduler->state(2), SequenceState::suspended);
  EXPECT_EQ(scheduler->stats().dead_rows, 0);
  scheduler->Complete(std::vector<uint8_t>{0, 1});
  EXPECT_EQ(scheduler->Next(), nullptr);
  scheduler->Begin();
  Add(*scheduler, {.prompt = 5, .limit = 2}, 2);
  ASSERT_NE(FirstDecode(*scheduler), nullptr);
  EXPECT_EQ(scheduler->NextAhead(), nullptr);
}

TEST(SchedulerAhead, NoneWhereTokensAreCounted) {
  auto scheduler = Make(kRoomy);
  for (const RolloutGoal &goal : {RolloutGoal{.budget = 1000}, RolloutGoal{.groups = 5}, RolloutGoal{}}) {
    scheduler->Begin(goal);
    Add(*scheduler, {.prompt = 5, .limit = 20}, 2);
    ASSERT_NE(FirstDecode(*scheduler), nullptr);
    EXPECT_EQ(scheduler->NextAhead() != nullptr, goal.budget == kNoLimit && goal.groups == kNoLimit);
  }
}

TEST(SchedulerAhead, NoneWhereSomethingMayBeAdmitted) {
  // Four of five have the slots: one waits, and gets one when one of them ends.
  auto scheduler = Make(kRoomy);
  Add(*scheduler, {.group = 0, .prompt = 5, .limit = 20});
  Add(*scheduler, {.group = 1, .prompt = 5, .limit = 3});
  Add(*scheduler, {.group = 2, .prompt = 5, .limit = 20}, 3);
  const Step *step = FirstDecode(*scheduler);
  ASSERT_EQ(step->rows, 4);
  ASSERT_NE(scheduler->NextAhead(), nullptr) << "there is no slot for it";
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0, 0});
  EXPECT_EQ(scheduler->NextAhead(), nullptr) << "one ends for certain";
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0, 0});
  EXPECT_EQ(scheduler->active(), 3);
  // And when one ends by itself.
  scheduler->Begin();
  Add(*scheduler, {.prompt = 5, .limit = 20}, 5);
  ASSERT_NE(FirstDecode(*scheduler), nullptr);
  ASSERT_NE(scheduler->NextAhead(), nullptr);
  scheduler->Complete(std::vector<uint8_t>{0, 1, 0, 0});
  EXPECT_EQ(scheduler->NextAhead(), nullptr);
  scheduler->Complete(std::vector<uint8_t>{0, 0, 0, 0});
  EXPECT_EQ(scheduler->Next()->sampled.back(), 4);
}

// There is a slot, and no room in the pool.
TEST(SchedulerAhead, WhatHasNoRoomDoesNotMatter) {
  for (bool ends : {false, true}) {
    // Each has two blocks.
    auto scheduler = Make({.slots = 4, .rows = 64, .blocks = 5, .max_context = 48});
    for (int64_t i = 0; i < 3; ++i)
      Add(*scheduler, {.group = i, .prompt = 17, .limit = 20});
    ASSERT_EQ(FirstDecode(*scheduler)->rows, 2);
    ASSERT_EQ(scheduler->waiting(), 1);
    ASSERT_NE(scheduler->NextAhead(), nullptr);
    scheduler->Complete(std::vector<uint8_t>{ends, 0});
    EXPECT_EQ(scheduler->NextAhead() != nullptr, !ends);
  }
}

TEST(SchedulerAhead, NoneWithoutABlock) {
  // Two of 5 + 10 tokens have one block each; behind position 15 both need another one.
  for (int64_t blocks : {3, 4}) {
    auto scheduler = Make({.slots = 2, .rows = 64, .blocks = blocks, .max_context = 48});
    Add(*scheduler, {.group = 0, .prompt = 5, .limit = 40});
    Add(*scheduler, {.group = 1, .prompt = 5, .limit = 40});
    const Step *step = FirstDecode(*scheduler), *ahead = nullptr;
    for (; step->pieces[0].first < 15; step = ahead) {
      ahead = scheduler->NextAhead();
      ASSERT_NE(ahead, nullptr);
      EXPECT_TRUE(ahead->edits.empty());
      scheduler->Complete(std::vector<uint8_t>{0, 0});
    }
    ahead = scheduler->NextAhead();
    ASSERT_EQ(ahead != nullptr, blocks == 4);
    EXPECT_EQ(scheduler->pool().used(), ahead ? 4 : 2);
    EXPECT_EQ(scheduler->stats().preemptions, 0);
    if (!ahead)
      continue;
    ASSERT_EQ(ahead->edits.size(), 2u);
    EXPECT_EQ(ahead->edits[1].slot, ahead->pieces[1].slot);
    EXPECT_EQ(ahead->edits[1].begin, 1);
    EXPECT_EQ(ahead->edits[1].end, 2);
  }
}

TEST(SchedulerAhead, NoneWhereKeptBlocksAreAtStake) {
  // Two blocks each; four are in the pool, and an admission leaves none.
  auto scheduler = Make({.slots = 2, .rows = 64, .blocks = 4, .max_context = 32});
  SequenceSpec keeps = {.prompt = 5, .limit = 20, .budget = 10, .key = 1}, other = {.group = 1, .prompt = 5, .limit = 20};
  Add(*scheduler, keeps);
  Add(*scheduler, other, 2);
  const Step *step = FirstDecode(*scheduler);
  for (; step; step = scheduler->Next()) {
    EXPECT_EQ(scheduler->NextAhead(), nullptr);
    scheduler->Complete(std::vector<uint8_t>{0});
  }
  ASSERT_EQ(scheduler->kept().size(), 1u);
  // A block of another one, and room for one that is at its end beside it, or for two.
  for (int64_t count : {1, 2}) {
    scheduler->Begin();
    Add(*scheduler, other, count);
    ASSERT_NE(FirstDecode(*scheduler), nullptr);
    EXPECT_EQ(scheduler->NextAhead() != nullptr, count == 1);
  }
  // It has them again, and goes on to its end.
  scheduler->Begin();
  keeps.response = 10;
  keeps.budget = kNoLimit;
  Add(*scheduler, keeps);
  ASSERT_NE(FirstDecode(*scheduler), nullptr);
  EXPECT_NE(scheduler->NextAhead(), nullptr);
}

// An admission asks for more than its own blocks where the slots have not room for the longest sequences.
TEST(SchedulerAhead, WhatAdmissionsLeaveCounts) {
  for (int64_t count : {5, 6}) {
    auto scheduler = Make({.slots = 8, .rows = 64, .blocks = 12, .max_context = 32});
    for (int64_t i = 0; i < count; ++i)
      Add(*scheduler, {.group = i, .prompt = 5, .limit = 20, .budget = 10, .key = i});
    ASSERT_NE(FirstDecode(*scheduler), nullptr);
    EXPECT_EQ(scheduler->NextAhead() != nullptr, count == 5);
  }
}

TEST(SchedulerAhead, NoneOfTooManyRuns) {
  for (int64_t runs : {Scheduler::kMostRuns, Scheduler::kMostRuns + 1}) {
    auto scheduler = Make({.slots = 20, .rows = 64, .blocks = 64, .max_context = 48});
    Add(*scheduler, {.prompt = 5, .limit = 40}, 2 * runs);
    ASSERT_NE(FirstDecode(*scheduler), nullptr);
    ASSERT_NE(scheduler->NextAhead(), nullptr);
    std::vector<uint8_t> stop;
    for (int64_t i = 0; i < 2 * runs; ++i)
      stop.push_back(i % 2 == 0);
    scheduler->Complete(stop);
    EXPECT_EQ(scheduler->NextAhead() != nullptr, runs <= Scheduler::kMostRuns);
  }
}

} // namespace
} // namespace mirl::rt::test
