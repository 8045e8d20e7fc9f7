#include "test/emulator/Warp.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "test/emulator/Block.h"

namespace mirl::emulator {

Warp::Warp(Block &block, const Kernel &kernel, uint32_t index)
    : block(block), kernel(kernel), index(index), in_flight_(kernel.register_bytes / 64 + 1),
      undefined_(kernel.register_bytes / 4), memory_(kernel.register_bytes + 64) {
  registers_ = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) &
                                           ~uintptr_t{63});
  for (const Constant &constant : kernel.constants)
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      std::memcpy(registers_ + constant.place + lane * constant.bytes, &constant.bits,
                  constant.bytes);
  local.resize(size_t{kernel.local_bytes} * kLanes);
  local_written.resize(local.size());
}

void Warp::Start(uint32_t threads) {
  const Extent &size = block.launch.block;
  const Extent &grid = block.launch.grid;
  const uint32_t fixed[kSpecials] = {
      0,      0,      0,      size.x, size.y, size.z, block.place.x, block.place.y, block.place.z,
      grid.x, grid.y, grid.z, 0,      index};
  // A register that nobody wrote holds this, in every block; behind the registers lie constants.
  std::memset(registers_, 0xA5,
              kernel.constants.empty() ? kernel.register_bytes : kernel.constants.front().place);
  uint32_t *special = At<uint32_t>(0);
  for (uint32_t s = 0; s < kSpecials; ++s)
    std::fill_n(special + s * kLanes, kLanes, fixed[s]);
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    uint32_t thread = index * kLanes + lane;
    special[kTidX * kLanes + lane] = thread % size.x;
    special[kTidY * kLanes + lane] = thread / size.x % size.y;
    special[kTidZ * kLanes + lane] = thread / size.x / size.y;
    special[kLaneId * kLanes + lane] = lane;
  }
  live_ = threads >= kLanes ? ~0u : (1u << threads) - 1;
  waited_ = block.launch.overlaps ? 0 : ~0u;
  others_.assign(1, {live_, 0, State::kRunnable, 0});
  products_.clear();
  std::fill(in_flight_.begin(), in_flight_.end(), 0);
  product_groups_ = 0;
  std::fill(undefined_.begin(), undefined_.end(), 0);
  undefined_registers_ = found_ = 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    pieces[lane].clear();
    stores[lane].clear();
    piece_groups[lane] = store_groups[lane] = 0;
  }
  std::fill(local_written.begin(), local_written.end(), 0);
}

bool Warp::Runnable() const {
  return std::any_of(others_.begin(), others_.end(),
                     [](const Split &s) { return s.state == State::kRunnable; });
}

bool Warp::Take() {
  size_t best = others_.size();
  for (size_t i = 0; i < others_.size(); ++i)
    if (others_[i].state == State::kRunnable &&
        (best == others_.size() || others_[i].place < others_[best].place))
      best = i;
  if (best == others_.size())
    return false;
  now_ = {0, others_[best].place, State::kRunnable, 0};
  limit_ = ~0u;
  size_t kept = 0;
  for (const Split &split : others_) {
    if (split.state == State::kRunnable && split.place == now_.place) {
      now_.lanes |= split.lanes;
      continue;
    }
    if (split.state == State::kRunnable)
      limit_ = std::min(limit_, split.place);
    others_[kept++] = split;
  }
  others_.resize(kept);
  return true;
}

void Warp::Run() {
  const Instruction *code = kernel.code.data();
  while (Take()) {
    while (now_.lanes && now_.state == State::kRunnable && now_.place < limit_) {
      const Instruction &i = code[now_.place];
      mask = now_.lanes;
      if (++block.steps > block.launch.steps)
        Fail(kLaunchTimeout, i, First(),
             "the block has taken " + std::to_string(block.launch.steps) +
                 " instructions of its warps and has not ended (MIRL_EMULATOR_STEPS)");
      if (i.guard != kNoPlace) {
        NeedGiven(i, i.guard, "the predicate");
        uint32_t guard = Predicate(i.guard);
        mask &= i.guard_negated ? ~guard : guard;
        if (!mask) {
          ++now_.place;
          continue;
        }
      }
      if (!products_.empty())
        CheckProducts(i);
      if (i.control) {
        if (undefined_registers_ && i.track == Track::kStrict) {
          CheckGiven(i);
          SetWritten(i, 0);
        }
        i.run(*this, i);
        continue;
      }
      if (undefined_registers_)
        RunTracked(i);
      else
        i.run(*this, i);
      ++now_.place;
    }
    if (now_.lanes)
      others_.push_back(now_);
    now_ = {};
  }
}

