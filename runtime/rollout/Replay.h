// The replay buffer: a batch of groups that are begun and not handed to training, the oldest first.
// What a budget stopped waits in it with its tokens, log-probs and segments; its place in the random
// numbers is its sequence id and how many tokens it has.

#ifndef MIRL_RUNTIME_ROLLOUT_REPLAY_H
#define MIRL_RUNTIME_ROLLOUT_REPLAY_H

#include <cstdint>
#include <span>

#include "runtime/rollout/Trajectory.h"

namespace mirl::rt {

// Puts a group of `from`, or all of `more`, behind those of `batch`.
void AppendGroup(Batch &batch, const Batch &from, int64_t group);
void AppendGroups(Batch &batch, const Batch &more);

// The version of the oldest token of a group; INT64_MAX when it has none.
int64_t OldestVersion(const Batch &batch, int64_t group);

// How many of the first groups must be handed over now, if `ready` are in every iteration and group i may wait
// for `left[i]` more of them (0: it must go now). `left` does not fall from group to group.
int64_t GroupsDue(std::span<const int64_t> left, int64_t ready);

// Groups of which every response has ended.
int64_t CountEnded(const Batch &batch);

// Takes groups out of which every response has ended: the first so many. `version`: the policy's now, to which the
// ages of their tokens are counted.
Batch TakeFinished(Batch &batch, int64_t version, int64_t most = INT64_MAX);

// Without the trajectories that a verifier could not score, and the groups of which none is left.
Batch WithoutUnscored(const Batch &batch);

// Sequences that have not ended, and those of them that have tokens.
struct Unfinished {
  int64_t sequences = 0, begun = 0;
};
Unfinished CountUnfinished(const Batch &batch);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_REPLAY_H
