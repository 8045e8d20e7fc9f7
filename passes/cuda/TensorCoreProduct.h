// Kernels of matrix products on Hopper's tensor cores: C[i, j] = Σ_k A(i, k) · B(k, j), of bf16 in f32.
//
//                        i     j     k     A(i, k)   B(k, j)
//   linear               rows  N     K     x[i, k]   w[j, k]
//   the same, few rows   N     rows  K     w[i, k]   x[j, k]   (result transposed, or used up)
//   linear_data_grad     rows  K     N     dy[i, k]  w[k, j]
//   linear_weight_grad   N     K     rows  dy[k, i]  x[k, j]   (added to the gradient)
//   logits               rows  V     d     h[i, k]   w[j, k]   (used up: ProductEpilogues.h)
//
// Several products of one operand (q, k and v; gate and up; their weights' gradients) are one
// launch, a group: the products are the parts of its j, or of its i where that is the side of the
// weights. A tile is of one part; or of the same columns (rows) of all parts, where an elementwise
// program makes its result of them.
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
  // Values of k in a stage of the ring, a multiple of 64. A stage costs barriers beside its bytes: the smaller the tile,
  // the more it should hold.
  int64_t depth = kTileRow;
  int64_t slices() const { return depth / kTileRow; }
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
  // And the sum begins with what is there, instead of at zero: in pieces of k it has the bits of one.
  bool continues = false;
  bool bias = false, residual = false;
  // No launch of the entry writes the weights (the side of `parts`): the first of them are on their
  // way before earlier launches have ended.
  bool early = false;
  // B, or the result, is a piece of a tensor of `rows` rows: it begins at row first + loop0 · step.
  struct Piece {
    int64_t step = 0, rows = 0, first = 0;
  };
  std::optional<Piece> bPiece, resultPiece;
  // Columns of the result that are stored, whole tiles of them, where not all are.
  std::optional<int64_t> stored;
  std::optional<ProductEpilogue> epilogue;
  // The parts are q, k and v of few rows (`transposed`): nothing is stored but queries that are
  // rotated, and the rows of the KV cache (ProductCacheRows.cpp). In place of results there are, in
  // the order of the parts, the queries and either cache.
  struct CacheRows {
    // Keys by positions are rows of the cache, as values are (cpu/Schedules.h, keysByPosition).
    enum class Use { query, key, keyByPosition, value };
    llvm::SmallVector<Use> uses; // of the parts
    int64_t head = 0, kvHeads = 0, tableWidth = 0;
    // Whether rows of earlier positions come into the GPU's cache, where each row is another sequence's.
    bool prefetches = false;
    static constexpr int64_t kBuffers = 4; // angles, positions, slots, table of blocks; then results
    // A thread holds the places of its columns beside their sums: of a lone consumer, whose threads have
    // more registers, and of two.
    static int64_t mostColumns(int64_t consumers) { return consumers == 1 ? 128 : 64; }
  };
  std::optional<CacheRows> cacheRows;
  // B is made of the rows of the input by nn.rms_norm (`transposed`, one tile of j): every block has all of
  // it in shared memory, where its consumers put it (ProductNormRows.cpp).
  struct RowNorm {
    float eps = 0;
    static constexpr int64_t kBuffers = 1; // the norm's weight; then results
  };
  std::optional<RowNorm> norm;
  // Of a group: the extents of its products on the side where they differ, of which i or j is the
  // sum. Empty: one product.
  llvm::SmallVector<int64_t> parts;
  bool partsOfI = false;
  ProductTile tile;

  // Whether copies add to what is there.
  bool adds() const { return accumulate && !continues; }
  // Whether nothing is stored but what an epilogue stores.
  bool reduces() const { return epilogue && epilogue->reduce && !epilogue->replace; }
  // Whether a tile has all parts.
  bool combines() const { return epilogue && epilogue->combine; }
  int64_t products() const { return std::max<int64_t>(1, parts.size()); }
  // Left and right operands; results.
  int64_t lefts() const { return partsOfI ? products() : 1; }
  int64_t rights() const { return partsOfI ? 1 : products(); }
  // Operands that are copied.
  int64_t operandMaps() const { return lefts() + (norm ? 0 : rights()); }
  int64_t results() const;
  // Parts in the rows, and in the columns, of a tile.
  int64_t rowParts() const { return combines() && partsOfI ? products() : 1; }
  int64_t columnParts() const { return combines() && !partsOfI ? products() : 1; }
  // Columns of a part in a tile.
  int64_t columns() const { return tile.n / columnParts(); }
};

// Sets the tile for these extents (rows: the capacity) by an estimate of the time in microseconds,
// which it returns. The tile of a group is the best for all of it. No tile changes bits.
double chooseTile(TensorCoreProduct &product, int64_t rows);

// Work items (tiles) of the launch.
plan::WorkAttr productWork(mlir::MLIRContext *context, const TensorCoreProduct &product,
                           int64_t axis);
// Tiles along i or j, of which `extent` is the whole.
int64_t tilesOfI(const TensorCoreProduct &product, int64_t extent);
int64_t tilesOfJ(const TensorCoreProduct &product, int64_t extent);
// Whether the result goes to memory by copies of pieces: 64 rows of resultColumns(product).
inline bool copiesResult(const TensorCoreProduct &product) {
  return !product.transposed && !product.reduces();
}
inline int64_t resultElementBytes(const TensorCoreProduct &product) { return product.f32Result ? 4 : 2; }
int64_t resultColumns(const TensorCoreProduct &product);
// The tensor maps of A and B, which are the first arguments of the launch, and of results that are
// copied, which are the last ones of its `arguments`.
llvm::SmallVector<mlir::Attribute> productMaps(mlir::MLIRContext *context,
                                               const TensorCoreProduct &product, int64_t axis,
                                               int64_t arguments);

// Writes the kernel: buffers are A, B, bias (of each product), residual, those of the epilogue or of
// the cache's rows and of the norm (where there are any), and C, where it is stored.
void emitProduct(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                 const TensorCoreProduct &product);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_TENSORCOREPRODUCT_H
