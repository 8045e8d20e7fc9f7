// A KernelBuilder whose 16 lanes are 16 threads: half a warp executes one work item.
//
// A vector is one f32 of each thread; a scalar is computed by all 16 threads alike. Horizontal sums are the same
// pairwise tree as on the CPU, by shuffles, and no multiplication is contracted into an addition, so a kernel gives the
// same bits as on the CPU. Memory that one lane writes and another reads is ordered by a barrier of the half-warp
// before and behind every store.

#ifndef MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H
#define MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H

#include "passes/cpu/KernelBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mirl::passes::cuda {

// Half-warps of a block, unless their scratch memory leaves no room for as many.
inline constexpr int64_t kItemsPerBlock = 8;
// Shared memory of a block on sm_90.
inline constexpr int64_t kSharedBytes = 232448;

// Attributes of a kernel: how the runtime launches it.
inline constexpr llvm::StringLiteral kThreadsAttr = "mirl.threads";
inline constexpr llvm::StringLiteral kItemsAttr = "mirl.items_per_block";
inline constexpr llvm::StringLiteral kSharedAttr = "mirl.shared_bytes";
// The op that the kernel was first made for.
inline constexpr llvm::StringLiteral kOpAttr = "mirl.op";
// Of kernels on tiles (TileKernelBuilder.h): blocks on a multiprocessor of a persistent grid, and tensor maps.
inline constexpr llvm::StringLiteral kBlocksAttr = "mirl.blocks_per_multiprocessor";
inline constexpr llvm::StringLiteral kMapsAttr = "mirl.tensor_maps";

// "kernel NAME of OP", for messages.
std::string describe(mlir::LLVM::LLVMFuncOp kernel);
// Fails, at the op's place, when a block of the kernel needs more shared memory than there is.
llvm::LogicalResult checkSharedMemory(mlir::LLVM::LLVMFuncOp kernel);

class SimtKernelBuilder : public cpu::KernelBuilder {
public:
  // The type of a kernel over `buffers` slices: their addresses, the six dims, the number of work items.
  static mlir::LLVM::LLVMFunctionType kernelType(mlir::MLIRContext *context, unsigned buffers);

  // `kernel` has that type and no body yet.
  SimtKernelBuilder(mlir::Location loc, mlir::LLVM::LLVMFuncOp kernel, unsigned buffers);

  // Ends the kernel and writes its attributes.
  void finish();

  Value buffer(unsigned index) override { return kernel_.getArgument(index); }
  Value dim(cpu::Dim which) override { return kernel_.getArgument(buffers_ + static_cast<unsigned>(which)); }
  Value vf(double value) override { return f(value); }
  Value splat(Value scalar) override { return scalar; }
  mlir::Type vectorOf(mlir::Type scalar) override { return scalar; }
  Value sumLanes(Value vector) override;
  Value maxLanes(Value vector) override;
  Value any(Value mask) override;
  void store(Value value, Value pointer, Value index) override;
  Value loadv(Value pointer, Value index) override { return loadf(pointer, add(index, lane_)); }
  void storev(Value vector, Value pointer, Value index) override { store(vector, pointer, add(index, lane_)); }
  Value loadvMasked(Value pointer, Value index, Value count, double other = 0) override;
  void storevMasked(Value vector, Value pointer, Value index, Value count) override;
  Value mask(Value count) override { return lt(lane_, count); }
  Value scratch(int64_t elements) override;
  void prefetch(Value, Value) override {}
  void transpose(llvm::MutableArrayRef<Value> vectors) override;

protected:
  // A thread would keep the addresses of all iterations in registers.
  bool unrolls() const override { return false; }

private:
  Value i32(int64_t value);
  // The value of the lane whose number differs in the bits of `distance`.
  Value exchange(Value vector, int64_t distance);
  // Whether this thread's lane has that bit.
  Value laneBit(int64_t bit);
  Value tree(Value vector, llvm::function_ref<Value(Value, Value)> combine);
  void barrier();

  mlir::LLVM::LLVMFuncOp kernel_;
  unsigned buffers_;
  Value lane_, lane32_, mask_;
  mlir::Value halves_, scratchBytes_, scratchBase_; // constants that finish() sets, and where an item's memory begins
  int64_t scratch_ = 0;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_SIMTKERNELBUILDER_H
