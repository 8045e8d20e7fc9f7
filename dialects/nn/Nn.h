// The nn dialect: tensors over packed sequences. Start at NnDialect.td and the Nn*Ops.td.

#ifndef MIRL_DIALECTS_NN_NN_H
#define MIRL_DIALECTS_NN_NN_H

#include "dialects/nn/Adjoints.h"
#include "dialects/nn/reference/Tensor.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/nn/NnDialect.h.inc"
#include "dialects/nn/NnEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NnAttributes.h.inc"

#include "dialects/nn/NnInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/nn/NnModelOps.h.inc"
#define GET_OP_CLASSES
#include "dialects/nn/NnAdjointOps.h.inc"
#define GET_OP_CLASSES
#include "dialects/nn/NnScalarOps.h.inc"

namespace mirl::nn {

// tensor<?×fixed…×element, #nn.axis<axis, extra>>.
mlir::RankedTensorType rowsType(Axis axis, llvm::ArrayRef<int64_t> fixed, mlir::Type element,
                                int64_t extra = 0);
// The axis of a type's dynamic first dimension; nullopt when all dimensions are fixed.
std::optional<AxisAttr> axisOf(mlir::Type type);

// Attribute names on entry functions (func.func) and their arguments and results.
// docs/nn.md says how an entry is spelled.
namespace attr {
inline constexpr llvm::StringLiteral kModel = "nn.model";           // on a function: it is a model
inline constexpr llvm::StringLiteral kKind = "nn.kind";             // entry kind: "micro", …
inline constexpr llvm::StringLiteral kCapacities = "nn.capacities"; // {context = 1024, …}
inline constexpr llvm::StringLiteral kName = "nn.name";             // port name
inline constexpr llvm::StringLiteral kSource = "nn.source";         // port source (docs/plan.md)
inline constexpr llvm::StringLiteral kVariable = "nn.variable";     // argument bound to a variable
inline constexpr llvm::StringLiteral kAlias = "nn.alias";           // result updates argument i
} // namespace attr

} // namespace mirl::nn

#endif // MIRL_DIALECTS_NN_NN_H
