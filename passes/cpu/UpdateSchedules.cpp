// The schedules of an update: nn.adamw and nn.squared_norm.
//
// Of many tensors at a time they are a few launches (passes/LaunchGroups.h): one for all tensors of
// a shape, whose addresses the kernel gets as an array. Work items of the same tensor stand behind
// each other. Every tensor's numbers are made as by a launch of its own.

#include "passes/cpu/Cut.h"
#include "runtime/artifact/Format.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

// The block of nn.squared_norm (part of its meaning, NnAdjointOps.td).
constexpr int64_t kNormBlock = 4096;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// Ops of one key that are one launch: in their order, with at most `most` in each.
template <typename Op, typename Key>
SmallVector<SmallVector<Op>> alike(ArrayRef<Operation *> ops, size_t most,
                                   llvm::function_ref<Key(Op)> key) {
  llvm::MapVector<Key, SmallVector<Op>> classes;
  for (Operation *op : ops)
    classes[key(cast<Op>(op))].push_back(cast<Op>(op));
  SmallVector<SmallVector<Op>> launches;
  for (auto &[key, members] : classes)
    for (size_t begin = 0; begin < members.size(); begin += most)
      launches.emplace_back(
          ArrayRef<Op>(members).slice(begin, std::min(most, members.size() - begin)));
  return launches;
}

// --- nn.adamw ------------------------------------------------------------------------------------

// 1 − β^t, t ≥ 1 a whole number, as −expm1(u) with u = t · log β (log β is rounded once, from
// double, at compile time; the product once more). For |u| < 0.35 by the Taylor series of expm1, so
// that nothing cancels where β^t is near 1 (the plain 1 − exp(u) would lose 4 digits at β = 0.999,
// t = 1); beyond by 1 − exp(u). The relative error is below 4e-7 everywhere.
Value biasCorrection(KernelBuilder &b, Value step, double beta) {
  if (beta == 0)
    return b.f(1.0);
  Value u = b.fmul(step, b.f(std::log(beta)));
  Value series = b.f(1.0 / 5040);
  for (double k : {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1.0})
    series = b.fma(series, u, b.f(k));
  Value small = b.fneg(b.fmul(series, u));
  Value large = b.fsub(b.f(1.0), b.exp(u));
  Value isSmall = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, u, b.f(-0.35));
  return b.select(isSmall, small, large);
}

// Operands and results of nn.adamw that are tensors: gradient, weight, moments, copy.
constexpr size_t kMostStreams = 5;
// Buffers that come first: lr, step, scale.
constexpr size_t kScalars = 3;

