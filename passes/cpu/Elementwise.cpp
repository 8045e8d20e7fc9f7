// Elementwise schedules: nn.fused, nn.splat, nn.stop_gradient, nn.adamw and nn.squared_norm.
//
// Elements are taken a vector at a time in memory order, whatever the shape; every element is computed by
// the same operations in a full and in a masked vector, so a tail has the same bits. A work item is
// Lowering::itemElements elements.

#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/SHA1.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

// The block of nn.squared_norm (part of its meaning, NnAdjointOps.td).
constexpr int64_t kNormBlock = 4096;

// How the elements of tensors of one shape are cut into items, in memory order.
struct Cut {
  RankedTensorType type;
  int64_t columns, item, operands;
  bool narrow;
  // `streams`: the tensors of that shape that are read or written.
  Cut(const Lowering &lowering, RankedTensorType type, ArrayRef<RankedTensorType> streams)
      : type(type), columns(type.hasStaticShape() ? type.getNumElements() : columnsOf(type)), operands(streams.size()),
        narrow(llvm::all_of(streams, [](RankedTensorType t) { return t.getElementType().isBF16(); })) {
    item = lowering.itemElements(operands, narrow);
  }
  void describe(Lowering &lowering, LaunchSpec &spec) const {
    if (type.hasStaticShape()) {
      spec.work = plan::WorkAttr::get(lowering.context(), std::nullopt, columns, item, 1);
    } else {
      // The fewest rows that are whole items.
      int64_t together = std::gcd(columns, item);
      spec.work = lowering.rows(type, item / together, std::max<int64_t>(1, columns / together));
    }
    spec.lanes = {Lanes::Use::elements, item, item, std::gcd(columns, item), narrow, operands / (narrow ? 2.0 : 1.0)};
  }
  // Calls body(first element, elements) for each full vector and for the masked rest.
  void elements(KernelBuilder &b, llvm::function_ref<void(Value index, Value countOrNull)> body) const {
    Value total = type.hasStaticShape() ? b.c(columns) : b.mul(rowsOf(b, type), columns);
    Value from = b.mul(b.begin(), item);
    if (b.lanes() == item) { // an item is a vector
      Value rest = b.sub(total, from);
      b.ifThen(b.lt(b.c(item - 1), rest), [&] { body(from, nullptr); });
      if (columns % item)
        b.ifThen(b.lt(rest, b.c(item)), [&] { body(from, rest); });
      return;
    }
    Value to = b.min(b.mul(b.end(), item), total);
    Value full = b.add(from, b.mul(b.divide(b.max(b.sub(to, from), b.c(0)), b.c(b.lanes())), b.lanes()));
    b.loop(from, full, b.lanes(), [&](Value i) { body(i, nullptr); });
    b.ifThen(b.lt(full, to), [&] { body(full, b.sub(to, full)); });
  }
};

Value loadLanes(KernelBuilder &b, Value pointer, Value index, Value count, double other = 0) {
  return count ? b.loadvMasked(pointer, index, count, other) : b.loadv(pointer, index);
}

void storeLanes(KernelBuilder &b, Value vector, Value pointer, Value index, Value count) {
  if (count)
    b.storevMasked(vector, pointer, index, count);
  else
    b.storev(vector, pointer, index);
}

double bytesPerRow(RankedTensorType type) {
  return type.getElementTypeBitWidth() / 8.0 * (type.hasStaticShape() ? type.getNumElements() : columnsOf(type));
}

// --- nn.fused ----------------------------------------------------------------------------------------

