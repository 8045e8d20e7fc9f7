#include "runtime/device/cuda/CublasLt.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>

#include "runtime/artifact/Macros.h"

namespace mirl::rt::cuda {

namespace {

constexpr const char *kHowToGetIt =
    "; pip install nvidia-cublas brings it, or MIRL_CUBLASLT names the file (libcublasLt.so.13 or "
    ".12); without --products cublaslt "
    "a plan needs none";

// Where the library may be, in the order in which it is looked for.
std::vector<std::string> Candidates() {
  if (const char *given = std::getenv("MIRL_CUBLASLT"); given && *given)
    return {given};
  std::vector<std::string> files = {"libcublasLt.so.13", "libcublasLt.so.12"}, prefixes;
  if (const char *environment = std::getenv("VIRTUAL_ENV"))
    prefixes.push_back(environment);
  if (const char *home = std::getenv("HOME"))
    prefixes.push_back(std::string(home) + "/.local");
  prefixes.insert(prefixes.end(), {"/usr/local", "/usr"});
  // <prefix>/lib/python3*/{site,dist}-packages/nvidia/*/lib, where the wheel puts it.
  for (const char *version : {"13", "12"})
    for (const std::string &prefix : prefixes)
      for (const char *packages : {"site-packages", "dist-packages"}) {
        glob_t found;
        std::string pattern =
            Cat(prefix, "/lib/python3*/", packages, "/nvidia/*/lib/libcublasLt.so.", version);
        if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
          files.insert(files.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
        globfree(&found);
      }
  files.insert(files.end(), {"/usr/local/cuda/lib64/libcublasLt.so.13",
                             "/usr/local/cuda/lib64/libcublasLt.so.12"});
  return files;
}

} // namespace

absl::StatusOr<CublasLt> CublasLt::Load(const std::vector<std::string> &files) {
  void *handle = nullptr;
  std::string reason;
  for (const std::string &file : files) {
    // Never closed: it has kernels loaded, and exit handlers of its own.
    if ((handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)))
      break;
    const char *error = dlerror();
    if (reason.empty())
      reason = error ? error : Cat(file, " cannot be loaded");
  }
  if (!handle)
    return absl::FailedPreconditionError(
        Cat("the plan asks for cuBLASLt, which there is not: ", reason, kHowToGetIt));
  CublasLt library;
  const char *missing = nullptr;
#define MIRL_CUBLASLT_FIND(result, name, symbol, arguments)                                        \
  library.name = reinterpret_cast<result(*) arguments>(dlsym(handle, symbol));                     \
  if (!library.name)                                                                               \
    missing = symbol;
  MIRL_CUBLASLT_FUNCTIONS(MIRL_CUBLASLT_FIND)
#undef MIRL_CUBLASLT_FIND
  if (library.GetVersion && library.GetVersion() < kOldestBlas)
    return absl::FailedPreconditionError(Cat("cuBLASLt is too old: it is version ",
                                             library.GetVersion(), "; ", kOldestBlas,
                                             " (12.0) or later is needed", kHowToGetIt));
  if (missing)
    return absl::FailedPreconditionError(
        Cat("cuBLASLt cannot be used: the library has no ", missing, kHowToGetIt));
  return library;
}

absl::StatusOr<const CublasLt *> CublasLt::Get() {
  static const absl::StatusOr<CublasLt> library = Load(Candidates());
  if (!library.ok())
    return library.status();
  return &*library;
}

std::string CublasLt::Name() const {
  size_t version = GetVersion();
  return Cat("cuBLASLt ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

absl::Status CublasLt::Check(BlasStatus status, std::string_view what) const {
  if (status == 0)
    return absl::OkStatus();
  const char *text = StatusText(status);
  return absl::InternalError(Cat(what, ": ", text ? text : "unknown error", " (", status, ")"));
}

} // namespace mirl::rt::cuda
