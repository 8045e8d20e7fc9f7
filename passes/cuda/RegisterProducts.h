// Products of Hopper's tensor cores that meet arithmetic in registers: A comes from registers, and
// sums are used by ordinary instructions between products (attention).
//
// Products run behind the program's back. What one of them writes, or reads from registers, goes
// through these functions, so that neither LLVM nor ptxas moves its use before the wait, or its
// making behind the fence.

#ifndef MIRL_PASSES_CUDA_REGISTERPRODUCTS_H
#define MIRL_PASSES_CUDA_REGISTERPRODUCTS_H

#include "passes/cuda/TileKernelBuilder.h"

namespace mirl::passes::cuda {

// Waits until at most `pending` committed groups of products still run; the accumulators of those
// that are through (structs of TileKernelBuilder::accumulator) are returned, to be used from now
// on.
llvm::SmallVector<mlir::Value> waitProducts(TileKernelBuilder &b, int64_t pending,
                                            mlir::ValueRange accumulators);

// Before products that read A from registers: the words (i32) as the products are to be given them.
llvm::SmallVector<mlir::Value> beginProducts(TileKernelBuilder &b, mlir::ValueRange words);

// accumulator + A · B, A 64×16 in four words of each thread, B 16×n by its descriptor. Words 0 and
// 1: rows 16·warp + lane / 4 and 8 further down, columns 2·(lane % 4) and the next; words 2 and 3:
// the same, 8 columns further. So the words of k's step s are made of elements 8s … 8s + 7 of an
// accumulator, in pairs.
mlir::Value multiplyRegisters(TileKernelBuilder &b, mlir::ValueRange a, mlir::Value bTile,
                              Major bMajor, int64_t n, mlir::Value accumulator);

// A · B without an accumulator, both by their descriptors: the first step of a sum.
mlir::Value multiplyFirst(TileKernelBuilder &b, mlir::Value a, Major aMajor, mlir::Value bTile,
                          Major bMajor, int64_t n);

// Two f32 rounded to bf16, to nearest even: the first in the lower half of an i32.
mlir::Value packBf16(TileKernelBuilder &b, mlir::Value first, mlir::Value second);

// An accumulator out of its elements, made before what follows: products may go on from it.
mlir::Value gather(TileKernelBuilder &b, mlir::ValueRange elements);
// And apart.
llvm::SmallVector<mlir::Value> elements(TileKernelBuilder &b, mlir::Value accumulator);

// The same i32; what is computed from it stays where it is written. What LLVM would take out of a
// loop takes registers there.
mlir::Value opaque(TileKernelBuilder &b, mlir::Value x);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_REGISTERPRODUCTS_H
