// The kernel of a matrix product on tensor cores (TensorCoreProduct.h).
//
// Warpgroup 0 is the producer: one of its threads fills a ring of stages, each with a tile of A and
// one of B for 64 values of k. The other warpgroups consume: each keeps its rows of the tile of C
// in registers until k is through. A result of bf16 goes back by way of shared memory, 64 rows of
// some columns at a time, copied while the next ones (or the next tile) are computed.

#include "passes/cuda/TensorCoreProduct.h"

#include "passes/cuda/SimtKernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Values = SmallVector<Value>;

// A chunk of 64 columns of a Major::mn tile: 64 rows of k.
constexpr int64_t kChunkBytes = kTileRow * kTileRowBytes;
constexpr int64_t kMostStages = 16;
// The widest tile whose addends a thread holds beside its sums.
constexpr int64_t kAddendsAhead = 128;

// Tensor maps of the launch.
int64_t mapCount(const TensorCoreProduct &p) {
  return p.products() + 1 + (copiesResult(p) ? p.results() : 0);
}

class ProductKernel {
public:
  ProductKernel(TileKernelBuilder &b, const TensorCoreProduct &p) : b(b), p(p), tile(p.tile) {
    partBytes = tile.rows * kTileRowBytes;
    aBytes = p.rowParts() * partBytes;
    // A Major::mn tile is whole chunks.
    bBytes = (p.b == Major::mn ? (tile.n + 63) / 64 * 64 : tile.n) * kTileRowBytes;
    // The tensor cores read 64 rows, also where a tile has fewer: what lies behind the last must be
    // shared memory.
    slack = (tile.alternate ? 1 : tile.consumers) * tile.blocks * 64 * kTileRowBytes - partBytes;
    if (copiesResult(p))
      outBytes = 64 * 2 * resultColumns(p);
    int64_t fixed = slack + tile.consumers * 2 * outBytes;
    stages =
        std::min(kMostStages, (kSharedBytes - fixed - 16 * (kMostStages + 1)) / (aBytes + bBytes));
  }

