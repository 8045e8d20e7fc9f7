// What stops an emulated kernel, or keeps a module from being loaded.

#ifndef MIRL_EMULATOR_FAULT_H
#define MIRL_EMULATOR_FAULT_H

#include <cstdint>
#include <string>

namespace mirl::emulator {

// CUDA's results that the emulator gives.
enum Result : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kInvalidImage = 200,
  kInvalidPtx = 218,
  kNotFound = 500,
  kIllegalAddress = 700,
  kLaunchTimeout = 702,
  kMisalignedAddress = 716,
  kLaunchFailed = 719,
};

// Thrown inside the library only; the driver's functions catch it, print the message and return the
// result.
struct Fault {
  Result result = kLaunchFailed;
  std::string message;
};

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_FAULT_H
