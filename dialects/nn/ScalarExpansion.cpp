// How each elementwise op is computed on one element.

#include "dialects/nn/ScalarExpansion.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mirl::nn;

namespace {

Value constant(ImplicitLocOpBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}

// numerator / (1 + exp(−x)): sigmoid is that of 1, silu of x. `rounded`: to bf16 afterwards.
Value overOnePlusExpNeg(ImplicitLocOpBuilder &b, Value numerator, Value x, bool rounded) {
  using Flags = arith::FastMathFlags;
  Value one = constant(b, 1), power = math::ExpOp::create(b, arith::NegFOp::create(b, x), rounded ? Flags::afn : Flags::none);
  return arith::DivFOp::create(b, numerator, arith::AddFOp::create(b, one, power), rounded ? Flags::arcp : Flags::none);
}

Value expandUnary(ImplicitLocOpBuilder &b, UnaryKind kind, Value x, bool rounded) {
  switch (kind) {
  case UnaryKind::neg:
    return arith::NegFOp::create(b, x);
  case UnaryKind::exp:
    return math::ExpOp::create(b, x);
  case UnaryKind::log:
    return math::LogOp::create(b, x);
  case UnaryKind::sqrt:
    return math::SqrtOp::create(b, x);
  case UnaryKind::rsqrt:
    return arith::DivFOp::create(b, constant(b, 1), math::SqrtOp::create(b, x));
  case UnaryKind::abs:
    return math::AbsFOp::create(b, x);
  case UnaryKind::sigmoid:
    return overOnePlusExpNeg(b, constant(b, 1), x, rounded);
  case UnaryKind::silu:
    return overOnePlusExpNeg(b, x, x, rounded);
  case UnaryKind::tanh:
    return math::TanhOp::create(b, x);
  case UnaryKind::log_sigmoid: { // min(x, 0) − log1p(exp(−|x|)): no overflow, no cancellation
    Value low = arith::MinimumFOp::create(b, x, constant(b, 0));
    Value tail = math::ExpOp::create(b, arith::NegFOp::create(b, math::AbsFOp::create(b, x)));
    return arith::SubFOp::create(b, low, math::Log1pOp::create(b, tail));
  }
  case UnaryKind::square:
    return arith::MulFOp::create(b, x, x);
  }
  return {};
}

Value expandBinary(ImplicitLocOpBuilder &b, BinaryKind kind, Value x, Value y) {
  switch (kind) {
  case BinaryKind::add:
    return arith::AddFOp::create(b, x, y);
  case BinaryKind::sub:
    return arith::SubFOp::create(b, x, y);
  case BinaryKind::mul:
    return arith::MulFOp::create(b, x, y);
  case BinaryKind::div:
    return arith::DivFOp::create(b, x, y);
  case BinaryKind::min:
    return arith::MinimumFOp::create(b, x, y);
  case BinaryKind::max:
    return arith::MaximumFOp::create(b, x, y);
  }
  return {};
}

Value expandCompare(ImplicitLocOpBuilder &b, CompareKind kind, Value x, Value y) {
  auto predicate = [&] {
    switch (kind) {
    case CompareKind::eq:
      return arith::CmpFPredicate::OEQ;
    case CompareKind::ne:
      return arith::CmpFPredicate::UNE;
    case CompareKind::lt:
      return arith::CmpFPredicate::OLT;
    case CompareKind::le:
      return arith::CmpFPredicate::OLE;
    case CompareKind::gt:
      return arith::CmpFPredicate::OGT;
    case CompareKind::ge:
      return arith::CmpFPredicate::OGE;
    }
    return arith::CmpFPredicate::AlwaysFalse;
  }();
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, predicate, x, y), constant(b, 1), constant(b, 0));
}

} // namespace

Value mirl::nn::expandScalar(OpBuilder &builder, Operation *op, ValueRange x) {
  ImplicitLocOpBuilder b(op->getLoc(), builder);
  b.setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](UnaryOp unary) { return expandUnary(b, unary.getKind(), x[0], getElementTypeOrSelf(unary.getType()).isBF16()); })
      .Case([&](BinaryOp binary) { return expandBinary(b, binary.getKind(), x[0], x[1]); })
      .Case([&](CompareOp compare) { return expandCompare(b, compare.getKind(), x[0], x[1]); })
      .Case([&](SelectOp) -> Value {
        Value holds = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x[0], constant(b, 0));
        return arith::SelectOp::create(b, holds, x[1], x[2]);
      })
      .Case([&](SplatOp splat) -> Value { return arith::ConstantOp::create(b, splat.getValueAttr()); })
      .Case([&](StopGradientOp) -> Value { return x[0]; })
      .Case([&](CastOp) -> Value { return x[0]; })
      .Default([](Operation *) { return Value(); });
}