  int64_t sharedBytes() const { return barriers() + 16 * (stages + 1); }
  void emit();

private:
  struct Stage {
    Value number, parity;
  };
  Stage next(Value number, Value parity) {
    Value last = b.eq(number, b.c(stages - 1));
    return {b.select(last, b.c(0), b.add(number, 1)),
            b.select(last, b.sub(b.c(1), parity), parity)};
  }
  // The same a run-time number of stages further.
  Stage skip(Stage from, Value count) {
    Value at = b.add(from.number, count), rounds = b.divide(at, stages);
    Value odd = b.rem(rounds, 2);
    return {b.rem(at, stages),
            b.select(b.eq(odd, b.c(1)), b.sub(b.c(1), from.parity), from.parity)};
  }
  Value full(Value stage) { return b.at(b.shared(b.c(barriers())), stage, b.getI64Type()); }
  Value empty(Value stage) {
    return b.at(b.shared(b.c(barriers() + 8 * stages)), stage, b.getI64Type());
  }
  // Which of two alternating consumers multiplies.
  Value turn(Value consumer) {
    return b.at(b.shared(b.c(barriers() + 16 * stages)), consumer, b.getI64Type());
  }
  // In shared memory lie all tiles of A, all of B, two pieces of the result for each consumer, the
  // barriers.
  int64_t bTiles() const { return stages * aBytes + slack; }
  int64_t pieces() const { return bTiles() + stages * bBytes; }
  int64_t barriers() const { return pieces() + tile.consumers * 2 * outBytes; }
  // Where a tile begins in its part of the product.
  struct Place {
    Value row, column, part;
  };
  Place place(Value item);
  // What is copied for a work item: the tensor maps, and where.
  struct Source {
    Place place;
    Values left, right;
  };
  Source sourceOf(Value item);
  void copyLeft(const Source &source, Value stage, Value step);
  void copyRight(const Source &source, Value stage, Value step);
  // `chunks`: of a Major::mn tile; `piece`: where B begins.
  void copyBoxes(Value map, Major major, int64_t chunks, Value target, Value stage, Value first,
                 Value k0, Value piece = Value());
  // That one of the parts' values which is the part's.
  Value ofPart(Value part, ValueRange values);
  void enterPart(Value part);
  void produce();
  void consume(Value consumer);
  Values multiplyTile(Value consumer, Value &stage, Value &parity);
  Value fadd(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  using Pair = std::pair<Value, Value>;
  Pair fadd(Pair x, Pair y) { return {fadd(x.first, y.first), fadd(x.second, y.second)}; }
  // Two neighbours of bf16 in an i32, rounded to nearest even, and back.
  Value pack(Pair x);
  void addRows(Value accumulator, Value row, Value column0);
  Pair resultOf(ValueRange accumulators, int64_t block, int64_t at, int64_t result);
  void copyRows(ValueRange accumulators, Value consumer, Value row0, Value column0);
  void writePiece(ValueRange accumulators, int64_t block, int64_t firstColumn, int64_t result,
                  Value piece, Value row0, Value column0);
  // Where the result is C[j, i]: what a thread stores of a half of its rows.
  struct Across {
    Value odd, column, row, rowInside;
  };
  struct Addends {
    Value bias;
    Values residuals;
  };
  int64_t halves() const { return tile.rows <= 8 ? 1 : 2; }
  Across across(Value row, Value column0, int64_t half);
  Value indexOf(const Across &place, int64_t block);
  Addends loadAddends(Value row, Value column0, int64_t half);
  // `addends`: of each half, or none, when they are still to be loaded.
  void storeTransposed(ValueRange accumulators, int64_t block, Value row, Value column0,
                       ArrayRef<Addends> addends);
  void ifColumns(Value column, llvm::function_ref<void()> body);
  bool wholeColumns() const {
    if (p.partsOfI || p.parts.empty())
      return p.j && *p.j % tile.n == 0;
    return llvm::all_of(p.parts, [&](int64_t part) { return part % p.columns() == 0; });
  }
  Value loadPacked(Value pointer, Value index) {
    return LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, index, b.getBF16Type()),
                                /*alignment=*/4);
  }

  TileKernelBuilder &b;
  const TensorCoreProduct &p;
  const ProductTile &tile;
  int64_t partBytes, aBytes, bBytes, slack, stages, outBytes = 0;
  Value i, j, steps, iTiles, jTiles, items;
  Value bFirst, resultFirst; // of a piece
  Values left, right;        // tensor maps
  Value lane, warp, residual;
  // Of all parts, and of the one that a work item is in; a tile of all parts has several results.
  Values extents, biases, allResults, allMaps;
  Value bias;
  Values results, maps;
};

// Where a work item's tile begins. Items run down a group of tiles of i first, then to the next
// tile of j.
ProductKernel::Place ProductKernel::place(Value item) {
  Value perGroup = b.mul(jTiles, tile.group);
  Value group = b.divide(item, perGroup), inGroup = b.rem(item, perGroup);
  Value first = b.mul(group, tile.group);
  Value height = b.min(b.sub(iTiles, first), b.c(tile.group));
  Value row = b.add(first, b.rem(inGroup, height)), column = b.divide(inGroup, height);
  Value part = b.c(0);
  if (p.products() > 1 && !p.combines()) {
    Value &along = p.partsOfI ? row : column, begin = b.c(0);
    int64_t tiles = 0, size = p.partsOfI ? tile.rows : p.columns();
    for (int64_t extent : ArrayRef(p.parts).drop_back()) {
      tiles += (extent + size - 1) / size;
      Value before = b.lt(along, b.c(tiles));
      part = b.select(before, part, b.add(part, 1));
      begin = b.select(before, begin, b.c(tiles));
    }
    along = b.sub(along, begin);
  }
  return {b.mul(row, tile.rows), b.mul(column, p.columns()), part};
}

Value ProductKernel::ofPart(Value part, ValueRange values) {
  Value chosen = values[0];
  for (auto [at, value] : llvm::enumerate(values.drop_front()))
    chosen = b.select(b.eq(part, b.c(at + 1)), value, chosen);
  return chosen;
}

