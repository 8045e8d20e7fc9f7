#include "runtime/rollout/Scheduler.h"

#include <algorithm>
#include <utility>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

absl::StatusOr<std::unique_ptr<Scheduler>> Scheduler::Create(const SchedulerLimits &limits) {
  if (limits.slots < 1 || limits.max_context < 2)
    return Invalid("a rollout needs at least 1 slot and a context of 2 tokens; there are ",
                   limits.slots, " slots and a context of ", limits.max_context);
  if (limits.rows < limits.slots)
    return Invalid("a call has ", limits.rows, " rows; it needs one for each of the ", limits.slots,
                   " slots");
  if (int64_t longest = BlocksOf(limits.max_context); limits.blocks < longest)
    return Invalid("the KV pool has ", limits.blocks, " blocks of ", kBlockTokens,
                   " positions; one sequence of the longest length, ", limits.max_context,
                   " tokens, needs ", longest);
  if (limits.chunk < 0)
    return Invalid("the chunk of a prefill must not be negative, is ", limits.chunk);
  return std::unique_ptr<Scheduler>(new Scheduler(limits));
}

Scheduler::Scheduler(const SchedulerLimits &limits)
    : limits_(limits), width_(BlocksOf(limits.max_context)), pool_(limits.blocks) {
  auto slots = static_cast<size_t>(limits.slots), width = static_cast<size_t>(width_);
  table_.resize(slots * width);
  slot_blocks_.resize(slots);
  // The most that a step can need, so that no step allocates.
  free_slots_.reserve(slots);
  active_.reserve(slots);
  held_.reserve(width);
  for (Step &step : steps_) {
    step.copies.reserve(2 * slots);
    step.edits.reserve(4 * slots);
    step.pieces.reserve(2 * slots);
    step.sampled.reserve(slots);
    step.carried.reserve(kMostRuns);
  }
  Begin();
}

void Scheduler::Begin(const RolloutGoal &goal, int64_t weights) {
  for (int32_t index : active_)
    Vacate(at(index));
  active_.clear();
  DropHeld();
  sequences_.clear();
  free_slots_.clear();
  for (int64_t slot = limits_.slots; slot-- > 0;)
    free_slots_.push_back(static_cast<int32_t>(slot));
  most_blocks_ = 0;
  for (auto &[key, kept] : kept_) {
    kept.sequence = -1;
    most_blocks_ += static_cast<int64_t>(kept.blocks.size());
  }
  next_ = unfinished_ = 0;
  groups_.clear();
  ended_groups_ = overdue_groups_ = 0;
  open_steps_ = 0;
  may_keep_ = false;
  goal_ = goal;
  weights_ = weights;
  stats_ = {};
}

absl::Status Scheduler::Add(const SequenceSpec &spec) {
  if (spec.prompt < 1)
    return Invalid("a prompt must have at least one token");
  if (spec.limit < 1 || spec.prompt > limits_.max_context - spec.limit)
    return Invalid("a prompt of ", spec.prompt, " tokens and a response of 1 to ", spec.limit,
                   " do not fit the context of ", limits_.max_context, " tokens");
  if (spec.response < 0 || spec.response >= spec.limit)
    return Invalid("a response of ", spec.response, " tokens cannot go on to at most ", spec.limit);
  if (spec.budget < 1)
    return Invalid("a sequence's budget must be at least one token, is ", spec.budget);
  if (!sequences_.empty() && sequences_.back().spec.group == spec.group &&
      sequences_.back().spec.prompt != spec.prompt)
    return Invalid("the prompts of one group must be equal; they have ",
                   sequences_.back().spec.prompt, " and ", spec.prompt, " tokens");
  Sequence sequence;
  sequence.spec = spec;
  sequence.known = spec.prompt + spec.response;
  sequence.weights = weights_;
  if (auto kept = spec.key < 0 ? kept_.end() : kept_.find(spec.key); kept != kept_.end()) {
    if (kept->second.sequence >= 0) {
      // Given twice in a rollout; the first one has it.
    } else if (kept->second.computed < sequence.known && spec.response > 0) {
      kept->second.sequence = static_cast<int32_t>(sequences());
      sequence.kept = true;
      most_blocks_ -= static_cast<int64_t>(kept->second.blocks.size());
    } else { // Another one of this name.
      most_blocks_ -= static_cast<int64_t>(kept->second.blocks.size());
      for (int32_t block : kept->second.blocks)
        pool_.Release(block);
      kept_.erase(kept);
    }
  }
  if (sequences_.empty() || sequences_.back().spec.group != spec.group)
    groups_.push_back({});
  sequence.group = static_cast<int32_t>(groups_.size()) - 1;
  Group &group = groups_.back();
  ++group.open;
  overdue_groups_ += spec.overdue && !group.overdue;
  group.overdue |= spec.overdue;
  most_blocks_ += BlocksOf(spec.prompt + spec.limit);
  may_keep_ |= spec.key >= 0 && spec.budget != kNoLimit && !spec.overdue;
  sequences_.push_back(sequence);
  ++unfinished_;
  return absl::OkStatus();
}

