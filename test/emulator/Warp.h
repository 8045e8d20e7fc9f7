// 32 threads that run in lock-step as far as they are at the same place.
//
// Every thread has a place of its own: a warp is a list of splits, lanes that are at the same
// instruction. The split that is at the lowest place runs, until it reaches another one, which it
// joins, or waits. So branches meet again behind them, and lanes that wait for each other
// (bar.warp.sync, shfl.sync, …) meet whatever way each came.

#ifndef MIRL_EMULATOR_WARP_H
#define MIRL_EMULATOR_WARP_H

#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "test/emulator/Fault.h"
#include "test/emulator/Program.h"

namespace mirl::emulator {

class Block;

enum class State : uint8_t { kRunnable, kWarpSync, kBarrier, kMbarrier };

struct Split {
  uint32_t lanes = 0; // a bit each
  uint32_t place = 0; // of the next instruction
  State state = State::kRunnable;
  uint32_t what = 0; // kBarrier: its number; kMbarrier: its address
};

// kProduct: as kRead, but of wgmma, which may read what it has no use for.
enum class Access : uint8_t { kRead, kProduct, kWrite, kAtomic };

// A piece that cp.async brings to shared memory.
struct PendingPiece {
  uint32_t target = 0, bytes = 0, zeros = 0;
  uint64_t source = 0;
  uint32_t group = 0;
};

// A box that the accelerator copies from shared memory.
struct PendingStore {
  uint32_t group = 0;
  std::function<void()> copy;
};

class Warp {
public:
  Warp(Block &block, const Kernel &kernel, uint32_t index);

  // At the first instruction, with the first `threads` lanes.
  void Start(uint32_t threads);
  // Runs what can run. Throws Fault.
  void Run();
  bool Runnable() const;
  bool Finished() const { return live_ == 0; }

  template <typename T> T *At(uint32_t place) { return reinterpret_cast<T *>(registers_ + place); }
  template <typename T> const T *At(uint32_t place) const {
    return reinterpret_cast<const T *>(registers_ + place);
  }
  uint32_t &Predicate(uint32_t place) { return *At<uint32_t>(place); }
  // Sets the running lanes' bits of a predicate.
  void SetPredicate(uint32_t place, uint32_t bits) {
    uint32_t &target = *At<uint32_t>(place);
    target = (target & ~mask) | (bits & mask);
  }

  // The address of a lane, in the instruction's space.
  uint64_t Address(const Instruction &i, uint32_t lane) const {
    if (i.a == kNoPlace)
      return static_cast<uint64_t>(i.offset);
    uint64_t base = i.narrow_address ? At<uint32_t>(i.a)[lane] : At<uint64_t>(i.a)[lane];
    return base + static_cast<uint64_t>(i.offset);
  }
  // Where that is in this process. Throws Fault when the access is not allowed.
  uint8_t *Resolve(const Instruction &i, uint32_t lane, Space space, uint64_t address,
                   uint32_t bytes, Access access);

  // A lane's access to global memory, which is Allowed. A fault when it comes before the lane has
  // waited for earlier launches: a write, or a read of what one of them wrote.
  void CheckOrder(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                  bool writes);
  // The lanes of `mask` have waited for earlier launches.
  void WaitedForEarlier() { waited_ |= mask; }
  uint32_t waited() const { return waited_; }

  // For instructions that need lanes together: `member[lane]` are those that a lane names (nullptr:
  // all). True: those that run are complete; false: they wait. `elsewhere`: they may be at other
  // instructions that are also so (bar.warp.sync).
  bool Converge(const Instruction &i, const uint32_t *member, bool elsewhere = false);
  // For instructions that need all 32 lanes: a fault when some have ended.
  bool ConvergeAll(const Instruction &i);
  void Branch(uint32_t target); // the lanes of `mask`
  void Exit();                  // the lanes of `mask`
  // `lanes` of the running ones become a split of their own.
  void Leave(uint32_t lanes, uint32_t place, State state = State::kRunnable, uint32_t what = 0);
  void Next() { ++now_.place; }
  void Wait(State state, uint32_t what) {
    now_.state = state;
    now_.what = what;
  }
  // Lets splits in `state` run again; kBarrier: those at barrier `what`.
  void Wake(State state, uint32_t what);

