// Arithmetic of f32 as PTX says: rounded to nearest even, nothing contracted, subnormals kept
// unless .ftz stands there; a result that is no number is 0x7fffffff. The approximations are the
// nearest f32 of the exact value.

#include <bit>
#include <cmath>

#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

inline double Proper(double x) { return x == x ? x : std::bit_cast<double>(0x7fffffffffffffffull); }
// Subnormal numbers as zeros of their sign.
inline float Flush(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>(bits & 0x7f800000u ? bits : bits & 0x80000000u);
}

struct Add {
  template <typename T> T operator()(T a, T b) const { return Proper(a + b); }
};
struct Sub {
  template <typename T> T operator()(T a, T b) const { return Proper(a - b); }
};
struct Mul {
  template <typename T> T operator()(T a, T b) const { return Proper(a * b); }
};
struct Div {
  template <typename T> T operator()(T a, T b) const { return Proper(a / b); }
};
struct Fma {
  template <typename T> T operator()(T a, T b, T c) const { return Proper(std::fma(a, b, c)); }
};
// The operand that is a number; −0 is less than +0.
struct Min {
  template <typename T> T operator()(T a, T b) const {
    T least = a < b || (a == b && std::signbit(a)) ? a : b;
    return a != a ? Proper(b) : b != b ? a : least;
  }
};
struct Max {
  template <typename T> T operator()(T a, T b) const {
    T most = a > b || (a == b && !std::signbit(a)) ? a : b;
    return a != a ? Proper(b) : b != b ? a : most;
  }
};
struct MinNan {
  float operator()(float a, float b) const { return a != a || b != b ? Nan() : Min()(a, b); }
};
struct MaxNan {
  float operator()(float a, float b) const { return a != a || b != b ? Nan() : Max()(a, b); }
};
struct Sqrt {
  template <typename T> T operator()(T a) const { return Proper(std::sqrt(a)); }
};
struct Rcp {
  template <typename T> T operator()(T a) const { return Proper(T(1) / a); }
};
struct Rsqrt {
  float operator()(float a) const {
    return Proper(static_cast<float>(1.0 / std::sqrt(static_cast<double>(a))));
  }
};
struct Exp2 {
  float operator()(float a) const {
    return Proper(static_cast<float>(std::exp2(static_cast<double>(a))));
  }
};
struct Log2 {
  float operator()(float a) const {
    return Proper(static_cast<float>(std::log2(static_cast<double>(a))));
  }
};
struct Tanh {
  float operator()(float a) const {
    return Proper(static_cast<float>(std::tanh(static_cast<double>(a))));
  }
};
struct Abs {
  uint32_t operator()(uint32_t a) const { return a & 0x7fffffffu; }
};
struct Neg {
  uint32_t operator()(uint32_t a) const { return a ^ 0x80000000u; }
};

template <typename F> struct Flushed {
  template <typename... T> float operator()(T... x) const { return Flush(F()(Flush(x)...)); }
};

// Operands and the function for the type; .ftz is for f32.
template <typename F, int kOperands, bool kDouble> void DecodeAs(Decoder &d) {
  bool ftz = d.Take("ftz");
  Type type = d.TakeType();
  if (type == Type::kF32) {
    if constexpr (kOperands == 1)
      d.out.run = ftz ? Run1<float, float, Flushed<F>> : Run1<float, float, F>;
    else if constexpr (kOperands == 2)
      d.out.run = ftz ? Run2<float, float, float, Flushed<F>> : Run2<float, float, float, F>;
    else
      d.out.run = ftz ? Run3<float, float, float, Flushed<F>> : Run3<float, float, float, F>;
  } else if constexpr (kDouble) {
    if (type != Type::kF64 || ftz)
      d.Fail("the emulator computes with f32 and f64 only: '" + std::string(d.opcode()) + "'");
    if constexpr (kOperands == 1)
      d.out.run = Run1<double, double, F>;
    else if constexpr (kOperands == 2)
      d.out.run = Run2<double, double, double, F>;
    else
      d.out.run = Run3<double, double, double, F>;
  } else {
    d.Fail("the emulator computes with f32 only: '" + std::string(d.opcode()) + "'");
  }
  d.out.d = d.Destination(0, type);
  d.out.a = d.Source(1, type);
  if (kOperands > 1)
    d.out.b = d.Source(2, type);
  if (kOperands > 2)
    d.out.c = d.Source(3, type);
}

template <typename F, int kOperands> void DecodeRounded(Decoder &d) {
  if (!d.Take("rn"))
    d.Fail("the emulator rounds to nearest even only: '" + std::string(d.opcode()) + "'");
  DecodeAs<F, kOperands, true>(d);
}

template <typename F> void DecodeApproximation(Decoder &d) {
  if (!d.Take("approx"))
    d.Fail("the emulator knows the approximation only: '" + std::string(d.opcode()) + "'");
  DecodeAs<F, 1, false>(d);
}

// Exact, or an approximation of it that is exact here.
template <typename F, int kOperands> void DecodeRoundedOrApproximation(Decoder &d) {
  if (d.Take("approx") || d.Take("full"))
    DecodeAs<F, kOperands, false>(d);
  else
    DecodeRounded<F, kOperands>(d);
}

} // namespace

void DecodeFloatAdd(Decoder &d) {
  d.Take("rn");
  DecodeAs<Add, 2, true>(d);
}
void DecodeFloatSub(Decoder &d) {
  d.Take("rn");
  DecodeAs<Sub, 2, true>(d);
}
void DecodeFloatMul(Decoder &d) {
  d.Take("rn");
  DecodeAs<Mul, 2, true>(d);
}
void DecodeFloatDiv(Decoder &d) { DecodeRoundedOrApproximation<Div, 2>(d); }
void DecodeFloatMin(Decoder &d) {
  if (d.Take("NaN"))
    DecodeAs<MinNan, 2, false>(d);
  else
    DecodeAs<Min, 2, true>(d);
}
void DecodeFloatMax(Decoder &d) {
  if (d.Take("NaN"))
    DecodeAs<MaxNan, 2, false>(d);
  else
    DecodeAs<Max, 2, true>(d);
}

template <typename F> static void DecodeSign(Decoder &d) {
  d.Take("ftz") ? d.Fail("the emulator flushes no signs") : void();
  if (d.TakeType() != Type::kF32)
    d.Fail("the emulator does this for f32 only");
  d.out.run = Run1<uint32_t, uint32_t, F>;
  d.out.d = d.Destination(0, Type::kF32);
  d.out.a = d.Source(1, Type::kF32);
}
void DecodeFloatAbs(Decoder &d) { DecodeSign<Abs>(d); }
void DecodeFloatNeg(Decoder &d) { DecodeSign<Neg>(d); }

void AddFloats(DecodeTable &table) {
  table["fma"] = DecodeRounded<Fma, 3>;
  table["rcp"] = DecodeRoundedOrApproximation<Rcp, 1>;
  table["sqrt"] = DecodeRoundedOrApproximation<Sqrt, 1>;
  table["rsqrt"] = DecodeApproximation<Rsqrt>;
  table["ex2"] = DecodeApproximation<Exp2>;
  table["lg2"] = DecodeApproximation<Log2>;
  table["tanh"] = DecodeApproximation<Tanh>;
}

} // namespace mirl::emulator
