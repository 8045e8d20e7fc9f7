// The schedule of nn.sample. An item is a row; rows never see each other.
//
// The log-prob has the order of nn.linear_logprob (LogSumExp.h), and so have the blocks' sums, of
// which the draw is made (SampleRow.h): the token is looked for block by block where the running
// sum of their weights passes u · W, then one by one within the block.

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/SampleRow.h"
#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

class RowSampler {
public:
  RowSampler(KernelBuilder &b, int64_t vocabulary) : b(b) {
    row.vocabulary = vocabulary;
    row.blocks = b.scratch(2 * row.count());
    weights = b.scratch(row.count());
  }

  // Temperature 0 samples nothing: the row's log-prob is then that of temperature 1.
  void emit(Value index) {
    row.z = advance(b, b.buffer(0), b.mul(index, row.vocabulary));
    Value greedy;
    std::tie(row.scale, greedy) = emitScale(b, b.loadf(b.buffer(4), b.c(0)));
    RowSums all = emitLogSumExp(b, row.z, b.c(row.vocabulary), row.scale, RowSums::start(b, false),
                                [&](Value start, const RowSums &block) {
                                  Value at = b.divide(start, b.c(kVocabularyBlock / 2));
                                  b.store(block.max, row.blocks, at);
                                  b.store(block.sum, row.blocks, b.add(at, 1));
                                });
    row.top = all.max;
    Value token = b.ifElse(
        greedy, [&] { return SmallVector<Value>{firstLargest()}; },
        [&] { return SmallVector<Value>{draw(index)}; })[0];
    b.store(arith::TruncIOp::create(b, b.getI32Type(), token), b.buffer(7), index);
    // Where the logits are no numbers, no token is found: the caller sees −1.
    Value safe = b.max(token, b.c(0));
    b.store(b.fsub(logit(safe), b.fadd(all.max, b.log(all.sum))), b.buffer(8), index);
  }

private:
  Value logit(Value index) { return b.fmul(b.loadf(row.z, index), row.scale); }

  Value firstLargest() {
    return b.loopCarry(b.c(0), b.c(row.vocabulary), 1, b.c(-1), [&](Value v, ValueRange found) {
      Value largest = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, logit(v), row.top);
      Value hit = arith::AndIOp::create(b, b.lt(found[0], b.c(0)), largest);
      return SmallVector<Value>{b.select(hit, v, found[0])};
    })[0];
  }

  Value draw(Value index) {
    auto past = [&](Value running, Value mark) -> Value {
      return arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, running, mark);
    };
    Value least = emitThreshold(b, row, b.loadi(b.buffer(5), b.c(0)), b.loadf(b.buffer(6), b.c(0)));
    Value count = b.c(row.count());
    Value all = b.loopCarry(b.c(0), count, 1, b.f(0), [&](Value block, ValueRange carried) {
      Value weight = emitBlockWeight(b, row, block, least);
      b.store(weight, weights, block);
      return SmallVector<Value>{b.fadd(carried[0], weight)};
    })[0];
    Value seed = b.load(b.getI64Type(), b.buffer(3), b.c(0)),
          id = b.load(b.getI64Type(), b.buffer(1), index), step = b.loadi(b.buffer(2), index);
    Value mark = b.fmul(emitUniform(b, seed, id, step), all);
    // The first block behind which the running sum is past the mark, and the running sum before it.
    SmallVector<Value> place = b.loopCarry(
        b.c(0), count, 1, {b.c(-1), b.f(0), b.f(0)}, [&](Value block, ValueRange carried) {
          Value running = b.fadd(carried[1], b.loadf(weights, block));
          Value hit = arith::AndIOp::create(b, b.lt(carried[0], b.c(0)), past(running, mark));
          return SmallVector<Value>{b.select(hit, block, carried[0]), running,
                                    b.select(hit, carried[1], carried[2])};
        });
    Value start = b.mul(b.max(place[0], b.c(0)), kVocabularyBlock);
    Value end = b.select(b.lt(place[0], b.c(0)), start,
                         b.min(b.add(start, kVocabularyBlock), b.c(row.vocabulary)));
    // Within the block: the first token past the mark, else (rounding) its last kept one.
    SmallVector<Value> init{b.c(-1), b.c(-1), place[2]};
    SmallVector<Value> found = b.loopCarry(start, end, 1, init, [&](Value v, ValueRange carried) {
      Value value = logit(v),
            kept = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value, least);
      Value weight = b.select(kept, b.exp(b.fsub(value, row.top)), b.f(0));
      Value running = b.fadd(carried[2], weight);
      Value hit = arith::AndIOp::create(b, kept, past(running, mark));
      hit = arith::AndIOp::create(b, hit, b.lt(carried[0], b.c(0)));
      return SmallVector<Value>{b.select(hit, v, carried[0]), b.select(kept, v, carried[1]),
                                running};
    });
    return b.select(b.lt(found[0], b.c(0)), found[1], found[0]);
  }

  KernelBuilder &b;
  SampleRow row;
  Value weights;
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

void registerSampleSchedule(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.sample"] = lowerSample;
}

} // namespace mirl::passes::cpu
