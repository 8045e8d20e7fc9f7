// From trajectories to the arrays an entry reads (docs/plan.md, "Port sources"), and the cut of a
// batch into micro-batches.

#ifndef MIRL_RUNTIME_TRAIN_PACK_H
#define MIRL_RUNTIME_TRAIN_PACK_H

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/rollout/Trajectory.h"

namespace mirl::rt {

// A range of a batch's sequences and the groups they touch, with its extents and where its rows
// begin in those of the whole batch.
struct Cut {
  int64_t begin = 0, end = 0;             // sequences
  int64_t group_begin = 0, group_end = 0; // groups with a sequence in it
  Extents extents, offset;
};

// The whole batch as one cut.
Cut WholeBatch(const Batch &batch);

// Cuts a batch into as few ranges, in order, as an entry's capacities allow, each of whole
// sequences or (`whole_groups`) whole groups. An error names the sequence or group that is too
// large for the entry, and the axis.
absl::StatusOr<std::vector<Cut>> CutBatch(const Batch &batch, const fb::Entry &entry,
                                          bool whole_groups);

// The arrays of a cut. Offsets are relative to the cut; a group of which the cut has only a part
// has the offsets of that part.
struct Packed {
  Extents extents;
  std::vector<int32_t> ids, positions, sequence_offsets, token_offsets, group_offsets, rows,
      targets;
  std::vector<float> logprob, version, age;    // per token
  std::vector<float> reward, length, finished, ending; // per sequence
};

// Overwrites `packed`, reusing its memory.
void Pack(const Batch &batch, const Cut &cut, Packed &packed);

// A value that a step's batch entry computed.
struct BatchValue {
  fb::Axis axis = fb::Axis::fixed; // fixed: rank 0
  std::vector<float> data;
};
using BatchValues = std::map<std::string, BatchValue, std::less<>>;

struct Clock {
  uint64_t seed = 0;
  int64_t iteration = 0, iterations = 1;
};
using Params = std::map<std::string, double>;

// Writes every input of the entry. An error names a port whose source is not known here.
absl::Status FillInputs(Session &session, const fb::Entry &entry, const Batch &batch,
                        const Cut &cut, const Packed &packed, const BatchValues &values,
                        const Clock &clock, const Params &params);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_PACK_H