// What the code of a tile needs to know of its part.
void ProductKernel::enterPart(Value part) {
  if (!extents.empty())
    (p.partsOfI ? i : j) = ofPart(part, extents);
  bias = p.bias ? ofPart(part, biases) : Value();
  results = allResults;
  maps = allMaps;
  if (p.combines())
    return;
  if (!results.empty())
    results = {ofPart(part, allResults)};
  if (!maps.empty())
    maps = {ofPart(part, allMaps)};
}

ProductKernel::Source ProductKernel::sourceOf(Value item) {
  Source source = {place(item), left, right};
  if (!p.combines()) {
    source.left = {ofPart(source.place.part, left)};
    source.right = {ofPart(source.place.part, right)};
  }
  return source;
}

// The tile of A, or of B, of a step of 64 values of k.
void ProductKernel::copyLeft(const Source &source, Value stage, Value step) {
  Value k0 = b.mul(step, kTileRow), tile = b.mul(stage, aBytes);
  for (auto [at, map] : llvm::enumerate(source.left))
    copyBoxes(map, p.a, this->tile.rows / 64, b.add(tile, at * partBytes), stage, source.place.row,
              k0);
}

void ProductKernel::copyRight(const Source &source, Value stage, Value step) {
  Value k0 = b.mul(step, kTileRow), tile = b.add(b.mul(stage, bBytes), bTiles());
  for (auto [at, map] : llvm::enumerate(source.right))
    copyBoxes(map, p.b, bBytes / kChunkBytes, b.add(tile, at * p.columns() * kTileRowBytes), stage,
              source.place.column, k0, bFirst);
}

void ProductKernel::copyBoxes(Value map, Major major, int64_t chunks, Value target, Value stage,
                              Value first, Value k0, Value piece) {
  for (int64_t box = 0, boxes = major == Major::k ? 1 : chunks; box < boxes; ++box) {
    Value inner = major == Major::k ? k0 : b.add(first, box * 64),
          outer = major == Major::k ? first : k0;
    if (piece)
      outer = b.add(outer, piece);
    b.load(b.shared(b.add(target, box * kChunkBytes)), map, {inner, outer}, full(stage));
  }
}

void ProductKernel::produce() {
  for (int64_t at = 0; at < p.products() + 1; ++at)
    (at < p.lefts() ? left : right).push_back(b.map(at));
  // Of the first item so many steps are under way, in as many stages.
  int64_t early = p.early ? std::min(stages, (*p.k + kTileRow - 1) / kTileRow) : 0;
  Values ring = {b.c(early % stages), b.c(early == stages ? 0 : 1), b.c(early)};
  if (early) {
    Source source = sourceOf(b.firstItem());
    b.loop(b.c(0), b.c(early), b.c(1), {}, [&](Value step, ValueRange) -> Values {
      b.expect(full(step), aBytes + bBytes);
      if (p.partsOfI)
        copyLeft(source, step, step);
      else
        copyRight(source, step, step);
      return {};
    });
    waitForEarlier(b);
    b.loop(b.c(0), b.c(early), b.c(1), {}, [&](Value step, ValueRange) -> Values {
      if (p.partsOfI)
        copyRight(source, step, step);
      else
        copyLeft(source, step, step);
      return {};
    });
  } else {
    waitForEarlier(b);
  }
  b.loop(b.firstItem(), items, b.itemStep(), ring, [&](Value item, ValueRange ring) -> Values {
    Source source = sourceOf(item);
    Values done = b.loop(ring[2], steps, b.c(1), ring.take_front(2),
                         [&](Value step, ValueRange ring) -> Values {
                           Value stage = ring[0];
                           b.wait(empty(stage), ring[1]);
                           b.expect(full(stage), aBytes + bBytes);
                           copyLeft(source, stage, step);
                           copyRight(source, stage, step);
                           Stage following = next(stage, ring[1]);
                           return {following.number, following.parity};
                         });
    done.push_back(b.c(0));
    return done;
  });
}

