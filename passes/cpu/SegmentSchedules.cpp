// Schedules of sums and spreads between tokens, sequences, groups and the batch.
//
// These are scalars per token at most: a few thousand numbers beside the millions of a model's activations, so they are
// plain loops. A segment's reduction is one chain, and so is a reduction to the batch, which is one work item.

#include "passes/cpu/Schedules.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// Segments of an item.
int64_t segmentTile(const Lowering &lowering) { return lowering.threaded() ? 1 : 16; }

// One more element of a reduction.
Value combine(KernelBuilder &b, nn::ReduceKind kind, Value sum, Value x) {
  switch (kind) {
  case nn::ReduceKind::sum:
    return b.fadd(sum, x);
  case nn::ReduceKind::max:
    return b.fmax(x, sum);
  case nn::ReduceKind::min:
    return b.fmin(x, sum);
  }
  return {};
}

double neutral(nn::ReduceKind kind) {
  return kind == nn::ReduceKind::sum ? 0.0 : kind == nn::ReduceKind::max ? -INFINITY : INFINITY;
}

Value reduceRange(KernelBuilder &b, const Lowering &lowering, nn::ReduceKind kind, Value input, Value from, Value to,
                  Value start) {
  return chainOf(
      b, from, to, lowering.together(32), start, [&](Value i) -> SmallVector<Value> { return {b.loadf(input, i)}; },
      [&](Value sum, ValueRange x) { return combine(b, kind, sum, x[0]); });
}

// Calls body(segment, first row, end row) for the segments of the items [begin, end).
void forSegments(KernelBuilder &b, const Lowering &lowering, RankedTensorType segments, Value offsets,
                 llvm::function_ref<void(Value segment, Value from, Value to)> body) {
  int64_t tile = segmentTile(lowering);
  b.loop(b.mul(b.begin(), tile), b.min(b.mul(b.end(), tile), rowsOf(b, segments)), 1, [&](Value segment) {
    body(segment, b.loadi(offsets, segment), b.loadi(offsets, b.add(segment, 1)));
  });
}

LogicalResult lowerSegmentSpread(Operation *op, Lowering &lowering) {
  auto spread = cast<nn::SegmentSpreadOp>(op);
  auto coarse = typeOf(spread.getInput());
  LaunchSpec spec;
  spec.kernel = "segment_spread_" + axisName(coarse);
  spec.reads = {lowering.slice(spread.getInput()), lowering.slice(spread.getOffsets())};
  spec.writes = {lowering.slice(spread.getResult())};
  spec.work = lowering.rows(coarse, segmentTile(lowering));
  spec.bytes = plan::perRow(typeOf(spread.getResult()), 4);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), target = b.buffer(2);
    forSegments(b, lowering, coarse, b.buffer(1), [&](Value segment, Value from, Value to) {
      Value x = b.loadf(input, segment);
      b.loop(from, to, 1, [&](Value row) { b.store(x, target, row); });
    });
  });
  return success();
}

LogicalResult lowerSegmentReduce(Operation *op, Lowering &lowering) {
  auto reduce = cast<nn::SegmentReduceOp>(op);
  auto coarse = typeOf(reduce.getResult());
  nn::ReduceKind kind = reduce.getKind();
  LaunchSpec spec;
  spec.kernel = "segment_" + nn::stringifyReduceKind(kind).str() + "_" + axisName(coarse);
  spec.reads = {lowering.slice(reduce.getInput()), lowering.slice(reduce.getOffsets())};
  spec.writes = {lowering.slice(reduce.getResult())};
  spec.work = lowering.rows(coarse, segmentTile(lowering));
  spec.bytes = plan::perRow(typeOf(reduce.getInput()), 4);
  spec.flops = plan::perRow(typeOf(reduce.getInput()), 1);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value input = b.buffer(0), target = b.buffer(2);
    forSegments(b, lowering, coarse, b.buffer(1), [&](Value segment, Value from, Value to) {
      b.store(reduceRange(b, lowering, kind, input, from, to, b.f(neutral(kind))), target, segment);
    });
  });
  return success();
}

