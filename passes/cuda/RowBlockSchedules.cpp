// Sums over rows in the order `row_blocks`: nn.column_sum and nn.rms_norm_weight_grad. A chain over
// all rows keeps a few half-warps busy with one row at a time; the blocks' sums are made beside
// each other, and a second kernel adds them up.

#include "passes/cuda/TileSchedules.h"

using namespace mlir;

namespace mirl::passes::cuda {

using cpu::KernelBuilder;
using cpu::kLanes;

LogicalResult lowerRowBlocks(Operation *op, Lowering &lowering) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  auto norm = dyn_cast<nn::RmsNormWeightGradOp>(op);
  int64_t columns = cpu::columnsOf(type), groups = llvm::divideCeil(columns, kLanes);
  int64_t height = op->getAttrOfType<nn::NumericsAttr>("numerics").getWidth();
  int64_t most = llvm::divideCeil(lowering.capacity(type), height);
  Value sums = lowering.scratch(
      RankedTensorType::get({most, columns}, Float32Type::get(op->getContext())), "row_block_sums");
  std::string name =
      "_" + cpu::axisName(type) + "_c" + std::to_string(columns) + "_r" + std::to_string(height);
  cpu::LaunchSpec spec;
  spec.kernel = (norm ? "rms_norm_weight_blocks" : "column_blocks") + name;
  // Without the last operand, which is added to: the rows, and with a norm its input and the rows'
  // factors.
  for (Value operand : op->getOperands().drop_back())
    spec.reads.push_back(lowering.slice(operand));
  spec.writes = {sums};
  spec.work = lowering.rows(type, height, groups);
  spec.flops = plan::perRow(type, (norm ? 3.0 : 1.0) * columns);
  spec.bytes = plan::perRow(type, (norm ? 4.0 : 2.0) * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    b.loop(b.begin(), b.end(), 1, [&](Value item) {
      Value block = b.divide(item, b.c(groups)), column = b.mul(b.rem(item, b.c(groups)), kLanes);
      Value lanes = b.sub(b.c(columns), column), from = b.mul(block, height);
      Value to = b.min(b.add(from, height), cpu::rowsOf(b, type));
      // Without a condition many rows are on their way at a time.
      auto load = [&](unsigned buffer, Value at) {
        return columns % kLanes ? b.loadvMasked(b.buffer(buffer), at, lanes)
                                : b.loadv(b.buffer(buffer), at);
      };
      Value sum = b.loopCarry(
          from, to, 1, b.vf(0), [&](Value row, ValueRange carried) -> SmallVector<Value> {
            Value at = b.add(b.mul(row, columns), column), x = load(0, at);
            if (!norm)
              return {b.fadd(carried[0], x)};
            return {b.fma(x, b.fmul(load(1, at), b.splat(b.loadf(b.buffer(2), row))), carried[0])};
          })[0];
      b.storevMasked(sum, b.buffer(norm ? 3 : 1), b.add(b.mul(block, columns), column), lanes);
    });
  });

  cpu::LaunchSpec add;
  add.kernel = "add_row_blocks" + name;
  add.reads = {sums};
  add.writes = {lowering.slice(op->getResult(0))};
  add.updates = {0};
  add.work = lowering.items(groups);
  add.bytes = plan::perRow(type, 4.0 * columns / static_cast<double>(height));
  lowering.launch(add, [&](KernelBuilder &b) {
    Value blocks = b.divide(b.add(cpu::rowsOf(b, type), height - 1), b.c(height));
    b.loop(b.begin(), b.end(), 1, [&](Value group) {
      Value column = b.mul(group, kLanes), lanes = b.sub(b.c(columns), column);
      Value sum = b.loopCarry(
          b.c(0), blocks, 1, b.vf(0), [&](Value block, ValueRange carried) -> SmallVector<Value> {
            return {b.fadd(carried[0], b.loadvMasked(b.buffer(0),
                                                     b.add(b.mul(block, columns), column), lanes))};
          })[0];
      b.storevMasked(b.fadd(b.loadvMasked(b.buffer(1), column, lanes), sum), b.buffer(1), column,
                     lanes);
    });
  });
  return success();
}

} // namespace mirl::passes::cuda
