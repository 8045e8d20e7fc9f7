// Products of one warp with all operands in registers (mma.sync), and what brings them there: for
// kernels whose tiles are too small, or lie too scattered, for wgmma and the tensor memory
// accelerator. The sums have the same bits.

#ifndef MIRL_PASSES_CUDA_WARPPRODUCTS_H
#define MIRL_PASSES_CUDA_WARPPRODUCTS_H

#include "passes/cuda/TileKernelBuilder.h"

namespace mirl::passes::cuda {

// sums += A · B, A 16×16 in four words, B 16×8 in two words, the sums 16×8 in four f32 of each
// lane, all bf16 in pairs of neighbouring k (A, B) as multiplyRegisters says. B: column lane / 4,
// rows 2·(lane % 4) and the next, then 8 further.
void multiplyWarp(TileKernelBuilder &b, mlir::ValueRange a, mlir::ValueRange bWords,
                  llvm::MutableArrayRef<mlir::Value> sums);

// Four 8×8 matrices of 16 bits from shared memory: lane 8m + r names (`offset`, in bytes) row r of
// matrix m, 16 bytes; word m of a lane then is columns 2·(lane % 4) and the next of row lane / 4 of
// matrix m, or, transposed, rows and column.
llvm::SmallVector<mlir::Value> loadMatrices(TileKernelBuilder &b, mlir::Value offset, bool transposed);

// Starts to copy 16 bytes to an offset of shared memory, or zeros where not `there`.
void copyPiece(TileKernelBuilder &b, mlir::Value offset, mlir::Value source, mlir::Value there);
// The thread's copies so far are a group; waits until at most `pending` groups are not through.
void commitPieces(TileKernelBuilder &b);
void waitPieces(TileKernelBuilder &b, int64_t pending);

// Bit l: what lane l of the warp says.
mlir::Value ballot(TileKernelBuilder &b, mlir::Value condition);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_WARPPRODUCTS_H
