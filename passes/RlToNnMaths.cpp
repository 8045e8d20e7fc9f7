// rl-to-nn: scoped values become tensors over the axis of their scope.
//
// A spread from group to token goes by way of the sequences, and so does a reduction; a mean is a
// sum over max(count, 1), so a sequence without tokens has mean 0; so are its maximum and minimum.

#include "passes/RlToNn.h"

using namespace mlir;

namespace mirl::passes::lowering {

static nn::Axis axisOf(rl::Scope scope) {
  return scope == rl::Scope::token      ? nn::Axis::token
         : scope == rl::Scope::sequence ? nn::Axis::sequence
                                        : nn::Axis::group;
}

FailureOr<Value> Maths::lower(Value value) {
  if (Value known = done_.lookup(value))
    return known;
  FailureOr<Value> tensor = leaf_(value);
  if (succeeded(tensor) && !*tensor) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return emitError(value.getLoc()) << "a value from outside of this entry is used in it";
    tensor = compute(op);
  }
  if (failed(tensor))
    return failure();
  done_[value] = *tensor;
  return tensor;
}

// The offsets that say where each `coarse` begins in the next finer scope.
Value Maths::offsets(Location loc, rl::Scope coarse) {
  return entry_.stream(coarse == rl::Scope::sequence ? "token_offsets" : "group_offsets", loc);
}

Value Maths::spread(Location loc, Value tensor, rl::Scope from, rl::Scope to) {
  OpBuilder &b = entry_.builder();
  if (from == rl::Scope::batch)
    return nn::SpreadOp::create(b, loc, tensorOf(b.getContext(), to), tensor);
  if (from == rl::Scope::group) {
    tensor = nn::SegmentSpreadOp::create(b, loc, tensorOf(b.getContext(), rl::Scope::sequence),
                                         tensor, offsets(loc, from));
    if (to == rl::Scope::sequence)
      return tensor;
  }
  return nn::SegmentSpreadOp::create(b, loc, tensorOf(b.getContext(), rl::Scope::token), tensor,
                                     offsets(loc, rl::Scope::sequence));
}

// How many of the finer scope there are in each of the coarser.
Value Maths::count(Location loc, rl::Scope from, rl::Scope to) {
  OpBuilder &b = entry_.builder();
  RankedTensorType type = tensorOf(b.getContext(), to);
  if (to == rl::Scope::batch)
    return nn::ExtentOp::create(b, loc, type, nn::AxisAttr::get(b.getContext(), axisOf(from), 0));
  if (from == rl::Scope::token && to == rl::Scope::group)
    return nn::SegmentReduceOp::create(b, loc, type, nn::ReduceKind::sum,
                                       count(loc, from, rl::Scope::sequence), offsets(loc, to),
                                       nn::NumericsAttr());
  return nn::SegmentCountOp::create(b, loc, type, offsets(loc, to));
}

Value Maths::reduce(Location loc, rl::ReduceKind kind, Value tensor, rl::Scope from, rl::Scope to) {
  OpBuilder &b = entry_.builder();
  RankedTensorType type = tensorOf(b.getContext(), to);
  if (kind == rl::ReduceKind::count)
    return count(loc, from, to);
  if (kind == rl::ReduceKind::mean) {
    Value sum = reduce(loc, rl::ReduceKind::sum, tensor, from, to);
    Value one = nn::SplatOp::create(b, loc, type, b.getF32FloatAttr(1.0f));
    Value least = nn::BinaryOp::create(b, loc, type, nn::BinaryKind::max, count(loc, from, to), one);
    return nn::BinaryOp::create(b, loc, type, nn::BinaryKind::div, sum, least);
  }
  nn::ReduceKind lowered = *nn::symbolizeReduceKind(rl::stringifyReduceKind(kind));
  auto segments = [&](Value fine, rl::Scope coarse) -> Value {
    return nn::SegmentReduceOp::create(b, loc, tensorOf(b.getContext(), coarse), lowered, fine,
                                       offsets(loc, coarse), nn::NumericsAttr());
  };
  Value result;
  if (to == rl::Scope::batch)
    result = nn::ReduceOp::create(b, loc, type, lowered, tensor, Value(), nn::NumericsAttr());
  else if (from == rl::Scope::token && to == rl::Scope::group)
    result = segments(segments(tensor, rl::Scope::sequence), to);
  else
    result = segments(tensor, to);
  if (kind == rl::ReduceKind::sum)
    return result;
  // The ops' own maximum of nothing is −∞.
  Value zero = nn::SplatOp::create(b, loc, type, b.getF32FloatAttr(0.0f));
  return nn::SelectOp::create(b, loc, type, count(loc, from, to), result, zero);
}