// Repeats one op of a scalar body on vectors. Transcendental functions are KernelBuilder's.
LogicalResult cloneOp(Operation *op, KernelBuilder &b, IRMapping &map) {
  auto operand = [&](unsigned i) { return map.lookup(op->getOperand(i)); };
  auto result = [&](Value value) {
    map.map(op->getResult(0), value);
    return success();
  };
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    Value scalar = b.clone(*constant.getOperation())->getResult(0);
    return result(b.splat(scalar));
  }
  // A value of bf16 between two ops lives as the f32 that it is.
  if (auto round = dyn_cast<arith::TruncFOp>(op))
    return result(b.roundTo(round.getType(), operand(0)));
  if (isa<arith::ExtFOp>(op))
    return result(operand(0));
  if (isa<math::ExpOp>(op))
    return result(b.exp(operand(0)));
  if (isa<math::LogOp>(op))
    return result(b.log(operand(0)));
  if (isa<math::Log1pOp>(op))
    return result(b.log1p(operand(0)));
  if (isa<math::TanhOp>(op))
    return result(b.tanh(operand(0)));
  if (isa<math::RsqrtOp>(op))
    return result(b.fdiv(b.vf(1.0), b.sqrt(operand(0))));
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op))
    return result(b.fmax(operand(0), operand(1)));
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(op))
    return result(b.fmin(operand(0), operand(1)));
  if (isa<math::MathDialect>(op->getDialect()) &&
      !isa<math::SqrtOp, math::AbsFOp, math::FmaOp, math::CopySignOp, math::FloorOp, math::CeilOp>(
          op))
    return op->emitOpError("has no implementation on the CPU inside nn.fused");
  if (op->getNumRegions() != 0 || !op->hasTrait<OpTrait::Elementwise>())
    return op->emitOpError("is not an elementwise op, which a body of nn.fused must consist of");
  OperationState state(b.getLoc(), op->getName());
  for (Value value : op->getOperands())
    state.addOperands(map.lookup(value));
  for (Type type : op->getResultTypes())
    state.addTypes(b.vectorOf(type));
  state.addAttributes(op->getAttrs());
  Operation *copy = b.create(state);
  for (auto [from, to] : llvm::zip(op->getResults(), copy->getResults()))
    map.map(from, to);
  return success();
}

} // namespace

std::string programName(nn::FusedOp fused) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Operation &op : fused.getBody().front())
    op.print(os, OpPrintingFlags().useLocalScope().printGenericOpForm());
  auto digest = llvm::SHA1::hash(llvm::arrayRefFromStringRef(text));
  return llvm::toHex(ArrayRef<uint8_t>(digest).take_front(6), /*LowerCase=*/true);
}

double programFlops(nn::FusedOp fused) {
  double flops = 0;
  for (Operation &op : fused.getBody().front().without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    bool transcendental = isa<math::ExpOp, math::LogOp, math::Log1pOp, math::TanhOp>(op);
    flops += transcendental ? 20 : isa<math::FmaOp>(op) ? 2 : 1;
  }
  return flops;
}

LogicalResult emitElementwise(nn::FusedOp fused, KernelBuilder &b, ArrayRef<Value> operands,
                              SmallVectorImpl<Value> &results) {
  IRMapping map;
  Block &body = fused.getBody().front();
  for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), operands))
    map.map(argument, operand);
  for (Operation &op : body.without_terminator())
    if (failed(cloneOp(&op, b, map)))
      return failure();
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(map.lookup(value));
  return success();
}

