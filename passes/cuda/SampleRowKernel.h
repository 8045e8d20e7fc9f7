// A kernel of nn.sample whose work item is a row, on 256 threads: what two of them share.

#ifndef MIRL_PASSES_CUDA_SAMPLEROWKERNEL_H
#define MIRL_PASSES_CUDA_SAMPLEROWKERNEL_H

#include "passes/cpu/SampleRow.h"
#include "passes/cuda/ThreadMaths.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mirl::passes::cuda {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

class SampleRowKernel {
protected:
  using Value = mlir::Value;
  static constexpr int64_t kThreads = 256, kWarps = kThreads / 32;
  static_assert(kThreads == cpu::kVocabularyBlock, "a thread is a token of a block");
  static constexpr int64_t kBlocks = 2; // on a multiprocessor
  // Numbers that a chain reads at a time.
  static constexpr int64_t kTogether = 16;

  SampleRowKernel(TileKernelBuilder &b, int64_t vocabulary);

  // Runs `body` for each row of this block of threads, and ends the kernel.
  void emitRows(llvm::function_ref<void()> body);

  // So many numbers of 4 bytes in shared memory, at a multiple of 16 bytes.
  Value reserve(int64_t numbers);
  Value get(mlir::Type type, Value array, Value index);
  Value get(Value array, Value index) { return get(f32, array, index); }
  void put(Value value, Value array, Value index);
  // kTogether numbers.
  llvm::SmallVector<Value> getMany(Value array, Value index);
  Value compare(mlir::arith::CmpFPredicate predicate, Value x, Value y) {
    return mlir::arith::CmpFOp::create(b, predicate, x, y);
  }
  // Where a row's `columns` numbers begin in a buffer.
  Value rowOf(unsigned buffer, int64_t columns, mlir::Type type);
  Value z(Value token); // i32
  // The numbers of all threads combined, in all of them. `slots`: one in shared memory for each warp.
  Value overThreads(Value mine, Value slots,
                    llvm::function_ref<Value(Value mine, Value other)> combine);
  // The largest number of all threads, none of which is no number, in all of them.
  Value largest(Value number, Value slots);
  // Thread 0 runs `body` over `count` numbers, kTogether at a time.
  void chain(int64_t count, mlir::ValueRange init, TileKernelBuilder::Body body,
             llvm::function_ref<void(mlir::ValueRange)> done);
  // The weights of the blocks of which something is kept, where `least` (f32) leaves tokens out: a
  // half-warp sums what is kept of a block. All threads must be here.
  void limitBlocks(Value least);

  TileKernelBuilder &b;
  const int64_t vocabulary, blocks,
      padded; // blocks of the vocabulary, and up to a multiple of kTogether
  int64_t sharedBytes = 0;
  mlir::Type f32;
  Value lane, warp;
  // Arrays of `padded` numbers in shared memory: maximum and weight of each block. Behind the last
  // block they are −inf and 0.
  Value maxima, weights;
  // Of the row at hand.
  Value row, logits, scale, top;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_SAMPLEROWKERNEL_H
