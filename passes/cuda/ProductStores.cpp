// What becomes of a product's sums (ProductKernel.h): bias, program, residual and rounding in registers, then to memory
// through shared memory, or directly (rows across).

#include "passes/cuda/ProductKernel.h"

using namespace mlir;

namespace mirl::passes::cuda {

Value ProductKernel::pack(Pair x) {
  auto type = VectorType::get({2}, b.getBF16Type());
  Value pair = LLVM::PoisonOp::create(b, type);
  for (int64_t at = 0; at < 2; ++at) {
    Value narrow = arith::TruncFOp::create(b, b.getBF16Type(), at ? x.second : x.first);
    pair = LLVM::InsertElementOp::create(b, pair, narrow, b.c(at));
  }
  return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
}

Value ProductKernel::rowStart(Value row, Value column0, Value &inside) {
  inside = b.lt(row, i);
  Value column = b.add(column0, b.mul(b.rem(lane, 4), 2));
  Value start = arith::MulIOp::create(b, b.wide(row), b.wide(j));
  return arith::AddIOp::create(b, start, b.wide(column));
}

// The sums so far, of f32, of a block of 64 rows, of which `row` is the thread's first. Beyond the
// end another value is read, which is not stored.
Value ProductKernel::loadRows(Value row, Value column0) {
  Type f32 = b.getF32Type();
  auto pairType = VectorType::get({2}, f32);
  Value sums = b.zero(b.accumulator(tile.n));
  for (int64_t half = 0; half < 2; ++half) {
    Value inside, start = rowStart(b.add(row, 8 * half), column0, inside);
    for (int64_t block = 0; block < tile.n / 8; ++block) {
      Value here = wholeColumns() ? inside : b.both(inside, b.lt(b.add(column0, 8 * block), j));
      Value at = b.select(here, arith::AddIOp::create(b, start, b.c64(8 * block)), b.c64(0));
      Value pair = LLVM::LoadOp::create(b, pairType, b.at(results[0], at, f32), /*alignment=*/8);
      for (int64_t e = 0; e < 2; ++e)
        sums = LLVM::InsertValueOp::create(b, sums, LLVM::ExtractElementOp::create(b, pair, b.c(e)),
                                           4 * block + 2 * half + e);
    }
  }
  return sums;
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

// Piece by piece through shared memory. A consumer has two pieces; one is copied while the
// other is written. `row0`: the consumer's first row.
void ProductKernel::copyRows(ValueRange accumulators, const Reduced &reduced, Value consumer,
                             Value row0, Value column0) {
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
    if (p.f32Result)
      writeSums(accumulators[block], firstColumn, piece);
    else
      writePiece(accumulators, reduced, block, firstColumn, result, piece, rows, column0);
    b.publishTile();
    b.meetSome(meeting, kWarpgroup);
    b.ifThen(lead, [&] {
      Values corner = {b.add(column0, firstColumn), resultFirst ? b.add(rows, resultFirst) : rows};
      if (p.adds())
        b.addTile(maps[result], piece, corner);
      else
        b.store(maps[result], piece, corner);
      b.commitStores();
    });
  }
}

ProductKernel::SwizzledRow ProductKernel::rowOfPiece(Value piece, Value row, int64_t rowBytes) {
  Value start = b.at(piece, b.mul(row, rowBytes), b.getI8Type());
  return {start, b.rem(b.divide(b.mul(row, rowBytes), kTileRowBytes), rowBytes / 16)};
}

// 64 rows of the columns from `firstColumn` of the tile on, in f32, swizzled.
void ProductKernel::writeSums(Value accumulator, int64_t firstColumn, Value piece) {
  int64_t columns = resultColumns(p), rowBytes = 4 * columns;
  auto pairType = VectorType::get({2}, b.getF32Type());
  Value inQuad = b.rem(lane, 4);
  for (int64_t half = 0; half < 2; ++half) {
    Value row = b.add(b.add(b.mul(warp, 16), b.divide(lane, 4)), 8 * half);
    SwizzledRow target = rowOfPiece(piece, row, rowBytes);
    for (int64_t block = 0; block < columns / 8; ++block) {
      int64_t at = 4 * (firstColumn / 8 + block) + 2 * half;
      Value pair = LLVM::PoisonOp::create(b, pairType);
      for (int64_t e = 0; e < 2; ++e)
        pair = LLVM::InsertElementOp::create(b, pair, b.element(accumulator, at + e), b.c(e));
      // Two threads have 16 bytes between them.
      Value sixteen = b.exclusiveOr(b.add(b.divide(inQuad, 2), 2 * block), target.swizzle);
      Value offset = b.add(b.mul(sixteen, 16), b.mul(b.rem(inQuad, 2), 8));
      LLVM::StoreOp::create(b, pair, b.at(target.start, offset, b.getI8Type()), /*alignment=*/8);
    }
  }
}

// 64 rows of the columns from `firstColumn` of the tile on, with bias and residual, rounded and
// swizzled.
void ProductKernel::writePiece(ValueRange accumulators, const Reduced &reduced, int64_t block64,
                               int64_t firstColumn, int64_t result, Value piece, Value row0,
                               Value column0) {
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
    if (p.epilogue->prepare)
      prepared[half] = p.epilogue->prepare(b, b.select(b.lt(row, i), row, b.c(0)));
    if (!reduced.empty())
      prepared[half].append(reduced[block64][half]);
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
  SwizzledRow target = rowOfPiece(piece, row, rowBytes);
  for (int64_t block = 0; block < columns / 8; block += 2) {
    Value sixteen = b.exclusiveOr(b.add(b.divide(lane, 16), block), target.swizzle);
    b.storeMatrices(b.at(target.start, b.mul(sixteen, 16), b.getI8Type()),
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

ProductKernel::Pair ProductKernel::acrossPair(const Across &place, Value x, Value y) {
  Value given = b.exchange(b.select(place.odd, x, y), 4);
  return {b.select(place.odd, given, x), b.select(place.odd, y, given)};
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

// All numbers are made before the first is stored: branches around stores would keep the exchanges of one behind the stores of
// another, and there are few warps to hide that.
void ProductKernel::storeTransposed(ValueRange accumulators, int64_t block64, Value row,
                                    Value column0, ArrayRef<Addends> addends) {
  for (int64_t half = 0; half < halves(); ++half) {
    Across place = across(row, column0, half);
    Addends add = addends.empty() ? loadAddends(row, column0, half) : addends[half];
    SmallVector<Values> words(tile.n / 8);
    for (auto [block, made] : llvm::enumerate(words))
      for (size_t result = 0; result < results.size(); ++result) {
        auto [x, y] = resultOf(accumulators, block64, 4 * block + 2 * half, result);
        Pair sum = acrossPair(place, x, y);
        if (p.bias)
          sum = fadd(sum, b.unpack(add.bias));
        Value word = pack(sum);
        made.push_back(p.residual ? pack(fadd(b.unpack(word), b.unpack(add.residuals[block]))) : word);
      }
    for (auto [block, made] : llvm::enumerate(words)) {
      Value inside = b.both(place.rowInside, b.lt(b.add(place.column, 8 * block), j));
      b.ifThen(inside, [&, block = block, &made = made] {
        Value at = indexOf(place, block);
        for (auto [result, word] : llvm::zip_equal(results, made))
          LLVM::StoreOp::create(b, word, b.at(result, at, b.getBF16Type()), /*alignment=*/4);
      });
    }
  }
}

} // namespace mirl::passes::cuda
