// The register tile of the matrix product (MatmulMicrokernel.h).

#include "passes/cpu/MatmulMicrokernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace mirl::passes::cpu {

// k steps of the unrolled loop.
static constexpr int64_t kUnroll = 4;

Value advance(KernelBuilder &b, Value pointer, int64_t elements) {
  return b.offset(pointer, elements);
}

Value advance(KernelBuilder &b, Value pointer, Value elements) {
  return b.offset(pointer, elements);
}

Value loadLanes(KernelBuilder &b, Value pointer, Value offset, int64_t lanes) {
  return lanes >= b.lanes() ? b.loadv(pointer, offset) : b.loadvMasked(pointer, offset, b.c(lanes));
}

void storeLanes(KernelBuilder &b, Value vector, Value pointer, Value offset, int64_t lanes) {
  if (lanes >= b.lanes())
    b.storev(vector, pointer, offset);
  else
    b.storevMasked(vector, pointer, offset, b.c(lanes));
}

void emitMicroTile(KernelBuilder &b, const MicroTile &tile, Value last, Finish finish) {
  int64_t vectors = (tile.columns + kLanes - 1) / kLanes;
  auto lanes = [&](int64_t v) { return std::min(kLanes, tile.columns - v * kLanes); };
  Value zero = b.c(0);
  auto loadC = [&] {
    SmallVector<Value> values;
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        values.push_back(
            loadLanes(b, advance(b, tile.c, r * tile.cRow + v * kLanes), zero, lanes(v)));
    return values;
  };
  SmallVector<Value> sums;
  if (tile.fromZero)
    sums = b.ifElse(
        tile.fromZero, [&] { return SmallVector<Value>(tile.rows * vectors, b.vf(0)); }, loadC);
  else
    sums = loadC();

  auto step = [&](Value a, Value bRow, int64_t k, SmallVectorImpl<Value> &sums) {
    SmallVector<Value> columns;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(loadLanes(b, advance(b, bRow, k * tile.bK + v * kLanes), zero,
                                  tile.bPadded ? kLanes : lanes(v)));
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value row = b.splat(b.loadf(advance(b, a, r * tile.aRow + k * tile.aK), zero));
      for (int64_t v = 0; v < vectors; ++v)
        sums[r * vectors + v] = b.fma(row, columns[v], sums[r * vectors + v]);
    }
  };
  auto run = [&](Value from, Value to, int64_t unroll) {
    sums = b.loopCarry(from, to, unroll, sums, [&](Value k, ValueRange carried) {
      SmallVector<Value> next(carried);
      Value a = advance(b, tile.a, b.mul(k, tile.aK));
      Value bRow = advance(b, tile.b, b.mul(k, tile.bK));
      for (int64_t i = 0; i < unroll; ++i)
        step(a, bRow, i, next);
      return next;
    });
  };
  if (tile.depthMultiple % kUnroll == 0) {
    run(zero, tile.depth, kUnroll);
  } else {
    Value whole = b.mul(b.divide(tile.depth, b.c(kUnroll)), kUnroll);
    run(zero, whole, kUnroll);
    run(whole, tile.depth, 1);
  }

  if (finish) {
    auto finished = [&] {
      SmallVector<Value> values;
      for (int64_t r = 0; r < tile.rows; ++r)
        for (int64_t v = 0; v < vectors; ++v)
          values.push_back(finish(r, v * kLanes, sums[r * vectors + v]));
      return values;
    };
    sums = last ? b.ifElse(last, finished, [&] { return sums; }) : finished();
  }
  for (int64_t r = 0; r < tile.rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      storeLanes(b, sums[r * vectors + v], advance(b, tile.c, r * tile.cRow + v * kLanes), zero,
                 lanes(v));
}

void emitTransposePack(KernelBuilder &b, Value source, int64_t sourceRow, Value firstRow,
                       Value lastRow, Value depth, Value target, int64_t targetK) {
  SmallVector<Value> rows;
  for (int64_t i = 0; i < kLanes; ++i)
    rows.push_back(
        advance(b, source, b.mul(b.min(b.add(firstRow, i), lastRow), sourceRow)));
  Value whole = b.mul(b.divide(depth, b.c(kLanes)), kLanes);
  b.loop(b.c(0), whole, kLanes, [&](Value k) {
    SmallVector<Value> block;
    for (Value row : rows)
      block.push_back(b.loadv(row, k));
    b.transpose(block);
    Value to = advance(b, target, b.mul(k, targetK));
    for (int64_t i = 0; i < kLanes; ++i)
      b.storev(block[i], advance(b, to, i * targetK), b.c(0));
  });
  b.ifThen(b.lt(whole, depth), [&] {
    Value rest = b.sub(depth, whole);
    SmallVector<Value> block;
    for (Value row : rows)
      block.push_back(b.loadvMasked(row, whole, rest));
    b.transpose(block);
    Value to = advance(b, target, b.mul(whole, targetK));
    for (int64_t i = 0; i < kLanes - 1; ++i)
      b.ifThen(b.lt(b.c(i), rest),
               [&] { b.storev(block[i], advance(b, to, i * targetK), b.c(0)); });
  });
}

void forRowTiles(KernelBuilder &b, Value count, std::optional<int64_t> staticCount,
                 llvm::function_ref<void(int64_t rows, Value first)> tile) {
  Value first = b.mul(b.divide(count, b.c(kTileRows)), kTileRows);
  if (!staticCount || *staticCount >= kTileRows)
    b.loop(b.c(0), first, kTileRows, [&](Value row) { tile(kTileRows, row); });
  Value rest = b.sub(count, first);
  for (int64_t rows : {8, 4, 2, 1}) {
    if (staticCount) {
      int64_t left = *staticCount % kTileRows;
      if (left & rows)
        tile(rows, b.c(*staticCount - left + (left & ~(2 * rows - 1))));
      continue;
    }
    Value bit = arith::AndIOp::create(b, rest, b.c(rows));
    b.ifThen(b.lt(b.c(0), bit), [&] { tile(rows, first); });
    first = b.add(first, bit);
  }
}

} // namespace mirl::passes::cpu
