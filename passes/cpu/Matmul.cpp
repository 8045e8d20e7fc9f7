// Schedules of the matrix products: nn.linear, nn.linear_data_grad and nn.linear_weight_grad.
//
// All three are C[i, j] = start + Σ_k A(i, k) · B(k, j), blocked as in Goto & van de Geijn ("Anatomy of
// High-Performance Matrix Multiplication", 2008): a work item is a block of rows × a block of columns; in
// it k is cut into blocks, B's panels of 32 columns go through the first-level cache, and A's block lies
// in the second. The reduction is never shared between items, so items are independent and C has
// the same bits for every cut and every number of rows.
//
//                     i      j   k   A(i, k)       B(k, j)
//   linear            rows   N   K   x[i, k]       w[j, k]: always packed (a transpose), by its own launch
//   linear_data_grad  rows   K   N   dy[i, k]      w[k, j]: packed when rows of w are long
//   linear_weight_grad N     K  rows dy[k, i]      x[k, j]: packed when rows of x are long
//
// A long row stride maps all rows of a tile to the same cache sets; A is then packed, on the stack of the
// item. With at most kFewRows rows, packing w costs more than the product: nn.linear then transposes
// 16×16 blocks of w in registers and uses them at once, in the same chain.

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

// Rows up to which nn.linear goes without packing.
constexpr int64_t kFewRows = 4;
// Depth of a block of k: a panel of B (32 columns) then takes 32 KiB.
constexpr int64_t kDepthBlock = 256;
// Rows (or columns) longer than this are packed.
constexpr int64_t kLongRow = 511;
// Row tiles of an item when A is packed: 8 · 16 · 256 · 4 bytes = 128 KiB of stack.
constexpr int64_t kPackedTiles = 8;

struct Product {
  int64_t columns = 0;                 // of C and of B
  Value rows;                          // of C, i64
  std::optional<int64_t> staticRows;   // where known
  Value depth;                         // extent of k, i64
  std::optional<int64_t> staticDepth;  // where known
  Value a, b, c;                       // base pointers
  int64_t aRow = 0, aK = 0;            // strides of A
  bool packedB = false;                // B is [panel][k][32], else row-major with stride `columns`
  bool packA = false;
  bool fromC = false;                  // the chain starts at C instead of zero
  int64_t rowTiles = 1;                // of an item
  int64_t columnBlock = 0;             // of an item, a multiple of 32
  Value bias, residual;                // base pointers, or null

