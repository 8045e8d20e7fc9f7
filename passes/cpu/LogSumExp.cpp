// The log-sum-exp over a vocabulary (LogSumExp.h).

#include "passes/cpu/LogSumExp.h"

#include "passes/cpu/MatmulMicrokernel.h"

#include <limits>

using namespace mlir;

namespace mirl::passes::cpu {

RowSums RowSums::start(KernelBuilder &b, bool weighted) {
  return {b.f(-std::numeric_limits<double>::infinity()), b.f(0), weighted ? b.f(0) : Value()};
}

SmallVector<Value> RowSums::values() const {
  SmallVector<Value> list{max, sum};
  if (weighted)
    list.push_back(weighted);
  return list;
}

RowSums RowSums::from(ValueRange values) {
  return {values[0], values[1], values.size() > 2 ? values[2] : Value()};
}

RowSums mergeBlock(KernelBuilder &b, const RowSums &before, const RowSums &block) {
  RowSums now;
  now.max = b.fmax(block.max, before.max);
  Value decay = b.exp(b.fsub(before.max, now.max)), share = b.exp(b.fsub(block.max, now.max));
  auto merge = [&](Value old, Value more) {
    return b.fadd(b.fmul(old, decay), b.fmul(more, share));
  };
  now.sum = merge(before.sum, block.sum);
  if (before.weighted)
    now.weighted = merge(before.weighted, block.weighted);
  return now;
}

RowSums loadSums(KernelBuilder &b, Value pointer, Value at, bool weighted) {
  return {b.loadf(pointer, at), b.loadf(pointer, b.add(at, 1)),
          weighted ? b.loadf(pointer, b.add(at, 2)) : Value()};
}

RowResult rowResult(KernelBuilder &b, const RowSums &sums, Value target) {
  Value lse = b.fadd(sums.max, b.log(sums.sum));
  return {b.fsub(target, lse), lse,
          sums.weighted ? b.fsub(lse, b.fdiv(sums.weighted, sums.sum)) : Value()};
}

Value LogitGradient::of(KernelBuilder &b, Value shifted, Value p, Value hit) const {
  Value dz = b.fmul(logprob, b.fsub(hit, p));
  if (entropy)
    dz = b.fsub(dz, b.fmul(b.fmul(entropyGradient, p), b.fadd(shifted, entropy)));
  return b.fmul(dz, scale);
}

RowSums emitBlockSums(KernelBuilder &b, Value block, Value size, Value scale, bool weighted,
                      function_ref<Value(Value)> exp) {
  double lowest = -std::numeric_limits<double>::infinity();
  Value factor = b.splat(scale);
  Value whole = b.mul(b.divide(size, b.c(kLanes)), kLanes), rest = b.sub(size, whole);
  Value top = b.loopCarry(b.c(0), whole, kLanes, b.vf(lowest), [&](Value i, ValueRange best) {
    return SmallVector<Value>{b.fmax(best[0], b.fmul(b.loadv(block, i), factor))};
  })[0];
  // Lanes beyond the end are −inf, whose exponential is 0.
  Value last =
      b.select(b.mask(rest), b.fmul(b.loadvMasked(block, whole, rest), factor), b.vf(lowest));
  RowSums sums;
  sums.max = b.maxLanes(b.fmax(top, last));
  Value shift = b.splat(sums.max);
  SmallVector<Value> start{b.vf(0)};
  if (weighted)
    start.push_back(b.vf(0));
  auto add = [&](Value z, ValueRange partial, Value masked) {
    Value x = b.fsub(z, shift), e = exp ? exp(x) : b.exp(x);
    SmallVector<Value> next{b.fadd(partial[0], e)};
    if (weighted)
      next.push_back(b.fma(e, masked ? masked : z, partial[1]));
    return next;
  };
  SmallVector<Value> partial =
      b.loopCarry(b.c(0), whole, kLanes, start, [&](Value i, ValueRange values) {
        return add(b.fmul(b.loadv(block, i), factor), values, nullptr);
      });
  // 0 · −inf is no number: the weight of a lane beyond the end is 0 · 0.
  Value finite = weighted ? b.select(b.mask(rest), last, b.vf(0)) : Value();
  partial = add(last, partial, finite);
  sums.sum = b.sumLanes(partial[0]);
  if (weighted)
    sums.weighted = b.sumLanes(partial[1]);
  return sums;
}

RowSums emitLogSumExp(KernelBuilder &b, Value logits, Value count, Value scale, RowSums sums,
                      function_ref<void(Value start, const RowSums &)> each) {
  SmallVector<Value> carried = b.loopCarry(
      b.c(0), count, kVocabularyBlock, sums.values(), [&](Value start, ValueRange values) {
        RowSums old = RowSums::from(values);
        Value size = b.min(b.sub(count, start), b.c(kVocabularyBlock));
        RowSums now = emitBlockSums(b, advance(b, logits, start), size, scale,
                                    static_cast<bool>(old.weighted));
        if (each)
          each(start, now);
        return mergeBlock(b, old, now).values();
      });
  return RowSums::from(carried);
}

} // namespace mirl::passes::cpu
