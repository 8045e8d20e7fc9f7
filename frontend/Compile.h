// compileFile with a choice of where errors go, and for a text that is in no file.

#ifndef MIRL_FRONTEND_COMPILE_H
#define MIRL_FRONTEND_COMPILE_H

#include "frontend/Frontend.h"
#include "llvm/Support/raw_ostream.h"

namespace mirl::frontend {

// `text`, when not null, stands for the content of `options.file`.
mlir::OwningOpRef<mlir::ModuleOp> compile(mlir::MLIRContext &context, const FrontendOptions &options,
                                          const std::string *text, llvm::raw_ostream &errors);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_COMPILE_H
