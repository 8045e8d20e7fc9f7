// Which sequences get which rows of the next call: continuous batching over a paged KV cache.
//
// A state machine without a device and without a model. The engine (Roller.h) drives it with a
// session, the simulator with a virtual clock. A sequence is its known tokens (prompt, then what was
// sampled of the response), of which the first `computed` have keys and values in the cache. A step
// feeds some of the others; feeding the last known token gives the next one. So prefill in chunks,
// decode, and the way back after a preemption are one thing: rows [computed, computed + count).
//
//   waiting → prefilling → running → ended | suspended        (preempted: back to waiting)
//
// Sequences are ordered by age, as they were added. The active ones (prefilling, running) are always
// the oldest that are neither ended nor suspended: admission takes the oldest waiting one, and when
// the pool runs dry the youngest active one is preempted. Hence the oldest always runs to its end,
// and a rollout ends.
//
// The samples of a prompt (its group, contiguous by age) share its blocks. Whoever writes into a
// block that has other owners gets a copy first (copy on write). While one of the group waits, the
// prompt's blocks are held for it even when no other sequence of the group is active any more.
//
// A sequence with a key keeps its blocks when it is suspended, beyond the rollout: when it is added
// again it goes on without a row that was computed before. Kept blocks are given up before an active
// sequence is preempted, and before one that waits has to, the youngest sequence's first; what lost
// them is computed again.
//
// A step of decode can be followed by another one before its tokens are known: they tell only which of its
// sequences have ended. Such a step is *ahead*. A sequence that has ended has a dead row in it, whose token
// nobody looks at. Its blocks are free at once: the device runs the steps in their order.

#ifndef MIRL_RUNTIME_ROLLOUT_SCHEDULER_H
#define MIRL_RUNTIME_ROLLOUT_SCHEDULER_H

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/executor/RowRun.h"
#include "runtime/rollout/BlockPool.h"

namespace mirl::rt {

inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

struct SchedulerLimits {
  int64_t slots = 0;       // active sequences
  int64_t rows = 0;        // of one call; at least `slots`
  int64_t blocks = 0;      // of the pool; at least one sequence of the longest length
  int64_t max_context = 0; // tokens of the longest sequence, prompt and response
  int64_t chunk = 0;       // most rows of a call beyond one for each active sequence; 0: no limit
};

// What ends a rollout before all its sequences have ended: then every one that is not overdue is suspended.
struct RolloutGoal {
  int64_t budget = kNoLimit; // tokens that were sampled
  // Groups of which every sequence that was added has ended, none of an overdue sequence being open. Until then
  // all others go on.
  int64_t groups = kNoLimit;
};

struct SequenceSpec {
  int64_t group = 0;    // sequences of equal group have the same prompt, and are added in a row
  int64_t prompt = 1;   // tokens
  int64_t response = 0; // tokens that are known already: it was suspended before
  int64_t limit = 1;    // most tokens of the response
  int64_t budget = kNoLimit; // most tokens to sample before it is suspended
  bool overdue = false;      // no budget stops it: it must end now
  // Names it in the rollouts to come, so that its blocks can be kept for them; -1: they are not.
  int64_t key = -1;
};

// Blocks of a suspended sequence: positions [0, computed), computed with weights that Begin named
// `weights` or later.
struct Kept {
  std::vector<int32_t> blocks;
  int64_t computed = 0, weights = 0;
  int32_t sequence = -1; // that it belongs to in this rollout; -1: it was not added to it
};

enum class SequenceState : uint8_t { waiting, prefilling, running, ended, suspended };

// Rows of one sequence: its tokens [first, first + count).
struct Piece {
  int32_t sequence, slot;
  int32_t first, count;
  int32_t samples; // sequences that sample from the last row: 0, or itself and others of its group
};
struct BlockCopy {
  int32_t from, to;
};
// Entries [begin, end) of the slot's row of the table are new.
struct TableEdit {
  int32_t slot, begin, end;
};

// To be done in this order: copies (one after the other), edits, the call.
struct Step {
  std::vector<BlockCopy> copies;
  std::vector<TableEdit> edits;
  std::vector<Piece> pieces;
  std::vector<int32_t> sampled; // the sequences that get a token, in the order of the pieces
  int64_t rows = 0;
  bool decode = false; // every piece is one row that samples one token
  // Of a step ahead: its rows' tokens are those that these rows of the step before sample.
  std::vector<RowRun> carried;
};

// Of the steps that Next returned, and of those ahead that were completed. A dead row is a row that reads the
// cache, as it is on the device; it samples nothing.
struct SchedulerStats {
  int64_t steps = 0, decode_steps = 0;
  int64_t rows = 0, sampled = 0;
  int64_t prefill_rows = 0;    // of tokens that are computed for the first time, but for those of decode
  int64_t recomputed_rows = 0; // of tokens that had been in the cache before a preemption
  int64_t kv_reads = 0;        // positions of the cache that rows read: of a row, its own and all before
  int64_t preemptions = 0, copies = 0;
  // Sequences that went on with the blocks that were kept, positions in them; those that lost theirs.
  int64_t kept = 0, kept_positions = 0, given_up = 0;
  int64_t peak_blocks = 0;
  int64_t ahead_steps = 0, dead_rows = 0;
};

class Scheduler {
public:
  // An error with the numbers when the limits leave no room for one sequence of the longest length.
  static absl::StatusOr<std::unique_ptr<Scheduler>> Create(const SchedulerLimits &limits);

