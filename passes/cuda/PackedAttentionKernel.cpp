// The kernel of nn.attention on tensor cores (AttentionKernel.h).
//
// Warpgroup 0 is the producer. One of its threads takes the next tile (a counter in memory, so that
// a block that is done early takes more), tells the consumers which it is, and fills two rings in
// shared memory: queries of a tile, and blocks of 64 keys and values. Each of the other warpgroups
// computes 64 queries of the tile, whose sums stay in registers. The products of the next block's
// scores are on their way while this block's values are multiplied.
//
// Tiles are found without a list: with tiles of T rows, sequence s has the places offsets[s] / T +
// s up to and including offsets[s + 1] / T + s; each is a tile, the last of the sequence first, or
// nothing.

#include "passes/cuda/AttentionKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/WarpProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Values = SmallVector<Value>;

// 64 rows of 64 columns in shared memory.
constexpr int64_t kChunkBytes = 64 * kTileRowBytes;
constexpr int64_t kQueryStages = 2, kMostStages = 8;
constexpr int64_t kWarps = kWarpgroup / 32;

class PackedKernel {
public:
  PackedKernel(TileKernelBuilder &b, const PackedAttention &a) : b(b), a(a) {
    blockBytes = a.dim / 64 * kChunkBytes;
    queryBytes = a.consumers() * blockBytes;
    stages =
        std::min(kMostStages, (kSharedBytes - kQueryStages * queryBytes - 512) / (2 * blockBytes));
  }
  int64_t sharedBytes() const { return places() + 16 * kQueryStages; }
  void emit();

private:
  struct Stage {
    Value number, parity;
  };
  Stage next(Stage stage, int64_t count) {
    Value last = b.eq(stage.number, b.c(count - 1));
    return {b.select(last, b.c(0), b.add(stage.number, 1)),
            b.select(last, b.sub(b.c(1), stage.parity), stage.parity)};
  }
  // Shared memory: the queries, the keys, the values, the barriers, and for each stage of queries
  // which tile it is.
  int64_t keys() const { return kQueryStages * queryBytes; }
  int64_t values() const { return keys() + stages * blockBytes; }
  int64_t barriers() const { return values() + stages * blockBytes; }
  int64_t places() const {
    return (barriers() + 8 * (4 * stages + 2 * kQueryStages) + 15) / 16 * 16;
  }
  Value barrier(int64_t first, Value stage) {
    return b.at(b.shared(b.c(barriers() + 8 * first)), stage, b.getI64Type());
  }
  Value keysFull(Value stage) { return barrier(0, stage); }
  Value keysEmpty(Value stage) { return barrier(stages, stage); }
  Value valuesFull(Value stage) { return barrier(2 * stages, stage); }
  Value valuesEmpty(Value stage) { return barrier(3 * stages, stage); }
  Value queriesFull(Value stage) { return barrier(4 * stages, stage); }
  Value queriesEmpty(Value stage) { return barrier(4 * stages + kQueryStages, stage); }
  Value place(Value stage, int64_t word) {
    return b.at(b.shared(b.add(b.mul(stage, 16), places())), word, b.getI32Type());
  }
  Value offset(Value sequence) {
    return LLVM::LoadOp::create(b, b.getI32Type(), b.at(b.buffer(3), sequence, b.getI32Type()),
                                /*alignment=*/4);
  }
  Value firstPlace(Value sequence) { return b.add(b.divide(offset(sequence), a.tile()), sequence); }
  // Blocks of keys that rows up to `last` see.
  Value blocks(Value begin, Value last) { return b.ceilDivide(b.sub(last, begin), kAttentionKeys); }

  void produce();
  void consume(Value consumer);
  Value scores(Value queries, Stage stage);
  Value weigh(ValueRange words, Stage stage, Value accumulator);
  Values scaleSums(ValueRange sums, const Value (&scales)[2]);
  void store(const RowSums &sums, Value row, Value end, Value head);
  // What this thread keeps between two segments.
  KeptSums kept(Value consumer);

  TileKernelBuilder &b;
  const PackedAttention &a;
  int64_t blockBytes, queryBytes, stages;
  Value sequences, tiles; // tiles: places times heads
  Value lane, warp, lead;
};

