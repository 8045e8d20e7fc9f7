// Ranges of NVTX, by which NVIDIA's tools (Nsight Systems, Nsight Compute) show what runs, and choose what they look at: the call of
// an entry, and in it each of its commands. They are in the domain "mirl", of the thread that opens them, and cost nothing where no
// tool listens.
//
// They need NVTX's headers where the runtime is built (CMakeLists.txt says where they are looked for).

#ifndef MIRL_RUNTIME_EXECUTOR_RANGES_H
#define MIRL_RUNTIME_EXECUTOR_RANGES_H

#include "absl/status/status.h"

namespace mirl::rt {

// An error where the runtime was built without them.
absl::Status CheckRanges();

// From its beginning to its end. Null: no range.
class NamedRange {
public:
  explicit NamedRange(const char *name);
  ~NamedRange();
  NamedRange(const NamedRange &) = delete;
  NamedRange &operator=(const NamedRange &) = delete;

private:
  bool open_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_RANGES_H
