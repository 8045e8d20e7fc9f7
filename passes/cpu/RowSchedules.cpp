// Schedules of what works on rows: embedding, norms, rotary, row gathers, and their adjoints.
//
// A work item of the forward ops is a tile of rows; rows never see each other. Gradients of weights (norms, biases,
// embeddings) are chains over all rows ascending, so there an item is a vector of 16 columns that walks down
// all rows: parallel over columns, and the chain is whole. Sums over a row are 16 lanes (of bf16 on a GPU 256),
// lane = column modulo that number, then the pairwise tree.

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
double bytesOf(RankedTensorType type, int64_t elements) { return type.getElementTypeBitWidth() / 8.0 * elements; }

// Rows of an item: so many that it moves about 16 KiB, or one where lanes are threads.
int64_t rowTile(const Lowering &lowering, int64_t columns) {
  return lowering.threaded() ? 1 : std::clamp<int64_t>(4096 / std::max<int64_t>(columns, 1), 1, 64);
}

bool isNarrow(ValueRange tensors) {
  return llvm::all_of(tensors, [](Value tensor) { return typeOf(tensor).getElementType().isBF16(); });
}

// `count` lanes along rows of `columns`, of which `kept` numbers of each column are held at a time.
Lanes alongRows(int64_t columns, int64_t count, bool narrow, int64_t kept) {
  int64_t known = std::gcd(columns, count);
  double vectors = llvm::divideCeil(columns, count);
  return {Lanes::Use::rows, count, known, known, narrow, kept * vectors};
}

// Lanes of a warp that copies rows, 16 bytes of each thread.
int64_t copyLanes(bool narrow) { return narrow ? 256 : 128; }

// The lanes in which an op states that rows are summed; fails when the target has no such sums.
FailureOr<int64_t> summingLanes(Operation *op, Lowering &lowering, bool narrow) {
  auto stated = op->getAttrOfType<nn::NumericsAttr>("numerics");
  int64_t width = stated ? stated.getWidth() : kLanes;
  bool serves = width == kLanes || (lowering.threaded() && narrow && width == copyLanes(narrow));
  if (stated && (stated.getOrder() != "lanes" || !serves))
    return op->emitOpError() << "states the order " << stated << ", for which there is no schedule: sums over a row have "
                             << kLanes << " lanes, or " << copyLanes(true) << " of bf16 on a GPU";
  return width;
}

// Calls body(row) for the rows of the items [begin, end) of `tile` rows.
void forRows(KernelBuilder &b, RankedTensorType type, int64_t tile, KernelBuilder::Body body) {
  if (tile == 1 && b.lanes() != kLanes)
    return body(b.begin()); // an item is a row, and there are as many as rows
  b.loop(b.mul(b.begin(), tile), b.min(b.mul(b.end(), tile), rowsOf(b, type)), 1, body);
}

// The vectors of one row, twice: first for a sum, then for what the sum is needed for. Where threads keep the row in
// registers it is written out vector by vector, and what is kept of one is computed once.
class Row {
public:
  using Term = llvm::function_ref<Value(Value column, int64_t lanes)>;

  Row(KernelBuilder &b, int64_t columns) : b_(b), columns_(columns), whole_(columns / b.lanes() * b.lanes()), kept_(b.keepsRow()) {}

  // A number that is wanted of a vector in both passes: the `which`-th.
  Value keep(unsigned which, Value column, int64_t lanes, Term make) {
    if (!kept_)
      return make(column, lanes);
    Value &value = values_[{which, column}];
    if (!value)
      value = make(column, lanes);
    return value;
  }

  // Where the row is kept: all loads of make(column, lanes), before something else waits or stores.
  void begin(unsigned which, Term make) {
    if (kept_)
      vectors([&](Value column, int64_t lanes) { keep(which, column, lanes, make); });
  }

  // Stores make(column, lanes) for all vectors. Where the row is kept, nothing is stored before everything is loaded: the
  // compiler cannot know that they are different places.
  void store(Value target, Value at, Term make) {
    SmallVector<Value> made;
    auto store = [&](Value value, Value column, int64_t lanes) {
      storeLanes(b_, value, target, b_.add(at, column), lanes);
    };
    if (!kept_)
      return vectors([&](Value column, int64_t lanes) { store(make(column, lanes), column, lanes); });
    vectors([&](Value column, int64_t lanes) { made.push_back(make(column, lanes)); });
    auto next = made.begin();
    vectors([&](Value column, int64_t lanes) { store(*next++, column, lanes); });
  }

