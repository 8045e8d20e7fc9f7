// The functions of cpu::KernelBuilder on numbers of one thread of a kernel on tiles.

#ifndef MIRL_PASSES_CUDA_THREADMATHS_H
#define MIRL_PASSES_CUDA_THREADMATHS_H

#include "passes/cpu/KernelBuilder.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/TileKernelBuilder.h"

namespace mirl::passes::cuda {

// Builds at the place where `b` is when this is made, and is of use as long as `b` stays in that
// block.
class ThreadMaths : public cpu::KernelBuilder {
public:
  explicit ThreadMaths(TileKernelBuilder &b) : KernelBuilder(b.getLoc()), quick_(b.quick) {
    restoreInsertionPoint(b.saveInsertionPoint());
    lanes_ = width_ = 1;
  }

  Value narrow(Value value) override { return narrowed(*this, value); }
  Value roundTo(mlir::Type element, Value value) override {
    return element.isBF16() ? widen(narrow(value)) : value;
  }
  // The same bits, where the builder is quick and the numbers are ordinary.
  Value fdiv(Value a, Value b) override {
    return quick_ ? quickDivision(a, b) : KernelBuilder::fdiv(a, b);
  }
  Value exp(Value x) override { return quick_ ? quickExp(x) : KernelBuilder::exp(x); }

private:
  Value quickDivision(Value a, Value b);
  Value quickExp(Value x);
  // Whether a number's size is within these.
  Value within(Value x, double least, double most);
  void need(Value condition);

  Value *quick_;
};

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_THREADMATHS_H