  int64_t columnBlocks() const { return (columns + columnBlock - 1) / columnBlock; }
  // One item: rows [row0, row0 + count), column block `block`.
  void emitItem(KernelBuilder &b, Value row0, Value count, std::optional<int64_t> staticCount,
                Value block) const;

private:
  void emitPackA(KernelBuilder &b, Value pack, Value row0, Value count, Value k0, Value kc) const;
};

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
  bool oneDepth = staticDepth && *staticDepth <= kDepthBlock;
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
            value = b.fadd(value,
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

// Emits [begin, end) items; item = row block · column blocks + column block.
void emitItems(KernelBuilder &b, const Product &p,
               llvm::function_ref<void(Value block)> fewRows = nullptr) {
  int64_t rowBlock = p.rowTiles * kTileRows;
  int64_t blocks = p.columnBlocks();
  b.loop(b.begin(), b.end(), 1, [&](Value item) {
    Value block = blocks == 1 ? b.c(0) : b.rem(item, b.c(blocks));
    Value row0 = b.mul(blocks == 1 ? item : b.divide(item, b.c(blocks)), rowBlock);
    auto full = [&] {
      std::optional<int64_t> staticCount;
      if (p.staticRows && (*p.staticRows <= rowBlock || *p.staticRows % rowBlock == 0))
        staticCount = std::min(*p.staticRows, rowBlock);
      Value count = staticCount ? b.c(*staticCount) : b.min(b.sub(p.rows, row0), b.c(rowBlock));
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

// How C is cut into items: blocks big enough to be worth a thread's attention, and enough of them.
void chooseBlocks(Product &p, double depth) {
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

LogicalResult checkTypes(Operation *op) {
  for (Value value : op->getOperands()) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.getElementType().isF32())
      return op->emitOpError("is compiled for f32 on the CPU, an operand is ") << type;
  }
  return success();
}

// --- packing B ------------------------------------------------------------------------------------

int64_t panelsOf(int64_t columns) { return (columns + kTileColumns - 1) / kTileColumns; }

// Packs w (N×K, the weight of nn.linear) to [panel][k][32]; does nothing when `rows` are few.
Value packTransposed(Lowering &lowering, Value weight, RankedTensorType type,
                     RankedTensorType input) {
  int64_t n = type.getDimSize(0), k = type.getDimSize(1), panels = panelsOf(n);
  auto f32 = Float32Type::get(lowering.context());
  Value packed =
      lowering.scratch(RankedTensorType::get({panels, k, kTileColumns}, f32), "packed_weight");
  LaunchSpec spec;
  spec.kernel = "pack_transposed_" + axisName(input) + "_n" + std::to_string(n) + "_k" +
                std::to_string(k);
  spec.reads = {weight};
  spec.writes = {packed};
  spec.work = lowering.items(panels);
  spec.grain = std::max<int64_t>(1, 16384 / (kTileColumns * k));
  spec.bytes = plan::perRow(type, 8.0 * n * k);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value source = b.buffer(0), target = b.buffer(1);
    Value few = b.lt(rowsOf(b, input), b.c(kFewRows + 1));
    b.loop(b.begin(), b.select(few, b.begin(), b.end()), 1, [&](Value panel) {
      Value to = advance(b, target, b.mul(panel, k * kTileColumns));
      b.loop(0, kTileColumns, kLanes, [&](Value half) {
        emitTransposePack(b, source, k, b.add(b.mul(panel, kTileColumns), half), b.c(n - 1), b.c(k),
                          advance(b, to, half), kTileColumns);
      });
    });
  });
  return packed;
}

// Packs a row-major matrix (rows × columns) to [panel][row][32]. An item is a panel.
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
      Value column = b.mul(panel, kTileColumns);
      Value to = advance(b, target, b.mul(b.mul(panel, rows), kTileColumns));
      b.loop(b.c(0), rows, 1, [&](Value row) {
        Value from = b.add(b.mul(row, columns), column);
        for (int64_t half = 0; half < kTileColumns; half += kLanes) {
          Value value = columns % kTileColumns == 0
                            ? b.loadv(source, b.add(from, half))
                            : b.loadvMasked(source, b.add(from, half),
                                            b.sub(b.c(columns - half), column));
          b.storev(value, to, b.add(b.mul(row, kTileColumns), half));
        }
      });
    });
  });
  return packed;
}

// --- nn.linear --------------------------------------------------------------------------------------

// The product of a block of columns for exactly `rows` rows, straight from w.
void emitFewRows(KernelBuilder &b, const Product &p, Value weight, int64_t rows, Value block) {
  int64_t n = p.columns, k = *p.staticDepth;
  Value first = b.mul(block, p.columnBlock);
  Value end = b.min(b.add(first, p.columnBlock), b.c(n));
  b.loop(first, end, kLanes, [&](Value column) {
    SmallVector<Value> weightRows;
    for (int64_t i = 0; i < kLanes; ++i)
      weightRows.push_back(advance(b, weight, b.mul(b.min(b.add(column, i), b.c(n - 1)), k)));
    SmallVector<Value> sums(rows, b.vf(0));
    auto chain = [&](Value k0, int64_t depth, SmallVectorImpl<Value> &sums) {
      SmallVector<Value> blockOfW;
      for (Value row : weightRows)
        blockOfW.push_back(loadLanes(b, row, k0, depth));
      b.transpose(blockOfW);
      for (int64_t i = 0; i < depth; ++i)
        for (int64_t r = 0; r < rows; ++r)
          sums[r] = b.fma(b.loadf(advance(b, p.a, r * k + i), k0), blockOfW[i], sums[r]);
    };
    int64_t whole = k / kLanes * kLanes;
    if (whole)
      sums = b.loopCarry(b.c(0), b.c(whole), kLanes, sums, [&](Value k0, ValueRange carried) {
        SmallVector<Value> next(carried);
        chain(k0, kLanes, next);
        return next;
      });
    if (k > whole)
      chain(b.c(whole), k - whole, sums);
    Value lanes = b.sub(b.c(n), column);
    auto load = [&](Value pointer, Value offset) {
      return n % kLanes == 0 ? b.loadv(pointer, offset) : b.loadvMasked(pointer, offset, lanes);
    };
    for (int64_t r = 0; r < rows; ++r) {
      Value value = sums[r], at = b.add(column, r * n);
      if (p.bias)
        value = b.fadd(value, load(p.bias, column));
      if (p.residual)
        value = b.fadd(value, load(p.residual, at));
      if (n % kLanes == 0)
        b.storev(value, p.c, at);
      else
        b.storevMasked(value, p.c, at, lanes);
    }
  });
}