  // Calls body(first column, lanes) for the vectors; lanes is static.
  void vectors(llvm::function_ref<void(Value column, int64_t lanes)> body) {
    if (whole_ && !kept_)
      b_.loop(0, whole_, b_.lanes(), [&](Value column) { body(column, b_.lanes()); });
    for (int64_t first = kept_ ? 0 : whole_; first < columns_; first += b_.lanes())
      body(column(first), std::min(b_.lanes(), columns_ - first));
  }

  // Σ over the vectors of term(column, lanes), in lanes. Lanes beyond the row's end must be 0 in `term`.
  Value sum(llvm::function_ref<Value(Value column, int64_t lanes, Value sum)> term) {
    Value sum = b_.vf(0);
    if (whole_ && !kept_)
      sum = b_.loopCarry(b_.c(0), b_.c(whole_), b_.lanes(), sum, [&](Value column, ValueRange carried) {
        return SmallVector<Value>{term(column, b_.lanes(), carried[0])};
      })[0];
    for (int64_t first = kept_ ? 0 : whole_; first < columns_; first += b_.lanes())
      sum = term(column(first), std::min(b_.lanes(), columns_ - first), sum);
    return b_.sumLanes(sum);
  }

private:
  Value column(int64_t first) {
    Value &value = firsts_[first];
    if (!value)
      value = b_.c(first);
    return value;
  }

  KernelBuilder &b_;
  int64_t columns_, whole_;
  bool kept_;
  llvm::DenseMap<int64_t, Value> firsts_;
  llvm::DenseMap<std::pair<unsigned, Value>, Value> values_;
};

// --- embedding and row copies ----------------------------------------------------------------------

// result[row] = source[index[row]]
void emitGather(KernelBuilder &b, RankedTensorType result, int64_t tile, Value source, Value indices, Value target) {
  int64_t columns = columnsOf(result);
  forRows(b, result, tile, [&](Value row) {
    Value from = b.mul(b.loadi(indices, row), columns), to = b.mul(row, columns);
    Row(b, columns).store(target, to, [&](Value column, int64_t lanes) {
      return loadLanes(b, source, b.add(from, column), lanes);
    });
  });
}

LogicalResult lowerGather(Operation *op, Lowering &lowering) {
  auto type = typeOf(op->getResult(0));
  int64_t columns = columnsOf(type), tile = rowTile(lowering, columns);
  bool narrow = isNarrow({op->getOperand(0), op->getResult(0)});
  LaunchSpec spec;
  spec.lanes = alongRows(columns, copyLanes(narrow), narrow, 1);
  spec.kernel = "gather_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(op->getOperand(0)), lowering.slice(op->getOperand(1))};
  spec.writes = {lowering.slice(op->getResult(0))};
  spec.work = lowering.rows(type, tile);
  spec.bytes = plan::perRow(type, 2 * bytesOf(type, columns));
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
  int64_t columns = columnsOf(type), tile = rowTile(lowering, columns);
  bool narrow = isNarrow({scatter.getInput(), scatter.getResult()});
  Value result = lowering.slice(scatter.getResult());
  lowering.fill(result);
  LaunchSpec spec;
  spec.lanes = alongRows(columns, copyLanes(narrow), narrow, 1);
  spec.kernel = "scatter_rows_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(scatter.getInput()), lowering.slice(scatter.getRows())};
  spec.writes = {result};
  spec.updates = {0};
  spec.work = lowering.rows(type, tile);
  spec.bytes = plan::perRow(type, 2 * bytesOf(type, columns));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), rows = b.buffer(1), target = b.buffer(2);
    forRows(b, type, tile, [&](Value row) {
      Value from = b.mul(row, columns), to = b.mul(b.loadi(rows, row), columns);
      Row(b, columns).store(target, to, [&](Value column, int64_t lanes) {
        return loadLanes(b, input, b.add(from, column), lanes);
      });
    });
  });
  return success();
}

