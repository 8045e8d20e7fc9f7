// The order in which a run draws records: shuffled epochs, each without replacement, computed from
// the run seed and the data set's name alone. The state is one number: how many were drawn.

#ifndef MIRL_RUNTIME_DATA_CURSOR_H
#define MIRL_RUNTIME_DATA_CURSOR_H

#include <cstdint>
#include <string_view>
#include <vector>

namespace mirl::rt {

// The streams of the generator (word 1 of Philox's counter) that the host uses; kernels use 0.
inline constexpr uint32_t kShuffleStream = 0x40000000, kEpochStream = 0x80000000;

// Fisher-Yates by the counter-based generator: the counter of the i-th exchange is
// {i, stream, id low, id high}.
void Shuffle(std::vector<int64_t> &items, uint64_t seed, uint32_t stream, uint64_t id);

class Cursor {
public:
  // `size` records, at least 1.
  Cursor(uint64_t seed, std::string_view name, int64_t size);

  // Appends the indices of the next `count` records.
  void Draw(int64_t count, std::vector<int64_t> &indices);

  int64_t drawn() const { return drawn_; }
  void Seek(int64_t drawn) { drawn_ = drawn; }

private:
  uint64_t seed_, id_;
  int64_t size_, drawn_ = 0, epoch_ = -1;
  std::vector<int64_t> order_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DATA_CURSOR_H
