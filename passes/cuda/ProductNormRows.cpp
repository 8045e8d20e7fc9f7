// The right side of a product of few rows that are normalised first (TensorCoreProduct::RowNorm): nn.rms_norm, whose result
// never is in memory.
//
// A launch of a norm of few rows takes as long as launches do. Here each block of the product behind makes all of its rows for
// itself, while the first weights are on their way. Numbers are those of the schedule in passes/cpu/RowSchedules.cpp with 256
// lanes: a warp has a row, a thread eight neighbours and those 256 further on, then the pairwise tree.

#include "passes/cuda/ProductKernel.h"
#include "passes/cuda/ThreadMaths.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {

static constexpr int64_t kEight = 8; // numbers of 16 bytes
// Of rows that are on their way a thread has no more registers than these, but for a single row.
static constexpr int64_t kWordsAhead = 48;

void ProductKernel::normaliseRows(Value consumer) {
  const int64_t k = *p.k, padded = stepsOf(k) * tile.depth, vectors = (padded + kWarp * kEight - 1) / (kWarp * kEight),
                warps = kWarpgroup / kWarp * tile.consumers;
  auto words = VectorType::get({4}, b.getI32Type());
  Value zero = LLVM::ZeroOp::create(b, words);
  auto columnOf = [&](int64_t vector) { return b.add(b.mul(lane, kEight), vector * kWarp * kEight); };
  // What is beyond the row's end is zero.
  auto load = [&](Value pointer, Value start, int64_t vector) -> Value {
    Value column = columnOf(vector);
    auto get = [&]() -> Values {
      return {LLVM::LoadOp::create(b, words, b.at(pointer, b.add(start, column), b.getBF16Type()), /*alignment=*/16)};
    };
    return (vector + 1) * kWarp * kEight <= k ? get()[0] : b.choose(b.lt(column, b.c(k)), get, zero)[0];
  };
  Values weights;
  for (int64_t vector = 0; vector < vectors; ++vector)
    weights.push_back(load(normWeight, b.c(0), vector));
  if (p.early)
    waitForEarlier(b);
  Value first = b.add(b.mul(consumer, kWarpgroup / kWarp), warp), input = b.buffer(p.products());
  auto store = [&](Value row, int64_t vector, Value made) {
    // Slices of 64 columns, in them rows of 128 bytes, swizzled.
    Value slice = b.add(b.divide(lane, kTileRow / kEight), vector * kWarp * kEight / kTileRow);
    Value sixteen = b.exclusiveOr(b.rem(lane, kTileRow / kEight), b.rem(row, kTileRow / kEight));
    Value offset = b.add(b.add(b.mul(slice, bBytes), b.mul(row, kTileRowBytes)), b.mul(sixteen, 16));
    auto put = [&] { LLVM::StoreOp::create(b, made, b.shared(b.add(offset, bTiles())), /*alignment=*/16); };
    if ((vector + 1) * kWarp * kEight <= padded)
      put();
    else
      b.ifThen(b.lt(columnOf(vector), b.c(padded)), put);
  };
  // Tiles have as many columns as warps, or a multiple of that.
  const int64_t atATime = std::max<int64_t>(1, kWordsAhead / (4 * vectors));
  for (int64_t begin = 0; begin < tile.n; begin += warps * atATime) {
    SmallVector<std::pair<Value, Values>> rows;
    for (int64_t at = begin; at < std::min(tile.n, begin + warps * atATime); at += warps) {
      Value row = b.add(first, at);
      Values loaded = b.choose(b.lt(row, j), [&] {
        Values words;
        for (int64_t vector = 0; vector < vectors; ++vector)
          words.push_back(load(input, b.mul(row, k), vector));
        return words;
      }, Values(vectors, zero));
      rows.push_back({row, loaded});
    }
    // Rows that are not there are zeros.
    for (auto &[row, loaded] : rows) {
      Values made = b.choose(b.lt(row, j), [&, &loaded = loaded] { return normalised(loaded, weights); }, loaded);
      for (auto [vector, words] : llvm::enumerate(made))
        store(row, vector, words);
    }
  }
  b.publishTile();
  b.meetSome(b.c(1), kWarpgroup * tile.consumers);
}

// Of a warp's row a thread has, of every 256 columns, eight neighbours of bf16; what replaces them.
ProductKernel::Values ProductKernel::normalised(ValueRange row, ValueRange weights) {
  ThreadMaths m(b);
  auto numbers = [&](ValueRange vectors) {
    Values all;
    for (Value words : vectors)
      for (int64_t word = 0; word < kEight / 2; ++word) {
        auto [low, high] = b.unpack(LLVM::ExtractElementOp::create(b, words, b.c(word)));
        all.append({low, high});
      }
    return all;
  };
  Values x = numbers(row), w = numbers(weights), sums(kEight, m.f(0));
  for (auto [at, number] : llvm::enumerate(x))
    sums[at % kEight] = m.fma(number, number, sums[at % kEight]);
  for (int64_t distance = kWarp / 2; distance >= 1; distance /= 2)
    for (Value &sum : sums)
      sum = m.fadd(sum, b.exchange(sum, distance));
  for (int64_t half = kEight / 2; half >= 1; half /= 2)
    for (int64_t at = 0; at < half; ++at)
      sums[at] = m.fadd(sums[at], sums[at + half]);
  Value mean = m.fmul(sums[0], m.f(1.0 / *p.k));
  Value rstd = m.fdiv(m.f(1), m.sqrt(m.fadd(mean, m.f(p.norm->eps))));
  auto made = [&](int64_t at) { return m.fmul(m.fmul(x[at], rstd), w[at]); };
  Values result;
  for (size_t vector = 0; vector < row.size(); ++vector) {
    Value words = LLVM::PoisonOp::create(b, row[vector].getType());
    for (int64_t word = 0; word < kEight / 2; ++word) {
      int64_t at = vector * kEight + 2 * word;
      words = LLVM::InsertElementOp::create(b, words, pack({made(at), made(at + 1)}), b.c(word));
    }
    result.push_back(words);
  }
  return result;
}

} // namespace mirl::passes::cuda
