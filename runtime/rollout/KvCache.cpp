#include "runtime/rollout/KvCache.h"

#include <algorithm>

namespace mirl::rt {

void CopyKvPrefix(Session &session, const fb::Buffer &buffer, int64_t from, int64_t to,
                  int64_t tokens) {
  const auto &dims = *buffer.type()->dims();
  auto dim = [&](uint32_t i) { return dims.Get(i)->size(); };
  int64_t slot_bytes = session.BufferBytes(buffer) / dim(0);
  // The slot is `heads` pieces of `stride` bytes, of each of which the first `used` count.
  int64_t heads = 1, stride = slot_bytes, used = slot_bytes;
  if ((dims.size() == 4 || dims.size() == 5) && dim(1) > 0) {
    heads = dim(1);
    stride = slot_bytes / heads;
    int64_t rows = dim(2), per_row = dims.size() == 5 ? dim(4) : 1;
    if (rows > 0)
      used = std::min(rows, (tokens + per_row - 1) / per_row) * (stride / rows);
  }
  session.CopyBuffer(buffer, from * slot_bytes, to * slot_bytes, used, heads, stride);
}

} // namespace mirl::rt
