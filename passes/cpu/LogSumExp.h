// The log-sum-exp over a vocabulary, in the order of nn.linear_logprob: blocks of 256 logits ascending; a block's maximum,
// its sum of exp(z − new maximum) in 16 lanes, merged as sum · exp(old − new) + block. Training and sampling both use it,
// hence the same bits.

#ifndef MIRL_PASSES_CPU_LOGSUMEXP_H
#define MIRL_PASSES_CPU_LOGSUMEXP_H

#include "passes/cpu/KernelBuilder.h"

namespace mirl::passes::cpu {

inline constexpr int64_t kVocabularyBlock = 256;

// What is known of a row after some blocks (f32 scalars). Start with (−inf, 0, 0).
struct RowSums {
  mlir::Value max, sum;
  mlir::Value weighted; // Σ exp(z − max) · z, or null when the entropy is not asked for

  static RowSums start(KernelBuilder &b, bool weighted);
  llvm::SmallVector<mlir::Value> values() const;
  static RowSums from(mlir::ValueRange values);
};

// Adds `count` logits (i64, at any number ≥ 1), at `logits`, each times `scale` (f32).
RowSums emitLogSumExp(KernelBuilder &b, mlir::Value logits, mlir::Value count, mlir::Value scale, RowSums sums);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_LOGSUMEXP_H
