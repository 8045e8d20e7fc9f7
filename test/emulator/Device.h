// The emulated GPU: its memory, its settings, and launches, whose blocks run on the threads of this
// process.

#ifndef MIRL_EMULATOR_DEVICE_H
#define MIRL_EMULATOR_DEVICE_H

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "test/emulator/Block.h"

namespace mirl::emulator {

// From the environment (docs/cuda.md).
struct Settings {
  int multiprocessors = 4;
  int threads = 0;                     // the machine's processors
  uint64_t memory = uint64_t{8} << 30; // bytes
  uint64_t steps = 200'000'000;
  bool log = false;
};

class Device {
public:
  static Device &Get();

  const Settings &settings() const { return settings_; }

  // 0 when there is no room.
  uint64_t Allocate(uint64_t bytes);
  bool Free(uint64_t address);
  // Whether all of it lies in one allocation.
  bool Holds(uint64_t address, uint64_t bytes) const;
  uint64_t FreeBytes() const;

  // Runs all blocks. Throws Fault.
  void Run(Launch launch);

  // The first fault of a kernel, which every call that could use its results gives from then on.
  Result fault = kSuccess;

private:
  Device();

  Settings settings_;
  mutable std::mutex mutex_;
  struct Allocation {
    uint64_t bytes = 0;
    std::unique_ptr<uint8_t[]> memory;
    std::unique_ptr<uint32_t, decltype(&std::free)> chains{nullptr, &std::free}; // Range
  };
  std::map<uint64_t, Allocation> allocations_;
  uint64_t used_ = 0;
  uint32_t chain_ = 0;
};

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_DEVICE_H
