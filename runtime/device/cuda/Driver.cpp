#include "runtime/device/cuda/Driver.h"

#include <dlfcn.h>

#include "runtime/artifact/Macros.h"

namespace mirl::rt::cuda {

namespace {

absl::StatusOr<Driver> Load() {
  // Never closed: the driver keeps threads and exit handlers of its own.
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return absl::FailedPreconditionError(
        Cat("there is no NVIDIA driver: ", reason ? reason : "libcuda.so.1 cannot be loaded"));
  }
  Driver driver;
  const char *missing = nullptr;
#define MIRL_CUDA_FIND(name, symbol, arguments)                                                                        \
  driver.name = reinterpret_cast<Result(*) arguments>(dlsym(library, symbol));                                         \
  if (!driver.name)                                                                                                    \
    missing = symbol;
  MIRL_CUDA_FUNCTIONS(MIRL_CUDA_FIND)
#undef MIRL_CUDA_FIND
  if (missing)
    return absl::FailedPreconditionError(
        Cat("the NVIDIA driver is too old: its libcuda.so.1 has no ", missing, "; CUDA 12 or later is needed"));
  MIRL_TRY(driver.Check(driver.Init(0), "the NVIDIA driver does not start"));
  return driver;
}

} // namespace

absl::StatusOr<const Driver *> Driver::Get() {
  static const absl::StatusOr<Driver> driver = Load();
  if (!driver.ok())
    return driver.status();
  return &*driver;
}

absl::Status Driver::Check(Result result, std::string_view what) const {
  if (result == 0)
    return absl::OkStatus();
  const char *name = nullptr, *text = nullptr;
  ErrorName(result, &name);
  ErrorText(result, &text);
  return absl::InternalError(Cat(what, ": ", name ? name : "unknown error", " (", result, ")",
                                 text ? Cat(": ", text) : std::string()));
}

} // namespace mirl::rt::cuda
