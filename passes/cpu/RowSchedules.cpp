// Schedules of what works on rows: embedding, norms, rotary, row gathers, and their adjoints.
//
// A work item of the forward ops is a tile of rows; rows never see each other. Gradients of weights (norms, biases,
// embeddings) are chains over all rows ascending, so there an item is a vector of 16 columns that walks down
// all rows: parallel over columns, and the chain is whole. Sums over a row are 16 lanes, lane = column modulo 16, then
// the pairwise tree.

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// Rows of an item, so that an item moves about 16 KiB.
int64_t rowTile(int64_t columns) { return std::clamp<int64_t>(4096 / std::max<int64_t>(columns, 1), 1, 64); }

// Calls body(row) for the rows of the items [begin, end) of `tile` rows.
void forRows(KernelBuilder &b, RankedTensorType type, int64_t tile, KernelBuilder::Body body) {
  b.loop(b.mul(b.begin(), tile), b.min(b.mul(b.end(), tile), rowsOf(b, type)), 1, body);
}

// Calls body(first column, lanes) for the vectors of a row; lanes is static.
void forVectors(KernelBuilder &b, int64_t columns, llvm::function_ref<void(Value column, int64_t lanes)> body) {
  int64_t whole = columns / kLanes * kLanes;
  if (whole)
    b.loop(0, whole, kLanes, [&](Value column) { body(column, kLanes); });
  if (columns > whole)
    body(b.c(whole), columns - whole);
}

// Σ over a row's vectors of term(column, lanes), in lanes. Lanes beyond the row's end must be 0 in `term`.
Value sumOfRow(KernelBuilder &b, int64_t columns, llvm::function_ref<Value(Value column, int64_t lanes, Value sum)> term) {
  int64_t whole = columns / kLanes * kLanes;
  Value sum = b.vf(0);
  if (whole)
    sum = b.loopCarry(b.c(0), b.c(whole), kLanes, sum, [&](Value column, ValueRange carried) {
      return SmallVector<Value>{term(column, kLanes, carried[0])};
    })[0];
  if (columns > whole)
    sum = term(b.c(whole), columns - whole, sum);
  return b.sumLanes(sum);
}

// --- embedding and row copies ----------------------------------------------------------------------

// result[row] = source[index[row]]
void emitGather(KernelBuilder &b, RankedTensorType result, int64_t tile, Value source, Value indices, Value target) {
  int64_t columns = columnsOf(result);
  forRows(b, result, tile, [&](Value row) {
    Value from = b.mul(b.loadi(indices, row), columns), to = b.mul(row, columns);
    forVectors(b, columns, [&](Value column, int64_t lanes) {
      storeLanes(b, loadLanes(b, source, b.add(from, column), lanes), target, b.add(to, column), lanes);
    });
  });
}

LogicalResult lowerGather(Operation *op, Lowering &lowering) {
  auto type = typeOf(op->getResult(0));
  int64_t columns = columnsOf(type), tile = rowTile(columns);
  LaunchSpec spec;
  spec.kernel = "gather_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(op->getOperand(0)), lowering.slice(op->getOperand(1))};
  spec.writes = {lowering.slice(op->getResult(0))};
  spec.work = lowering.rows(type, tile);
  spec.bytes = plan::perRow(type, 8.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) { emitGather(b, type, tile, b.buffer(0), b.buffer(1), b.buffer(2)); });
  return success();
}

LogicalResult lowerEmbeddingGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::EmbeddingGradOp>(op);
  auto type = typeOf(grad.getGradient());
  int64_t columns = columnsOf(type);
  LaunchSpec spec;
  spec.kernel = "embedding_grad_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getIds())};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.updates = {0};
  spec.work = lowering.items((columns + kLanes - 1) / kLanes);
  spec.bytes = plan::perRow(type, 12.0 * columns);
  spec.flops = plan::perRow(type, 1.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value gradient = b.buffer(0), ids = b.buffer(1), table = b.buffer(2), rows = rowsOf(b, type);
    b.loop(b.begin(), b.end(), 1, [&](Value item) {
      Value column = b.mul(item, kLanes), lanes = b.sub(b.c(columns), column);
      b.loop(b.c(0), rows, 1, [&](Value row) {
        Value to = b.add(b.mul(b.loadi(ids, row), columns), column);
        Value sum = b.fadd(b.loadvMasked(table, to, lanes), b.loadvMasked(gradient, b.add(b.mul(row, columns), column), lanes));
        b.storevMasked(sum, table, to, lanes);
      });
    });
  });
  return success();
}

LogicalResult lowerScatterRows(Operation *op, Lowering &lowering) {
  auto scatter = cast<nn::ScatterRowsOp>(op);
  auto type = typeOf(scatter.getInput());
  int64_t columns = columnsOf(type), tile = rowTile(columns);
  Value result = lowering.slice(scatter.getResult());
  lowering.fill(result);
  LaunchSpec spec;
  spec.kernel = "scatter_rows_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(scatter.getInput()), lowering.slice(scatter.getRows())};
  spec.writes = {result};
  spec.updates = {0};
  spec.work = lowering.rows(type, tile);
  spec.bytes = plan::perRow(type, 8.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), rows = b.buffer(1), target = b.buffer(2);
    forRows(b, type, tile, [&](Value row) {
      Value from = b.mul(row, columns), to = b.mul(b.loadi(rows, row), columns);
      forVectors(b, columns, [&](Value column, int64_t lanes) {
        storeLanes(b, loadLanes(b, input, b.add(from, column), lanes), target, b.add(to, column), lanes);
      });
    });
  });
  return success();
}

