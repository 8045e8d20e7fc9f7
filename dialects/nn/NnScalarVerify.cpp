// Verifiers and folders of NnScalarOps.td.

#include "dialects/nn/VerifyShapes.h"

using namespace mlir;
using namespace mirl::nn;

// Any rank, dynamic in its first dimension at most, which then names its axis.
static LogicalResult elementwise(Operation *op) {
  Named result{"result", op->getResult(0)};
  return ShapeCheck(op).rank(result, result.rank());
}

LogicalResult SplatOp::verify() { return elementwise(*this); }
LogicalResult UnaryOp::verify() { return elementwise(*this); }
LogicalResult BinaryOp::verify() { return elementwise(*this); }
LogicalResult CompareOp::verify() { return elementwise(*this); }
LogicalResult SelectOp::verify() { return elementwise(*this); }
LogicalResult StopGradientOp::verify() { return elementwise(*this); }

LogicalResult CastOp::verify() {
  Named x{"input", getInput()}, y{"result", getResult()};
  return ShapeCheck(*this).rank(y, y.rank()).sameShape(x, y);
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  // A bf16 that was an f32 in between is what it was.
  if (auto before = getInput().getDefiningOp<CastOp>())
    if (before.getInput().getType() == getResult().getType() &&
        cast<RankedTensorType>(getResult().getType()).getElementType().isBF16())
      return before.getInput();
  return {};
}

OpFoldResult SplatOp::fold(FoldAdaptor) { return getValueAttr(); }

// The number a value is filled with, when it is a splat.
static std::optional<double> splatOf(Value value) {
  if (auto splat = value.getDefiningOp<SplatOp>())
    return splat.getValue().convertToFloat();
  return std::nullopt;
}

OpFoldResult BinaryOp::fold(FoldAdaptor) {
  // x + 0, x − 0, x · 1 and x / 1 are x, to the bit (−0 + 0 aside, which no result here depends on).
  std::optional<double> right = splatOf(getRhs()), left = splatOf(getLhs());
  switch (getKind()) {
  case BinaryKind::add:
    if (right == 0.0)
      return getLhs();
    if (left == 0.0)
      return getRhs();
    break;
  case BinaryKind::sub:
    if (right == 0.0)
      return getLhs();
    break;
  case BinaryKind::mul:
    if (right == 1.0)
      return getLhs();
    if (left == 1.0)
      return getRhs();
    break;
  case BinaryKind::div:
    if (right == 1.0)
      return getLhs();
    break;
  default:
    break;
  }
  return {};
}

LogicalResult SpreadOp::verify() {
  Named result{"result", getResult()};
  return ShapeCheck(*this).scalar({"input", getInput()}).rank(result, result.rank());
}

LogicalResult SegmentSpreadOp::verify() {
  return ShapeCheck(*this)
      .rank({"input", getInput()}, 1)
      .offsetsOf({"offsets", getOffsets()}, {"input", getInput()})
      .rank({"result", getResult()}, 1);
}

LogicalResult SegmentReduceOp::verify() {
  return ShapeCheck(*this)
      .rank({"input", getInput()}, 1)
      .rank({"result", getResult()}, 1)
      .offsetsOf({"offsets", getOffsets()}, {"result", getResult()});
}

LogicalResult SegmentCountOp::verify() {
  return ShapeCheck(*this)
      .rank({"result", getResult()}, 1)
      .offsetsOf({"offsets", getOffsets()}, {"result", getResult()});
}

LogicalResult ReduceOp::verify() {
  ShapeCheck check(*this);
  check.rank({"input", getInput()}, 1).scalar({"result", getResult()});
  if (getInto())
    check.scalar({"into", getInto()}).that(getKind() == ReduceKind::sum, "only a sum goes on from `into`");
  return check;
}
int ReduceOp::getTiedOperand(unsigned) { return getInto() ? 1 : -1; }

LogicalResult ExtentOp::verify() {
  return ShapeCheck(*this)
      .scalar({"result", getResult()})
      .that(getAxis().getExtra() == 0, "counts an axis itself: no extra rows");
}

LogicalResult FusedOp::verify() {
  ShapeCheck check(*this);
  check.that(!getResults().empty(), "needs at least one result");
  if (failed(LogicalResult(check)))
    return failure();
  Named first{"result", getResults().front()};
  check.rank(first, first.rank());
  for (Value result : getResults())
    check.sameShape({"every result", result}, first);
  Block &body = getBody().front();
  check.that(body.getNumArguments() == getInputs().size(),
             "the body must have one argument per operand: " + Twine(getInputs().size()) + ", has " +
                 Twine(body.getNumArguments()));
  for (Value input : getInputs()) {
    Named named{"operand", input};
    check.that(named.rank() == 0 || named.type().getShape() == first.type().getShape(),
               "every operand must have the results' shape, or rank 0");
  }
  for (BlockArgument argument : body.getArguments())
    check.that(argument.getType().isF32(), "the body's arguments must be f32");
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  return check.that(yield && yield.getValues().size() == getResults().size(),
                    "the body must yield one value per result");
}
