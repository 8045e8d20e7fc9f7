// ldmatrix, stmatrix, mma.sync: matrices of 8 x 8 numbers of 16 bits among the lanes of a warp, and
// their products.

#include <cstring>

#include "dialects/nn/reference/TensorCoreStep.h"
#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

// The lanes whose addresses are looked at.
void NeedRows(const Warp &w, const Instruction &i) {
  w.NeedGiven(i, i.a, "the address", ~0u >> (kLanes - 8 * i.count));
}

// Lane l of the m-th eight has the address of row l of matrix m. Then lane l has the two numbers of
// row l / 4 from column 2 (l % 4) on; transposed: of column l / 4.
template <bool kTransposed> void RunLoadMatrices(Warp &w, const Instruction &i) {
  if (!w.ConvergeAll(i))
    return;
  NeedRows(w, i);
  const uint32_t *places = &w.kernel.places[i.list];
  for (uint32_t m = 0; m < i.count; ++m) {
    uint16_t matrix[8][8];
    uint32_t undefined = 0;
    for (uint32_t row = 0; row < 8; ++row) {
      uint32_t lane = 8 * m + row;
      std::memcpy(matrix[row], w.Resolve(i, lane, i.space, w.Address(i, lane), 16, Access::kRead),
                  16);
      // A row goes to four lanes; transposed, to the lanes that have its column.
      if (w.TakeFound())
        undefined |= kTransposed ? 0x11111111u << row / 2 : 15u << 4 * row;
    }
    w.SetUndefined(places[m], ~0u, undefined);
    uint32_t *d = w.At<uint32_t>(places[m]);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      uint32_t row = lane / 4, column = 2 * (lane % 4);
      uint16_t first = kTransposed ? matrix[column][row] : matrix[row][column];
      uint16_t second = kTransposed ? matrix[column + 1][row] : matrix[row][column + 1];
      d[lane] = uint32_t{second} << 16 | first;
    }
  }
  w.Next();
}

template <bool kTransposed> void RunStoreMatrices(Warp &w, const Instruction &i) {
  if (!w.ConvergeAll(i))
    return;
  NeedRows(w, i);
  const uint32_t *places = &w.kernel.places[i.list];
  for (uint32_t m = 0; m < i.count; ++m) {
    uint16_t matrix[8][8];
    const uint32_t *a = w.At<uint32_t>(places[m]);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      uint32_t row = lane / 4, column = 2 * (lane % 4);
      (kTransposed ? matrix[column][row] : matrix[row][column]) = static_cast<uint16_t>(a[lane]);
      (kTransposed ? matrix[column + 1][row] : matrix[row][column + 1]) =
          static_cast<uint16_t>(a[lane] >> 16);
    }
    uint32_t undefined = w.Undefined(places[m]);
    for (uint32_t row = 0; row < 8; ++row) {
      uint32_t lane = 8 * m + row;
      uint64_t address = w.Address(i, lane);
      std::memcpy(w.Resolve(i, lane, i.space, address, 16, Access::kWrite), matrix[row], 16);
      if (undefined & (kTransposed ? 0x11111111u << row / 2 : 15u << 4 * row))
        std::memset(w.block.Shadows(static_cast<uint32_t>(address)), kUnwritten, 16);
    }
  }
  w.Next();
}

void DecodeMatrices(Decoder &d, bool load) {
  if (!d.Take("sync") || !d.Take("aligned") || !d.Take("m8n8"))
    d.Unknown();
  uint32_t count = d.Take("x4") ? 4 : d.Take("x2") ? 2 : d.Take("x1") ? 1 : 0;
  bool transposed = d.Take("trans");
  d.Ignore({"shared", "shared::cta"});
  if (!count || BytesOf(d.TakeType()) != 2)
    d.Unknown();
  d.out.run = load ? (transposed ? RunLoadMatrices<true> : RunLoadMatrices<false>)
                   : (transposed ? RunStoreMatrices<true> : RunStoreMatrices<false>);
  d.out.control = true;
  d.out.track = Track::kOwn;
  d.Address(load ? 1 : 0, Space::kShared);
  d.List(d.operand(load ? 0 : 1), Type::kB32, load);
  if (d.out.count != count)
    d.Fail("'" + std::string(d.opcode()) + "' with " + std::to_string(d.out.count) + " registers");
}
void DecodeLoadMatrices(Decoder &d) { DecodeMatrices(d, true); }
void DecodeStoreMatrices(Decoder &d) { DecodeMatrices(d, false); }

