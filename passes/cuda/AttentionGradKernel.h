// Kernels of nn.attention_grad on Hopper's tensor cores, for bf16 and heads of 64 or 128 numbers.
//
// With S = q·kᵀ, P = exp2(S·scale·log2(e) − lse·log2(e)), dP = gradient·vᵀ,
// D = Σ gradient·result and dS = P·(dP − D):
//
//   attention_grad_prepare  (−lse·log2(e), D) of each row and head; the list of tiles: 128 rows of
//                           a sequence each
//   attention_grad_keys     a tile of keys and one key/value head: dv = Pᵀ·gradient,
//                           dk = scale · dSᵀ·q
//   attention_grad_queries  a tile of queries and one head: dq = scale · dS·k
//
// Both recompute S and dP: seven products instead of five, but every sum is in one block's
// registers, in order, without atomics.
//
// Numbers: S and dP are k16 sums over the head. P and dS are f32, rounded to bf16 for the products
// that follow; these are k16 sums over the rows of the sequence, counted from its first, one
// accumulator: for dk and dv over the queries of the group's first head, then of the next. What no
// query sees is zero and adds nothing. So no bit depends on which sequences lie beside each other,
// on the tile or on the number of blocks.

#ifndef MIRL_PASSES_CUDA_ATTENTIONGRADKERNEL_H
#define MIRL_PASSES_CUDA_ATTENTIONGRADKERNEL_H

#include "dialects/plan/Plan.h"
#include "passes/cuda/TileKernelBuilder.h"
#include "passes/cuda/TileSchedules.h"

namespace mirl::passes::cuda {

// Rows of a tile that a block keeps: keys or queries.
inline constexpr int64_t kAttentionTile = 128;

struct AttentionGrad {
  int64_t heads, kvHeads, dim;
  float scale;
  mlir::RankedTensorType rows;    // of the query: says how many rows there are
  mlir::RankedTensorType offsets; // one row more than sequences
  int64_t group() const { return heads / kvHeads; }
  int64_t width() const { return heads * dim; }
};

// Rows of the other side that a block copies and multiplies at a time.
int64_t streamedRows(const AttentionGrad &grad, bool keys);

// Buffers: gradient, result, lse, offsets; row numbers f32[heads, rows, 2], list i32[rows + 1, 2]:
// the number of tiles, then the sequence and the number of each tile within it. Tile k of a
// sequence of t tiles stands for t − k tiles of work; the list begins with the most.
void emitAttentionGradPrepare(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                              const AttentionGrad &grad);

// Maps: the kept tiles' two operands (keys: key, value; queries: query, gradient), then the other
// side's. Buffers: gradient, query, key, value, offsets, row numbers, list; key and value gradient,
// or query gradient.
void emitAttentionGradTiles(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                            const AttentionGrad &grad, bool keys);

// Of an op with the order k16.
llvm::LogicalResult lowerAttentionGrad(mlir::Operation *op, Lowering &lowering);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_ATTENTIONGRADKERNEL_H