namespace {

LogicalResult lowerFused(Operation *op, Lowering &lowering) {
  auto fused = cast<nn::FusedOp>(op);
  if (fused.getNumResults() == 0)
    return success();
  auto type = cast<RankedTensorType>(fused.getResult(0).getType());
  LaunchSpec spec;
  // The results' rank-0 operands are scalars only beside results of another rank.
  std::string pattern;
  SmallVector<bool> scalar;
  double bytes = 0;
  SmallVector<RankedTensorType> streams;
  for (Value result : fused.getResults()) {
    streams.push_back(cast<RankedTensorType>(result.getType()));
    bytes += bytesPerRow(streams.back());
  }
  // An operand whose storage a result takes over (a variable computed into itself) is in writes.
  SmallVector<unsigned> position;
  SmallVector<Value> results;
  for (Value result : fused.getResults())
    results.push_back(lowering.slice(result));
  SmallVector<unsigned> fromWrites;
  for (Value input : fused.getInputs()) {
    auto inputType = cast<RankedTensorType>(input.getType());
    scalar.push_back(inputType.getRank() == 0 && type.getRank() != 0);
    Value slice = lowering.slice(input);
    auto it = llvm::find(results, slice);
    if (it != results.end()) {
      unsigned index = it - results.begin();
      if (!llvm::is_contained(spec.updates, index))
        spec.updates.push_back(index);
      position.push_back(~index);
      pattern += "w" + std::to_string(index);
    } else {
      position.push_back(spec.reads.size());
      spec.reads.push_back(slice);
      pattern += scalar.back() ? "s" : "v";
    }
    if (scalar.back())
      continue;
    bytes += bytesPerRow(inputType);
    streams.push_back(inputType);
  }
  Cut cut(lowering, type, streams);
  llvm::sort(spec.updates);
  spec.writes = results;
  spec.kernel = "fused_" + programName(fused) + "_" + pattern + "_" + axisName(type) + "_c" +
                std::to_string(columnsOf(type));
  cut.describe(lowering, spec);
  double elements = bytesPerRow(type) * 8 / type.getElementTypeBitWidth();
  spec.flops = plan::perRow(type, elements * programFlops(fused));
  spec.bytes = plan::perRow(type, bytes);
  unsigned reads = spec.reads.size();
  LogicalResult status = success();
  lowering.launch(spec, [&](KernelBuilder &b) {
    SmallVector<Value> pointers, values(position.size());
    for (unsigned p : position)
      pointers.push_back(b.buffer(static_cast<int>(p) < 0 ? reads + ~p : p));
    SmallVector<Value> targets;
    for (unsigned i = 0; i < results.size(); ++i)
      targets.push_back(b.buffer(reads + i));
    for (auto [i, isScalar] : llvm::enumerate(scalar))
      if (isScalar)
        values[i] = b.splat(b.loadf(pointers[i], b.c(0)));
    cut.elements(b, [&](Value index, Value count) {
      SmallVector<Value> operands;
      for (unsigned i = 0; i < position.size(); ++i)
        operands.push_back(scalar[i] ? values[i] : loadLanes(b, pointers[i], index, count));
      SmallVector<Value> computed = b.piecewise(operands, [&](ValueRange pieces) {
        SmallVector<Value> made;
        if (failed(emitElementwise(fused, b, SmallVector<Value>(pieces), made))) {
          status = failure();
          made.assign(results.size(), b.vf(0));
        }
        return made;
      });
      for (auto [value, target] : llvm::zip_equal(computed, targets))
        storeLanes(b, value, target, index, count);
    });
  });
  return status;
}

// --- nn.splat and nn.stop_gradient ---------------------------------------------------------------

LogicalResult lowerSplat(Operation *op, Lowering &lowering) {
  auto splat = cast<nn::SplatOp>(op);
  Value slice = lowering.slice(splat.getResult());
  APFloat number = splat.getValue();
  if (number.isPosZero()) {
    lowering.fill(slice);
    return success();
  }
  auto type = cast<RankedTensorType>(splat.getResult().getType());
  Cut cut(lowering, type, type);
  LaunchSpec spec;
  uint64_t bits = number.bitcastToAPInt().getZExtValue();
  spec.kernel = "splat_" + llvm::utohexstr(bits, /*LowerCase=*/true) + "_" + axisName(type) + "_c" +
                std::to_string(columnsOf(type));
  spec.writes = {slice};
  cut.describe(lowering, spec);
  spec.bytes = plan::perRow(type, bytesPerRow(type));
  double value = number.convertToFloat();
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value target = b.buffer(0);
    Value lanes = b.vf(value);
    cut.elements(b, [&](Value index, Value count) { storeLanes(b, lanes, target, index, count); });
  });
  return success();
}

LogicalResult lowerStopGradient(Operation *op, Lowering &lowering) {
  lowering.copy(lowering.slice(op->getOperand(0)), lowering.slice(op->getResult(0)));
  return success();
}

// --- nn.cast ----------------------------------------------------------------------------------------

LogicalResult lowerCast(Operation *op, Lowering &lowering) {
  emitCast(lowering, lowering.slice(op->getOperand(0)), lowering.slice(op->getResult(0)));
  return success();
}

// --- nn.adamw ---------------------------------------------------------------------------------------

// 1 − β^t, t ≥ 1 a whole number, as −expm1(u) with u = t · log β (log β is rounded once, from double,
// at compile time; the product once more). For |u| < 0.35 by the Taylor series of expm1, so that
// nothing cancels where β^t is near 1 (the plain 1 − exp(u) would lose 4 digits at β = 0.999, t = 1);
// beyond by 1 − exp(u). The relative error is below 4e-7 everywhere.
Value biasCorrection(KernelBuilder &b, Value step, double beta) {
  if (beta == 0)
    return b.f(1.0);
  Value u = b.fmul(step, b.f(std::log(beta)));
  Value series = b.f(1.0 / 5040);
  for (double k : {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1.0})
    series = b.fma(series, u, b.f(k));
  Value small = b.fneg(b.fmul(series, u));
  Value large = b.fsub(b.f(1.0), b.exp(u));
  Value isSmall =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, u, b.f(-0.35));
  return b.select(isSmall, small, large);
}