LogicalResult lowerSegmentCount(Operation *op, Lowering &lowering) {
  auto count = cast<nn::SegmentCountOp>(op);
  auto coarse = typeOf(count.getResult());
  LaunchSpec spec;
  spec.kernel = "segment_count_" + axisName(coarse);
  spec.reads = {lowering.slice(count.getOffsets())};
  spec.writes = {lowering.slice(count.getResult())};
  spec.work = lowering.rows(coarse, segmentTile(lowering));
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value target = b.buffer(1);
    forSegments(b, lowering, coarse, b.buffer(0), [&](Value segment, Value from, Value to) {
      b.store(b.toFloat(b.sub(to, from)), target, segment);
    });
  });
  return success();
}

LogicalResult lowerReduce(Operation *op, Lowering &lowering) {
  auto reduce = cast<nn::ReduceOp>(op);
  auto type = typeOf(reduce.getInput());
  nn::ReduceKind kind = reduce.getKind();
  bool into = static_cast<bool>(reduce.getInto());
  LaunchSpec spec;
  spec.kernel = "reduce_" + nn::stringifyReduceKind(kind).str() + "_" + axisName(type) + (into ? "_into" : "");
  spec.reads = {lowering.slice(reduce.getInput())};
  spec.writes = {lowering.slice(reduce.getResult())};
  if (into)
    spec.updates = {0};
  spec.work = lowering.items(1);
  spec.bytes = plan::perRow(type, 4);
  spec.flops = plan::perRow(type, 1);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value target = b.buffer(1);
    Value start = into ? b.loadf(target, b.c(0)) : b.f(neutral(kind));
    b.store(reduceRange(b, lowering, kind, b.buffer(0), b.c(0), rowsOf(b, type), start), target, b.c(0));
  });
  return success();
}

LogicalResult lowerSpread(Operation *op, Lowering &lowering) {
  auto spread = cast<nn::SpreadOp>(op);
  auto type = typeOf(spread.getResult());
  int64_t columns = columnsOf(type);
  LaunchSpec spec;
  spec.kernel = "spread_" + axisName(type) + "_c" + std::to_string(columns);
  spec.reads = {lowering.slice(spread.getInput())};
  spec.writes = {lowering.slice(spread.getResult())};
  spec.work = lowering.rows(type, 1024);
  spec.bytes = plan::perRow(type, 4.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value x = b.loadf(b.buffer(0), b.c(0)), target = b.buffer(1);
    Value to = b.mul(b.min(b.mul(b.end(), 1024), rowsOf(b, type)), columns);
    b.loop(b.mul(b.begin(), 1024 * columns), to, 1, [&](Value i) { b.store(x, target, i); });
  });
  return success();
}

LogicalResult lowerExtent(Operation *op, Lowering &lowering) {
  auto extent = cast<nn::ExtentOp>(op);
  auto axis = extent.getAxis().getAxis();
  LaunchSpec spec;
  spec.kernel = "extent_" + nn::stringifyAxis(axis).str();
  spec.writes = {lowering.slice(extent.getResult())};
  spec.work = lowering.items(1);
  lowering.launch(spec, [&](KernelBuilder &b) {
    b.store(b.toFloat(b.dim(static_cast<Dim>(static_cast<int>(axis) - 1))), b.buffer(0), b.c(0));
  });
  return success();
}

} // namespace

void registerSegmentSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.segment_spread"] = lowerSegmentSpread;
  schedules["nn.segment_reduce"] = lowerSegmentReduce;
  schedules["nn.segment_count"] = lowerSegmentCount;
  schedules["nn.reduce"] = lowerReduce;
  schedules["nn.spread"] = lowerSpread;
  schedules["nn.extent"] = lowerExtent;
}

} // namespace mirl::passes::cpu
