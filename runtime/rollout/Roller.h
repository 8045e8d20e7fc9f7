// The rollout engine: a Scheduler driven with a session. What the scheduler puts into a step becomes
// one call of `decode` or `prefill`; the tokens that come back end their sequences or go on.
//
// Rows never see each other, sums have a fixed order, and the generator is keyed by sequence id and
// step. So tokens and log-probs depend on weights, seed, sequence id, prompt and sampling settings,
// and on nothing that the scheduler decides.
//
// On a GPU a step of decode is queued before the one in front of it is done, where the scheduler knows it by
// then (NextAhead): all but the tokens to feed is known on the host, and those the device has. So it does not
// wait for the host between two steps.

#ifndef MIRL_RUNTIME_ROLLOUT_ROLLER_H
#define MIRL_RUNTIME_ROLLOUT_ROLLER_H

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/rollout/Repeat.h"
#include "runtime/rollout/Scheduler.h"
#include "runtime/rollout/Trajectory.h"
#include "runtime/weights/StateDict.h"

namespace mirl::rt {

struct SampleOptions {
  int64_t n = 1; // responses to each prompt
  float temperature = 1;
  int32_t top_k = 0; // 0: off
  float top_p = 1;   // 1: off
  int64_t max_tokens = 1;
  uint64_t seed = 0;
  int64_t first_id = 0; // see SequenceId
  int64_t version = 0;  // of the weights; written to the trajectories
  // Most tokens to sample, of a sequence and of all, until what has not ended waits (Ending::none).
  int64_t budget = kNoLimit, total_budget = kNoLimit;
  // What has not ended waits when so many groups of the batch have.
  int64_t ready = kNoLimit;
  // The first so many groups end now, whatever the budgets say, and before those that are ready count.
  int64_t finish_first = 0;
  // A group with a token of an older version than this ends now, whatever the budgets say.
  int64_t finish_below = INT64_MIN;
  // What a budget stops keeps its blocks of the KV cache, until the pool needs them, and goes on with
  // them, whatever the version is then. Without: all of it is computed again.
  bool keep = false;
  RepeatOptions repeat;
  // Called when a response has ended, and behind every step of the engine; what they take is the
  // rollout's time. A step may run by then: they must not use the session.
  std::function<void(const Trajectory &)> ended = nullptr; // NOLINT(readability-redundant-member-init)
  std::function<void()> stepped = nullptr;                 // NOLINT(readability-redundant-member-init)
};

// How the engine uses what the plan has; nothing here changes a token.
struct RollerOptions {
  int64_t slots = 0;     // sequences that run at a time, at most the plan's; 0: the plan's
  int64_t kv_blocks = 0; // of the KV pool, at most the plan's; 0: the plan's
  // Bytes that the KV cache may take when kv_blocks is 0. 0: nine tenths of what the machine has left
  // for it on the CPU, room for the longest sequence at least; no limit on another device.
  int64_t kv_bytes = 0;
  int64_t chunk = 0;     // most prompt tokens of a call; 0: as many as a call has room for
  bool run_ahead = true; // where the session does
  // For benchmarks of lengths that the model does not have: how many tokens a response gets, at most
  // as many as without it. No end token ends one then. It must be a function of prompt and id.
  std::function<int64_t(const Trajectory &)> forced_length = nullptr; // NOLINT(readability-redundant-member-init)
};

struct RolloutStats {
  int64_t tokens = 0;         // generated
  int64_t prefill_tokens = 0; // of prompts (and of responses that go on), the first time
  // A call ahead is one of decode that was queued before the tokens of the one in front were read. Rows of it
  // whose sequence ended with that one are decode rows, and no tokens. Of the prefill calls those are split whose
  // rows that decode were a call of their own.
  int64_t prefill_calls = 0, split_calls = 0, decode_rows = 0, decode_calls = 0, ahead_calls = 0;
  int64_t preemptions = 0, recomputed_tokens = 0;
  // Responses that went on with the blocks that were kept, positions in them; those that lost theirs.
  int64_t kept = 0, kept_tokens = 0, given_up = 0;
  int64_t kv_blocks = 0, peak_kv_blocks = 0; // of the pool; used at most
  int64_t slot_steps = 0, busy_slot_steps = 0; // slots at every step; those that had a sequence
  double seconds = 0;
};

// The ids of one sampling: `stream` tells the samplings of a run apart (iteration and place in it),
// below 2^29; prompt below 2^20; sample below 2^14.
inline constexpr int64_t kMaxPrompts = int64_t{1} << 20, kMaxSamples = int64_t{1} << 14;
constexpr int64_t FirstSequenceId(int64_t stream) { return stream << 34; }
constexpr int64_t SequenceId(int64_t first_id, int64_t prompt, int64_t sample) {
  return first_id | prompt << 14 | sample;
}

class Roller {
public:
  // An error when the policy has no prefill and decode entries, they ask for what a rollout does not
  // have, or the options leave no room for one sequence of the longest length. `session` must
  // outlive the Roller.
  static absl::StatusOr<std::unique_ptr<Roller>>
  Create(Session &session, const fb::Policy &policy, const RollerOptions &options = {});