// What a kernel's name says of an order of sums that not every target has.
std::string lanesName(int64_t lanes) { return lanes == kLanes ? "" : "_l" + std::to_string(lanes); }

// --- norms -------------------------------------------------------------------------------------------

LogicalResult lowerRmsNorm(Operation *op, Lowering &lowering) {
  auto norm = cast<nn::RmsNormOp>(op);
  auto type = typeOf(norm.getInput());
  int64_t columns = columnsOf(type), tile = rowTile(lowering, columns);
  bool narrow = isNarrow({norm.getInput(), norm.getWeight(), norm.getResult()});
  FailureOr<int64_t> lanes = summingLanes(op, lowering, narrow);
  if (failed(lanes))
    return failure();
  double eps = norm.getEps().convertToFloat();
  LaunchSpec spec;
  spec.lanes = alongRows(columns, *lanes, narrow, 1);
  spec.kernel = "rms_norm_" + axisName(type) + "_c" + std::to_string(columns) + "_eps" +
                llvm::utohexstr(norm.getEps().bitcastToAPInt().getZExtValue(), true) + lanesName(*lanes);
  spec.reads = {lowering.slice(norm.getInput()), lowering.slice(norm.getWeight())};
  spec.writes = {lowering.slice(norm.getResult()), lowering.slice(norm.getRstd())};
  spec.work = lowering.rows(type, tile);
  spec.flops = plan::perRow(type, 4.0 * columns);
  spec.bytes = plan::perRow(type, 2 * bytesOf(type, columns) + 4);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), weight = b.buffer(1), target = b.buffer(2), rstds = b.buffer(3);
    forRows(b, type, tile, [&](Value row) {
      Value at = b.mul(row, columns);
      Row numbers(b, columns);
      auto x = [&](Value column, int64_t lanes) {
        return numbers.keep(0, column, lanes, [&](Value column, int64_t lanes) {
          return loadLanes(b, input, b.add(at, column), lanes);
        });
      };
      Value sum = numbers.sum([&](Value column, int64_t lanes, Value sum) {
        Value here = x(column, lanes);
        return b.fma(here, here, sum);
      });
      Value mean = b.fmul(sum, b.f(1.0 / columns));
      Value rstd = b.fdiv(b.f(1), b.sqrt(b.fadd(mean, b.f(eps))));
      b.store(rstd, rstds, row);
      Value scale = b.splat(rstd);
      numbers.store(target, at, [&](Value column, int64_t lanes) {
        return b.fmul(b.fmul(x(column, lanes), scale), loadLanes(b, weight, column, lanes));
      });
    });
  });
  return success();
}