void PackedKernel::produce() {
  Value counter = b.buffer(6);
  auto copy = [&](unsigned map, Value target, Value column, Value row, Value full) {
    for (int64_t chunk = 0; chunk < a.dim / 64; ++chunk)
      b.load(b.shared(b.add(target, chunk * kChunkBytes)), b.map(map),
             {b.add(column, 64 * chunk), row}, full);
  };
  Values init = {b.c(0), b.c(1), b.c(0), b.c(1)};
  b.repeat(init, [&](ValueRange carried) -> Values {
    Stage ring{carried[0], carried[1]}, queries{carried[2], carried[3]};
    Value tile = LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, counter, b.c(1),
                                           LLVM::AtomicOrdering::monotonic, "device");
    Value there = b.lt(tile, tiles);
    Value number = b.select(there, b.divide(tile, a.heads), b.c(0)),
          head = b.select(there, b.rem(tile, a.heads), b.c(a.heads));
    // The last sequence whose places begin at or before the number.
    Value sequence = b.repeat({b.c(0), sequences}, [&](ValueRange range) -> Values {
      Value middle = b.divide(b.add(range[0], range[1]), 2);
      Value after = b.lt(number, firstPlace(middle));
      Value low = b.select(after, range[0], middle), high = b.select(after, middle, range[1]);
      return {b.lt(b.add(low, 1), high), low, high};
    })[0];
    Value begin = offset(sequence), end = offset(b.add(sequence, 1));
    Value last = b.sub(b.divide(end, a.tile()), b.divide(begin, a.tile()));
    Value fromEnd = b.sub(number, firstPlace(sequence));
    Value row = b.add(begin, b.mul(b.sub(last, fromEnd), a.tile()));
    Value some = b.both(there, b.lt(row, end));
    b.ifThen(b.either(some, b.eq(head, b.c(a.heads))), [&] {
      b.wait(queriesEmpty(queries.number), queries.parity);
      for (auto [word, value] : llvm::enumerate(Values{begin, row, end, head}))
        LLVM::StoreOp::create(b, value, place(queries.number, static_cast<int64_t>(word)),
                              /*alignment=*/4);
      Value full = queriesFull(queries.number);
      b.ifElse(
          some,
          [&] {
            b.expect(full, queryBytes);
            for (int64_t group = 0; group < a.consumers(); ++group)
              copy(0, b.add(b.mul(queries.number, queryBytes), group * blockBytes),
                   b.mul(head, a.dim), b.add(row, 64 * group), full);
          },
          [&] { b.arrive(full); });
    });
    Value column = b.mul(b.divide(head, a.group()), a.dim);
    Value count = b.select(some, blocks(begin, b.min(b.add(row, a.tile()), end)), b.c(0));
    Values rest = b.loop(b.c(0), count, b.c(1), {ring.number, ring.parity},
                         [&](Value block, ValueRange ring) -> Values {
                           Stage stage{ring[0], ring[1]};
                           Value key = b.add(begin, b.mul(block, kAttentionKeys));
                           b.wait(keysEmpty(stage.number), stage.parity);
                           b.expect(keysFull(stage.number), blockBytes);
                           copy(1, b.add(b.mul(stage.number, blockBytes), keys()), column, key,
                                keysFull(stage.number));
                           b.wait(valuesEmpty(stage.number), stage.parity);
                           b.expect(valuesFull(stage.number), blockBytes);
                           copy(2, b.add(b.mul(stage.number, blockBytes), values()), column, key,
                                valuesFull(stage.number));
                           Stage following = next(stage, stages);
                           return {following.number, following.parity};
                         });
    Stage following = next(queries, kQueryStages);
    return {there, rest[0], rest[1], b.select(some, following.number, queries.number),
            b.select(some, following.parity, queries.parity)};
  });
}

// Puts the products of a block's scores on their way, when its keys are there. `queries`: where the
// warpgroup's are.
Value PackedKernel::scores(Value queries, Stage stage) {
  b.wait(keysFull(stage.number), stage.parity);
  Value address = b.add(b.add(b.sharedAddress(), keys()), b.mul(stage.number, blockBytes));
  Value left = b.descriptor(queries, Major::k, kChunkBytes),
        right = b.descriptor(address, Major::k, kChunkBytes);
  auto further = [&](Value tile, int64_t k) {
    Value chunk =
        k < 4 ? tile : Value(arith::AddIOp::create(b, tile, b.c64(kChunkBytes / 16 * (k / 4))));
    return b.nextK(chunk, Major::k, k % 4);
  };
  b.beginProducts();
  Value sums;
  for (int64_t k = 0; k < a.dim / 16; ++k) {
    if (k == 0)
      sums = multiplyFirst(b, left, Major::k, right, Major::k, kAttentionKeys);
    else
      sums =
          b.multiply(further(left, k), Major::k, further(right, k), Major::k, kAttentionKeys, sums);
  }
  b.commitProducts();
  return sums;
}

