// The schedule of nn.sample. An item is a row; rows never see each other.
//
// The log-prob has the order of nn.linear_logprob (LogSumExp.h). What top_k and top_p keep is found exactly, by narrowing
// the range in which the smallest kept logit lies, and only where they are on. The draw: the weights w = exp(z − max) of kept tokens are
// summed in 16 lanes within blocks of 256, the blocks in one chain whose last value is W; the token is looked
// for block by block, then one by one within the block where the running sum passes u · W.

#include "passes/cpu/LogSumExp.h"
#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

class RowSampler {
public:
  RowSampler(KernelBuilder &b, int64_t vocabulary) : b(b), vocabulary(vocabulary) {
    blocks = llvm::divideCeil(vocabulary, kVocabularyBlock);
    sums = b.scratch(blocks);
  }

  // Temperature 0 samples nothing: the row's log-prob is then that of temperature 1.
  void emit(Value row) {
    z = advance(b, b.buffer(0), b.mul(row, vocabulary));
    Value temperature = b.loadf(b.buffer(4), b.c(0));
    Value greedy = arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, temperature, b.f(0));
    scale = b.select(greedy, b.f(1), b.fdiv(b.f(1), temperature));
    RowSums all = emitLogSumExp(b, z, b.c(vocabulary), scale, RowSums::start(b, false));
    top = all.max;
    Value token = b.ifElse(
        greedy, [&] { return SmallVector<Value>{firstLargest()}; }, [&] { return SmallVector<Value>{draw(row)}; })[0];
    b.store(arith::TruncIOp::create(b, b.getI32Type(), token), b.buffer(7), row);
    // Where the logits are no numbers, no token is found: the caller sees −1.
    Value safe = b.max(token, b.c(0));
    b.store(b.fsub(logit(safe), b.fadd(all.max, b.log(all.sum))), b.buffer(8), row);
  }

