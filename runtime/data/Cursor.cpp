#include "runtime/data/Cursor.h"

#include <numeric>
#include <utility>

#include "runtime/device/Philox.h"

namespace mirl::rt {

namespace {

// FNV-1a: which data set it is. Part of a run's definition; must not change.
uint64_t NameHash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

} // namespace

void Shuffle(std::vector<int64_t> &items, uint64_t seed, uint32_t stream, uint64_t id) {
  for (size_t i = items.size(); i > 1; --i) {
    PhiloxBlock block = Philox4x32({static_cast<uint32_t>(i), stream, static_cast<uint32_t>(id),
                                    static_cast<uint32_t>(id >> 32)},
                                   seed);
    uint64_t word = block[0] | uint64_t{block[1]} << 32;
    // The high half of word * i: uniform in [0, i) up to 2^-64 * i.
    auto pick = static_cast<size_t>((static_cast<unsigned __int128>(word) * i) >> 64);
    std::swap(items[i - 1], items[pick]);
  }
}

Cursor::Cursor(uint64_t seed, std::string_view name, int64_t size)
    : seed_(seed), id_(NameHash(name)), size_(size) {}

void Cursor::Draw(int64_t count, std::vector<int64_t> &indices) {
  for (int64_t i = 0; i < count; ++i, ++drawn_) {
    if (int64_t epoch = drawn_ / size_; epoch != epoch_) {
      epoch_ = epoch;
      order_.resize(static_cast<size_t>(size_));
      std::iota(order_.begin(), order_.end(), 0);
      Shuffle(order_, seed_, kEpochStream | static_cast<uint32_t>(epoch), id_);
    }
    indices.push_back(order_[static_cast<size_t>(drawn_ % size_)]);
  }
}

} // namespace mirl::rt
