// The CPU as a device: kernels are functions of the plan's library, and run on a pool of threads.

#ifndef MIRL_RUNTIME_DEVICE_CPU_CPUDEVICE_H
#define MIRL_RUNTIME_DEVICE_CPU_CPUDEVICE_H

#include <chrono>
#include <memory>
#include <vector>

#include "runtime/artifact/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/device/cpu/ThreadPool.h"

namespace mirl::rt {

class CpuDevice final : public Device {
public:
  // threads: 0 for all the cores this process may use.
  CpuDevice(std::shared_ptr<const Plan> plan, int threads);
  ~CpuDevice() override;

  absl::Status Allocate(uint64_t bytes) override;
  uint8_t *arena() const override { return arena_; }
  bool on_host() const override { return true; }
  int threads() const override { return pool_.threads(); }
  absl::StatusOr<uint8_t *> AllocateStaging(uint64_t bytes) override;
  absl::Status Upload(uint64_t offset, const void *data, uint64_t bytes) override;
  absl::Status Download(uint64_t offset, void *data, uint64_t bytes) override;
  absl::Status Fill(uint64_t offset, uint64_t bytes, uint8_t value) override;
  absl::Status Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) override;
  absl::Status Launch(uint32_t kernel, void *const *buffers, uint32_t count, const int64_t *dims, int64_t items,
                      int64_t grain, std::span<const TensorMap> maps) override;
  absl::Status Synchronize() override { return absl::OkStatus(); }
  absl::Status Mark(size_t mark) override;
  absl::StatusOr<double> Elapsed(size_t mark) override;

private:
  std::shared_ptr<const Plan> plan_;
  ThreadPool pool_;
  void *map_ = nullptr;
  size_t map_bytes_ = 0;
  uint8_t *arena_ = nullptr;
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CPU_CPUDEVICE_H
