#ifndef MIRL_DIALECTS_NN_INTERFACES
#define MIRL_DIALECTS_NN_INTERFACES

include "mlir/IR/OpBase.td"

def Nn_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::mirl::nn";
  let description = [{ An op that knows its vector-Jacobian product. }];
  let methods = [
    InterfaceMethod<[{
      Builds the adjoint at the builder's insertion point. `gradients[i]` is the gradient with
      respect to result i, or null when nothing flows into it (at least one is not null). The
      gradients of operands are reported to `adjoints`.
      }], "::llvm::LogicalResult", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::llvm::ArrayRef<::mlir::Value>":$gradients,
           "::mirl::nn::Adjoints &":$adjoints)>
  ];
}

def Nn_ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::mirl::nn";
  let description = [{ An op with a plain, slow float64 definition of its meaning. }];
  let methods = [
    InterfaceMethod<[{
      Computes the results from the operands (`operands[i]` has its run-time shape; integers are
      exact in double). `extents` are the extents of the axes in this evaluation.
      }], "::llvm::LogicalResult", "evaluate",
      (ins "::llvm::ArrayRef<::mirl::nn::reference::Tensor>":$operands,
           "::llvm::SmallVectorImpl<::mirl::nn::reference::Tensor> &":$results,
           "const ::mirl::nn::reference::Extents &":$extents)>
  ];
}

def Nn_InPlaceOpInterface : OpInterface<"InPlaceOpInterface"> {
  let cppNamespace = "::mirl::nn";
  let description = [{
    An op that updates operands: a result is *tied* to the operand whose storage it takes over.
    The operand has no other use after the op (checked when buffers are assigned).
  }];
  let methods = [
    InterfaceMethod<"The operand that result `result` takes over, or -1.", "int", "getTiedOperand",
      (ins "unsigned":$result)>
  ];
}

#endif // MIRL_DIALECTS_NN_INTERFACES
