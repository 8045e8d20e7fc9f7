// Matrix products on the tensor cores: nn.linear, nn.linear_data_grad and nn.linear_weight_grad of
// bf16.
//
// Served is the order k16, which assign-numerics gives to bf16 operands whose rows are multiples of
// 16 bytes; everything else keeps the schedule of passes/cpu. LogprobTileSchedules.cpp has
// nn.linear_logprob. With few rows (at most kFewRows at capacity, and where that is faster)
// nn.linear has the weight on the side of the 64 rows of an instruction.

#include "passes/cuda/TileSchedules.h"

#include "passes/LaunchGroups.h"
#include "passes/LibraryProducts.h"
#include "passes/cpu/LogSumExp.h"
#include "passes/cuda/AttentionGradKernel.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// Operations and bytes of a row, and bytes of all rows together; what is read and written once.
void setCost(cpu::LaunchSpec &spec, RankedTensorType rows, double rowFlops, double rowBytes,
             double fixedBytes) {
  double count = rows.isDynamicDim(0) ? 1 : static_cast<double>(rows.getDimSize(0));
  auto *context = rows.getContext();
  auto fixed = plan::AffineAttr::get(context, fixedBytes, 0.0, 0.0, 0.0, 0.0);
  spec.flops = plan::perRow(rows, count * rowFlops);
  spec.bytes = plan::add(plan::perRow(rows, count * rowBytes), fixed);
}

std::string extents(RankedTensorType rows, int64_t n, int64_t k) {
  return cpu::axisName(rows) + "_n" + std::to_string(n) + "_k" + std::to_string(k);
}

// Arguments of a product in its launch; -1: none.
struct Arguments {
  int64_t left, right, result, bias = -1, residual = -1;
};

// What a library may compute in place of a launch, if `op` says so: the product i×k by j×k, of which
// the extent that is missing is that of `rows`.
void addLibraryProduct(cpu::LaunchSpec &spec, Operation *op, Arguments at, RankedTensorType rows,
                       const TensorCoreProduct &p) {
  if (!op->hasAttr(kLibraryAttr))
    return;
  auto *context = op->getContext();
  std::optional<nn::AxisAttr> axis = nn::axisOf(rows);
  int64_t number = axis ? static_cast<int64_t>(axis->getAxis()) : 0;
  auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
  auto pick = [&](std::optional<int64_t> extent) { return extent ? 0 : number; };
  auto size = [&](std::optional<int64_t> extent) { return extent.value_or(p.rowsExtra); };
  spec.products.push_back(plan::ProductAttr::get(
      context, at.left, at.right, at.result, at.bias, at.residual,
      array({pick(p.i), pick(p.j), pick(p.k)}), array({size(p.i), size(p.j), size(p.k)}),
      p.a == Major::mn, p.b == Major::mn, p.accumulate));
  spec.anyBits = op->hasAttr(kAnyBitsAttr);
}

// What linears of one input have in common: one of them, or a group.
struct Linears {
  ArrayRef<nn::LinearOp> ops;
  nn::LinearOp first;
  nn::RmsNormOp norm; // of their input, in the same launch; or none
  RankedTensorType input;
  int64_t k;

  explicit Linears(ArrayRef<nn::LinearOp> ops, nn::RmsNormOp norm = {})
      : ops(ops), first(ops.front()), norm(norm), input(typeOf(first.getInput())),
        k(typeOf(first.getWeight()).getDimSize(1)) {}
  // The faster of both ways to lay them out, with its tile; microseconds.
  double choose(Lowering &lowering, TensorCoreProduct &p);
};

double Linears::choose(Lowering &lowering, TensorCoreProduct &p) {
  int64_t n = 0, capacity = lowering.capacity(input);
  for (nn::LinearOp op : ops) {
    n += typeOf(op.getWeight()).getDimSize(0);
    if (ops.size() > 1)
      p.parts.push_back(typeOf(op.getWeight()).getDimSize(0));
  }
  p.k = k;
  p.j = n;
  p.bias = static_cast<bool>(first.getBias());
  p.residual = static_cast<bool>(first.getResidual());
  p.f32Result = typeOf(first.getResult()).getElementType().isF32();
  TensorCoreProduct few = p;
  setRows(p, input, p.i);
  few.i = std::exchange(few.j, std::nullopt);
  few.transposed = few.partsOfI = true;
  setRows(few, input, few.j);
  if (few.norm) {
    p = few;
    return chooseTile(p, capacity);
  }
  double time = chooseTile(p, capacity);
  if (p.f32Result || capacity > kFewRows)
    return time;
  double fewTime = chooseTile(few, capacity);
  if (fewTime > time)
    return time;
  p = few;
  return fewTime;
}