  // `n` responses to each prompt, in the order of the prompts. Adds to `stats`.
  absl::StatusOr<Batch> Sample(std::span<const Prompt> prompts, const SampleOptions &options,
                               RolloutStats &stats);
  // The same in two parts. Begin makes the trajectories, without tokens. Continue samples those that
  // have not ended, the first of the batch first, until they have or a budget is spent; what a
  // trajectory has already is computed again with the weights as they are now.
  absl::StatusOr<Batch> Begin(std::span<const Prompt> prompts, const SampleOptions &options);
  absl::Status Continue(const Batch &batch, const SampleOptions &options, RolloutStats &stats);

  // What is kept between two rollouts: which trajectories', and the bytes of their blocks, under `key`
  // of the state. Import takes the place of what is kept; when the pool has not room for it (or the
  // state has no such key) nothing is. An error when the state does not fit the plan.
  absl::Status ExportKept(const std::string &key, StateDict &state);
  absl::Status ImportKept(const std::string &key, const StateDict &state);

  // Called after every step of a rollout, with the scheduler and the tokens of this rollout so far. It must not
  // use the session.
  using Watcher = std::function<void(const Scheduler &, int64_t tokens)>;
  void Watch(Watcher watcher) { watcher_ = std::move(watcher); }

  const fb::Policy &policy() const { return policy_; }
  const SchedulerLimits &limits() const { return scheduler_->limits(); }

private:
  // The addresses of an entry's ports; nullptr where it has none.
  struct Ports {
    int32_t *ids = nullptr, *positions = nullptr, *slots = nullptr, *rows = nullptr,
            *steps = nullptr;
    int32_t *sequence_offsets = nullptr, *token_offsets = nullptr, *group_offsets = nullptr;
    int64_t *sequence_ids = nullptr, *seed = nullptr;
    float *temperature = nullptr, *top_p = nullptr;
    int32_t *top_k = nullptr;
    const int32_t *token = nullptr;
    const float *logprob = nullptr;
  };
  // An entry that samples, the addresses of its ports in both turns, and how much a call has room for.
  struct Sampler {
    const fb::Entry *entry = nullptr;
    const fb::Port *ids_port = nullptr, *token_port = nullptr;
    Ports ports[2];
    int64_t context = INT64_MAX, token = INT64_MAX, sequence = INT64_MAX, group = INT64_MAX;
    // Sequences of a call, each with one row and one token.
    int64_t sequences() const { return std::min({context, token, sequence, group}); }
  };

  Roller(Session &session, const fb::Policy &policy) : session_(session), policy_(policy) {}
  absl::StatusOr<Sampler> Resolve(std::string_view name) const;
  // The entry for most rows, the last, and those for fewer.
  absl::StatusOr<std::vector<Sampler>> ResolveAll(std::string_view most,
                                                  const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *few) const;
  absl::StatusOr<Ports> ResolvePorts(const fb::Entry &entry, int turn) const;
  // Whether the decode entries can take the tokens of each other.
  bool CanCarryTokens() const;
  // Pieces of a step that are one call: all of them, or, of one that is split, the rows that decode, and the others.
  enum class Part { all, decoding, others };
  static bool Has(Part part, const Piece &piece);
  static Extents Count(const Step &step, Part part);
  bool Splits(const Step &step) const;
  // Of the entries of a part's kind the smallest that has room.
  const Sampler &SamplerOf(const Step &step, Part part) const;
  absl::Status Limit(const RollerOptions &options);
  // At most `limit`; what RollerOptions::kv_bytes has room for.
  int64_t BlocksInMemory(int64_t limit, int64_t bytes);
  void Scalars(const Ports &ports, const SampleOptions &options) const;
  absl::Status CheckPrompt(const Prompt &prompt) const;
  // Gives the scheduler the sequences that have not ended.
  absl::Status Add(const Batch &batch, const SampleOptions &options);
  absl::Status RunSteps(const SampleOptions &options, RolloutStats &stats);
  void Prepare(const Step &step);
  // Begins the call of a step, in this turn, or runs it where the session runs nothing ahead. `before`: the step
  // that this one is ahead of.
  absl::Status Call(const Step &step, int turn, const SampleOptions &options, const Step *before = nullptr);
  absl::Status CallPart(const Step &step, Part part, int turn, const SampleOptions &options, const Step *before = nullptr);
  // Waits for the call of a part, and gets what it sampled.
  absl::Status TakePart(const Step &step, Part part, int turn);
  // Waits for the call, records the tokens that it sampled, and says to the scheduler which end. Returns how
  // many they are.
  absl::StatusOr<int64_t> Take(const Step &step, int turn, const SampleOptions &options);

  Session &session_;
  const fb::Policy &policy_;
  std::vector<Sampler> prefill_, decode_; // the one for most last
  std::vector<const fb::Buffer *> kv_;
  const fb::Buffer *table_ = nullptr;
  std::vector<uint8_t> is_eos_; // by token
  std::unique_ptr<Scheduler> scheduler_;
  std::function<int64_t(const Trajectory &)> forced_length_;
  bool run_ahead_ = true;

  Watcher watcher_;

  // The state of one rollout; kept for its memory.
  std::vector<Trajectory *> running_; // by the scheduler's number
  std::vector<uint8_t> stop_; // of what a step samples, as the next two
  std::vector<int32_t> token_;
  std::vector<float> logprob_;
  bool begun_[2] = {}; // by turn: the call is one to wait for
  bool split_ = false; // the step called last is two calls, unless it decodes
  std::vector<std::vector<uint8_t>> imported_; // on their way to the device until the next call
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_ROLLER_H
