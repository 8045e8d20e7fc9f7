// The blocks of a KV cache, counted. A block is one number for all layers of a policy.

#ifndef MIRL_RUNTIME_ROLLOUT_BLOCKPOOL_H
#define MIRL_RUNTIME_ROLLOUT_BLOCKPOOL_H

#include <cstdint>
#include <vector>

namespace mirl::rt {

// Positions of a block: 16 scores are one vector of the attention kernels.
inline constexpr int64_t kBlockTokens = 16;

// Blocks that hold `positions` positions.
constexpr int64_t BlocksOf(int64_t positions) {
  return (positions + kBlockTokens - 1) / kBlockTokens;
}

// Numbers 0 … size − 1, each free or with a count of owners. Allocates in its constructor only.
class BlockPool {
public:
  explicit BlockPool(int64_t size) : owners_(static_cast<size_t>(size)) {
    free_.reserve(static_cast<size_t>(size));
    for (int64_t block = size; block-- > 0;)
      free_.push_back(static_cast<int32_t>(block));
  }

  // A free block, now with one owner; -1 when there is none. The one released last comes first:
  // its memory is the likeliest to be in a cache.
  int32_t Allocate() {
    if (free_.empty())
      return -1;
    int32_t block = free_.back();
    free_.pop_back();
    owners_[static_cast<size_t>(block)] = 1;
    return block;
  }
  // One more owner, one fewer. The block must have one.
  void Share(int32_t block) { ++owners_[static_cast<size_t>(block)]; }
  void Release(int32_t block) {
    if (--owners_[static_cast<size_t>(block)] == 0)
      free_.push_back(block);
  }

  int32_t owners(int32_t block) const { return owners_[static_cast<size_t>(block)]; }
  int64_t size() const { return static_cast<int64_t>(owners_.size()); }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  int64_t used() const { return size() - free(); }

private:
  std::vector<int32_t> owners_;
  std::vector<int32_t> free_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_BLOCKPOOL_H
