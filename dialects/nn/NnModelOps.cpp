// Generated definitions of the ops of NnModelOps.td.

#include "dialects/nn/Nn.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/nn/NnModelOps.cpp.inc"
