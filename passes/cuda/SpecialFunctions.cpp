#include "passes/cuda/SpecialFunctions.h"

#include "passes/cuda/InlinePtx.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;

namespace mirl::passes::cuda {

static Value instruction(ImplicitLocOpBuilder &b, StringRef name, Value x) {
  return inlinePtx(b, b.getF32Type(), x, (name + ".approx.ftz.f32 $0, $1;").str(), "=f,f");
}

Value exp2(ImplicitLocOpBuilder &b, Value x) { return instruction(b, "ex2", x); }
Value log2(ImplicitLocOpBuilder &b, Value x) { return instruction(b, "lg2", x); }
Value specialReciprocal(ImplicitLocOpBuilder &b, Value x) { return instruction(b, "rcp", x); }

Value specialExp(ImplicitLocOpBuilder &b, Value x) {
  Value factor = arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(M_LOG2E)));
  return exp2(b, arith::MulFOp::create(b, x, factor));
}

} // namespace mirl::passes::cuda
