#include "runtime/rollout/Replay.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mirl::rt {

void AppendGroup(Batch &batch, const Batch &from, int64_t group) {
  auto g = static_cast<size_t>(group);
  batch.prompts.push_back(from.prompts[g]);
  batch.trajectories.insert(batch.trajectories.end(),
                            from.trajectories.begin() + from.group_offsets[g],
                            from.trajectories.begin() + from.group_offsets[g + 1]);
  batch.group_offsets.push_back(batch.sequences());
}

namespace {

bool HasEnded(const Batch &batch, int64_t group) {
  auto g = static_cast<size_t>(group);
  return std::all_of(batch.trajectories.begin() + batch.group_offsets[g],
                     batch.trajectories.begin() + batch.group_offsets[g + 1],
                     [](const auto &trajectory) { return trajectory->ending != Ending::none; });
}

} // namespace

void AppendGroups(Batch &batch, const Batch &more) {
  for (int64_t group = 0; group < more.groups(); ++group)
    AppendGroup(batch, more, group);
}

int64_t OldestVersion(const Batch &batch, int64_t group) {
  int64_t oldest = INT64_MAX;
  for (int64_t s = batch.group_offsets[static_cast<size_t>(group)];
       s < batch.group_offsets[static_cast<size_t>(group) + 1]; ++s)
    for (const Segment &segment : batch.trajectories[static_cast<size_t>(s)]->segments)
      oldest = std::min(oldest, segment.version);
  return oldest;
}

int64_t GroupsDue(std::span<const int64_t> left, int64_t ready) {
  int64_t due = 0;
  // Of the first i + 1 groups, ready · left[i] can go later and still in time.
  for (size_t i = 0; i < left.size(); ++i)
    due = std::max(due, static_cast<int64_t>(i) + 1 - ready * left[i]);
  return due;
}

int64_t CountEnded(const Batch &batch) {
  int64_t ended = 0;
  for (int64_t group = 0; group < batch.groups(); ++group)
    ended += HasEnded(batch, group);
  return ended;
}

Batch TakeFinished(Batch &batch, int64_t version, int64_t most) {
  Batch finished, rest;
  for (int64_t group = 0; group < batch.groups(); ++group)
    AppendGroup(finished.groups() < most && HasEnded(batch, group) ? finished : rest, batch, group);
  for (const auto &trajectory : finished.trajectories)
    trajectory->handed_over = version;
  batch = std::move(rest);
  return finished;
}

Batch WithoutUnscored(const Batch &batch) {
  Batch scored;
  for (int64_t group = 0; group < batch.groups(); ++group) {
    auto g = static_cast<size_t>(group);
    std::copy_if(batch.trajectories.begin() + batch.group_offsets[g],
                 batch.trajectories.begin() + batch.group_offsets[g + 1],
                 std::back_inserter(scored.trajectories),
                 [](const auto &trajectory) { return !trajectory->unscored; });
    if (scored.sequences() == scored.group_offsets.back())
      continue;
    scored.prompts.push_back(batch.prompts[g]);
    scored.group_offsets.push_back(scored.sequences());
  }
  return scored;
}

Unfinished CountUnfinished(const Batch &batch) {
  Unfinished count;
  for (const auto &trajectory : batch.trajectories) {
    if (trajectory->ending != Ending::none)
      continue;
    ++count.sequences;
    count.begun += trajectory->response_size() > 0;
  }
  return count;
}

} // namespace mirl::rt
