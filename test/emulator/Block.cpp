#include "test/emulator/Block.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace mirl::emulator {

Block::Block(const Launch &launch) : launch(launch) {
  uint32_t threads = launch.block.x * launch.block.y * launch.block.z;
  size_t bytes = size_t{kSharedBegin} + launch.kernel->static_shared + launch.dynamic_shared;
  shared_.resize(bytes);
  shadow_.resize(bytes);
  warps.reserve((threads + kLanes - 1) / kLanes);
  for (uint32_t w = 0; w * kLanes < threads; ++w)
    warps.emplace_back(*this, *launch.kernel, w);
}

void Block::Run(uint64_t number) {
  place = {static_cast<uint32_t>(number % launch.grid.x),
           static_cast<uint32_t>(number / launch.grid.x % launch.grid.y),
           static_cast<uint32_t>(number / launch.grid.x / launch.grid.y)};
  std::fill(shadow_.begin(), shadow_.end(), kUnwritten);
  barriers_ = {};
  mbarriers_.clear();
  copies_.clear();
  readings.clear();
  steps = 0;
  uint32_t threads = launch.block.x * launch.block.y * launch.block.z;
  for (Warp &warp : warps)
    warp.Start(threads - warp.index * kLanes);
  for (;;) {
    bool ran = false, all = true;
    for (Warp &warp : warps) {
      if (warp.Runnable()) {
        warp.Run();
        ran = true;
      }
      all &= warp.Finished();
    }
    if (all)
      break;
    if (ran)
      continue;
    if (copies_.empty())
      Deadlock();
    // The accelerator is as slow as it can be.
    Copy copy = std::move(copies_.front());
    copies_.pop_front();
    copy.act();
  }
  if (!copies_.empty()) {
    const Copy &copy = copies_.front();
    copy.warp->Fail(kLaunchFailed, *copy.instruction, copy.lane,
                    "the block ends while this copy to shared memory is under way");
  }
  if (std::none_of(warps.begin(), warps.end(), [](const Warp &warp) { return warp.waited(); }))
    throw Fault{kLaunchFailed, "kernel " + launch.kernel->name + ", block " +
                                   std::to_string(number) +
                                   ": it ends without having waited for earlier launches "
                                   "(griddepcontrol.wait), so that later ones do not, either"};
}

// Blocks run at the same time, and neighbours may share a word.
bool Block::WrittenBefore(uint64_t address, uint64_t bytes) const {
  if (!last_.chains)
    return false;
  uint64_t from = (address - last_.begin) / kWrittenBytes,
           to = (address - last_.begin + bytes - 1) / kWrittenBytes;
  for (; from <= to; ++from)
    if (std::atomic_ref(last_.chains[from]).load(std::memory_order_relaxed) == launch.chain)
      return true;
  return false;
}

void Block::Write(uint64_t address, uint64_t bytes) {
  if (!last_.chains)
    return;
  uint64_t from = (address - last_.begin) / kWrittenBytes,
           to = (address - last_.begin + bytes - 1) / kWrittenBytes;
  for (; from <= to; ++from)
    std::atomic_ref(last_.chains[from]).store(launch.chain, std::memory_order_relaxed);
}

bool Block::Allowed(uint64_t address, uint64_t bytes) {
  if (address >= last_.begin && address < last_.end && bytes <= last_.end - address)
    return true;
  auto it = std::upper_bound(launch.memory.begin(), launch.memory.end(), address,
                             [](uint64_t a, const Range &r) { return a < r.begin; });
  if (it == launch.memory.begin())
    return false;
  --it;
  if (address >= it->end || bytes > it->end - address)
    return false;
  last_ = *it;
  return true;
}

bool Block::Arrive(Warp &warp, const Instruction &i, uint32_t barrier, uint32_t threads) {
  if (barrier >= barriers_.size())
    warp.Fail(kLaunchFailed, i, warp.First(),
              "there are barriers 0 to 15, no " + std::to_string(barrier));
  if (threads % kLanes)
    warp.Fail(kLaunchFailed, i, warp.First(),
              "a barrier is for whole warps, not for " + std::to_string(threads) + " threads");
  NamedBarrier &state = barriers_[barrier];
  if (state.used && state.expected != threads)
    warp.Fail(kLaunchFailed, i, warp.First(),
              "barrier " + std::to_string(barrier) + " is for " + std::to_string(threads) +
                  " threads here, for " + std::to_string(state.expected) +
                  " where others have arrived");
  state.used = true;
  state.expected = threads;
  state.arrived += kLanes;
  CheckBarrier(barrier);
  return !state.used;
}

void Block::CheckBarrier(uint32_t barrier) {
  NamedBarrier &state = barriers_[barrier];
  uint32_t expected = state.expected;
  if (!expected)
    for (const Warp &warp : warps)
      expected += warp.Finished() ? 0 : kLanes;
  if (!state.used || state.arrived < expected)
    return;
  state = {};
  for (Warp &warp : warps)
    warp.Wake(State::kBarrier, barrier);
}

