// wgmma: products of 64 x N by four warps, of matrices in shared memory (or, the left one, in
// registers).
//
// A warp computes its own 16 rows at once; until it has waited for them, its sums may not be
// touched and the matrices not be written to.

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "dialects/nn/reference/TensorCoreStep.h"
#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"
#include "test/emulator/TensorMap.h"

namespace mirl::emulator {

namespace {

constexpr size_t kStep = nn::reference::kTensorCoreStep;
constexpr uint32_t kMostColumns = 256, kRows = 16; // of a warp

// How a matrix lies in shared memory, as its descriptor says.
struct Matrix {
  uint32_t start, leading, stride, swizzle;
  explicit Matrix(uint64_t descriptor)
      : start((descriptor & 0x3fff) << 4), leading((descriptor >> 16 & 0x3fff) << 4),
        stride((descriptor >> 32 & 0x3fff) << 4),
        swizzle(descriptor >> 62 ? 4 - static_cast<uint32_t>(descriptor >> 62) : 0) {}

  // Of eight neighbouring k of a row: `row` of M or N, `eight` = k / 8.
  uint32_t OfRow(uint32_t row, uint32_t eight) const {
    uint32_t width = 16u << swizzle;
    uint32_t at = start + row % 8 * width + row / 8 * stride + eight * (swizzle ? 16 : leading);
    return Swizzled(at, swizzle);
  }
  // Transposed: of eight neighbouring rows with one k.
  uint32_t OfColumn(uint32_t k, uint32_t eight) const {
    if (!swizzle)
      return start + eight * stride + k % 8 * 16 + k / 8 * leading;
    uint32_t pieces = 1u << swizzle;
    return Swizzled(start + eight % pieces * 16 + eight / pieces * leading + k % 8 * 16 * pieces +
                        k / 8 * stride,
                    swizzle);
  }
};

struct Reader {
  Warp &w;
  const Instruction &i;
  std::array<bool, kMostColumns> undefined = {}; // rows
  bool any = false;
  uint32_t begin = ~0u, end = 0;

