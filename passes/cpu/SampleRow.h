// The pieces of nn.sample that its schedules are made of, for one row of logits.
//
// With z = logits · scale, M the row's maximum and (m_b, s_b) maximum and Σ exp(z − m_b) of block b
// of 256 (LogSumExp.h): the weight of a block is (Σ of its kept tokens' exp(z − m_b), in 16 lanes)
// · exp(m_b − M), so s_b · exp(m_b − M) where every token is kept, and 0 where none is. W is one
// chain over the blocks' weights. A token is kept when z ≥ a threshold. Of top_k that is the
// k-th largest z; of top_p the largest z of which Σ q over the tokens at least as large reaches
// top_p · W, where q is exp(z − M) rounded to a multiple of 2^-35 (to even): such sums have no
// rounding error in f64, so their order is free. The k-th largest and the nucleus are sets, however
// they are found.

#ifndef MIRL_PASSES_CPU_SAMPLEROW_H
#define MIRL_PASSES_CPU_SAMPLEROW_H

#include "passes/cpu/LogSumExp.h"

#include <limits>

namespace mirl::passes::cpu {

// A threshold that keeps every finite logit.
inline constexpr double kKeepsAll = -std::numeric_limits<float>::max();

struct SampleRow {
  int64_t vocabulary;
  mlir::Value z;          // pointer to the logits
  mlir::Value blocks;     // pointer to m_b, s_b of each block, f32
  mlir::Value scale, top; // f32; top is M

  int64_t count() const { return llvm::divideCeil(vocabulary, kVocabularyBlock); }
};

// Number `word` 0 of Philox 4x32-10 (docs/plan.md, "Random numbers") as a number in [0, 1). Seed
// and sequence id are i64, the step an i64 that holds an i32.
mlir::Value emitUniform(KernelBuilder &b, mlir::Value seed, mlir::Value id, mlir::Value step);

// 1 / temperature (f32), and whether the largest logit is wanted (i1); the scale is then 1.
std::pair<mlir::Value, mlir::Value> emitScale(KernelBuilder &b, mlir::Value temperature);

// What exp(z − M), f32, counts for top_p, f64. `magic` is massMagic of the vocabulary's size, f64
// of the same shape.
double massMagic(int64_t vocabulary);
mlir::Value emitMass(KernelBuilder &b, mlir::Value weight, mlir::Value magic);

// The float at a place (i64) in the order of all floats, and the place of a float.
mlir::Value fromOrder(KernelBuilder &b, mlir::Value order);
mlir::Value toOrder(KernelBuilder &b, mlir::Value number);

// Whether top_k (i64) and top_p (f32) leave tokens out (i1).
mlir::Value emitLimitsCount(KernelBuilder &b, mlir::Value topK, int64_t vocabulary);
mlir::Value emitLimitsMass(KernelBuilder &b, mlir::Value topP);

// The weight of a block (i64).
mlir::Value emitBlockWeight(KernelBuilder &b, const SampleRow &row, mlir::Value block,
                            mlir::Value threshold);
// The threshold of what top_k and top_p keep; kKeepsAll when that is everything.
mlir::Value emitThreshold(KernelBuilder &b, const SampleRow &row, mlir::Value topK,
                          mlir::Value topP);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_SAMPLEROW_H