Values ProductKernel::multiplyTile(Value consumer, Value &stage, Value &parity) {
  Values init = {stage, parity, b.c(0)};
  int64_t blocks = p.rowParts() * tile.blocks;
  for (int64_t block = 0; block < blocks; ++block)
    init.push_back(b.zero(b.accumulator(tile.n)));
  Value base = b.sharedAddress(), lead = b.eq(b.threadOfGroup(), b.c(0));
  Value mine =
      tile.alternate ? base : b.add(base, b.mul(consumer, tile.blocks * 64 * kTileRowBytes));
  Values done = b.loop(b.c(0), steps, b.c(1), init, [&](Value step, ValueRange carried) -> Values {
    Value now = carried[0];
    b.wait(full(now), carried[1]);
    Value aTile = b.add(mine, b.mul(now, aBytes));
    Value bTile = b.descriptor(b.add(b.add(base, bTiles()), b.mul(now, bBytes)), p.b, kChunkBytes);
    Values sums(carried.drop_front(3));
    b.beginProducts();
    SmallVector<Value> aTiles;
    for (int64_t block = 0; block < blocks; ++block) {
      int64_t at = block / tile.blocks * partBytes + block % tile.blocks * 64 * kTileRowBytes;
      aTiles.push_back(b.descriptor(b.add(aTile, at), p.a, kChunkBytes));
    }
    for (int64_t k = 0; k < kTileRow / 16; ++k)
      for (int64_t block = 0; block < blocks; ++block)
        sums[block] = b.multiply(b.nextK(aTiles[block], p.a, k), p.a, b.nextK(bTile, p.b, k), p.b,
                                 tile.n, sums[block]);
    b.commitProducts();
    // The products of the stage before are through now: it may be filled again.
    b.waitProducts(1);
    b.ifThen(b.both(b.lt(b.c(0), step), lead), [&] { b.arrive(empty(carried[2])); });
    Stage following = next(now, carried[1]);
    Values result = {following.number, following.parity, now};
    result.append(sums);
    return result;
  });
  // What this consumer waited for is there: the next one may look for its stages.
  if (tile.alternate)
    b.ifThen(lead, [&] { b.arrive(turn(b.sub(b.c(1), consumer))); });
  b.waitProducts(0);
  b.ifThen(b.both(b.lt(b.c(0), steps), lead), [&] { b.arrive(empty(done[2])); });
  stage = done[0];
  parity = done[1];
  return Values(llvm::drop_begin(done, 3));
}

// Columns come in eights: within one, all are there or none is.
void ProductKernel::ifColumns(Value column, function_ref<void()> body) {
  if (wholeColumns())
    return body();
  b.ifThen(b.lt(column, j), body);
}

Value ProductKernel::pack(Pair x) {
  auto type = VectorType::get({2}, b.getBF16Type());
  Value pair = LLVM::PoisonOp::create(b, type);
  for (int64_t at = 0; at < 2; ++at) {
    Value narrow = arith::TruncFOp::create(b, b.getBF16Type(), at ? x.second : x.first);
    pair = LLVM::InsertElementOp::create(b, pair, narrow, b.c(at));
  }
  return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
}