void Warp::Leave(uint32_t lanes, uint32_t place, State state, uint32_t what) {
  now_.lanes &= ~lanes;
  others_.push_back({lanes, place, state, what});
  if (state == State::kRunnable)
    limit_ = std::min(limit_, place);
}

void Warp::Branch(uint32_t target) {
  uint32_t staying = now_.lanes & ~mask;
  if (staying)
    Leave(staying, now_.place + 1);
  now_.place = target;
}

void Warp::Exit() {
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = static_cast<uint32_t>(std::countr_zero(rest));
    if (!stores[lane].empty())
      Fail(kLaunchFailed, kernel.code[now_.place], lane,
           "ends while the accelerator may still read shared memory (cp.async.bulk.wait_group)");
    if (!pieces[lane].empty())
      Fail(kLaunchFailed, kernel.code[now_.place], lane,
           "ends while its copies to shared memory are under way (cp.async.wait_all)");
  }
  live_ &= ~mask;
  now_.lanes &= ~mask;
  ++now_.place;
  // Who waited for these lanes looks again.
  Wake(State::kWarpSync, 0);
  if (!live_)
    block.Exited();
}

void Warp::Wake(State state, uint32_t what) {
  for (Split &split : others_)
    if (split.state == state && (state != State::kBarrier || split.what == what)) {
      split.state = State::kRunnable;
      limit_ = std::min(limit_, split.place);
    }
}

bool Warp::Converge(const Instruction &i, const uint32_t *member, bool elsewhere) {
  if (mask != now_.lanes) // a guard lets some lanes pass by
    Leave(now_.lanes & ~mask, now_.place + 1);
  for (size_t s = 0; s < others_.size();)
    if (others_[s].place == now_.place && others_[s].state == State::kWarpSync) {
      now_.lanes |= others_[s].lanes;
      others_.erase(others_.begin() + s);
    } else {
      ++s;
    }
  mask = now_.lanes;
  if (member)
    for (uint32_t rest = mask; rest; rest &= rest - 1)
      if (uint32_t lane = static_cast<uint32_t>(std::countr_zero(rest));
          !(member[lane] >> lane & 1)) {
        char text[96];
        std::snprintf(text, sizeof text,
                      "the thread is not among those that it waits for (mask 0x%08x)",
                      member[lane]);
        Fail(kLaunchFailed, i, lane, text);
      }
  if (now_.lanes == live_)
    return true;
  uint32_t ready = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = static_cast<uint32_t>(std::countr_zero(rest));
    if (!((member ? member[lane] : ~0u) & live_ & ~now_.lanes))
      ready |= 1u << lane;
  }
  if (!ready && elsewhere) {
    uint32_t here = static_cast<uint32_t>(std::countr_zero(mask)), wanted = member[here] & live_,
             found = 0;
    auto waits = [&](const Split &split) {
      const Instruction &there = kernel.code[split.place];
      return split.state == State::kWarpSync && there.run == i.run;
    };
    for (const Split &split : others_)
      if (waits(split))
        found |= split.lanes;
    if (!(wanted & ~(found | now_.lanes))) {
      for (Split &split : others_)
        if (waits(split) && !(split.lanes & ~wanted)) {
          split.state = State::kRunnable;
          ++split.place;
          limit_ = std::min(limit_, split.place);
        }
      if (now_.lanes & ~wanted)
        Leave(now_.lanes & ~wanted, now_.place, State::kWarpSync);
      mask = now_.lanes;
      return true;
    }
  }
  if (ready != now_.lanes) {
    if (!ready) {
      Wait(State::kWarpSync, 0);
      return false;
    }
    Leave(now_.lanes & ~ready, now_.place, State::kWarpSync);
    mask = ready;
  }
  return true;
}