// And those of its values: sums + weights · values.
Value PackedKernel::weigh(ValueRange words, Stage stage, Value accumulator) {
  b.wait(valuesFull(stage.number), stage.parity);
  Value address = b.add(b.add(b.sharedAddress(), values()), b.mul(stage.number, blockBytes));
  Value right = b.descriptor(address, Major::mn, kChunkBytes);
  Values left = beginProducts(b, words);
  for (int64_t k = 0; k < kAttentionKeys / 16; ++k)
    accumulator = multiplyRegisters(b, ValueRange(left).slice(4 * k, 4),
                                    b.nextK(right, Major::mn, k), Major::mn, a.dim, accumulator);
  b.commitProducts();
  return accumulator;
}

// As scaleRows. Most blocks have no new maximum: their scales are 1.
Values PackedKernel::scaleSums(ValueRange sums, const Value (&scales)[2]) {
  Value one = arith::ConstantOp::create(b, b.getF32FloatAttr(1));
  auto changes = [&](Value scale) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, scale, one);
  };
  Value any = ballot(b, b.either(changes(scales[0]), changes(scales[1])));
  Value needed = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, any, b.c(0));
  return b.choose(
      needed, [&] { return scaleRows(b, sums, scales); }, sums);
}

KeptSums PackedKernel::kept(Value consumer) {
  Value group = b.add(b.mul(b.firstItem(), a.consumers()), consumer);
  Value first = arith::MulIOp::create(b, b.wide(group), b.c64(KeptSums::elements(a.dim / 2)));
  return KeptSums(b, b.buffer(7), first, b.threadOfGroup(), a.dim / 2);
}

void PackedKernel::store(const RowSums &sums, Value row, Value end, Value head) {
  SoftmaxEnd done = finishSoftmax(b, sums.totals, a.scale);
  Values scaled = scaleRows(b, sums.values, done.inverse);
  Value result = b.buffer(4), lse = b.buffer(5), quarter = b.rem(lane, 4);
  for (int64_t h = 0; h < 2; ++h) {
    Value here = b.add(row, 8 * h);
    b.ifThen(b.lt(here, end), [&] {
      Value start = arith::MulIOp::create(b, b.wide(here), b.c64(a.width()));
      Value column = b.add(b.mul(head, a.dim), b.mul(quarter, 2));
      Value to = b.at(result, arith::AddIOp::create(b, start, b.wide(column)), b.getBF16Type());
      for (int64_t eight = 0; eight < a.dim / 8; ++eight)
        LLVM::StoreOp::create(b,
                              packBf16(b, scaled[4 * eight + 2 * h], scaled[4 * eight + 2 * h + 1]),
                              b.at(to, 8 * eight, b.getBF16Type()), /*alignment=*/4);
      b.ifThen(b.eq(quarter, b.c(0)), [&] {
        Value at = b.add(b.mul(here, a.heads), head);
        LLVM::StoreOp::create(b, done.lse[h], b.at(lse, b.wide(at), b.getF32Type()),
                              /*alignment=*/4);
      });
    });
  }
}

