// The group of nn.kv_append with its products (passes/LaunchGroups.h) as one launch: q, k and v of few rows, of which nothing
// is stored but the rotated queries and the cache's new rows (ProductCacheRows.cpp).

#include "passes/cuda/TileSchedules.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

} // namespace

LogicalResult lowerCacheProducts(ArrayRef<Operation *> ops, nn::RmsNormOp norm, Lowering &lowering) {
  using Use = TensorCoreProduct::CacheRows::Use;
  auto append = cast<nn::KvAppendOp>(ops.back());
  SmallVector<nn::LinearOp> linears;
  for (Operation *op : ops)
    if (auto linear = dyn_cast<nn::LinearOp>(op))
      linears.push_back(linear);
  nn::LinearOp first = linears.front();
  RankedTensorType input = typeOf(first.getInput()), cache = typeOf(append.getKeyCache());
  TensorCoreProduct p;
  p.k = typeOf(first.getWeight()).getDimSize(1);
  p.bias = static_cast<bool>(first.getBias());
  p.transposed = p.partsOfI = true;
  setRows(p, input, p.j);
  TensorCoreProduct::CacheRows rows;
  rows.head = cache.getDimSize(2);
  rows.kvHeads = cache.getDimSize(1);
  rows.tableWidth = typeOf(append.getTable()).getDimSize(1);
  cpu::LaunchSpec spec;
  spec.kernel = "tile_linear_rotary_kv_append_" + cpu::axisName(input);
  nn::RotaryOp rotary;
  int64_t n = 0;
  const Use key = cpu::keysByPosition(append) ? Use::keyByPosition : Use::key;
  for (nn::LinearOp linear : linears) {
    int64_t columns = typeOf(linear.getWeight()).getDimSize(0);
    n += columns;
    p.parts.push_back(columns);
    spec.reads.push_back(lowering.slice(linear.getWeight()));
    auto rotated = dyn_cast<nn::RotaryOp>(*linear.getResult().user_begin());
    Use use = !rotated ? Use::value : rotated.getResult() == append.getKey() ? key : Use::query;
    rows.uses.push_back(use);
    rotary = rotated ? rotated : rotary;
    if (use != Use::query)
      spec.updates.push_back(spec.writes.size());
    spec.writes.push_back(lowering.slice(use == Use::query ? rotated.getResult()
                                         : use == key ? append.getNewKeyCache()
                                                      : append.getNewValueCache()));
    spec.kernel += (use == Use::query ? "_q" : use == key ? "_k" : "_v") + std::to_string(columns);
  }
  p.i = n;
  p.cacheRows = rows;
  std::string normName = setNorm(p, norm);
  chooseTile(p, lowering.capacity(input));
  spec.reads.push_back(lowering.slice(norm ? norm.getInput() : first.getInput()));
  SmallVector<Value> others;
  for (nn::LinearOp linear : linears)
    if (p.bias)
      others.push_back(linear.getBias());
  others.append({rotary.getTable(), append.getPositions(), append.getSlots(), append.getTable()});
  for (Value other : others)
    spec.reads.push_back(lowering.slice(other));
  if (norm)
    spec.reads.push_back(lowering.slice(norm.getWeight()));
  spec.kernel += "_d" + std::to_string(rows.head) + "_t" + std::to_string(rows.tableWidth) +
                 (key == Use::key ? "" : "_rows") + "_k" + std::to_string(*p.k) + normName + (p.bias ? "_bias" : "");
  double depth = static_cast<double>(*p.k), columns = static_cast<double>(n);
  auto fixed = plan::AffineAttr::get(lowering.context(), 2 * columns * depth, 0.0, 0.0, 0.0, 0.0);
  spec.flops = plan::perRow(input, (2 * depth + 3) * columns);
  spec.bytes = plan::add(plan::perRow(input, 2 * (depth + columns)), fixed);
  // All that it reads but the input is there from the entry's beginning.
  if (llvm::all_of(others, [&](Value value) { return lowering.stays(value); }))
    readWeightsEarly(p, spec, lowering.capacity(input), linears, /*first=*/0, lowering, norm);
  for (size_t at = 0; p.early && at < others.size(); ++at)
    spec.early.push_back(linears.size() + 1 + at);
  p.cacheRows->prefetches = p.early && isDecode(append);
  if (p.cacheRows->prefetches)
    spec.kernel += "_prefetch";
  launchProduct(lowering, spec, p, input, first.getLoc());
  return success();
}

} // namespace mirl::passes::cuda
