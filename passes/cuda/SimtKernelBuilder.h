// A KernelBuilder whose lanes are threads.
//
// As it is, half a warp executes one work item: a vector is one f32 of each of 16 threads, and a
// scalar is computed by all of them alike. Memory that one lane writes and another reads is ordered
// by a barrier of the half-warp before and behind every store. A schedule whose lanes exchange
// nothing through memory says so (passes/cpu/Schedules.h, Lanes): then there are no barriers, and a
// thread holds several neighbouring lanes, which it reads and writes in 16 bytes.
//
// Horizontal sums are the same pairwise tree as on the CPU, by shuffles and within threads, and no
// multiplication is contracted into an addition, so a kernel gives the same bits as on the CPU.

#ifndef MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H
#define MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H

#include "passes/cpu/Schedules.h"
#include "runtime/artifact/Format.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mirl::passes::cuda {

// Threads of a warp, and bytes that one of them reads or writes at a time at most.
inline constexpr int64_t kWarp = 32;
inline constexpr int64_t kAccessBytes = 16;
// Neighbours that one access moves: of bf16 alone, or of f32 and whatever is beside it.
inline constexpr int64_t valuesOfAccess(bool narrow) { return kAccessBytes / (narrow ? 2 : 4); }
// Elements that a warp holds of each operand of an elementwise kernel: two accesses of a thread, or
// one where there are many operands.
inline constexpr int64_t elementsOfWarp(int64_t operands, bool narrow) {
  return (operands > 4 ? 1 : 2) * kWarp * valuesOfAccess(narrow);
}
// Shared memory of a block on sm_90.
inline constexpr int64_t kSharedBytes = rt::kMaxShared;

// Attributes of a kernel: how the runtime launches it.
inline constexpr llvm::StringLiteral kThreadsAttr = "mirl.threads";
inline constexpr llvm::StringLiteral kItemsAttr = "mirl.items_per_block";
inline constexpr llvm::StringLiteral kSharedAttr = "mirl.shared_bytes";
inline constexpr llvm::StringLiteral kArrayAttr = "mirl.buffer_array";
// The op that the kernel was first made for.
inline constexpr llvm::StringLiteral kOpAttr = "mirl.op";
// Of kernels on tiles (TileKernelBuilder.h): blocks on a multiprocessor of a persistent grid, and
// tensor maps.
inline constexpr llvm::StringLiteral kBlocksAttr = "mirl.blocks_per_multiprocessor";
inline constexpr llvm::StringLiteral kMapsAttr = "mirl.tensor_maps";

// "kernel NAME of OP", for messages.
std::string describe(mlir::LLVM::LLVMFuncOp kernel);
// Fails, at the op's place, when a block of the kernel needs more shared memory than there is.
llvm::LogicalResult checkSharedMemory(mlir::LLVM::LLVMFuncOp kernel);

// The kernels of a recorded call overlap (docs/cuda.md, "Kernels that overlap"): a kernel touches
// nothing that an earlier launch may have written, and writes nothing, before this, which waits for
// the end of the launch before, and lets the next one start. Every block waits, so that a kernel
// ends after all earlier ones.
void waitForEarlier(mlir::ImplicitLocOpBuilder &builder);

// The bits of an f32 (or of several) as bf16, in i16. cvt rounds to nearest even as the CPU's integers do; it has one NaN for
// all. A pair is one instruction.
mlir::Value narrowed(mlir::ImplicitLocOpBuilder &b, mlir::Value value);
// One f32 rounded to bf16, as an f32: the upper half of a pair whose lower half is zero. The instruction for a single number
// is a slow one.
mlir::Value roundedToBf16(mlir::ImplicitLocOpBuilder &b, mlir::Value number);

// How the lanes of an item lie in threads: lane (c · threads + t) · values + v is value c · values
// + v of thread t, so that a warp's accesses are contiguous.
struct LaneMap {
  LaneMap(const cpu::Lanes &lanes);

