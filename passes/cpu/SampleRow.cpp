// The pieces of nn.sample (SampleRow.h).

#include "passes/cpu/SampleRow.h"


#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

using Predicate = arith::CmpFPredicate;

Value compare(KernelBuilder &b, Predicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, predicate, x, y);
}
Value both(KernelBuilder &b, Value x, Value y) { return arith::AndIOp::create(b, x, y); }

// A constant of f64, as a scalar or in all lanes.
Value wide(KernelBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
}
Value wideLanes(KernelBuilder &b, double value) {
  Type type = b.vectorOf(b.getF64Type());
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, value));
  return wide(b, value);
}

// Σ over the kept tokens of a block of exp(z − the block's maximum).
Value keptSum(KernelBuilder &b, const SampleRow &row, Value block, Value threshold, Value max) {
  Value start = b.mul(block, kVocabularyBlock);
  Value size = b.min(b.sub(b.c(row.vocabulary), start), b.c(kVocabularyBlock));
  Value least = b.splat(threshold), factor = b.splat(row.scale), shift = b.splat(max);
  Value sum = b.loopCarry(b.c(0), size, kLanes, b.vf(0), [&](Value i, ValueRange carried) {
    Value count = b.sub(size, i);
    Value value = b.fmul(b.loadvMasked(row.z, b.add(start, i), count), factor);
    Value kept = both(b, b.mask(count), compare(b, Predicate::OGE, value, least));
    Value weight = b.select(kept, b.exp(b.fsub(value, shift)), b.vf(0));
    return SmallVector<Value>{b.fadd(carried[0], weight)};
  })[0];
  return b.sumLanes(sum);
}

// Finds thresholds by narrowing the range in which the smallest kept logit lies.
class Search {
public:
  Search(KernelBuilder &b, const SampleRow &row, bool ones) : b(b), row(row), ones(ones) {}

  // The largest threshold ≥ `least` whose kept tokens come to `wanted` (f64) at least. There is
  // one: `least` itself, or rounding is to blame and `least` is as good. Of tokens that are kept as
  // long as the threshold is in [low, high) only those in between are looked at again: each pass
  // over the row cuts that range at seven places, and it ends when the logits within are all the
  // same.
  Value threshold(Value least, Value wanted) {
    Value high = fromOrder(b, b.add(toOrder(b, row.top), b.c(1)));
    SmallVector<Value> start{least, high, wide(b, 0), b.c(1)};
    return b.loopCarry(b.c(0), b.c(kPasses), 1, start, [&](Value pass, ValueRange carried) {
      return b.ifElse(
          b.eq(carried[3], b.c(1)), [&] { return narrow(pass, carried, wanted); },
          [&] { return SmallVector<Value>(carried); });
    })[0];
  }

private:
  static constexpr int kCuts = 7;
  // Once at fixed distances from the maximum, seven times by size, and then, where logits differ by
  // next to nothing, in the order of the floats, whose 32 bits are three fewer after each pass.
  static constexpr int64_t kBySize = 8, kPasses = kBySize + 11;

  SmallVector<Value> narrow(Value pass, ValueRange carried, Value wanted) {
    Value low = carried[0], high = carried[1], above = carried[2];
    Value first = b.eq(pass, b.c(0)), bySize = b.lt(pass, b.c(kBySize));
    Value lowOrder = toOrder(b, low), orders = b.sub(toOrder(b, high), lowOrder);
    Value width = b.fsub(high, low);
    SmallVector<Value> cuts; // ascending
    for (int i = 1; i <= kCuts; ++i) {
      Value distant = b.fsub(row.top, b.f(std::ldexp(64.0, -i))); // 32, 16, …, 1/2
      Value linear = b.fadd(low, b.fmul(width, b.f(i / (kCuts + 1.0))));
      Value part = arith::ShRSIOp::create(b, b.mul(orders, i), b.c(3));
      Value order = fromOrder(b, b.add(lowOrder, part));
      cuts.push_back(b.select(first, distant, b.select(bySize, linear, order)));
    }
    SmallVector<Value> found = sumsAbove(low, high, cuts);
    Value newLow = low, newHigh = high, newAbove = above;
    // From the highest cut down: the last one that is not enough is the new end, the first that is
    // the new begin.
    Value open = b.c(1);
    for (int i = kCuts - 1; i >= 0; --i) {
      Value sum = b.fadd(above, found[i]);
      Value inside = both(b, compare(b, Predicate::OGT, cuts[i], low),
                          compare(b, Predicate::OLT, cuts[i], high));
      inside = both(b, inside, b.eq(open, b.c(1)));
      Value enough = compare(b, Predicate::OGE, sum, wanted);
      newLow = b.select(inside, b.select(enough, cuts[i], newLow), newLow);
      newHigh = b.select(inside, b.select(enough, newHigh, cuts[i]), newHigh);
      newAbove = b.select(inside, b.select(enough, newAbove, sum), newAbove);
      open = b.select(both(b, inside, enough), b.c(0), open);
    }
    Value differ = compare(b, Predicate::OLT, found[kCuts], found[kCuts + 1]);
    return {newLow, newHigh, newAbove, b.select(differ, b.c(1), b.c(0))};
  }

