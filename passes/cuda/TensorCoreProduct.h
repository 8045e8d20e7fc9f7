// Kernels of matrix products on Hopper's tensor cores: C[i, j] = Σ_k A(i, k) · B(k, j), of bf16 in f32.
//
//                        i     j     k     A(i, k)   B(k, j)
//   linear               rows  N     K     x[i, k]   w[j, k]
//   the same, few rows   N     rows  K     w[i, k]   x[j, k]   (result transposed)
//   linear_data_grad     rows  K     N     dy[i, k]  w[k, j]
//   linear_weight_grad   N     K     rows  dy[k, i]  x[k, j]   (added to the gradient)
//   logits               rows  V     d     h[i, k]   w[j, k]   (used up: ProductEpilogues.h)
//
// Numbers: k in ascending order in steps of 16 with one accumulator, from zero. Every tile gives
// the same bits; so does padding k with zeros, which is what copies read beyond the end of a
// tensor.

#ifndef MIRL_PASSES_CUDA_TENSORCOREPRODUCT_H
#define MIRL_PASSES_CUDA_TENSORCOREPRODUCT_H

#include "dialects/plan/Plan.h"
#include "passes/cuda/ProductEpilogues.h"
#include "passes/cuda/TileKernelBuilder.h"

#include <optional>

namespace mirl::passes::cuda {

// A block's tile: `consumers` warpgroups, each with `blocks` × 64 rows and all n columns. When they
// alternate, each has a tile of its own, `blocks` × 64 rows high: one stores its sums while the
// other multiplies.
struct ProductTile {
  int64_t consumers = 2, blocks = 1, n = 256;
  // Rows of i in a tile, at most 64 · consumers · blocks (64 · blocks when they alternate). Fewer
  // (16 or 32, with one consumer and one block): the rest of what the tensor cores multiply is not
  // used, and more tiles share the work.
  int64_t rows = 128;
  // Neighbouring tiles of i that are computed together, so that they share what they read of B.
  int64_t group = 16;
  bool alternate = false;
  std::string name() const; // "t128x256", "a128x128"
};

struct TensorCoreProduct {
  // Extents; without a value the run-time number of rows.
  std::optional<int64_t> i, j, k;
  unsigned rowsDim = 0; // which of the six dims it is, and what is added to it
  int64_t rowsExtra = 0;
  Major a = Major::k, b = Major::k;
  bool transposed = false; // the result is C[j, i]
  bool f32Result = false;
  bool accumulate = false; // the result is added to what is there (f32Result)
  bool bias = false, residual = false;
  // B, or the result, is a piece of a tensor of `rows` rows: it begins at row loop0 · step.
  struct Piece {
    int64_t step = 0, rows = 0;
  };
  std::optional<Piece> bPiece, resultPiece;
  std::optional<ProductEpilogue> epilogue;
  ProductTile tile;

  bool reduces() const { return epilogue && epilogue->reduce; }
};

// Sets the tile for these extents (rows: the capacity) by an estimate of the time in microseconds,
// which it returns. No tile changes bits.
double chooseTile(TensorCoreProduct &product, int64_t rows);

// Work items (tiles) of the launch.
plan::WorkAttr productWork(mlir::MLIRContext *context, const TensorCoreProduct &product,
                           int64_t axis);
// Whether the result goes to memory by copies of pieces: 64 rows of resultColumns(tile).
inline bool copiesResult(const TensorCoreProduct &product) {
  return !product.transposed && !product.f32Result && !product.reduces();
}
int64_t resultColumns(const ProductTile &tile);
// The tensor maps of A and B, which are the arguments 0 and 1 of the launch, and of a result that
// is copied, which is the last one of its `arguments`.
llvm::SmallVector<mlir::Attribute> productMaps(mlir::MLIRContext *context,
                                               const TensorCoreProduct &product, int64_t axis,
                                               int64_t arguments);

// Writes the kernel: buffers are A, B, bias, residual, those of the epilogue (where there are any),
// and C, where it is stored.
void emitProduct(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                 const TensorCoreProduct &product);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_TENSORCOREPRODUCT_H