void Block::Exited() {
  for (uint32_t b = 0; b < barriers_.size(); ++b)
    if (barriers_[b].used && !barriers_[b].expected)
      CheckBarrier(b);
}

Mbarrier &Block::FindMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address) {
  auto it = mbarriers_.find(static_cast<uint32_t>(address));
  if (it == mbarriers_.end() || address >> 32)
    warp.Fail(kLaunchFailed, i, lane,
              "there is no mbarrier at " + std::to_string(address) +
                  " in shared memory (mbarrier.init)");
  return it->second;
}

void Block::MakeMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address,
                         uint32_t count) {
  if (address % 8)
    warp.Fail(kMisalignedAddress, i, lane,
              "an mbarrier at " + std::to_string(address) + ", no multiple of 8 bytes");
  if (!InShared(address, 8))
    warp.Fail(kIllegalAddress, i, lane,
              "an mbarrier at " + std::to_string(address) + ", outside the block's shared memory");
  if (count == 0 || count >= 1u << 20)
    warp.Fail(kLaunchFailed, i, lane,
              "an mbarrier for " + std::to_string(count) + " arrivals; it takes 1 to 1048575");
  uint8_t *shadow = Shadows(static_cast<uint32_t>(address));
  for (int b = 0; b < 8; ++b)
    if (shadow[b] == kBarrierObject || shadow[b] == kArriving)
      warp.Fail(kLaunchFailed, i, lane,
                "an mbarrier at " + std::to_string(address) +
                    ", where there is one or a copy arrives");
  std::memset(shadow, kBarrierObject, 8);
  mbarriers_[static_cast<uint32_t>(address)] = {count, count, 0, 0};
}

void Block::DropMbarrier(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address) {
  FindMbarrier(warp, i, lane, address);
  std::memset(Shadows(static_cast<uint32_t>(address)), kUnwritten, 8);
  mbarriers_.erase(static_cast<uint32_t>(address));
}

void Block::ArriveAt(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address,
                     uint32_t count) {
  Mbarrier &barrier = FindMbarrier(warp, i, lane, address);
  if (count > barrier.pending)
    warp.Fail(kLaunchFailed, i, lane,
              "more arrivals at the mbarrier at " + std::to_string(address) + " than the " +
                  std::to_string(barrier.count) + " that a phase is for");
  barrier.pending -= count;
  Settle(barrier);
}

void Block::Expect(Warp &warp, const Instruction &i, uint32_t lane, uint64_t address,
                   int64_t bytes) {
  Mbarrier &barrier = FindMbarrier(warp, i, lane, address);
  barrier.bytes += bytes;
  if (barrier.bytes >= 1 << 20 || barrier.bytes <= -(1 << 20))
    warp.Fail(kLaunchFailed, i, lane,
              "the mbarrier at " + std::to_string(address) + " expects " +
                  std::to_string(barrier.bytes) + " bytes, 2^20 or more");
}

void Block::Settle(Mbarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  ++barrier.phase;
  barrier.pending = barrier.count;
  for (Warp &warp : warps)
    warp.Wake(State::kMbarrier, 0);
}

void Block::CheckOverwrite(const Warp &warp, const Instruction &i, uint32_t lane, uint32_t begin,
                           uint32_t bytes) {
  for (const Reading &reading : readings) {
    if (begin >= reading.end || reading.begin >= begin + bytes)
      continue;
    if (!reading.sums)
      warp.Fail(kLaunchFailed, i, lane,
                "shared memory at " + std::to_string(begin) + " is written to while " +
                    reading.what + " of warp " + std::to_string(reading.warp->index) +
                    " (PTX line " + std::to_string(reading.line) + ") may still read it");
    reading.warp->FoundAt(reading.line);
    for (uint32_t s = 0; s < reading.count; ++s)
      reading.warp->SetUndefined(reading.sums[s], ~0u, ~0u);
  }
}

void Block::Deadlock() {
  std::string text = "kernel " + launch.kernel->name + ", block (" + std::to_string(place.x) +
                     ", " + std::to_string(place.y) + ", " + std::to_string(place.z) +
                     "): all of its threads wait:";
  for (const Warp &warp : warps)
    text += warp.Describe();
  for (const auto &[address, barrier] : mbarriers_)
    if (barrier.pending != barrier.count || barrier.bytes)
      text += "\n  the mbarrier at " + std::to_string(address) + ": phase " +
              std::to_string(barrier.phase) + " lacks " + std::to_string(barrier.pending) + " of " +
              std::to_string(barrier.count) + " arrivals and " + std::to_string(barrier.bytes) +
              " bytes";
  for (size_t b = 0; b < barriers_.size(); ++b)
    if (barriers_[b].used)
      text += "\n  barrier " + std::to_string(b) + ": " + std::to_string(barriers_[b].arrived) +
              " threads of " +
              (barriers_[b].expected ? std::to_string(barriers_[b].expected) : std::string("all")) +
              " have arrived";
  throw Fault{kLaunchTimeout, text};
}

} // namespace mirl::emulator
