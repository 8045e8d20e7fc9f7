// The draw of nn.sample (SampleKernels.h): 256 threads for each row, one for each token of a block
// of the vocabulary.
//
// What has an order, the two sums over the blocks and the one over the tokens of a block, is added
// by one thread out of shared memory; everything that goes into them is made by all of them. The
// merged sum is Σ · decay + share: which maximum each block meets is an (exact) scan, so decays and
// shares are known beforehand and the chain is a multiplication and an addition a block.

#include "passes/cuda/SampleKernels.h"

#include "passes/cuda/SampleRowKernel.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Predicate = arith::CmpFPredicate;
using cpu::kVocabularyBlock;

class DrawKernel : SampleRowKernel {
public:
  DrawKernel(TileKernelBuilder &b, int64_t vocabulary)
      : SampleRowKernel(b, vocabulary), chunk(llvm::divideCeil(blocks, kThreads)) {
    for (Value *array : {&decays, &shares, &running})
      *array = reserve(padded);
    for (Value *array : {&tokens, &tokensRunning})
      *array = reserve(kThreads);
    for (Value *array : {&warpMaxima, &warpBlocks, &warpTokens, &sums})
      *array = reserve(kWarps);
  }

  void emit() {
    emitRows([&] { emitRow(); });
  }

private:
  // The value of the lane `distance` before this one; the first lanes keep theirs.
  Value earlier(Value value, int64_t distance) {
    return NVVM::ShflOp::create(b, value.getType(), b.c(-1), value, b.c(distance), b.c(0),
                                NVVM::ShflKind::up, UnitAttr());
  }
  // The smallest key of all threads, in all of them.
  Value smallest(Value key, Value slots) {
    return overThreads(key, slots,
                       [&](Value mine, Value other) -> Value { return b.min(mine, other); });
  }
  void emitRow();
  void readBlocks();
  void addBlocks();
  Value findBlock();
  Value findToken(Value block);
  Value uniform();

  const int64_t chunk;
  // Arrays in shared memory: of the blocks, of the tokens of one, of the warps.
  Value decays, shares, running, tokens, tokensRunning;
  Value warpMaxima, warpBlocks, warpTokens, sums;
  // Of the row at hand.
  Value greedy, least, sum, mark;
  SmallVector<Value> chunkMaxima; // of this thread's blocks, thread · chunk and the next ones
};

// A thread has `chunk` blocks that follow each other.
void DrawKernel::readBlocks() {
  Value stored = rowOf(5, 2 * blocks, f32), first = b.mul(b.threadId(), chunk);
  auto pair = VectorType::get({2}, f32);
  SmallVector<Value> blockSums, there;
  chunkMaxima.clear();
  ThreadMaths m(b);
  Value lowest = m.f(-kInfinity), local = lowest;
  for (int64_t i = 0; i < chunk; ++i) {
    Value block = b.add(first, i);
    there.push_back(b.lt(block, b.c(blocks)));
    Value at = b.at(stored, b.mul(b.select(there[i], block, b.c(0)), 2), f32);
    Value both = LLVM::LoadOp::create(b, pair, at, /*alignment=*/8);
    auto part = [&](int64_t k, Value otherwise) {
      return b.select(there[i], LLVM::ExtractElementOp::create(b, both, b.c(k)), otherwise);
    };
    chunkMaxima.push_back(part(0, lowest));
    blockSums.push_back(part(1, m.f(0)));
    local = m.fmax(chunkMaxima[i], local);
  }
  // The largest maximum before this thread's first block, and of all.
  for (int64_t distance : {1, 2, 4, 8, 16})
    local = m.fmax(earlier(local, distance), local);
  Value before = b.select(b.eq(lane, b.c(0)), lowest, earlier(local, 1));
  b.ifThen(b.eq(lane, b.c(31)), [&] { put(local, warpMaxima, warp); });
  b.meet();
  top = lowest;
  for (int64_t i = 0; i < kWarps; ++i) {
    Value other = get(warpMaxima, b.c(i));
    before = b.select(b.lt(b.c(i), warp), ThreadMaths(b).fmax(other, before), before);
    top = ThreadMaths(b).fmax(other, top);
  }
  for (int64_t i = 0; i < chunk; ++i) {
    ThreadMaths n(b);
    Value max = chunkMaxima[i], now = n.fmax(max, before);
    Value decay = n.exp(n.fsub(before, now));
    Value share = n.fmul(blockSums[i], n.exp(n.fsub(max, now)));
    Value weight = n.fmul(blockSums[i], n.exp(n.fsub(max, top)));
    weight = b.select(compare(Predicate::OGE, max, least), weight, n.f(0));
    // Behind the last block comes what changes nothing.
    Value block = b.add(first, i);
    b.ifThen(b.lt(block, b.c(padded)), [&] {
      put(max, maxima, block);
      put(decay, decays, block);
      put(share, shares, block);
      put(weight, weights, block);
    });
    before = now;
  }
  b.meet();
}

