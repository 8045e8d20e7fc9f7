// nn.paged_attention on tensor cores: work items, what all of them are made of, and the items of
// entries that are not for decoding (PagedAttentionKernel.h).

#include "passes/cuda/PagedAttentionKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/WarpProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {

PagedKernel::Value PagedKernel::wideAdd(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
PagedKernel::Value PagedKernel::wideMul(Value x, Value y) { return arith::MulIOp::create(b, x, y); }
PagedKernel::Value PagedKernel::number(double x) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(x)));
}
PagedKernel::Value PagedKernel::word(Value pointer, Value index) {
  return LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, index, b.getI32Type()),
                              /*alignment=*/4);
}

PagedKernel::Pair PagedKernel::pairOf(const Run &run, int64_t h) {
  Value inTile = b.add(b.divide(lane, 4), 8 * h);
  Value pair = b.add(run.firstPair, a.shared ? inTile : b.add(b.mul(warp, 16), inTile));
  Value row = b.divide(pair, a.group());
  Pair result;
  result.there = b.lt(row, run.length);
  result.row = b.add(run.row, b.select(result.there, row, b.c(0)));
  result.head = b.add(b.mul(run.kv, a.group()), b.rem(pair, a.group()));
  result.position = word(b.buffer(5), result.row);
  return result;
}

Value PagedKernel::startOf(const Pair &pair) {
  return wideAdd(wideMul(b.wide(pair.row), b.c64(a.width())),
                 b.wide(b.add(b.mul(pair.head, a.dim), b.mul(b.rem(lane, 4), 2))));
}

PagedKernel::Values PagedKernel::loadQueries(const Pair (&pairs)[2]) {
  Value starts[2] = {startOf(pairs[0]), startOf(pairs[1])};
  // Row h, columns 2 · (lane % 4) and the next, then 8 further, of each 16.
  Values queries;
  for (int64_t k = 0; k < a.dim / 16; ++k)
    for (int64_t eight = 0; eight < 2; ++eight)
      for (int64_t h = 0; h < 2; ++h) {
        Value at = wideAdd(starts[h], b.c64(16 * k + 8 * eight));
        Value two = LLVM::LoadOp::create(b, b.getI32Type(), b.at(b.buffer(0), at, b.getBF16Type()),
                                         /*alignment=*/4);
        queries.push_back(b.select(pairs[h].there, two, b.c(0)));
      }
  return queries;
}

// All at once, and while it is not known how many there are: a load of the table in front of each copy would be waited for.
void PagedKernel::loadBlocks(Run &run) {
  run.firstPool = run.segment ? b.mul(run.segment, a.segment / kPoolKeys) : b.c(0);
  int64_t most = a.split() ? std::min(a.segment / kPoolKeys, a.tableWidth) : a.tableWidth;
  Value row = b.mul(run.slot, a.tableWidth);
  for (int64_t first = 0; first < most; first += kLanes) {
    Value number = b.add(run.firstPool, b.add(lane, first));
    run.blocks.push_back(word(b.buffer(3), b.add(row, b.min(number, b.c(a.tableWidth - 1)))));
  }
}

PagedKernel::Value PagedKernel::blockOf(const Run &run, Value number) {
  if (run.blocks.empty())
    return word(b.buffer(3), b.add(b.mul(run.slot, a.tableWidth), number));
  Value place = b.sub(number, run.firstPool), block = b.fromLane(run.blocks[0], place);
  for (size_t i = 1; i < run.blocks.size(); ++i)
    block = b.select(b.lt(place, b.c(static_cast<int64_t>(i) * kLanes)), block, b.fromLane(run.blocks[i], place));
  return block;
}

