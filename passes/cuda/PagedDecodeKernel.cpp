// nn.paged_attention in decode entries: few pairs of a row and a head see many keys, so the warps
// of a block share the pairs and split the keys (PagedAttentionKernel.h).
//
// A round is one block of keys or two. Each warp multiplies a quarter of them by the queries. The
// maxima meet in shared memory, from which each warp knows the running one of its block; its weights
// go there as well. Then each warp multiplies all weights by its columns of the values, block by
// block, and each thread adds up the weights of one of the 16 · 8 sums of l: the order is that of one
// warp alone. Keys and values are copied in halves of a round, into a ring.

#include "passes/cuda/PagedAttentionKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/SpecialFunctions.h"
#include "passes/cuda/WarpProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kRows = 16;

// Halves of a round in the ring.
int64_t halvesOf(const PagedAttention &a) { return a.dim == 64 ? 6 : 3; }

// What lies behind the ring, in bytes from there: weights in bf16 as products take them, weights in
// f32, each warp's maxima, each block's α, the rows' l.
struct Behind {
  static constexpr int64_t words = 0;
  // Numbers between two rows of weights in f32: rows begin 8 banks apart.
  int64_t weightRow, weights, tops, scales, sums, bytes;
  explicit Behind(const PagedAttention &a)
      : weightRow(a.roundKeys() + 8), weights(words + kRows * a.roundKeys() * 2),
        tops(weights + kRows * weightRow * 4), scales(tops + 4 * kRows * 4),
        sums(scales + 2 * kRows * 4), bytes(sums + kRows * 4) {}
};

} // namespace

int64_t PagedKernel::ringBytes() const { return halvesOf(a) * (a.roundKeys() / kPoolKeys) * poolBytes(); }

int64_t PagedKernel::togetherBytes() const {
  return ringBytes() + Behind(a).bytes;
}