FailureOr<Value> Maths::compute(Operation *op) {
  Location loc = op->getLoc();
  auto port = [&](const Twine &source, Value value) -> FailureOr<Value> {
    return entry_.port(source.str(), tensorOf(entry_.context(), scopeOf(value)), loc);
  };
  // What comes from outside, whatever the entry.
  if (auto field = dyn_cast<rl::FieldOp>(op))
    return port("field:" + field.getName(), field.getResult());
  if (auto read = dyn_cast<rl::ReadParamOp>(op))
    return port("param:" + read.getParam(), read.getResult());
  if (auto clock = dyn_cast<rl::ClockOp>(op))
    return port(clock.getWhich(), clock.getResult());
  if (op->getNumResults() != 1 || !isa<rl::PerType>(op->getResult(0).getType()))
    return op->emitOpError("cannot be computed in an entry");

  SmallVector<Value> operands;
  bool countOnly = isa<rl::ReduceOp>(op) && cast<rl::ReduceOp>(op).getKind() == rl::ReduceKind::count;
  if (!countOnly) {
    for (Value operand : op->getOperands()) {
      FailureOr<Value> tensor = lower(operand);
      if (failed(tensor))
        return failure();
      operands.push_back(*tensor);
    }
  }
  OpBuilder &b = entry_.builder();
  RankedTensorType type = tensorOf(b.getContext(), scopeOf(op->getResult(0)));
  if (auto constant = dyn_cast<rl::ConstantOp>(op))
    return Value(nn::SplatOp::create(
        b, loc, type, b.getF32FloatAttr(static_cast<float>(constant.getValue().convertToDouble()))));
  if (auto unary = dyn_cast<rl::UnaryOp>(op))
    return Value(nn::UnaryOp::create(b, loc, type,
                                     *nn::symbolizeUnaryKind(stringifyUnaryKind(unary.getKind())),
                                     operands[0]));
  if (auto binary = dyn_cast<rl::BinaryOp>(op))
    return Value(
        nn::BinaryOp::create(b, loc, type,
                             *nn::symbolizeBinaryKind(stringifyBinaryKind(binary.getKind())),
                             operands[0], operands[1]));
  if (auto compare = dyn_cast<rl::CompareOp>(op))
    return Value(
        nn::CompareOp::create(b, loc, type,
                              *nn::symbolizeCompareKind(stringifyCompareKind(compare.getKind())),
                              operands[0], operands[1]));
  if (isa<rl::SelectOp>(op))
    return Value(nn::SelectOp::create(b, loc, type, operands[0], operands[1], operands[2]));
  if (isa<rl::StopGradientOp>(op))
    return gradients_ ? Value(nn::StopGradientOp::create(b, loc, type, operands[0])) : operands[0];
  if (auto op1 = dyn_cast<rl::SpreadOp>(op))
    return spread(loc, operands[0], scopeOf(op1.getInput()), scopeOf(op1.getResult()));
  if (auto op1 = dyn_cast<rl::ReduceOp>(op))
    return reduce(loc, op1.getKind(), countOnly ? Value() : operands[0], scopeOf(op1.getInput()),
                  scopeOf(op1.getResult()));
  return op->emitOpError("cannot be computed in this entry");
}

} // namespace mirl::passes::lowering