// Of f32. `row`: the first of a thread's two rows of a block of 64.
void ProductKernel::addRows(Value accumulator, Value row, Value column0) {
  Type f32 = b.getF32Type();
  auto pairType = VectorType::get({2}, f32);
  Value column = b.add(column0, b.mul(b.rem(lane, 4), 2));
  for (int64_t half = 0; half < 2; ++half) {
    Value here = b.add(row, 8 * half), inside = b.lt(here, i);
    if (resultFirst) {
      here = b.add(here, resultFirst);
      inside = b.both(inside, b.lt(here, b.c(p.resultPiece->rows)));
    }
    Value start = arith::MulIOp::create(b, b.wide(here), b.wide(j));
    Value at = b.at(results[0], arith::AddIOp::create(b, start, b.wide(column)), f32);
    auto loadOld = [&](int64_t block) -> Value {
      return LLVM::LoadOp::create(b, pairType, b.at(at, 8 * block, f32), /*alignment=*/8);
    };
    b.ifThen(inside, [&] {
      int64_t count = tile.n / 8;
      // All old values on their way before the first is used.
      Values old(count);
      bool early = p.accumulate && wholeColumns();
      for (int64_t block = 0; early && block < count; ++block)
        old[block] = loadOld(block);
      for (int64_t block = 0; block < count; ++block)
        ifColumns(b.add(column0, 8 * block), [&] {
          Pair sum(b.element(accumulator, 4 * block + 2 * half),
                   b.element(accumulator, 4 * block + 2 * half + 1));
          if (p.accumulate) {
            Value before = early ? old[block] : loadOld(block);
            sum = fadd({LLVM::ExtractElementOp::create(b, before, b.c(0)),
                        LLVM::ExtractElementOp::create(b, before, b.c(1))},
                       sum);
          }
          Value pair = LLVM::PoisonOp::create(b, pairType);
          pair = LLVM::InsertElementOp::create(b, pair, sum.first, b.c(0));
          pair = LLVM::InsertElementOp::create(b, pair, sum.second, b.c(1));
          LLVM::StoreOp::create(b, pair, b.at(at, 8 * block, f32), /*alignment=*/8);
        });
    });
  }
}

// Two neighbours of result `result` in a block of 64 rows of the tile, from element `at` of its
// accumulator on: before bias, rounding, residual.
ProductKernel::Pair ProductKernel::resultOf(ValueRange accumulators, int64_t block, int64_t at,
                                            int64_t result) {
  auto sumOf = [&](int64_t part) {
    Value sums = accumulators[p.rowParts() > 1 ? part * tile.blocks + block : block];
    int64_t first = p.columnParts() > 1 ? part * p.columns() / 2 + at : at;
    return Pair(b.element(sums, first), b.element(sums, first + 1));
  };
  if (!p.combines())
    return sumOf(0);
  ArrayRef<int64_t> keeps = p.epilogue->keeps;
  if (result < static_cast<int64_t>(keeps.size()))
    return sumOf(keeps[result]);
  Values first, second;
  for (int64_t part = 0; part < p.products(); ++part) {
    Pair rounded = b.unpack(pack(sumOf(part)));
    first.push_back(rounded.first);
    second.push_back(rounded.second);
  }
  int64_t made = result - keeps.size();
  Value x = p.epilogue->combine(b, first)[made];
  return {x, p.epilogue->combine(b, second)[made]};
}

// Of bf16: piece by piece through shared memory. A consumer has two pieces; one is copied while the
// other is written. `row0`: the consumer's first row.
void ProductKernel::copyRows(ValueRange accumulators, Value consumer, Value row0, Value column0) {
  int64_t columns = resultColumns(p), perBlock = p.columns() / columns * maps.size(),
          count = perBlock * tile.blocks;
  Value lead = b.eq(b.threadOfGroup(), b.c(0)), meeting = b.add(consumer, 1);
  Value mine = b.add(b.mul(consumer, 2 * outBytes), pieces());
  for (int64_t at = 0; at < count; ++at) {
    int64_t block = at / perBlock, result = at % maps.size(),
            firstColumn = at % perBlock / maps.size() * columns;
    // The copy before the last one has read its piece; with an odd number of pieces a tile begins
    // with the one written last.
    b.ifThen(lead, [&] { b.waitStores(at == 0 && count % 2 ? 0 : 1); });
    b.meetSome(meeting, kWarpgroup);
    Value piece = b.shared(b.add(mine, at % 2 * outBytes));
    Value rows = b.add(row0, 64 * block);
    writePiece(accumulators, block, firstColumn, result, piece, rows, column0);
    b.publishTile();
    b.meetSome(meeting, kWarpgroup);
    b.ifThen(lead, [&] {
      b.store(maps[result], piece, {b.add(column0, firstColumn), rows});
      b.commitStores();
    });
  }
}

