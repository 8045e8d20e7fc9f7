#ifndef MIRL_DIALECTS_NN_DIALECT
#define MIRL_DIALECTS_NN_DIALECT

include "mlir/IR/OpBase.td"

def Nn_Dialect : Dialect {
  let name = "nn";
  let summary = "Tensor programs over packed sequences";
  let description = [{
    Tensors of a language model and of its losses. The only dynamic dimension of a tensor is its
    first, and the tensor's encoding names the axis it counts (`#nn.axis<context>`): the packed
    tokens, the response tokens, the sequences or the groups of one call. There is no padding.

    Every op states the order of its reductions (`numerics`), so a row's bits depend on that row
    alone; has a plain float64 definition (`ReferenceOpInterface`), which is what the op means; and,
    where it has a derivative, its adjoint beside it (`DifferentiableOpInterface`).
  }];
  let cppNamespace = "::mirl::nn";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::func::FuncDialect"];
}

#endif // MIRL_DIALECTS_NN_DIALECT
