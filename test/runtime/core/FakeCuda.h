// A CUDA driver for tests: its GPU is host memory, runs no kernel, and every call may be told to fail. What is queued while a
// stream is captured runs when the graph is launched.

#ifndef MIRL_TEST_RUNTIME_CORE_FAKECUDA_H
#define MIRL_TEST_RUNTIME_CORE_FAKECUDA_H

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/device/cuda/Driver.h"

namespace mirl::rt::test {

// There is one at a time: the driver's functions know no other.
class FakeCuda {
public:
  FakeCuda();
  ~FakeCuda();
  FakeCuda(const FakeCuda &) = delete;
  FakeCuda &operator=(const FakeCuda &) = delete;

  const cuda::Driver &driver() const { return driver_; }

  // The machine.
  int gpus = 1, major = 9, minor = 0, version = 12080;
  size_t free = size_t{1} << 30, total = size_t{1} << 31;
  // By the function's name in Driver ("Launch"): what it returns instead of doing anything, from its call number `after`
  // (0: the first) on.
  struct Fault {
    cuda::Result result;
    int after = 0;
  };
  std::map<std::string, Fault> faults;
  cuda::Result overlap_fault = 0; // of a launch that may overlap the one before

  // What happened.
  std::map<std::string, int> calls;
  struct Launched {
    unsigned blocks, threads, shared;
    bool overlaps; // the launch before
    // The first 8 bytes of the first arguments, of which a kernel with a buffer has as many; and where the first one is.
    std::array<int64_t, 8> words;
    const int64_t *first;
  };
  std::vector<Launched> launches;
  std::function<void()> kernel; // what every kernel does, if anything
  // Whether what is queued is done when it is waited for, and not at once.
  bool late = false;
  std::deque<std::function<void()>> queue;
  size_t done = 0;                     // of what was queued late
  std::map<cuda::Event, size_t> noted; // how much was to be done before
  void CatchUp(size_t until);            // of all that was queued late
  std::vector<void *> allocations; // of the GPU's memory
  bool capturing = false;
  std::vector<std::function<void()>> captured;
  int64_t memory = 0, host_memory = 0, events = 0, modules = 0, streams = 0, contexts = 0,
          graphs = 0; // that are alive
  // Does it now, or later; or, in a capture, whenever its graph is launched.
  void Enqueue(std::function<void()> work);
  double clock = 0; // milliseconds; a launch takes 2, a copy or a fill 1

private:
  cuda::Driver driver_;
};

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_CORE_FAKECUDA_H
