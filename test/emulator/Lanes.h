// Loops over the lanes of a warp, which the compiler turns into vectors.

#ifndef MIRL_EMULATOR_LANES_H
#define MIRL_EMULATOR_LANES_H

#include <bit>
#include <cstdint>
#include <cstring>

#include "test/emulator/Decode.h"
#include "test/emulator/Warp.h"

namespace mirl::emulator {

// What arithmetic gives that is no number, and any f32 with that in its place.
inline float Nan() { return std::bit_cast<float>(0x7fffffffu); }
inline float Proper(float x) { return x == x ? x : Nan(); }

// d[lane] = value(lane) for the running lanes. `value` must be harmless for the others. A result
// may lie where an operand does, then lane by lane.
template <typename T, typename Value> inline void ForLanes(Warp &warp, T *d, Value value) {
  const uint32_t mask = warp.mask;
  if (mask == ~0u) {
#pragma clang loop vectorize(assume_safety)
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      d[lane] = value(lane);
    return;
  }
#pragma clang loop vectorize(assume_safety)
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    T result = value(lane);
    d[lane] = mask >> lane & 1 ? result : d[lane];
  }
}

// A bit for each lane of which `holds`.
template <typename Holds> inline uint32_t Bits(Holds holds) {
  alignas(32) uint8_t bytes[kLanes];
#pragma clang loop vectorize(assume_safety)
  for (uint32_t lane = 0; lane < kLanes; ++lane)
    bytes[lane] = holds(lane) ? 1 : 0;
  uint32_t bits = 0;
  for (uint32_t part = 0; part < 4; ++part) {
    uint64_t eight;
    std::memcpy(&eight, bytes + 8 * part, 8);
    bits |= static_cast<uint32_t>((eight * 0x0102040810204080u) >> 56) << (8 * part);
  }
  return bits;
}

template <typename D, typename A, typename F> void Run1(Warp &w, const Instruction &i) {
  const A *a = w.At<A>(i.a);
  ForLanes(w, w.At<D>(i.d), [=](uint32_t l) { return F()(a[l]); });
}
template <typename D, typename A, typename B, typename F> void Run2(Warp &w, const Instruction &i) {
  const A *a = w.At<A>(i.a);
  const B *b = w.At<B>(i.b);
  ForLanes(w, w.At<D>(i.d), [=](uint32_t l) { return F()(a[l], b[l]); });
}
template <typename D, typename A, typename C, typename F> void Run3(Warp &w, const Instruction &i) {
  const A *a = w.At<A>(i.a);
  const A *b = w.At<A>(i.b);
  const C *c = w.At<C>(i.c);
  ForLanes(w, w.At<D>(i.d), [=](uint32_t l) { return F()(a[l], b[l], c[l]); });
}

// What this machine needs nothing for.
inline void RunNothing(Warp &, const Instruction &) {}

// The number of every lane that runs, one behind the other.
template <typename Do> inline void ForActive(const Warp &warp, Do act) {
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1)
    act(static_cast<uint32_t>(std::countr_zero(rest)));
}

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_LANES_H
