// ld, st, atom, red, prefetch: accesses of single lanes.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

// What caches and other threads are told, which changes nothing here.
void TakeHints(Decoder &d) {
  d.Ignore({"volatile",
            "relaxed",
            "acquire",
            "release",
            "acq_rel",
            "weak",
            "cta",
            "gpu",
            "sys",
            "cluster",
            "nc",
            "ca",
            "cg",
            "cs",
            "lu",
            "cv",
            "wb",
            "wt",
            "L1::evict_first",
            "L1::evict_last",
            "L1::no_allocate",
            "L1::evict_normal",
            "L1::evict_unchanged",
            "L2::128B",
            "L2::256B",
            "L2::64B"});
}

// Values of the type T into registers of the type R.
template <typename T, typename R> void RunLoad(Warp &w, const Instruction &i) {
  const uint32_t *places = &w.kernel.places[i.list];
  const uint32_t bytes = static_cast<uint32_t>(sizeof(T)) * i.count;
  ForActive(w, [&](uint32_t lane) {
    const uint8_t *from = w.Resolve(i, lane, i.space, w.Address(i, lane), bytes, Access::kRead);
    for (uint32_t v = 0; v < i.count; ++v) {
      T value;
      std::memcpy(&value, from + v * sizeof(T), sizeof(T));
      if (places[v] != kNoPlace)
        w.At<R>(places[v])[lane] = static_cast<R>(value);
    }
  });
  if (uint32_t found = w.TakeFound())
    for (uint32_t v = 0; v < i.count; ++v)
      if (places[v] != kNoPlace)
        w.SetUndefined(places[v], found, ~0u);
}

template <typename T, typename R> void RunStore(Warp &w, const Instruction &i) {
  const uint32_t *places = &w.kernel.places[i.list];
  const uint32_t bytes = static_cast<uint32_t>(sizeof(T)) * i.count;
  ForActive(w, [&](uint32_t lane) {
    uint8_t *to = w.Resolve(i, lane, i.space, w.Address(i, lane), bytes, Access::kWrite);
    for (uint32_t v = 0; v < i.count; ++v) {
      T value = static_cast<T>(w.At<R>(places[v])[lane]);
      std::memcpy(to + v * sizeof(T), &value, sizeof(T));
    }
  });
}

template <typename T> Execute PickLoad(uint32_t register_bytes) {
  return register_bytes == 2   ? RunLoad<T, uint16_t>
         : register_bytes == 4 ? RunLoad<T, uint32_t>
                               : RunLoad<T, uint64_t>;
}
template <typename T> Execute PickStore(uint32_t register_bytes) {
  return register_bytes == 2   ? RunStore<T, uint16_t>
         : register_bytes == 4 ? RunStore<T, uint32_t>
                               : RunStore<T, uint64_t>;
}

// The width of the registers of an operand: a list's first register's.
uint32_t WidthOf(Decoder &d, const Operand &operand, Type type) {
  uint32_t otherwise = std::max(BytesOf(type), 2u);
  if (operand.kind != Operand::Kind::kVector)
    return d.RegisterBytes(operand, otherwise);
  for (const Operand &part : operand.parts)
    if (part.kind == Operand::Kind::kRegister)
      return d.RegisterBytes(part, otherwise);
  return otherwise;
}

void DecodeAccess(Decoder &d, bool load) {
  TakeHints(d);
  Space space = d.TakeSpace();
  uint32_t vector = d.TakeVector();
  Type type = d.TakeType();
  const Operand &value = d.operand(load ? 0 : 1);
  uint32_t width = WidthOf(d, value, type);
  if (width < BytesOf(type) || BytesOf(type) * vector > 32)
    d.Unknown();
  d.out.track = load ? Track::kLoad : Track::kStore;
  d.out.bytes = BytesOf(type);
  d.Address(load ? 1 : 0, space);
  d.List(value, BitsType(width), load);
  if (d.out.count != vector)
    d.Fail("'" + std::string(d.opcode()) + "' with " + std::to_string(d.out.count) + " values");
  switch (BytesOf(type)) {
  case 1:
    d.out.run = !load            ? PickStore<uint8_t>(width)
                : IsSigned(type) ? PickLoad<int8_t>(width)
                                 : PickLoad<uint8_t>(width);
    break;
  case 2:
    d.out.run = !load            ? PickStore<uint16_t>(width)
                : IsSigned(type) ? PickLoad<int16_t>(width)
                                 : PickLoad<uint16_t>(width);
    break;
  case 4:
    d.out.run = !load            ? PickStore<uint32_t>(width)
                : IsSigned(type) ? PickLoad<int32_t>(width)
                                 : PickLoad<uint32_t>(width);
    break;
  default:
    d.out.run = load ? PickLoad<uint64_t>(width) : PickStore<uint64_t>(width);
  }
}
void DecodeLoad(Decoder &d) { DecodeAccess(d, true); }
void DecodeStore(Decoder &d) { DecodeAccess(d, false); }

