// Schedules that a GPU has for itself: of what works on tiles with the tensor cores, and of what wants
// more threads than a schedule of passes/cpu gives it. They come before those.

#ifndef MIRL_PASSES_CUDA_TILESCHEDULES_H
#define MIRL_PASSES_CUDA_TILESCHEDULES_H

#include "passes/cpu/Schedules.h"

#include "passes/cuda/TensorCoreProduct.h"

namespace mirl::passes::cuda {

class Lowering : public cpu::Lowering {
public:
  // Emits a launch of a TileKernelBuilder's kernel; `body` is called only when no kernel of that name exists yet,
  // with a function of TileKernelBuilder::kernelType.
  virtual void launchTiles(const cpu::LaunchSpec &spec,
                           llvm::function_ref<void(mlir::LLVM::LLVMFuncOp)> body) = 0;
  // What the schedule of a tensor's op has computed along with it, for the schedule of its user; null
  // when nothing was.
  virtual mlir::Value &companion(mlir::Value tensor) = 0;
  // Whether no command of the entry writes the tensor's bytes before it was read last: it is a variable
  // that keeps its value, an input, a constant. verify-plan looks at what is made of it.
  virtual bool stays(mlir::Value tensor) = 0;
  // A slice of zeros, one of that name for all of the entry: a launch may write it, and leaves zeros.
  virtual mlir::Value zeros(mlir::RankedTensorType type, llvm::StringRef name) = 0;
  // Rows of a tensor at the entry's capacities.
  virtual int64_t capacity(mlir::RankedTensorType type) = 0;
};

using TileSchedule = llvm::LogicalResult (*)(mlir::Operation *op, Lowering &lowering);

// The run-time rows of a product, `extent` of it, are those of `type`.
void setRows(TensorCoreProduct &product, mlir::RankedTensorType type,
             std::optional<int64_t> &extent);
// The rows of a product are those that `norm`, if there is one, makes of the input of the launch. Returns what the kernel's name says
// of it.
std::string setNorm(TensorCoreProduct &product, nn::RmsNormOp norm);
// With few rows (`capacity`) a product is bound by its weights. Where they keep their values it begins to
// read them before earlier launches have ended; `first`: of them among the reads. So does a norm of its rows, whose weight
// is read last.
void readWeightsEarly(TensorCoreProduct &product, cpu::LaunchSpec &spec, int64_t capacity,
                      llvm::ArrayRef<nn::LinearOp> ops, int64_t first, Lowering &lowering, nn::RmsNormOp norm = {});
// Emits the launch of a product: the tile's name follows the kernel's; work and tensor maps are
// those of its tile.
void launchProduct(Lowering &lowering, cpu::LaunchSpec &spec, const TensorCoreProduct &product,
                   mlir::RankedTensorType rows, mlir::Location loc);

llvm::LogicalResult lowerLinearLogprob(mlir::Operation *op, Lowering &lowering);
llvm::LogicalResult lowerLinearLogprobGrad(mlir::Operation *op, Lowering &lowering);

// Sums over rows in blocks (RowBlockSchedules.cpp).
llvm::LogicalResult lowerRowBlocks(mlir::Operation *op, Lowering &lowering);

// nn.sample (SampleSchedule.cpp).
llvm::LogicalResult lowerSample(mlir::Operation *op, Lowering &lowering);

// The gradient of an embedding, of rows that are whole 16 bytes (EmbeddingGradSchedule.cpp).
bool servesEmbeddingGrad(nn::EmbeddingGradOp op);
llvm::LogicalResult lowerEmbeddingGrad(mlir::Operation *op, Lowering &lowering);

// The schedule of an op that a GPU has for itself, most of them for an order of sums that only it has; else null.
TileSchedule findTileSchedule(mlir::Operation *op);

// A group (passes/LaunchGroups.h) is one launch. A value that only the group reads has no slice. By
// the estimate of ProductTiles.cpp it may be faster not to: a tile that suits all may suit none.
bool isFasterTogether(llvm::ArrayRef<mlir::Operation *> ops, Lowering &lowering);
// The group of nn.kv_append (CacheGroupSchedule.cpp), and with products (CacheProductsSchedule.cpp).
llvm::LogicalResult lowerCacheGroup(llvm::ArrayRef<mlir::Operation *> ops, Lowering &lowering);
llvm::LogicalResult lowerCacheProducts(llvm::ArrayRef<mlir::Operation *> ops, nn::RmsNormOp norm, Lowering &lowering);
llvm::LogicalResult lowerGroup(llvm::ArrayRef<mlir::Operation *> ops, Lowering &lowering);

// Whether an op is of a decode entry, where each row is another sequence's.
bool isDecode(mlir::Operation *op);

// Of attention, with the numerics `tiles`.
llvm::LogicalResult lowerPackedAttention(mlir::Operation *op, Lowering &lowering);
llvm::LogicalResult lowerPagedAttention(mlir::Operation *op, Lowering &lowering);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_TILESCHEDULES_H