void PackedKernel::consume(Value consumer) {
  Value thread = b.threadOfGroup();
  lane = b.rem(thread, 32);
  warp = b.divide(thread, 32);
  lead = b.eq(lane, b.c(0));
  Value rowOfThread = b.add(b.mul(warp, 16), b.divide(lane, 4));
  // The row less the column of the thread's first score of a block.
  Value diagonal = b.sub(rowOfThread, b.mul(b.rem(lane, 4), 2));
  auto sees = [&](int64_t j, int64_t h) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, b.c(j - 8 * h), diagonal);
  };
  // For each warp: none may look for a stage after it has been filled again.
  auto release = [&](Value barrier) {
    NVVM::SyncWarpOp::create(b, b.c(-1));
    b.ifThen(lead, [&] { b.arrive(barrier); });
  };
  b.repeat({b.c(0), b.c(0), b.c(0), b.c(0)}, [&](ValueRange carried) -> Values {
    Stage ring{carried[0], carried[1]}, queries{carried[2], carried[3]};
    b.wait(queriesFull(queries.number), queries.parity);
    Values at;
    for (int64_t word = 0; word < 4; ++word)
      at.push_back(b.uniform(
          LLVM::LoadOp::create(b, b.getI32Type(), place(queries.number, word), /*alignment=*/4)));
    Value begin = at[0], tileRow = at[1], end = at[2], head = at[3];
    Value there = b.lt(head, b.c(a.heads));
    Value first = b.add(tileRow, b.mul(consumer, 64)); // of this warpgroup's rows
    Value active = b.both(there, b.lt(first, end));
    Value count = b.select(there, blocks(begin, b.min(b.add(tileRow, a.tile()), end)), b.c(0));
    // Rows of a tile begin at a multiple of 64: only the last block has keys that not all rows see.
    Value mine = b.select(active, b.divide(b.sub(first, begin), kAttentionKeys), b.c(0));
    Values after = b.choose(
        active,
        [&]() -> Values {
          Value address = b.add(b.add(b.sharedAddress(), b.mul(queries.number, queryBytes)),
                                b.mul(consumer, blockBytes));
          // The softmax of a block whose scores are there; the last block is the one with keys that
          // not all rows see.
          auto soften = [&](Value ready, Value last, const SoftmaxRows &rows) {
            Values all = elements(b, ready);
            all = b.choose(
                last, [&] { return maskScores(b, all, sees); }, all);
            return softmaxBlock(b, rows, all, a.factor());
          };
          Value ready = waitProducts(b, 0, {scores(address, ring)})[0];
          release(keysEmpty(ring.number));
          SoftmaxBlock soft = soften(ready, b.eq(mine, b.c(0)), SoftmaxRows::start(b));
          Values init = {b.zero(b.accumulator(a.dim)), ring.number, ring.parity};
          soft.rows.append(init);
          init.append(packWeights(b, soft.weights));
          // While the values of a block are multiplied by its weights, the next block's scores
          // become weights.
          auto goOn = [&](Value block, ValueRange carried) -> Values {
            Stage stage{carried[1], carried[2]}, following = next(stage, stages);
            Value ahead = scores(address, following);
            Value sums = weigh(carried.drop_front(3 + SoftmaxRows::kValues), stage, carried[0]);
            Value ready = waitProducts(b, 1, {ahead})[0];
            release(keysEmpty(following.number));
            SoftmaxBlock soft = soften(ready, b.eq(b.add(block, 1), mine),
                                       SoftmaxRows::from(carried.drop_front(3)));
            sums = waitProducts(b, 0, {sums})[0];
            release(valuesEmpty(stage.number));
            // Not before the products have read the last ones.
            Values words = packWeights(b, elements(b, gather(b, soft.weights)));
            Values next = {gather(b, scaleSums(elements(b, sums), soft.scales)),
                           following.number, following.parity};
            soft.rows.append(next);
            next.append(words);
            return next;
          };
          // The same where the next block is the first of a segment: this one's sums are kept.
          auto beginSegment = [&](Value block, ValueRange carried) -> Values {
            Stage stage{carried[1], carried[2]}, following = next(stage, stages);
            Value ahead = scores(address, following);
            Value sums = weigh(carried.drop_front(3 + SoftmaxRows::kValues), stage, carried[0]);
            Values ready = waitProducts(b, 0, {ahead, sums});
            release(keysEmpty(following.number));
            release(valuesEmpty(stage.number));
            RowSums segment{elements(b, ready[1]), totalsOf(b, SoftmaxRows::from(carried.drop_front(3)))};
            Value through = b.add(block, 1);
            SoftmaxBlock soft = soften(ready[0], b.eq(through, mine), SoftmaxRows::start(b));
            Values next = {b.zero(b.accumulator(a.dim)), following.number, following.parity};
            soft.rows.append(next);
            next.append(packWeights(b, soft.weights));
            kept(consumer).add(b.eq(through, b.c(a.blocksOfSegment())), segment, a.factor());
            return next;
          };
          Values done;
          if (a.segmented()) {
            Values from = {b.c(0)};
            from.append(init);
            done = b.repeat(from, [&](ValueRange carried) -> Values {
              Value last = b.min(mine, b.add(carried[0], a.blocksOfSegment() - 1));
              Values state = b.loop(carried[0], last, b.c(1), carried.drop_front(1), goOn);
              Value more = b.lt(last, mine);
              Values next = {more, b.add(last, 1)};
              next.append(b.choose(
                  more, [&] { return beginSegment(last, state); }, state));
              return next;
            });
            done.erase(done.begin());
          } else {
            done = b.loop(b.c(0), mine, b.c(1), init, goOn);
          }
          Stage stage{done[1], done[2]}, following = next(stage, stages);
          SoftmaxRows rows = SoftmaxRows::from(ValueRange(done).drop_front(3));
          Value sums = weigh(ValueRange(done).drop_front(3 + SoftmaxRows::kValues), stage, done[0]);
          Value through = waitProducts(b, 0, {sums})[0];
          release(valuesEmpty(stage.number));
          RowSums all{elements(b, through), totalsOf(b, rows)};
          if (a.segmented())
            all = kept(consumer).addTo(b.lt(b.c(a.blocksOfSegment() - 1), mine), all, a.factor());
          store(all, b.add(first, rowOfThread), end, head);
          return {following.number, following.parity, b.add(mine, 1)};
        },
        {ring.number, ring.parity, b.c(0)});
    // Blocks that only later rows of the tile see.
    Values rest = b.loop(after[2], count, b.c(1), {after[0], after[1]},
                         [&](Value, ValueRange ring) -> Values {
                           Stage stage{ring[0], ring[1]}, following = next(stage, stages);
                           b.wait(keysFull(stage.number), stage.parity);
                           release(keysEmpty(stage.number));
                           b.wait(valuesFull(stage.number), stage.parity);
                           release(valuesEmpty(stage.number));
                           return {following.number, following.parity};
                         });
    release(queriesEmpty(queries.number));
    Stage following = next(queries, kQueryStages);
    return {there, rest[0], rest[1], following.number, following.parity};
  });
}