void PagedKernel::copyPools(const Run &run, Value firstPool, int64_t pools, Value keysTo,
                            Value valuesTo) {
  Value keys = b.buffer(1), values = b.buffer(2);
  Value lastPool = b.divide(b.sub(run.keys, b.c(1)), kPoolKeys);
  int64_t perPool = poolBytes() / (16 * kWarpgroup); // pieces of 16 bytes of a thread
  for (int64_t pool = 0; pool < pools; ++pool) {
    Value number = b.add(firstPool, pool);
    Value inPool = blockOf(run, b.min(number, lastPool));
    Value from = wideMul(b.wide(b.add(b.mul(inPool, a.kvHeads), run.kv)), b.c64(poolBytes()));
    Value left = b.sub(run.keys, b.min(b.mul(number, kPoolKeys), run.keys)); // keys from here on
    for (int64_t i = 0; i < perPool; ++i) {
      Value piece = b.add(thread, i * kWarpgroup), source = wideAdd(from, b.wide(b.mul(piece, 16)));
      Value row = b.divide(piece, a.dim / 8), place = b.mul(b.exclusiveOr(piece, b.rem(row, 8)), 16);
      for (auto [to, buffer] : {std::pair(keysTo, keys), std::pair(valuesTo, values)})
        if (to)
          copyPiece(b, b.add(b.add(to, pool * poolBytes()), place), b.at(buffer, source, b.getI8Type()), b.lt(row, left));
    }
  }
}

PagedKernel::Values PagedKernel::scores(ValueRange queries, Value keys, int64_t pools) {
  Value from = b.add(keyAt, keys);
  Values sums(pools * kPoolKeys / 2, number(0)), columns;
  for (int64_t k = 0; k < a.dim / 16; ++k)
    columns.push_back(b.add(from, b.mul(b.exclusiveOr(b.add(along, 2 * k), b.rem(lane, 8)), 16)));
  for (int64_t pool = 0; pool < pools; ++pool)
    for (int64_t k = 0; k < a.dim / 16; ++k) {
      Values words = loadMatrices(b, b.add(columns[k], pool * poolBytes()), /*transposed=*/false);
      for (int64_t eight = 0; eight < 2; ++eight)
        multiplyWarp(b, queries.slice(4 * k, 4), ValueRange(words).slice(2 * eight, 2),
                     MutableArrayRef<Value>(sums).slice(4 * (2 * pool + eight), 4));
    }
  return sums;
}

PagedKernel::Values PagedKernel::weigh(ValueRange words, Value values, Value firstColumn,
                                       ValueRange sums) {
  Value from = b.add(valueAt, values), firstChunk = b.add(b.divide(firstColumn, 8), across);
  Values result(sums);
  for (int64_t pair = 0; pair < static_cast<int64_t>(sums.size()) / 8; ++pair) {
    // The lane's row has its number modulo 8.
    Value chunk = b.exclusiveOr(b.add(firstChunk, 2 * pair), b.rem(lane, 8));
    Value column = b.add(from, b.mul(chunk, 16));
    for (int64_t k = 0; k < kPools; ++k) {
      Values matrix = loadMatrices(b, b.add(column, k * poolBytes()), /*transposed=*/true);
      for (int64_t eight = 0; eight < 2; ++eight)
        multiplyWarp(b, words.slice(4 * k, 4), ValueRange(matrix).slice(2 * eight, 2),
                     MutableArrayRef<Value>(result).slice(4 * (2 * pair + eight), 4));
    }
  }
  return result;
}

