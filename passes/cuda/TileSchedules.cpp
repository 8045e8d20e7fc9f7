// Matrix products on the tensor cores: nn.linear, nn.linear_data_grad and nn.linear_weight_grad of
// bf16.
//
// Served is the order k16, which assign-numerics gives to bf16 operands whose rows are multiples of
// 16 bytes; everything else keeps the schedule of passes/cpu. LogprobTileSchedules.cpp has
// nn.linear_logprob. With few rows (at most kFewRows at capacity, and where that is faster)
// nn.linear has the weight on the side of the 64 rows of an instruction.

#include "passes/cuda/TileSchedules.h"

#include "passes/cuda/AttentionGradKernel.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kFewRows = 256;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// 2·n·k operations a row; what is read and written once.
void setCost(cpu::LaunchSpec &spec, RankedTensorType rows, double n, double k, double rowBytes,
             double fixedBytes) {
  double count = rows.isDynamicDim(0) ? 1 : static_cast<double>(rows.getDimSize(0));
  auto *context = rows.getContext();
  auto fixed = plan::AffineAttr::get(context, fixedBytes, 0.0, 0.0, 0.0, 0.0);
  spec.flops = plan::perRow(rows, count * 2.0 * n * k);
  spec.bytes = plan::add(plan::perRow(rows, count * rowBytes), fixed);
}

std::string extents(RankedTensorType rows, int64_t n, int64_t k) {
  return cpu::axisName(rows) + "_n" + std::to_string(n) + "_k" + std::to_string(k);
}

LogicalResult lowerLinear(Operation *op, Lowering &lowering) {
  auto linear = cast<nn::LinearOp>(op);
  RankedTensorType input = typeOf(linear.getInput()), weight = typeOf(linear.getWeight());
  int64_t n = weight.getDimSize(0), k = weight.getDimSize(1), capacity = lowering.capacity(input);
  TensorCoreProduct p;
  p.k = k;
  p.j = n;
  p.bias = static_cast<bool>(linear.getBias());
  p.residual = static_cast<bool>(linear.getResidual());
  p.f32Result = typeOf(linear.getResult()).getElementType().isF32();
  TensorCoreProduct few = p;
  setRows(p, input, p.i);
  few.i = std::exchange(few.j, std::nullopt);
  few.transposed = true;
  setRows(few, input, few.j);
  double time = chooseTile(p, capacity);
  if (!p.f32Result && capacity <= kFewRows && chooseTile(few, capacity) <= time)
    p = few;
  cpu::LaunchSpec spec;
  spec.kernel = std::string(p.transposed ? "tile_linear_few_" : "tile_linear_") +
                extents(input, n, k) + (p.bias ? "_bias" : "") + (p.residual ? "_residual" : "") +
                (p.f32Result ? "_f32" : "");
  spec.reads = {lowering.slice(linear.getInput()), lowering.slice(linear.getWeight())};
  if (p.transposed)
    std::swap(spec.reads[0], spec.reads[1]);
  if (p.bias)
    spec.reads.push_back(lowering.slice(linear.getBias()));
  if (p.residual)
    spec.reads.push_back(lowering.slice(linear.getResidual()));
  spec.writes = {lowering.slice(linear.getResult())};
  setCost(spec, input, n, k, 2.0 * k + (p.residual || p.f32Result ? 4.0 : 2.0) * n, 2.0 * n * k);
  launchProduct(lowering, spec, p, input, op->getLoc());
  return success();
}

LogicalResult lowerDataGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearDataGradOp>(op);
  RankedTensorType gradient = typeOf(grad.getGradient()), weight = typeOf(grad.getWeight());
  int64_t n = weight.getDimSize(0), k = weight.getDimSize(1);
  TensorCoreProduct p;
  p.j = k;
  p.k = n;
  p.b = Major::mn;
  setRows(p, gradient, p.i);
  p.f32Result = typeOf(grad.getResult()).getElementType().isF32();
  cpu::LaunchSpec spec;
  spec.kernel = "tile_linear_data_grad_" + extents(gradient, n, k) + (p.f32Result ? "_f32" : "");
  spec.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getWeight())};
  spec.writes = {lowering.slice(grad.getResult())};
  setCost(spec, gradient, n, k, 2.0 * n + (p.f32Result ? 4.0 : 2.0) * k, 2.0 * n * k);
  chooseTile(p, lowering.capacity(gradient));
  launchProduct(lowering, spec, p, gradient, op->getLoc());
  return success();
}

LogicalResult lowerWeightGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearWeightGradOp>(op);
  RankedTensorType gradient = typeOf(grad.getGradient()), result = typeOf(grad.getResult());
  int64_t n = result.getDimSize(0), k = result.getDimSize(1);
  TensorCoreProduct p;
  p.i = n;
  p.j = k;
  p.a = p.b = Major::mn;
  setRows(p, gradient, p.k);
  p.f32Result = p.accumulate = true;
  cpu::LaunchSpec spec;
  spec.kernel = "tile_linear_weight_grad_" + extents(gradient, n, k);
  spec.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getInput())};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.updates = {0};
  setCost(spec, gradient, n, k, 2.0 * (n + k), 8.0 * n * k);
  chooseTile(p, lowering.capacity(gradient));
  launchProduct(lowering, spec, p, gradient, op->getLoc());
  return success();
}

} // namespace

void setRows(TensorCoreProduct &p, RankedTensorType type, std::optional<int64_t> &extent) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type)) {
    p.rowsDim = static_cast<unsigned>(axis->getAxis()) - 1;
    p.rowsExtra = axis->getExtra();
  } else {
    extent = type.getDimSize(0);
  }
}

static int64_t axisNumber(RankedTensorType type) {
  std::optional<nn::AxisAttr> axis = nn::axisOf(type);
  return axis ? static_cast<int64_t>(axis->getAxis()) : 0;
}

void launchProduct(Lowering &lowering, cpu::LaunchSpec &spec, const TensorCoreProduct &p,
                   RankedTensorType rows, Location loc) {
  spec.kernel += "_" + p.tile.name();
  spec.work = productWork(lowering.context(), p, axisNumber(rows));
  spec.maps =
      productMaps(lowering.context(), p, axisNumber(rows), spec.reads.size() + spec.writes.size());
  lowering.launchTiles(spec, [&](LLVM::LLVMFuncOp kernel) { emitProduct(kernel, loc, p); });
}

TileSchedule findTileSchedule(Operation *op) {
  auto numerics = op->getAttrOfType<nn::NumericsAttr>("numerics");
  static constexpr StringRef served[] = {"k16", "k16_blocks", "tiles", "row_blocks"};
  if (!numerics || !llvm::is_contained(served, numerics.getOrder()))
    return nullptr;
  return llvm::TypeSwitch<Operation *, TileSchedule>(op)
      .Case([](nn::LinearOp) { return lowerLinear; })
      .Case([](nn::LinearDataGradOp) { return lowerDataGrad; })
      .Case([](nn::LinearWeightGradOp) { return lowerWeightGrad; })
      .Case([](nn::LinearLogprobOp) { return lowerLinearLogprob; })
      .Case([](nn::LinearLogprobGradOp) { return lowerLinearLogprobGrad; })
      .Case([](nn::AttentionOp) { return lowerPackedAttention; })
      .Case([](nn::PagedAttentionOp) { return lowerPagedAttention; })
      .Case([](nn::AttentionGradOp) { return lowerAttentionGrad; })
      .Case<nn::ColumnSumOp, nn::RmsNormWeightGradOp>([](Operation *) { return lowerRowBlocks; })
      .Default(TileSchedule());
}

} // namespace mirl::passes::cuda
