// assign-numerics: write the order of every reduction into its op.
//
// In: nn ops without `numerics`. Out: every op that sums carries the order that the target's schedules
// implement: `chain` for matrix products and segment sums (one accumulator, indices ascending),
// `lanes` of 16 for sums over a row, `blocks` of 256 for the log-sum-exp over the vocabulary. With `tensor-cores`
// a product of two bf16 tensors is `k16`, which is how Hopper's tensor cores add, and what a program that runs on
// them means. An op that already states another order is refused: the order is part of its meaning, and this target
// has no schedule for it.

#include "passes/Passes.h"

namespace mirl::passes {
#define GEN_PASS_DEF_ASSIGNNUMERICS
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// Whether an op is a matrix product of two bf16 tensors, and nothing else. Logits that are sampled from are f32; they must
// have the bits of nn.linear_logprob's, which are a chain.
bool isTensorCoreProduct(Operation *op) {
  if (!isa<nn::LinearOp, nn::LinearDataGradOp, nn::LinearWeightGradOp>(op))
    return false;
  if (auto linear = dyn_cast<nn::LinearOp>(op);
      linear && !cast<RankedTensorType>(linear.getResult().getType()).getElementType().isBF16())
    return false;
  return llvm::all_of(op->getOperands().take_front(2), [](Value factor) {
    return cast<RankedTensorType>(factor.getType()).getElementType().isBF16();
  });
}

// The order of an op's sums; width 0 when it has none.
std::pair<StringRef, int64_t> orderOf(Operation *op, bool tensorCores) {
  if (tensorCores && isTensorCoreProduct(op))
    return {"k16", 16};
  if (isa<nn::LinearOp, nn::LinearDataGradOp, nn::LinearWeightGradOp, nn::LinearLogprobGradOp, nn::SegmentReduceOp,
          nn::ReduceOp>(op))
    return {"chain", 1};
  if (isa<nn::RmsNormOp, nn::AttentionOp, nn::PagedAttentionOp>(op))
    return {"lanes", 16};
  if (isa<nn::LinearLogprobOp, nn::SampleOp>(op))
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
      auto wanted = nn::NumericsAttr::get(op->getContext(), order, width, Float32Type::get(op->getContext()));
      auto stated = op->getAttrOfType<nn::NumericsAttr>("numerics");
      if (stated && stated != wanted) {
        op->emitOpError() << "states the order " << stated << ", but the target has it only as " << wanted;
        return signalPassFailure();
      }
      op->setAttr("numerics", wanted);
    });
  }
};

} // namespace
} // namespace mirl::passes
