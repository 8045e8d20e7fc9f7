// Integers, bits and predicates.

#include <algorithm>
#include <bit>
#include <type_traits>

#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

// Sums and products wrap around: computed without signs, of 16 bits as 32.
template <typename T>
using Wide = std::conditional_t<sizeof(T) < 4, uint32_t, std::make_unsigned_t<T>>;

struct Add {
  template <typename T> T operator()(T a, T b) const {
    return static_cast<T>(Wide<T>(a) + Wide<T>(b));
  }
};
struct Sub {
  template <typename T> T operator()(T a, T b) const {
    return static_cast<T>(Wide<T>(a) - Wide<T>(b));
  }
};
struct MulLow {
  template <typename T> T operator()(T a, T b) const {
    return static_cast<T>(Wide<T>(a) * Wide<T>(b));
  }
};
struct MulHigh {
  template <typename T> T operator()(T a, T b) const {
    using Double =
        std::conditional_t<sizeof(T) == 8,
                           std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
                           std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;
    return static_cast<T>((Double(a) * Double(b)) >> (8 * sizeof(T)));
  }
};
template <typename D> struct MulWide {
  template <typename T> D operator()(T a, T b) const { return static_cast<D>(D(a) * D(b)); }
};
template <typename D> struct MadWide {
  template <typename T> D operator()(T a, T b, D c) const {
    using U = std::make_unsigned_t<D>;
    return static_cast<D>(U(D(a) * D(b)) + U(c));
  }
};
struct MadLow {
  template <typename T> T operator()(T a, T b, T c) const {
    return static_cast<T>(Wide<T>(a) * Wide<T>(b) + Wide<T>(c));
  }
};
struct MadHigh {
  template <typename T> T operator()(T a, T b, T c) const { return Add()(MulHigh()(a, b), c); }
};
// What division by zero gives is not said; on the devices all bits are set. The least number by −1
// is itself.
struct Div {
  template <typename T> T operator()(T a, T b) const {
    if (b == 0)
      return static_cast<T>(-1);
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return static_cast<T>(Wide<T>(0) - Wide<T>(a));
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <typename T> T operator()(T a, T b) const {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return 0;
    return static_cast<T>(a % b);
  }
};
struct Min {
  template <typename T> T operator()(T a, T b) const { return a < b ? a : b; }
};
struct Max {
  template <typename T> T operator()(T a, T b) const { return a > b ? a : b; }
};
struct Abs {
  template <typename T> T operator()(T a) const {
    return a < 0 ? static_cast<T>(Wide<T>(0) - Wide<T>(a)) : a;
  }
};
struct Neg {
  template <typename T> T operator()(T a) const { return static_cast<T>(Wide<T>(0) - Wide<T>(a)); }
};
struct And {
  template <typename T> T operator()(T a, T b) const { return a & b; }
};
struct Or {
  template <typename T> T operator()(T a, T b) const { return a | b; }
};
struct Xor {
  template <typename T> T operator()(T a, T b) const { return a ^ b; }
};
struct Not {
  template <typename T> T operator()(T a) const { return static_cast<T>(~a); }
};
// Beyond the width everything is shifted out.
struct ShiftLeft {
  template <typename T> T operator()(T a, uint32_t n) const {
    return n < 8 * sizeof(T) ? static_cast<T>(Wide<T>(a) << n) : T(0);
  }
};
struct ShiftRight {
  template <typename T> T operator()(T a, uint32_t n) const {
    constexpr uint32_t kBits = 8 * sizeof(T);
    if (std::is_signed_v<T>)
      return static_cast<T>(a >> (n < kBits ? n : kBits - 1));
    return n < kBits ? static_cast<T>(a >> n) : T(0);
  }
};
struct PopCount {
  template <typename T> uint32_t operator()(T a) const {
    return static_cast<uint32_t>(std::popcount(a));
  }
};
struct LeadingZeros {
  template <typename T> uint32_t operator()(T a) const {
    return static_cast<uint32_t>(std::countl_zero(a));
  }
};
struct Reverse {
  template <typename T> T operator()(T a) const {
    T r = 0;
    for (unsigned b = 0; b < 8 * sizeof(T); ++b)
      r |= (a >> b & 1) << (8 * sizeof(T) - 1 - b);
    return r;
  }
};

template <typename T> T ExtractField(T a, uint32_t position, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  constexpr uint32_t kBits = 8 * sizeof(T);
  position &= 255;
  length &= 255;
  U value = position < kBits ? static_cast<U>(a) >> position : 0;
  // Bits above the last one are the sign's.
  uint32_t last = std::min(position + length - 1, kBits - 1);
  bool sign = std::is_signed_v<T> && length && (static_cast<U>(a) >> last & 1);
  U kept = length >= kBits ? ~U(0) : (U(1) << length) - 1;
  uint32_t there = position < kBits ? kBits - position : 0;
  if (length > there && there < kBits)
    kept = (U(1) << there) - 1;
  value &= kept;
  return static_cast<T>(sign ? value | ~kept : length ? value : 0);
}

template <typename T> void RunBfe(Warp &w, const Instruction &i) {
  const T *a = w.At<T>(i.a);
  const uint32_t *b = w.At<uint32_t>(i.b), *c = w.At<uint32_t>(i.c);
  ForLanes(w, w.At<T>(i.d), [=](uint32_t l) { return ExtractField(a[l], b[l], c[l]); });
}

template <typename T> void RunBfi(Warp &w, const Instruction &i) {
  const T *a = w.At<T>(i.a), *b = w.At<T>(i.b);
  const uint32_t *c = w.At<uint32_t>(i.c), *n = w.At<uint32_t>(w.kernel.places[i.list]);
  ForLanes(w, w.At<T>(i.d), [=](uint32_t l) {
    constexpr uint32_t kBits = 8 * sizeof(T);
    uint32_t position = c[l] & 255, length = n[l] & 255;
    if (position >= kBits || length == 0)
      return b[l];
    T field = (length >= kBits ? ~T(0) : (T(1) << length) - 1) << position;
    return static_cast<T>((a[l] << position & field) | (b[l] & ~field));
  });
}

struct Permute {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t selector) const {
    uint64_t bytes = uint64_t{b} << 32 | a;
    uint32_t result = 0;
    for (int n = 0; n < 4; ++n) {
      uint32_t pick = selector >> (4 * n) & 15, byte = bytes >> (8 * (pick & 7)) & 255;
      if (pick & 8)
        byte = byte & 128 ? 255 : 0;
      result |= byte << (8 * n);
    }
    return result;
  }
};

