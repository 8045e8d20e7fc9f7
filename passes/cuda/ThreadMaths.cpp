#include "passes/cuda/ThreadMaths.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {

Value ThreadMaths::within(Value x, double least, double most) {
  using Predicate = arith::CmpFPredicate;
  Value size = fabs(x);
  Value below = arith::CmpFOp::create(*this, Predicate::OLE, size, f(most));
  if (least == 0)
    return below;
  Value above = arith::CmpFOp::create(*this, Predicate::OGE, size, f(least));
  return arith::AndIOp::create(*this, above, below);
}

void ThreadMaths::need(Value condition) {
  *quick_ = arith::AndIOp::create(*this, *quick_, condition);
}

// a / b rounded to nearest: the quotient by an approximate reciprocal, corrected twice by its remainder. Nothing on the way
// overflows or loses bits.
Value ThreadMaths::quickDivision(Value a, Value b) {
  constexpr double least = 0x1p-60, most = 0x1p60;
  Value isZero = arith::CmpFOp::create(*this, arith::CmpFPredicate::OEQ, a, f(0));
  need(within(b, least, most));
  need(arith::OrIOp::create(*this, within(a, least, most), isZero));
  Value minus = fneg(b), inverse = NVVM::RcpApproxFtzF32Op::create(*this, getF32Type(), b);
  inverse = fma(inverse, fma(minus, inverse, f(1)), inverse);
  Value first = fmul(a, inverse), quotient = first;
  for (int64_t i = 0; i < 2; ++i)
    quotient = fma(inverse, fma(minus, quotient, a), quotient);
  // A zero has lost its sign.
  auto bits = [&](Value x) -> Value { return arith::BitcastOp::create(*this, getI32Type(), x); };
  Value sign = arith::AndIOp::create(*this, bits(first), intLike(bits(first), int64_t{1} << 31));
  return arith::BitcastOp::create(*this, getF32Type(),
                                  arith::OrIOp::create(*this, sign, bits(quotient)));
}

// The result is a normal number, so its power of two can be added to the exponent.
Value ThreadMaths::quickExp(Value x) {
  need(within(x, 0, 80));
  auto [mantissa, power] = reducedExp(x);
  Value shifted = arith::ShLIOp::create(*this, power, intLike(power, 23));
  Value bits = arith::BitcastOp::create(*this, getI32Type(), mantissa);
  return arith::BitcastOp::create(*this, getF32Type(), arith::AddIOp::create(*this, bits, shifted));
}

} // namespace mirl::passes::cuda
