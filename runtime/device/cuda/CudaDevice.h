// An NVIDIA GPU as a device: kernels are functions of the plan's cubin, and run in one stream.

#ifndef MIRL_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define MIRL_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/artifact/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/device/cuda/CublasLt.h"
#include "runtime/device/cuda/Driver.h"

namespace mirl::rt {

class CudaDevice final : public Device {
public:
  // The first GPU of this process (CUDA_VISIBLE_DEVICES chooses), which must be of the plan's architecture. `driver`
  // and `cublaslt`: null for the machine's.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> Create(std::shared_ptr<const Plan> plan,
                                                            const cuda::Driver *driver = nullptr,
                                                            const cuda::CublasLt *cublaslt = nullptr);
  ~CudaDevice() override;

  absl::Status Allocate(uint64_t bytes) override;
  absl::StatusOr<std::optional<DeviceMemory>> Memory() const override;
  uint8_t *arena() const override { return reinterpret_cast<uint8_t *>(arena_); }
  bool on_host() const override { return false; }
  absl::StatusOr<uint8_t *> AllocateStaging(uint64_t bytes) override;
  absl::Status Upload(uint64_t offset, const void *data, uint64_t bytes) override;
  absl::Status Download(uint64_t offset, void *data, uint64_t bytes) override;
  absl::Status Fill(uint64_t offset, uint64_t bytes, uint8_t value) override;
  absl::Status Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) override;
  absl::Status Launch(uint32_t kernel, void *const *buffers, uint32_t count, const int64_t *dims, int64_t items,
                      int64_t grain, std::span<const TensorMap> maps) override;
  absl::Status Synchronize() override;
  bool runs_behind() const override { return true; }
  absl::Status Note(int number) override;
  absl::Status Await(int number) override;
  absl::StatusOr<std::unique_ptr<ProductLibrary>> OpenProducts() override;
  // Recordings are CUDA graphs, captured from the stream.
  bool records() const override { return true; }
  absl::Status BeginRecording() override;
  absl::StatusOr<uint64_t> EndRecording() override;
  absl::Status Replay(uint64_t recording) override;
  void BeginCall() override { behind_kernel_ = false; }
  bool StopOverlapping() override;
  std::string WhyNoOverlap() const override;
  void Forget(uint64_t recording) override;
  absl::Status Mark(size_t mark) override;
  absl::StatusOr<double> Elapsed(size_t mark) override;

private:
  CudaDevice(std::shared_ptr<const Plan> plan, const cuda::Driver *driver) : plan_(std::move(plan)), driver_(driver) {}
  absl::Status Open();
  absl::Status LoadKernels();
  // The encoded tensor map of the tensor at `address`. It stays where it is.
  absl::StatusOr<const cuda::EncodedMap *> Encode(const TensorMap &map, uint64_t address);

  std::shared_ptr<const Plan> plan_;
  const cuda::Driver *driver_;
  const cuda::CublasLt *cublaslt_ = nullptr;
  cuda::DeviceNumber device_ = 0;
  cuda::Context context_ = nullptr;
  cuda::Stream stream_ = nullptr;
  cuda::Module module_ = nullptr;
  cuda::Address arena_ = 0;
  std::string name_;
  int version_ = 0; // of CUDA, that the driver is for
  std::vector<cuda::Function> functions_;
  std::vector<void *> staging_;
  std::vector<cuda::Event> marks_;
  cuda::Event notes_[2] = {};
  std::unordered_map<uint64_t, cuda::GraphExec> graphs_;
  uint64_t next_graph_ = 0;
  // Whether a kernel may start before the one before it has ended; whether the last thing queued was a kernel of the same call.
  bool overlaps_ = false, behind_kernel_ = false;
  // Kernels with a persistent grid: how many blocks the GPU holds at a time (0: another kind of kernel).
  int multiprocessors_ = 0;
  // What tensor maps were encoded to, by what they say.
  struct KnownMap {
    TensorMap map;
    uint64_t address = 0;
    cuda::EncodedMap encoded;
  };
  std::unordered_multimap<uint64_t, KnownMap> maps_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
