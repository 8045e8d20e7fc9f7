// The kernel of nn.paged_attention on tensor cores (AttentionKernel.h).
//
// A work item is a row and a key/value head (or a part of the heads that share one); items whose
// row continues the row before in the same slot have nothing to do: the first row of such a run, at
// most run() of them, does their work. Pairs of a row and a head are the 16 rows of a warp's
// product. The block's threads copy 64 keys and values at a time from the pool to shared memory, a
// stage ahead. There the keys lie as in the pool, [head_dim][16], and the values [64][head_dim],
// with pieces of 16 bytes exchanged so that eight rows of a matrix lie in different banks.

#include "passes/cuda/AttentionKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/WarpProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Values = SmallVector<Value>;

constexpr int64_t kWarps = 4;
// Positions of a block of the pool, and blocks of the pool in a block of keys.
constexpr int64_t kPool = 16, kPools = kAttentionKeys / kPool;

class PagedKernel {
public:
  PagedKernel(TileKernelBuilder &b, const PagedAttention &a) : b(b), a(a) {
    half = kAttentionKeys * a.dim * 2;
    columns = a.shared ? a.dim / kWarps : a.dim;
  }
  void emit();

private:
  Value wideAdd(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value wideMul(Value x, Value y) { return arith::MulIOp::create(b, x, y); }
  Value word(Value pointer, Value index) {
    return LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, index, b.getI32Type()),
                                /*alignment=*/4);
  }
  struct Run {
    Value row, slot, kv,
        firstPair;      // firstPair: of the heads, where a row has more than a block takes
    Value length, keys; // rows, and keys that the last of them sees
  };
  // The pair of this thread's row h of its warp's tile.
  struct Pair {
    Value there, row, head, position;
  };
  void attend(const Run &run);
  Pair pairOf(const Run &run, int64_t h);
  void copyStage(const Run &run, Value block, Value stage);
  Value zero() { return arith::ConstantOp::create(b, b.getF32FloatAttr(0)); }
  Values scores(ValueRange queries, Value stage);
  Values weigh(ValueRange words, Value stage, ValueRange sums);

  TileKernelBuilder &b;
  const PagedAttention &a;
  int64_t half; // bytes of the keys, or values, of a stage
  int64_t stages = 3, columns;
  Value thread, lane, warp, rows, keyAt, valueAt, firstChunk;
};

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

// Starts the copies of a block of keys and values. Behind the last key zeros are written: what the
// pool has there may be no number.
void PagedKernel::copyStage(const Run &run, Value block, Value stage) {
  Value keys = b.buffer(1), values = b.buffer(2), table = b.buffer(3);
  Value target = b.mul(stage, 2 * half), lastPool = b.divide(b.sub(run.keys, b.c(1)), kPool);
  Value rowOfTable = b.mul(run.slot, a.tableWidth);
  int64_t perPool = a.dim * 2 / kWarpgroup; // pieces of 16 bytes of a thread
  for (int64_t pool = 0; pool < kPools; ++pool) {
    Value number = b.add(b.mul(block, kPools), pool);
    Value inPool = word(table, b.add(rowOfTable, b.min(number, lastPool)));
    Value from = wideMul(b.wide(b.add(b.mul(inPool, a.kvHeads), run.kv)), b.c64(kPool * a.dim * 2));
    Value left = b.sub(run.keys, b.min(b.mul(number, kPool), run.keys)); // keys from here on
    for (int64_t i = 0; i < perPool; ++i) {
      Value piece = b.add(thread, i * kWarpgroup), source = wideAdd(from, b.wide(b.mul(piece, 16)));
      Value keyRow = b.divide(piece, 2);
      Value place = b.exclusiveOr(piece, b.rem(b.divide(keyRow, 4), 2));
      copyPiece(b, b.add(b.add(target, pool * kPool * a.dim * 2), b.mul(place, 16)),
                b.at(keys, source, b.getI8Type()), b.lt(b.c(0), left));
      Value valueRow = b.divide(piece, a.dim / 8);
      place = b.exclusiveOr(piece, b.rem(valueRow, 8));
      copyPiece(b, b.add(b.add(target, half + pool * kPool * a.dim * 2), b.mul(place, 16)),
                b.at(values, source, b.getI8Type()), b.lt(valueRow, left));
    }
  }
}

Values PagedKernel::scores(ValueRange queries, Value stage) {
  Value from = b.add(keyAt, b.mul(stage, 2 * half));
  Values sums(kAttentionKeys / 2, zero());
  for (int64_t pool = 0; pool < kPools; ++pool)
    for (int64_t k = 0; k < a.dim / 16; ++k) {
      Values words = loadMatrices(b, b.add(from, pool * kPool * a.dim * 2 + k * 16 * kPool * 2));
      for (int64_t eight = 0; eight < 2; ++eight)
        multiplyWarp(b, queries.slice(4 * k, 4), ValueRange(words).slice(2 * eight, 2),
                     MutableArrayRef<Value>(sums).slice(4 * (2 * pool + eight), 4));
    }
  return sums;
}

Values PagedKernel::weigh(ValueRange words, Value stage, ValueRange sums) {
  Value from = b.add(valueAt, b.mul(stage, 2 * half));
  Values result(sums);
  for (int64_t pair = 0; pair < columns / 16; ++pair) {
    // The lane's row has its number modulo 8.
    Value chunk = b.exclusiveOr(b.add(firstChunk, 2 * pair), b.rem(lane, 8));
    Value column = b.add(from, b.mul(chunk, 16));
    for (int64_t k = 0; k < kPools; ++k) {
      Values matrix = loadMatrices(b, b.add(column, k * 16 * a.dim * 2));
      for (int64_t eight = 0; eight < 2; ++eight)
        multiplyWarp(b, words.slice(4 * k, 4), ValueRange(matrix).slice(2 * eight, 2),
                     MutableArrayRef<Value>(result).slice(4 * (2 * pair + eight), 4));
    }
  }
  return result;
}

