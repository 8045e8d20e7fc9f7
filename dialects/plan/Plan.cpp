// Registration of the plan dialect, and the spelling of its attributes.

#include "dialects/plan/Plan.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mirl;
using namespace mirl::plan;

#include "dialects/plan/PlanDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plan/PlanAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.cpp.inc"

void PlanDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/plan/PlanAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/plan/PlanTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

// --- #plan.work<context, size = 0, tile = 14, factor = 3> ------------------------------------

// Parses `name = <integer>` after a comma, or leaves the default.
static ParseResult parseField(AsmParser &parser, StringRef name, int64_t &value, bool first) {
  if (!first && failed(parser.parseOptionalComma()))
    return success();
  return failure(parser.parseKeyword(name) || parser.parseEqual() || parser.parseInteger(value));
}

Attribute WorkAttr::parse(AsmParser &parser, Type) {
  std::optional<nn::Axis> axis;
  int64_t size = 0, tile = 1, factor = 1;
  if (parser.parseLess())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (succeeded(parser.parseOptionalKeyword(&keyword, {"context", "token", "sequence", "group"}))) {
    axis = nn::symbolizeAxis(keyword);
    if (parser.parseComma())
      return {};
  }
  if (parseField(parser, "size", size, true) || parseField(parser, "tile", tile, false) ||
      parseField(parser, "factor", factor, false) || parser.parseGreater())
    return {};
  return parser.getChecked<WorkAttr>(loc, parser.getContext(), axis ? static_cast<int64_t>(*axis) : 0, size, tile,
                                     factor);
}

void WorkAttr::print(AsmPrinter &printer) const {
  printer << "<";
  if (getAxis())
    printer << nn::stringifyAxis(*getAxis()) << ", ";
  printer << "size = " << getSize() << ", tile = " << getTile() << ", factor = " << getFactor()
          << ">";
}

LogicalResult WorkAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t axis, int64_t size, int64_t tile, int64_t factor) {
  if (tile < 1)
    return emitError() << "a work item covers at least 1 row, so tile is at least 1, not " << tile;
  if (factor < 1)
    return emitError() << "factor is at least 1, not " << factor;
  if (!axis && size < 0)
    return emitError() << "a constant amount of work is not negative, but size = " << size;
  return success();
}

LogicalResult TensorMapAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t argument, DenseI64ArrayAttr axes,
                                    DenseI64ArrayAttr sizes, DenseI64ArrayAttr strides, DenseI64ArrayAttr box, int64_t swizzle) {
  int64_t rank = axes.size();
  if (argument < 0)
    return emitError() << "argument is not negative, but " << argument;
  if (rank < 2 || rank > 5 || sizes.size() != rank || strides.size() != rank - 1 || box.size() != rank)
    return emitError() << "a tensor map has 2 to 5 dimensions, with as many axes, sizes and box extents, and a stride fewer; "
                          "it has " << rank << ", " << sizes.size() << ", " << box.size() << " and " << strides.size();
  for (int64_t axis : axes.asArrayRef())
    if (axis < 0 || axis > 4)
      return emitError() << "an axis is 0 (none) to 4, not " << axis;
  for (int64_t extent : box.asArrayRef())
    if (extent < 1 || extent > 256)
      return emitError() << "a box has 1 to 256 elements in each dimension, not " << extent;
  for (int64_t stride : strides.asArrayRef())
    if (stride < 16 || stride % 16)
      return emitError() << "a stride is a positive multiple of 16 bytes, not " << stride;
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "swizzle is 0, 32, 64 or 128, not " << swizzle;
  return success();
}

