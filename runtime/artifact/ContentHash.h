// The plan's checksum: XXH3-64 of the file with the eight bytes of content_hash taken as zero.
// Writer and reader share this header; it needs nothing but the schema.

#ifndef MIRL_RUNTIME_ARTIFACT_CONTENTHASH_H
#define MIRL_RUNTIME_ARTIFACT_CONTENTHASH_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/artifact/plan_generated.h"

namespace mirl::rt {

// Where a scalar field of the root table lies in the file, found with bounds checks only, before
// anything is verified. Nothing when the field is absent or the bytes make no sense.
inline std::optional<size_t> RootFieldOffset(const uint8_t *bytes, size_t size, uint16_t field,
                                             size_t field_bytes) {
  auto u16 = [&](size_t at) { uint16_t v; std::memcpy(&v, bytes + at, 2); return v; };
  auto u32 = [&](size_t at) { uint32_t v; std::memcpy(&v, bytes + at, 4); return v; };
  if (size < 16 || u32(0) > size - 4)
    return std::nullopt;
  int64_t root = u32(0);
  int64_t vtable = root - static_cast<int32_t>(u32(root));
  if (vtable < 0 || vtable + 4 > static_cast<int64_t>(size))
    return std::nullopt;
  if (field + 2 > u16(vtable) || vtable + field + 2 > static_cast<int64_t>(size))
    return std::nullopt;
  uint16_t offset = u16(vtable + field);
  if (offset == 0 || root + offset + field_bytes > size)
    return std::nullopt;
  return root + offset;
}

// The hash of a plan's bytes, whatever content_hash holds at the moment; nothing when the bytes have
// no content_hash (the writer must force defaults, so that zero is stored).
inline std::optional<uint64_t> ContentHash(const uint8_t *bytes, size_t size) {
  auto field = RootFieldOffset(bytes, size, fb::Plan::VT_CONTENT_HASH, 8);
  if (!field)
    return std::nullopt;
  const uint64_t zero = 0;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, bytes, *field);
  XXH3_64bits_update(&state, &zero, 8);
  XXH3_64bits_update(&state, bytes + *field + 8, size - *field - 8);
  return XXH3_64bits_digest(&state);
}

// Computes the hash and stores it. False when there is no place for it.
inline bool StoreContentHash(uint8_t *bytes, size_t size) {
  auto hash = ContentHash(bytes, size);
  if (!hash)
    return false;
  std::memcpy(bytes + *RootFieldOffset(bytes, size, fb::Plan::VT_CONTENT_HASH, 8), &*hash, 8);
  return true;
}

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_CONTENTHASH_H