// The sum of exp(z − top), and the running sums of the blocks' weights.
void DrawKernel::addBlocks() {
  Value zero = ThreadMaths(b).f(0);
  chain(
      padded, {zero, zero},
      [&](Value from, ValueRange carried) -> SmallVector<Value> {
        SmallVector<Value> decay = getMany(decays, from), share = getMany(shares, from),
                           weight = getMany(weights, from);
        Value all = carried[0], drawn = carried[1];
        ThreadMaths m(b);
        for (int64_t i = 0; i < kTogether; ++i) {
          all = m.fadd(m.fmul(all, decay[i]), share[i]);
          drawn = m.fadd(drawn, weight[i]);
          put(drawn, running, b.add(from, i));
        }
        return {all, drawn};
      },
      [&](ValueRange found) {
        put(found[0], sums, b.c(0));
        put(found[1], sums, b.c(1));
      });
  b.meet();
  sum = get(sums, b.c(0));
  mark = ThreadMaths(b).fmul(uniform(), get(sums, b.c(1)));
}

Value DrawKernel::uniform() {
  Type i64 = b.getI64Type();
  auto load = [&](Type type, Value from) -> Value { return LLVM::LoadOp::create(b, type, from); };
  Value id = load(i64, rowOf(1, 1, i64)), seed = load(i64, b.buffer(3));
  Value step = load(b.getI32Type(), rowOf(2, 1, b.getI32Type()));
  ThreadMaths m(b);
  return cpu::emitUniform(m, seed, id, m.toIndex(step));
}

// The first block behind which the running sum is past the mark, or that has the largest logit;
// `blocks` when there is none.
Value DrawKernel::findBlock() {
  Value key = b.c(blocks);
  for (int64_t i = chunk; i-- > 0;) {
    Value block = b.add(b.mul(b.threadId(), chunk), i), inside = b.lt(block, b.c(blocks));
    Value past = compare(Predicate::OGT, get(running, b.select(inside, block, b.c(0))), mark);
    Value hit = b.select(greedy, compare(Predicate::OEQ, chunkMaxima[i], top), past);
    key = b.select(b.both(inside, hit), block, key);
  }
  return smallest(key, warpBlocks);
}

// The first token of the block past the mark, else (rounding) its last kept one; or the first that
// is the largest. −1 when there is none.
Value DrawKernel::findToken(Value found) {
  Value none = b.eq(found, b.c(blocks)), block = b.select(none, b.c(0), found);
  Value start = b.mul(block, kVocabularyBlock), token = b.add(start, b.threadId());
  Value inside = b.lt(token, b.c(vocabulary));
  Value value = z(b.select(inside, token, b.c(0)));
  Value kept = b.both(inside, compare(Predicate::OGE, value, least));
  ThreadMaths m(b);
  Value zero = m.f(0);
  put(b.select(kept, m.exp(m.fsub(value, top)), zero), tokens, b.threadId());
  b.meet();
  Value isFirst = b.eq(block, b.c(0));
  Value before = get(running, b.select(isFirst, b.c(0), b.sub(block, b.c(1))));
  chain(
      kThreads, b.select(isFirst, zero, before),
      [&](Value from, ValueRange carried) -> SmallVector<Value> {
        Value drawn = carried[0];
        for (auto [i, weight] : llvm::enumerate(getMany(tokens, from))) {
          drawn = ThreadMaths(b).fadd(drawn, weight);
          put(drawn, tokensRunning, b.add(from, static_cast<int64_t>(i)));
        }
        return {drawn};
      },
      [](ValueRange) {});
  b.meet();
  // Hits come before what is merely kept, of which the last is the best.
  constexpr int64_t kLast = 2 * kThreads, kNone = 2 * kLast;
  Value past = compare(Predicate::OGT, get(tokensRunning, b.threadId()), mark);
  Value hit =
      b.select(greedy, b.both(inside, compare(Predicate::OEQ, value, top)), b.both(kept, past));
  Value other = b.select(kept, b.sub(b.c(kLast), b.threadId()), b.c(kNone));
  other = b.select(greedy, b.c(kNone), other);
  Value key = smallest(b.select(hit, b.threadId(), other), warpTokens);
  Value last = b.select(b.eq(key, b.c(kNone)), b.c(-1), b.sub(b.add(start, kLast), key));
  Value chosen = b.select(b.lt(key, b.c(kThreads)), b.add(start, key), last);
  return b.select(none, b.c(-1), chosen);
}

void DrawKernel::emitRow() {
  {
    ThreadMaths m(b);
    std::tie(scale, greedy) = cpu::emitScale(m, get(b.buffer(4), b.c(0)));
  }
  least = get(rowOf(6, 1, f32), b.c(0));
  readBlocks();
  limitBlocks(least);
  b.meet();
  addBlocks();
  Value token = findToken(findBlock());
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] {
    put(token, rowOf(7, 1, b.getI32Type()), b.c(0));
    // Where the logits are no numbers, no token is found.
    Value safe = arith::MaxSIOp::create(b, token, b.c(0)), value = z(safe);
    ThreadMaths m(b);
    put(m.fsub(value, m.fadd(top, m.log(sum))), rowOf(8, 1, f32), b.c(0));
  });
}

} // namespace

void emitSampleDraw(LLVM::LLVMFuncOp kernel, Location loc, int64_t vocabulary) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/0, /*buffers=*/9);
  DrawKernel(builder, vocabulary).emit();
}

} // namespace mirl::passes::cuda
