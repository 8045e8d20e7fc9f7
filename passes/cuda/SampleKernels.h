// What nn.sample is on a GPU (passes/cpu/SampleRow.h has its numbers):
//
// - `sample_blocks`: a half-warp for each row and block of 256 of the vocabulary computes the
// block's
//   maximum and sum, the only pass over the logits where top_k and top_p are off.
// - `sample_threshold`: a block of threads for each row finds what top_k and top_p keep; there is
//   nothing to do where they are off.
// - `sample_draw`: a block of threads for each row merges the blocks' sums, finds the block in
// which
//   the draw falls, then the token in it.

#ifndef MIRL_PASSES_CUDA_SAMPLEKERNELS_H
#define MIRL_PASSES_CUDA_SAMPLEKERNELS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mirl::passes::cuda {

// Buffers: logits, temperature, top_k, top_p, the blocks' maxima and sums; thresholds. A work item
// is a row.
void emitSampleThreshold(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc, int64_t vocabulary);
// Buffers: logits, sequence ids, steps, seed, temperature, the blocks' maxima and sums, thresholds;
// tokens, log-probs. A work item is a row.
void emitSampleDraw(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc, int64_t vocabulary);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_SAMPLEKERNELS_H
