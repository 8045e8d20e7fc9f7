// The functions of cpu::KernelBuilder on numbers of one thread of a kernel on tiles.

#ifndef MIRL_PASSES_CUDA_THREADMATHS_H
#define MIRL_PASSES_CUDA_THREADMATHS_H

#include "passes/cpu/KernelBuilder.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/SpecialFunctions.h"
#include "passes/cuda/TileKernelBuilder.h"

namespace mirl::passes::cuda {

// Builds at the place where `b` is when this is made, and is of use as long as `b` stays in that
// block.
class ThreadMaths : public cpu::KernelBuilder {
public:
  explicit ThreadMaths(TileKernelBuilder &b) : KernelBuilder(b.getLoc()) {
    restoreInsertionPoint(b.saveInsertionPoint());
    lanes_ = width_ = 1;
  }

  Value narrow(Value value) override { return narrowed(*this, value); }
  Value roundTo(mlir::Type element, Value value) override {
    return element.isBF16() ? roundedToBf16(*this, value) : value;
  }
  Value nearExp(Value a) override { return specialExp(*this, a); }
  Value nearQuotient(Value a, Value b) override { return fmul(a, specialReciprocal(*this, b)); }
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_THREADMATHS_H