template <bool kLeft, bool kWrap> struct Funnel {
  uint32_t operator()(uint32_t low, uint32_t high, uint32_t n) const {
    n = kWrap ? n & 31 : std::min(n, 32u);
    uint64_t both = uint64_t{high} << 32 | low;
    return static_cast<uint32_t>(kLeft ? (both << n) >> 32 : both >> n);
  }
};

template <typename F> void RunPredicate2(Warp &w, const Instruction &i) {
  w.SetPredicate(i.d, F()(w.Predicate(i.a), w.Predicate(i.b)));
}
void RunPredicateNot(Warp &w, const Instruction &i) { w.SetPredicate(i.d, ~w.Predicate(i.a)); }

void RunLop3(Warp &w, const Instruction &i) {
  const uint32_t *a = w.At<uint32_t>(i.a), *b = w.At<uint32_t>(i.b), *c = w.At<uint32_t>(i.c),
                 table = i.option;
  ForLanes(w, w.At<uint32_t>(i.d), [=](uint32_t l) {
    uint32_t r = 0;
    for (uint32_t k = 0; k < 8; ++k)
      if (table >> k & 1)
        r |= (k & 4 ? a[l] : ~a[l]) & (k & 2 ? b[l] : ~b[l]) & (k & 1 ? c[l] : ~c[l]);
    return r;
  });
}

void Operands(Decoder &d, Type result, Type a, Type b = Type::kNone, Type c = Type::kNone) {
  d.out.d = d.Destination(0, result);
  d.out.a = d.Source(1, a);
  if (b != Type::kNone)
    d.out.b = d.Source(2, b);
  if (c != Type::kNone)
    d.out.c = d.Source(3, c);
}