  // Eight numbers of `count` rows.
  void Read(uint32_t address, uint16_t *numbers, uint32_t row, uint32_t count) {
    begin = std::min(begin, address);
    end = std::max(end, address + 16);
    std::memcpy(numbers, w.Resolve(i, 0, Space::kShared, address, 16, Access::kProduct), 16);
    if (w.TakeFound()) {
      any = true;
      std::fill_n(undefined.begin() + row, count, true);
    }
  }
  // rows[r][k] or, with `columns`, by[k * columns + r], for rows from `first` on.
  void ReadMatrix(const Matrix &matrix, bool transposed, uint32_t first, uint32_t rows,
                  uint16_t *target, uint32_t row_step, uint32_t k_step) {
    uint16_t numbers[8];
    if (transposed) {
      for (uint32_t k = 0; k < kStep; ++k)
        for (uint32_t eight = 0; eight < rows / 8; ++eight) {
          Read(matrix.OfColumn(k, first / 8 + eight), numbers, 8 * eight, 8);
          for (uint32_t n = 0; n < 8; ++n)
            target[(8 * eight + n) * row_step + k * k_step] = numbers[n];
        }
      return;
    }
    for (uint32_t row = 0; row < rows; ++row)
      for (uint32_t eight = 0; eight < kStep / 8; ++eight) {
        Read(matrix.OfRow(first + row, eight), numbers, row, 1);
        for (uint32_t n = 0; n < 8; ++n)
          target[row * row_step + (8 * eight + n) * k_step] = numbers[n];
      }
  }
  void Done(const uint32_t *sums, uint32_t count) {
    w.block.readings.push_back(
        {begin, end, &w, kLanes, i.line, w.product_group(), "wgmma", sums, count});
  }
};

uint64_t Descriptor(Warp &w, const Instruction &i, uint32_t place) {
  const uint64_t *values = w.At<uint64_t>(place);
  for (uint32_t lane = 1; lane < kLanes; ++lane)
    if (values[lane] != values[0])
      w.Fail(kLaunchFailed, i, lane, "the matrix's descriptor is not the same in all lanes");
  if (values[0] >> 49 & 7)
    w.Fail(kLaunchFailed, i, 0, "a matrix's descriptor with a base offset");
  return values[0];
}

enum Options : uint32_t { kTransposedA = 1, kTransposedB = 2, kRegistersA = 4 };

// a, b: the descriptors; c: whether the sums go on; list: the sums, then the registers of A.
void RunProduct(Warp &w, const Instruction &i) {
  if (!w.Converge(i, nullptr))
    return;
  if (w.mask != ~0u || w.block.warps.size() < (w.index / 4 + 1) * 4)
    w.Fail(kLaunchFailed, i, w.First(), "needs all lanes of four warps");
  for (uint32_t place : {i.a, i.b})
    w.NeedGiven(i, place, "the matrix's descriptor");
  w.NeedGiven(i, i.c, "whether the sums go on");
  const uint32_t *places = &w.kernel.places[i.list];
  const uint32_t columns = static_cast<uint32_t>(i.offset), sums = columns / 2;
  thread_local uint16_t b[kStep * kMostColumns];
  thread_local int32_t significands[kStep * kMostColumns], exponents[kStep * kMostColumns];
  thread_local float c[kRows][kMostColumns];
  uint16_t a[kRows][kStep];
  Reader left{w, i}, right{w, i};
  if (i.option & kRegistersA) {
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      for (uint32_t r = 0; r < 4; ++r)
        std::memcpy(&a[lane / 4 + 8 * (r & 1)][2 * (lane % 4) + 8 * (r >> 1)],
                    &w.At<uint32_t>(places[sums + r])[lane], 4);
    for (uint32_t r = 0; r < 4; ++r)
      for (uint32_t lanes = w.Undefined(places[sums + r]); lanes; lanes &= lanes - 1)
        left.any =
            left.undefined[static_cast<uint32_t>(std::countr_zero(lanes)) / 4 + 8 * (r & 1)] = true;
  } else {
    left.ReadMatrix(Matrix(Descriptor(w, i, i.a)), i.option & kTransposedA, w.index % 4 * kRows,
                    kRows, &a[0][0], kStep, 1);
    left.Done(places, sums);
  }
  right.ReadMatrix(Matrix(Descriptor(w, i, i.b)), i.option & kTransposedB, 0, columns, b, 1,
                   columns);
  right.Done(nullptr, 0);
  bool more = w.Predicate(i.c) & 1;
  for (uint32_t s = 0; s < sums; ++s) {
    const float *sum = w.At<float>(places[s]);
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      c[lane / 4 + 8 * (s >> 1 & 1)][8 * (s >> 2) + 2 * (lane % 4) + (s & 1)] =
          more ? sum[lane] : 0;
  }
  auto factors = nn::reference::splitFactors(b, kStep * columns, significands, exponents);
  for (uint32_t row = 0; row < kRows; ++row) {
    int32_t s[kStep], e[kStep];
    nn::reference::tensorCoreStep(nn::reference::splitFactors(a[row], kStep, s, e), factors,
                                  columns, c[row]);
  }
  for (uint32_t s = 0; s < sums; ++s) {
    float *sum = w.At<float>(places[s]);
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      sum[lane] = c[lane / 4 + 8 * (s >> 1 & 1)][8 * (s >> 2) + 2 * (lane % 4) + (s & 1)];
  }
  for (uint32_t s = 0; s < sums; ++s) {
    uint32_t undefined = more ? w.Undefined(places[s]) : 0;
    for (uint32_t lane = 0; (left.any || right.any) && lane < kLanes; ++lane)
      undefined |= uint32_t{left.undefined[lane / 4 + 8 * (s >> 1 & 1)] ||
                            right.undefined[8 * (s >> 2) + 2 * (lane % 4) + (s & 1)]}
                   << lane;
    w.SetUndefined(places[s], ~0u, undefined);
  }
  w.StartProducts({places, places + sums});
  w.Next();
}

void RunFence(Warp &w, const Instruction &i) {
  if (w.Converge(i, nullptr))
    w.Next();
}

void RunCommit(Warp &w, const Instruction &i) {
  if (!w.Converge(i, nullptr))
    return;
  w.CommitProducts();
  w.Next();
}

void RunWait(Warp &w, const Instruction &i) {
  if (!w.Converge(i, nullptr))
    return;
  w.FinishProducts(static_cast<uint32_t>(i.offset));
  w.Next();
}

void DecodeProduct(Decoder &d) {
  std::string_view rest = d.opcode();
  constexpr std::string_view kBefore = "wgmma.mma_async.sync.aligned.m64n",
                             kBehind = "k16.f32.bf16.bf16";
  uint32_t columns = 0;
  if (rest.substr(0, kBefore.size()) == kBefore) {
    rest.remove_prefix(kBefore.size());
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), columns);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  }
  if (rest != kBehind || !columns || columns % 8 || columns > kMostColumns)
    d.Unknown();
  d.Ignore({"sync", "aligned", "m64n" + std::to_string(columns) + "k16"});
  for (int t = 0; t < 3; ++t)
    d.TakeType();
  d.out.offset = columns;
  d.out.run = RunProduct;
  d.out.track = Track::kOwn;
  d.List(d.operand(0), Type::kF32, true);
  bool registers = d.operand(1).kind == Operand::Kind::kVector;
  if (d.out.count != columns / 2 || (registers && d.operand(1).parts.size() != 4))
    d.Fail("wgmma of " + std::to_string(columns) + " columns needs " + std::to_string(columns / 2) +
           " sums, and 4 registers of A if it lies there");
  if (registers)
    d.List(d.operand(1), Type::kB32, false);
  else
    d.out.a = d.Source(1, Type::kB64);
  d.out.b = d.Source(2, Type::kB64);
  d.out.c = d.Predicate(3);
  if (d.Immediate(4) != 1 || d.Immediate(5) != 1)
    d.Fail("the emulator knows no negated factors of wgmma");
  if (registers)
    d.out.option = kRegistersA | (d.Immediate(6) ? kTransposedB : 0);
  else
    d.out.option = (d.Immediate(6) ? kTransposedA : 0) | (d.Immediate(7) ? kTransposedB : 0);
}

void DecodeWgmma(Decoder &d) {
  d.out.control = d.out.wgmma = true;
  if (d.Take("mma_async"))
    return DecodeProduct(d);
  d.out.run = d.Take("fence")          ? RunFence
              : d.Take("commit_group") ? RunCommit
              : d.Take("wait_group")   ? RunWait
                                       : nullptr;
  if (!d.out.run)
    d.Unknown();
  d.Ignore({"sync", "aligned"});
  if (d.out.run == RunWait)
    d.out.offset = d.Immediate(0);
}

} // namespace

void AddWarpgroups(DecodeTable &table) { table["wgmma"] = DecodeWgmma; }

} // namespace mirl::emulator