LogicalResult lowerLinear(Operation *op, Lowering &lowering) {
  auto linear = cast<nn::LinearOp>(op);
  if (failed(checkTypes(op)))
    return failure();
  auto input = cast<RankedTensorType>(linear.getInput().getType());
  auto weight = cast<RankedTensorType>(linear.getWeight().getType());
  auto result = cast<RankedTensorType>(linear.getResult().getType());
  int64_t n = weight.getDimSize(0), k = weight.getDimSize(1);
  Value weights = lowering.slice(linear.getWeight());
  // A fixed number of few rows never reads packed weights.
  bool neverPacked = input.hasStaticShape() && input.getDimSize(0) <= kFewRows;
  Product p;
  p.columns = n;
  p.staticDepth = k;
  p.packedB = true;
  p.packA = k > kLongRow;
  if (!input.isDynamicDim(0))
    p.staticRows = input.getDimSize(0);
  p.aRow = k;
  p.aK = 1;
  chooseBlocks(p, k);
  LaunchSpec spec;
  spec.reads = {lowering.slice(linear.getInput()), weights};
  spec.kernel = "linear_" + axisName(input) + "_k" + std::to_string(k) + "_n" + std::to_string(n);
  if (!neverPacked)
    spec.reads.push_back(packTransposed(lowering, weights, weight, input));
  if (linear.getBias()) {
    spec.kernel += "_bias";
    spec.reads.push_back(lowering.slice(linear.getBias()));
  }
  if (linear.getResidual()) {
    spec.kernel += "_residual";
    spec.reads.push_back(lowering.slice(linear.getResidual()));
  }
  spec.writes = {lowering.slice(linear.getResult())};
  spec.work = productWork(lowering, result, p);
  double rows = input.isDynamicDim(0) ? 1 : input.getDimSize(0);
  spec.flops = plan::perRow(result, rows * 2.0 * n * k);
  auto f32 = Float32Type::get(op->getContext());
  spec.bytes = plan::add(plan::perRow(result, rows * 4.0 * (n + k + (linear.getResidual() ? n : 0))),
                         plan::perRow(RankedTensorType::get({n, k}, f32), 4.0 * n * k));
  bool hasBias = static_cast<bool>(linear.getBias());
  bool hasResidual = static_cast<bool>(linear.getResidual());
  lowering.launch(spec, [&](KernelBuilder &b) {
    unsigned next = 0;
    p.rows = rowsOf(b, input);
    p.depth = b.c(k);
    p.a = b.buffer(next++);
    Value plain = b.buffer(next++);
    if (!neverPacked)
      p.b = b.buffer(next++);
    p.bias = hasBias ? b.buffer(next++) : Value();
    p.residual = hasResidual ? b.buffer(next++) : Value();
    p.c = b.buffer(next);
    auto fewRows = [&](Value block) {
      for (int64_t rows = 1; rows <= kFewRows; ++rows)
        if (!p.staticRows || *p.staticRows == rows)
          b.ifThen(b.eq(p.rows, b.c(rows)), [&] { emitFewRows(b, p, plain, rows, block); });
    };
    if (neverPacked)
      b.loop(b.begin(), b.end(), 1, [&](Value item) { fewRows(item); });
    else if (p.staticRows)
      emitItems(b, p);
    else
      emitItems(b, p, fewRows);
  });
  return success();
}