// A bit for each four lanes, the row or column that they share.
uint32_t FourthsOf(uint32_t lanes) {
  uint32_t rows = 0;
  for (uint32_t row = 0; lanes && row < 8; ++row)
    rows |= (lanes >> 4 * row & 15 ? 1u : 0u) << row;
  return rows;
}

// list: 4 sums, 4 registers of a (16 x 16), 2 of b (16 x 8), 4 of c.
void RunMma(Warp &w, const Instruction &i) {
  if (!w.ConvergeAll(i))
    return;
  constexpr size_t kStep = nn::reference::kTensorCoreStep;
  const uint32_t *places = &w.kernel.places[i.list];
  uint16_t a[16][kStep], b[kStep][8];
  float c[16][8];
  uint32_t rows = 0, columns = 0, sums[4];
  for (uint32_t r = 0; r < 4; ++r) {
    rows |= FourthsOf(w.Undefined(places[4 + r])) << 8 * (r & 1);
    columns |= FourthsOf(w.Undefined(places[8 + (r & 1)]));
    sums[r] = w.Undefined(places[10 + r]);
  }
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    uint32_t g = lane / 4, t = 2 * (lane % 4);
    for (uint32_t r = 0; r < 4; ++r) {
      uint32_t pair = w.At<uint32_t>(places[4 + r])[lane];
      std::memcpy(&a[g + 8 * (r & 1)][t + 8 * (r >> 1)], &pair, 4);
      c[g + 8 * (r >> 1)][t + (r & 1)] = w.At<float>(places[10 + r])[lane];
    }
    for (uint32_t r = 0; r < 2; ++r) {
      uint32_t pair = w.At<uint32_t>(places[8 + r])[lane];
      b[t + 8 * r][g] = static_cast<uint16_t>(pair);
      b[t + 8 * r + 1][g] = static_cast<uint16_t>(pair >> 16);
    }
  }
  int32_t significands[kStep * 8], exponents[kStep * 8];
  auto factors = nn::reference::splitFactors(&b[0][0], kStep * 8, significands, exponents);
  for (uint32_t row = 0; row < 16; ++row) {
    int32_t s[kStep], e[kStep];
    nn::reference::tensorCoreStep(nn::reference::splitFactors(a[row], kStep, s, e), factors, 8,
                                  c[row]);
  }
  for (uint32_t lane = 0; lane < kLanes; ++lane)
    for (uint32_t r = 0; r < 4; ++r)
      w.At<float>(places[r])[lane] = c[lane / 4 + 8 * (r >> 1)][2 * (lane % 4) + (r & 1)];
  for (uint32_t r = 0; r < 4; ++r) {
    for (uint32_t lane = 0; (rows | columns) && lane < kLanes; ++lane)
      sums[r] |=
          (rows >> (lane / 4 + 8 * (r >> 1)) & 1 || columns >> (2 * (lane % 4) + (r & 1)) & 1 ? 1u
                                                                                              : 0u)
          << lane;
    w.SetUndefined(places[r], ~0u, sums[r]);
  }
  w.Next();
}

void DecodeMma(Decoder &d) {
  if (d.opcode() != "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")
    d.Unknown();
  d.Ignore({"sync", "aligned", "m16n8k16", "row", "col"});
  for (int t = 0; t < 4; ++t)
    d.TakeType();
  d.out.run = RunMma;
  d.out.control = true;
  d.out.track = Track::kOwn;
  for (size_t o = 0; o < 4; ++o)
    d.List(d.operand(o), o == 0 || o == 3 ? Type::kF32 : Type::kB32, o == 0);
  if (d.out.count != 14)
    d.Fail("mma.sync of 4, 4, 2 and 4 registers");
}

} // namespace

void AddMatrices(DecodeTable &table) {
  table["ldmatrix"] = DecodeLoadMatrices;
  table["stmatrix"] = DecodeStoreMatrices;
  table["mma"] = DecodeMma;
}

} // namespace mirl::emulator
