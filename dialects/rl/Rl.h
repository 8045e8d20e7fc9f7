// The rl dialect: the algorithm as written. Start at RlOps.td and docs/language.md.

#ifndef MIRL_DIALECTS_RL_RL_H
#define MIRL_DIALECTS_RL_RL_H

#include "dialects/nn/Nn.h"

#include "dialects/rl/RlDialect.h.inc"
#include "dialects/rl/RlEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/rl/RlAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/rl/RlTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/rl/RlOps.h.inc"

#endif // MIRL_DIALECTS_RL_RL_H