void PagedKernel::attendApart(const Run &run) {
  Pair pairs[2] = {pairOf(run, 0), pairOf(run, 1)};
  Values queries = loadQueries(pairs);
  Value quarter = b.rem(lane, 4), end = b.ceilDivide(run.keys, kAttentionKeys);
  int64_t half = kPools * poolBytes();
  auto copyStage = [&](Value block, Value stage) {
    b.ifThen(b.lt(block, end), [&] {
      Value to = b.mul(stage, 2 * half);
      copyPools(run, b.mul(block, kPools), kPools, to, b.add(to, half));
    });
    commitPieces(b);
  };
  for (int64_t stage = 0; stage + 1 < stages(); ++stage)
    copyStage(b.c(stage), b.c(stage));
  size_t sumCount = static_cast<size_t>(a.dim / 2);
  Values start(sumCount, number(0));
  SoftmaxRows::start(b).append(start);
  Values init = {b.c(0)};
  init.append(start);
  const int64_t per = a.blocksOfSegment();
  auto sumsOf = [&](ArrayRef<Value> state) {
    return RowSums{Values(state.take_front(sumCount)), totalsOf(b, SoftmaxRows::from(state.drop_front(sumCount)))};
  };
  auto kept = [&] {
    Value first = wideMul(b.wide(b.firstItem()), b.c64(KeptSums::elements(a.dim / 2)));
    return KeptSums(b, b.buffer(7), first, thread, a.dim / 2);
  };
  Values done = b.loop(b.c(0), end, b.c(1), init, [&](Value block, ValueRange carried) -> Values {
    Value stage = carried[0];
    // This block's copies are through; everybody has done with the block before, whose stage is
    // filled again.
    waitPieces(b, stages() - 2);
    b.meet();
    Value before = b.select(b.eq(stage, b.c(0)), b.c(stages() - 1), b.sub(stage, b.c(1)));
    copyStage(b.add(block, stages() - 1), before);
    Values state(carried.drop_front(1));
    if (a.segmented()) {
      Value begins = b.both(b.lt(b.c(0), block), b.eq(b.rem(block, per), b.c(0)));
      state = b.choose(
          begins,
          [&] {
            kept().add(b.eq(block, b.c(per)), sumsOf(state), a.factor(), seesFrom(pairs, b.sub(block, b.c(per))));
            return start;
          },
          state);
    }
    Value firstKey = b.add(b.mul(block, kAttentionKeys), b.mul(quarter, 2));
    auto sees = [&](int64_t j, int64_t h) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, b.add(firstKey, j),
                                   pairs[h].position);
    };
    Value keys = b.mul(stage, 2 * half);
    SoftmaxBlock soft =
        softmaxBlock(b, SoftmaxRows::from(ArrayRef(state).take_back(SoftmaxRows::kValues)),
                     maskScores(b, scores(queries, keys, kPools), sees), a.factor());
    Values next = {b.select(b.eq(stage, b.c(stages() - 1)), b.c(0), b.add(stage, 1))};
    next.append(weigh(packWeights(b, soft.weights), b.add(keys, half), b.c(0),
                      scaleRows(b, ArrayRef(state).take_front(sumCount), soft.scales)));
    soft.rows.append(next);
    return next;
  });
  // The next item's copies may overwrite what the last products read.
  b.meet();
  RowSums sums = sumsOf(ArrayRef(done).drop_front(1));
  if (a.segmented()) {
    Value last = b.sub(end, b.c(1));
    sums = kept().addTo(b.lt(b.c(per - 1), last), sums, a.factor(), seesFrom(pairs, b.mul(b.divide(last, per), per)));
  }
  store(pairs, b.c(0), sums);
}

PagedKernel::Values PagedKernel::seesFrom(const Pair (&pairs)[2], Value block) {
  Values sees;
  for (const Pair &pair : pairs)
    sees.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::sle, b.mul(block, kAttentionKeys), pair.position));
  return sees;
}

void PagedKernel::store(const Pair (&pairs)[2], Value firstColumn, const RowSums &sums) {
  Values scaled = scaleRows(b, sums.values, finishSoftmax(b, sums.totals, a.scale).inverse);
  int64_t columns = static_cast<int64_t>(scaled.size()) * 2;
  for (int64_t h = 0; h < 2; ++h)
    b.ifThen(pairs[h].there, [&] {
      Value to =
          b.at(b.buffer(6), wideAdd(startOf(pairs[h]), b.wide(firstColumn)), b.getBF16Type());
      for (int64_t eight = 0; eight < columns / 8; ++eight)
        LLVM::StoreOp::create(b,
                              packBf16(b, scaled[4 * eight + 2 * h], scaled[4 * eight + 2 * h + 1]),
                              b.at(to, 8 * eight, b.getBF16Type()), /*alignment=*/4);
    });
}

void PagedKernel::emit() {
  thread = b.threadId();
  lane = b.rem(thread, 32);
  warp = b.uniform(b.divide(thread, 32));
  rows = rowsOf(b, a.rows);
  // What a lane names of four matrices of 8×8: the first two follow each other in the products'
  // sum, then 8 columns further.
  Value matrix = b.divide(lane, 8), inMatrix = b.rem(lane, 8);
  across = b.divide(matrix, 2);
  along = b.rem(matrix, 2);
  keyAt = b.mul(b.add(b.mul(across, 8), inMatrix), a.dim * 2);
  valueAt = b.mul(b.add(b.mul(along, 8), inMatrix), a.dim * 2);
  if (a.split())
    emitSplitRuns();
  else
    emitRuns();
  // Also of blocks that have no work.
  if (a.early)
    waitForEarlier(b);
  b.finish(/*warpgroups=*/1, a.shared ? togetherBytes() : stages() * 2 * kPools * poolBytes(),
           a.blocks());
}