private:
  Value logit(Value index) { return b.fmul(b.loadf(z, index), scale); }

  Value firstLargest() {
    return b.loopCarry(b.c(0), b.c(vocabulary), 1, b.c(-1), [&](Value v, ValueRange found) {
      Value hit = arith::AndIOp::create(b, b.lt(found[0], b.c(0)),
                                        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, logit(v), top));
      return SmallVector<Value>{b.select(hit, v, found[0])};
    })[0];
  }

  // Σ over a block of exp(z − top) where z ≥ threshold.
  Value blockSum(Value start, Value threshold) {
    Value size = b.min(b.sub(b.c(vocabulary), start), b.c(kVocabularyBlock)), least = b.splat(threshold);
    Value factor = b.splat(scale), shift = b.splat(top);
    Value sum = b.loopCarry(b.c(0), size, kLanes, b.vf(0), [&](Value i, ValueRange carried) {
      Value count = b.sub(size, i), value = b.fmul(b.loadvMasked(z, b.add(start, i), count), factor);
      Value kept = arith::AndIOp::create(b, b.mask(count), arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, least));
      return SmallVector<Value>{b.fadd(carried[0], b.select(kept, b.exp(b.fsub(value, shift)), b.vf(0)))};
    })[0];
    return b.sumLanes(sum);
  }

  Value total(Value threshold) {
    return b.loopCarry(b.c(0), b.c(vocabulary), kVocabularyBlock, b.f(0), [&](Value start, ValueRange carried) {
      return SmallVector<Value>{b.fadd(carried[0], blockSum(start, threshold))};
    })[0];
  }

  // The float of this place in the order of all floats (as a signed integer), and the place of a float.
  Value fromOrder(Value order) {
    Value narrow = arith::TruncIOp::create(b, b.getI32Type(), order);
    Value flipped = arith::XOrIOp::create(b, narrow, arith::ConstantIntOp::create(b, b.getI32Type(), 0x7fffffff));
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, narrow, arith::ConstantIntOp::create(b, b.getI32Type(), 0));
    return arith::BitcastOp::create(b, b.getF32Type(), b.select(negative, flipped, narrow));
  }
  Value toOrder(Value number) {
    Value bits = arith::BitcastOp::create(b, b.getI32Type(), number);
    Value flipped = arith::XOrIOp::create(b, bits, arith::ConstantIntOp::create(b, b.getI32Type(), 0x7fffffff));
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bits, arith::ConstantIntOp::create(b, b.getI32Type(), 0));
    return b.toIndex(b.select(negative, flipped, bits));
  }

  // The largest threshold ≥ `least` whose kept tokens sum to `wanted` at least (there is one: `least` itself, or rounding
  // is to blame and `least` is as good). Of tokens that are kept as long as the threshold is in [low, high) only those in
  // between are looked at again: each pass over the row cuts that range at seven places, and it ends when the logits
  // within are all the same. Sums are of 16 lanes within blocks of 256, the blocks in one chain, on top of what lies
  // above the range.
  Value threshold(Value least, Value wanted, bool ones) {
    Value high = fromOrder(b.add(toOrder(top), b.c(1)));
    return b.loopCarry(b.c(0), b.c(kPasses), 1, {least, high, b.f(0), b.c(1)}, [&](Value pass, ValueRange carried) {
      return b.ifElse(
          b.eq(carried[3], b.c(1)), [&] { return narrow(pass, carried, wanted, ones); },
          [&] { return SmallVector<Value>(carried); });
    })[0];
  }

  static constexpr int kCuts = 7;
  // Once at fixed distances from the maximum, seven times by size, and then, where logits differ by next to nothing, in
  // the order of the floats, whose 32 bits are three fewer after each pass.
  static constexpr int64_t kBySize = 8, kPasses = kBySize + 11;

  SmallVector<Value> narrow(Value pass, ValueRange carried, Value wanted, bool ones) {
    Value low = carried[0], high = carried[1], above = carried[2];
    Value first = b.eq(pass, b.c(0)), bySize = b.lt(pass, b.c(kBySize));
    Value lowOrder = toOrder(low), orders = b.sub(toOrder(high), lowOrder), width = b.fsub(high, low);
    SmallVector<Value> cuts; // ascending
    for (int i = 1; i <= kCuts; ++i) {
      Value distant = b.fsub(top, b.f(std::ldexp(64.0, -i))); // 32, 16, …, 1/2
      Value linear = b.fadd(low, b.fmul(width, b.f(i / (kCuts + 1.0))));
      Value order = fromOrder(b.add(lowOrder, arith::ShRSIOp::create(b, b.mul(orders, i), b.c(3))));
      cuts.push_back(b.select(first, distant, b.select(bySize, linear, order)));
    }
    SmallVector<Value> found = sumsAbove(low, high, cuts, ones);
    Value newLow = low, newHigh = high, newAbove = above;
    // From the highest cut down: the last one that is not enough is the new end, the first that is the new begin.
    Value open = b.c(1);
    for (int i = kCuts - 1; i >= 0; --i) {
      Value sum = b.fadd(above, found[i]);
      Value inside = arith::AndIOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, cuts[i], low),
                                           arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, cuts[i], high));
      inside = arith::AndIOp::create(b, inside, b.eq(open, b.c(1)));
      Value enough = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, sum, wanted);
      newLow = b.select(inside, b.select(enough, cuts[i], newLow), newLow);
      newHigh = b.select(inside, b.select(enough, newHigh, cuts[i]), newHigh);
      newAbove = b.select(inside, b.select(enough, newAbove, sum), newAbove);
      open = b.select(arith::AndIOp::create(b, inside, enough), b.c(0), open);
    }
    Value differ = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, found[kCuts], found[kCuts + 1]);
    return {newLow, newHigh, newAbove, b.select(differ, b.c(1), b.c(0))};
  }

  // For each cut Σ exp(z − top), or the number, of the tokens with cut ≤ z < high; then the least and the largest logit in
  // [low, high).
  SmallVector<Value> sumsAbove(Value low, Value high, ArrayRef<Value> cuts, bool ones) {
    Value factor = b.splat(scale), shift = b.splat(top), lows = b.splat(low), highs = b.splat(high);
    Value none = b.vf(std::numeric_limits<float>::infinity());
    SmallVector<Value> zeros(kCuts, b.vf(0)), sums(zeros), splats;
    sums.append({none, b.fneg(none)});
    for (Value cut : cuts)
      splats.push_back(b.splat(cut));
    SmallVector<Value> all = b.loopCarry(b.c(0), b.c(vocabulary), kVocabularyBlock, sums, [&](Value start, ValueRange carried) {
      Value size = b.min(b.sub(b.c(vocabulary), start), b.c(kVocabularyBlock));
      SmallVector<Value> init(zeros);
      init.append({carried[kCuts], carried[kCuts + 1]});
      SmallVector<Value> block = b.loopCarry(b.c(0), size, kLanes, init, [&](Value i, ValueRange within) {
        Value count = b.sub(size, i), value = b.fmul(b.loadvMasked(z, b.add(start, i), count), factor);
        Value active = arith::AndIOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, lows),
                                             arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, value, highs));
        active = arith::AndIOp::create(b, active, b.mask(count));
        return b.ifElse(
            b.any(active),
            [&] {
              Value weight = b.select(active, ones ? b.vf(1) : b.exp(b.fsub(value, shift)), b.vf(0));
              SmallVector<Value> next;
              for (int k = 0; k < kCuts; ++k) {
                Value kept = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, splats[k]);
                next.push_back(b.fadd(within[k], b.select(kept, weight, b.vf(0))));
              }
              next.push_back(b.fmin(within[kCuts], b.select(active, value, none)));
              next.push_back(b.fmax(within[kCuts + 1], b.select(active, value, b.fneg(none))));
              return next;
            },
            [&] { return SmallVector<Value>(within); });
      });
      for (int k = 0; k < kCuts; ++k)
        block[k] = b.fadd(carried[k], block[k]);
      return block;
    });
    for (int k = 0; k < kCuts; ++k)
      all[k] = b.sumLanes(all[k]);
    all[kCuts] = b.fneg(b.maxLanes(b.fneg(all[kCuts])));
    all[kCuts + 1] = b.maxLanes(all[kCuts + 1]);
    return all;
  }

  Value draw(Value row) {
    Value lowest = b.f(-std::numeric_limits<float>::max());
    Value topK = b.loadi(b.buffer(5), b.c(0)), topP = b.loadf(b.buffer(6), b.c(0));
    Value limited = arith::AndIOp::create(b, b.lt(b.c(0), topK), b.lt(topK, b.c(vocabulary)));
    Value least = b.ifElse(
        limited, [&] { return SmallVector<Value>{threshold(lowest, b.toFloat(topK), true)}; },
        [&] { return SmallVector<Value>{lowest}; })[0];
    Value nucleus = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, topP, b.f(1));
    least = b.ifElse(
        nucleus, [&] { return SmallVector<Value>{threshold(least, b.fmul(topP, total(least)), false)}; },
        [&] { return SmallVector<Value>{least}; })[0];

    Value all = b.loopCarry(b.c(0), b.c(blocks), 1, b.f(0), [&](Value block, ValueRange carried) {
      Value sum = blockSum(b.mul(block, kVocabularyBlock), least);
      b.store(sum, sums, block);
      return SmallVector<Value>{b.fadd(carried[0], sum)};
    })[0];
    Value mark = b.fmul(uniform(row), all);
    // The first block behind which the running sum is past the mark, and the running sum before it.
    SmallVector<Value> place =
        b.loopCarry(b.c(0), b.c(blocks), 1, {b.c(-1), b.f(0), b.f(0)}, [&](Value block, ValueRange carried) {
          Value running = b.fadd(carried[1], b.loadf(sums, block));
          Value past = arith::AndIOp::create(b, b.lt(carried[0], b.c(0)),
                                             arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, running, mark));
          return SmallVector<Value>{b.select(past, block, carried[0]), running, b.select(past, carried[1], carried[2])};
        });
    Value start = b.mul(b.max(place[0], b.c(0)), kVocabularyBlock);
    Value end = b.select(b.lt(place[0], b.c(0)), start, b.min(b.add(start, kVocabularyBlock), b.c(vocabulary)));
    // Within the block: the first token past the mark, else (rounding) its last kept one.
    SmallVector<Value> found = b.loopCarry(start, end, 1, {b.c(-1), b.c(-1), place[2]}, [&](Value v, ValueRange carried) {
      Value value = logit(v), kept = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, least);
      Value weight = b.select(kept, b.exp(b.fsub(value, top)), b.f(0));
      Value running = b.fadd(carried[2], weight);
      Value past = arith::AndIOp::create(b, kept, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, running, mark));
      past = arith::AndIOp::create(b, past, b.lt(carried[0], b.c(0)));
      return SmallVector<Value>{b.select(past, v, carried[0]), b.select(kept, v, carried[1]), running};
    });
    return b.select(b.lt(found[0], b.c(0)), found[1], found[0]);
  }

  // Word 0 of Philox 4x32-10 (docs/plan.md, "Random numbers") as a number in [0, 1).
  Value uniform(Value row) {
    Type i64 = b.getI64Type();
    Value seed = b.load(i64, b.buffer(3), b.c(0)), id = b.load(i64, b.buffer(1), row), step = b.loadi(b.buffer(2), row);
    Value word = b.c(0xffffffff);
    auto low = [&](Value value) -> Value { return arith::AndIOp::create(b, value, word); };
    auto high = [&](Value value) -> Value { return arith::ShRUIOp::create(b, value, b.c(32)); };
    auto exclusive = [&](Value a, Value c) -> Value { return arith::XOrIOp::create(b, a, c); };
    SmallVector<Value> counter{low(step), b.c(0), low(id), high(id)};
    Value key0 = low(seed), key1 = high(seed);
    for (int round = 0; round < 10; ++round) {
      // Products of two 32-bit numbers fit into 64 bits.
      Value p0 = b.mul(counter[0], b.c(0xD2511F53)), p1 = b.mul(counter[2], b.c(0xCD9E8D57));
      counter = {exclusive(exclusive(high(p1), counter[1]), key0), low(p1), exclusive(exclusive(high(p0), counter[3]), key1), low(p0)};
      key0 = low(b.add(key0, b.c(0x9E3779B9)));
      key1 = low(b.add(key1, b.c(0xBB67AE85)));
    }
    return b.fmul(b.toFloat(arith::ShRUIOp::create(b, counter[0], b.c(8))), b.f(0x1p-24));
  }

  KernelBuilder &b;
  int64_t vocabulary, blocks;
  Value sums, z, scale, top;
};