// 64 rows of the columns from `firstColumn` of the tile on, with bias and residual, rounded and
// swizzled.
void ProductKernel::writePiece(ValueRange accumulators, int64_t block64, int64_t firstColumn,
                               int64_t result, Value piece, Value row0, Value column0) {
  int64_t columns = resultColumns(p), rowBytes = 2 * columns;
  Value inQuad = b.mul(b.rem(lane, 4), 2), warpRow = b.mul(warp, 16);
  // Beyond the end another value is read, which is not stored.
  auto columnOf = [&](int64_t block) {
    Value column = b.add(b.add(column0, inQuad), firstColumn + 8 * block);
    return wholeColumns() ? column : b.select(b.lt(column, j), column, b.c(0));
  };
  Values biases, residuals;
  for (int64_t block = 0; p.bias && block < columns / 8; ++block)
    biases.push_back(loadPacked(bias, columnOf(block)));
  for (int64_t half = 0; p.residual && half < 2; ++half) {
    Value row = b.add(b.add(row0, warpRow), b.add(b.divide(lane, 4), 8 * half));
    Value start = arith::MulIOp::create(b, b.wide(b.select(b.lt(row, i), row, b.c(0))), b.wide(j));
    for (int64_t block = 0; block < columns / 8; ++block)
      residuals.push_back(
          loadPacked(residual, arith::AddIOp::create(b, start, b.wide(columnOf(block)))));
  }
  Values prepared[2];
  bool replaces = p.epilogue && p.epilogue->replace;
  for (int64_t half = 0; replaces && half < 2; ++half) {
    Value row = b.add(b.add(row0, warpRow), b.add(b.divide(lane, 4), 8 * half));
    prepared[half] = p.epilogue->prepare(b, b.select(b.lt(row, i), row, b.c(0)));
  }
  auto word = [&](int64_t block, int64_t half) {
    int64_t at = 4 * (firstColumn / 8 + block) + 2 * half;
    Pair sum = resultOf(accumulators, block64, at, result);
    if (replaces)
      sum = p.epilogue->replace(b, prepared[half], sum,
                                b.add(b.add(column0, inQuad), firstColumn + 8 * block));
    if (p.bias)
      sum = fadd(sum, b.unpack(biases[block]));
    Value packed = pack(sum);
    // The sum is a bf16 value of its own before the residual is added to it.
    return p.residual ? pack(fadd(b.unpack(packed),
                                  b.unpack(residuals[half * columns / 8 + block])))
                      : packed;
  };
  // A lane's row of 16 bytes: of the upper or lower 8 rows, of the first or second 8 columns.
  Value row = b.add(warpRow, b.rem(lane, 16));
  Value start = b.at(piece, b.mul(row, rowBytes), b.getI8Type());
  Value swizzle = b.rem(b.divide(b.mul(row, rowBytes), kTileRowBytes), rowBytes / 16);
  for (int64_t block = 0; block < columns / 8; block += 2) {
    Value sixteen = b.exclusiveOr(b.add(b.divide(lane, 16), block), swizzle);
    b.storeMatrices(b.at(start, b.mul(sixteen, 16), b.getI8Type()),
                    {word(block, 0), word(block, 1), word(block + 1, 0), word(block + 1, 1)});
  }
}

// The result is C[j, i]: two lanes with neighbouring rows exchange, so that a thread stores two
// rows of one column.
ProductKernel::Across ProductKernel::across(Value row, Value column0, int64_t half) {
  Across place;
  place.odd = b.eq(b.rem(b.divide(lane, 4), 2), b.c(1));
  place.column =
      b.add(b.add(column0, b.mul(b.rem(lane, 4), 2)), b.select(place.odd, b.c(1), b.c(0)));
  place.row = b.add(b.sub(row, b.select(place.odd, b.c(1), b.c(0))), 8 * half);
  // Rows of a tile that has fewer than 64 belong to its neighbour.
  place.rowInside = b.lt(place.row, i);
  if (tile.rows < 64)
    place.rowInside = b.both(place.rowInside, b.lt(warp, b.c(tile.rows / 16)));
  return place;
}

Value ProductKernel::indexOf(const Across &place, int64_t block) {
  Value column = b.add(place.column, 8 * block);
  return arith::AddIOp::create(b, arith::MulIOp::create(b, b.wide(column), b.wide(i)),
                               b.wide(place.row));
}

