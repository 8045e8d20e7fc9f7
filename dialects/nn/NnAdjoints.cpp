// The adjoints: for each differentiable op, the gradients of its operands from those of its results.

#include "dialects/nn/Nn.h"

using namespace mlir;
using namespace mirl::nn;

namespace {

// Builds elementwise ops on values of one type.
struct Maths {
  OpBuilder &b;
  Location loc;

  Value unary(UnaryKind kind, Value x) { return UnaryOp::create(b, loc, x.getType(), kind, x); }
  Value binary(BinaryKind kind, Value x, Value y) {
    return BinaryOp::create(b, loc, x.getType(), kind, x, y);
  }
  Value add(Value x, Value y) { return binary(BinaryKind::add, x, y); }
  Value sub(Value x, Value y) { return binary(BinaryKind::sub, x, y); }
  Value mul(Value x, Value y) { return binary(BinaryKind::mul, x, y); }
  Value div(Value x, Value y) { return binary(BinaryKind::div, x, y); }
  Value neg(Value x) { return unary(UnaryKind::neg, x); }
  Value compare(CompareKind kind, Value x, Value y) {
    return CompareOp::create(b, loc, x.getType(), kind, x, y);
  }
  Value splat(Type type, double value) {
    return SplatOp::create(b, loc, type, b.getF32FloatAttr(value));
  }
};

} // namespace

LogicalResult EmbeddingOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (adjoints.needed(getTable()))
    adjoints.accumulate(getTable(), [&](Value into) -> Value {
      return EmbeddingGradOp::create(b, getLoc(), into.getType(), gradients[0], getIds(), into);
    });
  return success();
}

LogicalResult LinearOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  Value g = gradients[0];
  if (adjoints.needed(getInput()))
    adjoints.add(getInput(), LinearDataGradOp::create(b, getLoc(), getInput().getType(), g, getWeight(),
                                                      NumericsAttr()));
  if (adjoints.needed(getWeight()))
    adjoints.accumulate(getWeight(), [&](Value into) -> Value {
      return LinearWeightGradOp::create(b, getLoc(), into.getType(), g, getInput(), into, NumericsAttr());
    });
  if (getBias() && adjoints.needed(getBias()))
    adjoints.accumulate(getBias(), [&](Value into) -> Value {
      return ColumnSumOp::create(b, getLoc(), into.getType(), g, into, NumericsAttr());
    });
  if (getResidual() && adjoints.needed(getResidual()))
    adjoints.add(getResidual(), g);
  return success();
}

LogicalResult RmsNormOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (gradients[1])
    return emitOpError("has no derivative of rstd");
  Value g = gradients[0];
  if (adjoints.needed(getInput()))
    adjoints.add(getInput(), RmsNormDataGradOp::create(b, getLoc(), getInput().getType(), g, getInput(),
                                                       getWeight(), getRstd(), Value(), NumericsAttr()));
  if (adjoints.needed(getWeight()))
    adjoints.accumulate(getWeight(), [&](Value into) -> Value {
      return RmsNormWeightGradOp::create(b, getLoc(), into.getType(), g, getInput(), getRstd(), into, NumericsAttr());
    });
  return success();
}

LogicalResult RotaryOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (adjoints.needed(getTable()))
    return emitOpError("has no derivative with respect to its table");
  // The rotation is orthogonal: its adjoint is its inverse.
  if (adjoints.needed(getInput()))
    adjoints.add(getInput(), RotaryOp::create(b, getLoc(), getInput().getType(), gradients[0], getPositions(),
                                              getTable(), getHeadDim(), !getInverse()));
  return success();
}

LogicalResult AttentionOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (gradients[1])
    return emitOpError("has no derivative of lse");
  auto grad = AttentionGradOp::create(b, getLoc(), getQuery().getType(), getKey().getType(), getValue().getType(),
                                      gradients[0], getQuery(), getKey(), getValue(), getResult(), getLse(),
                                      getOffsets(), getHeads(), getKvHeads(), getScale(), NumericsAttr());
  for (auto [operand, gradient] : {std::pair<Value, Value>(getQuery(), grad.getQueryGradient()),
                                   std::pair<Value, Value>(getKey(), grad.getKeyGradient()),
                                   std::pair<Value, Value>(getValue(), grad.getValueGradient())})
    if (adjoints.needed(operand))
      adjoints.add(operand, gradient);
  return success();
}

