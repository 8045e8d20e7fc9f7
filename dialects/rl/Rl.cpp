// Registration of the rl dialect, and the folding of its constants.

#include "dialects/rl/Rl.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mirl::rl;

#include "dialects/rl/RlDialect.cpp.inc"
#include "dialects/rl/RlEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/rl/RlAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/rl/RlTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/rl/RlOps.cpp.inc"

void RlDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/rl/RlAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/rl/RlTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/rl/RlOps.cpp.inc"
      >();
}