void PackedKernel::emit() {
  Value rows = rowsOf(b, a.rows);
  sequences = b.sub(rowsOf(b, a.offsets), b.c(1));
  tiles = b.mul(b.add(b.divide(rows, a.tile()), sequences), a.heads);
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] {
    auto init = [&](int64_t first, int64_t count, int64_t arrivals) {
      b.initBarriers(b.shared(b.c(barriers() + 8 * first)), count, arrivals);
    };
    for (int64_t ring = 0; ring < 4; ++ring)
      init(ring * stages, stages, ring % 2 ? kWarps * a.consumers() : 1);
    init(4 * stages, kQueryStages, 1);
    init(4 * stages + kQueryStages, kQueryStages, kWarps * a.consumers());
    b.publishBarriers();
    for (unsigned map = 0; map < 3; ++map)
      b.prefetchMap(b.map(map));
  });
  waitForEarlier(b);
  b.meet();
  // What the producer does not need, consumers do: of the registers that the block was started
  // with.
  int64_t few = 24, most = a.consumers() > 3 ? 112 : 160;
  b.ifElse(
      b.eq(b.warpgroup(), b.c(0)),
      [&] {
        b.setRegisters(few, /*more=*/false);
        b.byOneThread([&] { produce(); });
      },
      [&] {
        b.setRegisters(most, /*more=*/true);
        consume(b.sub(b.warpgroup(), b.c(1)));
      });
  b.finish(a.consumers() + 1, sharedBytes());
}

} // namespace

int64_t PackedAttention::keptElements() const {
  return kMostMultiprocessors * consumers() * KeptSums::elements(dim / 2);
}

plan::WorkAttr packedAttentionWork(MLIRContext *context, const PackedAttention &a) {
  // The counter gives out the tiles: this says no more than how many blocks there may be, one for
  // each row and head.
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(a.rows))
    return plan::WorkAttr::get(context, axis->getAxis(), axis->getExtra(), 1, a.heads);
  return plan::WorkAttr::get(context, std::nullopt, a.rows.getDimSize(0) * a.heads);
}

SmallVector<Attribute> packedAttentionMaps(MLIRContext *context, const PackedAttention &a) {
  auto array = [&](ArrayRef<int64_t> values) { return DenseI64ArrayAttr::get(context, values); };
  std::optional<nn::AxisAttr> axis = nn::axisOf(a.rows);
  int64_t rows = axis ? axis->getExtra() : a.rows.getDimSize(0),
          which = axis ? static_cast<int64_t>(axis->getAxis()) : 0;
  SmallVector<Attribute> maps;
  for (int64_t argument = 0; argument < 3; ++argument) {
    int64_t width = (argument ? a.kvHeads : a.heads) * a.dim;
    maps.push_back(plan::TensorMapAttr::get(context, argument, array({0, which}),
                                            array({width, rows}), array({2 * width}),
                                            array({kTileRow, 64}), kTileRowBytes));
  }
  return maps;
}

void emitPackedAttention(LLVM::LLVMFuncOp kernel, Location loc, const PackedAttention &attention) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/3, /*buffers=*/attention.segmented() ? 8 : 7, /*waits=*/true);
  PackedKernel(builder, attention).emit();
}

} // namespace mirl::passes::cuda
