// Rows that a call takes from the call before it, on the device.

#ifndef MIRL_RUNTIME_EXECUTOR_ROWRUN_H
#define MIRL_RUNTIME_EXECUTOR_ROWRUN_H

#include <cstdint>

namespace mirl::rt {

// Rows [from, from + count) of the call before are rows [to, to + count) of this one.
struct RowRun {
  int32_t from, to, count;
  bool operator==(const RowRun &) const = default;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_ROWRUN_H
