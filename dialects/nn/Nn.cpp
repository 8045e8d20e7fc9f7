// Registration of the nn dialect, and the helpers on its types.

#include "dialects/nn/Nn.h"

#include "llvm/ADT/StringExtras.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mirl::nn;

#include "dialects/nn/NnDialect.cpp.inc"
#include "dialects/nn/NnEnums.cpp.inc"
#include "dialects/nn/NnInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NnAttributes.cpp.inc"

void NnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/nn/NnAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NnModelOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NnAdjointOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NnScalarOps.cpp.inc"
      >();
}

LogicalResult NumericsAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef order,
                                   int64_t width, Type accumulator) {
  static constexpr StringRef orders[] = {"chain", "k16", "k16_blocks", "tiles", "lanes", "blocks", "row_blocks"};
  if (!llvm::is_contained(orders, order))
    return emitError() << "order is one of " << llvm::join(ArrayRef<StringRef>(orders), ", ") << ", not '" << order << "'";
  if (width < 1)
    return emitError() << "width is at least 1, not " << width;
  if (order == "tiles" && width % 128)
    return emitError() << "the width of tiles, the keys of a segment, is a multiple of 128, not " << width;
  if (!accumulator.isF32() && !accumulator.isF64())
    return emitError() << "the accumulator is f32 or f64, not " << accumulator;
  return success();
}

namespace mirl::nn {

RankedTensorType rowsType(Axis axis, ArrayRef<int64_t> fixed, Type element, int64_t extra) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  shape.append(fixed.begin(), fixed.end());
  return RankedTensorType::get(shape, element, AxisAttr::get(element.getContext(), axis, extra));
}

std::optional<AxisAttr> axisOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() == 0 || !tensor.isDynamicDim(0))
    return std::nullopt;
  if (auto axis = dyn_cast_or_null<AxisAttr>(tensor.getEncoding()))
    return axis;
  return std::nullopt;
}

} // namespace mirl::nn
