#include "passes/cuda/Ptxas.h"

#include "passes/cuda/SimtKernelBuilder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

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
  LogicalResult result = success();
  SmallVector<StringRef> lines;
  ptx.split(lines, '\n');
  for (auto [i, line] : llvm::enumerate(lines)) {
    StringRef text = line.trim();
    if (!text.starts_with(".extern .func"))
      continue;
    // The name stands behind the results, here or in the next line.
    std::string declaration = text.str();
    if (i + 1 < lines.size())
      declaration += " " + lines[i + 1].trim().str();
    result = kernels.emitError("a kernel needs a function from outside, but kernels must call nothing outside "
                               "themselves: ")
             << declaration;
  }
  return result;
}

// What the log says of a kernel on tiles is an error, not a warning: it would be many times slower. C7510 and C7511: products
// of the tensor cores are serialised; C7508: the numbers of registers are ignored.
static LogicalResult checkTileKernels(ModuleOp kernels, StringRef log) {
  LogicalResult result = success();
  for (auto kernel : kernels.getOps<LLVM::LLVMFuncOp>()) {
    if (!kernel->hasAttr(kMapsAttr))
      continue;
    std::string name = kernel.getSymName().str();
    SmallVector<StringRef> lines;
    log.split(lines, '\n');
    bool here = false;
    for (StringRef line : lines) {
      if (size_t at = line.find("Compiling entry function '"); at != StringRef::npos)
        here = line.substr(at).split('\'').second.split('\'').first == name;
      bool spills = here && line.contains(" bytes spill stores") && !line.contains(" 0 bytes spill stores");
      bool slow = (here || line.contains("'" + name + "'")) &&
                  (line.contains("C7508") || line.contains("C7510") || line.contains("C7511"));
      if (spills || slow)
        result = emitError(kernel.getLoc(), "kernel ") << name << " must keep its products in registers and run them one behind "
                 "the other without waiting, but the assembler says: " << line.trim();
    }
  }
  return result;
}

// ptxas -v says "Compiling entry function 'NAME' for …", then of each "… bytes spill stores, … bytes spill loads".
static void reportSpills(ModuleOp kernels, StringRef log) {
  StringRef kernel;
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    if (size_t at = line.find("Compiling entry function '"); at != StringRef::npos)
      kernel = line.substr(at).split('\'').second.split('\'').first;
    size_t at = line.find(" bytes spill stores");
    if (at == StringRef::npos)
      continue;
    StringRef number = line.take_front(at).rsplit(' ').second;
    if (number.empty())
      number = line.take_front(at).trim();
    if (number != "0")
      emitWarning(kernels.getLoc(), "kernel ") << kernel << " spills " << number
                                     << " bytes of registers to memory: it is right, but slower than it could be";
  }
}

LogicalResult assemble(ModuleOp kernels, StringRef arch, StringRef ptx, std::string &cubin) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return kernels.emitError("compiling for CUDA needs NVIDIA's assembler ptxas, which is neither on PATH, nor in the "
                             "Python package nvidia-cuda-nvcc, nor in /usr/local/cuda: run `pip install "
                             "nvidia-cuda-nvcc`, or install the CUDA toolkit (12.8 or later)");
  llvm::SmallString<128> input, output, log;
  auto temporary = [&](StringRef suffix, llvm::SmallString<128> &name) -> LogicalResult {
    if (std::error_code ec = fs::createTemporaryFile("mirl-kernels", suffix, name))
      return kernels.emitError("cannot create a temporary file: ") << ec.message();
    return success();
  };
  if (failed(temporary("ptx", input)))
    return failure();
  llvm::FileRemover removeInput(input);
  if (failed(temporary("cubin", output)))
    return failure();
  llvm::FileRemover removeOutput(output);
  if (failed(temporary("log", log)))
    return failure();
  llvm::FileRemover removeLog(log);
  {
    std::error_code ec;
    llvm::raw_fd_ostream os(input, ec);
    os << ptx;
    os.close();
    if (ec || os.has_error()) {
      std::string message = ec ? ec.message() : os.error().message();
      os.clear_error();
      return kernels.emitError("cannot write ") << input << ": " << message;
    }
  }
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  std::string message, name = ("-arch=" + arch).str();
  // LLVM's PTX leaves nothing to contract; -fmad=false says that nothing may be.
  int status = llvm::sys::ExecuteAndWait(ptxas, {ptxas, name, "-O3", "-v", "-fmad=false", input, "-o", output}, std::nullopt,
                                         redirects, /*SecondsToWait=*/600, /*MemoryLimit=*/0, &message);
  std::string said;
  if (auto text = llvm::MemoryBuffer::getFile(log))
    said = (*text)->getBuffer().str();
  if (status != 0)
    return kernels.emitError("assembling the kernels with ") << ptxas << " failed: " << message << said;
  if (failed(checkTileKernels(kernels, said)))
    return failure();
  reportSpills(kernels, said);
  auto assembled = llvm::MemoryBuffer::getFile(output);
  if (!assembled)
    return kernels.emitError("cannot read ") << output << ": " << assembled.getError().message();
  cubin = (*assembled)->getBuffer().str();
  return success();
}

} // namespace mirl::passes::cuda