void PagedKernel::attendTogether(const Run &run) {
  Pair pairs[2] = {pairOf(run, 0), pairOf(run, 1)};
  Value quarter = b.rem(lane, 4), c = number(a.factor());
  // The blocks of keys of this item: all of them, or those of its segment.
  Value from = b.c(0), end = b.ceilDivide(run.keys, kAttentionKeys);
  if (run.segment) {
    from = b.mul(run.segment, a.blocksOfSegment());
    end = b.min(end, b.add(from, a.blocksOfSegment()));
  }
  const int64_t blocks = a.roundBlocks, roundKeys = a.roundKeys(), roundPools = roundKeys / kPoolKeys;
  const int64_t ring = halvesOf(a), half = roundPools * poolBytes(), warpsOfBlock = kWarps / blocks;
  const Behind behind(a);
  Value rounds = b.ceilDivide(b.sub(end, from), blocks);
  Type f32 = b.getF32Type();
  auto f32At = [&](int64_t part, Value index) {
    return b.at(b.shared(b.c(ringBytes() + part)), index, f32);
  };
  auto load = [&](Value pointer) -> Value {
    return LLVM::LoadOp::create(b, f32, pointer, /*alignment=*/4);
  };
  auto keep = [&](Value value, Value pointer, unsigned alignment = 4) {
    LLVM::StoreOp::create(b, value, pointer, alignment);
  };
  auto join = [&](ValueRange values) {
    Value vector = LLVM::PoisonOp::create(
        b, VectorType::get({static_cast<int64_t>(values.size())}, values[0].getType()));
    for (auto [i, value] : llvm::enumerate(values))
      vector = LLVM::InsertElementOp::create(b, vector, value, b.c(static_cast<int64_t>(i)));
    return vector;
  };
  auto max = [&](Value x, Value y) -> Value { return arith::MaxNumFOp::create(b, x, y); };
  auto scale = [&](Value from, Value to) {
    return exp2(b, arith::MulFOp::create(b, arith::SubFOp::create(b, from, to), c));
  };
  // Half 2i of the ring's halves is the keys of round i, half 2i + 1 its values.
  auto copyHalf = [&](Value round, bool keys, Value place) {
    b.ifThen(b.lt(round, rounds), [&] {
      Value to = b.mul(place, half), none;
      Value pool = b.mul(b.add(from, b.mul(round, blocks)), kPools);
      copyPools(run, pool, roundPools, keys ? to : none, keys ? none : to);
    });
    commitPieces(b);
  };
  // Positions before this call's are there: what has no others does not wait for launches of the call.
  Value old = b.sub(run.keys, run.length);
  for (int64_t i = 0; i + 1 < ring; ++i) {
    if (a.early && i % 2 == 0)
      b.ifThen(b.lt(old, b.add(b.mul(from, kAttentionKeys), (i / 2 + 1) * roundKeys)), [&] { waitForEarlier(b); });
    copyHalf(b.c(i / 2), i % 2 == 0, b.c(i));
  }
  if (a.early)
    waitForEarlier(b);
  Values queries = loadQueries(pairs);

  // The thread's columns of the values, and its sum of l: keys with number thread % 8 modulo 8, of
  // row thread / 8.
  const int64_t columns = a.dim / kWarps;
  const size_t sumCount = static_cast<size_t>(columns / 2);
  Value firstColumn = b.mul(warp, columns), row = b.divide(lane, 4);
  Value sumRow = b.divide(thread, 8), residue = b.rem(thread, 8);
  Value least = number(-std::numeric_limits<double>::infinity());
  Values init = {b.c(0), least, least, number(0)};
  init.append(sumCount, number(0));
  Values done =
      b.loop(b.c(0), rounds, b.c(1), init, [&](Value round, ValueRange carried) -> Values {
        Value place = carried[0];
        auto following = [&](Value place) {
          return b.select(b.eq(place, b.c(ring - 1)), b.c(0), b.add(place, 1));
        };
        // This round's keys are there; everybody has done with the values of the round before.
        waitPieces(b, ring - 2);
        b.meet();
        copyHalf(b.add(round, (ring - 1) / 2), ring % 2 == 1,
                 b.select(b.eq(place, b.c(0)), b.c(ring - 1), b.sub(place, b.c(1))));
        Value firstBlock = b.add(from, b.mul(round, blocks));
        Value firstKey =
            b.add(b.add(b.mul(firstBlock, kAttentionKeys), b.mul(warp, roundKeys / kWarps)),
                  b.mul(quarter, 2));
        auto sees = [&](int64_t j, int64_t h) -> Value {
          return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, b.add(firstKey, j),
                                       pairs[h].position);
        };
        const int64_t mine = roundPools / kWarps;
        Value keys = b.add(b.mul(place, half), b.mul(warp, mine * poolBytes()));
        Values all = maskScores(b, scores(queries, keys, mine), sees);
        for (int64_t h = 0; h < 2; ++h) {
          Value top = topOfRow(b, all, h);
          b.ifThen(b.eq(quarter, b.c(0)),
                   [&] { keep(top, f32At(behind.tops, b.add(b.mul(warp, kRows), b.add(row, 8 * h)))); });
        }
        // All maxima are there; everybody has done with the keys.
        b.meet();
        copyHalf(b.add(round, ring / 2), ring % 2 == 0, place);
        waitPieces(b, ring - 1);
        Value tops[2], scales[2][2]; // of a row after the round; of a block and a row
        for (int64_t h = 0; h < 2; ++h) {
          Value before = carried[1 + h], of[2];
          for (int64_t block = 0; block < blocks; ++block) {
            of[block] = before;
            for (int64_t i = 0; i < warpsOfBlock; ++i)
              of[block] = max(of[block], load(f32At(behind.tops, b.add(row, (block * warpsOfBlock + i) * kRows + 8 * h))));
            scales[block][h] = scale(before, of[block]);
            before = of[block];
          }
          tops[h] = before;
          Value shift = arith::NegFOp::create(
              b, arith::MulFOp::create(b, blocks == 1 ? of[0] : b.select(b.lt(warp, b.c(warpsOfBlock)), of[0], of[1]), c));
          for (int64_t eight = 0; eight < 2 * mine; ++eight) {
            Value *two = &all[4 * eight + 2 * h];
            for (int64_t e = 0; e < 2; ++e)
              two[e] = exp2(b, math::FmaOp::create(b, two[e], c, shift));
            Value key = b.add(b.add(b.mul(warp, roundKeys / kWarps), 8 * eight), b.mul(quarter, 2));
            Value at = b.add(b.mul(b.add(row, 8 * h), behind.weightRow), key);
            keep(join({two[0], two[1]}), f32At(behind.weights, at), 8);
          }
        }
        Values words = packWeights(b, all);
        Type four = VectorType::get({4}, b.getI32Type());
        auto wordsAt = [&](Value k) {
          return b.at(b.shared(b.c(ringBytes() + behind.words)), b.add(b.mul(k, 32), lane), four);
        };
        for (int64_t k = 0; k < mine; ++k)
          keep(join(ValueRange(words).slice(4 * k, 4)), wordsAt(b.add(b.mul(warp, mine), k)), 16);
        b.ifThen(b.both(b.eq(warp, b.c(0)), b.eq(quarter, b.c(0))), [&] {
          for (int64_t block = 0; block < blocks; ++block)
            for (int64_t h = 0; h < 2; ++h)
              keep(scales[block][h], f32At(behind.scales, b.add(row, kRows * block + 8 * h)));
        });
        // All weights are there, and everybody's part of the values.
        b.meet();
        Value valuePlace = following(place);
        auto add = [&](int64_t block, ValueRange before) {
          Values words;
          for (int64_t k = 0; k < kPools; ++k) {
            Value loaded =
                LLVM::LoadOp::create(b, four, wordsAt(b.c(kPools * block + k)), /*alignment=*/16);
            for (int64_t i = 0; i < 4; ++i)
              words.push_back(LLVM::ExtractElementOp::create(b, loaded, b.c(i)));
          }
          Value sum = arith::MulFOp::create(b, before[0],
                                            load(f32At(behind.scales, b.add(sumRow, kRows * block))));
          for (int64_t eight = 0; eight < kAttentionKeys / 8; ++eight) {
            Value at = b.add(b.add(b.mul(sumRow, behind.weightRow), residue),
                             kAttentionKeys * block + 8 * eight);
            sum = arith::AddFOp::create(b, sum, load(f32At(behind.weights, at)));
          }
          Values result = {sum};
          Value values = b.add(b.mul(valuePlace, half), block * kPools * poolBytes());
          result.append(
              weigh(words, values, firstColumn, scaleRows(b, before.drop_front(1), scales[block])));
          return result;
        };
        Values sums = add(0, carried.drop_front(3));
        if (blocks > 1)
          sums = b.choose(
              b.lt(b.add(firstBlock, 1), end), [&] { return add(1, sums); }, sums);
        Values next = {following(valuePlace), tops[0], tops[1]};
        next.append(sums);
        return next;
      });
  Value sum = done[3];
  for (int64_t distance : {1, 2, 4})
    sum = arith::AddFOp::create(b, sum, b.exchange(sum, distance));
  b.ifThen(b.eq(residue, b.c(0)), [&] { keep(sum, f32At(behind.sums, sumRow)); });
  // The next item's copies may overwrite what the last products read.
  b.meet();
  RowTotals rows{{done[1], done[2]}, {load(f32At(behind.sums, row)), load(f32At(behind.sums, b.add(row, 8)))}};
  RowSums sums{Values(ArrayRef(done).drop_front(4)), rows};
  if (!run.segment) {
    store(pairs, firstColumn, sums);
    return;
  }
  b.ifElse(
      b.lt(b.c(a.segment), run.keys), [&] { endSegment(run, pairs, firstColumn, sums); },
      [&] { store(pairs, firstColumn, sums); });
}

