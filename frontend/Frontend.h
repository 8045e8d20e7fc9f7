// The frontend: a .mirl file and a model's config.json in, a module of rl (and, for models, nn) out.

#ifndef MIRL_FRONTEND_FRONTEND_H
#define MIRL_FRONTEND_FRONTEND_H

#include <string>
#include <utility>
#include <vector>

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mirl::frontend {

struct FrontendOptions {
  std::string file;      // the .mirl file
  std::string modelDir;  // holds config.json; may be empty when the program has no policy
  std::string libraryDir; // where `use` looks after the file's own folder; empty: the installed one
  std::vector<std::pair<std::string, std::string>> sets; // --set name=value, in order
};

// Compiles to a module, or prints diagnostics (file:line:col, the source line, a caret, what is
// required; several a run) to stderr and returns null. The module carries `mirl.source_file`,
// `mirl.model_dir`, `mirl.model_config` (config.json's text).
mlir::OwningOpRef<mlir::ModuleOp> compileFile(mlir::MLIRContext &context,
                                              const FrontendOptions &options);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_FRONTEND_H
