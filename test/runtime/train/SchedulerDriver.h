// Drives a scheduler without a model, and checks every step against a cache that knows whose token each
// position holds.

#ifndef MIRL_TEST_RUNTIME_TRAIN_SCHEDULERDRIVER_H
#define MIRL_TEST_RUNTIME_TRAIN_SCHEDULERDRIVER_H

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/rollout/Scheduler.h"

namespace mirl::rt::test {

inline std::unique_ptr<Scheduler> Make(const SchedulerLimits &limits) {
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

  using Ahead = std::function<bool()>;
  // `end(i, length)`: whether the token that makes the response so long ends it. `ahead()`: whether a step
  // is to be ahead now, if it can.
  template <typename End> void Run(End end, const Ahead &ahead = nullptr) {
    std::vector<uint8_t> stop;
    const Step *step = scheduler_.Next();
    if (step)
      ASSERT_NO_FATAL_FAILURE(Check(*step));
    while (step) {
      const Step *next = ahead && ahead() ? scheduler_.NextAhead() : nullptr;
      if (next) // The device runs it behind the other one, whatever the tokens are.
        ASSERT_NO_FATAL_FAILURE(Check(*next, step));
      stop.clear();
      std::vector<int32_t> sampled;
      for (int32_t i : step->sampled) {
        SequenceState state = scheduler_.state(i);
        if (state == SequenceState::ended || state == SequenceState::suspended) {
          stop.push_back(steps_ % 2 == 0);
          continue;
        }
        auto &length = lengths_[static_cast<size_t>(i)];
        ++length;
        ++tokens_;
        sampled.push_back(i);
        stop.push_back(end(i, length));
      }
      scheduler_.Complete(stop);
      for (int32_t i : sampled)
        ended_[static_cast<size_t>(i)] += scheduler_.state(i) == SequenceState::ended;
      ASSERT_NO_FATAL_FAILURE(CheckBlocks());
      ASSERT_EQ(scheduler_.stats().sampled, tokens_) << "nothing is counted ahead";
      ASSERT_LT(++steps_, 1'000'000) << "it does not end";
      if (!next) {
        next = scheduler_.Next();
        if (next)
          ASSERT_NO_FATAL_FAILURE(Check(*next));
      }
      step = next;
    }
  }

  // `length`: of each sequence's response when it ends by itself.
  void RunToLengths(const std::vector<int64_t> &lengths, const Ahead &ahead = nullptr) {
    Run([&](int32_t i, int64_t length) { return length >= lengths[static_cast<size_t>(i)]; }, ahead);
  }

  const std::vector<int64_t> &lengths() const { return lengths_; }
  int ended(size_t i) const { return ended_[i]; }
  int64_t tokens() const { return tokens_; }

private:
  // `before`: that it is ahead of the tokens of.
  void Check(const Step &step, const Step *before = nullptr) {
    ASSERT_FALSE(step.pieces.empty());
    ASSERT_EQ(step.carried.empty(), before == nullptr);
    if (before) {
      ASSERT_TRUE(before->decode && step.decode && step.copies.empty());
      ASSERT_LE(static_cast<int64_t>(step.carried.size()), Scheduler::kMostRuns);
      int32_t row = 0;
      for (const RowRun &run : step.carried) {
        ASSERT_EQ(run.to, row);
        for (int32_t i = 0; i < run.count; ++i, ++row)
          ASSERT_EQ(before->sampled.at(static_cast<size_t>(run.from + i)), step.sampled.at(static_cast<size_t>(row)));
      }
      ASSERT_EQ(row, step.rows);
    }
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
        ASSERT_EQ(piece.first + piece.count, spec.prompt + lengths_[static_cast<size_t>(sampler)] + (before != nullptr))
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

inline std::vector<SequenceSpec> Specs(Scheduler &scheduler, int64_t groups, int64_t n, int64_t prompt,
                                int64_t limit, int64_t budget = kNoLimit) {
  std::vector<SequenceSpec> specs;
  for (int64_t i = 0; i < groups * n; ++i) {
    specs.push_back({.group = i / n, .prompt = prompt, .limit = limit, .budget = budget});
    absl::Status status = scheduler.Add(specs.back());
    EXPECT_TRUE(status.ok()) << status;
  }
  return specs;
}

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_TRAIN_SCHEDULERDRIVER_H