// The blocks' threads are alike, so each merges what the same thread of the others has kept. A counter
// says who comes last. Behind the fences what was kept before it was raised is seen by who raises it later.
void PagedKernel::endSegment(const Run &run, const Pair (&pairs)[2], Value firstColumn, const RowSums &sums) {
  const int64_t count = static_cast<int64_t>(sums.values.size());
  auto kept = [&](Value segment) {
    Value number = wideAdd(wideMul(b.wide(run.item), b.c64(a.segments())), b.wide(segment));
    return KeptSums(b, b.buffer(7), wideMul(number, b.c64(KeptSums::elements(count))), thread, count);
  };
  Type i32 = b.getI32Type();
  Value counter = b.at(b.buffer(8), run.item, i32), last = b.divide(b.sub(run.keys, b.c(1)), a.segment);
  Value before = b.at(b.shared(b.c(ringBytes() + Behind(a).tops)), 0, i32);
  kept(run.segment).store(sums);
  b.meet();
  b.ifThen(b.eq(thread, b.c(0)), [&] {
    LLVM::FenceOp::create(b, LLVM::AtomicOrdering::acq_rel, "device");
    Value done = LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, counter, b.c(1), LLVM::AtomicOrdering::monotonic, "device");
    LLVM::FenceOp::create(b, LLVM::AtomicOrdering::acq_rel, "device");
    LLVM::StoreOp::create(b, done, before, /*alignment=*/4);
  });
  b.meet();
  b.ifThen(b.eq(LLVM::LoadOp::create(b, i32, before, /*alignment=*/4), last), [&] {
    Values all = b.loop(b.c(1), b.add(last, 1), b.c(1), kept(b.c(0)).load().all(), [&](Value segment, ValueRange so) {
      RowSums before = RowSums::from(so), next = kept(segment).load();
      SegmentMerge merge(b, before.totals, next.totals, a.factor());
      RowSums merged{{}, merge.totals};
      for (auto [i, x] : llvm::enumerate(before.values))
        merged.values.push_back(merge.merged(static_cast<int64_t>(i) / 2 % 2, x, next.values[i]));
      return merged.all();
    });
    store(pairs, firstColumn, RowSums::from(all));
    // As the next launch needs it.
    b.ifThen(b.eq(thread, b.c(0)), [&] { LLVM::StoreOp::create(b, b.c(0), counter, /*alignment=*/4); });
  });
}

} // namespace mirl::passes::cuda
