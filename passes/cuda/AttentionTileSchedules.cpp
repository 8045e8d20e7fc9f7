// nn.attention and nn.paged_attention on the tensor cores: the numerics `tiles`
// (AttentionKernel.h).

#include "passes/cuda/AttentionKernel.h"
#include "passes/cuda/TileSchedules.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

template <typename Op> void describeHeads(Op op, Attention &attention) {
  attention.rows = typeOf(op.getQuery());
  attention.heads = op.getHeads();
  attention.kvHeads = op.getKvHeads();
  attention.dim = cpu::columnsOf(attention.rows) / attention.heads;
  attention.scale = op.getScale().convertToFloat();
  attention.segment = op.getNumerics()->getWidth();
}

std::string nameOf(StringRef what, const Attention &a) {
  uint64_t scale = APFloat(a.scale).bitcastToAPInt().getZExtValue();
  return (what + "_" + cpu::axisName(a.rows) + "_h" + Twine(a.heads) + "_kv" + Twine(a.kvHeads) +
          "_d" + Twine(a.dim) + "_s" + llvm::utohexstr(scale, /*LowerCase=*/true) +
          (a.segmented() ? "_g" + std::to_string(a.segment) : std::string()))
      .str();
}

// Of keys the plan knows no number: as if there were 64 for each query. `keyBytes`: of a query's
// keys and values.
void setCost(cpu::LaunchSpec &spec, const Attention &a, double keyBytes) {
  spec.flops = plan::perRow(a.rows, 4.0 * 64 * static_cast<double>(a.width()));
  spec.bytes = plan::perRow(a.rows, 4.0 * static_cast<double>(a.width()) + keyBytes);
}

Value keptSums(ArrayRef<int64_t> shape, Lowering &lowering) {
  return lowering.scratch(RankedTensorType::get(shape, Float32Type::get(lowering.context())), "segments");
}

} // namespace

LogicalResult lowerPackedAttention(Operation *op, Lowering &lowering) {
  auto attention = cast<nn::AttentionOp>(op);
  PackedAttention a;
  describeHeads(attention, a);
  a.offsets = typeOf(attention.getOffsets());
  a.longest = lowering.capacity(a.rows);
  if (std::optional<uint64_t> longest = attention.getLongest())
    a.longest = std::min(a.longest, static_cast<int64_t>(*longest));
  Type i32 = IntegerType::get(lowering.context(), 32);
  Value counter = lowering.scratch(RankedTensorType::get({1}, i32), "next_tile");
  lowering.fill(counter);
  cpu::LaunchSpec spec;
  spec.kernel = nameOf("tile_attention", a) + "_" + cpu::axisName(a.offsets);
  spec.reads = {lowering.slice(attention.getQuery()), lowering.slice(attention.getKey()),
                lowering.slice(attention.getValue()), lowering.slice(attention.getOffsets())};
  spec.writes = {lowering.slice(attention.getResult()), lowering.slice(attention.getLse()),
                 counter};
  spec.updates = {2};
  if (a.segmented())
    spec.writes.push_back(keptSums({a.keptElements()}, lowering));
  spec.work = packedAttentionWork(lowering.context(), a);
  spec.maps = packedAttentionMaps(lowering.context(), a);
  setCost(spec, a, 4.0 * static_cast<double>(a.kvHeads * a.dim));
  lowering.launchTiles(
      spec, [&](LLVM::LLVMFuncOp kernel) { emitPackedAttention(kernel, op->getLoc(), a); });
  return success();
}

LogicalResult lowerPagedAttention(Operation *op, Lowering &lowering) {
  auto attention = cast<nn::PagedAttentionOp>(op);
  PagedAttention a;
  describeHeads(attention, a);
  a.tableWidth = typeOf(attention.getTable()).getDimSize(1);
  // One row of each slot: a row's heads are too few for all warps.
  a.shared = isDecode(op) && a.group() <= 16;
  a.longest = a.tableWidth * kPoolKeys;
  // Smaller blocks have all items at a time where larger ones would have one behind the other.
  if (a.shared && lowering.capacity(a.rows) * a.itemsOfRow() > a.blocks() * kMostMultiprocessors)
    a.roundBlocks = 1;
  a.early = a.shared && llvm::all_of(ValueRange{attention.getTable(), attention.getSlots(), attention.getPositions()},
                                     [&](Value value) { return lowering.stays(value); });
  cpu::LaunchSpec spec;
  spec.kernel = nameOf(a.shared ? "tile_paged_attention_decode" : "tile_paged_attention", a) +
                "_t" + std::to_string(a.tableWidth) + (a.early ? "_early" : "") +
                (a.shared ? "_r" + std::to_string(a.roundKeys()) : "");
  if (a.early)
    spec.early = {3, 4, 5};
  spec.reads = {
      lowering.slice(attention.getQuery()),      lowering.slice(attention.getKeyCache()),
      lowering.slice(attention.getValueCache()), lowering.slice(attention.getTable()),
      lowering.slice(attention.getSlots()),      lowering.slice(attention.getPositions())};
  spec.writes = {lowering.slice(attention.getResult())};
  if (a.split()) {
    int64_t rows = lowering.capacity(a.rows);
    spec.writes.push_back(keptSums({rows, a.keptOfRow()}, lowering));
    spec.writes.push_back(lowering.zeros(RankedTensorType::get({rows, a.itemsOfRow()}, IntegerType::get(lowering.context(), 32)),
                                         "segments_done"));
    spec.updates = {2};
  } else if (a.segmented()) {
    spec.writes.push_back(keptSums({a.keptElements()}, lowering));
  }
  spec.work = pagedAttentionWork(lowering.context(), a);
  setCost(spec, a, 4.0 * 64 * static_cast<double>(a.kvHeads * a.dim));
  lowering.launchTiles(
      spec, [&](LLVM::LLVMFuncOp kernel) { emitPagedAttention(kernel, op->getLoc(), a); });
  return success();
}

} // namespace mirl::passes::cuda