LogicalResult lowerAdamw(Operation *op, Lowering &lowering) {
  auto adamw = cast<nn::AdamwOp>(op);
  auto type = cast<RankedTensorType>(adamw.getWeight().getType());
  if (!type.hasStaticShape())
    return op->emitOpError("updates a weight, whose shape must be fixed; it is ") << type;
  // The copy in bf16, when there is one, is beside four of f32.
  Cut cut(lowering, type, {type, type, type, type});
  double beta1 = adamw.getBeta1().convertToFloat(), beta2 = adamw.getBeta2().convertToFloat();
  double eps = adamw.getEps().convertToFloat(), decay = adamw.getWeightDecay().convertToFloat();
  LaunchSpec spec;
  spec.kernel = "adamw";
  for (double value : {beta1, beta2, eps, decay})
    spec.kernel += "_" + llvm::utohexstr(llvm::bit_cast<uint32_t>(static_cast<float>(value)), true);
  spec.kernel += "_c" + std::to_string(type.getNumElements());
  spec.reads = {lowering.slice(adamw.getGradient()), lowering.slice(adamw.getLr()),
                lowering.slice(adamw.getStep()), lowering.slice(adamw.getScale())};
  spec.writes = {lowering.slice(adamw.getNewWeight()), lowering.slice(adamw.getNewMoment1()),
                 lowering.slice(adamw.getNewMoment2())};
  bool copies = static_cast<bool>(adamw.getCopy());
  if (copies) {
    spec.kernel += "_copy";
    spec.writes.push_back(lowering.slice(adamw.getCopy()));
  }
  spec.updates = {0, 1, 2};
  cut.describe(lowering, spec);
  double elements = type.getNumElements();
  spec.flops = plan::perRow(type, 15 * elements);
  spec.bytes = plan::perRow(type, (copies ? 30 : 28) * elements);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value gradient = b.buffer(0), weight = b.buffer(4), m = b.buffer(5), v = b.buffer(6);
    Value lr = b.loadf(b.buffer(1), b.c(0)), step = b.loadf(b.buffer(2), b.c(0));
    Value scale = b.splat(b.loadf(b.buffer(3), b.c(0)));
    Value correction1 = biasCorrection(b, step, beta1);
    Value correction2 = biasCorrection(b, step, beta2);
    Value keep = b.splat(b.fsub(b.f(1.0), b.fmul(lr, b.f(decay))));
    Value rate = b.splat(b.fdiv(lr, correction1));
    Value inverse2 = b.splat(b.fdiv(b.f(1.0), correction2));
    cut.elements(b, [&](Value i, Value count) {
      Value g = b.fmul(loadLanes(b, gradient, i, count), scale);
      Value m1 = b.fma(b.vf(1.0 - beta1), g, b.fmul(b.vf(beta1), loadLanes(b, m, i, count)));
      Value v1 = b.fma(b.fmul(b.vf(1.0 - beta2), g), g,
                       b.fmul(b.vf(beta2), loadLanes(b, v, i, count)));
      Value denominator = b.fadd(b.sqrt(b.fmul(v1, inverse2)), b.vf(eps));
      Value update = b.fdiv(b.fmul(rate, m1), denominator);
      Value w = b.fsub(b.fmul(loadLanes(b, weight, i, count), keep), update);
      storeLanes(b, m1, m, i, count);
      storeLanes(b, v1, v, i, count);
      storeLanes(b, w, weight, i, count);
      if (copies)
        storeLanes(b, w, b.buffer(7), i, count);
    });
  });
  return success();
}

// --- nn.squared_norm --------------------------------------------------------------------------------

