// Sums over rows in the order `row_blocks`: nn.column_sum and nn.rms_norm_weight_grad. A chain over
// all rows keeps a few half-warps busy with one row at a time; the blocks' sums are made beside
// each other, and a second kernel adds them up.

#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/TileSchedules.h"

#include <numeric>

using namespace mlir;

namespace mirl::passes::cuda {

using cpu::KernelBuilder;
using cpu::kLanes;
using cpu::Lanes;

// Threads beside each other in a block of rows: 128 bytes of a row. Rows, and blocks' sums, that
// one of them has on their way at a time: a call has few blocks, so each must read far ahead.
static constexpr int64_t kThreads = 8, kRowsAhead = 8, kBlocksAhead = 16;

LogicalResult lowerRowBlocks(Operation *op, Lowering &lowering) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  auto norm = dyn_cast<nn::RmsNormWeightGradOp>(op);
  int64_t columns = cpu::columnsOf(type), width = kThreads * valuesOfAccess(/*narrow=*/true);
  int64_t groups = llvm::divideCeil(columns, width), known = std::gcd(columns, width);
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
  spec.lanes = {Lanes::Use::rows, width, known, known, /*narrow=*/true, kRowsAhead};
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value block = b.divide(b.begin(), b.c(groups));
    Value column = b.mul(b.rem(b.begin(), b.c(groups)), width), lanes = b.sub(b.c(columns), column);
    Value from = b.mul(block, height), to = b.min(b.add(from, height), cpu::rowsOf(b, type));
    auto load = [&](unsigned buffer, Value at) {
      return columns % width ? b.loadvMasked(b.buffer(buffer), at, lanes)
                             : b.loadv(b.buffer(buffer), at);
    };
    Value sum = cpu::chainOf(
        b, from, to, kRowsAhead, b.vf(0),
        [&](Value row) -> SmallVector<Value> {
          Value at = b.add(b.mul(row, columns), column), x = load(0, at);
          if (!norm)
            return {x};
          return {x, load(1, at), b.splat(b.loadf(b.buffer(2), row))};
        },
        [&](Value sum, ValueRange x) {
          return norm ? b.fma(x[0], b.fmul(x[1], x[2]), sum) : b.fadd(sum, x[0]);
        });
    b.storevMasked(sum, b.buffer(norm ? 3 : 1), b.add(b.mul(block, columns), column), lanes);
  });

  cpu::LaunchSpec add;
  add.kernel = "add_row_blocks" + name;
  add.reads = {sums};
  add.writes = {lowering.slice(op->getResult(0))};
  add.updates = {0};
  add.work = lowering.items(llvm::divideCeil(columns, kLanes));
  add.bytes = plan::perRow(type, 4.0 * columns / static_cast<double>(height));
  known = std::gcd(columns, kLanes);
  add.lanes = {Lanes::Use::rows, kLanes, known, known, /*narrow=*/false, kBlocksAhead};
  lowering.launch(add, [&](KernelBuilder &b) {
    Value blocks = b.divide(b.add(cpu::rowsOf(b, type), height - 1), b.c(height));
    Value column = b.mul(b.begin(), kLanes), lanes = b.sub(b.c(columns), column);
    Value sum = cpu::chainOf(
        b, b.c(0), blocks, kBlocksAhead, b.vf(0),
        [&](Value block) -> SmallVector<Value> {
          return {b.loadvMasked(b.buffer(0), b.add(b.mul(block, columns), column), lanes)};
        },
        [&](Value sum, ValueRange x) { return b.fadd(sum, x[0]); });
    b.storevMasked(b.fadd(b.loadvMasked(b.buffer(1), column, lanes), sum), b.buffer(1), column,
                   lanes);
  });
  return success();
}

} // namespace mirl::passes::cuda