// make(T()) of the integer T that has the type's bytes and sign.
template <typename Make> Execute ByType(Decoder &d, Type type, Make make) {
  if (!IsFloat(type))
    switch (BytesOf(type)) {
    case 2:
      return IsSigned(type) ? make(int16_t()) : make(uint16_t());
    case 4:
      return IsSigned(type) ? make(int32_t()) : make(uint32_t());
    case 8:
      return IsSigned(type) ? make(int64_t()) : make(uint64_t());
    }
  d.Unknown();
}
// The same of 32 or 64 bits.
template <typename Make> Execute ByWordType(Decoder &d, Type type, Make make) {
  if (BytesOf(type) == 2)
    d.Unknown();
  return ByType(d, type, make);
}

template <typename F> Execute Pick2(Decoder &d, Type type) {
  return ByType(d, type, [](auto t) -> Execute {
    using T = decltype(t);
    return Run2<T, T, T, F>;
  });
}

template <typename F, void (*kFloat)(Decoder &)> void DecodeBinary(Decoder &d) {
  if (IsFloat(d.PeekType()))
    return kFloat(d);
  Type type = d.TakeType();
  d.out.run = Pick2<F>(d, type);
  Operands(d, type, type, type);
}
void NoFloats(Decoder &d) { d.Unknown(); }
template <typename F> void DecodeIntegerOnly(Decoder &d) { DecodeBinary<F, NoFloats>(d); }

template <typename F> void DecodeBits(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = type == Type::kPred ? RunPredicate2<F> : Pick2<F>(d, type);
  if (type == Type::kPred)
    d.out.track = std::is_same_v<F, And>  ? Track::kAnd
                  : std::is_same_v<F, Or> ? Track::kOr
                                          : Track::kValues;
  Operands(d, type, type, type);
}

template <typename F> void DecodeShift(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = ByType(d, type, [](auto t) -> Execute {
    using T = decltype(t);
    return Run2<T, T, uint32_t, F>;
  });
  Operands(d, type, type, Type::kB32);
}

// 64 bits are not doubled: Doubled refuses them.
template <typename T>
using TwiceAsWide =
    std::conditional_t<std::is_signed_v<T>, std::conditional_t<sizeof(T) == 2, int32_t, int64_t>,
                       std::conditional_t<sizeof(T) == 2, uint32_t, uint64_t>>;

Type Doubled(Decoder &d, Type type) {
  switch (type) {
  case Type::kU16:
    return Type::kU32;
  case Type::kS16:
    return Type::kS32;
  case Type::kU32:
    return Type::kU64;
  case Type::kS32:
    return Type::kS64;
  default:
    d.Unknown();
  }
}

void DecodeMul(Decoder &d) {
  if (IsFloat(d.PeekType()))
    return DecodeFloatMul(d);
  if (d.Take("wide")) {
    Type type = d.TakeType(), wide = Doubled(d, type);
    d.out.run = ByType(d, type, [](auto t) -> Execute {
      using T = decltype(t);
      return Run2<TwiceAsWide<T>, T, T, MulWide<TwiceAsWide<T>>>;
    });
    return Operands(d, wide, type, type);
  }
  bool high = d.Take("hi");
  if (!high && !d.Take("lo"))
    d.Unknown();
  Type type = d.TakeType();
  d.out.run = high ? Pick2<MulHigh>(d, type) : Pick2<MulLow>(d, type);
  Operands(d, type, type, type);
}

void DecodeMad(Decoder &d) {
  if (d.Take("wide")) {
    Type type = d.TakeType(), wide = Doubled(d, type);
    d.out.run = ByType(d, type, [](auto t) -> Execute {
      using T = decltype(t);
      return Run3<TwiceAsWide<T>, T, TwiceAsWide<T>, MadWide<TwiceAsWide<T>>>;
    });
    return Operands(d, wide, type, type, wide);
  }
  bool high = d.Take("hi");
  if (!high && !d.Take("lo"))
    d.Unknown();
  Type type = d.TakeType();
  d.out.run = ByType(d, type, [high](auto t) -> Execute {
    using T = decltype(t);
    return high ? Run3<T, T, T, MadHigh> : Run3<T, T, T, MadLow>;
  });
  Operands(d, type, type, type, type);
}

template <typename F, void (*kFloat)(Decoder &)> void DecodeSigned(Decoder &d) {
  if (IsFloat(d.PeekType()))
    return kFloat(d);
  Type type = d.TakeType();
  if (!IsSigned(type))
    d.Unknown();
  d.out.run = ByType(d, type, [](auto t) -> Execute {
    using T = std::make_signed_t<decltype(t)>;
    return Run1<T, T, F>;
  });
  Operands(d, type, type);
}

