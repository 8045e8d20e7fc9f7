// The part of the KV cache that a checkpoint carries: blocks that suspended responses keep.

#include <cstring>
#include <map>
#include <utility>

#include "runtime/artifact/Macros.h"
#include "runtime/rollout/Roller.h"

namespace mirl::rt {

namespace {

std::string BytesName(const std::string &key, size_t buffer) { return Cat(key, "/kv/", buffer); }

} // namespace

absl::Status Roller::ExportKept(const std::string &key, StateDict &state) {
  std::map<int32_t, int32_t> places; // of the pool's blocks among those that are exported
  std::vector<int32_t> blocks, table;
  std::vector<int64_t> ids, computed, weights, offsets = {0};
  for (const auto &[id, kept] : scheduler_->kept()) {
    ids.push_back(id);
    computed.push_back(kept.computed);
    weights.push_back(kept.weights);
    for (int32_t block : kept.blocks) {
      auto [place, fresh] = places.try_emplace(block, static_cast<int32_t>(blocks.size()));
      if (fresh)
        blocks.push_back(block);
      table.push_back(place->second);
    }
    offsets.push_back(static_cast<int64_t>(table.size()));
  }
  state.json[key] = {{"blocks", blocks.size()}, {"buffers", kv_.size()}};
  state.Set(key + "/ids", ids);
  state.Set(key + "/computed", computed);
  state.Set(key + "/weights", weights);
  state.Set(key + "/offsets", offsets);
  state.Set(key + "/table", table);
  for (size_t i = 0; i < kv_.size(); ++i) {
    int64_t bytes = session_.BufferBytes(*kv_[i]) / policy_.kv_blocks();
    const uint8_t *data = session_.Buffer(*kv_[i]).data();
    std::vector<uint8_t> whole, some;
    if (!data && !blocks.empty()) {
      whole.resize(static_cast<size_t>(session_.BufferBytes(*kv_[i])));
      MIRL_TRY(session_.ReadBuffer(*kv_[i], whole.data()));
      data = whole.data();
    }
    for (int32_t block : blocks)
      some.insert(some.end(), data + block * bytes, data + (block + 1) * bytes);
    state.Set(BytesName(key, i), some);
  }
  return absl::OkStatus();
}

absl::Status Roller::ImportKept(const std::string &key, const StateDict &state) {
  auto json = state.json.find(key);
  if (json == state.json.end()) {
    scheduler_->DropKept();
    return absl::OkStatus();
  }
  MIRL_ASSIGN(std::vector<int64_t> ids, state.Get<int64_t>(key + "/ids"));
  MIRL_ASSIGN(std::vector<int64_t> computed, state.Get<int64_t>(key + "/computed"));
  MIRL_ASSIGN(std::vector<int64_t> weights, state.Get<int64_t>(key + "/weights"));
  MIRL_ASSIGN(std::vector<int64_t> offsets, state.Get<int64_t>(key + "/offsets"));
  MIRL_ASSIGN(std::vector<int32_t> table, state.Get<int32_t>(key + "/table"));
  int64_t blocks = json->is_object() ? json->value("blocks", int64_t{-1}) : -1;
  auto wrong = [&] {
    return Invalid("the saved state's ", key, " is not what policy ", View(policy_.name()),
                   " keeps of its KV cache");
  };
  size_t count = ids.size();
  if (blocks < 0 || computed.size() != count || weights.size() != count ||
      offsets.size() != count + 1 || offsets.front() != 0 ||
      offsets.back() != static_cast<int64_t>(table.size()))
    return wrong();
  std::map<int64_t, Kept> kept;
  for (size_t i = 0; i < count; ++i) {
    if (computed[i] < 1 || computed[i] > policy_.max_context() ||
        offsets[i + 1] - offsets[i] != BlocksOf(computed[i]))
      return wrong();
    Kept &entry = kept[ids[i]];
    entry.blocks.assign(table.begin() + offsets[i], table.begin() + offsets[i + 1]);
    entry.computed = computed[i];
    entry.weights = weights[i];
    for (int32_t block : entry.blocks)
      if (block < 0 || block >= blocks)
        return wrong();
  }
  std::vector<std::vector<uint8_t>> bytes(kv_.size());
  for (size_t i = 0; i < kv_.size(); ++i) {
    MIRL_ASSIGN(bytes[i], state.Get<uint8_t>(BytesName(key, i)));
    if (static_cast<int64_t>(bytes[i].size()) !=
        blocks * (session_.BufferBytes(*kv_[i]) / policy_.kv_blocks()))
      return wrong();
  }
  std::vector<int32_t> numbers = scheduler_->RestoreKept(std::move(kept), blocks);
  imported_ = std::move(bytes);
  for (size_t i = 0; i < kv_.size(); ++i) {
    int64_t size = session_.BufferBytes(*kv_[i]) / policy_.kv_blocks();
    for (size_t b = 0; b < numbers.size(); ++b)
      session_.PatchBuffer(*kv_[i], numbers[b] * size,
                           imported_[i].data() + static_cast<int64_t>(b) * size, size);
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
