// The scheduler keeps its promises for settings that are drawn.

#include <algorithm>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "test/runtime/train/SchedulerDriver.h"

namespace mirl::rt::test {
namespace {

// Drawn from a seed that a failure prints. MIRL_SEED repeats one.
struct Draw {
  const char *given = std::getenv("MIRL_SEED");
  unsigned long seed = given ? std::strtoul(given, nullptr, 10) : std::random_device()();
  std::mt19937 random{static_cast<std::mt19937::result_type>(seed)};

  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  // Half of the pools have at most `spare` blocks more than the longest sequence needs.
  SchedulerLimits limits(int64_t spare) {
    SchedulerLimits limits;
    limits.max_context = (*this)(2, 200);
    limits.slots = (*this)(1, 20);
    limits.rows = limits.slots + (*this)(0, 60);
    limits.blocks = BlocksOf(limits.max_context) +
                    ((*this)(0, 1) ? (*this)(0, spare) : (*this)(0, 100));
    limits.chunk = (*this)(0, 1) ? (*this)(1, 20) : 0;
    return limits;
  }
};

// Anything at all.
TEST(Scheduler, HoldsWhatItPromisesForDrawnSettings) {
  Draw draw;
  SCOPED_TRACE(testing::Message() << "MIRL_SEED=" << draw.seed);
  int64_t preemptions = 0, copies = 0, suspended = 0, ahead = 0, dead = 0;
  for (int round = 0; round < 400; ++round) {
    SchedulerLimits limits = draw.limits(/*spare=*/4);
    auto scheduler = Make(limits);
    for (int again = 0; again < 2; ++again) {
      bool total = draw(0, 3) == 0;
      scheduler->Begin({.budget = total ? draw(1, 500) : kNoLimit});
      std::vector<SequenceSpec> specs;
      std::vector<int64_t> lengths;
      int64_t groups = draw(1, 8), n = draw(1, 6), budget = draw(0, 3) ? kNoLimit : draw(1, 50);
      for (int64_t group = 0; group < groups; ++group) {
        int64_t prompt = draw(1, limits.max_context - 1), limit = limits.max_context - prompt;
        for (int64_t sample = 0; sample < n; ++sample) {
          SequenceSpec spec{.group = group, .prompt = prompt, .limit = limit, .budget = budget};
          spec.response = draw(0, 3) ? 0 : draw(0, limit - 1);
          spec.overdue = draw(0, 9) == 0;
          specs.push_back(spec);
          ASSERT_TRUE(scheduler->Add(spec).ok());
          lengths.push_back(spec.response + draw(1, limit)); // Some are cut by the limit.
        }
      }
      Engine engine(*scheduler, specs);
      int64_t often = draw(0, 4); // that a step is ahead
      ASSERT_NO_FATAL_FAILURE(engine.RunToLengths(lengths, [&] { return draw(1, 4) <= often; })) << "round " << round;
      for (size_t i = 0; i < specs.size(); ++i) {
        const SequenceSpec &spec = specs[i];
        SequenceState state = scheduler->state(static_cast<int64_t>(i));
        int64_t end = std::min(lengths[i], spec.limit), length = engine.lengths()[i];
        ASSERT_EQ(engine.ended(i), length == end ? 1 : 0) << "round " << round << " sequence " << i;
        ASSERT_EQ(state, length == end ? SequenceState::ended : SequenceState::suspended);
        if (spec.overdue)
          ASSERT_EQ(length, end);
        else
          ASSERT_LE(length - spec.response, budget);
        if (!total && length < end)
          ASSERT_EQ(length - spec.response, budget);
        suspended += state == SequenceState::suspended;
      }
      ASSERT_EQ(scheduler->pool().used(), 0);
      preemptions += scheduler->stats().preemptions;
      copies += scheduler->stats().copies;
      ahead += scheduler->stats().ahead_steps;
      dead += scheduler->stats().dead_rows;
    }
  }
  // It did meet what is hard.
  EXPECT_GT(preemptions, 100);
  EXPECT_GT(copies, 100);
  EXPECT_GT(suspended, 100);
  EXPECT_GT(ahead, 1000);
  EXPECT_GT(dead, 100);
}

// The same of rollouts of which the next one goes on with what is kept, with other weights or not.
TEST(Scheduler, KeepsWhatItPromisesForDrawnSettings) {
  Draw draw;
  SCOPED_TRACE(testing::Message() << "MIRL_SEED=" << draw.seed);
  int64_t kept = 0, given_up = 0, preemptions = 0;
  for (int round = 0; round < 300; ++round) {
    SchedulerLimits limits = draw.limits(/*spare=*/20);
    auto scheduler = Make(limits);
    Cache cache(*scheduler);
    std::vector<SequenceSpec> specs;
    std::vector<int64_t> lengths;
    int64_t groups = draw(1, 8), n = draw(1, 6);
    for (int64_t group = 0; group < groups; ++group) {
      int64_t prompt = draw(1, limits.max_context - 1), limit = limits.max_context - prompt;
      for (int64_t sample = 0; sample < n; ++sample) {
        specs.push_back({.group = group, .prompt = prompt, .limit = limit,
                         .key = static_cast<int64_t>(specs.size())});
        lengths.push_back(draw(1, limit));
      }
    }
    int64_t weights = 0;
    for (int again = 0; !specs.empty(); ++again) {
      ASSERT_LT(again, 5000);
      weights += draw(0, 1);
      scheduler->Begin({.budget = draw(0, 1) ? draw(1, 300) : kNoLimit}, weights);
      int64_t budget = draw(0, 2) ? draw(1, 50) : kNoLimit;
      for (SequenceSpec &spec : specs) {
        spec.budget = budget;
        ASSERT_TRUE(scheduler->Add(spec).ok());
      }
      Engine engine(*scheduler, specs, &cache, weights);
      ASSERT_NO_FATAL_FAILURE(engine.RunToLengths(lengths)) << "round " << round;
      kept += scheduler->stats().kept;
      given_up += scheduler->stats().given_up;
      preemptions += scheduler->stats().preemptions;
      std::vector<SequenceSpec> left;
      std::vector<int64_t> left_lengths;
      for (size_t i = 0; i < specs.size(); ++i) {
        ASSERT_LE(engine.lengths()[i], lengths[i]);
        specs[i].response = engine.lengths()[i];
        if (engine.ended(i))
          continue;
        left.push_back(specs[i]);
        left_lengths.push_back(lengths[i]);
      }
      specs = left;
      lengths = left_lengths;
    }
    ASSERT_TRUE(scheduler->kept().empty());
    ASSERT_EQ(scheduler->pool().used(), 0);
  }
  EXPECT_GT(kept, 1000);
  EXPECT_GT(given_up, 100);
  EXPECT_GT(preemptions, 100);
}

// With steps ahead or without: what is kept, what of it is used and what is given up is the same, since it is
// computed again with other weights.
TEST(Scheduler, StepsAheadChangeNothingOfWhatIsKept) {
  Draw draw;
  SCOPED_TRACE(testing::Message() << "MIRL_SEED=" << draw.seed);
  int64_t ahead = 0, ahead_of_kept = 0, given_up = 0;
  for (int round = 0; round < 200; ++round) {
    SchedulerLimits limits = draw.limits(/*spare=*/20);
    std::unique_ptr<Scheduler> schedulers[] = {Make(limits), Make(limits)};
    Cache caches[] = {Cache(*schedulers[0]), Cache(*schedulers[0])};
    std::vector<SequenceSpec> specs;
    std::vector<int64_t> lengths;
    int64_t prompt = draw(1, limits.max_context - 1), n = draw(1, 30);
    for (int64_t i = 0; i < n; ++i) {
      specs.push_back({.group = i, .prompt = prompt, .limit = limits.max_context - prompt, .key = i});
      lengths.push_back(draw(1, specs.back().limit));
    }
    for (int again = 0; !specs.empty(); ++again) {
      // All go on without a budget once in a while, and leave others' blocks behind.
      int64_t budget = draw(0, 2) ? draw(1, 50) : kNoLimit;
      std::vector<SequenceSpec> some;
      std::vector<int64_t> some_lengths;
      std::vector<size_t> which;
      for (size_t i = 0; i < specs.size(); ++i)
        if (draw(0, 3)) {
          some.push_back(specs[i]);
          some.back().budget = budget;
          some_lengths.push_back(lengths[i]);
          which.push_back(i);
        }
      std::vector<int64_t> reached[2];
      for (size_t k : {0u, 1u}) {
        schedulers[k]->Begin({}, again);
        for (const SequenceSpec &spec : some)
          ASSERT_TRUE(schedulers[k]->Add(spec).ok());
        Engine engine(*schedulers[k], some, &caches[k], again);
        ASSERT_NO_FATAL_FAILURE(engine.RunToLengths(some_lengths, [&] { return k == 1; })) << "round " << round;
        reached[k] = engine.lengths();
      }
      ASSERT_EQ(reached[0], reached[1]);
      ASSERT_EQ(schedulers[0]->stats().kept_positions, schedulers[1]->stats().kept_positions);
      ASSERT_EQ(schedulers[0]->stats().given_up, schedulers[1]->stats().given_up);
      ASSERT_EQ(schedulers[0]->kept().size(), schedulers[1]->kept().size());
      for (const auto &[key, kept] : schedulers[0]->kept())
        ASSERT_EQ(kept.computed, schedulers[1]->kept().at(key).computed);
      ahead += schedulers[1]->stats().ahead_steps;
      ahead_of_kept += budget == kNoLimit ? 0 : schedulers[1]->stats().ahead_steps;
      given_up += schedulers[1]->stats().given_up;
      for (size_t i = which.size(); i-- > 0;) {
        specs[which[i]].response = reached[0][i];
        if (reached[0][i] < some_lengths[i])
          continue;
        specs.erase(specs.begin() + static_cast<int64_t>(which[i]));
        lengths.erase(lengths.begin() + static_cast<int64_t>(which[i]));
      }
    }
  }
  EXPECT_GT(ahead, 100);
  EXPECT_GT(ahead_of_kept, 100);
  EXPECT_GT(given_up, 100);
}

} // namespace
} // namespace mirl::rt::test