LogicalResult ProductAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t left, int64_t right, int64_t result,
                                  int64_t bias, int64_t residual, DenseI64ArrayAttr axes, DenseI64ArrayAttr sizes, bool, bool,
                                  bool accumulate) {
  if (left < 0 || right < 0 || result < 0 || bias < -1 || residual < -1)
    return emitError() << "left, right and result are arguments, bias and residual are, or -1";
  if (axes.size() != 3 || sizes.size() != 3)
    return emitError() << "a product has the axes and sizes of three extents, not of " << axes.size() << " and " << sizes.size();
  if (llvm::count_if(axes.asArrayRef(), [](int64_t axis) { return axis != 0; }) > 1 || axes[1] != 0)
    return emitError() << "the rows of the result or the terms of a sum may have an axis, not both and not the columns";
  for (auto [axis, size] : llvm::zip_equal(axes.asArrayRef(), sizes.asArrayRef()))
    if (axis < 0 || axis > 4 || (axis == 0 && size < 1))
      return emitError() << "an axis is 0 (none) to 4, a size without one at least 1, not " << axis << " and " << size;
  if (accumulate && (bias >= 0 || residual >= 0))
    return emitError() << "a product that accumulates has no bias and no residual";
  return success();
}

// --- #plan.affine<12.0 + 3.0 context + …> --------------------------------------------------------

Attribute AffineAttr::parse(AsmParser &parser, Type) {
  double values[5] = {};
  if (parser.parseLess())
    return {};
  for (int i = 0; i < 5; ++i)
    if ((i && parser.parseComma()) || parser.parseFloat(values[i]))
      return {};
  if (parser.parseGreater())
    return {};
  return AffineAttr::get(parser.getContext(), values[0], values[1], values[2], values[3],
                         values[4]);
}

void AffineAttr::print(AsmPrinter &printer) const {
  printer << "<";
  double values[] = {getConstant(), getPerContext(), getPerToken(), getPerSequence(), getPerGroup()};
  llvm::interleaveComma(values, printer.getStream(), [&](double value) {
    printer << FloatAttr::get(Float64Type::get(getContext()), value).getValue();
  });
  printer << ">";
}

// --- the body of plan.host ---------------------------------------------------------------------------

// Nothing, or a block in braces. One without instructions is a body too, where MLIR would read `{}` as
// no region.
static ParseResult parseBody(OpAsmParser &parser, Region &body) {
  OptionalParseResult parsed = parser.parseOptionalRegion(body);
  if (!parsed.has_value())
    return success();
  if (failed(*parsed))
    return failure();
  if (body.empty())
    body.emplaceBlock();
  return success();
}

static void printBody(OpAsmPrinter &printer, HostOp, Region &body) {
  if (!body.empty())
    printer.printRegion(body, /*printEntryBlockArgs=*/false);
}

namespace mirl::plan {

std::optional<int64_t> bytesAtCapacity(RankedTensorType type, DictionaryAttr capacities) {
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (auto [index, size] : llvm::enumerate(type.getShape())) {
    if (!ShapedType::isDynamic(size)) {
      bytes *= size;
      continue;
    }
    auto axis = nn::axisOf(type);
    auto capacity = axis && capacities
                        ? capacities.getAs<IntegerAttr>(nn::stringifyAxis(axis->getAxis()))
                        : IntegerAttr();
    if (!capacity)
      return std::nullopt;
    bytes *= capacity.getInt() + axis->getExtra();
  }
  return bytes;
}

AffineAttr perRow(RankedTensorType type, double value) {
  double values[5] = {};
  auto axis = nn::axisOf(type);
  values[axis ? static_cast<int>(axis->getAxis()) : 0] = value;
  return AffineAttr::get(type.getContext(), values[0], values[1], values[2], values[3], values[4]);
}

AffineAttr add(AffineAttr a, AffineAttr b) {
  return AffineAttr::get(a.getContext(), a.getConstant() + b.getConstant(),
                         a.getPerContext() + b.getPerContext(), a.getPerToken() + b.getPerToken(),
                         a.getPerSequence() + b.getPerSequence(), a.getPerGroup() + b.getPerGroup());
}

} // namespace mirl::plan

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"