  // Forgets all sequences; every block that is not kept is free. `weights` names those that
  // keys are computed with; a prompt's keys of other weights are not shared with who begins now.
  void Begin(const RolloutGoal &goal = {}, int64_t weights = 0);
  // Adds the youngest sequence; sequences are numbered from 0. An error says what of it cannot be.
  absl::Status Add(const SequenceSpec &spec);

  // The next step; nullptr when all have ended or are suspended. Valid until the next call of any
  // function that is not const, but for a NextAhead and the Complete of this step. Every step must be
  // completed before the next Next.
  const Step *Next();
  // The step behind the one that is not completed yet, which may lose sequences until its turn comes, and gets
  // none. nullptr when what comes next cannot be said now, or is no business of NextAhead: the step is no decode
  // step, or one is ahead of it already; the tokens of all are counted (RolloutGoal); something waits that could
  // be admitted; blocks would have to be taken from somebody; what is kept would be at stake, so that
  // the order of steps mattered beyond this rollout; its rows lie in more than kMostRuns runs in the step before.
  const Step *NextAhead();
  static constexpr int64_t kMostRuns = 8;
  // The oldest step was done; stop[i]: the token sampled for sampled[i] ends its sequence (an end token, a
  // repetition). Length and budgets are the scheduler's. What is said of a dead row does not matter.
  void Complete(std::span<const uint8_t> stop);

  int64_t sequences() const { return static_cast<int64_t>(sequences_.size()); }
  SequenceState state(int64_t sequence) const;
  int64_t active() const { return static_cast<int64_t>(active_.size()); }
  int64_t waiting() const { return unfinished_ - active(); }
  int64_t finished() const { return sequences() - unfinished_; } // ended or suspended

  // The table of blocks: `width` entries a slot; position p of a slot is in entry p / 16.
  int64_t width() const { return width_; }
  const int32_t *table(int64_t slot) const { return table_.data() + slot * width_; }
  const BlockPool &pool() const { return pool_; }
  // Blocks held for a group that waits, without being in any slot's row.
  std::span<const int32_t> held() const { return held_; }
  // By key.
  const std::map<int64_t, Kept> &kept() const { return kept_; }
  // Gives up all that is kept; outside of a rollout.
  void DropKept();
  // Between rollouts, in place of what is kept: `kept`, whose blocks are numbered from 0 on (below
  // `blocks`). Returns the pool's numbers for them; when it has not room for all, nothing is kept and
  // there are none.
  std::vector<int32_t> RestoreKept(std::map<int64_t, Kept> kept, int64_t blocks);
  // Positions of the active sequences' last blocks that hold nothing: allocated and not used.
  int64_t unused_positions() const;
  // Entries of the slot's row that are in use; 0 for a free slot.
  int64_t blocks_of_slot(int64_t slot) const { return slot_blocks_[static_cast<size_t>(slot)]; }

