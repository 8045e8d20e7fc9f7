// What a program outside of this process makes of kernels: a linker, an assembler.

#ifndef MIRL_PASSES_RUNTOOL_H
#define MIRL_PASSES_RUNTOOL_H

#include "mlir/IR/BuiltinOps.h"

namespace mirl::passes {

struct ToolRun {
  llvm::StringRef program; // path
  llvm::StringRef doing;   // for errors: "linking"
  llvm::ArrayRef<llvm::StringRef> arguments;
  llvm::StringRef from, to; // suffixes of the input's and the output's temporary file
  unsigned seconds = 120;   // the deadline
};

// Runs `PROGRAM ARGUMENTS… INPUT -o OUTPUT` with `input` in a temporary file; `output` gets what it wrote, `said` what
// it printed. Errors are at `kernels`: no room for the files, a program that fails or takes too long, with its words.
llvm::LogicalResult runTool(mlir::ModuleOp kernels, const ToolRun &run, llvm::StringRef input, std::string &output,
                            std::string &said);

} // namespace mirl::passes

#endif // MIRL_PASSES_RUNTOOL_H