LogicalResult lowerSquaredNorm(Operation *op, Lowering &lowering) {
  auto norm = cast<nn::SquaredNormOp>(op);
  auto type = cast<RankedTensorType>(norm.getInput().getType());
  if (!type.hasStaticShape())
    return op->emitOpError("sums a tensor of fixed shape; it is ") << type;
  int64_t elements = type.getNumElements();
  int64_t blocks = (elements + kNormBlock - 1) / kNormBlock;
  auto f32 = Float32Type::get(lowering.context());
  Value sums = lowering.scratch(RankedTensorType::get({blocks}, f32), "block_sums");
  LaunchSpec spec;
  spec.kernel = "squared_norm_c" + std::to_string(elements);
  spec.reads = {lowering.slice(norm.getInput())};
  spec.writes = {sums};
  spec.work = lowering.items(blocks);
  // A block has only its 16 lanes, so it must read far ahead.
  int64_t together = lowering.together(16);
  spec.lanes = {Lanes::Use::rows, kLanes, kLanes, std::gcd(elements, kLanes), /*narrow=*/false, 1.0 * together};
  spec.flops = plan::perRow(type, 2.0 * elements);
  spec.bytes = plan::perRow(type, 4.0 * elements);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), output = b.buffer(1);
    b.loop(b.begin(), b.end(), 1, [&](Value block) {
      Value from = b.mul(block, kNormBlock);
      Value count = b.min(b.sub(b.c(elements), from), b.c(kNormBlock));
      Value vectors = b.divide(count, b.c(kLanes)), full = b.mul(vectors, kLanes);
      Value sum = chainOf(
          b, b.c(0), vectors, together, b.vf(0),
          [&](Value i) -> SmallVector<Value> { return {b.loadv(input, b.add(from, b.mul(i, kLanes)))}; },
          [&](Value sum, ValueRange x) { return b.fma(x[0], x[0], sum); });
      // Lanes beyond the end add 0² to their sum, which changes no bit of it (it is never −0).
      Value x = b.loadvMasked(input, b.add(from, full), b.sub(count, full));
      b.store(b.sumLanes(b.fma(x, x, sum)), output, block);
    });
  });
  LaunchSpec merge;
  merge.kernel = "squared_norm_merge_b" + std::to_string(blocks);
  merge.reads = {sums, lowering.slice(norm.getInto())};
  merge.writes = {lowering.slice(norm.getResult())};
  bool inPlace = merge.reads[1] == merge.writes[0];
  if (inPlace) {
    merge.reads.pop_back();
    merge.updates = {0};
    merge.kernel += "_update";
  }
  merge.work = lowering.items(1);
  lowering.launch(merge, [&](KernelBuilder &b) {
    Value partial = b.buffer(0), into = b.buffer(1), output = b.buffer(inPlace ? 1 : 2);
    b.loop(b.begin(), b.end(), 1, [&](Value) {
      Value sum = chainOf(
          b, b.c(0), b.c(blocks), lowering.together(64), b.f(0),
          [&](Value i) -> SmallVector<Value> { return {b.loadf(partial, i)}; },
          [&](Value sum, ValueRange x) { return b.fadd(sum, x[0]); });
      b.store(b.fadd(b.loadf(into, b.c(0)), sum), output, b.c(0));
    });
  });
  return success();
}

} // namespace

void emitCast(Lowering &lowering, Value from, Value to) {
  auto source = cast<plan::SliceType>(from.getType()).getTensor(), type = cast<plan::SliceType>(to.getType()).getTensor();
  Cut cut(lowering, type, {source, type});
  LaunchSpec spec;
  spec.kernel = "cast_" + axisName(type) + "_c" + std::to_string(columnsOf(type));
  spec.reads = {from};
  spec.writes = {to};
  cut.describe(lowering, spec);
  spec.bytes = plan::perRow(type, bytesPerRow(source) + bytesPerRow(type));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), output = b.buffer(1);
    cut.elements(b, [&](Value index, Value count) {
      storeLanes(b, loadLanes(b, input, index, count), output, index, count);
    });
  });
}

Value chainSlice(Lowering &lowering, Value tensor, StringRef name) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getElementType().isF32())
    return lowering.slice(tensor);
  return lowering.scratch(type.clone(Float32Type::get(lowering.context())), name);
}

void registerElementwiseSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.fused"] = lowerFused;
  schedules["nn.splat"] = lowerSplat;
  schedules["nn.stop_gradient"] = lowerStopGradient;
  schedules["nn.cast"] = lowerCast;
  schedules["nn.adamw"] = lowerAdamw;
  schedules["nn.squared_norm"] = lowerSquaredNorm;
}

} // namespace mirl::passes::cpu
