// What an op's adjoint reports to: the gradients of values under construction.

#ifndef MIRL_DIALECTS_NN_ADJOINTS_H
#define MIRL_DIALECTS_NN_ADJOINTS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace mirl::nn {

// Implemented by the differentiate pass; handed to DifferentiableOpInterface::buildAdjoint.
class Adjoints {
public:
  virtual ~Adjoints() = default;

  // Whether anything depends on the gradient of this value: an adjoint must not be built for
  // values for which this is false.
  virtual bool needed(mlir::Value value) const = 0;

  // Adds `gradient` to the gradient of `value`, of whose shape it is; its element type is made the value's (f32 where it
  // goes into a weight's accumulator).
  virtual void add(mlir::Value value, mlir::Value gradient) = 0;

  // For ops that add into an accumulator: `build(into)` makes the op and returns its result. `into`
  // is the gradient of `value` so far, in f32: the gradient variable of a weight, or zeros.
  virtual void accumulate(mlir::Value value,
                          llvm::function_ref<mlir::Value(mlir::Value into)> build) = 0;
};

} // namespace mirl::nn

#endif // MIRL_DIALECTS_NN_ADJOINTS_H