  // For each cut the mass, or the number, of the tokens with cut ≤ z < high (f64); then the least
  // and the largest logit in [low, high).
  SmallVector<Value> sumsAbove(Value low, Value high, ArrayRef<Value> cuts) {
    Value factor = b.splat(row.scale), shift = b.splat(row.top);
    Value lows = b.splat(low), highs = b.splat(high);
    Value none = b.vf(std::numeric_limits<float>::infinity()), zero = wideLanes(b, 0);
    Value magic = wideLanes(b, massMagic(row.vocabulary)), one = wideLanes(b, 1);
    SmallVector<Value> sums(kCuts, zero), splats;
    sums.append({none, b.fneg(none)});
    for (Value cut : cuts)
      splats.push_back(b.splat(cut));
    auto pass = [&](Value i, ValueRange carried) {
      Value count = b.sub(b.c(row.vocabulary), i);
      Value value = b.fmul(b.loadvMasked(row.z, i, count), factor);
      Value active = both(b, compare(b, Predicate::OGE, value, lows),
                          compare(b, Predicate::OLT, value, highs));
      active = both(b, active, b.mask(count));
      return b.ifElse(
          b.any(active),
          [&] {
            Value mass = ones ? one : emitMass(b, b.exp(b.fsub(value, shift)), magic);
            mass = arith::SelectOp::create(b, active, mass, zero);
            SmallVector<Value> next;
            for (int k = 0; k < kCuts; ++k) {
              Value kept = compare(b, Predicate::OGE, value, splats[k]);
              next.push_back(b.fadd(carried[k], arith::SelectOp::create(b, kept, mass, zero)));
            }
            next.push_back(b.fmin(carried[kCuts], b.select(active, value, none)));
            next.push_back(b.fmax(carried[kCuts + 1], b.select(active, value, b.fneg(none))));
            return next;
          },
          [&] { return SmallVector<Value>(carried); });
    };
    SmallVector<Value> all = b.loopCarry(b.c(0), b.c(row.vocabulary), kLanes, sums, pass);
    for (int k = 0; k < kCuts; ++k)
      all[k] = b.sumLanes(all[k]);
    all[kCuts] = b.fneg(b.maxLanes(b.fneg(all[kCuts])));
    all[kCuts + 1] = b.maxLanes(all[kCuts + 1]);
    return all;
  }

  KernelBuilder &b;
  const SampleRow &row;
  bool ones;
};

} // namespace

Value emitUniform(KernelBuilder &b, Value seed, Value id, Value step) {
  Value word = b.c(0xffffffff);
  auto low = [&](Value value) -> Value { return arith::AndIOp::create(b, value, word); };
  auto high = [&](Value value) -> Value { return arith::ShRUIOp::create(b, value, b.c(32)); };
  auto exclusive = [&](Value a, Value c) -> Value { return arith::XOrIOp::create(b, a, c); };
  SmallVector<Value> counter{low(step), b.c(0), low(id), high(id)};
  Value key0 = low(seed), key1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    // Products of two 32-bit numbers fit into 64 bits.
    Value p0 = b.mul(counter[0], b.c(0xD2511F53)), p1 = b.mul(counter[2], b.c(0xCD9E8D57));
    counter = {exclusive(exclusive(high(p1), counter[1]), key0), low(p1),
               exclusive(exclusive(high(p0), counter[3]), key1), low(p0)};
    key0 = low(b.add(key0, b.c(0x9E3779B9)));
    key1 = low(b.add(key1, b.c(0xBB67AE85)));
  }
  Value bits = arith::ShRUIOp::create(b, counter[0], b.c(8));
  return b.fmul(b.toFloat(bits), b.f(0x1p-24));
}