bool Warp::ConvergeAll(const Instruction &i) {
  if (!Converge(i, nullptr))
    return false;
  if (mask != ~0u)
    Fail(kLaunchFailed, i, First(), "needs all 32 lanes");
  return true;
}

void Warp::CheckProducts(const Instruction &i) const {
  if (i.wgmma)
    return;
  for (uint32_t t = 0; t < i.touched_count; ++t)
    if (in_flight_[kernel.touched[i.touched + t] / 64])
      Fail(kLaunchFailed, i, First(),
           "the register holds a sum of wgmma that nobody has waited for (wgmma.wait_group)");
}

void Warp::StartProducts(const std::vector<uint32_t> &sums) {
  products_.push_back({product_groups_, sums});
  for (uint32_t place : sums)
    ++in_flight_[place / 64];
}

void Warp::FinishProducts(uint32_t kept) {
  auto over = [&](uint64_t group) { return group + kept < product_groups_; };
  size_t left = 0;
  for (Products &products : products_) {
    if (!over(products.group)) {
      std::swap(products_[left++], products);
      continue;
    }
    for (uint32_t place : products.sums)
      --in_flight_[place / 64];
  }
  products_.resize(left);
  std::erase_if(block.readings, [&](const Block::Reading &r) {
    return r.warp == this && r.lane == kLanes && over(r.group);
  });
}

void Warp::FinishStores(uint32_t lane, uint32_t kept) {
  auto over = [&](uint64_t group) { return group + kept < store_groups[lane]; };
  for (const PendingStore &store : stores[lane])
    if (over(store.group))
      store.copy();
  std::erase_if(stores[lane], [&](const PendingStore &s) { return over(s.group); });
  std::erase_if(block.readings, [&](const Block::Reading &r) {
    return r.warp == this && r.lane == lane && over(r.group);
  });
}

uint8_t *Warp::Resolve(const Instruction &i, uint32_t lane, Space space, uint64_t address,
                       uint32_t bytes, Access access) {
  ResolveGeneric(space, address);
  if (address & (bytes - 1)) {
    char text[96];
    std::snprintf(text, sizeof text, "the address 0x%llx is no multiple of %u bytes",
                  static_cast<unsigned long long>(address), bytes);
    Fail(kMisalignedAddress, i, lane, text);
  }
  if (space == Space::kShared)
    return ResolveShared(i, lane, address, bytes, access);
  if (space == Space::kLocal)
    return ResolveLocal(i, lane, address, bytes, access);
  if (space == Space::kParameter) {
    if (address > kernel.parameter_bytes || bytes > kernel.parameter_bytes - address)
      Fail(kIllegalAddress, i, lane, "the address is outside the kernel's parameters");
    return const_cast<uint8_t *>(block.launch.parameters) + address;
  }
  if (!block.Allowed(address, bytes)) {
    char text[128];
    std::snprintf(text, sizeof text,
                  "%s %u bytes of global memory at 0x%llx, where nothing is allocated",
                  access == Access::kRead ? "reads" : "writes", bytes,
                  static_cast<unsigned long long>(address));
    Fail(kIllegalAddress, i, lane, text);
  }
  CheckOrder(i, lane, address, bytes, access != Access::kRead);
  return reinterpret_cast<uint8_t *>(address);
}

void Warp::CheckOrder(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                      bool writes) {
  if (!(waited_ >> lane & 1) && (writes || block.WrittenBefore(address, bytes)))
    Fail(kLaunchFailed, i, lane,
         std::string(writes ? "writes to" : "reads") + " global memory at " +
             std::to_string(address) +
             (writes ? "" : ", where an earlier launch wrote,") +
             " before it has waited for earlier launches (griddepcontrol.wait)");
  if (writes)
    block.Write(address, bytes);
}

