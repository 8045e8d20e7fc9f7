// The log-sum-exp over a vocabulary, in the order of nn.linear_logprob: of each block of 256 logits
// its maximum and its sum of exp(z − that maximum) in 16 lanes, whoever computes it and when; then
// the blocks are merged one by one, ascending. Training and sampling both use it, hence the same
// bits.

#ifndef MIRL_PASSES_CPU_LOGSUMEXP_H
#define MIRL_PASSES_CPU_LOGSUMEXP_H

#include "dialects/nn/Nn.h"
#include "passes/cpu/KernelBuilder.h"

namespace mirl::passes::cpu {

inline constexpr int64_t kVocabularyBlock = nn::LinearLogprobOp::kBlock;

// What is known of a row after some blocks, or of one block (f32 scalars). Start with (−inf, 0, 0).
struct RowSums {
  mlir::Value max, sum;
  mlir::Value weighted; // Σ exp(z − max) · z, or null when the entropy is not asked for

  static RowSums start(KernelBuilder &b, bool weighted);
  llvm::SmallVector<mlir::Value> values() const;
  static RowSums from(mlir::ValueRange values);
};

// The sums of the blocks so far and those of the next one: with M the larger maximum, Σ = Σa ·
// exp(a − M) + Σb · exp(b − M).
RowSums mergeBlock(KernelBuilder &b, const RowSums &before, const RowSums &block);
// What `sums` keeps in memory, from `at` on, one f32 behind the other.
RowSums loadSums(KernelBuilder &b, mlir::Value pointer, mlir::Value at, bool weighted);

// From a row's sums and its target's z: the log-prob, the log-sum-exp and (weighted) the entropy.
struct RowResult {
  mlir::Value logprob, lse, entropy;
};
RowResult rowResult(KernelBuilder &b, const RowSums &sums, mlir::Value target);

// What the gradient of a row's logits is made of: the gradient of its log-prob and, where there is one, of its entropy, with
// the entropy; and 1 / temperature.
struct LogitGradient {
  mlir::Value logprob, entropyGradient, entropy, scale;
  // Of a logit z, from z − log-sum-exp and its exponential; `hit`: 1 for the target, else 0.
  mlir::Value of(KernelBuilder &b, mlir::Value shifted, mlir::Value p, mlir::Value hit) const;
};

// Of one block of at most 256 logits (`size`, i64), at `block`, each times `scale` (f32). `exp`: of numbers ≤ 0;
// the builder's where there is none.
RowSums emitBlockSums(KernelBuilder &b, mlir::Value block, mlir::Value size, mlir::Value scale,
                      bool weighted, llvm::function_ref<mlir::Value(mlir::Value)> exp = nullptr);

// Adds `count` logits (i64, at any number ≥ 1), at `logits`, each times `scale` (f32). `each` is
// told of every block where it begins and what its sums are.
RowSums emitLogSumExp(KernelBuilder &b, mlir::Value logits, mlir::Value count, mlir::Value scale,
                      RowSums sums,
                      llvm::function_ref<void(mlir::Value start, const RowSums &)> each = nullptr);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_LOGSUMEXP_H
