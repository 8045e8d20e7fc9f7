// Registration of the rl dialect, and its folders.

#include "dialects/rl/Rl.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mirl::rl;

#include "dialects/rl/RlDialect.cpp.inc"
#include "dialects/rl/RlEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/rl/RlAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/rl/RlTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/rl/RlOps.cpp.inc"

void RlDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/rl/RlAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/rl/RlTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/rl/RlOps.cpp.inc"
      >();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

// The number a value is everywhere, when it is a constant or the spread of one.
static std::optional<double> constantOf(Value value) {
  while (auto spread = value.getDefiningOp<SpreadOp>())
    value = spread.getInput();
  if (auto constant = value.getDefiningOp<ConstantOp>())
    return constant.getValue().convertToDouble();
  return std::nullopt;
}

// x + 0, x − 0, x · 1 and x / 1.
OpFoldResult BinaryOp::fold(FoldAdaptor) {
  std::optional<double> left = constantOf(getLhs()), right = constantOf(getRhs());
  switch (getKind()) {
  case BinaryKind::add:
    return right == 0.0 ? getLhs() : left == 0.0 ? getRhs() : Value();
  case BinaryKind::sub:
    return right == 0.0 ? getLhs() : Value();
  case BinaryKind::mul:
    return right == 1.0 ? getLhs() : left == 1.0 ? getRhs() : Value();
  case BinaryKind::div:
    return right == 1.0 ? getLhs() : Value();
  default:
    return {};
  }
}
