// The reference interpreter.

#include "dialects/nn/reference/Interpreter.h"

using namespace mlir;

namespace mirl::nn::reference {

FailureOr<SmallVector<Tensor>> interpret(func::FuncOp function, ArrayRef<Tensor> arguments, const Extents &extents) {
  if (!llvm::hasSingleElement(function.getBody()))
    return function.emitOpError("must have one block to be interpreted"), failure();
  if (arguments.size() != function.getNumArguments())
    return function.emitOpError() << "has " << function.getNumArguments() << " arguments, but " << arguments.size()
                                  << " were given",
           failure();
  llvm::DenseMap<Value, Tensor> values;
  for (auto [argument, tensor] : llvm::zip(function.getArguments(), arguments))
    values[argument] = tensor;
  for (Operation &op : function.front().without_terminator()) {
    auto reference = dyn_cast<ReferenceOpInterface>(op);
    if (!reference)
      return op.emitOpError("has no reference definition"), failure();
    SmallVector<Tensor> operands, results;
    for (Value operand : op.getOperands())
      operands.push_back(values[operand]);
    if (failed(reference.evaluate(operands, results, extents)))
      return failure();
    for (auto [result, tensor] : llvm::zip(op.getResults(), results))
      values[result] = std::move(tensor);
  }
  SmallVector<Tensor> results;
  for (Value value : function.front().getTerminator()->getOperands())
    results.push_back(values[value]);
  return results;
}

} // namespace mirl::nn::reference
