#include "passes/cuda/InlinePtx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {

Value inlinePtx(ImplicitLocOpBuilder &b, Type result, ValueRange operands, StringRef text,
                StringRef constraints, bool sideEffects) {
  return LLVM::InlineAsmOp::create(
             b, result, operands, text, constraints, sideEffects, /*is_align_stack=*/false,
             LLVM::tailcallkind::TailCallKind::None,
             LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
      .getRes();
}

} // namespace mirl::passes::cuda
