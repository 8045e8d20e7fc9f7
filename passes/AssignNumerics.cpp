// assign-numerics: write the order of every reduction into its op.
//
// In: nn ops without `numerics`. Out: every op that sums carries the order that the target's schedules implement:
//  - `chain` for matrix products and segment sums (one accumulator, indices ascending); `lanes` of 16 for sums over a row;
//    `blocks` of 256 for the log-sum-exp over the vocabulary.
//  - With `tensor-cores`: a product of two bf16 tensors whose rows are multiples of 16 bytes is `k16`, which is how Hopper's
//    tensor cores add, and what a program that runs on them means; `k16_blocks` is the log-sum-exp over logits that are such
//    products, sampled from or not. Attention to bf16 with heads of 64 or 128 numbers is `tiles`, in segments of 1024 keys
//    unless the op states another width of it. Sums over the rows of a bf16 tensor are `row_blocks`; norms of bf16 are
//    `lanes` of 256, a warp's.
// An op that already states another order is refused: the order is part of its meaning, and this target has no schedule
// for it.

#include "passes/Numerics.h"
#include "passes/Passes.h"

namespace mirl::passes {
#define GEN_PASS_DEF_ASSIGNNUMERICS
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isNarrow(Value value) { return !value || typeOf(value).getElementType().isBF16(); }

bool isServed(Value a, Value b, Value matrix) {
  return isNarrow(a) && isNarrow(b) && llvm::all_of(typeOf(matrix).getShape(), [](int64_t extent) {
           return extent > 0 && extent % 8 == 0;
         });
}

} // namespace

bool isTensorCoreProduct(Operation *op) {
  Value matrix; // N×K
  if (auto linear = dyn_cast<nn::LinearOp>(op)) {
    bool plain = !linear.getBias() && !linear.getResidual();
    if (!plain && (!isNarrow(linear.getResult()) || !isNarrow(linear.getBias()) ||
                   !isNarrow(linear.getResidual())))
      return false;
    matrix = linear.getWeight();
  } else if (auto grad = dyn_cast<nn::LinearDataGradOp>(op)) {
    matrix = grad.getWeight();
  } else if (auto grad = dyn_cast<nn::LinearWeightGradOp>(op)) {
    if (!typeOf(grad.getResult()).getElementType().isF32())
      return false;
    matrix = grad.getResult();
  } else if (auto logprob = dyn_cast<nn::LinearLogprobOp>(op)) {
    return isServed(logprob.getHidden(), logprob.getWeight(), logprob.getWeight());
  } else if (auto grad = dyn_cast<nn::LinearLogprobGradOp>(op)) {
    return isServed(grad.getHidden(), grad.getWeight(), grad.getWeight()) &&
           typeOf(grad.getWeightGradient()).getElementType().isF32();
  } else {
    return false;
  }
  return isServed(op->getOperand(0), op->getOperand(1), matrix);
}

