// The builder of a product's kernel (TensorCoreProduct.h): its pipeline is in TensorCoreProduct.cpp, what becomes of the
// sums in ProductStores.cpp.

#ifndef MIRL_PASSES_CUDA_PRODUCTKERNEL_H
#define MIRL_PASSES_CUDA_PRODUCTKERNEL_H

#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/TensorCoreProduct.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mirl::passes::cuda {

class ProductKernel {
  using Value = mlir::Value;

public:
  ProductKernel(TileKernelBuilder &b, const TensorCoreProduct &p) : b(b), p(p), tile(p.tile) {
    partBytes = tile.rows * kTileRowBytes;
    aBytes = p.rowParts() * partBytes;
    // A Major::mn tile is whole chunks.
    bBytes = (p.b == Major::mn ? (tile.n + 63) / 64 * 64 : tile.n) * kTileRowBytes;
    // The tensor cores read 64 rows, also where a tile has fewer: what lies behind the last must be
    // shared memory.
    slack = (tile.alternate ? 1 : tile.consumers) * tile.blocks * 64 * kTileRowBytes - partBytes;
    if (copiesResult(p))
      outBytes = 64 * resultElementBytes(p) * resultColumns(p);
    int64_t fixed = slack + panelBytes() + tile.consumers * 2 * outBytes;
    stages =
        std::min(kMostStages, (kSharedBytes - fixed - 16 * (kMostStages + 1)) / stageBytes());
  }