// A launch of ops that differ in their tensors alone.
LogicalResult launchAdamw(ArrayRef<nn::AdamwOp> ops, Lowering &lowering) {
  nn::AdamwOp first = ops.front();
  RankedTensorType type = typeOf(first.getWeight());
  if (!type.hasStaticShape())
    return first.emitOpError("updates a weight, whose shape must be fixed; it is ") << type;
  // The copy in bf16, when there is one, is beside four of f32.
  Cut cut(lowering, type, {type, type, type, type});
  double beta1 = first.getBeta1().convertToFloat(), beta2 = first.getBeta2().convertToFloat();
  double eps = first.getEps().convertToFloat(), decay = first.getWeightDecay().convertToFloat();
  bool copies = static_cast<bool>(first.getCopy());
  int64_t tensors = ops.size();
  LaunchSpec spec;
  spec.kernel = "adamw";
  for (double value : {beta1, beta2, eps, decay})
    spec.kernel += "_" + llvm::utohexstr(llvm::bit_cast<uint32_t>(static_cast<float>(value)), true);
  spec.kernel += "_c" + std::to_string(type.getNumElements()) + (copies ? "_copy" : "");
  if (tensors > 1) {
    spec.kernel += "_x" + std::to_string(tensors);
    spec.array = true;
  }
  spec.reads = {lowering.slice(first.getLr()), lowering.slice(first.getStep()),
                lowering.slice(first.getScale())};
  for (nn::AdamwOp op : ops)
    spec.reads.push_back(lowering.slice(op.getGradient()));
  for (unsigned result = 0; result < first->getNumResults(); ++result)
    for (nn::AdamwOp op : ops) {
      if (result < 3)
        spec.updates.push_back(spec.writes.size());
      spec.writes.push_back(lowering.slice(op->getResult(result)));
    }
  cut.describe(lowering, spec, tensors);
  // A tail takes more registers where addresses are looked up.
  if (tensors > 1 && type.getNumElements() % cut.item != 0)
    spec.lanes.words += 2;
  double elements = static_cast<double>(type.getNumElements()) * tensors;
  spec.flops = plan::perRow(type, 15 * elements);
  spec.bytes = plan::perRow(type, (copies ? 30 : 28) * elements);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value tensor, item;
    if (tensors > 1) {
      tensor = b.divide(b.begin(), b.c(cut.items()));
      item = b.sub(b.begin(), b.mul(tensor, cut.items()));
    }
    auto stream = [&](int64_t which) {
      return tensor ? b.bufferAt(b.add(tensor, kScalars + which * tensors))
                    : b.buffer(kScalars + which);
    };
    Value gradient = stream(0), weight = stream(1), m = stream(2), v = stream(3), copy;
    if (copies) {
      copy = stream(4);
      b.setElement(copy, typeOf(first.getCopy()).getElementType());
    }
    Value lr = b.loadf(b.buffer(0), b.c(0)), step = b.loadf(b.buffer(1), b.c(0));
    Value scale = b.splat(b.loadf(b.buffer(2), b.c(0)));
    Value correction1 = biasCorrection(b, step, beta1);
    Value correction2 = biasCorrection(b, step, beta2);
    Value keep = b.splat(b.fsub(b.f(1.0), b.fmul(lr, b.f(decay))));
    Value rate = b.splat(b.fdiv(lr, correction1));
    Value inverse2 = b.splat(b.fdiv(b.f(1.0), correction2));
    auto update = [&](Value i, Value count) {
      Value g = b.fmul(loadLanes(b, gradient, i, count), scale);
      Value m1 = b.fma(b.vf(1.0 - beta1), g, b.fmul(b.vf(beta1), loadLanes(b, m, i, count)));
      Value v1 =
          b.fma(b.fmul(b.vf(1.0 - beta2), g), g, b.fmul(b.vf(beta2), loadLanes(b, v, i, count)));
      Value denominator = b.fadd(b.sqrt(b.fmul(v1, inverse2)), b.vf(eps));
      Value update = b.fdiv(b.fmul(rate, m1), denominator);
      Value w = b.fsub(b.fmul(loadLanes(b, weight, i, count), keep), update);
      storeLanes(b, m1, m, i, count);
      storeLanes(b, v1, v, i, count);
      storeLanes(b, w, weight, i, count);
      if (copies)
        storeLanes(b, w, copy, i, count);
    };
    cut.elements(b, update, item);
  });
  return success();
}

LogicalResult lowerAdamw(Operation *op, Lowering &lowering) {
  return launchAdamw(cast<nn::AdamwOp>(op), lowering);
}

// --- nn.squared_norm -----------------------------------------------------------------------------

int64_t blocksOf(nn::SquaredNormOp op) {
  return llvm::divideCeil(typeOf(op.getInput()).getNumElements(), kNormBlock);
}

Value scratchOf(Lowering &lowering, int64_t numbers, StringRef name) {
  return lowering.scratch(RankedTensorType::get({numbers}, Float32Type::get(lowering.context())),
                          name);
}

