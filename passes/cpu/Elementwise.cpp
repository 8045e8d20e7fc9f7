// Elementwise schedules: nn.fused, nn.splat, nn.stop_gradient and nn.cast.
//
// Elements are taken a vector at a time in memory order, whatever the shape; every element is computed by
// the same operations in a full and in a masked vector, so a tail has the same bits. A work item is
// Lowering::itemElements elements.

#include "passes/cpu/Cut.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA1.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

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
  auto allows = [](auto op, arith::FastMathFlags flag) { return bitEnumContainsAll(op.getFastmath(), flag); };
  if (auto exp = dyn_cast<math::ExpOp>(op))
    return result(allows(exp, arith::FastMathFlags::afn) ? b.nearExp(operand(0)) : b.exp(operand(0)));
  if (isa<math::LogOp>(op))
    return result(b.log(operand(0)));
  if (isa<math::Log1pOp>(op))
    return result(b.log1p(operand(0)));
  if (isa<math::TanhOp>(op))
    return result(b.tanh(operand(0)));
  if (auto quotient = dyn_cast<arith::DivFOp>(op))
    return result(allows(quotient, arith::FastMathFlags::arcp) ? b.nearQuotient(operand(0), operand(1)) : b.fdiv(operand(0), operand(1)));
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
  spec.pointwise = true;
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
}

} // namespace mirl::passes::cpu
