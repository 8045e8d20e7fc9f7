// The kernel of nn.paged_attention (AttentionKernel.h): what PagedAttentionKernel.cpp and, for
// decode entries, PagedDecodeKernel.cpp write.
//
// A work item is a row and a key/value head (or a part of the heads that share one); items whose
// row continues the row before in the same slot have nothing to do: the first row of such a run, at
// most run() of them, does their work. Pairs of a row and a head are the 16 rows of a warp's
// product. The block's threads copy keys and values from the pool to shared memory, some of them
// ahead. There keys and values lie as in the pool, [16][head_dim] (cpu/Schedules.h, keysByPosition), block behind
// block, with pieces of 16 bytes exchanged so that eight rows of a matrix lie in different banks.

#ifndef MIRL_PASSES_CUDA_PAGEDATTENTIONKERNEL_H
#define MIRL_PASSES_CUDA_PAGEDATTENTIONKERNEL_H

#include "passes/cuda/AttentionKernel.h"

namespace mirl::passes::cuda {

class PagedKernel {
public:
  static constexpr int64_t kWarps = 4, kLanes = 32;

  PagedKernel(TileKernelBuilder &b, const PagedAttention &a) : b(b), a(a) {}
  void emit();

private:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<Value>;

  // Blocks of the pool in a block of keys.
  static constexpr int64_t kPools = kAttentionKeys / kPoolKeys;

  struct Run {
    Value row, slot, kv,
        firstPair;      // firstPair: of the heads, where a row has more than a block takes
    Value length, keys; // rows, and keys that the last of them sees
    // The segment that is this item's, and which item it would be were they not split.
    Value segment, item;
    // Where the warps share a tile: the pool's blocks of the item's keys, from firstPool on, one in each lane.
    Value firstPool;
    Values blocks;
  };
  // The pair of this thread's row h of its warp's tile.
  struct Pair {
    Value there, row, head, position;
  };

  Value wideAdd(Value x, Value y);
  Value wideMul(Value x, Value y);
  Value word(Value pointer, Value index);
  Value number(double x);
  // Bytes of the keys, or values, of a block of the pool.
  int64_t poolBytes() const { return kPoolKeys * a.dim * 2; }

  void emitRuns();
  void emitSplitRuns();
  void emitRun(Value item, Value segment);
  Pair pairOf(const Run &run, int64_t h);
  // Where this thread's first column of a pair's query lies, and of its result.
  Value startOf(const Pair &pair);
  Values loadQueries(const Pair (&pairs)[2]);
  void loadBlocks(Run &run);
  // Which block of the pool a sequence's `number`-th is.
  Value blockOf(const Run &run, Value number);
  // Starts the copies of so many blocks of the pool, a sequence's firstPool-th and those behind it,
  // to where keys and values shall lie (bytes; null: not these). Behind the last key zeros are
  // written: what the pool has there may be no number.
  void copyPools(const Run &run, Value firstPool, int64_t pools, Value keysTo, Value valuesTo);
  // The scores of 16 pairs and so many blocks of the pool, whose keys lie at an offset of shared
  // memory.
  Values scores(ValueRange queries, Value keys, int64_t pools);
  // sums + weights · values, of 64 keys and the columns of `sums` from `firstColumn` on.
  Values weigh(ValueRange words, Value values, Value firstColumn, ValueRange sums);
  void store(const Pair (&pairs)[2], Value firstColumn, const RowSums &sums);
  // Whether the row of each pair sees the segment that begins with this block of keys.
  Values seesFrom(const Pair (&pairs)[2], Value block);

  // Each warp has a tile of 16 pairs (PagedAttentionKernel.cpp).
  int64_t stages() const { return 3; }
  void attendApart(const Run &run);
  // The warps share one (PagedDecodeKernel.cpp).
  void attendTogether(const Run &run);
  // Ends an item whose sequence has other segments: who comes last merges all of them.
  void endSegment(const Run &run, const Pair (&pairs)[2], Value firstColumn, const RowSums &sums);
  int64_t ringBytes() const;
  int64_t togetherBytes() const;

  TileKernelBuilder &b;
  const PagedAttention &a;
  Value thread, lane, warp, rows;
  Value keyAt, valueAt, along, across; // of what a lane names of four matrices of 8×8
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_PAGEDATTENTIONKERNEL_H