// --- norms -------------------------------------------------------------------------------------------

LogicalResult lowerRmsNorm(Operation *op, Lowering &lowering) {
  auto norm = cast<nn::RmsNormOp>(op);
  auto type = typeOf(norm.getInput());
  int64_t columns = columnsOf(type), tile = rowTile(columns);
  double eps = norm.getEps().convertToFloat();
  LaunchSpec spec;
  spec.kernel = "rms_norm_" + axisName(type) + "_c" + std::to_string(columns) + "_eps" +
                llvm::utohexstr(norm.getEps().bitcastToAPInt().getZExtValue(), true);
  spec.reads = {lowering.slice(norm.getInput()), lowering.slice(norm.getWeight())};
  spec.writes = {lowering.slice(norm.getResult()), lowering.slice(norm.getRstd())};
  spec.work = lowering.rows(type, tile);
  spec.flops = plan::perRow(type, 4.0 * columns);
  spec.bytes = plan::perRow(type, 8.0 * columns + 4);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), weight = b.buffer(1), target = b.buffer(2), rstds = b.buffer(3);
    forRows(b, type, tile, [&](Value row) {
      Value at = b.mul(row, columns);
      Value sum = sumOfRow(b, columns, [&](Value column, int64_t lanes, Value sum) {
        Value x = loadLanes(b, input, b.add(at, column), lanes);
        return b.fma(x, x, sum);
      });
      Value mean = b.fmul(sum, b.f(1.0 / columns));
      Value rstd = b.fdiv(b.f(1), b.sqrt(b.fadd(mean, b.f(eps))));
      b.store(rstd, rstds, row);
      Value scale = b.splat(rstd);
      forVectors(b, columns, [&](Value column, int64_t lanes) {
        Value x = loadLanes(b, input, b.add(at, column), lanes);
        storeLanes(b, b.fmul(b.fmul(x, scale), loadLanes(b, weight, column, lanes)), target, b.add(at, column), lanes);
      });
    });
  });
  return success();
}

LogicalResult lowerRmsNormDataGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::RmsNormDataGradOp>(op);
  auto type = typeOf(grad.getInput());
  int64_t columns = columnsOf(type), tile = rowTile(columns);
  bool residual = static_cast<bool>(grad.getResidual());
  LaunchSpec spec;
  spec.kernel = "rms_norm_data_grad_" + axisName(type) + "_c" + std::to_string(columns) + (residual ? "_residual" : "");
  for (Value operand : op->getOperands())
    spec.reads.push_back(lowering.slice(operand));
  spec.writes = {lowering.slice(grad.getResult())};
  spec.work = lowering.rows(type, tile);
  spec.flops = plan::perRow(type, 9.0 * columns);
  spec.bytes = plan::perRow(type, 4.0 * columns * (residual ? 4 : 3));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value gradient = b.buffer(0), input = b.buffer(1), weight = b.buffer(2), rstds = b.buffer(3);
    Value past = residual ? b.buffer(4) : Value(), target = b.buffer(residual ? 5 : 4);
    forRows(b, type, tile, [&](Value row) {
      Value at = b.mul(row, columns);
      Value rstd = b.splat(b.loadf(rstds, row));
      auto scaled = [&](Value column, int64_t lanes) {
        return b.fmul(loadLanes(b, gradient, b.add(at, column), lanes), loadLanes(b, weight, column, lanes));
      };
      Value sum = sumOfRow(b, columns, [&](Value column, int64_t lanes, Value sum) {
        Value normed = b.fmul(loadLanes(b, input, b.add(at, column), lanes), rstd);
        return b.fma(scaled(column, lanes), normed, sum);
      });
      Value mean = b.splat(b.fmul(sum, b.f(1.0 / columns)));
      forVectors(b, columns, [&](Value column, int64_t lanes) {
        Value normed = b.fmul(loadLanes(b, input, b.add(at, column), lanes), rstd);
        Value value = b.fmul(rstd, b.fsub(scaled(column, lanes), b.fmul(normed, mean)));
        if (residual)
          value = b.fadd(b.roundTo(b.elementOf(target), value), loadLanes(b, past, b.add(at, column), lanes));
        storeLanes(b, value, target, b.add(at, column), lanes);
      });
    });
  });
  return success();
}

// target[column] continues its chain with term(row, column, lanes, sum), rows ascending.
void emitColumnChains(KernelBuilder &b, RankedTensorType type, Value target,
                      llvm::function_ref<Value(Value row, Value at, Value lanes, Value sum)> term) {
  int64_t columns = columnsOf(type);
  Value rows = rowsOf(b, type);
  b.loop(b.begin(), b.end(), 1, [&](Value item) {
    Value column = b.mul(item, kLanes), lanes = b.sub(b.c(columns), column);
    Value sum = b.loopCarry(b.c(0), rows, 1, b.loadvMasked(target, column, lanes), [&](Value row, ValueRange carried) {
      return SmallVector<Value>{term(row, b.add(b.mul(row, columns), column), lanes, carried[0])};
    })[0];
    b.storevMasked(sum, target, column, lanes);
  });
}

