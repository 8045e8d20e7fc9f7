// What runs a plan's kernels and holds its memory. A Session has one device, whose thread is the session's.
//
// Memory is one arena; every offset below is in bytes from its beginning. Work is queued in order and may still run when
// a call returns; Synchronize waits for all of it. Upload and Download have read or written host memory by then at the
// latest.

#ifndef MIRL_RUNTIME_DEVICE_DEVICE_H
#define MIRL_RUNTIME_DEVICE_DEVICE_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/device/ProductLibrary.h"

namespace mirl::rt {

// A tensor map of a launch (plan.fbs, TensorMap), with its extents in this call.
struct TensorMap {
  uint32_t argument = 0, rank = 0, swizzle = 0;
  bool f32 = false; // else bf16
  std::array<uint64_t, 5> dims = {};
  std::array<uint64_t, 4> strides = {};
  std::array<uint32_t, 5> box = {};
  bool operator==(const TensorMap &) const = default;
};

// Memory of a device that has its own, in bytes: what is in use, by whomever, and all there is.
struct DeviceMemory {
  std::string device;
  uint64_t used = 0, total = 0;
};

class Device {
public:
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  virtual ~Device() = default;

  // Zeroed memory of this many bytes; called once, before anything else. Refused when there is not enough.
  virtual absl::Status Allocate(uint64_t bytes) = 0;
  // Where the arena begins, as kernels see it.
  virtual uint8_t *arena() const = 0;
  // Whether the host may read and write the arena itself.
  virtual bool on_host() const = 0;
  // Threads that kernels run on; 0 when that is none of the host's business.
  virtual int threads() const { return 0; }
  // As it is now; nothing where the arena is the host's.
  virtual absl::StatusOr<std::optional<DeviceMemory>> Memory() const { return std::nullopt; }

  // Zeroed host memory that Upload and Download are fast from and to; it lives as long as the device.
  virtual absl::StatusOr<uint8_t *> AllocateStaging(uint64_t bytes) = 0;
  virtual absl::Status Upload(uint64_t offset, const void *data, uint64_t bytes) = 0;
  virtual absl::Status Download(uint64_t offset, void *data, uint64_t bytes) = 0;
  // Sets bytes to a value.
  virtual absl::Status Fill(uint64_t offset, uint64_t bytes, uint8_t value) = 0;
  // `pieces` pieces of `bytes` bytes, each `stride` bytes behind the one before. Where source and target overlap, there is
  // one piece, which is copied as if by way of a third place, or refused.
  virtual absl::Status Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) = 0;
  // Runs `items` work items of the plan's kernel of this number over `count` buffers (addresses), with the six `dims`
  // (docs/plan.md). `grain`: the smallest number of items worth handing to a thread. `maps`: the kernel's tensor maps.
  virtual absl::Status Launch(uint32_t kernel, void *const *buffers, uint32_t count, const int64_t *dims, int64_t items,
                              int64_t grain, std::span<const TensorMap> maps) = 0;
  // What is launched next waits for all that was queued: kernels of one call may start while the one before is at work, and read
  // what no command of their entry writes.
  virtual void BeginCall() {}
  virtual absl::Status Synchronize() = 0;
  // Whether what is queued runs while the host does something else.
  virtual bool runs_behind() const { return false; }
  // Notes this place of the queue, as number 0 or 1. Await waits until the device has got to where this number was noted
  // last, and not for what was queued since.
  virtual absl::Status Note(int /*number*/) { return absl::OkStatus(); }
  virtual absl::Status Await(int /*number*/) { return Synchronize(); }
  // The library that a plan's library calls ask for. It must not outlive the device.
  virtual absl::StatusOr<std::unique_ptr<ProductLibrary>> OpenProducts() {
    return absl::UnimplementedError("this device has no library of matrix products");
  }

  // Recordings. What is queued from BeginRecording to EndRecording does not run but is kept, with its arguments, and runs as a
  // whole each time it is replayed. EndRecording ends it whatever happened since; what failed is not kept. A replay that is
  // refused has run nothing.
  virtual bool records() const { return false; }
  virtual absl::Status BeginRecording() { return absl::UnimplementedError("this device records nothing"); }
  virtual absl::StatusOr<uint64_t> EndRecording() { return absl::UnimplementedError("this device records nothing"); }
  virtual absl::Status Replay(uint64_t /*recording*/) { return absl::UnimplementedError("this device records nothing"); }
  virtual void Forget(uint64_t /*recording*/) {}
  // Kernels that are launched or recorded from now on wait for each other in full. False: they did so already.
  virtual bool StopOverlapping() { return false; }
  // Why kernels of recordings wait for each other in full from the start, where newer software would let them overlap; else empty.
  virtual std::string WhyNoOverlap() const { return {}; }

  // Notes when the device gets to this place of its queue, under a number; numbers are small and may be used again.
  virtual absl::Status Mark(size_t mark) = 0;
  // Seconds from mark 0 to this one, both of which the device has passed (Synchronize).
  virtual absl::StatusOr<double> Elapsed(size_t mark) = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_DEVICE_H