  const SchedulerLimits &limits() const { return limits_; }
  const SchedulerStats &stats() const { return stats_; }

private:
  struct Sequence {
    SequenceSpec spec;
    int64_t known = 0, computed = 0;
    int64_t reached = 0; // the largest `computed` so far
    int64_t sampled = 0; // in this rollout
    int64_t weights = 0; // the oldest that its keys were computed with
    int32_t slot = -1;
    int32_t group = 0; // its place in groups_
    bool kept = false; // waits with blocks
    SequenceState state = SequenceState::waiting; // prefilling stands for running too
    // With the token that the step samples which is not completed yet.
    bool ends() const { return known + 1 - spec.prompt >= spec.limit || (sampled + 1 >= spec.budget && !spec.overdue); }
    bool gone() const { return state == SequenceState::ended || state == SequenceState::suspended; }
  };

  struct Group {
    int64_t open = 0; // sequences that have not ended
    bool overdue = false;
  };

  explicit Scheduler(const SchedulerLimits &limits);

  Sequence &at(int64_t sequence) { return sequences_[static_cast<size_t>(sequence)]; }
  const Sequence &at(int64_t sequence) const { return sequences_[static_cast<size_t>(sequence)]; }
  int32_t *row(const Sequence &sequence) { return table_.data() + sequence.slot * width_; }
  int64_t &blocks(const Sequence &sequence) {
    return slot_blocks_[static_cast<size_t>(sequence.slot)];
  }

  bool MaySample(const Sequence &sequence) const { return sequence.spec.overdue || samples_left_ > 0; }
  void TakeSample(int32_t index);
  // Whether the pool never runs dry in this rollout, whatever the order of things: nothing is preempted or given up.
  bool HasRoomForAll() const;
  // Whether a step can be ahead, whatever its rows; then its rows.
  bool MayGoAhead() const;
  bool FindAhead(const Step &before, Step &step) const;
  // Makes room for what `step` is to be.
  static void Clear(Step &step);
  // Adds a step to the statistics: one ahead when it is completed, so that they have nothing of it before.
  void Count(const Step &step);
  void Advance(); // rows for the active ones
  void Admit();   // rows for waiting ones
  bool AdmitBesides();
  bool AdmitAlone(int64_t &extra);
  bool AdmitKept(int64_t &extra);
  // Gives up what is kept, but for that of `index`, until `blocks` are free; false when they are not.
  bool FindRoom(int64_t blocks, int32_t index);
  bool GiveUp(int32_t except);
  void Keep(Sequence &sequence, int32_t index);
  // `again`: its one row is the prompt's last token, which is in the cache, and gives the first token.
  void AddPiece(int32_t index, int64_t count, bool samples, bool again = false);
  // Blocks of its own for positions [computed, end); false when it had to be preempted itself.
  bool Reserve(int32_t index, int64_t end);
  void MakeRoom();
  int64_t Missing(const Sequence &sequence) const;
  // Tokens that it need not compute where another one of its group has the prompt.
  static int64_t SharedTokens(const Sequence &sequence);
  int64_t Reserved() const;
  void Share(Sequence &sequence, const int32_t *source, int64_t count);
  void Occupy(int32_t index);
  void Vacate(Sequence &sequence);
  void Leave(int32_t index, SequenceState state);
  void EndOne(const Sequence &sequence);
  bool ReachedGoal() const;
  void SuspendRest();
  void Hold(const Sequence &sequence);
  void DropHeld();
  void SkipToWaiting();
  const Sequence *Sibling(int64_t group, int64_t prompt) const;
  bool HasRelative(int64_t group) const;

  SchedulerLimits limits_;
  int64_t width_;
  BlockPool pool_;
  std::vector<int32_t> table_;
  std::vector<int64_t> slot_blocks_;
  std::vector<int32_t> free_slots_;

  std::vector<Sequence> sequences_; // by age
  std::vector<int32_t> active_;     // by age
  int64_t next_ = 0;                // the oldest that waits
  int64_t unfinished_ = 0;
  std::vector<Group> groups_;       // by age
  int64_t ended_groups_ = 0, overdue_groups_ = 0; // all of it has ended; open, with an overdue sequence
  RolloutGoal goal_; // what is left of its budget
  int64_t samples_left_ = 0, weights_ = 0;
  int64_t held_group_ = -1;
  std::vector<int32_t> held_;
  std::map<int64_t, Kept> kept_;
  bool may_keep_ = false;         // a sequence of this rollout
  // That its sequences can have, each at its end, and others' that were kept when it began.
  int64_t most_blocks_ = 0;
  Step steps_[2];
  Step *step_ = steps_;           // the oldest that is not completed, or the last one
  int64_t open_steps_ = 0;        // that are not completed
  SchedulerStats stats_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_SCHEDULER_H
