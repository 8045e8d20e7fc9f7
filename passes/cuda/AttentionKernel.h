// Kernels of nn.attention and nn.paged_attention on Hopper's tensor cores, for bf16 and heads of 64
// or 128 numbers. Both have the numerics `tiles`, so both give the same bits.
//
// A query meets the keys of its sequence in segments of `width` keys, counted from the sequence's
// first, and in each of them in blocks of 64, in ascending order. With c = scale · log2(e), rounded to
// f32, a segment's sums begin with m = −∞, l = 0, o = 0:
//
//   s_j  = Σ_i q_i · k_ji          k16 over the head; −∞ for keys that the query does not see
//   m'   = max(m, max_j s_j)
//   α    = exp2((m − m') · c)
//   p_j  = exp2(fma(s_j, c, −(m' · c)))
//   l    = l · α + Σ_j p_j         eight partial sums, by j modulo 8, each over j ascending
//   o    = o · α + Σ_j p_j · v_j   p_j rounded to bf16; k16 over j, which goes on from o · α
//
// At its end the eight are added in pairs. The sums of the first segment are the totals M, L, O; those
// of each later one of which the query sees a key are merged with them:
//
//   M'   = max(M, m)
//   α    = exp2((M − M') · c)
//   β    = exp2((m − M') · c)
//   L    = fma(l, β, L · α)
//   O    = fma(o, β, O · α)
//
// Then result = O · (1 / L) and lse = M · scale + ln(L). exp2 is the special function unit's. A block
// of which the query sees nothing changes nothing: α is 1, all p_j are 0. So no bit depends on the
// tile, on other queries, on what a key block holds behind the last key, or on who computes a segment.

#ifndef MIRL_PASSES_CUDA_ATTENTIONKERNEL_H
#define MIRL_PASSES_CUDA_ATTENTIONKERNEL_H

#include "dialects/plan/Plan.h"
#include "passes/cuda/TileKernelBuilder.h"

