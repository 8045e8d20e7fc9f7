// Which tile a product gets, and what its launch says: work items and tensor maps (TensorCoreProduct.h).

#include "passes/cuda/TensorCoreProduct.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kMultiprocessors = 132;

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Cycles for all tiles. A step of 16 values of k takes the tensor cores n / 2 cycles a block of 64 rows, but no less than
// about 20 in a chain; shared memory is filled with some 48 bytes a cycle; what a block does besides is not overlapped.
double estimate(const ProductTile &tile, int64_t i, int64_t j, int64_t k) {
  int64_t tiles = ceilDivide(i, tile.rows) * ceilDivide(j, tile.n);
  double steps = static_cast<double>(ceilDivide(k, 64)) * 4;
  double multiply = std::max(20.0, 0.5 * static_cast<double>(tile.n)) * static_cast<double>(tile.blocks * tile.consumers);
  double fill = static_cast<double>(tile.rows + tile.n) * 32 / 48;
  double finish = 600 + static_cast<double>(tile.rows * tile.n) / 16;
  double waves = static_cast<double>(ceilDivide(tiles, kMultiprocessors));
  return waves * (steps * std::max(multiply, fill) + finish);
}

} // namespace

ProductTile chooseTile(const TensorCoreProduct &p, int64_t rows) {
  int64_t i = p.i.value_or(rows), j = p.j.value_or(rows), k = p.k.value_or(rows);
  SmallVector<ProductTile> candidates;
  if (p.transposed) {
    // Few rows, on the j side: their number decides n. Tiles of one i that follow each other share the weight.
    for (int64_t n : {8, 16, 32, 64, 128, 256}) {
      for (int64_t height : {16, 32, 64})
        candidates.push_back({/*consumers=*/1, /*blocks=*/1, n, height, /*group=*/1});
      candidates.push_back({/*consumers=*/2, /*blocks=*/1, n, /*rows=*/128, /*group=*/1});
    }
  } else {
    for (int64_t n : {256, 192, 128, 64})
      candidates.push_back({/*consumers=*/2, /*blocks=*/1, n, /*rows=*/128, /*group=*/16});
    candidates.push_back({/*consumers=*/2, /*blocks=*/2, /*n=*/128, /*rows=*/256, /*group=*/8});
  }
  const ProductTile *best = nullptr;
  double least = 0;
  for (const ProductTile &tile : candidates) {
    double cycles = estimate(tile, i, j, k);
    if (!best || cycles < least) {
      best = &tile;
      least = cycles;
    }
  }
  return *best;
}

plan::WorkAttr productWork(MLIRContext *context, const TensorCoreProduct &p, int64_t axis) {
  int64_t factor = 1, tile = 1, size = 1;
  if (p.i && p.j)
    return plan::WorkAttr::get(context, std::nullopt, ceilDivide(*p.i, p.tile.rows) * ceilDivide(*p.j, p.tile.n));
  if (p.i) {
    factor = ceilDivide(*p.i, p.tile.rows);
    tile = p.tile.n;
  } else {
    factor = ceilDivide(*p.j, p.tile.n);
    tile = p.tile.rows;
  }
  size = p.rowsExtra;
  return plan::WorkAttr::get(context, axis, size, tile, factor);
}

SmallVector<Attribute> productMaps(MLIRContext *context, const TensorCoreProduct &p, int64_t axis) {
  auto map = [&](int64_t argument, std::optional<int64_t> outer, std::optional<int64_t> k, Major major, int64_t box) {
    // Innermost first. What is contiguous never is the run-time number of rows.
    std::optional<int64_t> inner = major == Major::k ? k : outer, other = major == Major::k ? outer : k;
    auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
    return plan::TensorMapAttr::get(context, argument, array({inner ? 0 : axis, other ? 0 : axis}),
                                    array({inner.value_or(p.rowsExtra), other.value_or(p.rowsExtra)}),
                                    array({2 * inner.value_or(0)}),
                                    array({kTileRow, major == Major::k ? box : kTileRow}), kTileRowBytes);
  };
  return {map(0, p.i, p.k, p.a, p.tile.rows), map(1, p.j, p.k, p.b, p.tile.n)};
}

} // namespace mirl::passes::cuda