void PagedKernel::attend(const Run &run) {
  Pair pairs[2] = {pairOf(run, 0), pairOf(run, 1)};
  Value quarter = b.rem(lane, 4);
  Values starts; // of the pairs' queries, and of their results
  for (const Pair &pair : pairs)
    starts.push_back(wideAdd(wideMul(b.wide(pair.row), b.c64(a.width())),
                             b.wide(b.add(b.mul(pair.head, a.dim), b.mul(quarter, 2)))));
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
  Value count = b.ceilDivide(run.keys, kAttentionKeys);
  for (int64_t stage = 0; stage + 1 < stages; ++stage) {
    b.ifThen(b.lt(b.c(stage), count), [&] { copyStage(run, b.c(stage), b.c(stage)); });
    commitPieces(b);
  }
  Values init = {b.c(0)};
  init.append(columns / 2, zero());
  SoftmaxRows::start(b).append(init);
  Values done = b.loop(b.c(0), count, b.c(1), init, [&](Value block, ValueRange carried) -> Values {
    Value stage = carried[0];
    // This block's copies are through; everybody has done with the block before, whose stage is
    // filled again.
    waitPieces(b, stages - 2);
    b.meet();
    Value ahead = b.add(block, stages - 1),
          before = b.select(b.eq(stage, b.c(0)), b.c(stages - 1), b.sub(stage, b.c(1)));
    b.ifThen(b.lt(ahead, count), [&] { copyStage(run, ahead, before); });
    commitPieces(b);
    Value firstKey = b.add(b.mul(block, kAttentionKeys), b.mul(quarter, 2));
    auto sees = [&](int64_t j, int64_t h) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, b.add(firstKey, j),
                                   pairs[h].position);
    };
    SoftmaxBlock soft = softmaxBlock(b, SoftmaxRows::from(carried.take_back(SoftmaxRows::kValues)),
                                     maskScores(b, scores(queries, stage), sees), a.factor());
    Values next = {b.select(b.eq(stage, b.c(stages - 1)), b.c(0), b.add(stage, 1))};
    next.append(weigh(packWeights(b, soft.weights), stage,
                      scaleRows(b, carried.slice(1, columns / 2), soft.scales)));
    soft.rows.append(next);
    return next;
  });
  // The next item's copies may overwrite what the last products read.
  b.meet();
  SoftmaxEnd end = finishSoftmax(
      b, SoftmaxRows::from(ValueRange(done).take_back(SoftmaxRows::kValues)), a.scale);
  Values scaled = scaleRows(b, ValueRange(done).slice(1, columns / 2), end.inverse);
  Value firstColumn = a.shared ? b.mul(warp, columns) : b.c(0);
  for (int64_t h = 0; h < 2; ++h)
    b.ifThen(pairs[h].there, [&] {
      Value to = b.at(b.buffer(6), wideAdd(starts[h], b.wide(firstColumn)), b.getBF16Type());
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
  Value along = b.add(b.mul(b.rem(matrix, 2), 8), inMatrix), across = b.divide(matrix, 2);
  Value piece = b.add(b.mul(along, 2), b.exclusiveOr(across, b.rem(b.divide(inMatrix, 4), 2)));
  keyAt = b.mul(piece, 16);
  valueAt = b.add(b.mul(along, a.dim * 2), half);
  firstChunk = a.shared ? b.add(b.mul(warp, columns / 8), across) : across;
  Value slots = b.buffer(4), positions = b.buffer(5);
  b.loop(b.firstItem(), b.items(), b.itemStep(), {}, [&](Value item, ValueRange) -> Values {
    Run run;
    Value rest = b.rem(item, a.kvHeads * a.parts());
    run.row = b.divide(item, a.kvHeads * a.parts());
    run.kv = b.divide(rest, a.parts());
    run.firstPair = b.mul(b.rem(rest, a.parts()), a.pairs());
    run.slot = word(slots, run.row);
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
      for (int64_t distance = 16; distance; distance /= 2)
        keys = arith::MaxUIOp::create(b, keys, b.exchange(keys, distance));
      run.keys = b.uniform(keys);
      run.length = b.uniform(run.length);
      attend(run);
    });
    return {};
  });
  // Three blocks leave a thread 168 registers: enough for heads of 64 numbers, a part of whose
  // values it has.
  b.finish(/*warpgroups=*/1, stages * 2 * half, /*blocks=*/a.shared && a.dim == 64 ? 3 : 2);
}

} // namespace

plan::WorkAttr pagedAttentionWork(MLIRContext *context, const PagedAttention &a) {
  int64_t each = a.kvHeads * a.parts();
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(a.rows))
    return plan::WorkAttr::get(context, axis->getAxis(), axis->getExtra(), 1, each);
  return plan::WorkAttr::get(context, std::nullopt, a.rows.getDimSize(0) * each);
}

void emitPagedAttention(LLVM::LLVMFuncOp kernel, Location loc, const PagedAttention &attention) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/0, /*buffers=*/7);
  PagedKernel(builder, attention).emit();
}

} // namespace mirl::passes::cuda
