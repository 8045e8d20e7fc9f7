// The group of nn.rotary and nn.kv_append (passes/LaunchGroups.h) as one launch: queries and keys
// are rotated, keys and values are written into the cache.
//
// A thread has 16 bytes of either half of one head, of one row: of the heads of the rotated tensors,
// in the order of the group, then of those of the values. It rotates or copies them, keys and values into the cache, too. Where
// that has the 16 positions of a block's keys as neighbours, it spreads them.

#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/TileSchedules.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using cpu::KernelBuilder;
using cpu::kLanes;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// A tensor of heads in the launch. `source`, `target`: buffers; a key or value has a cache as well,
// and keys that nothing else reads have no other target.
struct Part {
  int64_t heads;
  unsigned source;
  std::optional<unsigned> target;
  bool key, value;
};

struct CacheGroup {
  SmallVector<Part> parts;
  Type element; // of what is rotated
  int64_t head, lanes, vectors, pieces = 0, kvHeads, tableWidth;
  bool keysByPosition;
  unsigned positions, angles, table, slots, keyCache, valueCache;

  void emit(KernelBuilder &b);

private:
  void emitPart(KernelBuilder &b, const Part &part, Value row, Value number, Value column);
};

void CacheGroup::emitPart(KernelBuilder &b, const Part &part, Value row, Value number,
                          Value column) {
  int64_t half = head / 2;
  Value begin = b.add(b.mul(row, part.heads * head), b.mul(number, head));
  Value low = b.add(begin, column), high = b.add(low, half), source = b.buffer(part.source);
  Value position = b.loadi(b.buffer(positions), row);
  Value x = b.loadv(source, low), y = b.loadv(source, high);
  if (!part.value) {
    Value angle = b.add(b.mul(position, head), column), table = b.buffer(angles);
    std::tie(x, y) = cpu::rotate(b, x, y, b.loadv(table, angle), b.loadv(table, b.add(angle, half)));
    if (part.target) {
      b.storev(x, b.buffer(*part.target), low);
      b.storev(y, b.buffer(*part.target), high);
    }
  }
  if (!part.key && !part.value)
    return;
  cpu::CachePlace place =
      cpu::cachePlace(b, b.buffer(slots), b.buffer(table), tableWidth, row, position);
  Value cache = b.mul(b.add(b.mul(place.block, kvHeads), number), kLanes * head);
  // The cache has the bits of the rotated tensor.
  if (part.key) {
    x = b.roundTo(element, x);
    y = b.roundTo(element, y);
  }
  if (part.value || keysByPosition) {
    Value to = b.add(b.add(cache, b.mul(place.within, head)), column), rows = b.buffer(part.value ? valueCache : keyCache);
    b.storev(x, rows, to);
    b.storev(y, rows, b.add(to, half));
    return;
  }
  Value to = b.add(b.add(cache, place.within), b.mul(column, kLanes)), keys = b.buffer(keyCache);
  for (auto [rounded, first] : {std::pair(x, int64_t{0}), std::pair(y, half)})
    for (int64_t i = 0; i < lanes; ++i)
      b.store(vector::ExtractOp::create(b, rounded, i), keys, b.add(to, (first + i) * kLanes));
}

void CacheGroup::emit(KernelBuilder &b) {
  Value row = b.divide(b.begin(), b.c(pieces)), piece = b.rem(b.begin(), b.c(pieces));
  Value number = b.divide(piece, b.c(vectors)), column = b.mul(b.rem(piece, b.c(vectors)), lanes);
  int64_t first = 0;
  for (const Part &part : parts) {
    int64_t last = first + part.heads - 1;
    b.ifThen(b.lt(b.c(first - 1), number), [&] {
      b.ifThen(b.lt(number, b.c(last + 1)),
               [&] { emitPart(b, part, row, b.sub(number, b.c(first)), column); });
    });
    first += part.heads;
  }
}

} // namespace

LogicalResult lowerCacheGroup(ArrayRef<Operation *> ops, Lowering &lowering) {
  auto append = cast<nn::KvAppendOp>(ops.back());
  RankedTensorType cache = typeOf(append.getKeyCache()), rows = typeOf(append.getKey());
  CacheGroup group;
  group.kvHeads = cache.getDimSize(1);
  group.head = cache.getDimSize(2);
  group.keysByPosition = cpu::keysByPosition(append);
  bool narrow = cache.getElementType().isBF16() && rows.getElementType().isBF16();
  for (Operation *op : ops.drop_back())
    narrow &= typeOf(op->getOperand(0)).getElementType().isBF16();
  group.element = rows.getElementType();
  group.lanes = valuesOfAccess(narrow);
  group.vectors = group.head / 2 / group.lanes;
  group.tableWidth = typeOf(append.getTable()).getDimSize(1);
  cpu::LaunchSpec spec;
  spec.kernel = "rotary_kv_append_" + cpu::axisName(rows);
  auto read = [&](Value value) {
    spec.reads.push_back(lowering.slice(value));
    return spec.reads.size() - 1;
  };
  double bytes = 0, columns = 0, element = rows.getElementTypeBitWidth() / 8.0;
  for (Operation *op : ops.drop_back()) {
    auto rotary = cast<nn::RotaryOp>(op);
    int64_t width = cpu::columnsOf(typeOf(rotary.getInput()));
    bool key = rotary.getResult() == append.getKey();
    spec.kernel += (key ? "_k" : "_c") + std::to_string(width);
    Part part = {width / group.head, static_cast<unsigned>(read(rotary.getInput())), std::nullopt,
                 key, /*value=*/false};
    if (Value target = lowering.slice(rotary.getResult())) {
      part.target = spec.writes.size();
      spec.writes.push_back(target);
    } else {
      spec.kernel += "_cached";
    }
    group.parts.push_back(part);
    columns += width;
    bytes += (key && part.target ? 3 : 2) * element * width;
  }
  group.parts.push_back({group.kvHeads, static_cast<unsigned>(read(append.getValue())), std::nullopt,
                         /*key=*/false, /*value=*/true});
  group.positions = read(append.getPositions());
  group.angles = read(ops.front()->getOperand(2));
  group.table = read(append.getTable());
  group.slots = read(append.getSlots());
  spec.updates = {static_cast<int64_t>(spec.writes.size()),
                  static_cast<int64_t>(spec.writes.size()) + 1};
  unsigned reads = spec.reads.size();
  group.keyCache = reads + spec.writes.size();
  group.valueCache = group.keyCache + 1;
  spec.writes.push_back(lowering.slice(append.getNewKeyCache()));
  spec.writes.push_back(lowering.slice(append.getNewValueCache()));
  for (Part &part : group.parts) {
    if (part.target)
      *part.target += reads;
    group.pieces += part.heads * group.vectors;
  }
  spec.kernel += "_kv" + std::to_string(group.kvHeads) + "_d" + std::to_string(group.head) + "_t" +
                 std::to_string(group.tableWidth) + (group.keysByPosition ? "_rows" : "");
  spec.work = lowering.rows(rows, 1, group.pieces);
  spec.flops = plan::perRow(rows, 3.0 * columns);
  spec.bytes = plan::perRow(rows, bytes + 2 * element * group.kvHeads * group.head);
  spec.lanes = {cpu::Lanes::Use::alone, group.lanes, group.lanes, group.lanes, narrow, /*words=*/5};
  lowering.launch(spec, [&](KernelBuilder &b) { group.emit(b); });
  return success();
}

} // namespace mirl::passes::cuda
