// A batch as a checkpoint carries it. It is how unfinished trajectories survive a restart: prompts
// (with their records), tokens, log-probs by their bits, the policy version of each segment,
// endings, rewards and verifier results.
//
// The generator is counter-based (Philox, keyed by run seed, sequence id and token index), so a
// trajectory's place in it is its sequence id and how many tokens it has: there is no other state.

#ifndef MIRL_RUNTIME_ROLLOUT_BATCHSTATE_H
#define MIRL_RUNTIME_ROLLOUT_BATCHSTATE_H

#include <string>

#include "absl/status/statusor.h"
#include "runtime/rollout/Trajectory.h"
#include "runtime/weights/StateDict.h"

namespace mirl::rt {

// Puts the batch under `key` of the state: `json[key]` and the tensors "key/…". Groups may be
// unfinished (Ending::none), or prompts without any trajectories.
void ExportBatch(const Batch &batch, const std::string &key, StateDict &state);

// The same batch again, bit for bit; policies are found by name in `plan`, which must outlive it.
// An error when the state has no such batch, or its parts do not fit each other or the plan.
absl::StatusOr<Batch> ImportBatch(const StateDict &state, const std::string &key, const Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_BATCHSTATE_H