LogicalResult lowerRmsNormDataGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::RmsNormDataGradOp>(op);
  auto type = typeOf(grad.getInput());
  int64_t columns = columnsOf(type), tile = rowTile(lowering, columns);
  bool residual = static_cast<bool>(grad.getResidual());
  bool narrow = isNarrow({grad.getGradient(), grad.getInput(), grad.getWeight(), grad.getResult()}) &&
                (!residual || isNarrow(grad.getResidual()));
  FailureOr<int64_t> lanes = summingLanes(op, lowering, narrow);
  if (failed(lanes))
    return failure();
  LaunchSpec spec;
  spec.lanes = alongRows(columns, *lanes, narrow, residual ? 3 : 2);
  spec.kernel = "rms_norm_data_grad_" + axisName(type) + "_c" + std::to_string(columns) + (residual ? "_residual" : "") +
                lanesName(*lanes);
  for (Value operand : op->getOperands())
    spec.reads.push_back(lowering.slice(operand));
  spec.writes = {lowering.slice(grad.getResult())};
  spec.work = lowering.rows(type, tile);
  spec.flops = plan::perRow(type, 9.0 * columns);
  spec.bytes = plan::perRow(type, bytesOf(type, columns) * (residual ? 4 : 3) + 4);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value gradient = b.buffer(0), input = b.buffer(1), weight = b.buffer(2), rstds = b.buffer(3);
    Value past = residual ? b.buffer(4) : Value(), target = b.buffer(residual ? 5 : 4);
    forRows(b, type, tile, [&](Value row) {
      Value at = b.mul(row, columns);
      Value rstd = b.splat(b.loadf(rstds, row));
      Row numbers(b, columns);
      auto residualOf = [&](Value column, int64_t lanes) { return loadLanes(b, past, b.add(at, column), lanes); };
      if (residual)
        numbers.begin(2, residualOf);
      auto scaled = [&](Value column, int64_t lanes) {
        return numbers.keep(0, column, lanes, [&](Value column, int64_t lanes) {
          return b.fmul(loadLanes(b, gradient, b.add(at, column), lanes), loadLanes(b, weight, column, lanes));
        });
      };
      auto normed = [&](Value column, int64_t lanes) {
        return numbers.keep(1, column, lanes, [&](Value column, int64_t lanes) {
          return b.fmul(loadLanes(b, input, b.add(at, column), lanes), rstd);
        });
      };
      Value sum = numbers.sum([&](Value column, int64_t lanes, Value sum) {
        return b.fma(scaled(column, lanes), normed(column, lanes), sum);
      });
      Value mean = b.splat(b.fmul(sum, b.f(1.0 / columns)));
      numbers.store(target, at, [&](Value column, int64_t lanes) {
        Value value = b.fmul(rstd, b.fsub(scaled(column, lanes), b.fmul(normed(column, lanes), mean)));
        if (!residual)
          return value;
        return b.fadd(b.roundTo(b.elementOf(target), value), numbers.keep(2, column, lanes, residualOf));
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
  int64_t columns = columnsOf(type), head = rotary.getHeadDim(), half = head / 2, tile = rowTile(lowering, columns);
  bool inverse = rotary.getInverse(), narrow = isNarrow({rotary.getInput(), rotary.getResult()});
  LaunchSpec spec;
  spec.kernel = "rotary_" + axisName(type) + "_c" + std::to_string(columns) + "_h" + std::to_string(head) + (inverse ? "_inverse" : "");
  spec.reads = {lowering.slice(rotary.getInput()), lowering.slice(rotary.getPositions()), lowering.slice(rotary.getTable())};
  spec.writes = {lowering.slice(rotary.getResult())};
  spec.flops = plan::perRow(type, 3.0 * columns);
  spec.bytes = plan::perRow(type, 2 * bytesOf(type, columns));
  // Threads take 16 bytes of a head each, and their counterparts in its other half.
  int64_t lanes = std::gcd(half, narrow ? 8 : 4), vectors = half / lanes, pieces = columns / head * vectors;
  spec.work = lowering.threaded() ? lowering.rows(type, 1, pieces) : lowering.rows(type, tile);
  spec.lanes = {Lanes::Use::alone, lanes, lanes, lanes, narrow, 5};
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), positions = b.buffer(1), table = b.buffer(2), target = b.buffer(3);
    struct Angle {
      Value cosine, sine;
    };
    auto angleOf = [&](Value row, Value column, int64_t lanes) -> Angle {
      Value angle = b.add(b.mul(b.loadi(positions, row), head), column);
      Value cosine = loadLanes(b, table, angle, lanes), sine = loadLanes(b, table, b.add(angle, half), lanes);
      return {cosine, inverse ? b.fneg(sine) : sine};
    };
    auto turn = [&](Value low, int64_t lanes, Angle by) {
      Value high = b.add(low, half);
      Value x = loadLanes(b, input, low, lanes), y = loadLanes(b, input, high, lanes);
      auto [first, second] = rotate(b, x, y, by.cosine, by.sine);
      storeLanes(b, first, target, low, lanes);
      storeLanes(b, second, target, high, lanes);
    };
    if (lowering.threaded()) {
      Value row = b.divide(b.begin(), b.c(pieces)), piece = b.rem(b.begin(), b.c(pieces));
      Value first = b.mul(b.divide(piece, b.c(vectors)), head), column = b.mul(b.rem(piece, b.c(vectors)), lanes);
      return turn(b.add(b.add(b.mul(row, columns), first), column), lanes, angleOf(row, column, lanes));
    }
    forRows(b, type, tile, [&](Value row) {
      Row(b, half).vectors([&](Value column, int64_t lanes) {
        Angle by = angleOf(row, column, lanes);
        Value at = b.add(b.mul(row, columns), column);
        b.loop(0, columns, head, [&](Value first) { turn(b.add(at, first), lanes, by); });
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