void PagedKernel::emitRuns() {
  b.loop(b.firstItem(), b.items(), b.itemStep(), {}, [&](Value item, ValueRange) -> Values {
    emitRun(item, Value());
    return {};
  });
}

// Most items are of segments that their sequence does not have. Each lane looks at an item.
void PagedKernel::emitSplitRuns() {
  Value perSegment = b.mul(rows, a.itemsOfRow()), positions = b.buffer(5);
  b.loop(b.firstItem(), b.items(), b.mul(b.itemStep(), kLanes), {}, [&](Value base, ValueRange) -> Values {
    auto itemOf = [&](Value lane) { return b.add(base, b.mul(lane, b.itemStep())); };
    Value mine = itemOf(lane), inside = b.lt(mine, b.items());
    Value row = b.divide(b.rem(b.select(inside, mine, base), perSegment), a.itemsOfRow());
    Value keys = b.add(word(positions, row), 1);
    Value some = b.both(inside, b.lt(b.mul(b.divide(mine, perSegment), a.segment), keys));
    b.repeat({ballot(b, some)}, [&](ValueRange left) -> Values {
      Value any = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, left[0], b.c(0));
      b.ifThen(any, [&] {
        Value item = itemOf(math::CountTrailingZerosOp::create(b, left[0]));
        emitRun(b.rem(item, perSegment), b.divide(item, perSegment));
      });
      return {any, arith::AndIOp::create(b, left[0], b.sub(left[0], b.c(1)))};
    });
    return {};
  });
}

void PagedKernel::emitRun(Value item, Value segment) {
  Value slots = b.buffer(4), positions = b.buffer(5);
  Run run;
  run.item = item;
  run.segment = segment;
  Value rest = b.rem(item, a.itemsOfRow());
  run.row = b.divide(item, a.itemsOfRow());
  run.kv = b.divide(rest, a.parts());
  run.firstPair = b.mul(b.rem(rest, a.parts()), a.pairs());
  run.slot = word(slots, run.row);
  if (a.shared)
    loadBlocks(run);
  Value first = b.eq(b.rem(run.row, a.run()), b.c(0));
  Value before = word(slots, b.select(first, run.row, b.sub(run.row, b.c(1))));
  Value different = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, before, run.slot);
  b.ifThen(b.either(first, different), [&] {
    // Each lane looks at a row: those of the same slot up to the next multiple of run() belong to
    // it.
    Value here = b.add(run.row, lane), inside = b.lt(here, rows);
    Value safe = b.select(inside, here, run.row);
    Value same = b.both(inside, b.eq(word(slots, safe), run.slot));
    same = b.both(same, b.lt(lane, b.sub(b.c(a.run()), b.rem(run.row, a.run()))));
    Value others = ballot(
        b, arith::XOrIOp::create(b, same, arith::ConstantOp::create(b, b.getBoolAttr(true))));
    run.length = math::CountTrailingZerosOp::create(b, others);
    Value keys = b.add(b.select(b.lt(lane, run.length), word(positions, safe), b.c(0)), 1);
    for (int64_t distance = kLanes / 2; distance; distance /= 2)
      keys = arith::MaxUIOp::create(b, keys, b.exchange(keys, distance));
    run.keys = b.uniform(keys);
    run.length = b.uniform(run.length);
    if (a.shared)
      attendTogether(run);
    else
      attendApart(run);
  });
}

int64_t PagedAttention::keptOfRow() const {
  return itemsOfRow() * segments() * KeptSums::elements(dim / 2 / PagedKernel::kWarps);
}
int64_t PagedAttention::keptElements() const {
  return kMostMultiprocessors * blocks() * KeptSums::elements(dim / 2);
}

plan::WorkAttr pagedAttentionWork(MLIRContext *context, const PagedAttention &a) {
  int64_t each = a.itemsOfRow() * (a.split() ? a.segments() : 1);
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(a.rows))
    return plan::WorkAttr::get(context, axis->getAxis(), axis->getExtra(), 1, each);
  return plan::WorkAttr::get(context, std::nullopt, a.rows.getDimSize(0) * each);
}

void emitPagedAttention(LLVM::LLVMFuncOp kernel, Location loc, const PagedAttention &attention) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/0, /*buffers=*/attention.split() ? 9 : attention.segmented() ? 8 : 7,
                            /*waits=*/attention.early);
  PagedKernel(builder, attention).emit();
}

} // namespace mirl::passes::cuda