enum class Atomic : uint32_t { kAdd, kExchange, kCompare, kMin, kMax, kAnd, kOr, kXor };
constexpr std::string_view kAtomics[] = {"add", "exch", "cas", "min", "max", "and", "or", "xor"};

template <Atomic kHow, typename T> T Changed(T old, T b, T c) {
  switch (kHow) {
  case Atomic::kAdd:
    return old + b;
  case Atomic::kExchange:
    return b;
  case Atomic::kCompare:
    return old == b ? c : old;
  case Atomic::kMin:
    return b < old ? b : old;
  case Atomic::kMax:
    return b > old ? b : old;
  default:
    break;
  }
  if constexpr (std::is_integral_v<T>) {
    if (kHow == Atomic::kAnd)
      return old & b;
    if (kHow == Atomic::kOr)
      return old | b;
    return old ^ b;
  }
  return old;
}

// Blocks run at the same time: every lane's is one atomic step, in the order of the lanes.
template <Atomic kHow, typename T> void RunAtomic(Warp &w, const Instruction &i) {
  using Word = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  ForActive(w, [&](uint32_t lane) {
    Word *at = reinterpret_cast<Word *>(
        w.Resolve(i, lane, i.space, w.Address(i, lane), sizeof(T), Access::kAtomic));
    std::atomic_ref<Word> word(*at);
    T b = w.At<T>(i.b)[lane], c = i.c == kNoPlace ? T() : w.At<T>(i.c)[lane];
    Word old = word.load();
    while (!word.compare_exchange_weak(
        old, std::bit_cast<Word>(Changed<kHow, T>(std::bit_cast<T>(old), b, c)))) {
    }
    if (i.d != kNoPlace)
      w.At<Word>(i.d)[lane] = old;
  });
}

template <typename T, size_t... kHow>
Execute PickAtomic(uint32_t how, std::index_sequence<kHow...>) {
  static constexpr Execute kAll[] = {RunAtomic<static_cast<Atomic>(kHow), T>...};
  return kAll[how];
}

void DecodeAtomicOf(Decoder &d, size_t first) {
  TakeHints(d);
  Space space = d.TakeSpace();
  uint32_t how = 0;
  while (how < 8 && !d.Take(kAtomics[how]))
    ++how;
  if (how == 8 || space == Space::kParameter || space == Space::kLocal)
    d.Unknown();
  Type type = d.TakeType();
  auto all = std::make_index_sequence<8>();
  switch (type) {
  case Type::kB32:
  case Type::kU32:
    d.out.run = PickAtomic<uint32_t>(how, all);
    break;
  case Type::kS32:
    d.out.run = PickAtomic<int32_t>(how, all);
    break;
  case Type::kB64:
  case Type::kU64:
    d.out.run = PickAtomic<uint64_t>(how, all);
    break;
  case Type::kS64:
    d.out.run = PickAtomic<int64_t>(how, all);
    break;
  case Type::kF32:
    if (how > 1)
      d.Unknown();
    d.out.run = PickAtomic<float>(how, all);
    break;
  default:
    d.Unknown();
  }
  d.out.track = Track::kStrict;
  if (first && d.operand(0).kind != Operand::Kind::kSink)
    d.out.d = d.Destination(0, type);
  d.Address(first, space);
  d.out.b = d.Source(first + 1, type);
  if (how == static_cast<uint32_t>(Atomic::kCompare))
    d.out.c = d.Source(first + 2, type);
}
void DecodeAtomic(Decoder &d) { DecodeAtomicOf(d, 1); }
void DecodeReduction(Decoder &d) { DecodeAtomicOf(d, 0); }

void DecodePrefetch(Decoder &d) {
  d.Ignore(
      {"param", "const", "global", "tensormap", "L1", "L2", "L2::evict_last", "L2::evict_normal"});
  d.out.run = RunNothing;
}

} // namespace

void AddMemory(DecodeTable &table) {
  table["ld"] = DecodeLoad;
  table["ldu"] = DecodeLoad;
  table["st"] = DecodeStore;
  table["atom"] = DecodeAtomic;
  table["red"] = DecodeReduction;
  table["prefetch"] = DecodePrefetch;
  table["prefetchu"] = DecodePrefetch;
}

} // namespace mirl::emulator
