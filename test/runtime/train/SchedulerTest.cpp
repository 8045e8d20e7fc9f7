#include "runtime/rollout/Scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mirl::rt {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Scheduler> Make(const SchedulerLimits &limits) {
  auto scheduler = Scheduler::Create(limits);
  EXPECT_TRUE(scheduler.ok()) << scheduler.status();
  return scheduler.ok() ? *std::move(scheduler) : nullptr;
}

// A KV cache that remembers whose token each position holds, and the weights that it was computed with.
struct Cache {
  explicit Cache(const Scheduler &scheduler)
      : tokens(static_cast<size_t>(scheduler.limits().blocks) * kBlockTokens), weights(tokens.size()) {}
  std::vector<uint64_t> tokens;
  std::vector<int64_t> weights;
};

// A driver that checks every step: what a row would read must be its own sequence's past. `cache`: of
// the rollouts before, when something of them is kept.
class Engine {
public:
  Engine(Scheduler &scheduler, std::vector<SequenceSpec> specs, Cache *cache = nullptr,
         int64_t weights = 0)
      : scheduler_(scheduler), specs_(std::move(specs)), lengths_(specs_.size()),
        ended_(specs_.size()), own_(scheduler), cache_(cache ? *cache : own_), weights_(weights),
        table_(static_cast<size_t>(scheduler.limits().slots * scheduler.width()), -1) {
    for (size_t i = 0; i < specs_.size(); ++i)
      lengths_[i] = specs_[i].response;
  }

  // What position p of sequence i holds.
  uint64_t Token(int64_t i, int64_t p) const {
    const SequenceSpec &spec = specs_[static_cast<size_t>(i)];
    int64_t own = spec.key >= 0 ? spec.key : i;
    auto key = static_cast<uint64_t>(p < spec.prompt ? spec.group : own + (1 << 20));
    return (key << 24 | static_cast<uint64_t>(p)) + 1;
  }

  // `end(i, length)`: whether the token that makes the response so long ends it.
  template <typename End> void Run(End end) {
    std::vector<uint8_t> stop;
    while (const Step *step = scheduler_.Next()) {
      ASSERT_NO_FATAL_FAILURE(Check(*step));
      stop.clear();
      for (int32_t i : step->sampled) {
        auto &length = lengths_[static_cast<size_t>(i)];
        ++length;
        ++tokens_;
        stop.push_back(end(i, length));
      }
      std::vector<int32_t> sampled = step->sampled;
      scheduler_.Complete(stop);
      for (int32_t i : sampled)
        ended_[static_cast<size_t>(i)] += scheduler_.state(i) == SequenceState::ended;
      ASSERT_NO_FATAL_FAILURE(CheckBlocks());
      ASSERT_LT(++steps_, 1'000'000) << "it does not end";
    }
  }

  // `length`: of each sequence's response when it ends by itself.
  void RunToLengths(const std::vector<int64_t> &lengths) {
    Run([&](int32_t i, int64_t length) { return length >= lengths[static_cast<size_t>(i)]; });
  }

