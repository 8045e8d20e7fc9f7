// What all attention kernels are made of: a tile of rows (queries, or keys in the adjoint) against blocks of 16
// columns (keys, or queries) that lie transposed, [head_dim][16], as the key cache has them.
//
// A score is one chain of fused multiply-adds over head_dim ascending, and a weighted sum of rows one chain over the
// rows ascending: neither the tile, nor the blocks, nor the chunks in which the columns are taken change a bit.

#ifndef MIRL_PASSES_CPU_ATTENTIONTILE_H
#define MIRL_PASSES_CPU_ATTENTIONTILE_H

#include "passes/cpu/Schedules.h"

namespace mirl::passes::cpu {

// Rows of a register tile; with two blocks of columns they are 16 accumulators.
inline constexpr int64_t kAttentionRows = 8;

// How the query heads of one key/value head share a tile: `heads` of them (a divisor of the group) times `rows`.
struct HeadTile {
  int64_t heads, rows;
  explicit HeadTile(int64_t group);
  int64_t size() const { return heads * rows; }
};

// Scores of a tile against blocks [first, end): finish(row, block, column offset, scores) gets scale-free sums.
struct Scores {
  llvm::SmallVector<mlir::Value> rows; // &row[0], head_dim floats each
  int64_t headDim = 0;
  mlir::Value blocks;         // &block 0 of this head
  int64_t blockStride = 0;    // floats from one block to the next
  mlir::Value table;          // &number of block 0, where blocks are somewhere in a pool; null: one after the other
  mlir::Value first, end;     // i64
};
void emitScores(KernelBuilder &b, const Scores &scores,
                llvm::function_ref<void(int64_t row, mlir::Value block, mlir::Value sums)> finish);

// sums[t] += Σ_j weights[t][j] · rows[j], j in [from, to) ascending, continuing chains kept in memory.
struct WeightedRows {
  llvm::SmallVector<mlir::Value> weights; // &weights[t][0], one for each row of the tile
  mlir::Value rows;                       // &rows[0]
  int64_t rowStride = 0, headDim = 0;
  // Where the rows are in blocks of 16 of a pool: the number of the block of row 0, and floats from one block to the
  // next; `rows` is then the pool's first row, and `from` a multiple of 16. Null: one after the other.
  mlir::Value table;
  int64_t blockStride = 0;
  llvm::SmallVector<mlir::Value> sums; // &sums[t][0], paddedHead(headDim) floats each
  // Which j count for row t: null for all of them.
  llvm::function_ref<mlir::Value(int64_t t, mlir::Value j)> counts;
};
void emitWeightedRows(KernelBuilder &b, const WeightedRows &tile, mlir::Value from, mlir::Value to);

// head_dim rounded up to whole vectors.
int64_t paddedHead(int64_t headDim);

// `count` numbers at `from`, optionally divided by `divisor`, to `to`; count is static.
void emitCopyRow(KernelBuilder &b, mlir::Value from, mlir::Value to, int64_t count, mlir::Value divisor = {});

// The scratch type of the rows of `type`, rounded up to whole blocks of 16, with `columns` columns.
mlir::RankedTensorType blockedRowsType(mlir::RankedTensorType type, int64_t columns);

// Emits a launch that transposes the heads of `tensor` (rows × heads·head_dim) to [block][head][head_dim][16] and
// gives the scratch slice. Rows beyond the last repeat it.
mlir::Value packHeads(Lowering &lowering, mlir::Value tensor, mlir::RankedTensorType type, int64_t headDim);

// Calls body(sequence's first row, first, end) for each piece of a sequence that lies in rows [from, to).
void forSequencePieces(KernelBuilder &b, mlir::Value offsets, mlir::Value sequences, mlir::Value from, mlir::Value to,
                       llvm::function_ref<void(mlir::Value begin, mlir::Value end, mlir::Value first, mlir::Value last)>
                           body);

// The forward pass of one tile (nn.attention, nn.paged_attention).
struct ForwardTile {
  llvm::SmallVector<mlir::Value> queries, counts, results; // by row; counts are numbers of keys, ascending
  llvm::SmallVector<mlir::Value> lse;                      // addresses, or empty
  int64_t headDim = 0;
  double scale = 1;
  mlir::Value keyBlocks; // &block that holds key 0
  int64_t keyBlockStride = 0;
  mlir::Value shift;  // where key 0 lies in its block, i64
  mlir::Value values; // &value of key 0
  int64_t valueStride = 0;
  // The numbers of the blocks that hold keys 0 … 15, 16 … 31 and so on, where keys and values are in a pool: keyBlocks
  // and values are then those of the pool's block 0, both keyBlockStride floats from one block to the next, and all
  // counts are equal. Null: one block after the other.
  mlir::Value table;
};
void emitForwardTile(KernelBuilder &b, const ForwardTile &tile);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_ATTENTIONTILE_H