LogicalResult lowerLinears(Linears linears, nn::FusedOp fused, Lowering &lowering) {
  LogicalResult status = success();
  TensorCoreProduct p;
  std::string program;
  if (fused) {
    SmallVector<int64_t> products, keeps;
    for (Value operand : fused.getInputs())
      products.push_back(llvm::find(linears.ops, operand.getDefiningOp<nn::LinearOp>()) -
                         linears.ops.begin());
    for (size_t at = 0; at < linears.ops.size(); ++at)
      if (lowering.slice(linears.ops[at]->getResult(0)))
        keeps.push_back(at);
    program = "_fused_" + cpu::programName(fused) + "_p";
    for (int64_t product : products)
      program += std::to_string(product);
    if (!keeps.empty())
      program += "_keep";
    for (int64_t keep : keeps)
      program += std::to_string(keep);
    p.epilogue = elementwiseEpilogue(fused, products, keeps, status);
  }
  cpu::LaunchSpec spec;
  std::string norm = setNorm(p, linears.norm);
  linears.choose(lowering, p);
  std::string sizes;
  double rowBytes = 2.0 * linears.k, n = p.transposed ? *p.i : *p.j;
  SmallVector<Value> weights;
  for (nn::LinearOp op : linears.ops) {
    int64_t columns = typeOf(op.getWeight()).getDimSize(0);
    sizes += "_n" + std::to_string(columns);
    weights.push_back(lowering.slice(op.getWeight()));
    if (Value result = lowering.slice(op.getResult())) {
      spec.writes.push_back(result);
      rowBytes += (p.f32Result ? 4.0 : 2.0) * columns;
    }
  }
  double perRow = 2.0 * linears.k * n;
  if (fused) {
    double columns = p.parts.empty() ? n : static_cast<double>(p.parts.front());
    perRow += cpu::programFlops(fused) * columns;
    for (Value result : fused.getResults()) {
      spec.writes.push_back(lowering.slice(result));
      rowBytes += 2.0 * columns;
    }
  }
  spec.kernel = std::string(p.transposed ? "tile_linear_few_" : "tile_linear_") +
                cpu::axisName(linears.input) + sizes + "_k" + std::to_string(linears.k) + norm + program +
                (p.bias ? "_bias" : "") + (p.residual ? "_residual" : "") +
                (p.f32Result ? "_f32" : "");
  Value input = lowering.slice(linears.norm ? linears.norm.getInput() : linears.first.getInput());
  if (!p.transposed)
    spec.reads.push_back(input);
  spec.reads.append(weights);
  if (p.transposed)
    spec.reads.push_back(input);
  for (nn::LinearOp op : linears.ops)
    if (p.bias)
      spec.reads.push_back(lowering.slice(op.getBias()));
  if (p.residual) {
    spec.reads.push_back(lowering.slice(linears.first.getResidual()));
    rowBytes += 2.0 * n;
  }
  if (linears.norm)
    spec.reads.push_back(lowering.slice(linears.norm.getWeight()));
  int64_t products = linears.ops.size(), right = p.transposed ? 0 : 1, reads = spec.reads.size();
  for (int64_t at = 0; at < products; ++at) {
    nn::LinearOp op = linears.ops[at];
    TensorCoreProduct one; // rows on the left, whatever side the kernel has them on
    one.j = typeOf(op.getWeight()).getDimSize(0);
    one.k = linears.k;
    setRows(one, linears.input, one.i);
    addLibraryProduct(spec, op,
                      {p.transposed ? products : 0, right + at, reads + at, p.bias ? 1 + products + at : -1,
                       p.residual ? reads - 1 : -1},
                      linears.input, one);
  }
  setCost(spec, linears.input, perRow, rowBytes, 2.0 * n * linears.k);
  readWeightsEarly(p, spec, lowering.capacity(linears.input), linears.ops, p.transposed ? 0 : 1,
                   lowering, linears.norm);
  launchProduct(lowering, spec, p, linears.input, linears.first.getLoc());
  return status;
}

