// The register tile of the matrix product, and the packing of its operands.
//
// Every output element is one chain of fused multiply-adds over k ascending, in one accumulator: the
// tile's shape, the packing and the blocking of k (the accumulator is stored and loaded again, which
// rounds nothing) change no bit of it.

#ifndef MIRL_PASSES_CPU_MATMULMICROKERNEL_H
#define MIRL_PASSES_CPU_MATMULMICROKERNEL_H

#include "passes/cpu/KernelBuilder.h"

namespace mirl::passes::cpu {

// 14 rows × 2 vectors are 28 accumulators: with two vectors of B and a broadcast they fill 31 of the
// 32 vector registers of AVX-512. (With AVX2 LLVM keeps part of them in memory.)
inline constexpr int64_t kTileRows = 14;
inline constexpr int64_t kTileColumns = 2 * kLanes;
// A row tile packed is [k][16]: padded, so that stores are whole vectors.
inline constexpr int64_t kPackedRows = 16;

// C[i, j] ← start(i, j) + Σ_k A[i, k] · B[k, j] of one register tile. Strides are in elements.
struct MicroTile {
  int64_t rows = 0;    // 1 … kTileRows
  int64_t columns = 0; // 1 … kTileColumns
  mlir::Value a;       // &A[0, 0]
  int64_t aRow = 0, aK = 0;
  mlir::Value b; // &B[0, 0]
  int64_t bK = 0;
  bool bPadded = false; // whole vectors of B may be read even where columns is not a multiple of 16
  mlir::Value c;        // &C[0, 0]
  int64_t cRow = 0;
  mlir::Value depth; // i64, the extent of k
  int64_t depthMultiple = 1;
  // The start is zero where this i1 holds, else C. Null: always C.
  mlir::Value fromZero;
};

// `finish(row, column, value)` gives the value to be stored of a vector of C; null stores the sum.
using Finish = llvm::function_ref<mlir::Value(int64_t row, int64_t column, mlir::Value value)>;

// Emits the tile. `finish` is applied where `last` holds (null: always).
void emitMicroTile(KernelBuilder &b, const MicroTile &tile, mlir::Value last, Finish finish);

// Vectors at `pointer + offset` of which `lanes` (static) are there: masked unless whole.
mlir::Value loadLanes(KernelBuilder &b, mlir::Value pointer, mlir::Value offset, int64_t lanes);
void storeLanes(KernelBuilder &b, mlir::Value vector, mlir::Value pointer, mlir::Value offset,
                int64_t lanes);

// pointer + a constant number of its elements (f32 or bf16).
mlir::Value advance(KernelBuilder &b, mlir::Value pointer, int64_t elements);
// pointer + a number of its elements.
mlir::Value advance(KernelBuilder &b, mlir::Value pointer, mlir::Value elements);

// target[(k)·targetK + i] = source[row i][k] for 16 rows and k in [0, depth). Row i begins at
// source + min(firstRow + i, lastRow) · sourceRow: rows beyond the last repeat it.
void emitTransposePack(KernelBuilder &b, mlir::Value source, int64_t sourceRow, mlir::Value firstRow,
                       mlir::Value lastRow, mlir::Value depth, mlir::Value target, int64_t targetK);

// Calls tile(rows, first) for row tiles that cover [0, count): whole tiles, then 8, 4, 2, 1 rows.
void forRowTiles(KernelBuilder &b, mlir::Value count, std::optional<int64_t> staticCount,
                 llvm::function_ref<void(int64_t rows, mlir::Value first)> tile);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_MATMULMICROKERNEL_H