void DecodeNot(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = type == Type::kPred ? RunPredicateNot : ByType(d, type, [](auto t) -> Execute {
    using T = decltype(t);
    return Run1<T, T, Not>;
  });
  Operands(d, type, type);
}

template <typename F> void DecodeCount(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = ByWordType(d, type, [](auto t) -> Execute {
    return Run1<uint32_t, std::make_unsigned_t<decltype(t)>, F>;
  });
  Operands(d, Type::kU32, type);
}

void DecodeReverse(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = ByWordType(d, type, [](auto t) -> Execute {
    using T = std::make_unsigned_t<decltype(t)>;
    return Run1<T, T, Reverse>;
  });
  Operands(d, type, type);
}

void DecodeBfe(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = ByWordType(d, type, [](auto t) -> Execute { return RunBfe<decltype(t)>; });
  Operands(d, type, type, Type::kB32, Type::kB32);
}

void DecodeBfi(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = ByWordType(
      d, type, [](auto t) -> Execute { return RunBfi<std::make_unsigned_t<decltype(t)>>; });
  Operands(d, type, type, type, Type::kB32);
  d.List(d.operand(4), Type::kB32, false);
}

void DecodePermute(Decoder &d) {
  if (d.TakeType() != Type::kB32)
    d.Unknown();
  d.out.run = Run3<uint32_t, uint32_t, uint32_t, Permute>;
  Operands(d, Type::kB32, Type::kB32, Type::kB32, Type::kB32);
}

void DecodeFunnel(Decoder &d) {
  bool left = d.Take("l");
  if (!left && !d.Take("r"))
    d.Unknown();
  bool wrap = d.Take("wrap");
  d.Take("clamp");
  if (d.TakeType() != Type::kB32)
    d.Unknown();
  d.out.run = left ? (wrap ? Run3<uint32_t, uint32_t, uint32_t, Funnel<true, true>>
                           : Run3<uint32_t, uint32_t, uint32_t, Funnel<true, false>>)
                   : (wrap ? Run3<uint32_t, uint32_t, uint32_t, Funnel<false, true>>
                           : Run3<uint32_t, uint32_t, uint32_t, Funnel<false, false>>);
  Operands(d, Type::kB32, Type::kB32, Type::kB32, Type::kB32);
}

void DecodeLop3(Decoder &d) {
  if (d.TakeType() != Type::kB32)
    d.Unknown();
  d.out.run = RunLop3;
  Operands(d, Type::kB32, Type::kB32, Type::kB32, Type::kB32);
  d.out.option = static_cast<uint32_t>(d.Immediate(4));
}

} // namespace

void AddIntegers(DecodeTable &table) {
  table["add"] = DecodeBinary<Add, DecodeFloatAdd>;
  table["sub"] = DecodeBinary<Sub, DecodeFloatSub>;
  table["mul"] = DecodeMul;
  table["mad"] = DecodeMad;
  table["div"] = DecodeBinary<Div, DecodeFloatDiv>;
  table["rem"] = DecodeIntegerOnly<Rem>;
  table["min"] = DecodeBinary<Min, DecodeFloatMin>;
  table["max"] = DecodeBinary<Max, DecodeFloatMax>;
  table["abs"] = DecodeSigned<Abs, DecodeFloatAbs>;
  table["neg"] = DecodeSigned<Neg, DecodeFloatNeg>;
  table["and"] = DecodeBits<And>;
  table["or"] = DecodeBits<Or>;
  table["xor"] = DecodeBits<Xor>;
  table["not"] = DecodeNot;
  table["shl"] = DecodeShift<ShiftLeft>;
  table["shr"] = DecodeShift<ShiftRight>;
  table["popc"] = DecodeCount<PopCount>;
  table["clz"] = DecodeCount<LeadingZeros>;
  table["brev"] = DecodeReverse;
  table["bfe"] = DecodeBfe;
  table["bfi"] = DecodeBfi;
  table["prmt"] = DecodePermute;
  table["shf"] = DecodeFunnel;
  table["lop3"] = DecodeLop3;
}

} // namespace mirl::emulator
