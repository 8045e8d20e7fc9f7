// Writing a kernel of a GPU's blocks: a thin layer over nvvm, arith, scf and llvm.
//
// A kernel on tiles in shared memory: one thread of a producer warpgroup has the tensor
// memory accelerator copy tiles there, consumer warpgroups multiply them (wgmma), and a ring of
// barriers stands between the two. The grid is persistent: as many blocks as the GPU holds at a
// time, each of which takes every gridDim-th work item.
//
// Integers are i32 unless said; the extents of one launch are far below 2^31.

#ifndef MIRL_PASSES_CUDA_TILEKERNELBUILDER_H
#define MIRL_PASSES_CUDA_TILEKERNELBUILDER_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mirl::passes::cuda {

// Threads of a warpgroup.
inline constexpr int64_t kWarpgroup = 128;
// Elements of bf16 in a row of a tile in shared memory: the 128 bytes that the swizzle works on.
inline constexpr int64_t kTileRow = 64;
inline constexpr int64_t kTileRowBytes = 2 * kTileRow;

// No GPU of sm_90 has more: a grid that keeps something for each of its blocks has room for so many.
inline constexpr int64_t kMostMultiprocessors = 144;

// Position of loop 0's counter among the dims of a kernel.
inline constexpr unsigned kLoop = 4;

// How a tile lies in shared memory, seen from its use in A · B with A m×k and B k×n.
enum class Major {
  k,  // rows of m (n), 64 values of k in each
  mn, // rows of k, 64 values of m (n) in each; wider tiles are chunks of 64, one behind the other
};

class TileKernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using Body = llvm::function_ref<llvm::SmallVector<Value>(Value iv, mlir::ValueRange carried)>;

  // The type of a kernel over `maps` tensor maps and `buffers` slices (docs/plan.md, "Kernel ABI").
  static mlir::LLVM::LLVMFunctionType kernelType(mlir::MLIRContext *context, unsigned maps,
                                                 unsigned buffers);

  // `kernel` has that type and no body yet. A kernel that does something before it waits for
  // earlier launches says that it `waits` itself (SimtKernelBuilder.h, waitForEarlier).
  TileKernelBuilder(mlir::Location loc, mlir::LLVM::LLVMFuncOp kernel, unsigned maps,
                    unsigned buffers, bool waits = false);

  // Ends the kernel and writes how it is launched. `warpgroups` of 128 threads; `sharedBytes` of
  // dynamic shared memory; `blocks` of it fit on a multiprocessor.
  void finish(int64_t warpgroups, int64_t sharedBytes, int64_t blocks = 1);

  // --- the ABI
  Value map(unsigned index) { return kernel_.getArgument(index); }
  Value buffer(unsigned index); // !llvm.ptr<1>
  Value dim(unsigned index);    // i32
  Value items();                // i32
  Value threadId() { return thread_; }
  Value warpgroup() { return warpgroup_; } // the same in all threads of a warp, and known to be
  Value threadOfGroup() { return inGroup_; }
  Value firstItem() { return block_; }
  Value itemStep() { return blocks_; }

  // --- integers
  Value c(int64_t value);   // i32
  Value c64(int64_t value); // i64
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return b ? add(a, c(b)) : a; }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return b == 1 ? a : mul(a, c(b)); }
  Value divide(Value a, Value b); // unsigned
  Value divide(Value a, int64_t b) { return divide(a, c(b)); }
  Value rem(Value a, Value b); // unsigned
  Value rem(Value a, int64_t b) { return rem(a, c(b)); }
  Value min(Value a, Value b); // unsigned
  Value max(Value a, Value b); // unsigned
  Value ceilDivide(Value a, int64_t b) { return divide(add(a, b - 1), b); }
  Value exclusiveOr(Value a, Value b);
  Value eq(Value a, Value b);
  Value lt(Value a, Value b); // unsigned
  Value both(Value a, Value b);
  Value either(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value wide(Value i32); // zero-extended to i64

  // --- control flow
  llvm::SmallVector<Value> loop(Value from, Value to, Value step, mlir::ValueRange init, Body body);
  // The body gives the values of the next round, behind whether there is one.
  llvm::SmallVector<Value>
  repeat(mlir::ValueRange init,
         llvm::function_ref<llvm::SmallVector<Value>(mlir::ValueRange carried)> body);
  void ifThen(Value condition, llvm::function_ref<void()> then);
  // The values of `then`, or `otherwise`.
  llvm::SmallVector<Value> choose(Value condition,
                                  llvm::function_ref<llvm::SmallVector<Value>()> then,
                                  mlir::ValueRange otherwise);
  // By one thread of a warpgroup's first warp. ptxas knows that it is alone: what it names in copies is in registers of the warp, and need
  // not be looked for among the lanes for each of them.
  void byOneThread(llvm::function_ref<void()> body);
  void ifElse(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);

  // --- shared memory
  Value shared(Value byteOffset); // !llvm.ptr<3>
  Value sharedAddress();          // i32: where dynamic shared memory begins
  Value at(Value pointer, Value index, mlir::Type element); // of the pointer's address space
  Value at(Value pointer, int64_t index, mlir::Type element);

  // --- barriers: `count` of them in a row, 8 bytes each
  void initBarriers(Value first, int64_t count, int64_t arrivals);
  void publishBarriers(); // by the thread that initialised them, before the block's threads meet
  void meet();            // all threads of the block
  void meetSome(Value id, int64_t threads); // so many; id 1 to 15
  void wait(Value barrier, Value parity);
  void arrive(Value barrier);
  void expect(Value barrier, int64_t bytes); // arrives, too

  // --- copies: a box of a tensor to shared memory; `coordinates` innermost first
  void prefetchMap(Value map);
  void load(Value target, Value map, mlir::ValueRange coordinates, Value barrier);
  // And back. What threads wrote to shared memory must be published before they meet the one that
  // stores it. That one commits its stores as a group, and waits until at most `pending` of its
  // groups still read shared memory.
  void publishTile();
  void store(Value map, Value source, mlir::ValueRange coordinates);
  // The same, but what is there and the tile are added up.
  void addTile(Value map, Value source, mlir::ValueRange coordinates);
  void commitStores();
  void waitStores(int64_t pending);
  // Each lane names a row of 8 numbers of 16 bits: lanes 0 to 7 of the first matrix, 8 to 15 of the
  // second, … Word m of a lane holds row lane / 4, columns 2·(lane % 4) and the next, of matrix m.
  // A warp stores 1, 2 or 4 matrices.
  void storeMatrices(Value row, mlir::ValueRange words);

  // --- products
  // The accumulator of m64 × n: element 4j + 2h + e of a thread is row 16·warp + lane / 4 + 8h,
  // column 8j + 2·(lane % 4) + e.
  mlir::Type accumulator(int64_t n);
  Value zero(mlir::Type type);
  Value element(Value accumulator, int64_t index);
  // The descriptor of a tile at this address (i32) in shared memory. `chunkBytes`: bytes of a chunk
  // of 64 columns of a Major::mn tile.
  Value descriptor(Value address, Major major, int64_t chunkBytes);
  // The same tile 16 values of k further.
  Value nextK(Value descriptor, Major major, int64_t steps);
  Value multiply(Value a, Major aMajor, Value b, Major bMajor, int64_t n, Value accumulator);
  void beginProducts(); // before the first multiply that reads what others wrote
  void commitProducts();
  void waitProducts(int64_t pending);
  void setRegisters(int64_t count, bool more);

  // The value of the lane whose number differs in the bits of `distance`.
  Value exchange(Value value, int64_t distance);
  // That of the warp's lane with this number, modulo 32.
  Value fromLane(Value value, Value lane);
  // The two bf16 of a word, as f32; the lower one first.
  std::pair<Value, Value> unpack(Value word);
  // A value that all threads of a warp have alike, so that ptxas knows it.
  Value uniform(Value value);

private:
  mlir::LLVM::LLVMFuncOp kernel_;
  unsigned maps_, buffers_;
  Value thread_, block_, blocks_, warpgroup_, inGroup_, shared_;
  llvm::DenseMap<int64_t, Value> constants_;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_TILEKERNELBUILDER_H