SequenceState Scheduler::state(int64_t sequence) const {
  const Sequence &s = at(sequence);
  if (s.state != SequenceState::prefilling)
    return s.state;
  return s.computed + 1 < s.known ? SequenceState::prefilling : SequenceState::running;
}

int64_t Scheduler::unused_positions() const {
  int64_t unused = 0;
  for (int32_t index : active_) {
    const Sequence &s = at(index);
    unused += slot_blocks_[static_cast<size_t>(s.slot)] * kBlockTokens - s.computed;
  }
  return unused;
}

void Scheduler::AddPiece(int32_t index, int64_t count, bool samples, bool again) {
  Sequence &s = at(index);
  step_->pieces.push_back({index, s.slot, static_cast<int32_t>(s.computed),
                          static_cast<int32_t>(count), samples ? 1 : 0});
  step_->rows += count;
  stats_.kv_reads += count * s.computed + count * (count + 1) / 2;
  step_->decode &= count == 1 && samples;
  int64_t known = std::clamp<int64_t>(s.reached - s.computed, 0, count);
  stats_.recomputed_rows += known;
  if (!again && (count > 1 || !samples || s.computed < s.spec.prompt))
    stats_.prefill_rows += count - known;
  if (samples)
    TakeSample(index);
}

void Scheduler::TakeSample(int32_t index) {
  step_->sampled.push_back(index);
  if (samples_left_ > 0 && samples_left_ != kNoLimit)
    --samples_left_;
}

// Every active sequence has one row of the call; what is left goes to prompts, the oldest first.
void Scheduler::Advance() {
  int64_t extra = limits_.rows - active();
  if (limits_.chunk > 0)
    extra = std::min(extra, limits_.chunk);
  for (size_t i = 0; i < active_.size(); ++i) { // Reserve may shorten it.
    int32_t index = active_[i];
    Sequence &s = at(index);
    int64_t pending = s.known - s.computed, count = std::min(pending, 1 + extra);
    bool samples = count == pending;
    if (samples && !MaySample(s))
      continue; // Nothing more of it now: it will be suspended after this step.
    if (!Reserve(index, s.computed + count))
      break;
    extra -= count - 1;
    AddPiece(index, count, samples);
  }
  while (next_ < sequences() && !free_slots_.empty() && MaySample(at(next_))) {
    if (AdmitBesides())
      continue;
    if (extra < 1 || active() >= limits_.rows || !AdmitAlone(extra))
      break;
  }
}

const Scheduler::Sequence *Scheduler::Sibling(int64_t group, int64_t prompt) const {
  for (size_t i = active_.size(); i-- > 0;) {
    const Sequence &s = at(active_[i]);
    if (s.spec.group != group)
      return nullptr;
    if (s.weights != weights_)
      continue;
    // One that was admitted besides another has its prompt computed in this step.
    if (s.computed >= prompt && s.computed < s.known)
      return &s;
  }
  return nullptr;
}

// Whether an active sequence of the group has, or is to have, the prompt's keys of these weights.
bool Scheduler::HasRelative(int64_t group) const {
  for (size_t i = active_.size(); i-- > 0 && at(active_[i]).spec.group == group;)
    if (at(active_[i]).weights == weights_)
      return true;
  return false;
}