// Logits that nothing but a sampler reads: their blocks' sums are made on the way to memory.
LogicalResult lowerSampledLinear(nn::LinearOp linear, nn::SampleOp sample, Lowering &lowering) {
  RankedTensorType input = typeOf(linear.getInput()), weight = typeOf(linear.getWeight());
  int64_t n = weight.getDimSize(0), k = weight.getDimSize(1);
  int64_t columns = 2 * llvm::divideCeil(n, cpu::kVocabularyBlock);
  Value sums = lowering.scratch(RankedTensorType::get({input.getDimSize(0), columns},
                                                      Float32Type::get(lowering.context()),
                                                      input.getEncoding()),
                                "block_sums");
  lowering.companion(linear.getResult()) = sums;
  TensorCoreProduct p;
  p.j = n;
  p.k = k;
  setRows(p, input, p.i);
  p.epilogue = sampledLogitsEpilogue(n);
  chooseTile(p, lowering.capacity(input));
  cpu::LaunchSpec spec;
  spec.kernel = "tile_linear_sampled_" + extents(input, n, k);
  spec.reads = {lowering.slice(linear.getInput()), lowering.slice(linear.getWeight()),
                lowering.slice(sample.getTemperature())};
  spec.writes = {lowering.slice(linear.getResult()), sums};
  setCost(spec, input, 2.0 * n * (k + 12.0), 2.0 * k + 4.0 * (n + columns), 2.0 * n * k);
  readWeightsEarly(p, spec, lowering.capacity(input), linear, 1, lowering);
  launchProduct(lowering, spec, p, input, linear.getLoc());
  return success();
}

LogicalResult lowerLinear(Operation *op, Lowering &lowering) {
  auto linear = cast<nn::LinearOp>(op);
  if (typeOf(linear.getResult()).getElementType().isF32() && linear.getResult().hasOneUse())
    if (auto sample = dyn_cast<nn::SampleOp>(*linear.getResult().user_begin()))
      if (!linear.getBias() && !linear.getResidual() && lowering.slice(sample.getTemperature()))
        return lowerSampledLinear(linear, sample, lowering);
  return lowerLinears(Linears(linear), nn::FusedOp(), lowering);
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
  setCost(spec, gradient, 2.0 * n * k, 2.0 * n + (p.f32Result ? 4.0 : 2.0) * k, 2.0 * n * k);
  addLibraryProduct(spec, op, {0, 1, 2}, gradient, p);
  chooseTile(p, lowering.capacity(gradient));
  launchProduct(lowering, spec, p, gradient, op->getLoc());
  return success();
}

// Gradients of the weights of one input: one of them, or a group. The tile is chosen; microseconds.
double chooseWeightGrads(ArrayRef<nn::LinearWeightGradOp> grads, Lowering &lowering,
                         TensorCoreProduct &p) {
  nn::LinearWeightGradOp first = grads.front();
  int64_t n = 0;
  for (nn::LinearWeightGradOp grad : grads) {
    n += typeOf(grad.getResult()).getDimSize(0);
    if (grads.size() > 1)
      p.parts.push_back(typeOf(grad.getResult()).getDimSize(0));
  }
  p.i = n;
  p.j = typeOf(first.getResult()).getDimSize(1);
  p.a = p.b = Major::mn;
  p.partsOfI = true;
  setRows(p, typeOf(first.getGradient()), p.k);
  p.f32Result = p.accumulate = true;
  return chooseTile(p, lowering.capacity(typeOf(first.getGradient())));
}

LogicalResult lowerWeightGrads(ArrayRef<nn::LinearWeightGradOp> grads, Lowering &lowering) {
  nn::LinearWeightGradOp first = grads.front();
  TensorCoreProduct p;
  chooseWeightGrads(grads, lowering, p);
  RankedTensorType rows = typeOf(first.getGradient());
  cpu::LaunchSpec spec;
  spec.kernel = "tile_linear_weight_grad_" + cpu::axisName(rows);
  for (nn::LinearWeightGradOp grad : grads) {
    spec.kernel += "_n" + std::to_string(typeOf(grad.getResult()).getDimSize(0));
    spec.reads.push_back(lowering.slice(grad.getGradient()));
    spec.updates.push_back(spec.writes.size());
    spec.writes.push_back(lowering.slice(grad.getResult()));
  }
  spec.kernel += "_k" + std::to_string(*p.j);
  for (int64_t at = 0, input = grads.size(); at < input; ++at) {
    nn::LinearWeightGradOp grad = grads[at];
    TensorCoreProduct one = p;
    one.i = typeOf(grad.getResult()).getDimSize(0);
    addLibraryProduct(spec, grad, {at, input, input + 1 + at}, rows, one);
  }
  spec.reads.push_back(lowering.slice(first.getInput()));
  double n = *p.i, k = *p.j;
  setCost(spec, rows, 2.0 * n * k, 2.0 * (n + k), 8.0 * n * k);
  launchProduct(lowering, spec, p, rows, first.getLoc());
  return success();
}

