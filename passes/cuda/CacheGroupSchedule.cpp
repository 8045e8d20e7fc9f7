// The group of nn.rotary and nn.kv_append (passes/LaunchGroups.h) as one launch: queries and keys
// are rotated, keys and values are written into the cache.
//
// A work item is 16 columns of either half of one head, of one row: the heads of the rotated
// tensors, in the order of the group, then those of the values. It rotates or copies them, and
// copies rotated keys from where it stored them, so that the cache has the bits of that tensor.

#include "passes/cuda/TileSchedules.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using cpu::KernelBuilder;
using cpu::kLanes;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// A tensor of heads in the launch. `source`, `target`: buffers; a key or value has a cache as well.
struct Part {
  int64_t heads;
  unsigned source, target;
  bool key, value;
};

struct CacheGroup {
  SmallVector<Part> parts;
  int64_t head, vectors, pieces = 0, kvHeads, tableWidth;
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
    auto [first, second] =
        cpu::rotate(b, x, y, b.loadv(table, angle), b.loadv(table, b.add(angle, half)));
    b.storev(first, b.buffer(part.target), low);
    b.storev(second, b.buffer(part.target), high);
  }
  if (!part.key && !part.value)
    return;
  cpu::CachePlace place =
      cpu::cachePlace(b, b.buffer(slots), b.buffer(table), tableWidth, row, position);
  Value cache = b.mul(b.add(b.mul(place.block, kvHeads), number), kLanes * head);
  if (part.value) {
    Value to = b.add(b.add(cache, b.mul(place.within, head)), column);
    b.storev(x, b.buffer(valueCache), to);
    b.storev(y, b.buffer(valueCache), b.add(to, half));
    return;
  }
  // The 16 positions of a block are neighbours in the cache of keys.
  b.loop(0, kLanes, 1, [&](Value i) {
    Value rotated = b.buffer(part.target), to = b.add(cache, place.within);
    Value at = b.add(column, i);
    b.store(b.loadf(rotated, b.add(low, i)), b.buffer(keyCache), b.add(to, b.mul(at, kLanes)));
    b.store(b.loadf(rotated, b.add(high, i)), b.buffer(keyCache),
            b.add(to, b.mul(b.add(at, half), kLanes)));
  });
}

void CacheGroup::emit(KernelBuilder &b) {
  b.loop(b.begin(), b.end(), 1, [&](Value item) {
    Value row = b.divide(item, b.c(pieces)), piece = b.rem(item, b.c(pieces));
    Value number = b.divide(piece, b.c(vectors)),
          column = b.mul(b.rem(piece, b.c(vectors)), kLanes);
    int64_t first = 0;
    for (const Part &part : parts) {
      int64_t last = first + part.heads - 1;
      b.ifThen(b.lt(b.c(first - 1), number), [&] {
        b.ifThen(b.lt(number, b.c(last + 1)),
                 [&] { emitPart(b, part, row, b.sub(number, b.c(first)), column); });
      });
      first += part.heads;
    }
  });
}

} // namespace

LogicalResult lowerCacheGroup(ArrayRef<Operation *> ops, Lowering &lowering) {
  auto append = cast<nn::KvAppendOp>(ops.back());
  RankedTensorType cache = typeOf(append.getKeyCache()), rows = typeOf(append.getKey());
  CacheGroup group;
  group.kvHeads = cache.getDimSize(1);
  group.head = cache.getDimSize(2);
  group.vectors = group.head / 2 / kLanes;
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
    Part part = {width / group.head, static_cast<unsigned>(read(rotary.getInput())),
                 static_cast<unsigned>(spec.writes.size()), key, /*value=*/false};
    group.parts.push_back(part);
    // A rotated key that only the cache needs has no slice.
    Value target = lowering.slice(rotary.getResult());
    spec.writes.push_back(target ? target
                                 : lowering.scratch(typeOf(rotary.getResult()), "rotated"));
    columns += width;
    bytes += (key ? 4 : 2) * element * width;
  }
  group.parts.push_back({group.kvHeads, static_cast<unsigned>(read(append.getValue())), 0,
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
    part.target += reads;
    group.pieces += part.heads * group.vectors;
  }
  spec.kernel += "_kv" + std::to_string(group.kvHeads) + "_d" + std::to_string(group.head) + "_t" +
                 std::to_string(group.tableWidth);
  spec.work = lowering.rows(rows, 1, group.pieces);
  spec.flops = plan::perRow(rows, 3.0 * columns);
  spec.bytes = plan::perRow(rows, bytes + 2 * element * group.kvHeads * group.head);
  lowering.launch(spec, [&](KernelBuilder &b) { group.emit(b); });
  return success();
}

} // namespace mirl::passes::cuda
