// What top_k and top_p keep of a row (SampleKernels.h): the smallest kept logit, by narrowing the
// range [low, high) in which it lies.
//
// Each pass cuts the range at seven places and counts, for each, the tokens (top_k) or adds their
// masses (top_p, SampleRow.h) that are at least as large; both sums are exact, so it does not
// matter who adds what when. Blocks of the vocabulary whose maximum is below the lowest cut are not
// read: the first cuts lie near the row's maximum, and top_k begins at the k-th largest of the
// blocks' maxima. When at most 256 tokens are left in the range, each thread takes one of them and
// tries it.

#include "passes/cuda/SampleKernels.h"

#include "passes/cuda/SampleRowKernel.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Predicate = arith::CmpFPredicate;
using cpu::kVocabularyBlock;

// A range of which it is not known how many tokens it has.
constexpr int64_t kUnknown = int64_t{1} << 30;

class ThresholdKernel : SampleRowKernel {
public:
  ThresholdKernel(TileKernelBuilder &b, int64_t vocabulary)
      : SampleRowKernel(b, vocabulary), f64(b.getF64Type()) {
    cutMasses = reserve(2 * kCuts * kWarps);
    masses = reserve(2 * kThreads);
    candidates = reserve(kThreads);
    cutCounts = reserve(kCuts * kWarps);
    warpMaxima = reserve(kWarps);
    slot = reserve(1);
  }

  void emit() {
    emitRows([&] { emitRow(); });
  }

private:
  static constexpr int kCuts = 7;
  // Twice at fixed distances from the maximum, then by size, and then, where logits differ by next
  // to nothing, in the order of the floats, whose 32 bits are three fewer after each pass.
  static constexpr double kNear[kCuts] = {8, 6, 4, 3, 2, 1, 0.5};
  static constexpr double kFar[kCuts] = {64, 48, 32, 24, 20, 16, 12};
  static constexpr int64_t kBySize = 9, kPasses = kBySize + 13;

  struct Range {
    Value low, high; // f32
    Value above;     // f64: the tokens from `high` on
    Value count;     // i32: tokens within, or about kUnknown
  };
  using Visit = llvm::function_ref<SmallVector<Value>(Value z, Value active, ValueRange carried)>;

  Value wide(double value) { return arith::ConstantOp::create(b, b.getF64FloatAttr(value)); }
  Value toWide(Value number) { return arith::ExtFOp::create(b, f64, number); }
  Value orderOf(Value number) {
    ThreadMaths m(b);
    return cpu::toOrder(m, number);
  }
  // What a token counts for: f64.
  Value measure(Value value, bool ones) {
    if (ones)
      return wide(1);
    ThreadMaths m(b);
    Value magic = wide(cpu::massMagic(vocabulary));
    return cpu::emitMass(m, m.exp(m.fsub(value, top)), magic);
  }
  Value exchangeWide(Value value, int64_t distance) {
    // A shuffle moves 32 bits.
    Value given = LLVM::BitcastOp::create(b, VectorType::get({2}, b.getI32Type()), value);
    Value taken = given;
    for (int64_t i : {0, 1}) {
      Value word = b.exchange(LLVM::ExtractElementOp::create(b, given, b.c(i)), distance);
      taken = LLVM::InsertElementOp::create(b, taken, word, b.c(i));
    }
    return LLVM::BitcastOp::create(b, f64, taken);
  }
  Value anyOfWarp(Value condition) {
    return NVVM::VoteSyncOp::create(b, b.getI1Type(), b.c(-1), condition, NVVM::VoteSyncKind::any);
  }

  void emitRow();
  void readMaxima();
  Value largestOfBlocks(Value topK);
  Value sumOfWeights(Value least);
  SmallVector<Value> visit(Value limit, Value high, ValueRange init, Visit body);
  SmallVector<Value> chooseCuts(const Range &range, Value pass);
  Range narrow(const Range &range, Value pass, Value wanted, bool ones);
  Value tryEach(const Range &range, Value wanted, bool ones);
  Value search(Value least, Value wanted, bool ones);

  Type f64;
  // In shared memory: of each cut and warp, of each candidate, of each warp, one number.
  Value cutMasses, masses, candidates, cutCounts, warpMaxima, slot;
};

void ThresholdKernel::readMaxima() {
  Value stored = rowOf(4, 2 * blocks, f32), lowest = ThreadMaths(b).f(-kInfinity);
  Value local = b.loop(b.threadId(), b.c(padded), b.c(kThreads), lowest,
                       [&](Value block, ValueRange carried) -> SmallVector<Value> {
                         Value there = b.lt(block, b.c(blocks));
                         Value at = b.select(there, b.mul(block, 2), b.c(0));
                         Value max = b.select(there, get(stored, at), lowest);
                         put(max, maxima, block);
                         return {ThreadMaths(b).fmax(max, carried[0])};
                       })[0];
  top = largest(local, warpMaxima);
}

