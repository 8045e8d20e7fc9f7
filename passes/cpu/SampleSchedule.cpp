// The schedule of nn.sample. An item is a row; rows never see each other.
//
// The log-prob has the order of nn.linear_logprob (LogSumExp.h). What top_k and top_p keep is found exactly, by bisection
// over the ordering of the floats, and only where they are on. The draw: the weights w = exp(z − max) of kept tokens are
// summed in 16 lanes within blocks of 256, the blocks in one chain whose last value is W; the token is looked
// for block by block, then one by one within the block where the running sum passes u · W.

#include "passes/cpu/LogSumExp.h"
#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

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

  // Σ over a block of exp(z − top), or of 1, where z ≥ threshold.
  Value blockSum(Value start, Value threshold, bool ones) {
    Value size = b.min(b.sub(b.c(vocabulary), start), b.c(kVocabularyBlock)), least = b.splat(threshold);
    Value factor = b.splat(scale), shift = b.splat(top);
    Value sum = b.loopCarry(b.c(0), size, kLanes, b.vf(0), [&](Value i, ValueRange carried) {
      Value count = b.sub(size, i), value = b.fmul(b.loadvMasked(z, b.add(start, i), count), factor);
      Value kept = arith::AndIOp::create(b, b.mask(count), arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, least));
      Value weight = ones ? b.vf(1) : b.exp(b.fsub(value, shift));
      return SmallVector<Value>{b.fadd(carried[0], b.select(kept, weight, b.vf(0)))};
    })[0];
    return b.sumLanes(sum);
  }

  Value total(Value threshold, bool ones) {
    return b.loopCarry(b.c(0), b.c(vocabulary), kVocabularyBlock, b.f(0), [&](Value start, ValueRange carried) {
      return SmallVector<Value>{b.fadd(carried[0], blockSum(start, threshold, ones))};
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
  // is to blame and `least` is as good).
  Value threshold(Value least, Value wanted, bool ones) {
    Value low = toOrder(least), high = toOrder(top);
    SmallVector<Value> range = b.loopCarry(b.c(0), b.c(33), 1, {low, high}, [&](Value, ValueRange carried) {
      Value low = carried[0], high = carried[1];
      // (low + high + 1) / 2, rounded down: it is above low while they differ.
      Value middle = arith::ShRSIOp::create(b, b.add(b.add(low, high), 1), b.c(1));
      Value enough = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, total(fromOrder(middle), ones), wanted);
      return SmallVector<Value>{b.select(enough, middle, low), b.select(enough, high, b.sub(middle, b.c(1)))};
    });
    Value found = fromOrder(range[0]);
    return b.fmax(found, least);
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
        nucleus, [&] { return SmallVector<Value>{threshold(least, b.fmul(topP, total(least, false)), false)}; },
        [&] { return SmallVector<Value>{least}; })[0];

    Value all = b.loopCarry(b.c(0), b.c(blocks), 1, b.f(0), [&](Value block, ValueRange carried) {
      Value sum = blockSum(b.mul(block, kVocabularyBlock), least, false);
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