// A launch of ops whose inputs have one shape: the sums of their blocks, from number `at` of `sums`
// on.
void launchBlockSums(ArrayRef<nn::SquaredNormOp> ops, Value sums, int64_t at, Lowering &lowering) {
  nn::SquaredNormOp first = ops.front();
  RankedTensorType type = typeOf(first.getInput());
  int64_t elements = type.getNumElements(), blocks = blocksOf(first), tensors = ops.size();
  LaunchSpec spec;
  spec.kernel = "squared_norm_c" + std::to_string(elements);
  if (at)
    spec.kernel += "_at" + std::to_string(at);
  if (tensors > 1) {
    spec.kernel += "_x" + std::to_string(tensors);
    spec.array = true;
  }
  for (nn::SquaredNormOp op : ops)
    spec.reads.push_back(lowering.slice(op.getInput()));
  spec.writes = {sums};
  spec.work = lowering.items(blocks * tensors);
  // A block has only its 16 lanes, so it must read far ahead.
  int64_t together = lowering.together(16);
  spec.lanes = {Lanes::Use::rows,           kLanes,           kLanes,
                std::gcd(elements, kLanes), /*narrow=*/false, 1.0 * together};
  spec.flops = plan::perRow(type, 2.0 * elements * tensors);
  spec.bytes = plan::perRow(type, 4.0 * elements * tensors);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value output = b.buffer(tensors);
    b.loop(b.begin(), b.end(), 1, [&](Value item) {
      Value input = b.buffer(0), block = item;
      if (tensors > 1) {
        Value tensor = b.divide(item, b.c(blocks));
        input = b.bufferAt(tensor);
        block = b.sub(item, b.mul(tensor, blocks));
      }
      Value from = b.mul(block, kNormBlock);
      Value count = b.min(b.sub(b.c(elements), from), b.c(kNormBlock));
      Value vectors = b.divide(count, b.c(kLanes)), full = b.mul(vectors, kLanes);
      Value sum = chainOf(
          b, b.c(0), vectors, together, b.vf(0),
          [&](Value i) -> SmallVector<Value> {
            return {b.loadv(input, b.add(from, b.mul(i, kLanes)))};
          },
          [&](Value sum, ValueRange x) { return b.fma(x[0], x[0], sum); });
      // Lanes beyond the end add 0² to their sum, which changes no bit of it (it is never −0).
      Value x = b.loadvMasked(input, b.add(from, full), b.sub(count, full));
      b.store(b.sumLanes(b.fma(x, x, sum)), output, at ? b.add(item, at) : item);
    });
  });
}

LogicalResult checkFixed(nn::SquaredNormOp op) {
  RankedTensorType type = typeOf(op.getInput());
  if (!type.hasStaticShape())
    return op->emitOpError("sums a tensor of fixed shape; it is ") << type;
  return success();
}

// Numbers [from, to) behind a pointer, added up in their order.
Value sumOf(KernelBuilder &b, Lowering &lowering, Value numbers, Value from, Value to,
            Value start) {
  return chainOf(
      b, from, to, lowering.together(128), start,
      [&](Value i) -> SmallVector<Value> { return {b.loadf(numbers, i)}; },
      [&](Value sum, ValueRange x) { return b.fadd(sum, x[0]); });
}

// The launch of one item that reads `numbers` and `into` and writes `result`, which may be where
// `into` is.
void launchSum(std::string kernel, Value numbers, Value into, Value result, Lowering &lowering,
               llvm::function_ref<Value(KernelBuilder &b, Value numbers, Value into)> sum) {
  LaunchSpec spec;
  spec.reads = {numbers, into};
  spec.writes = {result};
  bool inPlace = into == result;
  if (inPlace) {
    spec.reads.pop_back();
    spec.updates = {0};
    kernel += "_update";
  }
  spec.kernel = kernel;
  spec.work = lowering.items(1);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value from = b.buffer(1), to = b.buffer(inPlace ? 1 : 2);
    b.loop(b.begin(), b.end(), 1,
           [&](Value) { b.store(sum(b, b.buffer(0), b.loadf(from, b.c(0))), to, b.c(0)); });
  });
}