// The k-th largest of the blocks' maxima, which at least k tokens are no less than; what keeps all
// when there are not so many.
Value ThresholdKernel::largestOfBlocks(Value topK) {
  Value keepsAll = ThreadMaths(b).f(cpu::kKeepsAll);
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] { put(keepsAll, slot, b.c(0)); });
  b.meet();
  b.loop(b.threadId(), b.c(blocks), b.c(kThreads), {}, [&](Value block, ValueRange) {
    Value max = get(maxima, block);
    Value rank = b.loop(b.c(0), b.c(blocks), b.c(1), b.c(0),
                        [&](Value other, ValueRange carried) -> SmallVector<Value> {
                          Value its = get(maxima, other);
                          Value before =
                              b.both(compare(Predicate::OEQ, its, max), b.lt(other, block));
                          before = b.either(before, compare(Predicate::OGT, its, max));
                          return {b.add(carried[0], b.select(before, b.c(1), b.c(0)))};
                        })[0];
    Value hit = b.both(b.eq(b.add(rank, 1), topK), compare(Predicate::OGE, max, keepsAll));
    b.ifThen(hit, [&] { put(max, slot, b.c(0)); });
    return SmallVector<Value>();
  });
  b.meet();
  return get(slot, b.c(0));
}

// W of what `least` keeps.
Value ThresholdKernel::sumOfWeights(Value least) {
  Value stored = rowOf(4, 2 * blocks, f32);
  b.loop(b.threadId(), b.c(padded), b.c(kThreads), {}, [&](Value block, ValueRange) {
    Value max = get(maxima, block), there = b.lt(block, b.c(blocks));
    Value sum = get(stored, b.select(there, b.add(b.mul(block, 2), 1), b.c(1)));
    ThreadMaths m(b);
    Value weight = m.fmul(sum, m.exp(m.fsub(max, top)));
    there = b.both(there, compare(Predicate::OGE, max, least));
    put(b.select(there, weight, m.f(0)), weights, block);
    return SmallVector<Value>();
  });
  b.meet();
  limitBlocks(least);
  b.meet();
  chain(
      padded, ThreadMaths(b).f(0),
      [&](Value from, ValueRange carried) -> SmallVector<Value> {
        Value sum = carried[0];
        for (Value weight : getMany(weights, from))
          sum = ThreadMaths(b).fadd(sum, weight);
        return {sum};
      },
      [&](ValueRange found) { put(found[0], slot, b.c(0)); });
  b.meet();
  return get(slot, b.c(0));
}

// Goes through the tokens of the blocks that have one with z ≥ limit; `active` is limit ≤ z < high.
SmallVector<Value> ThresholdKernel::visit(Value limit, Value high, ValueRange init, Visit body) {
  auto tokens = [&](Value block, ValueRange carried) {
    // All that is read is on its way before the first of it is used.
    SmallVector<Value> read, there;
    for (int64_t i = 0; i < kVocabularyBlock; i += 32) {
      Value token = b.add(b.add(b.mul(block, kVocabularyBlock), lane), i);
      there.push_back(b.lt(token, b.c(vocabulary)));
      read.push_back(get(logits, b.select(there.back(), token, b.c(0))));
    }
    SmallVector<Value> next(carried);
    for (auto [value, inside] : llvm::zip(read, there)) {
      Value number = ThreadMaths(b).fmul(value, scale);
      Value active =
          b.both(compare(Predicate::OGE, number, limit), compare(Predicate::OLT, number, high));
      next = body(number, b.both(active, inside), next);
    }
    return next;
  };
  return b.loop(warp, b.c(blocks), b.c(kWarps), init, [&](Value block, ValueRange carried) {
    Value some = compare(Predicate::OGE, get(maxima, block), limit);
    if (!init.empty())
      return b.choose(
          some, [&] { return tokens(block, carried); }, carried);
    b.ifThen(some, [&] { tokens(block, carried); });
    return SmallVector<Value>();
  });
}