void Scheduler::Share(Sequence &sequence, const int32_t *source, int64_t count) {
  int32_t *own = row(sequence);
  for (int64_t b = 0; b < count; ++b) {
    own[b] = source[b];
    pool_.Share(own[b]);
  }
  blocks(sequence) = count;
  if (count > 0)
    step_->edits.push_back({sequence.slot, 0, static_cast<int32_t>(count)});
}

void Scheduler::Occupy(int32_t index) {
  Sequence &s = at(index);
  s.slot = free_slots_.back();
  s.state = SequenceState::prefilling;
  free_slots_.pop_back();
  active_.push_back(index);
  ++next_;
  SkipToWaiting();
}

// The oldest waiting sequence, when this step's last piece ends with the prompt that it has too:
// both sample their first token from the same row.
bool Scheduler::AdmitBesides() {
  auto index = static_cast<int32_t>(next_);
  Sequence &s = at(index);
  if (step_->pieces.empty() || s.spec.response > 0)
    return false;
  Piece &piece = step_->pieces.back();
  const Sequence &first = at(piece.sequence);
  if (piece.samples == 0 || first.spec.group != s.spec.group ||
      piece.first + piece.count != s.spec.prompt)
    return false;
  if (!FindRoom(1 + Reserved(), index)) // The copy of the prompt's last block.
    return false;
  Occupy(index);
  Share(s, row(first), BlocksOf(s.spec.prompt));
  s.computed = s.reached = s.spec.prompt;
  ++piece.samples;
  step_->decode = false;
  TakeSample(index);
  return true;
}

// Blocks that an admission leaves to the active sequences: enough for all to go on for some steps, or
// the next preemption would be that of the one that was admitted.
int64_t Scheduler::Reserved() const {
  return (active() + 1) * width_ <= pool_.size() ? 0 : active() / 4;
}

// Blocks that are to be taken from the pool until all known tokens and the next one are computed.
int64_t Scheduler::Missing(const Sequence &sequence) const {
  return BlocksOf(std::min(sequence.known + 1, limits_.max_context));
}

// Its first token comes from the prompt's last, so that must be fed even if it is in the cache.
int64_t Scheduler::SharedTokens(const Sequence &sequence) {
  return sequence.known > sequence.spec.prompt ? sequence.spec.prompt : sequence.spec.prompt - 1;
}

// The oldest waiting sequence with rows of its own.
bool Scheduler::AdmitAlone(int64_t &extra) {
  auto index = static_cast<int32_t>(next_);
  Sequence &s = at(index);
  int64_t prompt = s.spec.prompt;
  int64_t shared = SharedTokens(s);
  if (held_group_ >= 0 && held_group_ != s.spec.group)
    DropHeld();
  if (s.kept)
    return AdmitKept(extra);
  // The others of the group that are active; their prompt is being computed: wait for it.
  bool relatives = HasRelative(s.spec.group);
  const Sequence *sibling = relatives ? Sibling(s.spec.group, prompt) : nullptr;
  if (relatives && !sibling)
    return false;
  bool there = sibling || held_group_ == s.spec.group, share = there && shared > 0;
  // Whole blocks stay shared; the one that is written first becomes a copy.
  int64_t needed = Missing(s) - (share ? shared / kBlockTokens : 0);
  if (!FindRoom(needed + Reserved(), index)) {
    if (!active_.empty())
      return false;
    DropHeld(); // Alone: with all blocks free it has room.
    share = false;
  }
  Occupy(index);
  s.computed = 0;
  if (share) {
    Share(s, sibling ? row(*sibling) : held_.data(), BlocksOf(prompt));
    s.computed = shared;
    s.reached = std::max(s.reached, shared);
    if (!sibling && (next_ >= sequences() || at(next_).spec.group != held_group_))
      DropHeld();
  }
  int64_t count = std::min(s.known - s.computed, extra);
  if (!Reserve(index, s.computed + count))
    return false;
  extra -= count;
  AddPiece(index, count, s.computed + count == s.known, there && shared < prompt);
  return true;
}