// All of a thread's at a time, so that it waits for memory once. Beyond the end another value is
// read, which is not stored.
ProductKernel::Addends ProductKernel::loadAddends(Value row, Value column0, int64_t half) {
  Addends loaded;
  Across place = across(row, column0, half);
  if (p.bias)
    loaded.bias = loadPacked(bias, b.select(place.rowInside, place.row, b.c(0)));
  for (int64_t block = 0; p.residual && block < tile.n / 8; ++block) {
    Value inside = b.both(place.rowInside, b.lt(b.add(place.column, 8 * block), j));
    loaded.residuals.push_back(
        loadPacked(residual, b.select(inside, indexOf(place, block), b.c64(0))));
  }
  return loaded;
}

void ProductKernel::storeTransposed(ValueRange accumulators, int64_t block64, Value row,
                                    Value column0, ArrayRef<Addends> addends) {
  for (int64_t half = 0; half < halves(); ++half) {
    Across place = across(row, column0, half);
    Addends add = addends.empty() ? loadAddends(row, column0, half) : addends[half];
    for (int64_t block = 0; block < tile.n / 8; ++block) {
      Value inside = b.both(place.rowInside, b.lt(b.add(place.column, 8 * block), j));
      SmallVector<Pair> sums;
      for (size_t result = 0; result < results.size(); ++result) {
        auto [x, y] = resultOf(accumulators, block64, 4 * block + 2 * half, result);
        Value given = b.exchange(b.select(place.odd, x, y), 4);
        sums.push_back({b.select(place.odd, given, x), b.select(place.odd, y, given)});
      }
      b.ifThen(inside, [&] {
        Value at = indexOf(place, block);
        for (auto [result, sum] : llvm::zip_equal(results, sums)) {
          if (p.bias)
            sum = fadd(sum, b.unpack(add.bias));
          Value word = pack(sum);
          if (p.residual)
            word = pack(fadd(b.unpack(word), b.unpack(add.residuals[block])));
          LLVM::StoreOp::create(b, word, b.at(result, at, b.getBF16Type()), /*alignment=*/4);
        }
      });
    }
  }
}

void ProductKernel::consume(Value consumer) {
  Value thread = b.threadOfGroup();
  lane = b.rem(thread, 32);
  warp = b.divide(thread, 32);
  Value inBlock = b.add(b.mul(warp, 16), b.divide(lane, 4));
  Value first = tile.alternate ? b.c(0) : b.mul(consumer, tile.blocks * 64);
  Value from = b.firstItem(), step = b.itemStep();
  Stage start = {b.c(0), b.c(0)};
  if (tile.alternate) {
    // The stages come in the order of items; this consumer's are every other `steps`.
    start = skip(start, b.mul(consumer, steps));
    from = b.add(from, b.mul(consumer, step));
    step = b.mul(step, tile.consumers);
  }
  Values ring = {start.number, start.parity};
  if (tile.alternate)
    ring.push_back(
        b.sub(b.c(1), consumer)); // parity of its turns: the first consumer's first one has come
  b.loop(from, items, step, ring, [&](Value item, ValueRange ring) -> Values {
    auto [row0, column0, part] = place(item);
    enterPart(part);
    Value stage = ring[0], parity = ring[1];
    if (tile.alternate)
      b.wait(turn(consumer), ring[2]);
    // There are registers for what is added: it is on its way while the tile is multiplied.
    SmallVector<Addends> addends;
    if (p.transposed && tile.blocks == 1 && tile.n <= kAddendsAhead)
      for (int64_t half = 0; half < halves(); ++half)
        addends.push_back(loadAddends(b.add(row0, b.add(first, inBlock)), column0, half));
    Values sums = multiplyTile(consumer, stage, parity);
    if (copiesResult(p)) {
      copyRows(sums, consumer, b.add(row0, first), column0);
    } else {
      for (int64_t block = 0; block < tile.blocks; ++block) {
        Value row = b.add(b.add(row0, b.add(first, inBlock)), 64 * block);
        if (p.reduces())
          p.epilogue->reduce(b, sums[block],
                             {row, i, b.add(column0, b.mul(b.rem(lane, 4), 2)), lane});
        else if (p.transposed)
          storeTransposed(sums, block, row, column0, addends);
        else
          addRows(sums[block], row, column0);
      }
    }
    if (tile.alternate) {
      Stage following = skip({stage, parity}, b.mul(steps, tile.consumers - 1));
      return {following.number, following.parity, b.sub(b.c(1), ring[2])};
    }
    return {stage, parity};
  });
  // Shared memory must be there until the last copy has read it.
  if (copiesResult(p))
    b.ifThen(b.eq(thread, b.c(0)), [&] { b.waitStores(0); });
}

