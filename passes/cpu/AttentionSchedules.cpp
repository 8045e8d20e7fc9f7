// Schedules of attention: nn.attention, nn.kv_append and nn.paged_attention. The adjoint is in
// AttentionGradSchedule.cpp.
//
// Keys are taken in blocks of 16 that lie transposed, so a vector holds the scores of 16 keys. The key cache has them
// so; nn.attention transposes all keys once, in blocks of 16 rows of the packed stream, whatever sequences they belong
// to: where a sequence begins within a block shifts where a score is stored, not how it is computed. A work item is a
// tile of rows and one key/value head, and a register tile the query heads of that head times a few rows, which share
// the loads of keys and values.

#include "passes/cpu/AttentionTile.h"
#include "passes/cpu/MatmulMicrokernel.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cpu {

namespace {

// Rows of a work item.
constexpr int64_t kItemRows = 32;
constexpr int64_t kCachedItemRows = 4;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

std::string nameOf(StringRef what, RankedTensorType query, int64_t heads, int64_t kvHeads, APFloat scale) {
  return (what + "_" + axisName(query) + "_h" + Twine(heads) + "_kv" + Twine(kvHeads) + "_d" +
          Twine(columnsOf(query) / heads) + "_s" +
          llvm::utohexstr(scale.bitcastToAPInt().getZExtValue(), /*LowerCase=*/true))
      .str();
}

LogicalResult lowerAttention(Operation *op, Lowering &lowering) {
  auto attention = cast<nn::AttentionOp>(op);
  auto query = typeOf(attention.getQuery()), key = typeOf(attention.getKey());
  auto offsets = typeOf(attention.getOffsets());
  int64_t heads = attention.getHeads(), kvHeads = attention.getKvHeads(), group = heads / kvHeads;
  int64_t width = columnsOf(query), head = width / heads, kvWidth = columnsOf(key);
  HeadTile shape(group);
  LaunchSpec spec;
  spec.kernel = nameOf("attention", query, heads, kvHeads, attention.getScale()) + "_" + axisName(offsets);
  spec.reads = {lowering.slice(attention.getQuery()),
                packHeads(lowering, lowering.slice(attention.getKey()), key, head),
                lowering.slice(attention.getValue()), lowering.slice(attention.getOffsets())};
  spec.writes = {lowering.slice(attention.getResult()), lowering.slice(attention.getLse())};
  spec.work = lowering.rows(query, kItemRows, kvHeads);
  // Of keys the plan knows no number: as if there were 64 for each query.
  spec.flops = plan::perRow(query, 4.0 * 64 * width);
  spec.bytes = plan::perRow(query, 4.0 * (2 * width + 2 * kvWidth));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value queries = b.buffer(0), keys = b.buffer(1), values = b.buffer(2), starts = b.buffer(3);
    Value results = b.buffer(4), lse = b.buffer(5);
    Value sequences = b.sub(rowsOf(b, offsets), b.c(1));
    b.loop(b.begin(), b.end(), 1, [&](Value item) {
      Value kv = b.rem(item, b.c(kvHeads)), from = b.mul(b.divide(item, b.c(kvHeads)), kItemRows);
      Value to = b.min(b.add(from, kItemRows), rowsOf(b, query));
      forSequencePieces(b, starts, sequences, from, to, [&](Value begin, Value, Value first, Value last) {
        ForwardTile tile;
        tile.headDim = head;
        tile.scale = attention.getScale().convertToFloat();
        tile.keyBlockStride = kLanes * kvWidth;
        Value firstBlock = b.divide(begin, b.c(kLanes));
        tile.keyBlocks = advance(
            b, keys, b.add(b.mul(firstBlock, tile.keyBlockStride), b.mul(kv, kLanes * head)));
        tile.shift = b.rem(begin, b.c(kLanes));
        tile.valueStride = kvWidth;
        tile.values = advance(b, values, b.add(b.mul(begin, kvWidth), b.mul(kv, head)));
        auto rows = [&](Value row, Value headOfGroup) {
          Value firstHead = b.add(b.mul(kv, group), headOfGroup);
          for (int64_t r = 0; r < shape.rows; ++r) {
            // Rows beyond the piece repeat its last: the same numbers are stored twice.
            Value here = b.min(b.add(row, r), b.sub(last, b.c(1)));
            Value at = b.add(b.mul(here, width), b.mul(firstHead, head));
            for (int64_t h = 0; h < shape.heads; ++h) {
              tile.queries.push_back(advance(b, advance(b, queries, at), h * head));
              tile.results.push_back(advance(b, advance(b, results, at), h * head));
              tile.lse.push_back(
                  advance(b, lse, b.add(b.add(b.mul(here, heads), firstHead), h)));
              tile.counts.push_back(b.add(b.sub(here, begin), 1));
            }
          }
          emitForwardTile(b, tile);
        };
        b.loop(first, last, shape.rows,
               [&](Value row) { b.loop(0, group, shape.heads, [&](Value h) { rows(row, h); }); });
      });
    });
  });
  return success();
}