// Ascending.
SmallVector<Value> ThresholdKernel::chooseCuts(const Range &range, Value pass) {
  ThreadMaths m(b);
  Value lowOrder = cpu::toOrder(m, range.low);
  Value orders = m.sub(cpu::toOrder(m, range.high), lowOrder);
  Value width = m.fsub(range.high, range.low);
  Value isNear = b.eq(pass, b.c(0));
  Value isFar = compare(Predicate::OLT, range.low, m.fsub(top, m.f(kFar[0])));
  Value byDistance = b.both(isFar, b.lt(pass, b.c(2)));
  Value bySize = b.both(b.eq(isFar, arith::ConstantIntOp::create(b, b.getI1Type(), 0)),
                        b.lt(pass, b.c(kBySize)));
  SmallVector<Value> cuts;
  for (int i = 0; i < kCuts; ++i) {
    Value distant = m.fsub(top, b.select(isNear, m.f(kNear[i]), m.f(kFar[i])));
    Value linear = m.fadd(range.low, m.fmul(width, m.f((i + 1) / (kCuts + 1.0))));
    Value part = arith::ShRSIOp::create(b, m.mul(orders, i + 1), m.c(3));
    Value order = cpu::fromOrder(m, m.add(lowOrder, part));
    cuts.push_back(b.select(byDistance, distant, b.select(bySize, linear, order)));
  }
  return cuts;
}

ThresholdKernel::Range ThresholdKernel::narrow(const Range &range, Value pass, Value wanted,
                                               bool ones) {
  SmallVector<Value> cuts = chooseCuts(range, pass);
  Value limit = ThreadMaths(b).fmax(cuts[0], range.low);
  // Of each cut the tokens from it on up to `high`, and unless they are what counts, their mass.
  SmallVector<Value> init(kCuts, b.c(0));
  if (!ones)
    init.append(kCuts, wide(0));
  auto add = [&](Value number, Value active, ValueRange carried) {
    Value mass = ones ? Value() : measure(number, false);
    SmallVector<Value> next(carried);
    for (int i = 0; i < kCuts; ++i) {
      Value kept = b.both(active, compare(Predicate::OGE, number, cuts[i]));
      next[i] = b.add(next[i], b.select(kept, b.c(1), b.c(0)));
      if (!ones)
        next[kCuts + i] = arith::AddFOp::create(b, next[kCuts + i], b.select(kept, mass, wide(0)));
    }
    return next;
  };
  SmallVector<Value> sums =
      visit(limit, range.high, init, [&](Value number, Value active, ValueRange carried) {
        if (ones)
          return add(number, active, carried);
        return b.choose(
            anyOfWarp(active), [&] { return add(number, active, carried); }, carried);
      });
  for (int64_t distance : {16, 8, 4, 2, 1})
    for (auto [i, sum] : llvm::enumerate(sums))
      if (i < kCuts)
        sum = b.add(sum, b.exchange(sum, distance));
      else
        sum = arith::AddFOp::create(b, sum, exchangeWide(sum, distance));
  b.ifThen(b.eq(lane, b.c(0)), [&] {
    for (int i = 0; i < kCuts; ++i) {
      Value at = b.add(warp, i * kWarps);
      put(sums[i], cutCounts, at);
      if (!ones)
        put(sums[kCuts + i], cutMasses, at);
    }
  });
  b.meet();
  Range next = range;
  Value open = arith::ConstantIntOp::create(b, b.getI1Type(), 1), above = b.c(0);
  next.count = Value();
  Value known = range.count;
  // From the highest cut down: the last one that is not enough is the new end, the first that is
  // the new begin.
  for (int i = kCuts - 1; i >= 0; --i) {
    Value count = get(b.getI32Type(), cutCounts, b.c(i * kWarps));
    for (int64_t w = 1; w < kWarps; ++w)
      count = b.add(count, get(b.getI32Type(), cutCounts, b.c(i * kWarps + w)));
    Value sum;
    if (ones) {
      sum = arith::SIToFPOp::create(b, f64, count);
    } else {
      sum = get(f64, cutMasses, b.c(i * kWarps));
      for (int64_t w = 1; w < kWarps; ++w)
        sum = arith::AddFOp::create(b, sum, get(f64, cutMasses, b.c(i * kWarps + w)));
    }
    sum = arith::AddFOp::create(b, range.above, sum);
    Value inside = b.both(compare(Predicate::OGT, cuts[i], range.low),
                          compare(Predicate::OLT, cuts[i], range.high));
    inside = b.both(inside, open);
    Value enough = compare(Predicate::OGE, sum, wanted);
    Value begins = b.both(inside, enough),
          ends = b.both(inside, compare(Predicate::ULT, sum, wanted));
    next.low = b.select(begins, cuts[i], next.low);
    known = b.select(begins, count, known);
    next.high = b.select(ends, cuts[i], next.high);
    next.above = b.select(ends, sum, next.above);
    above = b.select(ends, count, above);
    open = b.select(begins, arith::ConstantIntOp::create(b, b.getI1Type(), 0), open);
  }
  next.count = b.sub(known, above);
  // The next pass writes where this one was read.
  b.meet();
  return next;
}