  const std::vector<int64_t> &lengths() const { return lengths_; }
  int ended(size_t i) const { return ended_[i]; }
  int64_t tokens() const { return tokens_; }

private:
  void Check(const Step &step) {
    ASSERT_FALSE(step.pieces.empty());
    ASSERT_LE(step.rows, scheduler_.limits().rows);
    auto place = [&](int64_t block, int64_t within) {
      return static_cast<size_t>(block * kBlockTokens + within);
    };
    auto at = [&](int64_t block, int64_t within) -> uint64_t & {
      return cache_.tokens[place(block, within)];
    };
    for (const BlockCopy &copy : step.copies)
      for (int64_t i = 0; i < kBlockTokens; ++i) {
        at(copy.to, i) = at(copy.from, i);
        cache_.weights[place(copy.to, i)] = cache_.weights[place(copy.from, i)];
      }
    int64_t width = scheduler_.width();
    for (const TableEdit &edit : step.edits)
      for (int64_t b = edit.begin; b < edit.end; ++b)
        table_[static_cast<size_t>(edit.slot * width + b)] = scheduler_.table(edit.slot)[b];
    auto block = [&](int64_t slot, int64_t p) {
      return table_[static_cast<size_t>(slot * width + p / kBlockTokens)];
    };
    // All keys are written before any is read, as in a layer.
    std::set<int32_t> slots, once;
    int64_t rows = 0;
    for (const Piece &piece : step.pieces) {
      ASSERT_GE(piece.count, 1);
      ASSERT_TRUE(slots.insert(piece.slot).second) << "a slot belongs to one sequence";
      rows += piece.count;
      for (int64_t p = piece.first; p < piece.first + piece.count; ++p) {
        ASSERT_EQ(scheduler_.pool().owners(block(piece.slot, p)) > 1 && piece.samples <= 1, false)
            << "written while others own it";
        at(block(piece.slot, p), p % kBlockTokens) = Token(piece.sequence, p);
        cache_.weights[place(block(piece.slot, p), p % kBlockTokens)] = weights_;
      }
    }
    ASSERT_EQ(rows, step.rows);
    size_t k = 0;
    for (const Piece &piece : step.pieces) {
      for (int64_t p = 0; p < piece.first + piece.count; ++p)
        ASSERT_EQ(at(block(piece.slot, p), p % kBlockTokens), Token(piece.sequence, p))
            << "sequence " << piece.sequence << " position " << p;
      // Older weights' keys are for those that had them.
      if (specs_[static_cast<size_t>(piece.sequence)].response == 0)
        for (int64_t p = 0; p < piece.first + piece.count; ++p)
          ASSERT_EQ(cache_.weights[place(block(piece.slot, p), p % kBlockTokens)], weights_)
              << "sequence " << piece.sequence << " position " << p;
      for (int32_t s = 0; s < piece.samples; ++s, ++k) {
        int32_t sampler = step.sampled[k];
        ASSERT_TRUE(once.insert(sampler).second) << "one token a step";
        const SequenceSpec &spec = specs_[static_cast<size_t>(sampler)];
        ASSERT_EQ(piece.first + piece.count, spec.prompt + lengths_[static_cast<size_t>(sampler)])
            << "the last known token predicts the next";
        ASSERT_EQ(spec.group, specs_[static_cast<size_t>(piece.sequence)].group);
      }
    }
    ASSERT_EQ(k, step.sampled.size());
    if (step.decode) {
      ASSERT_EQ(step.sampled.size(), step.pieces.size());
      ASSERT_EQ(static_cast<size_t>(step.rows), step.pieces.size());
    }
  }

  // No block leaked or doubly owned.
  void CheckBlocks() {
    std::map<int32_t, int32_t> owners;
    for (int64_t slot = 0; slot < scheduler_.limits().slots; ++slot)
      for (int64_t b = 0; b < scheduler_.blocks_of_slot(slot); ++b)
        ++owners[scheduler_.table(slot)[b]];
    for (int32_t block : scheduler_.held())
      ++owners[block];
    for (const auto &[key, kept] : scheduler_.kept()) {
      ASSERT_EQ(static_cast<int64_t>(kept.blocks.size()), BlocksOf(kept.computed));
      for (int32_t block : kept.blocks)
        ++owners[block];
    }
    for (const auto &[block, count] : owners)
      ASSERT_EQ(scheduler_.pool().owners(block), count) << "block " << block;
    ASSERT_EQ(scheduler_.pool().used(), static_cast<int64_t>(owners.size()));
    ASSERT_LE(scheduler_.unused_positions(), kBlockTokens * scheduler_.active());
  }

  Scheduler &scheduler_;
  std::vector<SequenceSpec> specs_;
  std::vector<int64_t> lengths_;
  std::vector<int> ended_;
  Cache own_;
  Cache &cache_;
  int64_t weights_;
  std::vector<int32_t> table_;
  int64_t tokens_ = 0, steps_ = 0;
};

std::vector<SequenceSpec> Specs(Scheduler &scheduler, int64_t groups, int64_t n, int64_t prompt,
                                int64_t limit, int64_t budget = kNoLimit) {
  std::vector<SequenceSpec> specs;
  for (int64_t i = 0; i < groups * n; ++i) {
    specs.push_back({.group = i / n, .prompt = prompt, .limit = limit, .budget = budget});
    absl::Status status = scheduler.Add(specs.back());
    EXPECT_TRUE(status.ok()) << status;
  }
  return specs;
}

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
  int64_t preemptions = 0, copies = 0, suspended = 0;
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
      ASSERT_NO_FATAL_FAILURE(engine.RunToLengths(lengths)) << "round " << round;
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
    }
  }
  // It did meet what is hard.
  EXPECT_GT(preemptions, 100);
  EXPECT_GT(copies, 100);
  EXPECT_GT(suspended, 100);
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

} // namespace
} // namespace mirl::rt