// The oldest waiting sequence, with the blocks that were kept for it.
bool Scheduler::AdmitKept(int64_t &extra) {
  auto index = static_cast<int32_t>(next_);
  Sequence &s = at(index);
  auto entry = kept_.find(s.spec.key);
  const Kept &kept = entry->second;
  auto have = static_cast<int64_t>(kept.blocks.size());
  // A last block that others have too becomes a copy when it is written.
  int64_t needed = Missing(s) - have +
                   (kept.computed % kBlockTokens != 0 && pool_.owners(kept.blocks.back()) > 1);
  if (!FindRoom(needed + Reserved(), index)) {
    if (!active_.empty())
      return false;
    DropHeld(); // Alone: with all other blocks free it has room.
  }
  Occupy(index);
  std::copy(kept.blocks.begin(), kept.blocks.end(), row(s));
  blocks(s) = have;
  step_->edits.push_back({s.slot, 0, static_cast<int32_t>(have)});
  s.computed = s.reached = kept.computed;
  s.weights = kept.weights;
  s.kept = false;
  ++stats_.kept;
  stats_.kept_positions += kept.computed;
  kept_.erase(entry);
  int64_t count = std::min(s.known - s.computed, extra);
  if (!Reserve(index, s.computed + count))
    return false;
  extra -= count;
  AddPiece(index, count, s.computed + count == s.known);
  return true;
}

bool Scheduler::FindRoom(int64_t blocks, int32_t index) {
  while (pool_.free() < blocks)
    if (!GiveUp(index))
      return false;
  return true;
}

// What no sequence of this rollout has, else that of the youngest one. False when there is nothing.
bool Scheduler::GiveUp(int32_t except) {
  auto chosen = kept_.end();
  for (auto entry = kept_.begin(); entry != kept_.end(); ++entry) {
    int32_t sequence = entry->second.sequence;
    if (sequence >= 0 && sequence == except)
      continue;
    if (chosen == kept_.end() || sequence < 0 || sequence > chosen->second.sequence)
      chosen = entry;
    if (sequence < 0)
      break;
  }
  if (chosen == kept_.end())
    return false;
  for (int32_t block : chosen->second.blocks)
    pool_.Release(block);
  if (chosen->second.sequence >= 0)
    at(chosen->second.sequence).kept = false;
  kept_.erase(chosen);
  ++stats_.given_up;
  return true;
}

// Takes the blocks of a sequence that is suspended out of its slot.
void Scheduler::Keep(Sequence &sequence, int32_t index) {
  const int32_t *own = row(sequence);
  int64_t &count = blocks(sequence);
  Kept &kept = kept_[sequence.spec.key];
  for (int32_t block : kept.blocks) // Of another one of this name.
    pool_.Release(block);
  kept.blocks.assign(own, own + count);
  kept.computed = sequence.computed;
  kept.weights = sequence.weights;
  kept.sequence = index;
  count = 0; // Vacate has nothing to release.
}

void Scheduler::DropKept() {
  for (const auto &[key, kept] : kept_)
    for (int32_t block : kept.blocks)
      pool_.Release(block);
  kept_.clear();
}

std::vector<int32_t> Scheduler::RestoreKept(std::map<int64_t, Kept> kept, int64_t blocks) {
  DropKept();
  std::vector<int32_t> numbers;
  if (blocks > pool_.free())
    return numbers;
  for (int64_t i = 0; i < blocks; ++i)
    numbers.push_back(pool_.Allocate());
  for (auto &[key, entry] : kept)
    for (int32_t &block : entry.blocks) {
      block = numbers[static_cast<size_t>(block)];
      pool_.Share(block);
    }
  for (int32_t block : numbers) // Allocate's own.
    pool_.Release(block);
  kept_ = std::move(kept);
  return numbers;
}

