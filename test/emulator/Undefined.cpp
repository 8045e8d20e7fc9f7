// Values that nobody has given: what was read from memory that was never written, and what depends
// on it.
//
// A schedule may read more than it needs and choose afterwards, so reading is no fault. It is one
// when such a value decides something: an address, a branch, what is stored to global memory. As in
// Valgrind's memcheck; a bit for each lane of a register.

#include <algorithm>
#include <string>

#include "test/emulator/Block.h"

namespace mirl::emulator {

namespace {
bool Writes(uint32_t touched) { return touched & 1; }
uint32_t PlaceOf(uint32_t touched) { return touched & ~1u; }
} // namespace

void Warp::SetUndefined(uint32_t place, uint32_t lanes, uint32_t undefined) {
  uint32_t &bits = undefined_[place / 4], before = bits;
  bits = (bits & ~lanes) | (undefined & lanes);
  undefined_registers_ += (bits != 0) - (before != 0);
}

void Warp::FailUndefined(const Instruction &i, uint32_t lane, const std::string &what) const {
  Fail(kLaunchFailed, i, lane,
       what +
           " depends on memory of the block that nobody had written, or that was overwritten too "
           "early, read at PTX line " +
           std::to_string(found_line_) + " (" +
           std::string(block.launch.program->Line(found_line_)) + ")");
}

void Warp::CheckGiven(const Instruction &i) const {
  for (uint32_t t = 0; t < i.touched_count; ++t) {
    uint32_t touched = kernel.touched[i.touched + t];
    if (!Writes(touched))
      NeedGiven(i, PlaceOf(touched), "an operand");
  }
}

// The results of the running lanes: undefined in these.
void Warp::SetWritten(const Instruction &i, uint32_t undefined) {
  for (uint32_t t = 0; t < i.touched_count; ++t)
    if (uint32_t touched = kernel.touched[i.touched + t]; Writes(touched))
      SetUndefined(PlaceOf(touched), mask, undefined);
}

// An instruction while some register holds an undefined value.
void Warp::RunTracked(const Instruction &i) {
  uint32_t undefined = 0;
  switch (i.track) {
  case Track::kOwn:
    return i.run(*this, i);
  case Track::kStrict:
    CheckGiven(i);
    break;
  case Track::kSelect: {
    uint32_t p = Predicate(i.c);
    undefined = Undefined(i.c) | (p & Undefined(i.a)) | (~p & Undefined(i.b));
    break;
  }
  case Track::kAnd:
  case Track::kOr: {
    uint32_t a = Predicate(i.a), b = Predicate(i.b), ua = Undefined(i.a), ub = Undefined(i.b);
    // Where one of them decides alone.
    uint32_t decided = i.track == Track::kAnd ? (~a & ~ua) | (~b & ~ub) : (a & ~ua) | (b & ~ub);
    undefined = (ua | ub) & ~decided;
    break;
  }
  case Track::kLoad:
  case Track::kStore:
    NeedGiven(i, i.a, "the address");
    [[fallthrough]];
  case Track::kValues:
    for (uint32_t t = 0; t < i.touched_count; ++t)
      if (uint32_t touched = kernel.touched[i.touched + t]; !Writes(touched))
        undefined |= Undefined(PlaceOf(touched));
    break;
  }
  undefined &= mask;
  SetWritten(i, undefined);
  i.run(*this, i);
  if (i.track != Track::kStore)
    return;
  // What was stored is again what nobody has written.
  for (; undefined; undefined &= undefined - 1) {
    uint32_t lane = static_cast<uint32_t>(std::countr_zero(undefined));
    Space space = i.space;
    uint64_t address = Address(i, lane);
    ResolveGeneric(space, address);
    if (space != Space::kShared && space != Space::kLocal)
      FailUndefined(i, lane, "a value that is stored");
    uint8_t *written = space == Space::kShared
                           ? block.Shadows(static_cast<uint32_t>(address))
                           : &local_written[size_t{kernel.local_bytes} * lane + address];
    for (uint32_t v = 0; v < i.count; ++v)
      if (Undefined(kernel.places[i.list + v]) >> lane & 1)
        std::fill_n(written + v * i.bytes, i.bytes, static_cast<uint8_t>(kUnwritten));
  }
}

} // namespace mirl::emulator
