// Schedules of the matrix products: nn.linear, nn.linear_data_grad and nn.linear_weight_grad.
//
// All three are C[i, j] = start + Σ_k A(i, k) · B(k, j) (Product.h):
//
//                     i      j   k   A(i, k)       B(k, j)
//   linear            rows   N   K   x[i, k]       w[j, k]: always packed (a transpose), by its own launch
//   linear_data_grad  rows   K   N   dy[i, k]      w[k, j]: packed when rows of w are long
//   linear_weight_grad N     K  rows dy[k, i]      x[k, j]: packed when rows of x are long
//
// A long row stride maps all rows of a tile to the same cache sets; A is then packed, on the stack of the
// item. With at most kFewRows rows, packing w costs more than the product: nn.linear then transposes
// 16×16 blocks of w in registers and uses them at once, in the same chain.

#include "passes/cpu/Product.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

// These schedules compute one chain of fused multiply-adds.
LogicalResult checkOrder(Operation *op) {
  auto numerics = op->getAttrOfType<nn::NumericsAttr>("numerics");
  if (numerics && numerics.getOrder() != "chain")
    return op->emitOpError("states the order ") << numerics << ", for which there is no schedule here: only a chain has one";
  return success();
}

// --- nn.linear --------------------------------------------------------------------------------------

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
      emitPackTransposedPanel(b, source, k, b.mul(panel, kTileColumns), b.c(n - 1),
                              advance(b, target, b.mul(panel, k * kTileColumns)));
    });
  });
  return packed;
}

// The product of `rows` rows from row `first` on with the kLanes columns from `column` on, whose rows of w are
// `weightRows`: 16×16 blocks of w are transposed in registers, and all rows use them there.
void emitFewRowsTile(KernelBuilder &b, const Product &p, ArrayRef<Value> weightRows, Value column, Value first, int64_t rows) {
  int64_t n = p.columns, k = *p.staticDepth;
  Value a = advance(b, p.a, b.mul(first, k));
  SmallVector<Value> sums(rows, b.vf(0));
  auto chain = [&](Value k0, int64_t depth, SmallVectorImpl<Value> &sums) {
    SmallVector<Value> blockOfW;
    for (Value row : weightRows)
      blockOfW.push_back(loadLanes(b, row, k0, depth));
    b.transpose(blockOfW);
    for (int64_t i = 0; i < depth; ++i)
      for (int64_t r = 0; r < rows; ++r)
        sums[r] = b.fma(b.loadf(advance(b, a, r * k + i), k0), blockOfW[i], sums[r]);
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
  Value corner = b.add(b.mul(first, n), column);
  for (int64_t r = 0; r < rows; ++r) {
    Value value = sums[r], at = b.add(corner, r * n);
    if (p.bias)
      value = b.fadd(value, load(p.bias, column));
    if (p.residual)
      value = b.fadd(b.roundTo(b.elementOf(p.c), value), load(p.residual, at));
    if (n % kLanes == 0)
      b.storev(value, p.c, at);
    else
      b.storevMasked(value, p.c, at, lanes);
  }
}

// The product of a block of columns for all of at most kFewRows rows, straight from w. A row of w comes from memory
// once: what the first kFewTile rows of x have used is in the cache for the others.
void emitFewRows(KernelBuilder &b, const Product &p, Value weight, Value block) {
  int64_t n = p.columns, k = *p.staticDepth;
  Value begin = b.mul(block, p.columnBlock);
  Value end = b.min(b.add(begin, p.columnBlock), b.c(n));
  b.loop(begin, end, kLanes, [&](Value column) {
    SmallVector<Value> weightRows;
    for (int64_t i = 0; i < kLanes; ++i)
      weightRows.push_back(advance(b, weight, b.mul(b.min(b.add(column, i), b.c(n - 1)), k)));
    b.loop(b.c(0), p.rows, kFewTile, [&](Value first) {
      Value count = b.min(b.sub(p.rows, first), b.c(kFewTile));
      for (int64_t rows = 1; rows <= kFewTile; ++rows)
        if (!p.staticRows || (rows == kFewTile && *p.staticRows > rows) || *p.staticRows % kFewTile == rows % kFewTile)
          b.ifThen(b.eq(count, b.c(rows)), [&] { emitFewRowsTile(b, p, weightRows, column, first, rows); });
    });
  });
}

LogicalResult lowerLinear(Operation *op, Lowering &lowering) {
  auto linear = cast<nn::LinearOp>(op);
  if (failed(checkOrder(op)))
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
  p.result = result.getElementType();
  chooseBlocks(p, k);
  // Few rows are one block of rows.
  p.rowTiles = std::max(p.rowTiles, (kFewRows + kTileRows - 1) / kTileRows);
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
    auto fewRows = [&](Value block) { emitFewRows(b, p, plain, block); };
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
  if (failed(checkOrder(op)))
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
  p.result = result.getElementType();
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
  if (failed(checkOrder(op)))
    return failure();
  auto gradient = cast<RankedTensorType>(grad.getGradient().getType());
  auto input = cast<RankedTensorType>(grad.getInput().getType());
  auto result = cast<RankedTensorType>(grad.getResult().getType());
  if (!result.getElementType().isF32())
    return op->emitOpError("accumulates in f32, `into` is ") << result;
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
