#include "runtime/device/cpu/CpuDevice.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
// Bytes of a fill or copy that are worth a thread's attention.
constexpr int64_t kGrain = int64_t{1} << 18;

} // namespace

CpuDevice::CpuDevice(std::shared_ptr<const Plan> plan, int threads) : plan_(std::move(plan)), pool_(threads) {}

CpuDevice::~CpuDevice() {
  if (map_)
    munmap(map_, map_bytes_);
}

absl::Status CpuDevice::Allocate(uint64_t bytes) {
  // The mapping is a huge page longer than the arena, so that the arena can start on one.
  map_bytes_ = bytes + kHugePage;
  void *map = mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED)
    return absl::ResourceExhaustedError(Cat("cannot allocate its memory of ", bytes, " bytes: ", strerror(errno)));
  map_ = map;
  auto address = (reinterpret_cast<uintptr_t>(map) + kHugePage - 1) / kHugePage * kHugePage;
  arena_ = reinterpret_cast<uint8_t *>(address);
  if (bytes >= kHugePage)
    madvise(arena_, bytes, MADV_HUGEPAGE); // A refusal costs speed only.
  return absl::OkStatus();
}

absl::StatusOr<uint8_t *> CpuDevice::AllocateStaging(uint64_t) {
  return absl::UnimplementedError("the arena is host memory and needs no staging");
}

absl::Status CpuDevice::Upload(uint64_t offset, const void *data, uint64_t bytes) {
  std::memcpy(arena_ + offset, data, bytes);
  return absl::OkStatus();
}

absl::Status CpuDevice::Download(uint64_t offset, void *data, uint64_t bytes) {
  std::memcpy(data, arena_ + offset, bytes);
  return absl::OkStatus();
}

absl::Status CpuDevice::Fill(uint64_t offset, uint64_t bytes, uint8_t value) {
  pool_.ParallelFor(static_cast<int64_t>(bytes), kGrain, [&](int64_t begin, int64_t end) {
    std::memset(arena_ + offset + begin, value, static_cast<size_t>(end - begin));
  });
  return absl::OkStatus();
}

absl::Status CpuDevice::Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) {
  for (uint64_t piece = 0; piece < pieces; ++piece) {
    uint8_t *target = arena_ + to + piece * stride;
    const uint8_t *source = arena_ + from + piece * stride;
    // Pieces of slices that overlap must not be copied out of order.
    bool apart = target + bytes <= source || source + bytes <= target;
    auto count = static_cast<int64_t>(bytes);
    pool_.ParallelFor(count, apart ? kGrain : count, [&](int64_t begin, int64_t end) {
      std::memmove(target + begin, source + begin, static_cast<size_t>(end - begin));
    });
  }
  return absl::OkStatus();
}

absl::Status CpuDevice::Launch(uint32_t kernel, void *const *buffers, uint32_t, const int64_t *dims, int64_t items,
                               int64_t grain, std::span<const TensorMap>) {
  KernelFunction function = plan_->kernel(kernel);
  pool_.ParallelFor(items, grain, [&](int64_t begin, int64_t end) { function(buffers, dims, begin, end); });
  return absl::OkStatus();
}

absl::Status CpuDevice::Mark(size_t mark) {
  if (marks_.size() <= mark)
    marks_.resize(mark + 1);
  marks_[mark] = std::chrono::steady_clock::now();
  return absl::OkStatus();
}

absl::StatusOr<double> CpuDevice::Elapsed(size_t mark) {
  return std::chrono::duration<double>(marks_[mark] - marks_[0]).count();
}

} // namespace mirl::rt