namespace {

// Whether the tensor cores serve an attention op: bf16, heads of 64 or 128 numbers, and a scale
// that keeps the order of scores.
bool isTensorCoreAttention(Operation *op) {
  auto serves = [](auto attention, ValueRange tensors) {
    int64_t dim =
        typeOf(attention.getQuery()).getDimSize(1) / static_cast<int64_t>(attention.getHeads());
    float scale = attention.getScale().convertToFloat();
    return llvm::all_of(tensors, isNarrow) && (dim == 64 || dim == 128) && scale > 0 &&
           std::isfinite(scale);
  };
  if (auto attention = dyn_cast<nn::AttentionOp>(op))
    return serves(attention, {attention.getQuery(), attention.getKey(), attention.getValue(),
                              attention.getResult()});
  if (auto attention = dyn_cast<nn::PagedAttentionOp>(op))
    return serves(attention, {attention.getQuery(), attention.getKeyCache(),
                              attention.getValueCache(), attention.getResult()});
  if (auto grad = dyn_cast<nn::AttentionGradOp>(op))
    return serves(grad, op->getOperands().take_front(5)) &&
           llvm::all_of(op->getResults(), isNarrow);
  return false;
}

// Whether all that a norm or its adjoint reads and writes of rows and weights is bf16.
bool isNarrowNorm(Operation *op) {
  if (auto grad = dyn_cast<nn::RmsNormDataGradOp>(op))
    return llvm::all_of(SmallVector<Value>{grad.getGradient(), grad.getInput(), grad.getWeight(), grad.getResult()}, isNarrow) &&
           isNarrow(grad.getResidual());
  auto norm = cast<nn::RmsNormOp>(op);
  return isNarrow(norm.getInput()) && isNarrow(norm.getWeight()) && isNarrow(norm.getResult());
}

// Lanes of a sum over a row of bf16 numbers on a GPU: a warp, 16 bytes of each thread.
constexpr int64_t kWarpLanes = 256;
// Rows of a block of a sum over bf16 rows, which on a GPU are summed beside each other.
constexpr int64_t kBlockRows = 128;

// Keys of a segment of attention: decoding computes the segments of a sequence beside each other.
constexpr int64_t kSegmentKeys = 1024;

// The order of an op's sums; width 0 when it has none.
std::pair<StringRef, int64_t> orderOf(Operation *op, bool tensorCores) {
  if (tensorCores && isTensorCoreProduct(op))
    return isa<nn::LinearLogprobOp>(op) ? std::pair<StringRef, int64_t>{"k16_blocks", 256}
                                        : std::pair<StringRef, int64_t>{"k16", 16};
  if (tensorCores && isTensorCoreAttention(op))
    return isa<nn::AttentionGradOp>(op) ? std::pair<StringRef, int64_t>{"k16", 16}
                                        : std::pair<StringRef, int64_t>{"tiles", kSegmentKeys};
  if (tensorCores && isa<nn::ColumnSumOp, nn::RmsNormWeightGradOp>(op) &&
      isNarrow(op->getOperand(0)))
    return {"row_blocks", kBlockRows};
  if (isa<nn::LinearOp, nn::LinearDataGradOp, nn::LinearWeightGradOp, nn::LinearLogprobGradOp,
          nn::AttentionGradOp, nn::SegmentReduceOp, nn::ReduceOp>(op))
    return {"chain", 1};
  if (isa<nn::RmsNormOp, nn::RmsNormDataGradOp>(op)) {
    return {"lanes", tensorCores && isNarrowNorm(op) ? kWarpLanes : 16};
  }
  if (isa<nn::AttentionOp, nn::PagedAttentionOp>(op))
    return {"lanes", 16};
  if (auto sample = dyn_cast<nn::SampleOp>(op)) {
    Operation *logits = sample.getLogits().getDefiningOp();
    return {tensorCores && logits && isTensorCoreProduct(logits) ? "k16_blocks" : "blocks", 256};
  }
  if (isa<nn::LinearLogprobOp>(op))
    return {"blocks", 256};
  return {"", 0};
}

struct AssignNumerics : impl::AssignNumericsBase<AssignNumerics> {
  using AssignNumericsBase::AssignNumericsBase;

  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      auto [order, width] = orderOf(op, tensorCores);
      if (width == 0)
        return;
      auto wanted =
          nn::NumericsAttr::get(op->getContext(), order, width, Float32Type::get(op->getContext()));
      auto stated = op->getAttrOfType<nn::NumericsAttr>("numerics");
      // The schedules take segments of any even number of blocks. Who states a length and wants entries to agree states it in all.
      if (stated && stated.getOrder() == "tiles" && order == "tiles")
        wanted = nn::NumericsAttr::get(op->getContext(), order, stated.getWidth(), wanted.getAccumulator());
      if (stated && stated != wanted) {
        op->emitOpError() << "states the order " << stated << ", but the target has it only as "
                          << wanted;
        return signalPassFailure();
      }
      op->setAttr("numerics", wanted);
    });
  }
};

} // namespace
} // namespace mirl::passes
