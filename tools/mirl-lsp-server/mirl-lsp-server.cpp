// mirl-lsp-server: hovers, definitions and diagnostics for .mlir files of mirl's dialects in an editor.

#include "passes/Passes.h"

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mirl::passes::registerAll(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