namespace mirl::passes::cuda {

// Keys of a block.
inline constexpr int64_t kAttentionKeys = 64;
// Of a block of the cache's pool.
inline constexpr int64_t kPoolKeys = 16;

struct Attention {
  int64_t heads = 0, kvHeads = 0, dim = 0;
  // Keys of a segment, a multiple of 128, and of the longest sequence that there is room for.
  int64_t segment = 0, longest = 0;
  float scale = 1;
  mlir::RankedTensorType rows; // of the query
  int64_t group() const { return heads / kvHeads; }
  int64_t width() const { return heads * dim; }
  float factor() const; // scale · log2(e)
  int64_t segments() const { return (longest + segment - 1) / segment; }
  bool segmented() const { return segments() > 1; }
  int64_t blocksOfSegment() const { return segment / kAttentionKeys; }
};

// --- nn.attention: a persistent grid, whose blocks take tiles of queries of one head as they come
// to them.
struct PackedAttention : Attention {
  mlir::RankedTensorType offsets; // a row more than sequences
  // Warpgroups that compute, 64 queries each. Heads of 64 numbers leave registers for a fourth, which is a
  // tenth faster but has not had its bits checked on a GPU.
  int64_t consumers() const { return 3; }
  int64_t tile() const { return 64 * consumers(); }
  // Of f32, where there are segments: what the grid's threads keep between two of them.
  int64_t keptElements() const;
};
plan::WorkAttr packedAttentionWork(mlir::MLIRContext *context, const PackedAttention &attention);
// The tensor maps of query, key and value, which are the launch's arguments 0 to 2.
llvm::SmallVector<mlir::Attribute> packedAttentionMaps(mlir::MLIRContext *context,
                                                       const PackedAttention &attention);
// Buffers: query, key, value, offsets, then result, lse, the number of the next tile (i32, zero
// at the launch) and, where there are segments, what is kept.
void emitPackedAttention(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                         const PackedAttention &attention);

// --- nn.paged_attention: a block of four warps takes one key/value head and up to `run()`
// neighbouring rows of one slot.
struct PagedAttention : Attention {
  int64_t tableWidth = 0;
  // Whether the warps share one tile of 16 queries, each with a part of the values' columns; else
  // each has a tile of its own.
  bool shared = false;
  // Whether table, slots and positions are there from the entry's beginning.
  bool early = false;
  // Blocks of keys of a round, where the warps share a tile.
  int64_t roundBlocks = 2;
  int64_t roundKeys() const { return roundBlocks * kAttentionKeys; }
  // Blocks of the grid on a multiprocessor.
  int64_t blocks() const { return shared && roundBlocks == 1 ? 4 : 2; }
  // Pairs of a row and a head that a block has at a time.
  int64_t pairs() const { return shared ? 16 : 64; }
  int64_t run() const { return split() ? 1 : std::clamp<int64_t>(pairs() / group(), 1, 32); }
  // Blocks that share the heads of one row.
  int64_t parts() const { return (group() + pairs() - 1) / pairs(); }
  // Work items of a row, but for its segments.
  int64_t itemsOfRow() const { return kvHeads * parts(); }
  // Whether a row's segments are work items of their own, each row for itself. Else a block takes them one after the other.
  bool split() const { return shared && segmented(); }
  // Of f32: what is kept of a row's segments when they are split; else of the grid's threads.
  int64_t keptOfRow() const;
  int64_t keptElements() const;
};
plan::WorkAttr pagedAttentionWork(mlir::MLIRContext *context, const PagedAttention &attention);
// Buffers: query, key cache, value cache, table, slots, positions, then result and, where there are
// segments, what is kept; where they are split, too, how many of a row's segments are done (i32,
// itemsOfRow() for each row, zero before the launch and after it).
void emitPagedAttention(mlir::LLVM::LLVMFuncOp kernel, mlir::Location loc,
                        const PagedAttention &attention);

// --- what both are made of

// The softmax of two rows of queries in a thread: rows lane / 4 and 8 further down of a warp's 16.
struct SoftmaxRows {
  mlir::Value top[2];     // m
  mlir::Value sums[2][2]; // l, keys j with j modulo 8 = 2 · (lane % 4) + {0, 1}
  static SoftmaxRows start(TileKernelBuilder &b);
  static SoftmaxRows from(mlir::ValueRange values);
  static constexpr size_t kValues = 6;
  void append(llvm::SmallVectorImpl<mlir::Value> &values) const;
};

// One block of keys. `scores`: 32 values of a thread in the order of
// TileKernelBuilder::accumulator(64), −∞ for keys that the row does not see.
struct SoftmaxBlock {
  SoftmaxRows rows;
  mlir::Value scales[2];                  // α
  llvm::SmallVector<mlir::Value> weights; // p, f32, in the order of the scores
};
// The largest of a row's scores, over all lanes that have some.
mlir::Value topOfRow(TileKernelBuilder &b, mlir::ValueRange scores, int64_t h);
SoftmaxBlock softmaxBlock(TileKernelBuilder &b, const SoftmaxRows &rows, mlir::ValueRange scores,
                          float factor);

// The scores, −∞ where row h does not see key j + 2 · (lane % 4) of the block: not `sees`(j, h).
llvm::SmallVector<mlir::Value>
maskScores(TileKernelBuilder &b, mlir::ValueRange scores,
           llvm::function_ref<mlir::Value(int64_t j, int64_t h)> sees);

// The weights in bf16, 16 words: four for each 16 keys, as products take A from registers.
llvm::SmallVector<mlir::Value> packWeights(TileKernelBuilder &b, mlir::ValueRange weights);

// m and l of two rows, behind the last block: l is the sum of the eight.
struct RowTotals {
  mlir::Value top[2], sum[2];
};
RowTotals totalsOf(TileKernelBuilder &b, const SoftmaxRows &rows);

// The sums of two rows: o in the accumulator's order, elements 0, 1 of four are row 0's, 2 and 3 row
// 1's; m and l.
struct RowSums {
  llvm::SmallVector<mlir::Value> values;
  RowTotals totals;
  static RowSums from(mlir::ValueRange all);
  llvm::SmallVector<mlir::Value> all() const;
};
// The sums so far and those of the next segment become one. Row h keeps what it has where it does not
// see the segment (`sees`, if there are such rows).
class SegmentMerge {
public:
  SegmentMerge(TileKernelBuilder &b, const RowTotals &before, const RowTotals &segment, float factor,
               llvm::ArrayRef<mlir::Value> sees = {});
  // Of a value of row h.
  mlir::Value merged(int64_t h, mlir::Value before, mlir::Value segment);
  RowTotals totals;

private:
  TileKernelBuilder &b;
  llvm::ArrayRef<mlir::Value> sees;
  mlir::Value old[2], added[2]; // α, β
};

// What a thread keeps of two rows in memory, in pieces of 16 bytes; those of 128 threads lie side by
// side.
class KeptSums {
public:
  // `first`: the first element of 128 threads' (i64); `count`: values of o.
  KeptSums(TileKernelBuilder &b, mlir::Value buffer, mlir::Value first, mlir::Value thread, int64_t count);
  // f32 of 128 threads.
  static int64_t elements(int64_t count) { return 4 * kWarpgroup * (count / 4 + 1); }
  void store(const RowSums &sums);
  RowSums load();
  // Keeps the sums of a segment: the first one's as they are, a later one's merged with what is kept.
  void add(mlir::Value isFirst, const RowSums &segment, float factor, llvm::ArrayRef<mlir::Value> sees = {});
  // The sums of the last segment, merged with what is kept where there are `earlier` ones.
  RowSums addTo(mlir::Value earlier, const RowSums &segment, float factor, llvm::ArrayRef<mlir::Value> sees = {});

private:
  // Loads that are on their way at a time.
  static constexpr int64_t kPiecesAhead = 8;
  mlir::Value piece(int64_t number);
  void storePiece(int64_t number, llvm::ArrayRef<mlir::Value> four);
  llvm::SmallVector<mlir::Value> loadPiece(int64_t number);
  // What is kept, merged with a segment: `use` gets each piece of o as soon as it is there.
  RowSums merge(const RowSums &segment, float factor, llvm::ArrayRef<mlir::Value> sees,
                llvm::function_ref<void(int64_t number, llvm::ArrayRef<mlir::Value> four)> use);
  TileKernelBuilder &b;
  mlir::Value buffer, place;
  int64_t count;
};

// 1 / l and lse of each row.
struct SoftmaxEnd {
  mlir::Value inverse[2], lse[2];
};
SoftmaxEnd finishSoftmax(TileKernelBuilder &b, const RowTotals &rows, float scale);

// o · x, in the accumulator's order: elements 0, 1 of four are row 0's, 2 and 3 row 1's.
llvm::SmallVector<mlir::Value> scaleRows(TileKernelBuilder &b, mlir::ValueRange values,
                                         const mlir::Value (&scales)[2]);

// The rows of a tensor in this call, i32.
mlir::Value rowsOf(TileKernelBuilder &b, mlir::RankedTensorType type);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_ATTENTIONKERNEL_H