// The largest of the at most kThreads tokens in the range that is enough; `low` when none is.
Value ThresholdKernel::tryEach(const Range &range, Value wanted, bool ones) {
  Value isFirst = b.eq(b.threadId(), b.c(0));
  b.ifThen(isFirst, [&] { put(b.c(0), slot, b.c(0)); });
  b.meet();
  visit(range.low, range.high, {}, [&](Value number, Value active, ValueRange) {
    b.ifThen(active, [&] {
      Value place = LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, slot, b.c(1),
                                              LLVM::AtomicOrdering::monotonic);
      b.ifThen(b.lt(place, b.c(kThreads)), [&] { put(number, candidates, place); });
    });
    return SmallVector<Value>();
  });
  b.meet();
  Value count = b.min(get(b.getI32Type(), slot, b.c(0)), b.c(kThreads));
  Value here = b.lt(b.threadId(), count);
  Value mine = b.select(here, get(candidates, b.threadId()), range.low);
  put(measure(mine, ones), masses, b.threadId());
  b.meet();
  Value sum = b.loop(b.c(0), count, b.c(1), range.above,
                     [&](Value other, ValueRange carried) -> SmallVector<Value> {
                       Value kept = compare(Predicate::OGE, get(candidates, other), mine);
                       Value mass = b.select(kept, get(f64, masses, other), wide(0));
                       return {arith::AddFOp::create(b, carried[0], mass)};
                     })[0];
  Value enough = b.both(here, compare(Predicate::OGE, sum, wanted));
  return largest(b.select(enough, mine, range.low), warpMaxima);
}

// The largest threshold ≥ `least` whose kept tokens come to `wanted` (f64) at least, as
// cpu::emitThreshold has it.
Value ThresholdKernel::search(Value least, Value wanted, bool ones) {
  ThreadMaths m(b);
  Value high = cpu::fromOrder(m, m.add(cpu::toOrder(m, top), m.c(1)));
  SmallVector<Value> init = {least, high, wide(0), b.c(kUnknown), b.c(0)};
  SmallVector<Value> found = b.repeat(init, [&](ValueRange carried) {
    Range next = narrow({carried[0], carried[1], carried[2], carried[3]}, carried[4], wanted, ones);
    Value distance = arith::SubIOp::create(b, orderOf(next.high), orderOf(next.low));
    Value more = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, distance, b.c64(1));
    more = b.both(more, b.lt(b.c(kThreads), next.count));
    Value pass = b.add(carried[4], 1);
    more = b.both(more, b.lt(pass, b.c(kPasses)));
    return SmallVector<Value>{more, next.low, next.high, next.above, next.count, pass};
  });
  Range range{found[0], found[1], found[2], found[3]};
  return b.choose(
      b.lt(range.count, b.c(kThreads + 1)),
      [&] { return SmallVector<Value>{tryEach(range, wanted, ones)}; }, range.low)[0];
}

void ThresholdKernel::emitRow() {
  ThreadMaths m(b);
  auto [itsScale, greedy] = cpu::emitScale(m, get(b.buffer(1), b.c(0)));
  scale = itsScale;
  Value topK = get(b.getI32Type(), b.buffer(2), b.c(0)), topP = get(b.buffer(3), b.c(0));
  ThreadMaths n(b);
  Value byCount = cpu::emitLimitsCount(n, n.toIndex(topK), vocabulary);
  Value byMass = cpu::emitLimitsMass(n, topP);
  Value isFalse = arith::ConstantIntOp::create(b, b.getI1Type(), 0);
  // The largest logit is kept whatever they are.
  Value limited = b.both(b.either(byCount, byMass), b.eq(greedy, isFalse));
  Value keepsAll = n.f(cpu::kKeepsAll);
  Value least = b.choose(
      limited,
      [&] {
        readMaxima();
        Value kept = b.choose(
            byCount,
            [&] {
              Value from = largestOfBlocks(topK);
              Value wanted = toWide(arith::SIToFPOp::create(b, f32, topK));
              return SmallVector<Value>{search(from, wanted, /*ones=*/true)};
            },
            keepsAll)[0];
        return b.choose(
            byMass,
            [&] {
              // What the search before has read is overwritten.
              b.meet();
              Value all = sumOfWeights(kept);
              Value wanted = toWide(ThreadMaths(b).fmul(topP, all));
              return SmallVector<Value>{search(kept, wanted, /*ones=*/false)};
            },
            kept);
      },
      keepsAll)[0];
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] { put(least, rowOf(5, 1, f32), b.c(0)); });
}

} // namespace

void emitSampleThreshold(LLVM::LLVMFuncOp kernel, Location loc, int64_t vocabulary) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/0, /*buffers=*/6);
  ThresholdKernel(builder, vocabulary).emit();
}

} // namespace mirl::passes::cuda
