#include "passes/RunTool.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace mirl::passes {

LogicalResult runTool(ModuleOp kernels, const ToolRun &run, StringRef input, std::string &output, std::string &said) {
  struct Temporary {
    llvm::SmallString<128> path;
    llvm::FileRemover remover;
  } in, out, log;
  auto create = [&](StringRef suffix, Temporary &file) -> LogicalResult {
    if (std::error_code ec = llvm::sys::fs::createTemporaryFile("mirl-kernels", suffix, file.path))
      return kernels.emitError("cannot create a temporary file: ") << ec.message();
    file.remover.setFile(file.path);
    return success();
  };
  if (failed(create(run.from, in)) || failed(create(run.to, out)) || failed(create("log", log)))
    return failure();
  {
    std::error_code ec;
    llvm::raw_fd_ostream os(in.path, ec);
    os << input;
    os.close();
    if (ec || os.has_error()) {
      std::string message = ec ? ec.message() : os.error().message();
      os.clear_error();
      return kernels.emitError("cannot write ") << in.path << ": " << message;
    }
  }
  SmallVector<StringRef> command{run.program};
  command.append(run.arguments.begin(), run.arguments.end());
  command.append({in.path, "-o", out.path});
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log.path), StringRef(log.path)};
  std::string message;
  int status = llvm::sys::ExecuteAndWait(run.program, command, std::nullopt, redirects, run.seconds,
                                         /*MemoryLimit=*/0, &message);
  said.clear();
  if (auto text = llvm::MemoryBuffer::getFile(log.path))
    said = (*text)->getBuffer().str();
  if (status != 0)
    return kernels.emitError(run.doing) << " the kernels with " << run.program << " failed: " << message << said;
  auto made = llvm::MemoryBuffer::getFile(out.path);
  if (!made)
    return kernels.emitError("cannot read ") << out.path << ": " << made.getError().message();
  output = (*made)->getBuffer().str();
  return success();
}

} // namespace mirl::passes
