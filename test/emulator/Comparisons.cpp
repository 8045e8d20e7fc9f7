// setp, selp: what is compared, and what a predicate chooses.

#include <array>
#include <string_view>
#include <utility>

#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

enum class Compare : uint32_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,
  kNan
};
// lo, ls, hi, hs are lt, le, gt, ge without signs.
constexpr std::array<std::pair<std::string_view, Compare>, 18> kComparisons = {
    {{"eq", Compare::kEq},
     {"ne", Compare::kNe},
     {"lt", Compare::kLt},
     {"le", Compare::kLe},
     {"gt", Compare::kGt},
     {"ge", Compare::kGe},
     {"equ", Compare::kEqu},
     {"neu", Compare::kNeu},
     {"ltu", Compare::kLtu},
     {"leu", Compare::kLeu},
     {"gtu", Compare::kGtu},
     {"geu", Compare::kGeu},
     {"num", Compare::kNum},
     {"nan", Compare::kNan},
     {"lo", Compare::kLt},
     {"ls", Compare::kLe},
     {"hi", Compare::kGt},
     {"hs", Compare::kGe}}};

template <Compare kHow, typename T> bool Holds(T a, T b) {
  // Without u a comparison with what is no number is false; ne of numbers only.
  bool none = a != a || b != b;
  switch (kHow) {
  case Compare::kEq:
    return a == b;
  case Compare::kNe:
    return !none && a != b;
  case Compare::kLt:
    return a < b;
  case Compare::kLe:
    return a <= b;
  case Compare::kGt:
    return a > b;
  case Compare::kGe:
    return a >= b;
  case Compare::kEqu:
    return none || a == b;
  case Compare::kNeu:
    return none || a != b;
  case Compare::kLtu:
    return none || a < b;
  case Compare::kLeu:
    return none || a <= b;
  case Compare::kGtu:
    return none || a > b;
  case Compare::kGeu:
    return none || a >= b;
  case Compare::kNum:
    return !none;
  case Compare::kNan:
    return none;
  }
}

// option: how the result is joined with a third predicate: 0 not, 1 and, 2 or, 3 xor; 4: that one
// negated.
template <Compare kHow, typename T> void RunSetp(Warp &w, const Instruction &i) {
  const T *a = w.At<T>(i.a), *b = w.At<T>(i.b);
  uint32_t bits = Bits([=](uint32_t l) { return Holds<kHow>(a[l], b[l]); }), other = ~bits;
  if (i.option) {
    uint32_t c = w.Predicate(i.c);
    if (i.option & 4)
      c = ~c;
    auto join = [&](uint32_t x) {
      return (i.option & 3) == 1 ? x & c : (i.option & 3) == 2 ? x | c : x ^ c;
    };
    bits = join(bits);
    other = join(other);
  }
  w.SetPredicate(i.d, bits);
  if (i.count)
    w.SetPredicate(w.kernel.places[i.list], other);
}

template <typename T, size_t... kHow> Execute PickSetp(Compare how, std::index_sequence<kHow...>) {
  static constexpr Execute kAll[] = {RunSetp<static_cast<Compare>(kHow), T>...};
  return kAll[static_cast<size_t>(how)];
}
template <typename T> Execute PickSetp(Compare how) {
  return PickSetp<T>(how, std::make_index_sequence<14>());
}

void DecodeSetp(Decoder &d) {
  int how = -1;
  bool is_unsigned = false;
  for (auto [name, value] : kComparisons)
    if (how < 0 && d.Take(name)) {
      how = static_cast<int>(value);
      is_unsigned = name == "lo" || name == "ls" || name == "hi" || name == "hs";
    }
  if (how < 0)
    d.Fail("a comparison that the emulator does not know");
  if (d.Take("ftz"))
    d.Fail("the emulator does not flush subnormals in comparisons");
  for (uint32_t join = 1; join <= 3; ++join)
    if (d.Take(join == 1 ? "and" : join == 2 ? "or" : "xor"))
      d.out.option = join;
  Type type = d.TakeType();
  Compare compare = static_cast<Compare>(how);
  if (!IsFloat(type) && compare > Compare::kGe)
    d.Fail("that is a comparison of floats");
  switch (type) {
  case Type::kB16:
  case Type::kU16:
    d.out.run = PickSetp<uint16_t>(compare);
    break;
  case Type::kS16:
    d.out.run = PickSetp<int16_t>(compare);
    break;
  case Type::kB32:
  case Type::kU32:
    d.out.run = PickSetp<uint32_t>(compare);
    break;
  case Type::kS32:
    d.out.run = is_unsigned ? PickSetp<uint32_t>(compare) : PickSetp<int32_t>(compare);
    break;
  case Type::kB64:
  case Type::kU64:
    d.out.run = PickSetp<uint64_t>(compare);
    break;
  case Type::kS64:
    d.out.run = PickSetp<int64_t>(compare);
    break;
  case Type::kF32:
    d.out.run = PickSetp<float>(compare);
    break;
  case Type::kF64:
    d.out.run = PickSetp<double>(compare);
    break;
  default:
    d.Fail("the emulator does not compare values of this type");
  }
  const Operand &result = d.operand(0);
  d.out.d = d.Destination(0, Type::kPred);
  if (!result.parts.empty())
    d.List(result.parts[0], Type::kPred, true);
  d.out.a = d.Source(1, type);
  d.out.b = d.Source(2, type);
  if (d.out.option) {
    Operand third = d.operand(3);
    d.out.option |= third.negated ? 4 : 0;
    third.negated = false;
    d.out.c = d.Source(third, Type::kPred);
  }
}

template <typename T> void RunSelp(Warp &w, const Instruction &i) {
  const T *a = w.At<T>(i.a), *b = w.At<T>(i.b);
  uint32_t p = w.Predicate(i.c);
  ForLanes(w, w.At<T>(i.d), [=](uint32_t l) { return p >> l & 1 ? a[l] : b[l]; });
}

void DecodeSelp(Decoder &d) {
  Type type = d.TakeType();
  d.out.run = BytesOf(type) == 2   ? RunSelp<uint16_t>
              : BytesOf(type) == 4 ? RunSelp<uint32_t>
                                   : RunSelp<uint64_t>;
  d.out.track = Track::kSelect;
  d.out.d = d.Destination(0, type);
  d.out.a = d.Source(1, type);
  d.out.b = d.Source(2, type);
  d.out.c = d.Predicate(3);
}

} // namespace

void AddComparisons(DecodeTable &table) {
  table["setp"] = DecodeSetp;
  table["selp"] = DecodeSelp;
}

} // namespace mirl::emulator
