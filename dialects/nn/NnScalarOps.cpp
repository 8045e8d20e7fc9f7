// Generated definitions of the ops of NnScalarOps.td.

#include "dialects/nn/Nn.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/nn/NnScalarOps.cpp.inc"
