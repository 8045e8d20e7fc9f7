// mov, cvt, cvta: values from one register, type or space to another.

#include <bit>
#include <cmath>
#include <limits>

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

enum class Round { kNone, kEven, kZero, kDown, kUp };

// A number rounded to nearest even as bf16; what is none is 0x7fff.
inline uint16_t ToBf16(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>(x != x ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// The integers of a type, from 32 bits on in registers of its own width.
template <typename D, typename S> struct Cast {
  D operator()(S x) const { return static_cast<D>(x); }
};

template <Round kRound> double ToWhole(double x) {
  return kRound == Round::kEven   ? std::nearbyint(x)
         : kRound == Round::kZero ? std::trunc(x)
         : kRound == Round::kDown ? std::floor(x)
                                  : std::ceil(x);
}

// Beyond the integers: the last one; no number: 0.
template <typename D, typename S, Round kRound> struct FloatToInteger {
  D operator()(S x) const {
    if (x != x)
      return 0;
    double whole = ToWhole<kRound>(static_cast<double>(x));
    constexpr D kLeast = std::numeric_limits<D>::min(), kMost = std::numeric_limits<D>::max();
    if (whole <= static_cast<double>(kLeast))
      return kLeast;
    if (whole >= static_cast<double>(kMost))
      return kMost;
    return static_cast<D>(whole);
  }
};

template <Round kRound> struct FloatToWhole {
  float operator()(float x) const {
    return x != x ? std::bit_cast<float>(0x7fffffffu) : static_cast<float>(ToWhole<kRound>(x));
  }
};

struct Bf16ToFloat {
  float operator()(uint16_t x) const { return std::bit_cast<float>(uint32_t{x} << 16); }
};
struct FloatToBf16 {
  uint16_t operator()(float x) const { return ToBf16(x); }
};
struct FloatsToBf16 {
  uint32_t operator()(float high, float low) const {
    return uint32_t{ToBf16(high)} << 16 | ToBf16(low);
  }
};

void SetPlaces(Decoder &d, uint32_t result_bytes, uint32_t source_bytes) {
  d.out.d = d.Destination(0, BitsType(result_bytes));
  d.out.a = d.Source(1, BitsType(source_bytes));
}

// From a source of type S in registers of the type R, to the type D in registers of the type E.
template <typename E, typename D, typename R, typename S> struct Convert {
  E operator()(R x) const {
    D value = static_cast<D>(static_cast<S>(x));
    // A narrow signed value fills its register with its sign.
    return static_cast<E>(value);
  }
};

template <typename D, typename S>
Execute PickRegisters(Decoder &d, uint32_t result, uint32_t source) {
  if (result == sizeof(D) && source == sizeof(S) && sizeof(D) > 1 && sizeof(S) > 1)
    return Run1<D, S, Cast<D, S>>;
#define MIRL_EMULATOR_PAIR(E, R)                                                                   \
  if (result == sizeof(E) && source == sizeof(R))                                                  \
    return Run1<E, R, Convert<E, D, R, S>>;
  MIRL_EMULATOR_PAIR(uint16_t, uint16_t)
  MIRL_EMULATOR_PAIR(uint16_t, uint32_t)
  MIRL_EMULATOR_PAIR(uint16_t, uint64_t)
  MIRL_EMULATOR_PAIR(uint32_t, uint16_t)
  MIRL_EMULATOR_PAIR(uint32_t, uint32_t)
  MIRL_EMULATOR_PAIR(uint32_t, uint64_t)
  MIRL_EMULATOR_PAIR(uint64_t, uint16_t)
  MIRL_EMULATOR_PAIR(uint64_t, uint32_t)
  MIRL_EMULATOR_PAIR(uint64_t, uint64_t)
#undef MIRL_EMULATOR_PAIR
  d.Unknown();
}

template <typename D> Execute PickSource(Decoder &d, Type source, uint32_t result, uint32_t from) {
  switch (source) {
  case Type::kU8:
    return PickRegisters<D, uint8_t>(d, result, from);
  case Type::kS8:
    return PickRegisters<D, int8_t>(d, result, from);
  case Type::kU16:
    return PickRegisters<D, uint16_t>(d, result, from);
  case Type::kS16:
    return PickRegisters<D, int16_t>(d, result, from);
  case Type::kU32:
    return PickRegisters<D, uint32_t>(d, result, from);
  case Type::kS32:
    return PickRegisters<D, int32_t>(d, result, from);
  case Type::kU64:
    return PickRegisters<D, uint64_t>(d, result, from);
  case Type::kS64:
    return PickRegisters<D, int64_t>(d, result, from);
  default:
    d.Unknown();
  }
}

Execute PickIntegers(Decoder &d, Type to, Type from, uint32_t result, uint32_t source) {
  switch (to) {
  case Type::kU8:
    return PickSource<uint8_t>(d, from, result, source);
  case Type::kS8:
    return PickSource<int8_t>(d, from, result, source);
  case Type::kU16:
    return PickSource<uint16_t>(d, from, result, source);
  case Type::kS16:
    return PickSource<int16_t>(d, from, result, source);
  case Type::kU32:
    return PickSource<uint32_t>(d, from, result, source);
  case Type::kS32:
    return PickSource<int32_t>(d, from, result, source);
  case Type::kU64:
    return PickSource<uint64_t>(d, from, result, source);
  case Type::kS64:
    return PickSource<int64_t>(d, from, result, source);
  default:
    d.Unknown();
  }
}

template <typename D> Execute PickFromInteger(Decoder &d, Type from) {
  switch (from) {
  case Type::kU16:
    return Run1<D, uint16_t, Cast<D, uint16_t>>;
  case Type::kS16:
    return Run1<D, int16_t, Cast<D, int16_t>>;
  case Type::kU32:
    return Run1<D, uint32_t, Cast<D, uint32_t>>;
  case Type::kS32:
    return Run1<D, int32_t, Cast<D, int32_t>>;
  case Type::kU64:
    return Run1<D, uint64_t, Cast<D, uint64_t>>;
  case Type::kS64:
    return Run1<D, int64_t, Cast<D, int64_t>>;
  default:
    d.Unknown();
  }
}

template <typename S, Round kRound> Execute PickToInteger(Decoder &d, Type to) {
  switch (to) {
  case Type::kU16:
    return Run1<uint16_t, S, FloatToInteger<uint16_t, S, kRound>>;
  case Type::kS16:
    return Run1<int16_t, S, FloatToInteger<int16_t, S, kRound>>;
  case Type::kU32:
    return Run1<uint32_t, S, FloatToInteger<uint32_t, S, kRound>>;
  case Type::kS32:
    return Run1<int32_t, S, FloatToInteger<int32_t, S, kRound>>;
  case Type::kU64:
    return Run1<uint64_t, S, FloatToInteger<uint64_t, S, kRound>>;
  case Type::kS64:
    return Run1<int64_t, S, FloatToInteger<int64_t, S, kRound>>;
  default:
    d.Unknown();
  }
}

void DecodeCvt(Decoder &d) {
  Round whole = d.Take("rni")   ? Round::kEven
                : d.Take("rzi") ? Round::kZero
                : d.Take("rmi") ? Round::kDown
                : d.Take("rpi") ? Round::kUp
                                : Round::kNone;
  bool even = d.Take("rn");
  Type to = d.TakeType(), from = d.TakeType();
  if (!IsFloat(to) && !IsFloat(from)) {
    uint32_t result = std::max(d.RegisterBytes(d.operand(0), 0), 2u),
             source = d.RegisterBytes(d.operand(1), std::max(BytesOf(from), 2u));
    d.out.run = PickIntegers(d, to, from, result, source);
    return SetPlaces(d, result, source);
  }
  if (to == Type::kBF16x2 && from == Type::kF32 && even) {
    d.out.run = Run2<uint32_t, float, float, FloatsToBf16>;
    d.out.b = d.Source(2, Type::kF32);
    return SetPlaces(d, 4, 4);
  }
  if (to == Type::kBF16 && from == Type::kF32 && even) {
    d.out.run = Run1<uint16_t, float, FloatToBf16>;
    return SetPlaces(d, 2, 4);
  }
  if (to == Type::kF32 && from == Type::kBF16) {
    d.out.run = Run1<float, uint16_t, Bf16ToFloat>;
    return SetPlaces(d, 4, 2);
  }
  if (to == Type::kF32 && from == Type::kF32 && whole != Round::kNone) {
    d.out.run = whole == Round::kEven   ? Run1<float, float, FloatToWhole<Round::kEven>>
                : whole == Round::kZero ? Run1<float, float, FloatToWhole<Round::kZero>>
                : whole == Round::kDown ? Run1<float, float, FloatToWhole<Round::kDown>>
                                        : Run1<float, float, FloatToWhole<Round::kUp>>;
    return SetPlaces(d, 4, 4);
  }
  if (to == Type::kF64 && from == Type::kF32) {
    d.out.run = Run1<double, float, Cast<double, float>>;
    return SetPlaces(d, 8, 4);
  }
  if (to == Type::kF32 && from == Type::kF64 && even) {
    d.out.run = Run1<float, double, Cast<float, double>>;
    return SetPlaces(d, 4, 8);
  }
  if ((to == Type::kF32 || to == Type::kF64) && !IsFloat(from) && even) {
    d.out.run =
        to == Type::kF32 ? PickFromInteger<float>(d, from) : PickFromInteger<double>(d, from);
    return SetPlaces(d, BytesOf(to), BytesOf(from));
  }
  if ((from == Type::kF32 || from == Type::kF64) && !IsFloat(to) && whole != Round::kNone) {
#define MIRL_EMULATOR_ROUND(S)                                                                     \
  (whole == Round::kEven   ? PickToInteger<S, Round::kEven>(d, to)                                 \
   : whole == Round::kZero ? PickToInteger<S, Round::kZero>(d, to)                                 \
   : whole == Round::kDown ? PickToInteger<S, Round::kDown>(d, to)                                 \
                           : PickToInteger<S, Round::kUp>(d, to))
    d.out.run = from == Type::kF32 ? MIRL_EMULATOR_ROUND(float) : MIRL_EMULATOR_ROUND(double);
#undef MIRL_EMULATOR_ROUND
    return SetPlaces(d, BytesOf(to), BytesOf(from));
  }
  d.Unknown();
}

void RunMovPredicate(Warp &w, const Instruction &i) { w.SetPredicate(i.d, w.Predicate(i.a)); }

// One register from `count` narrower ones, the first at the bottom.
template <typename D, typename S> void RunPack(Warp &w, const Instruction &i) {
  const uint32_t *places = &w.kernel.places[i.list];
  D packed[kLanes] = {};
  for (uint32_t p = 0; p < i.count; ++p)
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      packed[lane] |= static_cast<D>(D(w.At<S>(places[p])[lane]) << (8 * sizeof(S) * p));
  ForLanes(w, w.At<D>(i.d), [&](uint32_t l) { return packed[l]; });
}

template <typename D, typename S> void RunUnpack(Warp &w, const Instruction &i) {
  const uint32_t *places = &w.kernel.places[i.list];
  S source[kLanes];
  std::memcpy(source, w.At<S>(i.a), sizeof source);
  for (uint32_t p = 0; p < i.count; ++p)
    if (places[p] != kNoPlace)
      ForLanes(w, w.At<D>(places[p]),
               [&](uint32_t l) { return static_cast<D>(source[l] >> (8 * sizeof(D) * p)); });
}

Type Narrow(Decoder &d, Type type, size_t parts) {
  uint32_t bytes = BytesOf(type) / static_cast<uint32_t>(parts);
  if (bytes * parts != BytesOf(type) || bytes < 2)
    d.Unknown();
  return BitsType(bytes);
}

void DecodeMov(Decoder &d) {
  Type type = d.TakeType();
  if (type == Type::kPred) {
    d.out.run = RunMovPredicate;
    d.out.d = d.Destination(0, type);
    d.out.a = d.Source(1, type);
    return;
  }
  if (d.operand(1).kind == Operand::Kind::kVector) {
    Type part = Narrow(d, type, d.operand(1).parts.size());
    d.out.run = BytesOf(type) == 4   ? RunPack<uint32_t, uint16_t>
                : part == Type::kB16 ? RunPack<uint64_t, uint16_t>
                                     : RunPack<uint64_t, uint32_t>;
    d.out.d = d.Destination(0, type);
    return d.List(d.operand(1), part, false);
  }
  if (d.operand(0).kind == Operand::Kind::kVector) {
    Type part = Narrow(d, type, d.operand(0).parts.size());
    d.out.run = BytesOf(type) == 4   ? RunUnpack<uint16_t, uint32_t>
                : part == Type::kB16 ? RunUnpack<uint16_t, uint64_t>
                                     : RunUnpack<uint32_t, uint64_t>;
    d.out.a = d.Source(1, type);
    return d.List(d.operand(0), part, true);
  }
  d.out.run = BytesOf(type) == 2   ? Run1<uint16_t, uint16_t, Cast<uint16_t, uint16_t>>
              : BytesOf(type) == 4 ? Run1<uint32_t, uint32_t, Cast<uint32_t, uint32_t>>
                                   : Run1<uint64_t, uint64_t, Cast<uint64_t, uint64_t>>;
  d.out.d = d.Destination(0, type);
  d.out.a = d.Source(1, type);
}

// Adds where the space begins among generic addresses; `offset` is that, or 0 for parameters, which
// lie where the launch put them.
void RunToGeneric(Warp &w, const Instruction &i) {
  const uint64_t *a = w.At<uint64_t>(i.a);
  uint64_t base = i.space == Space::kParameter
                      ? reinterpret_cast<uint64_t>(w.block.launch.parameters)
                      : static_cast<uint64_t>(i.offset);
  ForLanes(w, w.At<uint64_t>(i.d), [=](uint32_t l) { return a[l] + base; });
}

void DecodeCvta(Decoder &d) {
  bool back = d.Take("to");
  Space space = d.TakeSpace();
  if (space == Space::kGeneric || (back && space == Space::kParameter) ||
      BytesOf(d.TakeType()) != 8)
    d.Unknown();
  uint64_t window = space == Space::kShared  ? kSharedWindow
                    : space == Space::kLocal ? kLocalWindow
                                             : 0;
  d.out.run = RunToGeneric;
  d.out.space = space;
  d.out.offset = static_cast<int64_t>(back ? 0 - window : window);
  d.out.d = d.Destination(0, Type::kB64);
  d.out.a = d.Source(1, Type::kB64);
}

} // namespace

void AddConversions(DecodeTable &table) {
  table["mov"] = DecodeMov;
  table["cvt"] = DecodeCvt;
  table["cvta"] = DecodeCvta;
}

} // namespace mirl::emulator
