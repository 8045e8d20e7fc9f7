// Continuous batching: sequences that end at different times share the KV cache's slots, and a slot
// that becomes free is taken by the next sequence at once.
//
// A prompt is computed once, by `prefill`, which also samples the first token of those of its
// responses that have a slot already. The others start later from a copy of the prompt's keys and
// values: their first decode step feeds the prompt's last token again, which writes the same bits
// and predicts the response's first token. Rows never see each other and the generator is keyed by
// sequence id and step, so tokens and log-probs do not depend on any of this.

#ifndef MIRL_RUNTIME_ROLLOUT_ROLLER_H
#define MIRL_RUNTIME_ROLLOUT_ROLLER_H

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/rollout/Trajectory.h"

namespace mirl::rt {

struct SampleOptions {
  int64_t n = 1; // responses to each prompt
  float temperature = 1;
  int32_t top_k = 0; // 0: off
  float top_p = 1;   // 1: off
  int64_t max_tokens = 1;
  uint64_t seed = 0;
  int64_t first_id = 0; // see SequenceId
  int64_t version = 0;  // written to the trajectories
};

struct RolloutStats {
  int64_t tokens = 0; // generated
  int64_t prefill_tokens = 0, prefill_calls = 0, decode_rows = 0, decode_calls = 0;
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
  // An error when the policy has no prefill and decode entries or they ask for what a rollout does
  // not have. `session` must outlive the Roller.
  static absl::StatusOr<std::unique_ptr<Roller>> Create(Session &session, const fb::Policy &policy);

  // `n` responses to each prompt, in the order of the prompts. Adds to `stats`.
  absl::StatusOr<Batch> Sample(std::span<const Prompt> prompts, const SampleOptions &options,
                               RolloutStats &stats);

  const fb::Policy &policy() const { return policy_; }
  // Sequences that run at a time.
  int64_t slots() const { return slots_; }

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
  struct Running {
    Trajectory *trajectory;
    int64_t id, limit;
    int32_t slot, last, position,
        step; // the token to feed, its position; the response token it predicts
  };
  struct Capacities {
    int64_t context = INT64_MAX, token = INT64_MAX, sequence = INT64_MAX, group = INT64_MAX;
  };

  Roller(Session &session, const fb::Policy &policy) : session_(session), policy_(policy) {}
  absl::Status Resolve(std::string_view name, const fb::Entry *&entry, Ports &ports,
                       Capacities &capacities);
  void Scalars(const Ports &ports, const SampleOptions &options) const;
  absl::Status Admit(Batch &batch, const SampleOptions &options, RolloutStats &stats);
  absl::Status Prefill(const SampleOptions &options, RolloutStats &stats);
  absl::Status Decode(const SampleOptions &options, RolloutStats &stats);
  // Records a sampled token. False when the sequence has ended and its slot is free.
  absl::StatusOr<bool> Take(Running &running, int32_t token, float logprob);

  Session &session_;
  const fb::Policy &policy_;
  const fb::Entry *prefill_ = nullptr, *decode_ = nullptr;
  Ports prefill_ports_, decode_ports_;
  Capacities prefill_capacities_, decode_capacities_;
  std::vector<const fb::Buffer *> kv_;
  std::vector<uint8_t> is_eos_; // by token
  int64_t slots_ = 0;

  // The state of one Sample; kept for its memory.
  std::vector<Running> running_, starting_; // starting: in the prefill call being put together
  std::vector<int64_t> start_counts_;       // sequences of each prompt in it
  std::vector<int32_t> free_;
  int64_t version_ = 0;   // of the policy
  int64_t next_ = 0;      // sequence to start next, in order
  int32_t resident_ = -1; // the slot that holds the prompt of `next_`, -1: none
  int64_t start_context_ = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_ROLLER_H