  int64_t threads = cpu::kLanes; // of an item
  int64_t values = 1;            // neighbours
  int64_t chunks = 1;
  int64_t items = 8;  // of a block, unless their scratch memory leaves no room for as many
  int64_t blocks = 2; // that should fit on a multiprocessor
  bool barriers = true;
  int64_t piece = 1,
          maskedPiece =
              1; // neighbours that are read or written at a time, whole and where there is a mask
  bool keepsRow = false;

  int64_t width() const { return values * chunks; }
};

class SimtKernelBuilder : public cpu::KernelBuilder {
public:
  // The type of a kernel over `buffers` slices: their addresses, or an `array` of them, the six
  // dims, the number of work items.
  static mlir::LLVM::LLVMFunctionType kernelType(mlir::MLIRContext *context, unsigned buffers,
                                                 bool array);

  // `kernel` has that type and no body yet.
  SimtKernelBuilder(mlir::Location loc, mlir::LLVM::LLVMFuncOp kernel, unsigned buffers, bool array,
                    const LaneMap &map);

  // Ends the kernel and writes its attributes.
  void finish();

  Value buffer(unsigned index) override {
    return array_ ? bufferAt(c(index)) : kernel_.getArgument(index);
  }
  Value bufferAt(Value index) override;
  Value dim(cpu::Dim which) override {
    return kernel_.getArgument(addresses_ + static_cast<unsigned>(which));
  }
  Value sumLanes(Value vector) override;
  Value maxLanes(Value vector) override;
  Value any(Value mask) override;
  Value roundTo(mlir::Type element, Value value) override;
  Value nearExp(Value a) override;
  Value nearQuotient(Value a, Value b) override;
  void store(Value value, Value pointer, Value index) override;
  Value loadv(Value pointer, Value index) override;
  void storev(Value vector, Value pointer, Value index) override;
  Value loadvMasked(Value pointer, Value index, Value count, double other = 0) override;
  void storevMasked(Value vector, Value pointer, Value index, Value count) override;
  Value mask(Value count) override;
  Value scratch(int64_t elements) override;
  void prefetch(Value, Value) override {}
  void transpose(llvm::MutableArrayRef<Value> vectors) override;
  bool keepsRow() const override { return map_.keepsRow; }
  llvm::SmallVector<Value>
  piecewise(mlir::ValueRange vectors,
            llvm::function_ref<llvm::SmallVector<Value>(mlir::ValueRange)> body) override;

protected:
  // A thread would keep the addresses of all iterations in registers.
  bool unrolls() const override { return false; }
  Value narrow(Value value) override;

private:
  using Values = llvm::SmallVector<Value>;

  Value i32(int64_t value);
  // The value of the lane whose thread's number differs in the bits of `distance`.
  Value exchange(Value number, int64_t distance);
  // Whether this thread's number has that bit.
  Value laneBit(int64_t bit);
  // `ordered`: combine(a, b) and combine(b, a) may differ, but for which NaN it is.
  Value tree(Value vector, bool ordered, llvm::function_ref<Value(Value, Value)> combine);
  void barrier();
  // The numbers of a vector, and back.
  Values split(Value vector);
  Value join(Values numbers);
  // A function of each number of `x`.
  Value ofEach(Value x, Value (*function)(mlir::ImplicitLocOpBuilder &b, Value x));
  // Where in a vector's memory the values of a chunk begin.
  Value chunkStart(int64_t chunk);
  // `count` neighbours that begin at an element of memory.
  Values loadPiece(Value pointer, Value index, int64_t count);
  void storePiece(Values numbers, Value pointer, Value index);
  // Calls body(first value, first lane) for the pieces of a vector.
  void forPieces(int64_t size, llvm::function_ref<void(int64_t value, Value lane)> body);

  mlir::LLVM::LLVMFuncOp kernel_;
  bool array_;
  unsigned addresses_; // parameters that are addresses of buffers, or the array of them
  LaneMap map_;
  Value lane_, lane32_, mask_; // `lane_`: the first lane of this thread in a chunk
  mlir::Value items_, scratchBytes_,
      scratchBase_; // constants that finish() sets, and where an item's memory begins
  int64_t scratch_ = 0;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H