std::pair<Value, Value> emitScale(KernelBuilder &b, Value temperature) {
  Value greedy = compare(b, Predicate::OLE, temperature, b.f(0));
  return {b.select(greedy, b.f(1), b.fdiv(b.f(1), temperature)), greedy};
}

// Numbers between 2^(n − 1) and 2^n are multiples of 2^(n − 53), so adding 1.5 · 2^(n − 1) rounds
// to one. As many weights as 2^n, each at most 1, sum to less than 2^53 of them.
double massMagic(int64_t vocabulary) {
  int bits = std::max<int>(18, static_cast<int>(llvm::Log2_64_Ceil(vocabulary)));
  return std::ldexp(1.5, bits - 1);
}

Value emitMass(KernelBuilder &b, Value weight, Value magic) {
  Value wide = arith::ExtFOp::create(b, magic.getType(), weight);
  return b.fsub(b.fadd(wide, magic), magic);
}

// The bits of a number as its place in the order, or back: those of negative numbers in reverse.
static Value flipNegative(KernelBuilder &b, Value bits) {
  auto i32 = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(b, b.getI32Type(), value);
  };
  Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bits, i32(0));
  return b.select(negative, arith::XOrIOp::create(b, bits, i32(0x7fffffff)), bits);
}

Value fromOrder(KernelBuilder &b, Value order) {
  Value bits = flipNegative(b, arith::TruncIOp::create(b, b.getI32Type(), order));
  return arith::BitcastOp::create(b, b.getF32Type(), bits);
}

Value toOrder(KernelBuilder &b, Value number) {
  return b.toIndex(flipNegative(b, arith::BitcastOp::create(b, b.getI32Type(), number)));
}

Value emitLimitsCount(KernelBuilder &b, Value topK, int64_t vocabulary) {
  return both(b, b.lt(b.c(0), topK), b.lt(topK, b.c(vocabulary)));
}

Value emitLimitsMass(KernelBuilder &b, Value topP) {
  return compare(b, Predicate::OLT, topP, b.f(1));
}

Value emitBlockWeight(KernelBuilder &b, const SampleRow &row, Value block, Value threshold) {
  RowSums sums = loadSums(b, row.blocks, b.mul(block, 2), false);
  Value some = compare(b, Predicate::OGE, sums.max, threshold);
  Value limited = compare(b, Predicate::OGT, threshold, b.f(kKeepsAll));
  Value kept = b.ifElse(
      both(b, some, limited),
      [&] { return SmallVector<Value>{keptSum(b, row, block, threshold, sums.max)}; },
      [&] { return SmallVector<Value>{sums.sum}; })[0];
  return b.select(some, b.fmul(kept, b.exp(b.fsub(sums.max, row.top))), b.f(0));
}

Value emitThreshold(KernelBuilder &b, const SampleRow &row, Value topK, Value topP) {
  Value f64Zero = wide(b, 0);
  auto toWide = [&](Value number) -> Value {
    return arith::ExtFOp::create(b, f64Zero.getType(), number);
  };
  Value least = b.ifElse(
      emitLimitsCount(b, topK, row.vocabulary),
      [&] {
        Value wanted = toWide(b.toFloat(topK));
        return SmallVector<Value>{Search(b, row, true).threshold(b.f(kKeepsAll), wanted)};
      },
      [&] { return SmallVector<Value>{b.f(kKeepsAll)}; })[0];
  return b.ifElse(
      emitLimitsMass(b, topP),
      [&] {
        Value all =
            b.loopCarry(b.c(0), b.c(row.count()), 1, b.f(0), [&](Value block, ValueRange carried) {
              return SmallVector<Value>{b.fadd(carried[0], emitBlockWeight(b, row, block, least))};
            })[0];
        Value wanted = toWide(b.fmul(topP, all));
        return SmallVector<Value>{Search(b, row, false).threshold(least, wanted)};
      },
      [&] { return SmallVector<Value>{least}; })[0];
}

} // namespace mirl::passes::cpu