LogicalResult lowerWeightGrad(Operation *op, Lowering &lowering) {
  return lowerWeightGrads(cast<nn::LinearWeightGradOp>(op), lowering);
}

template <typename Op> SmallVector<Op> opsOf(ArrayRef<Operation *> ops) {
  SmallVector<Op> typed;
  for (Operation *op : ops)
    if (auto one = dyn_cast<Op>(op))
      typed.push_back(one);
  return typed;
}

} // namespace

bool isFasterTogether(ArrayRef<Operation *> ops, Lowering &lowering) {
  // Whoever wrote the group.
  if (auto norm = dyn_cast<nn::RmsNormOp>(ops.front())) {
    RankedTensorType rows = typeOf(norm.getInput());
    if (!normalisedByBlocks(lowering.capacity(rows), 2 * rows.getDimSize(1)))
      return false;
  }
  // Numbers that are not stored to be read again are saved in any case; what an update is made of has no tile.
  if (isa<nn::FusedOp, nn::KvAppendOp, nn::AdamwOp, nn::SquaredNormOp>(ops.back()))
    return true;
  auto time = [&](ArrayRef<Operation *> ops) {
    TensorCoreProduct p;
    return isa<nn::LinearOp>(ops.front())
               ? Linears(opsOf<nn::LinearOp>(ops)).choose(lowering, p)
               : chooseWeightGrads(opsOf<nn::LinearWeightGradOp>(ops), lowering, p);
  };
  double alone = 0;
  for (Operation *op : ops)
    alone += time(op);
  return time(ops) <= alone;
}

LogicalResult lowerGroup(ArrayRef<Operation *> ops, Lowering &lowering) {
  auto norm = dyn_cast<nn::RmsNormOp>(ops.front());
  if (norm)
    ops = ops.drop_front();
  if (isa<nn::KvAppendOp>(ops.back()))
    return isa<nn::LinearOp>(ops.front()) ? lowerCacheProducts(ops, norm, lowering) : lowerCacheGroup(ops, lowering);
  if (isa<nn::AdamwOp>(ops.front()))
    return cpu::lowerAdamws(ops, lowering);
  if (isa<nn::SquaredNormOp>(ops.front()))
    return cpu::lowerSquaredNorms(ops, lowering);
  if (isa<nn::LinearWeightGradOp>(ops.front()))
    return lowerWeightGrads(opsOf<nn::LinearWeightGradOp>(ops), lowering);
  auto linears = opsOf<nn::LinearOp>(ops);
  return lowerLinears(Linears(linears, norm), dyn_cast<nn::FusedOp>(ops.back()), lowering);
}

void setRows(TensorCoreProduct &p, RankedTensorType type, std::optional<int64_t> &extent) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type)) {
    p.rowsDim = static_cast<unsigned>(axis->getAxis()) - 1;
    p.rowsExtra = axis->getExtra();
  } else {
    extent = type.getDimSize(0);
  }
}

void readWeightsEarly(TensorCoreProduct &p, cpu::LaunchSpec &spec, int64_t capacity,
                      ArrayRef<nn::LinearOp> ops, int64_t first, Lowering &lowering, nn::RmsNormOp norm) {
  p.early = capacity <= kFewRows && (!norm || lowering.stays(norm.getWeight())) &&
            llvm::all_of(ops, [&](nn::LinearOp op) { return lowering.stays(op.getWeight()); });
  if (!p.early)
    return;
  spec.kernel += "_early";
  for (size_t at = 0; at < ops.size(); ++at)
    spec.early.push_back(first + at);
  if (norm)
    spec.early.push_back(spec.reads.size() - 1);
}

std::string setNorm(TensorCoreProduct &p, nn::RmsNormOp norm) {
  if (!norm)
    return "";
  p.norm = TensorCoreProduct::RowNorm{norm.getEps().convertToFloat()};
  return "_norm_eps" + llvm::utohexstr(norm.getEps().bitcastToAPInt().getZExtValue(), true);
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

bool isDecode(Operation *op) {
  auto kind = op->getParentOp()->getAttrOfType<StringAttr>(nn::attr::kKind);
  return kind && kind.getValue() == "decode";
}

TileSchedule findTileSchedule(Operation *op) {
  // Of the same logits the draws of the CPU.
  if (isa<nn::SampleOp>(op))
    return lowerSample;
  if (auto grad = dyn_cast<nn::EmbeddingGradOp>(op))
    return servesEmbeddingGrad(grad) ? lowerEmbeddingGrad : nullptr;
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