LogicalResult GatherRowsOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (adjoints.needed(getInput()))
    adjoints.add(getInput(), ScatterRowsOp::create(b, getLoc(), getInput().getType(), gradients[0], getRows()));
  return success();
}

LogicalResult LinearLogprobOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (gradients[1])
    return emitOpError("has no derivative of lse");
  Value entropyGradient = getEntropy() ? gradients[2] : Value();
  Maths maths{b, getLoc()};
  Value logprobGradient = gradients[0] ? gradients[0] : maths.splat(getLogprob().getType(), 0);
  if (!adjoints.needed(getHidden()) && !adjoints.needed(getWeight()))
    return success();
  // One op computes both gradients; when the weight's is not wanted it is added into zeros and dropped.
  auto build = [&](Value into) {
    return LinearLogprobGradOp::create(b, getLoc(), getHidden().getType(), into.getType(), logprobGradient,
                                       getHidden(), getWeight(), getTargets(), getLse(), into, entropyGradient,
                                       entropyGradient ? getEntropy() : Value(), Value(), Value(), getTemperatureAttr(),
                                       NumericsAttr());
  };
  LinearLogprobGradOp grad;
  if (adjoints.needed(getWeight()))
    adjoints.accumulate(getWeight(), [&](Value into) -> Value {
      grad = build(into);
      return grad.getWeightGradient();
    });
  else
    grad = build(maths.splat(cast<RankedTensorType>(getWeight().getType()).clone(b.getF32Type()), 0));
  if (adjoints.needed(getHidden()))
    adjoints.add(getHidden(), grad.getHiddenGradient());
  return success();
}

LogicalResult CastOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  adjoints.add(getInput(), gradients[0]);
  return success();
}

LogicalResult SplatOp::buildAdjoint(OpBuilder &, ArrayRef<Value>, Adjoints &) { return success(); }
LogicalResult CompareOp::buildAdjoint(OpBuilder &, ArrayRef<Value>, Adjoints &) { return success(); }
LogicalResult StopGradientOp::buildAdjoint(OpBuilder &, ArrayRef<Value>, Adjoints &) { return success(); }
LogicalResult SegmentCountOp::buildAdjoint(OpBuilder &, ArrayRef<Value>, Adjoints &) { return success(); }
LogicalResult ExtentOp::buildAdjoint(OpBuilder &, ArrayRef<Value>, Adjoints &) { return success(); }

LogicalResult UnaryOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (!adjoints.needed(getInput()))
    return success();
  Maths m{b, getLoc()};
  Type type = getInput().getType();
  Value x = getInput(), y = getResult(), g = gradients[0];
  auto one = [&] { return m.splat(type, 1); };
  auto sigmoid = [&] { return m.unary(UnaryKind::sigmoid, x); };
  Value factor;
  switch (getKind()) {
  case UnaryKind::neg:
    adjoints.add(x, m.neg(g));
    return success();
  case UnaryKind::exp:
    factor = y;
    break;
  case UnaryKind::log:
    adjoints.add(x, m.div(g, x));
    return success();
  case UnaryKind::sqrt: // 1 / (2·sqrt x)
    factor = m.div(m.splat(type, 0.5), y);
    break;
  case UnaryKind::rsqrt: // −½ · x^(−3/2)
    factor = m.mul(m.splat(type, -0.5), m.mul(y, m.mul(y, y)));
    break;
  case UnaryKind::abs: {
    Value zero = m.splat(type, 0);
    factor = m.sub(m.compare(CompareKind::gt, x, zero), m.compare(CompareKind::lt, x, zero));
    break;
  }
  case UnaryKind::sigmoid:
    factor = m.mul(y, m.sub(one(), y));
    break;
  case UnaryKind::silu: { // s · (1 + x · (1 − s))
    Value s = sigmoid();
    factor = m.mul(s, m.add(one(), m.mul(x, m.sub(one(), s))));
    break;
  }
  case UnaryKind::tanh:
    factor = m.sub(one(), m.mul(y, y));
    break;
  case UnaryKind::log_sigmoid: // 1 − sigmoid x = sigmoid(−x)
    factor = m.unary(UnaryKind::sigmoid, m.neg(x));
    break;
  case UnaryKind::square:
    factor = m.add(x, x);
    break;
  }
  adjoints.add(x, m.mul(g, factor));
  return success();
}

