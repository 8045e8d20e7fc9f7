// Generated definitions of the ops of NnModelOps.td.

#include "dialects/nn/Nn.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

void mirl::nn::LinearLogprobOp::build(OpBuilder &builder, OperationState &state, Type logprob, Type lse, Type entropy, Value hidden,
                                      Value weight, Value targets, FloatAttr temperature) {
  build(builder, state, logprob, lse, entropy ? TypeRange(entropy) : TypeRange(), hidden, weight, targets, temperature, NumericsAttr(),
        builder.getI64IntegerAttr(0));
}

#define GET_OP_CLASSES
#include "dialects/nn/NnModelOps.cpp.inc"