void ProductKernel::emit() {
  Value rows = b.add(b.dim(p.rowsDim), p.rowsExtra);
  auto extent = [&](std::optional<int64_t> fixed) { return fixed ? b.c(*fixed) : rows; };
  i = extent(p.i);
  j = extent(p.j);
  steps = p.k ? b.c((*p.k + kTileRow - 1) / kTileRow) : b.ceilDivide(rows, kTileRow);
  iTiles = p.i ? b.c(tilesOfI(p, *p.i)) : b.ceilDivide(rows, tile.rows);
  jTiles = p.j ? b.c(tilesOfJ(p, *p.j)) : b.ceilDivide(rows, tile.n);
  items = b.items();
  if (p.bPiece)
    bFirst = b.mul(b.dim(kLoop), p.bPiece->step);
  if (p.resultPiece)
    resultFirst = b.mul(b.dim(kLoop), p.resultPiece->step);
  for (int64_t part : p.parts)
    extents.push_back(b.c(part));
  unsigned next = p.products() + 1;
  for (int64_t at = 0; p.bias && at < p.products(); ++at)
    biases.push_back(b.buffer(next++));
  if (p.residual)
    residual = b.buffer(next++);
  if (p.epilogue)
    next += p.epilogue->buffers;
  for (int64_t at = 0; at < p.results(); ++at)
    allResults.push_back(b.buffer(next++));
  for (int64_t at = 0; copiesResult(p) && at < p.results(); ++at)
    allMaps.push_back(b.map(p.products() + 1 + at));
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] {
    b.initBarriers(b.shared(b.c(barriers())), stages, 1);
    b.initBarriers(b.shared(b.c(barriers() + 8 * stages)), stages,
                   tile.alternate ? 1 : tile.consumers);
    b.initBarriers(b.shared(b.c(barriers() + 16 * stages)), 2, 1);
    b.publishBarriers();
    for (int64_t at = 0; at < mapCount(p); ++at)
      b.prefetchMap(b.map(at));
  });
  b.meet();
  // What the producer does not need, consumers with many sums do: 64 K registers for all
  // warpgroups.
  bool many = tile.consumers > 1;
  int64_t few = tile.consumers > 2 ? 24 : 40, most = tile.consumers > 2 ? 160 : 232;
  b.ifElse(
      b.eq(b.warpgroup(), b.c(0)),
      [&] {
        if (many)
          b.setRegisters(few, /*more=*/false);
        b.ifThen(b.eq(b.threadOfGroup(), b.c(0)), [&] { produce(); });
      },
      [&] {
        waitForEarlier(b);
        if (many)
          b.setRegisters(most, /*more=*/true);
        consume(b.sub(b.warpgroup(), b.c(1)));
      });
  b.finish(tile.consumers + 1, sharedBytes());
}

} // namespace

std::string ProductTile::name() const {
  return (alternate ? "a" : "t") + std::to_string(rows) + "x" + std::to_string(n);
}

void emitProduct(LLVM::LLVMFuncOp kernel, Location loc, const TensorCoreProduct &product) {
  int64_t buffers = product.products() + 1 + (product.bias ? product.products() : 0) +
                    product.residual + (product.epilogue ? product.epilogue->buffers : 0) +
                    product.results();
  TileKernelBuilder builder(loc, kernel, mapCount(product), buffers, /*waits=*/true);
  ProductKernel(builder, product).emit();
}

} // namespace mirl::passes::cuda
