// Which tile a product gets, and what its launch says: work items and tensor maps
// (TensorCoreProduct.h).

#include "passes/cuda/TensorCoreProduct.h"

#include <cmath>

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kMultiprocessors = 132;

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Fitted to the times of the products inside training steps (both models, 16,384 rows, every tile,
// with and without epilogues): products that keep all multiprocessors busy for more than one tile,
// and have no side of few rows.
constexpr int64_t kFewest = 256;

// Cycles of 16 values of k: multiplying and copying go on beside each other, and get in each
// other's way the more, the nearer their times are.
double stepOfMany(double multiply, double fill) {
  double longer = std::max(multiply, fill), shorter = std::min(multiply, fill);
  return longer * (1 + 0.75 * std::pow(shorter / longer, 3.5));
}

// Microseconds of a launch. The form is the work of the busiest multiprocessor; the constants are
// fitted to the times of 1,900 launches (both Qwen2.5 models' products, 1 to 16,384 rows, every
// tile below) on an H100 (bench/gpu). Of the tiles it was fitted to, the one it prefers is within 1
// % of the fastest in the mean, and within 12 % at worst.
double estimate(const TensorCoreProduct &p, int64_t i, int64_t j, int64_t k) {
  const ProductTile &tile = p.tile;
  auto real = [](int64_t x) { return static_cast<double>(x); };
  int64_t tiles = tilesOfI(p, i) * tilesOfJ(p, j), rows = tile.rows * p.rowParts();
  double waves = real(ceilDivide(tiles, kMultiprocessors)),
         busy = real(std::min(tiles, kMultiprocessors));
  // Of 16 values of k. A product of 64 rows takes n / 2 cycles, but has a latency; nobody hides it
  // from a lone consumer.
  double steps = real(ceilDivide(k, tile.depth) * tile.depth / 16);
  double multiply = std::max(tile.depth > kTileRow ? 34.0 : 39.0, real(tile.n) / 2) *
                    real(tile.blocks * p.rowParts() * (tile.alternate ? 1 : tile.consumers));
  if (tile.consumers == 1 || tile.alternate)
    multiply *= 1.09;
  // All multiprocessors together read some 9,900 bytes a cycle from the cache.
  double fill = real(rows + tile.n) * 32 * busy / 9900;
  double step = std::max(multiply, fill) + 0.2 * std::min(multiply, fill);
  // Of exponentials it is an estimate.
  double perSum = p.epilogue ? 0.2 : p.accumulate ? 0.53 : 0.075;
  // Of the time in which another consumer multiplies.
  double exposed = 0.53;
  if (!p.transposed && waves > 1 && std::min(i, j) > kFewest) {
    // Multiprocessors that have no tile in the last round leave the cache to the others.
    step = stepOfMany(multiply, fill * real(tiles) / (waves * busy));
    if (p.epilogue) {
      perSum = p.combines() ? 0.06 + 0.07 * real(p.results()) : 0.2;
      exposed = 0.35;
    }
    if (tile.consumers > 2 && !p.accumulate)
      perSum *= 1.4;
    // Fitted to the gradient of the vocabulary head's weight, where 192 x 192 is slower than 128 x 256.
    if (tile.consumers > 2 && p.adds())
      step *= 1.06;
  }
  double finish = 430 + perSum * real(rows * tile.n);
  double cycles =
      waves * steps * step + finish * (tile.alternate ? 1 + exposed * (waves - 1) : waves);
  constexpr double kLaunch = 2.2, kCyclesPerMicrosecond = 1700;
  return kLaunch + (cycles + 4.4 * real(rows + tile.n)) / kCyclesPerMicrosecond;
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
    // The sums of all parts are in the registers of one thread.
    llvm::erase_if(tiles, [&](const ProductTile &tile) { return tile.n * p.rowParts() > 256; });
    // A box has a part of a head, or whole heads.
    if (p.cacheRows)
      llvm::erase_if(tiles, [&](const ProductTile &tile) {
        return tile.n > p.cacheRows->mostColumns(tile.consumers) ||
               (p.cacheRows->head % tile.rows != 0 && tile.rows % p.cacheRows->head != 0);
      });
    // Where four stages or more have room, a lone consumer's hold twice as much.
    for (ProductTile &tile : tiles)
      if (tile.consumers == 1 && tile.rows * p.rowParts() + tile.n <= 192)
        tile.depth = 2 * kTileRow;
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
  // What a tile has beyond its piece is another piece's.
  if (p.resultPiece && p.resultPiece->first + p.resultPiece->step < p.resultPiece->rows)
    llvm::erase_if(tiles, [&](const ProductTile &tile) { return p.resultPiece->step % tile.rows != 0; });
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
  ProductTile best;
  for (const ProductTile &tile : candidates(p)) {
    p.tile = tile;
    if (p.norm && tilesOfJ(p, j) > 1)
      continue;
    double time = estimate(p, i, j, k);
    if (any && time >= least)
      continue;
    best = tile;
    least = time;
    any = true;
  }
  p.tile = best;
  return least;
}

// Of the parts of a group each has tiles of its own.
static int64_t tilesOf(const TensorCoreProduct &p, bool grouped, int64_t extent, int64_t size) {
  if (!grouped || p.parts.empty())
    return ceilDivide(extent, size);
  if (p.combines())
    return ceilDivide(p.parts.front(), size);
  int64_t tiles = 0;
  for (int64_t part : p.parts)
    tiles += ceilDivide(part, size);
  return tiles;
}

int64_t tilesOfI(const TensorCoreProduct &p, int64_t extent) {
  return tilesOf(p, p.partsOfI, extent, p.tile.rows);
}

int64_t tilesOfJ(const TensorCoreProduct &p, int64_t extent) {
  return tilesOf(p, !p.partsOfI, extent, p.columns());
}

int64_t TensorCoreProduct::results() const {
  if (cacheRows)
    return products();
  return combines() ? epilogue->keeps.size() + epilogue->results : reduces() ? 0 : products();
}

plan::WorkAttr productWork(MLIRContext *context, const TensorCoreProduct &p, int64_t axis) {
  int64_t factor = 1, tile = 1, size = 1;
  if (p.i && p.j)
    return plan::WorkAttr::get(context, std::nullopt, tilesOfI(p, *p.i) * tilesOfJ(p, *p.j));
  if (p.i) {
    factor = tilesOfI(p, *p.i);
    tile = p.tile.n;
  } else {
    factor = tilesOfJ(p, *p.j);
    tile = p.tile.rows;
  }
  size = p.rowsExtra;
  return plan::WorkAttr::get(context, axis, size, tile, factor);
}

int64_t resultColumns(const TensorCoreProduct &p) {
  // Of three consumers larger pieces would take the room of a stage.
  if (p.f32Result)
    return p.tile.consumers > 2 ? 16 : 32;
  return p.columns() % 64 == 0 ? 64 : p.columns() % 32 == 0 ? 32 : 16;
}

SmallVector<Attribute> productMaps(MLIRContext *context, const TensorCoreProduct &p, int64_t axis,
                                   int64_t arguments) {
  // A matrix whose rows are `inner` long. What is contiguous never is the run-time number of rows.
  auto map = [&](int64_t argument, std::optional<int64_t> outer, std::optional<int64_t> inner,
                 ArrayRef<int64_t> box, int64_t elementBytes = 2) {
    if (argument == p.lefts() && p.bPiece)
      outer = p.bPiece->rows;
    auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
    return plan::TensorMapAttr::get(
        context, argument, array({inner ? 0 : axis, outer ? 0 : axis}),
        array({inner.value_or(p.rowsExtra), outer.value_or(p.rowsExtra)}),
        array({elementBytes * inner.value_or(0)}), array(box), elementBytes * box.front());
  };
  auto operand = [&](int64_t argument, std::optional<int64_t> extent, Major major, int64_t box) {
    return major == Major::k ? map(argument, extent, p.k, {kTileRow, box})
                             : map(argument, p.k, extent, {kTileRow, kTileRow});
  };
  auto part = [&](bool ofI, int64_t at) {
    bool grouped = ofI == p.partsOfI && !p.parts.empty();
    return grouped ? std::optional(p.parts[at]) : ofI ? p.i : p.j;
  };
  // Eight rows of a head's first half, then those of the second: dimensions are k, eight rows, halves,
  // eights of a half, heads.
  auto heads = [&](int64_t argument, int64_t rows) {
    auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
    int64_t head = p.cacheRows->head, row = 2 * *p.k;
    return plan::TensorMapAttr::get(
        context, argument, array({0, 0, 0, 0, 0}), array({*p.k, 8, 2, head / 16, rows / head}),
        array({row, row * head / 2, row * 8, row * head}),
        array({kTileRow, 8, 2, std::min(p.tile.rows, head) / 16, std::max<int64_t>(p.tile.rows / head, 1)}),
        kTileRowBytes);
  };
  SmallVector<Attribute> maps;
  for (int64_t at = 0; at < p.lefts(); ++at)
    maps.push_back(p.cacheRows ? heads(at, p.parts[at])
                               : operand(at, part(true, at), p.a, p.tile.rows));
  for (int64_t at = 0; !p.norm && at < p.rights(); ++at)
    maps.push_back(operand(p.lefts() + at, part(false, at), p.b, p.columns()));
  // What is made of all parts has the extent of one.
  for (int64_t at = 0; copiesResult(p) && at < p.results(); ++at)
    maps.push_back(map(arguments - p.results() + at,
                       p.resultPiece ? std::optional(p.resultPiece->rows) : part(true, at),
                       p.stored ? p.stored : part(false, p.combines() ? 0 : at),
                       {resultColumns(p), 64}, resultElementBytes(p)));
  return maps;
}

} // namespace mirl::passes::cuda
