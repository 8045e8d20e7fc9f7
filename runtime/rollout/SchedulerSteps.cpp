// Scheduler: its steps, as they come, one ahead of the tokens of the one before perhaps, and are done.

#include <algorithm>

#include "runtime/rollout/Scheduler.h"

namespace mirl::rt {

void Scheduler::Clear(Step &step) {
  step.copies.clear();
  step.edits.clear();
  step.pieces.clear();
  step.sampled.clear();
  step.carried.clear();
  step.rows = 0;
  step.decode = true;
}

const Step *Scheduler::Next() {
  Clear(*step_);
  if (stats_.steps == 0 && ReachedGoal())
    SuspendRest();
  if (unfinished_ == 0)
    return nullptr;
  samples_left_ = goal_.budget;
  Advance();
  open_steps_ = 1;
  Count(*step_);
  return step_;
}

void Scheduler::Count(const Step &step) {
  ++stats_.steps;
  stats_.decode_steps += step.decode;
  stats_.rows += step.rows;
  stats_.sampled += static_cast<int64_t>(step.sampled.size());
  stats_.copies += static_cast<int64_t>(step.copies.size());
  stats_.peak_blocks = std::max(stats_.peak_blocks, pool_.used());
  if (step.carried.empty())
    return;
  ++stats_.ahead_steps;
  for (const Piece &piece : step.pieces) {
    stats_.kv_reads += piece.first + 1;
    stats_.dead_rows += at(piece.sequence).gone();
    stats_.sampled -= at(piece.sequence).gone();
  }
}

bool Scheduler::HasRoomForAll() const {
  // An admission leaves something to the active ones (Reserved), unless all slots have room for the longest sequences.
  int64_t reserved = limits_.slots * width_ <= pool_.size() ? 0 : limits_.slots / 4;
  return most_blocks_ + reserved <= pool_.size();
}

bool Scheduler::MayGoAhead() const {
  if (open_steps_ != 1 || !step_->decode || goal_.budget != kNoLimit || goal_.groups != kNoLimit)
    return false;
  // A dead row puts off what waits, and so which of the kept blocks are given up, if any are. What lost them is computed
  // again, with other weights perhaps.
  if ((may_keep_ || !kept_.empty()) && !HasRoomForAll())
    return false;
  if (waiting() == 0 || free_slots_.empty())
    return true;
  // The oldest that waits has no room?
  const Sequence &s = at(next_);
  bool shares = held_group_ == s.spec.group || HasRelative(s.spec.group);
  return pool_.free() < Missing(s) - (shares ? SharedTokens(s) / kBlockTokens : 0) + Reserved();
}

// Its pieces, runs and edits, without blocks.
bool Scheduler::FindAhead(const Step &before, Step &step) const {
  int64_t missing = 0;
  for (size_t row = 0; row < before.pieces.size(); ++row) {
    const Piece &piece = before.pieces[row];
    const Sequence &s = at(piece.sequence);
    if (s.gone())
      continue;
    if (s.ends()) {
      if (waiting() > 0) // It gets this one's slot.
        return false;
      continue;
    }
    auto from = static_cast<int32_t>(row), to = static_cast<int32_t>(step.pieces.size());
    if (!step.carried.empty() && step.carried.back().from + step.carried.back().count == from)
      ++step.carried.back().count;
    else if (static_cast<int64_t>(step.carried.size()) < kMostRuns)
      step.carried.push_back({from, to, 1});
    else
      return false;
    // Its last block has no other owner: the step before writes into it.
    if (int64_t block = (piece.first + 1) / kBlockTokens; block >= blocks_of_slot(s.slot)) {
      ++missing;
      step.edits.push_back({s.slot, static_cast<int32_t>(block), static_cast<int32_t>(block) + 1});
    }
    step.pieces.push_back({piece.sequence, s.slot, piece.first + 1, 1, 1});
    step.sampled.push_back(piece.sequence);
  }
  step.rows = static_cast<int64_t>(step.pieces.size());
  return missing <= pool_.free();
}

const Step *Scheduler::NextAhead() {
  Step &step = step_ == steps_ ? steps_[1] : steps_[0];
  if (!MayGoAhead())
    return nullptr;
  Clear(step);
  if (!FindAhead(*step_, step) || step.rows == 0)
    return nullptr;
  for (const TableEdit &edit : step.edits) {
    table_[static_cast<size_t>(edit.slot * width_ + edit.begin)] = pool_.Allocate();
    ++slot_blocks_[static_cast<size_t>(edit.slot)];
  }
  stats_.peak_blocks = std::max(stats_.peak_blocks, pool_.used());
  open_steps_ = 2;
  return &step;
}

void Scheduler::Complete(std::span<const uint8_t> stop) {
  const Step &step = *step_;
  if (!step.carried.empty())
    Count(step);
  for (const Piece &piece : step.pieces) {
    Sequence &s = at(piece.sequence);
    s.computed += piece.count;
    s.reached = std::max(s.reached, s.computed);
  }
  bool left = false;
  for (size_t i = 0; i < step.sampled.size(); ++i) {
    int32_t index = step.sampled[i];
    Sequence &s = at(index);
    if (s.gone())
      continue;
    ++s.known;
    ++s.sampled;
    if (goal_.budget > 0 && goal_.budget != kNoLimit)
      --goal_.budget;
    SequenceState state = SequenceState::running;
    if (stop[i] || s.known - s.spec.prompt >= s.spec.limit)
      state = SequenceState::ended;
    else if (s.sampled >= s.spec.budget && !s.spec.overdue)
      state = SequenceState::suspended;
    if (state == SequenceState::running)
      continue;
    if (state == SequenceState::ended)
      EndOne(s);
    Hold(s);
    Leave(index, state);
    left = true;
  }
  if (ReachedGoal()) {
    SuspendRest();
    left = true;
  }
  if (left) {
    std::erase_if(active_, [&](int32_t index) { return at(index).slot < 0; });
    if (held_group_ >= 0 && (next_ >= sequences() || at(next_).spec.group != held_group_))
      DropHeld();
  }
  if (--open_steps_ > 0)
    step_ = step_ == steps_ ? steps_ + 1 : steps_;
}

} // namespace mirl::rt
