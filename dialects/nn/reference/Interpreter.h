// The reference interpreter: runs an entry of nn ops in float64 from each op's own definition.

#ifndef MIRL_DIALECTS_NN_REFERENCE_INTERPRETER_H
#define MIRL_DIALECTS_NN_REFERENCE_INTERPRETER_H

#include "dialects/nn/Nn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mirl::nn::reference {

// Runs a function of one block of nn ops. `arguments` are in the function's order. On failure an
// error has been emitted at the op that could not be evaluated.
mlir::FailureOr<llvm::SmallVector<Tensor>> interpret(mlir::func::FuncOp function,
                                                     llvm::ArrayRef<Tensor> arguments,
                                                     const Extents &extents);

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_INTERPRETER_H
