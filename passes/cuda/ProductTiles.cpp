// Which tile a product gets, and what its launch says: work items and tensor maps
// (TensorCoreProduct.h).

#include "passes/cuda/TensorCoreProduct.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kMultiprocessors = 132;

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Microseconds of a launch. The form is the work of the busiest multiprocessor; the constants are
// fitted to the times of 1,900 launches (both Qwen2.5 models' products, 1 to 16,384 rows, every
// tile below) on an H100 (bench/gpu). Of the tiles it was fitted to, the one it prefers is within 1
// % of the fastest in the mean, and within 12 % at worst.
double estimate(const ProductTile &tile, const TensorCoreProduct &p, int64_t i, int64_t j,
                int64_t k) {
  auto real = [](int64_t x) { return static_cast<double>(x); };
  int64_t tiles = ceilDivide(i, tile.rows) * ceilDivide(j, tile.n);
  double waves = real(ceilDivide(tiles, kMultiprocessors)),
         busy = real(std::min(tiles, kMultiprocessors));
  // Of 16 values of k. A product of 64 rows takes n / 2 cycles, but has a latency; nobody hides it
  // from a lone consumer.
  double steps = real(ceilDivide(k, 64) * 4);
  double multiply =
      std::max(39.0, real(tile.n) / 2) * real(tile.blocks * (tile.alternate ? 1 : tile.consumers));
  if (tile.consumers == 1 || tile.alternate)
    multiply *= 1.09;
  // All multiprocessors together read some 9,900 bytes a cycle from the cache.
  double fill = real(tile.rows + tile.n) * 32 * busy / 9900;
  double step = std::max(multiply, fill) + 0.2 * std::min(multiply, fill);
  // Of exponentials it is an estimate.
  double perSum = p.epilogue ? 0.2 : p.accumulate ? 0.53 : 0.075;
  double finish = 430 + perSum * real(tile.rows * tile.n);
  double cycles = waves * steps * step + finish * (tile.alternate ? 1 + 0.53 * (waves - 1) : waves);
  constexpr double kLaunch = 2.2, kCyclesPerMicrosecond = 1700;
  return kLaunch + (cycles + 4.4 * real(tile.rows + tile.n)) / kCyclesPerMicrosecond;
}

SmallVector<ProductTile> candidates(const TensorCoreProduct &p) {
  SmallVector<ProductTile> tiles;
  if (p.transposed) {
    // Few rows, on the j side: their number decides n. Tiles of one i that follow each other share
    // the weight.
    for (int64_t n : {8, 16, 32, 64, 128, 256}) {
      for (int64_t height : {16, 32, 64})
        tiles.push_back({/*consumers=*/1, /*blocks=*/1, n, height, /*group=*/1});
      tiles.push_back({/*consumers=*/2, /*blocks=*/1, n, /*rows=*/128, /*group=*/1});
    }
    return tiles;
  }
  for (int64_t n : {256, 224, 192, 160, 128, 96, 64})
    tiles.push_back({/*consumers=*/2, /*blocks=*/1, n, /*rows=*/128, /*group=*/16});
  tiles.push_back({/*consumers=*/2, /*blocks=*/2, /*n=*/128, /*rows=*/256, /*group=*/8});
  tiles.push_back({/*consumers=*/3, /*blocks=*/1, /*n=*/192, /*rows=*/192, /*group=*/16});
  tiles.push_back(
      {/*consumers=*/2, /*blocks=*/2, /*n=*/128, /*rows=*/128, /*group=*/16, /*alternate=*/true});
  for (int64_t n : {256, 192, 128})
    tiles.push_back(
        {/*consumers=*/2, /*blocks=*/1, n, /*rows=*/64, /*group=*/16, /*alternate=*/true});
  for (int64_t n : {128, 64})
    tiles.push_back({/*consumers=*/1, /*blocks=*/1, n, /*rows=*/64, /*group=*/16});
  if (p.epilogue && p.epilogue->columns)
    llvm::erase_if(tiles, [&](const ProductTile &tile) { return tile.n != p.epilogue->columns; });
  // Such a tile of B is read in whole chunks of 64 columns.
  if (p.b == Major::mn)
    llvm::erase_if(tiles, [](const ProductTile &tile) { return tile.n % 64 != 0; });
  return tiles;
}

} // namespace

double chooseTile(TensorCoreProduct &p, int64_t rows) {
  int64_t i = p.i.value_or(rows), j = p.j.value_or(rows), k = p.k.value_or(rows);
  double least = 0;
  bool any = false;
  for (const ProductTile &tile : candidates(p)) {
    double time = estimate(tile, p, i, j, k);
    if (any && time >= least)
      continue;
    p.tile = tile;
    least = time;
    any = true;
  }
  return least;
}

plan::WorkAttr productWork(MLIRContext *context, const TensorCoreProduct &p, int64_t axis) {
  int64_t factor = 1, tile = 1, size = 1;
  if (p.i && p.j)
    return plan::WorkAttr::get(context, std::nullopt,
                               ceilDivide(*p.i, p.tile.rows) * ceilDivide(*p.j, p.tile.n));
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

int64_t resultColumns(const ProductTile &tile) {
  return tile.n % 64 == 0 ? 64 : tile.n % 32 == 0 ? 32 : 16;
}

SmallVector<Attribute> productMaps(MLIRContext *context, const TensorCoreProduct &p, int64_t axis,
                                   int64_t arguments) {
  // A matrix whose rows are `inner` long. What is contiguous never is the run-time number of rows.
  auto map = [&](int64_t argument, std::optional<int64_t> outer, std::optional<int64_t> inner,
                 ArrayRef<int64_t> box) {
    if (argument == 1 && p.bPiece)
      outer = p.bPiece->rows;
    auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
    return plan::TensorMapAttr::get(
        context, argument, array({inner ? 0 : axis, outer ? 0 : axis}),
        array({inner.value_or(p.rowsExtra), outer.value_or(p.rowsExtra)}),
        array({2 * inner.value_or(0)}), array(box), 2 * box.front());
  };
  auto operand = [&](int64_t argument, std::optional<int64_t> extent, Major major, int64_t box) {
    return major == Major::k ? map(argument, extent, p.k, {kTileRow, box})
                             : map(argument, p.k, extent, {kTileRow, kTileRow});
  };
  SmallVector<Attribute> maps = {operand(0, p.i, p.a, p.tile.rows), operand(1, p.j, p.b, p.tile.n)};
  if (copiesResult(p))
    maps.push_back(map(arguments - 1, p.i, p.j, {resultColumns(p.tile), 64}));
  return maps;
}

} // namespace mirl::passes::cuda
