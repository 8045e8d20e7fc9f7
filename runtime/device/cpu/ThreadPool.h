// A pool of threads that share loops with their caller.

#ifndef MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H
#define MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace mirl::rt {

// One caller at a time. Each thread begins with a share of the items of its own, the same one for
// the same count and grain, so that what a kernel wrote is still in the cache of the core that
// reads it next; whoever is done takes pieces from the others. Between loops the workers spin for
// some 50 µs, so that a run of small kernels costs a few exchanges of a cache line each, and then
// sleep.
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
    Run(
        count, grain,
        [](void *context, int64_t begin, int64_t end) { (*static_cast<F *>(context))(begin, end); },
        const_cast<std::remove_const_t<F> *>(&fn));
  }

  static int AvailableCpus();

private:
  using Function = void (*)(void *context, int64_t begin, int64_t end);

  // What a thread is told of a loop, and its answer: one cache line, so that telling is one
  // exchange. The caller writes it while the thread is not in a loop.
  struct alignas(64) Share {
    std::atomic<int> state{0};
    int participants = 0;         // of the loop; the others' shares may be taken from
    std::atomic<int64_t> next{0}; // the first item that nobody took
    int64_t end = 0, piece = 1;   // items
    Function function = nullptr;
    void *context = nullptr;
  };

  void Run(int64_t count, int64_t grain, Function function, void *context);
  // Does the pieces of share `own`, then those that the others have left.
  void Work(int own);
  void Worker(int own);

  std::unique_ptr<Share[]> shares_; // the caller's first
  std::vector<std::thread> workers_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CPU_THREADPOOL_H
