// The launches of nn.attention_grad on the tensor cores (AttentionGradKernel.h).

#include "passes/cuda/AttentionGradKernel.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// `rows` rows × 64 columns of a tensor at a time.
Attribute tileMap(MLIRContext *context, int64_t argument, RankedTensorType type, int64_t rows) {
  std::optional<nn::AxisAttr> axis = nn::axisOf(type);
  int64_t number = axis ? static_cast<int64_t>(axis->getAxis()) : 0,
          size = axis ? axis->getExtra() : type.getDimSize(0);
  auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
  return plan::TensorMapAttr::get(
      context, argument, array({0, number}), array({type.getDimSize(1), size}),
      array({2 * type.getDimSize(1)}), array({kTileRow, rows}), kTileRowBytes);
}

// A tensor with the rows of `type`, and `extra` more.
RankedTensorType withRows(RankedTensorType type, int64_t extra, int64_t columns, Type element) {
  std::optional<nn::AxisAttr> axis = nn::axisOf(type);
  Attribute encoding =
      axis ? nn::AxisAttr::get(type.getContext(), axis->getAxis(), axis->getExtra() + extra)
           : Attribute();
  return RankedTensorType::get({axis ? ShapedType::kDynamic : type.getDimSize(0) + extra, columns},
                               element, encoding);
}

} // namespace

LogicalResult lowerAttentionGrad(Operation *op, Lowering &lowering) {
  auto attention = cast<nn::AttentionGradOp>(op);
  MLIRContext *context = op->getContext();
  RankedTensorType query = typeOf(attention.getQuery()), key = typeOf(attention.getKey());
  AttentionGrad grad{static_cast<int64_t>(attention.getHeads()),
                     static_cast<int64_t>(attention.getKvHeads()),
                     query.getDimSize(1) / static_cast<int64_t>(attention.getHeads()),
                     attention.getScale().convertToFloat(),
                     query,
                     typeOf(attention.getOffsets())};
  std::string name = cpu::axisName(query) + "_" + cpu::axisName(grad.offsets) + "_h" +
                     std::to_string(grad.heads) + "_kv" + std::to_string(grad.kvHeads) + "_d" +
                     std::to_string(grad.dim);
  double width = static_cast<double>(grad.width()),
         keyWidth = static_cast<double>(grad.kvHeads * grad.dim);
  Value gradient = lowering.slice(attention.getGradient()),
        offsets = lowering.slice(attention.getOffsets());
  Value numbers = lowering.scratch(withRows(query, 0, 2 * grad.heads, Float32Type::get(context)),
                                   "attention_row_numbers");
  Value list =
      lowering.scratch(withRows(query, 1, 2, IntegerType::get(context, 32)), "attention_tiles");

  cpu::LaunchSpec prepare;
  prepare.kernel = "attention_grad_prepare_" + name;
  prepare.reads = {gradient, lowering.slice(attention.getResult()),
                   lowering.slice(attention.getLse()), offsets};
  prepare.writes = {numbers, list};
  // A block reads 2,048 numbers at a time.
  prepare.work = lowering.rows(query, 1, (grad.width() + 2047) / 2048);
  prepare.flops = plan::perRow(query, 2 * width);
  prepare.bytes = plan::perRow(query, 4 * width + 12 * static_cast<double>(grad.heads));
  lowering.launchTiles(prepare, [&](LLVM::LLVMFuncOp kernel) {
    emitAttentionGradPrepare(kernel, op->getLoc(), grad);
  });

  uint64_t scaleBits = attention.getScale().bitcastToAPInt().getZExtValue();
  for (bool keys : {true, false}) {
    cpu::LaunchSpec spec;
    spec.kernel = (keys ? "attention_grad_keys_" : "attention_grad_queries_") + name + "_s" +
                  llvm::utohexstr(scaleBits, true);
    spec.reads = {gradient,
                  lowering.slice(attention.getQuery()),
                  lowering.slice(attention.getKey()),
                  lowering.slice(attention.getValue()),
                  offsets,
                  numbers,
                  list};
    if (keys)
      spec.writes = {lowering.slice(attention.getKeyGradient()),
                     lowering.slice(attention.getValueGradient())};
    else
      spec.writes = {lowering.slice(attention.getQueryGradient())};
    // The number of tiles is in the list; there are at most as many as rows.
    spec.work = lowering.rows(query, 1, keys ? grad.kvHeads : grad.heads);
    // Of keys the plan knows no number: as if there were 64 for each query, as of nn.attention.
    spec.flops = plan::perRow(query, (keys ? 8.0 : 6.0) * 64 * width);
    spec.bytes =
        plan::perRow(query, 4 * width + (keys ? 8 : 4) * keyWidth + (keys ? 0 : 2) * width);
    int64_t n = streamedRows(grad, keys), keyRows = keys ? kAttentionTile : n,
            queryRows = keys ? n : kAttentionTile;
    Attribute keyMap = tileMap(context, 2, key, keyRows),
              valueMap = tileMap(context, 3, key, keyRows);
    Attribute queryMap = tileMap(context, 1, query, queryRows),
              gradientMap = tileMap(context, 0, query, queryRows);
    if (keys)
      spec.maps = {keyMap, valueMap, queryMap, gradientMap};
    else
      spec.maps = {queryMap, gradientMap, keyMap, valueMap};
    lowering.launchTiles(spec, [&](LLVM::LLVMFuncOp kernel) {
      emitAttentionGradTiles(kernel, op->getLoc(), grad, keys);
    });
  }
  return success();
}

} // namespace mirl::passes::cuda
