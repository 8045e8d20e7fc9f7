// A matrix product C[i, j] = start + Σ_k A(i, k) · B(k, j), blocked as in Goto & van de Geijn ("Anatomy of High-Performance
// Matrix Multiplication", 2008): a work item is a block of rows × a block of columns; in it k is cut into
// blocks, B's panels of 32 columns go through the first-level cache, and A's block lies in the second. The
// reduction is never shared between items, so items are independent and C has the same bits for every cut and every
// number of rows.

#ifndef MIRL_PASSES_CPU_PRODUCT_H
#define MIRL_PASSES_CPU_PRODUCT_H

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

namespace mirl::passes::cpu {

// Depth of a block of k: a panel of B (32 columns) then takes 32 KiB.
inline constexpr int64_t kDepthBlock = 256;
// Rows (or columns) longer than this are packed: a long stride maps all rows of a tile to the same cache sets.
inline constexpr int64_t kLongRow = 511;
// Rows up to which nn.linear goes without packing, and those of them that share a block of w in registers: 8 sums and
// 16 vectors of w are 24 of the 32 registers.
inline constexpr int64_t kFewRows = 32, kFewTile = 8;

struct Product {
  int64_t columns = 0;                 // of C and of B
  mlir::Value rows;                          // of C, i64
  std::optional<int64_t> staticRows;   // where known
  mlir::Value depth;                         // extent of k, i64
  std::optional<int64_t> staticDepth;  // where known
  mlir::Value a, b, c;                       // base pointers
  int64_t aRow = 0, aK = 0;            // strides of A
  bool packedB = false;                // B is [panel][k][32], else row-major with stride `columns`
  bool packA = false;
  bool fromC = false;                  // the chain starts at C instead of zero
  mlir::Type result;                   // the element type of C: null for f32
  int64_t rowTiles = 1;                // of an item
  int64_t columnBlock = 0;             // of an item, a multiple of 32
  mlir::Value bias, residual;                // base pointers, or null

  // Whether k is cut into blocks, between which C holds partial sums: a bf16 C would round them.
  bool cutsDepth() const { return !result || !result.isBF16(); }
  int64_t columnBlocks() const { return (columns + columnBlock - 1) / columnBlock; }
  // One item: rows [row0, row0 + count), column block `block`.
  void emitItem(KernelBuilder &b, mlir::Value row0, mlir::Value count, std::optional<int64_t> staticCount,
                mlir::Value block) const;

private:
  void emitPackA(KernelBuilder &b, mlir::Value pack, mlir::Value row0, mlir::Value count, mlir::Value k0, mlir::Value kc) const;
};

// Emits [begin, end) items; item = row block · column blocks + column block. `fewRows`, when given, replaces the
// items of a call of at most kFewRows rows.
void emitItems(KernelBuilder &b, const Product &p, llvm::function_ref<void(mlir::Value block)> fewRows = nullptr);

// How C is cut into items: blocks big enough to be worth a thread's attention, and enough of them.
void chooseBlocks(Product &p, double depth);

// The work of a product whose result has this type.
plan::WorkAttr productWork(Lowering &lowering, mlir::RankedTensorType result, const Product &p);

// Panels of 32 columns.
int64_t panelsOf(int64_t columns);

// target[k][32] = rows firstRow … firstRow + 31 of `source` (each `depth` long), transposed; rows beyond lastRow
// repeat it.
void emitPackTransposedPanel(KernelBuilder &b, mlir::Value source, int64_t depth, mlir::Value firstRow, mlir::Value lastRow,
                             mlir::Value target);

// target[row][32] = columns 32·panel … of a row-major matrix, zeros beyond its columns.
void emitPackRowsPanel(KernelBuilder &b, mlir::Value source, mlir::Value rows, int64_t columns, mlir::Value panel,
                       mlir::Value target);

// Packs a row-major matrix (rows × columns) to [panel][row][32] by a launch of its own.
mlir::Value packRows(Lowering &lowering, mlir::Value matrix, mlir::RankedTensorType type);

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_PRODUCT_H