// --- nn.linear_data_grad ------------------------------------------------------------------------------

LogicalResult lowerDataGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearDataGradOp>(op);
  if (failed(checkTypes(op)))
    return failure();
  auto gradient = cast<RankedTensorType>(grad.getGradient().getType());
  auto weight = cast<RankedTensorType>(grad.getWeight().getType());
  auto result = cast<RankedTensorType>(grad.getResult().getType());
  int64_t n = weight.getDimSize(0), k = weight.getDimSize(1);
  Product p;
  p.columns = k;
  p.staticDepth = n;
  p.packedB = k > kLongRow;
  p.packA = n > kLongRow;
  if (!gradient.isDynamicDim(0))
    p.staticRows = gradient.getDimSize(0);
  p.aRow = n;
  p.aK = 1;
  chooseBlocks(p, n);
  Value weights = lowering.slice(grad.getWeight());
  LaunchSpec spec;
  spec.kernel =
      "linear_data_grad_" + axisName(gradient) + "_n" + std::to_string(n) + "_k" + std::to_string(k);
  spec.reads = {lowering.slice(grad.getGradient()),
                p.packedB ? packRows(lowering, weights, weight) : weights};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.work = productWork(lowering, result, p);
  double rows = gradient.isDynamicDim(0) ? 1 : gradient.getDimSize(0);
  spec.flops = plan::perRow(result, rows * 2.0 * n * k);
  spec.bytes = plan::add(plan::perRow(result, rows * 4.0 * (n + k)),
                         plan::perRow(weight, 4.0 * n * k));
  lowering.launch(spec, [&](KernelBuilder &b) {
    p.rows = rowsOf(b, gradient);
    p.depth = b.c(n);
    p.a = b.buffer(0);
    p.b = b.buffer(1);
    p.c = b.buffer(2);
    emitItems(b, p);
  });
  return success();
}

// --- nn.linear_weight_grad ----------------------------------------------------------------------------

LogicalResult lowerWeightGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearWeightGradOp>(op);
  if (failed(checkTypes(op)))
    return failure();
  auto gradient = cast<RankedTensorType>(grad.getGradient().getType());
  auto input = cast<RankedTensorType>(grad.getInput().getType());
  auto result = cast<RankedTensorType>(grad.getResult().getType());
  int64_t n = result.getDimSize(0), k = result.getDimSize(1);
  Product p;
  p.columns = k;
  p.staticRows = n;
  if (!gradient.isDynamicDim(0))
    p.staticDepth = gradient.getDimSize(0);
  p.packedB = k > kLongRow;
  p.packA = n > kLongRow;
  p.aRow = 1;
  p.aK = n;
  p.fromC = true;
  chooseBlocks(p, 512);
  Value inputs = lowering.slice(grad.getInput());
  LaunchSpec spec;
  spec.kernel =
      "linear_weight_grad_" + axisName(gradient) + "_n" + std::to_string(n) + "_k" + std::to_string(k);
  spec.reads = {lowering.slice(grad.getGradient()),
                p.packedB ? packRows(lowering, inputs, input) : inputs};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.updates = {0};
  spec.work = productWork(lowering, result, p);
  double rows = gradient.isDynamicDim(0) ? 1 : gradient.getDimSize(0);
  spec.flops = plan::perRow(gradient, rows * 2.0 * n * k);
  spec.bytes = plan::add(plan::perRow(gradient, rows * 4.0 * (n + k)),
                         plan::perRow(result, 8.0 * n * k));
  lowering.launch(spec, [&](KernelBuilder &b) {
    p.rows = b.c(n);
    p.depth = p.staticDepth ? b.c(*p.staticDepth) : rowsOf(b, gradient);
    p.a = b.buffer(0);
    p.b = b.buffer(1);
    p.c = b.buffer(2);
    emitItems(b, p);
  });
  return success();
}

} // namespace

void registerMatmulSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.linear"] = lowerLinear;
  schedules["nn.linear_data_grad"] = lowerDataGrad;
  schedules["nn.linear_weight_grad"] = lowerWeightGrad;
}

} // namespace mirl::passes::cpu