bool Scheduler::Reserve(int32_t index, int64_t end) {
  Sequence &s = at(index);
  int64_t &count = blocks(s), first = count;
  int32_t *own = row(s);
  if (int64_t b = s.computed / kBlockTokens; b < count) {
    while (pool_.owners(own[b]) > 1) {
      int32_t copy = pool_.Allocate();
      if (copy < 0) {
        MakeRoom();
        if (s.slot < 0)
          return false;
        continue;
      }
      step_->copies.push_back({own[b], copy});
      pool_.Release(own[b]);
      own[b] = copy;
      first = b;
    }
  }
  for (int64_t wanted = BlocksOf(end); count < wanted;) {
    int32_t block = pool_.Allocate();
    if (block >= 0) {
      own[count++] = block;
      continue;
    }
    MakeRoom();
    if (s.slot < 0)
      return false;
  }
  if (first < count)
    step_->edits.push_back({s.slot, static_cast<int32_t>(first), static_cast<int32_t>(count)});
  return true;
}

// Takes blocks from whoever loses least: a prompt that is held, one that is kept, else the youngest
// active sequence.
void Scheduler::MakeRoom() {
  if (!held_.empty()) {
    DropHeld();
    return;
  }
  if (GiveUp(-1))
    return;
  int32_t index = active_.back();
  Sequence &s = at(index);
  active_.pop_back();
  Vacate(s);
  s.state = SequenceState::waiting;
  next_ = index;
  ++stats_.preemptions;
}

void Scheduler::Vacate(Sequence &sequence) {
  int32_t *own = row(sequence);
  int64_t &count = blocks(sequence);
  for (int64_t b = 0; b < count; ++b)
    pool_.Release(own[b]);
  count = 0;
  free_slots_.push_back(sequence.slot);
  sequence.slot = -1;
  sequence.computed = 0;
  sequence.weights = weights_;
}

// Keeps the prompt's blocks of a sequence that leaves, when one of its group waits for them.
void Scheduler::Hold(const Sequence &sequence) {
  if (next_ >= this->sequences() || at(next_).spec.group != sequence.spec.group ||
      sequence.computed < sequence.spec.prompt || sequence.weights != weights_ || !held_.empty())
    return;
  for (int32_t index : active_)
    if (const Sequence &other = at(index);
        &other != &sequence && other.spec.group == sequence.spec.group && other.slot >= 0 &&
        other.weights == weights_ && other.computed >= other.spec.prompt)
      return;
  held_group_ = sequence.spec.group;
  const int32_t *own = row(sequence);
  for (int64_t b = 0, count = BlocksOf(sequence.spec.prompt); b < count; ++b) {
    held_.push_back(own[b]);
    pool_.Share(own[b]);
  }
}

void Scheduler::DropHeld() {
  for (int32_t block : held_)
    pool_.Release(block);
  held_.clear();
  held_group_ = -1;
}

void Scheduler::SkipToWaiting() {
  while (next_ < sequences() && at(next_).state != SequenceState::waiting)
    ++next_;
}

void Scheduler::Leave(int32_t index, SequenceState state) {
  Sequence &s = at(index);
  if (s.slot >= 0) {
    // The keys of a sequence without a token are its prompt's alone; with older weights it could not
    // be told from one that the weights of its tokens sampled as a whole.
    if (state == SequenceState::suspended && s.spec.key >= 0 && s.known > s.spec.prompt &&
        s.computed > 0)
      Keep(s, index);
    Vacate(s);
  }
  s.state = state;
  --unfinished_;
}

void Scheduler::EndOne(const Sequence &sequence) {
  Group &group = groups_[static_cast<size_t>(sequence.group)];
  if (--group.open > 0)
    return;
  ++ended_groups_;
  overdue_groups_ -= group.overdue;
}

bool Scheduler::ReachedGoal() const {
  return goal_.budget == 0 || (ended_groups_ >= goal_.groups && overdue_groups_ == 0);
}

void Scheduler::SuspendRest() {
  for (int64_t index = 0; index < sequences(); ++index) {
    const Sequence &s = at(index);
    if (!s.spec.overdue &&
        (s.state == SequenceState::waiting || s.state == SequenceState::prefilling))
      Leave(static_cast<int32_t>(index), SequenceState::suspended);
  }
  SkipToWaiting();
}

} // namespace mirl::rt
