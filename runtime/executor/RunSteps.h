// The commands of an entry with their addresses resolved: what a Session runs.

#ifndef MIRL_RUNTIME_EXECUTOR_RUNSTEPS_H
#define MIRL_RUNTIME_EXECUTOR_RUNSTEPS_H

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/executor/LibraryCalls.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// A command.
struct RunStep {
  fb::Action kind = fb::Action::NONE;
  const fb::Work *work = nullptr; // launch: items; loop: trips
  const fb::Launch *launch = nullptr;
  std::vector<void *> pointers; // launch: arguments
  std::vector<TensorMap> maps;  // launch: those whose extents are filled in for each call
  uint64_t to = 0, from = 0;    // fill, copy: offsets in the arena
  const fb::TensorType *type = nullptr;
  uint64_t bytes = 0; // fill of several slices, which has no type
  uint32_t index = 0;
  std::vector<RunStep> body;
  ProfileRow *row = nullptr;
  std::optional<LibraryCall> library;
  ProfileRow *library_row = nullptr; // when the library computes it
};

// Work items of a launch, or trips of a loop.
int64_t Items(const fb::Work &work, const Extents &extents);
// A tensor map without its extents.
TensorMap MapWithoutExtents(const fb::TensorMap &map, const fb::Slice &slice);
// Bytes that a fill or a copy is of.
uint64_t BytesOf(const RunStep &step, const Extents &extents);
// Operations and bytes of a command.
std::pair<double, double> CostOf(const RunStep &step, const Extents &extents);
// How many commands a call runs, one recorded node each.
int64_t CountCommands(const std::vector<RunStep> &steps, const Extents &extents);
// Fills that stand behind each other, of memory that lies side by side, become one: the gradients, which do, are zeroed by
// one command, however many they are.
void JoinFills(std::vector<RunStep> &steps);

// For finding reads of what nobody wrote: queues the byte 0xff (NaN, -1) for all transient memory of the entry but what its
// caller has written there, the inputs where the arena is the host's.
absl::Status Poison(const fb::Plan &plan, const fb::Entry &entry, const Extents &extents, Device &device);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_RUNSTEPS_H
