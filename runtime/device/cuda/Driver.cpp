#include "runtime/device/cuda/Driver.h"

#include <dlfcn.h>

#include "runtime/artifact/Macros.h"

namespace mirl::rt::cuda {

absl::StatusOr<Driver> Driver::Load(const char *library) {
  // Never closed: the driver keeps threads and exit handlers of its own.
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    return absl::FailedPreconditionError(
        Cat("there is no NVIDIA driver: ", reason ? reason : Cat(library, " cannot be loaded")));
  }
  Driver driver;
  const char *missing = nullptr;
#define MIRL_CUDA_FIND(name, symbol, arguments)                                                                        \
  driver.name = reinterpret_cast<Result(*) arguments>(dlsym(handle, symbol));                                          \
  if (!driver.name)                                                                                                    \
    missing = symbol;
  MIRL_CUDA_FUNCTIONS(MIRL_CUDA_FIND)
#undef MIRL_CUDA_FIND
  int version = 0;
  if (driver.DriverGetVersion && driver.DriverGetVersion(&version) == 0 && version < kOldestDriver)
    return absl::FailedPreconditionError(Cat("the NVIDIA driver is too old: it is for CUDA ", VersionText(version), "; ",
                                             VersionText(kOldestDriver), " or later is needed"));
  if (missing)
    return absl::FailedPreconditionError(Cat("the NVIDIA driver cannot be used: its ", library, " has no ", missing,
                                             "; a driver for CUDA ", VersionText(kOldestDriver), " or later is needed"));
  return driver;
}

std::string VersionText(int version) { return Cat(version / 1000, ".", version % 1000 / 10); }

absl::Status Driver::Start() const {
  Result result = Init(0);
  if (result == kNoDevice)
    return absl::FailedPreconditionError("this machine has no NVIDIA GPU that CUDA_VISIBLE_DEVICES allows");
  return Check(result, "the NVIDIA driver does not start");
}

absl::StatusOr<const Driver *> Driver::Get() {
  static const absl::StatusOr<Driver> driver = []() -> absl::StatusOr<Driver> {
    MIRL_ASSIGN(Driver loaded, Load("libcuda.so.1"));
    MIRL_TRY(loaded.Start());
    return loaded;
  }();
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