LogicalResult lowerSquaredNorm(Operation *op, Lowering &lowering) {
  auto norm = cast<nn::SquaredNormOp>(op);
  if (failed(checkFixed(norm)))
    return failure();
  int64_t blocks = blocksOf(norm);
  Value sums = scratchOf(lowering, blocks, "block_sums");
  launchBlockSums(norm, sums, /*at=*/0, lowering);
  launchSum("squared_norm_merge_b" + std::to_string(blocks), sums, lowering.slice(norm.getInto()),
            lowering.slice(norm.getResult()), lowering,
            [&](KernelBuilder &b, Value partial, Value into) {
              return b.fadd(into, sumOf(b, lowering, partial, b.c(0), b.c(blocks), b.f(0)));
            });
  return success();
}

} // namespace

LogicalResult lowerAdamws(ArrayRef<Operation *> ops, Lowering &lowering) {
  auto kind = [](nn::AdamwOp op) {
    return std::pair<Type, unsigned>(op.getWeight().getType(), op->getNumResults());
  };
  size_t most = (rt::kMaxBuffersInArray - kScalars) / kMostStreams;
  for (ArrayRef<nn::AdamwOp> launch :
       alike<nn::AdamwOp, std::pair<Type, unsigned>>(ops, most, kind))
    if (failed(launchAdamw(launch, lowering)))
      return failure();
  return success();
}

// The sums of all blocks, those of a launch behind each other; the sum of each tensor's, by an
// array that says where they lie; the chain over the tensors.
LogicalResult lowerSquaredNorms(ArrayRef<Operation *> ops, Lowering &lowering) {
  int64_t tensors = ops.size(), all = 0;
  for (Operation *op : ops) {
    if (failed(checkFixed(cast<nn::SquaredNormOp>(op))))
      return failure();
    all += blocksOf(cast<nn::SquaredNormOp>(op));
  }
  Value sums = scratchOf(lowering, all, "block_sums");
  llvm::DenseMap<Operation *, int64_t> begins;
  int64_t at = 0;
  for (ArrayRef<nn::SquaredNormOp> launch : alike<nn::SquaredNormOp, Type>(
           ops, rt::kMaxBuffersInArray - 1, [](nn::SquaredNormOp op) { return op.getInput().getType(); })) {
    launchBlockSums(launch, sums, at, lowering);
    for (nn::SquaredNormOp op : launch) {
      begins[op] = at;
      at += blocksOf(op);
    }
  }
  SmallVector<int32_t> places;
  for (Operation *op : ops) {
    places.push_back(begins[op]);
    places.push_back(begins[op] + blocksOf(cast<nn::SquaredNormOp>(op)));
  }
  auto type = RankedTensorType::get({tensors, 2}, IntegerType::get(lowering.context(), 32));
  Value norms = scratchOf(lowering, tensors, "squared_norms");
  LaunchSpec spec;
  spec.kernel = "squared_norm_chains";
  spec.reads = {sums, lowering.constant(DenseElementsAttr::get(type, ArrayRef(places)))};
  spec.writes = {norms};
  spec.work = lowering.items(tensors);
  spec.bytes = plan::perRow(type, 4.0 * all);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value partial = b.buffer(0), places = b.buffer(1), output = b.buffer(2);
    b.loop(b.begin(), b.end(), 1, [&](Value tensor) {
      Value place = b.mul(tensor, 2);
      Value from = b.loadi(places, place), to = b.loadi(places, b.add(place, 1));
      b.store(sumOf(b, lowering, partial, from, to, b.f(0)), output, tensor);
    });
  });
  launchSum("squared_norm_total_n" + std::to_string(tensors), norms,
            lowering.slice(cast<nn::SquaredNormOp>(ops.front()).getInto()),
            lowering.slice(cast<nn::SquaredNormOp>(ops.back()).getResult()), lowering,
            [&](KernelBuilder &b, Value norms, Value into) {
              return sumOf(b, lowering, norms, b.c(0), b.c(tensors), into);
            });
  return success();
}

void registerUpdateSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.adamw"] = lowerAdamw;
  schedules["nn.squared_norm"] = lowerSquaredNorm;
}

} // namespace mirl::passes::cpu