LogicalResult lowerPagedAttention(Operation *op, Lowering &lowering) {
  auto attention = cast<nn::PagedAttentionOp>(op);
  auto query = typeOf(attention.getQuery()), table = typeOf(attention.getTable());
  int64_t heads = attention.getHeads(), kvHeads = attention.getKvHeads(), group = heads / kvHeads;
  int64_t width = columnsOf(query), head = width / heads, tableWidth = table.getDimSize(1);
  HeadTile shape(group);
  LaunchSpec spec;
  spec.kernel = nameOf("paged_attention", query, heads, kvHeads, attention.getScale()) + "_t" +
                std::to_string(tableWidth);
  spec.reads = {lowering.slice(attention.getQuery()), lowering.slice(attention.getKeyCache()),
                lowering.slice(attention.getValueCache()), lowering.slice(attention.getTable()),
                lowering.slice(attention.getSlots()), lowering.slice(attention.getPositions())};
  spec.writes = {lowering.slice(attention.getResult())};
  spec.work = lowering.rows(query, kCachedItemRows);
  spec.flops = plan::perRow(query, 4.0 * 64 * width);
  spec.bytes = plan::perRow(query, 4.0 * (2 * width + 2 * 64 * kvHeads * head));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value queries = b.buffer(0), keys = b.buffer(1), values = b.buffer(2), blocks = b.buffer(3);
    Value slots = b.buffer(4), positions = b.buffer(5), results = b.buffer(6);
    Value from = b.mul(b.begin(), kCachedItemRows);
    Value to = b.min(b.mul(b.end(), kCachedItemRows), rowsOf(b, query));
    b.loop(from, to, 1, [&](Value row) {
      Value slot = b.loadi(slots, row), count = b.add(b.loadi(positions, row), 1);
      b.loop(0, heads, shape.heads, [&](Value firstHead) {
        Value kv = b.mul(b.divide(firstHead, b.c(group)), kLanes * head);
        ForwardTile tile;
        tile.headDim = head;
        tile.scale = attention.getScale().convertToFloat();
        tile.keyBlockStride = kLanes * kvHeads * head;
        tile.keyBlocks = advance(b, keys, kv);
        tile.shift = b.c(0);
        tile.valueStride = head;
        tile.values = advance(b, values, kv);
        tile.table = advance(b, blocks, b.mul(slot, tableWidth));
        Value at = b.add(b.mul(row, width), b.mul(firstHead, head));
        for (int64_t h = 0; h < shape.heads; ++h) {
          tile.queries.push_back(advance(b, advance(b, queries, at), h * head));
          tile.results.push_back(advance(b, advance(b, results, at), h * head));
          tile.counts.push_back(count);
        }
        emitForwardTile(b, tile);
      });
    });
  });
  return success();
}

LogicalResult lowerKvAppend(Operation *op, Lowering &lowering) {
  auto append = cast<nn::KvAppendOp>(op);
  auto key = typeOf(append.getKey()), cache = typeOf(append.getKeyCache());
  int64_t kvHeads = cache.getDimSize(1), head = cache.getDimSize(2);
  int64_t tableWidth = typeOf(append.getTable()).getDimSize(1);
  int64_t columns = kvHeads * head, tile = std::clamp<int64_t>(2048 / columns, 1, 64);
  bool byPosition = keysByPosition(append);
  LaunchSpec spec;
  spec.kernel = "kv_append_" + axisName(key) + "_kv" + std::to_string(kvHeads) + "_d" + std::to_string(head) + "_t" +
                std::to_string(tableWidth) + (byPosition ? "_rows" : "");
  spec.reads = {lowering.slice(append.getKey()), lowering.slice(append.getValue()), lowering.slice(append.getTable()),
                lowering.slice(append.getSlots()), lowering.slice(append.getPositions())};
  spec.writes = {lowering.slice(append.getNewKeyCache()), lowering.slice(append.getNewValueCache())};
  spec.updates = {0, 1};
  spec.work = lowering.rows(key, tile);
  spec.bytes = plan::perRow(key, 16.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value keys = b.buffer(0), values = b.buffer(1), table = b.buffer(2), slots = b.buffer(3), positions = b.buffer(4);
    Value keyCache = b.buffer(5), valueCache = b.buffer(6);
    b.loop(b.mul(b.begin(), tile), b.min(b.mul(b.end(), tile), rowsOf(b, key)), 1, [&](Value row) {
      CachePlace at = cachePlace(b, slots, table, tableWidth, row, b.loadi(positions, row));
      b.loop(0, kvHeads, 1, [&](Value kv) {
        Value base = b.mul(b.add(b.mul(at.block, kvHeads), kv), kLanes * head);
        Value source = b.add(b.mul(row, columns), b.mul(kv, head));
        auto copyRow = [&](Value rows, Value cache) {
          Value from = advance(b, rows, source), to = advance(b, cache, b.add(base, b.mul(at.within, head)));
          for (int64_t i = 0; i < head; i += kLanes)
            storeLanes(b, loadLanes(b, advance(b, from, i), b.c(0), head - i), advance(b, to, i), b.c(0), head - i);
        };
        if (byPosition) {
          copyRow(keys, keyCache);
        } else {
          Value to = advance(b, keyCache, b.add(base, at.within)), from = advance(b, keys, source);
          b.loop(0, head, 1, [&](Value i) { b.store(b.loadf(from, i), to, b.mul(i, kLanes)); });
        }
        copyRow(values, valueCache);
      });
    });
  });
  return success();
}

} // namespace

bool keysByPosition(nn::KvAppendOp append) {
  return llvm::any_of(append.getNewKeyCache().getUsers(), [](Operation *user) {
    auto attention = dyn_cast<nn::PagedAttentionOp>(user);
    return attention && attention.getNumerics() && attention.getNumerics()->getOrder() == "tiles";
  });
}

CachePlace cachePlace(KernelBuilder &b, Value slots, Value table, int64_t tableWidth, Value row,
                      Value position) {
  Value entry = b.add(b.mul(b.loadi(slots, row), tableWidth), b.divide(position, b.c(kLanes)));
  return {b.loadi(table, entry), b.rem(position, b.c(kLanes))};
}

void registerAttentionSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.attention"] = lowerAttention;
  schedules["nn.kv_append"] = lowerKvAppend;
  schedules["nn.paged_attention"] = lowerPagedAttention;
  registerAttentionGradSchedule(schedules);
}

} // namespace mirl::passes::cpu
