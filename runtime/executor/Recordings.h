// Which calls of which entries a device has recorded (Device.h), the least recently used forgotten
// first.
//
// A recording is worth it for a call that comes again with the same extents: it is made the second
// time. How many are kept is bounded by the commands in them.

#ifndef MIRL_RUNTIME_EXECUTOR_RECORDINGS_H
#define MIRL_RUNTIME_EXECUTOR_RECORDINGS_H

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace mirl::rt {

// What makes a call the same as another one: its entry and the extents of the four axes, and whether the
// recording has its transfers.
struct CallKey {
  const void *entry = nullptr;
  int64_t context = 0, token = 0, sequence = 0, group = 0;
  bool transfers = true;
  bool operator==(const CallKey &) const = default;
};
struct CallKeyHash {
  size_t operator()(const CallKey &key) const;
};

class Recordings {
public:
  // `most`: commands in all recordings together. A call with more than that is never recorded.
  explicit Recordings(int64_t most) : most_(most) {}

  // The recording of this call, which is now the most recently used.
  std::optional<uint64_t> Find(const CallKey &key);
  // Whether a call of so many commands, which has no recording, is to get one: whether it was seen
  // before.
  bool Wants(const CallKey &key, int64_t commands);
  // The recordings that must go for a new one of so many commands, least recently used first; they
  // are forgotten here.
  std::vector<uint64_t> MakeRoom(int64_t commands);
  void Add(const CallKey &key, uint64_t recording, int64_t commands);
  // All of them, to be forgotten.
  std::vector<uint64_t> Clear();
  size_t size() const { return order_.size(); }

private:
  struct Kept {
    CallKey key;
    uint64_t recording;
    int64_t commands;
  };
  using Order = std::list<Kept>; // the most recently used first
  void Erase(Order::iterator kept);

  int64_t most_, commands_ = 0;
  Order order_;
  std::unordered_map<CallKey, Order::iterator, CallKeyHash> kept_;
  std::unordered_set<CallKey, CallKeyHash> seen_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_RECORDINGS_H
