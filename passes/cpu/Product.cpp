// The blocked matrix product (Product.h).

#include "passes/cpu/Product.h"

using namespace mlir;

namespace mirl::passes::cpu {

// Row tiles of an item when A is packed: 8 · 16 · 256 · 4 bytes = 128 KiB of stack.
static constexpr int64_t kPackedTiles = 8;

void Product::emitPackA(KernelBuilder &b, Value pack, Value row0, Value count, Value k0,
                        Value kc) const {
  Value lastRow = b.sub(b.add(row0, count), b.c(1));
  Value tiles = b.divide(b.add(count, kTileRows - 1), b.c(kTileRows));
  b.loop(b.c(0), tiles, 1, [&](Value tile) {
    Value first = b.add(row0, b.mul(tile, kTileRows));
    Value target = advance(b, pack, b.mul(tile, kDepthBlock * kPackedRows));
    if (aK == 1) { // rows of A are contiguous in k
      emitTransposePack(b, advance(b, a, k0), aRow, first, lastRow, kc, target, kPackedRows);
      return;
    }
    Value left = b.sub(b.add(row0, count), first); // A is contiguous in i
    Value source = advance(b, a, b.add(b.mul(k0, aK), first));
    auto copy = [&](Value lanes) {
      b.loop(b.c(0), kc, 1, [&](Value k) {
        Value from = advance(b, source, b.mul(k, aK));
        Value row = lanes ? b.loadvMasked(from, b.c(0), lanes) : b.loadv(from, b.c(0));
        b.storev(row, target, b.mul(k, kPackedRows));
      });
    };
    b.ifElse(
        b.lt(left, b.c(kPackedRows)),
        [&] {
          copy(left);
          return SmallVector<Value>();
        },
        [&] {
          copy(nullptr);
          return SmallVector<Value>();
        });
  });
}

void Product::emitItem(KernelBuilder &b, Value row0, Value count,
                       std::optional<int64_t> staticCount, Value block) const {
  Value pack = packA ? b.scratch(rowTiles * kPackedRows * kDepthBlock) : Value();
  // The first panel's number, and one past the last whole panel's.
  int64_t panelsPerBlock = columnBlock / kTileColumns;
  Value firstPanel = b.mul(block, panelsPerBlock);
  Value endPanel = b.min(b.add(firstPanel, panelsPerBlock), b.c(columns / kTileColumns));
  bool oneDepth = !cutsDepth() || (staticDepth && *staticDepth <= kDepthBlock);
  int64_t depthMultiple = staticDepth && *staticDepth % 4 == 0 ? 4 : 1;

  auto depthBlock = [&](Value k0) {
    Value kc = oneDepth ? depth : b.min(b.sub(depth, k0), b.c(kDepthBlock));
    Value isFirst = fromC ? Value() : b.eq(k0, b.c(0));
    Value isLast = oneDepth ? Value() : b.eq(b.add(k0, kc), depth);
    if (packA)
      emitPackA(b, pack, row0, count, k0, kc);
    auto panel = [&](Value number, int64_t width) {
      Value column = b.mul(number, kTileColumns);
      MicroTile tile;
      tile.columns = width;
      tile.bK = packedB ? kTileColumns : columns;
      tile.bPadded = packedB;
      tile.b = packedB ? advance(b, this->b, b.mul(b.add(b.mul(number, depth), k0), kTileColumns))
                       : advance(b, this->b, b.add(b.mul(k0, columns), column));
      tile.aRow = packA ? 1 : aRow;
      tile.aK = packA ? kPackedRows : aK;
      tile.cRow = columns;
      tile.depth = kc;
      tile.depthMultiple = depthMultiple;
      tile.fromZero = isFirst;
      forRowTiles(b, count, staticCount, [&](int64_t rows, Value first) {
        tile.rows = rows;
        Value row = b.add(row0, first);
        if (packA) {
          Value number = b.divide(first, b.c(kTileRows));
          Value within = b.rem(first, b.c(kTileRows));
          tile.a = advance(b, pack, b.add(b.mul(number, kDepthBlock * kPackedRows), within));
        } else {
          tile.a = advance(b, a, b.add(b.mul(row, aRow), b.mul(k0, aK)));
        }
        Value corner = b.add(b.mul(row, columns), column);
        tile.c = advance(b, c, corner);
        auto finish = [&](int64_t r, int64_t offset, Value value) {
          int64_t lanes = std::min(kLanes, width - offset);
          if (bias)
            value = b.fadd(value, loadLanes(b, bias, b.add(column, offset), lanes));
          if (residual)
            value = b.fadd(b.roundTo(b.elementOf(c), value),
                           loadLanes(b, residual, b.add(corner, r * columns + offset), lanes));
          return value;
        };
        if (bias || residual)
          emitMicroTile(b, tile, isLast, finish);
        else
          emitMicroTile(b, tile, isLast, nullptr);
      });
    };
    if (columns >= kTileColumns)
      b.loop(firstPanel, endPanel, 1, [&](Value number) { panel(number, kTileColumns); });
    if (int64_t rest = columns % kTileColumns) {
      auto tail = [&] { panel(b.c(columns / kTileColumns), rest); };
      if (columnBlocks() == 1)
        tail();
      else
        b.ifThen(b.eq(block, b.c(columnBlocks() - 1)), tail);
    }
  };
  if (oneDepth)
    depthBlock(b.c(0));
  else
    b.loop(b.c(0), depth, kDepthBlock, depthBlock);
}

void emitItems(KernelBuilder &b, const Product &p,
               llvm::function_ref<void(Value block)> fewRows) {
  int64_t rowBlock = p.rowTiles * kTileRows;
  int64_t blocks = p.columnBlocks();
  b.loop(b.begin(), b.end(), 1, [&](Value item) {
    Value block = blocks == 1 ? b.c(0) : b.rem(item, b.c(blocks));
    Value row0 = b.mul(blocks == 1 ? item : b.divide(item, b.c(blocks)), rowBlock);
    auto full = [&] {
      std::optional<int64_t> staticCount;
      if (p.staticRows && (*p.staticRows <= rowBlock || *p.staticRows % rowBlock == 0))
        staticCount = std::min(*p.staticRows, rowBlock);
      // An item may lie behind the last row where the work counts a whole block of rows.
      Value count = staticCount ? b.c(*staticCount)
                                : b.max(b.min(b.sub(p.rows, row0), b.c(rowBlock)), b.c(0));
      p.emitItem(b, row0, count, staticCount, block);
      return SmallVector<Value>();
    };
    if (!fewRows) {
      full();
      return;
    }
    b.ifElse(
        b.lt(p.rows, b.c(kFewRows + 1)),
        [&] {
          fewRows(block);
          return SmallVector<Value>();
        },
        full);
  });
}

void chooseBlocks(Product &p, double depth) {
  // The stack holds A of one block of k.
  p.packA &= p.cutsDepth();
  int64_t padded = (p.columns + kTileColumns - 1) / kTileColumns * kTileColumns;
  p.columnBlock = std::min<int64_t>(padded, p.packA ? 512 : 256);
  if (p.packA) {
    p.rowTiles = kPackedTiles;
    return;
  }
  // About a million multiply-adds.
  double perTile = kTileRows * static_cast<double>(p.columnBlock) * depth;
  p.rowTiles = std::clamp<int64_t>(static_cast<int64_t>(1e6 / perTile), 1, 16);
}

plan::WorkAttr productWork(Lowering &lowering, RankedTensorType result, const Product &p) {
  return lowering.rows(result, p.rowTiles * kTileRows, p.columnBlocks());
}

// --- packing B -----------------------------------------------------------------------------------

int64_t panelsOf(int64_t columns) { return (columns + kTileColumns - 1) / kTileColumns; }

void emitPackTransposedPanel(KernelBuilder &b, Value source, int64_t depth, Value firstRow, Value lastRow, Value target) {
  b.loop(0, kTileColumns, kLanes, [&](Value half) {
    emitTransposePack(b, source, depth, b.add(firstRow, half), lastRow, b.c(depth), advance(b, target, half), kTileColumns);
  });
}

void emitPackRowsPanel(KernelBuilder &b, Value source, Value rows, int64_t columns, Value panel, Value target) {
  Value column = b.mul(panel, kTileColumns);
  b.loop(b.c(0), rows, 1, [&](Value row) {
    Value from = b.add(b.mul(row, columns), column);
    for (int64_t half = 0; half < kTileColumns; half += kLanes) {
      Value value = columns % kTileColumns == 0
                        ? b.loadv(source, b.add(from, half))
                        : b.loadvMasked(source, b.add(from, half), b.sub(b.c(columns - half), column));
      b.storev(value, target, b.add(b.mul(row, kTileColumns), half));
    }
  });
}

Value packRows(Lowering &lowering, Value matrix, RankedTensorType type) {
  int64_t columns = type.getDimSize(1), panels = panelsOf(columns);
  // Elements, so that a dynamic number of rows stays the first dimension.
  auto packedType = RankedTensorType::get({type.getDimSize(0), panels * kTileColumns},
                                          Float32Type::get(lowering.context()), type.getEncoding());
  Value packed = lowering.scratch(packedType, "packed_matrix");
  LaunchSpec spec;
  spec.kernel = "pack_rows_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {matrix};
  spec.writes = {packed};
  spec.work = lowering.items(panels);
  spec.bytes = plan::perRow(type, 8.0 * columns * (type.hasStaticShape() ? type.getDimSize(0) : 1));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value source = b.buffer(0), target = b.buffer(1), rows = rowsOf(b, type);
    b.loop(b.begin(), b.end(), 1, [&](Value panel) {
      emitPackRowsPanel(b, source, rows, columns, panel, advance(b, target, b.mul(b.mul(panel, rows), kTileColumns)));
    });
  });
  return packed;
}

} // namespace mirl::passes::cpu