LogicalResult lowerSample(Operation *op, Lowering &lowering) {
  auto sample = cast<nn::SampleOp>(op);
  auto type = typeOf(sample.getLogits());
  int64_t vocabulary = type.getDimSize(1);
  LaunchSpec spec;
  spec.kernel = "sample_" + axisName(type) + "_v" + std::to_string(vocabulary);
  // In this order: logits, sequence_ids, steps, seed, temperature, top_k, top_p; token, logprob.
  for (Value operand : op->getOperands())
    spec.reads.push_back(lowering.slice(operand));
  for (Value result : op->getResults())
    spec.writes.push_back(lowering.slice(result));
  spec.work = lowering.rows(type);
  spec.grain = std::max<int64_t>(1, 512 / vocabulary);
  spec.flops = plan::perRow(type, 40.0 * vocabulary);
  spec.bytes = plan::perRow(type, 4.0 * vocabulary);
  lowering.launch(spec, [&](KernelBuilder &b) {
    RowSampler sampler(b, vocabulary);
    b.loop(b.begin(), b.end(), 1, [&](Value row) { sampler.emit(row); });
  });
  return success();
}

} // namespace

void registerSampleSchedule(llvm::StringMap<Schedule> &schedules) { schedules["nn.sample"] = lowerSample; }

} // namespace mirl::passes::cpu
