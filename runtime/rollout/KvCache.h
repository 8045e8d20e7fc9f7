// Moving a prompt's keys and values from one slot of the KV cache to another.

#ifndef MIRL_RUNTIME_ROLLOUT_KVCACHE_H
#define MIRL_RUNTIME_ROLLOUT_KVCACHE_H

#include <cstdint>

#include "runtime/executor/Session.h"

namespace mirl::rt {

// Copies what the first `tokens` positions of slot `from` hold to slot `to`. The layouts of
// nn.kv_append: keys [slots, heads, context / 16, head_dim, 16], of which whole blocks are copied,
// and values [slots, heads, context, head_dim]. Of any other layout the whole slot is copied.
void CopyKvPrefix(Session &session, const fb::Buffer &buffer, int64_t from, int64_t to,
                  int64_t tokens);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_KVCACHE_H
