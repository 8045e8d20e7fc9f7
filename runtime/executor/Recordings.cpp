#include "runtime/executor/Recordings.h"

#include <functional>

namespace mirl::rt {

namespace {

// Calls that were seen once are remembered so far; training sees new extents in every call.
constexpr size_t kMostSeen = 4096;

} // namespace

size_t CallKeyHash::operator()(const CallKey &key) const {
  size_t hash = std::hash<const void *>()(key.entry);
  for (int64_t extent : {key.context, key.token, key.sequence, key.group, int64_t{key.transfers}})
    hash = (hash ^ static_cast<size_t>(extent)) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

std::optional<uint64_t> Recordings::Find(const CallKey &key) {
  auto found = kept_.find(key);
  if (found == kept_.end())
    return std::nullopt;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->recording;
}

bool Recordings::Wants(const CallKey &key, int64_t commands) {
  if (commands > most_)
    return false;
  if (seen_.contains(key))
    return true;
  if (seen_.size() >= kMostSeen)
    seen_.clear();
  seen_.insert(key);
  return false;
}

std::vector<uint64_t> Recordings::MakeRoom(int64_t commands) {
  std::vector<uint64_t> gone;
  while (!order_.empty() && commands_ + commands > most_) {
    gone.push_back(order_.back().recording);
    seen_.erase(order_.back().key); // it has to come twice again
    Erase(std::prev(order_.end()));
  }
  return gone;
}

void Recordings::Add(const CallKey &key, uint64_t recording, int64_t commands) {
  order_.push_front({key, recording, commands});
  kept_[key] = order_.begin();
  commands_ += commands;
}

std::vector<uint64_t> Recordings::Clear() {
  std::vector<uint64_t> gone;
  while (!order_.empty()) {
    gone.push_back(order_.back().recording);
    Erase(std::prev(order_.end()));
  }
  return gone;
}

void Recordings::Erase(Order::iterator kept) {
  commands_ -= kept->commands;
  kept_.erase(kept->key);
  order_.erase(kept);
}

} // namespace mirl::rt
