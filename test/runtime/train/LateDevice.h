// A device whose memory is not the host's and which does what is queued as late as it may: when it is waited for. Host
// memory is read and written then, so what was changed too early, or read before it came, shows.

#ifndef MIRL_TEST_RUNTIME_TRAIN_LATEDEVICE_H
#define MIRL_TEST_RUNTIME_TRAIN_LATEDEVICE_H

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/device/cpu/CpuDevice.h"

namespace mirl::rt::test {

class LateDevice final : public Device {
public:
  explicit LateDevice(std::shared_ptr<const Plan> plan) : cpu_(std::move(plan), 1) {}

  absl::Status Allocate(uint64_t bytes) override { return cpu_.Allocate(bytes); }
  uint8_t *arena() const override { return cpu_.arena(); }
  bool on_host() const override { return false; }
  absl::StatusOr<uint8_t *> AllocateStaging(uint64_t bytes) override {
    staging_ = std::make_unique<uint8_t[]>(bytes);
    return staging_.get();
  }
  absl::Status Upload(uint64_t offset, const void *data, uint64_t bytes) override {
    return Queue([=, this] { return cpu_.Upload(offset, data, bytes); });
  }
  absl::Status Download(uint64_t offset, void *data, uint64_t bytes) override {
    return Queue([=, this] { return cpu_.Download(offset, data, bytes); });
  }
  absl::Status Fill(uint64_t offset, uint64_t bytes, uint8_t value) override {
    return Queue([=, this] { return cpu_.Fill(offset, bytes, value); });
  }
  absl::Status Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) override {
    return Queue([=, this] { return cpu_.Copy(from, to, bytes, pieces, stride); });
  }
  absl::Status Launch(uint32_t kernel, void *const *buffers, uint32_t count, const int64_t *dims, int64_t items, int64_t grain,
                      std::span<const TensorMap>) override {
    ++launches;
    if (launches == refused_launch)
      return absl::InternalError("launching: refused");
    bool fails = launches == failing_launch;
    std::vector<void *> arguments(buffers, buffers + count);
    std::vector<int64_t> extents(dims, dims + 6);
    return Queue([=, this]() -> absl::Status {
      if (fails)
        return absl::InternalError("running: failed");
      return cpu_.Launch(kernel, arguments.data(), static_cast<uint32_t>(arguments.size()), extents.data(), items, grain, {});
    });
  }
  absl::Status Synchronize() override {
    Work(queue_.size());
    return broken_;
  }
  bool runs_behind() const override { return true; }
  absl::Status Note(int number) override {
    notes_[number] = done_ + queue_.size();
    return absl::OkStatus();
  }
  absl::Status Await(int number) override {
    if (notes_[number] > done_)
      Work(notes_[number] - done_);
    return broken_;
  }
  absl::Status Mark(size_t mark) override { return cpu_.Mark(mark); }
  absl::StatusOr<double> Elapsed(size_t mark) override { return cpu_.Elapsed(mark); }

  size_t queued() const { return queue_.size(); }
  // Numbers of launches, from 1 on: refused when it is queued; failed when it runs, and all behind it.
  int64_t launches = 0, refused_launch = 0, failing_launch = 0;

private:
  absl::Status Queue(std::function<absl::Status()> work) {
    if (!broken_.ok())
      return broken_;
    queue_.push_back(std::move(work));
    return absl::OkStatus();
  }
  void Work(size_t count) {
    for (; count > 0; --count, ++done_) {
      if (broken_.ok())
        broken_ = queue_.front()();
      queue_.pop_front();
    }
  }

  CpuDevice cpu_;
  std::unique_ptr<uint8_t[]> staging_;
  std::deque<std::function<absl::Status()>> queue_;
  size_t done_ = 0, notes_[2] = {};
  absl::Status broken_;
};

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_TRAIN_LATEDEVICE_H
