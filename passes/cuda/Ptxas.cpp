#include "passes/cuda/Ptxas.h"

#include "passes/RunTool.h"
#include "passes/cuda/SimtKernelBuilder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstdlib>

using namespace mlir;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace mirl::passes::cuda {

// Calls `visit` with the entries of a folder, in order, until it returns true.
static bool anyEntry(const llvm::Twine &folder, llvm::function_ref<bool(StringRef)> visit) {
  std::error_code ec;
  std::vector<std::string> entries;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
    entries.push_back(it->path());
  llvm::sort(entries);
  return llvm::any_of(entries, [&](const std::string &entry) { return visit(entry); });
}

// In <prefix>/lib/python3*/{site,dist}-packages/nvidia/*/bin, where the wheel nvidia-cuda-nvcc puts it.
static std::string findInPython(const llvm::Twine &prefix) {
  std::string found;
  anyEntry(prefix + "/lib", [&](StringRef python) {
    if (!path::filename(python).starts_with("python3"))
      return false;
    for (StringRef packages : {"site-packages", "dist-packages"})
      if (anyEntry(python + "/" + packages + "/nvidia", [&](StringRef package) {
            std::string candidate = (package + "/bin/ptxas").str();
            if (fs::can_execute(candidate))
              found = candidate;
            return !found.empty();
          }))
        return true;
    return false;
  });
  return found;
}

std::string findPtxas() {
  if (const char *given = std::getenv("MIRL_PTXAS"))
    return given;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  SmallVector<std::string> prefixes;
  if (const char *environment = std::getenv("VIRTUAL_ENV"))
    prefixes.push_back(environment);
  if (const char *home = std::getenv("HOME"))
    prefixes.push_back(std::string(home) + "/.local");
  prefixes.append({"/usr/local", "/usr"});
  for (const std::string &prefix : prefixes)
    if (std::string found = findInPython(prefix); !found.empty())
      return found;
  if (fs::can_execute("/usr/local/cuda/bin/ptxas"))
    return "/usr/local/cuda/bin/ptxas";
  return "";
}

LogicalResult checkPtx(ModuleOp kernels, StringRef ptx) {
  // Declarations come before all kernels: ".extern .func", its results in parentheses, and its name, here or in the
  // next line.
  SmallVector<StringRef> lines, outside;
  ptx.split(lines, '\n');
  for (auto [i, line] : llvm::enumerate(lines)) {
    StringRef text = line.trim();
    if (!text.consume_front(".extern .func"))
      continue;
    text = text.trim();
    if (text.starts_with("("))
      text = text.split(')').second.trim();
    if (text.empty() && i + 1 < lines.size())
      text = lines[i + 1].trim();
    outside.push_back(text.take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; }));
  }
  if (outside.empty())
    return success();
  bool named = false;
  auto refuse = [&](Location loc, const std::string &who, StringRef function) {
    named = true;
    emitError(loc) << who << " needs the function " << function
                   << ", but a kernel must call nothing outside itself";
  };
  LLVM::LLVMFuncOp kernel;
  llvm::DenseSet<std::pair<Operation *, StringRef>> said;
  for (StringRef line : lines) {
    StringRef text = line.trim();
    if (auto [before, name] = text.split(".entry "); !name.empty())
      kernel = kernels.lookupSymbol<LLVM::LLVMFuncOp>(name.take_until([](char c) { return c == '('; }).trim());
    if (!kernel || text.starts_with("."))
      continue;
    for (StringRef function : outside)
      if (text.split(function).second.starts_with(",") || text.split(function).second.starts_with(";"))
        if (said.insert({kernel, function}).second)
          refuse(kernel.getLoc(), describe(kernel), function);
  }
  if (!named)
    refuse(kernels.getLoc(), "a kernel", outside.front());
  return failure();
}

// The kernel that a line of ptxas -v is about: the one it names, else the one whose compilation was announced last.
static LLVM::LLVMFuncOp kernelOf(ModuleOp kernels, StringRef line, LLVM::LLVMFuncOp last) {
  for (StringRef rest = line; rest.contains('\'');) {
    auto [name, behind] = rest.split('\'').second.split('\'');
    if (auto kernel = kernels.lookupSymbol<LLVM::LLVMFuncOp>(name))
      return kernel;
    rest = behind;
  }
  return last;
}

// What the assembler says of a kernel that makes it many times slower is an error. "… bytes spill stores" are registers
// in memory; C7510 to C7512: products of the tensor cores wait for each other; C7508: the numbers of registers that
// the kernel asks for are ignored.
static LogicalResult checkLog(ModuleOp kernels, StringRef log) {
  LLVM::LLVMFuncOp last;
  llvm::SmallPtrSet<Operation *, 4> refused;
  bool failed = false;
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    LLVM::LLVMFuncOp kernel = last = kernelOf(kernels, line, last);
    bool spills = line.contains(" bytes spill stores") && !line.contains(" 0 bytes spill stores");
    bool waits = line.contains("C7508") || line.contains("C7510") || line.contains("C7511") || line.contains("C7512");
    if (!spills && !waits)
      continue;
    failed = true;
    if (kernel && !refused.insert(kernel).second)
      continue;
    emitError(kernel ? kernel.getLoc() : kernels.getLoc(), kernel ? describe(kernel) : "a kernel")
        << " must keep its numbers in registers and run its products one behind the other without waiting, but the "
           "assembler says: "
        << line.trim();
  }
  return llvm::failure(failed);
}

LogicalResult assemble(ModuleOp kernels, StringRef arch, StringRef ptx, std::string &cubin) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return kernels.emitError("compiling for CUDA needs NVIDIA's assembler ptxas, which is neither on PATH, nor in the "
                             "Python package nvidia-cuda-nvcc, nor in /usr/local/cuda: run `pip install "
                             "nvidia-cuda-nvcc`, or install the CUDA toolkit (12.8 or later)");
  // LLVM's PTX leaves nothing to contract; -fmad=false says that nothing may be.
  std::string architecture = ("-arch=" + arch).str(), said;
  StringRef arguments[] = {architecture, "-O3", "-v", "-fmad=false"};
  if (failed(runTool(kernels, {ptxas, "assembling", arguments, "ptx", "cubin", 600}, ptx, cubin, said)))
    return failure();
  if (failed(checkLog(kernels, said)))
    return failure();
  return success();
}

} // namespace mirl::passes::cuda