  int64_t sharedBytes() const { return barriers() + 16 * (stages + 1); }
  void emit();

private:
  using Values = llvm::SmallVector<Value>;
  struct Stage {
    Value number, parity;
  };
  Stage next(Value number, Value parity) {
    Value last = b.eq(number, b.c(stages - 1));
    return {b.select(last, b.c(0), b.add(number, 1)),
            b.select(last, b.sub(b.c(1), parity), parity)};
  }
  // The same a run-time number of stages further.
  Stage skip(Stage from, Value count) {
    Value at = b.add(from.number, count), rounds = b.divide(at, stages);
    Value odd = b.rem(rounds, 2);
    return {b.rem(at, stages),
            b.select(b.eq(odd, b.c(1)), b.sub(b.c(1), from.parity), from.parity)};
  }
  Value full(Value stage) { return b.at(b.shared(b.c(barriers())), stage, b.getI64Type()); }
  Value empty(Value stage) {
    return b.at(b.shared(b.c(barriers() + 8 * stages)), stage, b.getI64Type());
  }
  // Which of two alternating consumers multiplies.
  Value turn(Value consumer) {
    return b.at(b.shared(b.c(barriers() + 16 * stages)), consumer, b.getI64Type());
  }
  int64_t stepsOf(int64_t k) const { return (k + tile.depth - 1) / tile.depth; }
  // In shared memory lie all tiles of A, all of B (of the stages, or of all steps), two pieces of the result for each
  // consumer, the barriers.
  int64_t stageBytes() const { return tile.slices() * (aBytes + (p.norm ? 0 : bBytes)); }
  int64_t panelBytes() const { return p.norm ? stepsOf(*p.k) * tile.slices() * bBytes : 0; }
  int64_t bTiles() const { return stages * tile.slices() * aBytes + slack; }
  int64_t pieces() const { return stages * stageBytes() + slack + panelBytes(); }
  int64_t barriers() const { return pieces() + tile.consumers * 2 * outBytes; }
  // Where a tile begins in its part of the product.
  struct Place {
    Value row, column, part;
  };
  Place place(Value item);
  // What is copied for a work item: the tensor maps, and where.
  struct Source {
    Place place;
    Values left, right;
  };
  Source sourceOf(Value item);
  // Of each slice of 64 values of k in a stage: its first one, and which slice of all stages it is.
  void forSlices(Value stage, Value step, llvm::function_ref<void(Value k0, Value slice)> body);
  void copyLeft(const Source &source, Value stage, Value step);
  void copyRight(const Source &source, Value stage, Value step);
  // `chunks`: of a Major::mn tile; `piece`: where B begins.
  void copyBoxes(Value map, Major major, int64_t chunks, Value target, Value stage, Value first,
                 Value k0, Value piece = Value());
  // That one of the parts' values which is the part's.
  Value ofPart(Value part, mlir::ValueRange values);
  void enterPart(Value part);
  void produce();
  void consume(Value consumer);
  Values multiplyTile(Value consumer, mlir::ValueRange start, Value &stage, Value &parity);
  Value fadd(Value x, Value y) { return mlir::arith::AddFOp::create(b, x, y); }
  using Pair = std::pair<Value, Value>;
  Pair fadd(Pair x, Pair y) { return {fadd(x.first, y.first), fadd(x.second, y.second)}; }
  // Two neighbours of bf16 in an i32, rounded to nearest even, and back.
  Value pack(Pair x);
  // Where this thread's two neighbours of a row of a result in f32 begin; `inside`: whether the row
  // is there.
  Value rowStart(Value row, Value column0, Value &inside);
  Value loadRows(Value row, Value column0);
  Pair resultOf(mlir::ValueRange accumulators, int64_t block, int64_t at, int64_t result);
  // `reduced`: what the epilogue made of each block of 64 rows, where it did.
  using Reduced = llvm::SmallVector<ProductEpilogue::Rows>;
  void copyRows(mlir::ValueRange accumulators, const Reduced &reduced, Value consumer, Value row0,
                Value column0);
  // A row of a piece: where it begins, and by what the number of 16 bytes in it is changed.
  struct SwizzledRow {
    Value start, swizzle;
  };
  SwizzledRow rowOfPiece(Value piece, Value row, int64_t rowBytes);
  void writeSums(Value accumulator, int64_t firstColumn, Value piece);
  void writePiece(mlir::ValueRange accumulators, const Reduced &reduced, int64_t block,
                  int64_t firstColumn, int64_t result, Value piece, Value row0, Value column0);
  // Where the result is C[j, i]: what a thread stores of a half of its rows.
  struct Across {
    Value odd, column, row, rowInside;
  };
  struct Addends {
    Value bias;
    Values residuals;
  };
  int64_t halves() const { return tile.rows <= 8 ? 1 : 2; }
  Across across(Value row, Value column0, int64_t half);
  // Of this thread's two columns and its neighbour's: one column's two rows.
  Pair acrossPair(const Across &place, Value x, Value y);
  Value indexOf(const Across &place, int64_t block);
  Addends loadAddends(Value row, Value column0, int64_t half);
  // `addends`: of each half, or none, when they are still to be loaded.
  void storeTransposed(mlir::ValueRange accumulators, int64_t block, Value row, Value column0,
                       llvm::ArrayRef<Addends> addends);
  // What a thread needs for rotating and storing its sums of q, k or v: pairs of neighbours.
  struct HeadPlace {
    Value head, number; // number: of its lower neighbour, in the first half of the head
    Value bias[2];      // of either half
  };
  HeadPlace headPlace(const Across &place);
  struct CachePlace {
    Value inside, column, cosine, sine, block, within; // block: of the cache's pool
  };
  llvm::SmallVector<CachePlace> cachePlaces(const Across &place, const HeadPlace &head);
  struct CacheAhead {
    HeadPlace head;
    llvm::SmallVector<CachePlace> places; // of each block of 8 columns
  };
  void prefetchCache();
  void normaliseRows(Value consumer);
  Values normalised(mlir::ValueRange row, mlir::ValueRange weights);
  Value loadIndex(Value pointer, Value index);
  void storeCacheRows(Value sums, Value part, const Across &place, const CacheAhead &ahead);
  std::pair<Value, Value> rotate(Value low, Value high, const CachePlace &at);
  using Use = TensorCoreProduct::CacheRows::Use;
  Value cacheIndex(Use use, const HeadPlace &head, const CachePlace &at);
  void storePair(Use use, Value word, Value target, int64_t further);
  bool wholeColumns() const {
    if (p.partsOfI || p.parts.empty())
      return p.j && *p.j % tile.n == 0;
    return llvm::all_of(p.parts, [&](int64_t part) { return part % p.columns() == 0; });
  }
  Value loadPacked(Value pointer, Value index) {
    return mlir::LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, index, b.getBF16Type()),
                                /*alignment=*/4);
  }

  // A chunk of 64 columns of a Major::mn tile: 64 rows of k.
  static constexpr int64_t kChunkBytes = kTileRow * kTileRowBytes;
  static constexpr int64_t kMostStages = 16;
  // The widest tile whose addends a thread holds beside its sums.
  static constexpr int64_t kAddendsAhead = 128;

  TileKernelBuilder &b;
  const TensorCoreProduct &p;
  const ProductTile &tile;
  int64_t partBytes, aBytes, bBytes, slack, stages, outBytes = 0;
  Value i, j, steps, iTiles, jTiles, items;
  Value bFirst, resultFirst; // of a piece
  Values left, right;        // tensor maps
  Value lane, warp, residual;
  Values cacheBuffers; // TensorCoreProduct::CacheRows
  Value normWeight;    // TensorCoreProduct::RowNorm
  // Of all parts, and of the one that a work item is in; a tile of all parts has several results.
  Values extents, biases, allResults, allMaps;
  Value bias;
  Values results, maps;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_PRODUCTKERNEL_H