uint8_t *Warp::ResolveShared(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                             Access access) {
  char text[160];
  const bool reads = access == Access::kRead || access == Access::kProduct;
  const char *verb = reads ? "reads" : "writes";
  if (!block.InShared(address, bytes)) {
    std::snprintf(text, sizeof text,
                  "%s %u bytes of shared memory at %llu; the block has those from %u to %llu", verb,
                  bytes, static_cast<unsigned long long>(address), kSharedBegin,
                  static_cast<unsigned long long>(block.shared_end()));
    Fail(kIllegalAddress, i, lane, text);
  }
  uint8_t *shadow = block.Shadows(static_cast<uint32_t>(address));
  for (uint32_t b = 0; b < bytes; ++b) {
    if (shadow[b] == kWritten || (shadow[b] == kUnwritten && access == Access::kWrite))
      continue;
    if ((shadow[b] == kUnwritten && reads) ||
        (shadow[b] == kArriving && access == Access::kProduct)) {
      found_ |= 1u << lane;
      found_line_ = i.line;
      continue;
    }
    const char *why = shadow[b] == kUnwritten ? "which the block has not written"
                      : shadow[b] == kArriving
                          ? "where a copy is under way that nobody has waited for"
                          : "where an mbarrier is";
    std::snprintf(text, sizeof text, "%s %u bytes of shared memory at %llu, %s", verb, bytes,
                  static_cast<unsigned long long>(address), why);
    Fail(kLaunchFailed, i, lane, text);
  }
  if (!reads) {
    if (!block.readings.empty())
      block.CheckOverwrite(*this, i, lane, static_cast<uint32_t>(address), bytes);
    std::memset(shadow, kWritten, bytes);
  }
  return block.Shared(static_cast<uint32_t>(address));
}

uint8_t *Warp::ResolveLocal(const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes,
                            Access access) {
  if (address > kernel.local_bytes || bytes > kernel.local_bytes - address)
    Fail(kIllegalAddress, i, lane,
         "the address " + std::to_string(static_cast<int64_t>(address)) +
             " is outside the thread's local memory of " + std::to_string(kernel.local_bytes) +
             " bytes");
  size_t at = size_t{kernel.local_bytes} * lane + address;
  if (access != Access::kRead) {
    std::memset(&local_written[at], 1, bytes);
  } else if (std::count(&local_written[at], &local_written[at] + bytes, 0)) {
    found_ |= 1u << lane;
    found_line_ = i.line;
  }
  return &local[at];
}

void Warp::Fail(Result result, const Instruction &i, uint32_t lane, const std::string &what) const {
  char where[160];
  std::snprintf(where, sizeof where, "block (%u, %u, %u), thread %u (warp %u, lane %u)",
                block.place.x, block.place.y, block.place.z, index * kLanes + lane, index, lane);
  throw Fault{result, "kernel " + kernel.name + ", PTX line " + std::to_string(i.line) + " (" +
                          std::string(block.launch.program->Line(i.line)) + "), " + where + ": " +
                          what};
}

std::string Warp::Describe() const {
  std::string text;
  for (const Split &split : others_) {
    char head[96];
    std::snprintf(head, sizeof head, "\n  warp %u, lanes 0x%08x: ", index, split.lanes);
    const Instruction &i = kernel.code[split.place - (split.state == State::kBarrier)];
    text += head;
    switch (split.state) {
    case State::kRunnable:
      text += "could run";
      break;
    case State::kWarpSync:
      text += "wait for the warp's other lanes";
      break;
    case State::kBarrier:
      text += "wait at barrier " + std::to_string(split.what);
      break;
    case State::kMbarrier:
      text += "wait for the mbarrier at " + std::to_string(split.what);
      break;
    }
    text += ", PTX line " + std::to_string(i.line) + " (" +
            std::string(block.launch.program->Line(i.line)) + ")";
  }
  return text;
}

} // namespace mirl::emulator