  // Values that nobody has given: of which lanes a register holds one. `Found`: those of the lanes
  // of `mask` that the instruction has just read from memory that was never written.
  uint32_t Undefined(uint32_t place) const {
    return undefined_registers_ ? undefined_[place / 4] : 0;
  }
  void SetUndefined(uint32_t place, uint32_t lanes, uint32_t undefined);
  // Fails when what a running lane among `lanes` has at `place` (kNoPlace: nothing) is undefined.
  void NeedGiven(const Instruction &i, uint32_t place, const char *what,
                 uint32_t lanes = ~0u) const {
    if (place != kNoPlace && (Undefined(place) & mask & lanes))
      FailUndefined(i, static_cast<uint32_t>(std::countr_zero(Undefined(place) & mask & lanes)),
                    what);
  }
  uint32_t TakeFound() { return std::exchange(found_, 0); }
  // The next values that are called undefined come from this line.
  void FoundAt(int line) { found_line_ = line; }
  [[noreturn]] void FailUndefined(const Instruction &i, uint32_t lane,
                                  const std::string &what) const;

  [[noreturn]] void Fail(Result result, const Instruction &i, uint32_t lane,
                         const std::string &what) const;
  // The first of the running lanes.
  uint32_t First() const { return static_cast<uint32_t>(std::countr_zero(mask)); }
  // "warp 3, lanes 0x0000ffff: waits …" of every split.
  std::string Describe() const;

  Block &block;
  const Kernel &kernel;
  const uint32_t index;
  uint32_t mask = 0; // the lanes that the instruction runs for

  // cp.async, and copies from shared memory by the accelerator, of each lane; the groups committed
  // so far.
  std::array<std::vector<PendingPiece>, kLanes> pieces;
  std::array<uint32_t, kLanes> piece_groups = {};
  std::array<std::vector<PendingStore>, kLanes> stores;
  std::array<uint32_t, kLanes> store_groups = {};
  // All but the last `kept` groups of stores are done.
  void FinishStores(uint32_t lane, uint32_t kept);

  // wgmma: a group of products writes to the sums at these places until it is waited for.
  void StartProducts(const std::vector<uint32_t> &sums);
  void CommitProducts() { ++product_groups_; }
  void FinishProducts(uint32_t kept);
  uint64_t product_group() const { return product_groups_; }

  std::vector<uint8_t> local, local_written; // all lanes'

  uint32_t live() const { return live_; }
  // `lanes` of the running ones wait at this instruction.
  void LeaveHere(uint32_t lanes, State state, uint32_t what) {
    Leave(lanes, now_.place, state, what);
  }

private:
  bool Take();
  void CheckProducts(const Instruction &i) const;
  void CheckGiven(const Instruction &i) const;
  void RunTracked(const Instruction &i);
  void SetWritten(const Instruction &i, uint32_t undefined);
  uint8_t *ResolveShared(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                         Access access);
  uint8_t *ResolveLocal(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                        Access access);

  struct Products {
    uint64_t group = 0;
    std::vector<uint32_t> sums;
  };
  std::vector<Products> products_;
  uint64_t product_groups_ = 0;
  std::vector<uint8_t> in_flight_; // by place / 64: how many products write there

  std::vector<uint32_t> undefined_; // by place / 4
  uint32_t undefined_registers_ = 0, found_ = 0;
  int found_line_ = 0;

  std::vector<uint8_t> memory_;
  uint8_t *registers_ = nullptr;
  uint32_t live_ = 0, waited_ = 0;
  Split now_;
  uint32_t limit_ = 0; // the lowest place at which another split could run
  std::vector<Split> others_;
};

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_WARP_H
