// The plan dialect: the executable as IR. Start at PlanOps.td and docs/plan.md.

#ifndef MIRL_DIALECTS_PLAN_PLAN_H
#define MIRL_DIALECTS_PLAN_PLAN_H

#include "dialects/nn/Nn.h"

#include "dialects/plan/PlanDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plan/PlanAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.h.inc"

namespace mirl::plan {

// Bytes of a tensor when its axis has the extent that `capacities` declares; nullopt when the axis
// has no declared capacity. Fixed types need no capacities.
std::optional<int64_t> bytesAtCapacity(mlir::RankedTensorType type,
                                       mlir::DictionaryAttr capacities);

// An affine number of flops or bytes: `perRow` for each row of `type`'s axis (or once, when all
// dimensions are fixed).
AffineAttr perRow(mlir::RankedTensorType type, double perRow);

// The sum of two affine numbers.
AffineAttr add(AffineAttr lhs, AffineAttr rhs);

} // namespace mirl::plan

#endif // MIRL_DIALECTS_PLAN_PLAN_H
