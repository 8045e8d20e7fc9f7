// A block of threads: its warps, which take turns, its shared memory and its barriers.

#ifndef MIRL_EMULATOR_BLOCK_H
#define MIRL_EMULATOR_BLOCK_H

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "test/emulator/Warp.h"

namespace mirl::emulator {

struct Range {
  uint64_t begin = 0, end = 0;
  // For each kWrittenBytes: the last chain of launches in which a kernel wrote there (Launch).
  // Null: where kernels do not write.
  uint32_t *chains = nullptr;
};
inline constexpr uint64_t kWrittenBytes = 64;

struct Extent {
  uint32_t x = 1, y = 1, z = 1;
};

struct Launch {
  const Program *program = nullptr;
  const Kernel *kernel = nullptr;
  Extent grid, block;
  uint32_t dynamic_shared = 0;
  const uint8_t *parameters = nullptr;
  std::vector<Range> memory; // what may be read and written, sorted
  uint64_t steps = 0;        // instructions of a warp that a block may take
  // Whether it may start before the launches in front of it have ended. From one that may not to
  // the next such launches are a chain.
  bool overlaps = false;
  uint32_t chain = 0;
};

// What is known of a byte of shared memory.
enum Shadow : uint8_t { kUnwritten = 0, kWritten = 1, kArriving = 2, kBarrierObject = 3 };

struct Mbarrier {
  uint32_t count = 0;   // arrivals of a phase
  uint32_t pending = 0; // arrivals that this phase lacks
  int64_t bytes = 0;    // that this phase expects and that have not arrived
  uint32_t phase = 0;
};

class Block {
public:
  explicit Block(const Launch &launch);

  // Runs the block with this number in the grid. Throws Fault.
  void Run(uint64_t number);

  // An access of a lane to global memory.
  bool Allowed(uint64_t address, uint64_t bytes);
  // Whether a launch of this chain has written what is Allowed; notes that this one does.
  bool WrittenBefore(uint64_t address, uint64_t bytes) const;
  void Write(uint64_t address, uint64_t bytes);

  // Shared memory, by address: from kSharedBegin on.
  uint8_t *Shared(uint32_t address) { return shared_.data() + address; }
  uint8_t *Shadows(uint32_t address) { return shadow_.data() + address; }
  bool InShared(uint64_t address, uint64_t bytes) const {
    return address >= kSharedBegin && address <= shared_.size() &&
           bytes <= shared_.size() - address;
  }
  uint64_t shared_end() const { return shared_.size(); }

  // A warp arrives at a named barrier of `threads` (0: all) threads. True when that completes it;
  // the waiting warps run again.
  bool Arrive(Warp &warp, const Instruction &i, uint32_t barrier, uint32_t threads);
  void Exited();

  Mbarrier &FindMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address);
  void MakeMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address,
                    uint32_t count);
  void DropMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address);
  void ArriveAt(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address, uint32_t count);
  void Expect(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address, int64_t bytes);
  void Settle(Mbarrier &barrier);

  // What a copy does later: when no warp can run any more.
  struct Copy {
    const Warp *warp = nullptr;
    const Instruction *instruction = nullptr;
    uint32_t lane = 0;
    std::function<void()> act;
  };
  void Defer(Copy copy) { copies_.push_back(std::move(copy)); }

  // Reads of shared memory that go on: who may not be written to until the owner has waited.
  struct Reading {
    uint32_t begin = 0, end = 0;
    Warp *warp = nullptr;
    uint32_t lane = 0; // kLanes: the warp's wgmma
    int line = 0;
    uint64_t group = 0;
    const char *what = "";
    // The left matrix of a product: sums that are undefined when it is overwritten, as a warp may
    // read rows that nobody needs.
    const uint32_t *sums = nullptr;
    uint32_t count = 0;
  };
  std::vector<Reading> readings;
  void CheckOverwrite(const Warp &warp, const Instruction &i, uint32_t lane, uint32_t begin,
                      uint32_t bytes);

  const Launch &launch;
  Extent place; // of the block in the grid
  uint64_t steps = 0;
  std::vector<Warp> warps;

private:
  [[noreturn]] void Deadlock();
  void CheckBarrier(uint32_t barrier);

  struct NamedBarrier {
    uint32_t arrived = 0, expected = 0; // threads; expected 0: all
    bool used = false;
  };
  std::vector<uint8_t> shared_, shadow_;
  std::array<NamedBarrier, 16> barriers_;
  std::map<uint32_t, Mbarrier> mbarriers_;
  std::deque<Copy> copies_;
  Range last_;
};

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_BLOCK_H