LogicalResult lowerRmsNormWeightGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::RmsNormWeightGradOp>(op);
  auto type = typeOf(grad.getInput());
  int64_t columns = columnsOf(type);
  LaunchSpec spec;
  spec.kernel = "rms_norm_weight_grad_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getInput()), lowering.slice(grad.getRstd())};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.updates = {0};
  spec.work = lowering.items((columns + kLanes - 1) / kLanes);
  spec.flops = plan::perRow(type, 3.0 * columns);
  spec.bytes = plan::perRow(type, 8.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value gradient = b.buffer(0), input = b.buffer(1), rstds = b.buffer(2);
    emitColumnChains(b, type, b.buffer(3), [&](Value row, Value at, Value lanes, Value sum) {
      Value normed = b.fmul(b.loadvMasked(input, at, lanes), b.splat(b.loadf(rstds, row)));
      return b.fma(b.loadvMasked(gradient, at, lanes), normed, sum);
    });
  });
  return success();
}

LogicalResult lowerColumnSum(Operation *op, Lowering &lowering) {
  auto sum = cast<nn::ColumnSumOp>(op);
  auto type = typeOf(sum.getInput());
  int64_t columns = columnsOf(type);
  LaunchSpec spec;
  spec.kernel = "column_sum_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(sum.getInput())};
  spec.writes = {lowering.slice(sum.getResult())};
  spec.updates = {0};
  spec.work = lowering.items((columns + kLanes - 1) / kLanes);
  spec.flops = plan::perRow(type, 1.0 * columns);
  spec.bytes = plan::perRow(type, 4.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0);
    emitColumnChains(b, type, b.buffer(1),
                     [&](Value, Value at, Value lanes, Value sum) { return b.fadd(sum, b.loadvMasked(input, at, lanes)); });
  });
  return success();
}

// --- rotary ------------------------------------------------------------------------------------------

LogicalResult lowerRotary(Operation *op, Lowering &lowering) {
  auto rotary = cast<nn::RotaryOp>(op);
  auto type = typeOf(rotary.getInput());
  int64_t columns = columnsOf(type), head = rotary.getHeadDim(), half = head / 2, tile = rowTile(columns);
  bool inverse = rotary.getInverse();
  LaunchSpec spec;
  spec.kernel = "rotary_" + axisName(type) + "_c" + std::to_string(columns) + "_h" + std::to_string(head) + (inverse ? "_inverse" : "");
  spec.reads = {lowering.slice(rotary.getInput()), lowering.slice(rotary.getPositions()), lowering.slice(rotary.getTable())};
  spec.writes = {lowering.slice(rotary.getResult())};
  spec.work = lowering.rows(type, tile);
  spec.flops = plan::perRow(type, 3.0 * columns);
  spec.bytes = plan::perRow(type, 8.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), positions = b.buffer(1), table = b.buffer(2), target = b.buffer(3);
    forRows(b, type, tile, [&](Value row) {
      Value angle = b.mul(b.loadi(positions, row), head), at = b.mul(row, columns);
      forVectors(b, half, [&](Value column, int64_t lanes) {
        Value cosine = loadLanes(b, table, b.add(angle, column), lanes);
        Value sine = loadLanes(b, table, b.add(b.add(angle, half), column), lanes);
        if (inverse)
          sine = b.fneg(sine);
        b.loop(0, columns, head, [&](Value begin) {
          Value low = b.add(b.add(at, begin), column), high = b.add(low, half);
          Value x = loadLanes(b, input, low, lanes), y = loadLanes(b, input, high, lanes);
          auto [first, second] = rotate(b, x, y, cosine, sine);
          storeLanes(b, first, target, low, lanes);
          storeLanes(b, second, target, high, lanes);
        });
      });
    });
  });
  return success();
}

} // namespace

std::pair<Value, Value> rotate(KernelBuilder &b, Value x, Value y, Value cosine, Value sine) {
  return {b.fsub(b.fmul(x, cosine), b.fmul(y, sine)), b.fadd(b.fmul(y, cosine), b.fmul(x, sine))};
}

void registerRowSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.embedding"] = lowerGather;
  schedules["nn.gather_rows"] = lowerGather;
  schedules["nn.embedding_grad"] = lowerEmbeddingGrad;
  schedules["nn.scatter_rows"] = lowerScatterRows;
  schedules["nn.rms_norm"] = lowerRmsNorm;
  schedules["nn.rms_norm_data_grad"] = lowerRmsNormDataGrad;
  schedules["nn.rms_norm_weight_grad"] = lowerRmsNormWeightGrad;
  schedules["nn.column_sum"] = lowerColumnSum;
  schedules["nn.rotary"] = lowerRotary;
}

} // namespace mirl::passes::cpu
