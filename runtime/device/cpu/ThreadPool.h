// A pool of threads that share loops with their caller.

#ifndef MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H
#define MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace mirl::rt {

// One caller at a time. Between loops the workers spin for some 50 µs, so that a run of small
// kernels costs a cache line's exchange each, and then sleep.
class ThreadPool {
public:
  // 0: as many as CPUs this process may run on.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(begin, end) over pieces that cover [0, count) once, each of at least `grain` items but
  // the last. Returns when all are done. `fn` must not throw, nor call ParallelFor.
  template <typename Fn> void ParallelFor(int64_t count, int64_t grain, Fn &&fn) {
    using F = std::remove_reference_t<Fn>;
    Run(count, grain,
        [](void *context, int64_t begin, int64_t end) { (*static_cast<F *>(context))(begin, end); },
        const_cast<std::remove_const_t<F> *>(&fn));
  }

  static int AvailableCpus();

private:
  using Function = void (*)(void *context, int64_t begin, int64_t end);
  void Run(int64_t count, int64_t grain, Function function, void *context);
  void Work();
  void Worker();

  std::vector<std::thread> workers_;

  // The loop at hand; written by the caller before it bumps `generation_`.
  Function function_ = nullptr;
  void *context_ = nullptr;
  int64_t count_ = 0, piece_ = 1;

  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint64_t> generation_{0};
  alignas(64) std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H
