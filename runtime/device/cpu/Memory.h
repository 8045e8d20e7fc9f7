// How much memory the machine has left for this process.

#ifndef MIRL_RUNTIME_DEVICE_CPU_MEMORY_H
#define MIRL_RUNTIME_DEVICE_CPU_MEMORY_H

#include <cstdint>
#include <string>

namespace mirl::rt {

// Bytes that this process has in memory, and that it may still take: what the system says is
// available (/proc/meminfo), or what is left to the process's control group (version 1 or 2) when
// that is less. INT64_MAX where the system does not say. `root`: the folder with proc and sys.
struct MemoryState {
  int64_t resident = 0, available = INT64_MAX;
};
MemoryState ReadMemoryState(const std::string &root = "");

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CPU_MEMORY_H