LogicalResult BinaryOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  Maths m{b, getLoc()};
  Value x = getLhs(), y = getRhs(), g = gradients[0];
  bool left = adjoints.needed(x), right = adjoints.needed(y);
  switch (getKind()) {
  case BinaryKind::add:
    if (left)
      adjoints.add(x, g);
    if (right)
      adjoints.add(y, g);
    break;
  case BinaryKind::sub:
    if (left)
      adjoints.add(x, g);
    if (right)
      adjoints.add(y, m.neg(g));
    break;
  case BinaryKind::mul:
    if (left)
      adjoints.add(x, m.mul(g, y));
    if (right)
      adjoints.add(y, m.mul(g, x));
    break;
  case BinaryKind::div:
    if (left)
      adjoints.add(x, m.div(g, y));
    if (right) // −g · (x / y) / y
      adjoints.add(y, m.neg(m.div(m.mul(g, getResult()), y)));
    break;
  case BinaryKind::min:
  case BinaryKind::max: {
    auto kind = getKind() == BinaryKind::min ? CompareKind::le : CompareKind::ge;
    Value chosen = m.compare(kind, x, y);
    if (left)
      adjoints.add(x, m.mul(g, chosen));
    if (right)
      adjoints.add(y, m.mul(g, m.sub(m.splat(x.getType(), 1), chosen)));
    break;
  }
  }
  return success();
}

LogicalResult SelectOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  Maths m{b, getLoc()};
  Value zero = m.splat(getResult().getType(), 0), g = gradients[0];
  if (adjoints.needed(getOnTrue()))
    adjoints.add(getOnTrue(), SelectOp::create(b, getLoc(), g.getType(), getCondition(), g, zero));
  if (adjoints.needed(getOnFalse()))
    adjoints.add(getOnFalse(), SelectOp::create(b, getLoc(), g.getType(), getCondition(), zero, g));
  return success();
}

LogicalResult SpreadOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (!adjoints.needed(getInput()))
    return success();
  if (cast<RankedTensorType>(getResult().getType()).getRank() != 1)
    return emitOpError("has a derivative only where its result has rank 1");
  adjoints.add(getInput(), ReduceOp::create(b, getLoc(), getInput().getType(), ReduceKind::sum, gradients[0], Value(),
                                            NumericsAttr()));
  return success();
}

LogicalResult SegmentSpreadOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (adjoints.needed(getInput()))
    adjoints.add(getInput(), SegmentReduceOp::create(b, getLoc(), getInput().getType(), ReduceKind::sum, gradients[0],
                                                     getOffsets(), NumericsAttr()));
  return success();
}

LogicalResult SegmentReduceOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  if (!adjoints.needed(getInput()))
    return success();
  Maths m{b, getLoc()};
  Type fine = getInput().getType();
  Value g = SegmentSpreadOp::create(b, getLoc(), fine, gradients[0], getOffsets());
  if (getKind() != ReduceKind::sum) {
    Value extreme = SegmentSpreadOp::create(b, getLoc(), fine, getResult(), getOffsets());
    g = m.mul(g, m.compare(CompareKind::eq, getInput(), extreme));
  }
  adjoints.add(getInput(), g);
  return success();
}

LogicalResult ReduceOp::buildAdjoint(OpBuilder &b, ArrayRef<Value> gradients, Adjoints &adjoints) {
  Maths m{b, getLoc()};
  if (getInto() && adjoints.needed(getInto()))
    adjoints.add(getInto(), gradients[0]);
  if (!adjoints.needed(getInput()))
    return success();
  Type fine = getInput().getType();
  Value g = SpreadOp::create(b, getLoc(), fine, gradients[0]);
  if (getKind() != ReduceKind::sum) {
    Value extreme = SpreadOp::create(b, getLoc(), fine, getResult());
    g = m.mul(g, m.compare(CompareKind::eq, getInput(), extreme));
  }
  adjoints.add(getInput(), g);
  return success();
}
