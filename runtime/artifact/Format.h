// What the schema cannot say of a plan: its version, and the limits that the compiler keeps and the runtime checks. It needs
// nothing else.

#ifndef MIRL_RUNTIME_ARTIFACT_FORMAT_H
#define MIRL_RUNTIME_ARTIFACT_FORMAT_H

#include <cstddef>
#include <cstdint>

namespace mirl::rt {

inline constexpr uint32_t kPlanVersion = 3;

// Persistent buffers, and all that a library is given, lie at multiples of this.
inline constexpr uint64_t kAlignment = 64;
// A launch has at most so many tensor maps, and products for a library.
inline constexpr uint32_t kMaxMaps = 8;
// Dynamic shared memory of a block on sm_90.
inline constexpr uint32_t kMaxShared = 232448;

// Buffers of a launch on a GPU: each a parameter of the kernel, or their addresses in an array, which is one. A kernel has
// 4 KiB of parameters; six extents and the number of items are among them.
inline constexpr size_t kMaxBuffers = 64, kMaxBuffersInArray = 480;
static_assert((kMaxBuffersInArray + 7) * 8 <= 4096);
static_assert(kMaxMaps * 128 + (kMaxBuffers + 7) * 8 <= 4096);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_FORMAT_H
