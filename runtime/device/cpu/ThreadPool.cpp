#include "runtime/device/cpu/ThreadPool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>

namespace mirl::rt {

// `generation_` packs three things, so that joining a loop and closing it cannot interleave:
// bit 0 = the loop is open to workers, bits 1-15 = how many are in it, bits 16-63 = its number.
// The caller waits only for workers that joined: one that the system has not scheduled yet costs
// nothing, which matters when the cores are shared.
namespace {

constexpr uint64_t kOpen = 1, kOne = 2, kCount = 0xFFFE;
constexpr auto kSpin = std::chrono::microseconds(50);

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

} // namespace

int ThreadPool::AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0)
    threads = AvailableCpus();
  threads = std::min(threads, 1024);
  workers_.reserve(threads - 1);
  for (int i = 1; i < threads; ++i)
    workers_.emplace_back([this] { Worker(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread &worker : workers_)
    worker.join();
}

void ThreadPool::Work() {
  for (;;) {
    int64_t begin = next_.fetch_add(piece_, std::memory_order_relaxed);
    if (begin >= count_)
      return;
    function_(context_, begin, std::min(begin + piece_, count_));
  }
}

void ThreadPool::Run(int64_t count, int64_t grain, Function function, void *context) {
  if (count <= 0)
    return;
  grain = std::max<int64_t>(grain, 1);
  if (workers_.empty() || count <= grain) {
    function(context, 0, count);
    return;
  }
  function_ = function;
  context_ = context;
  count_ = count;
  // Some eight pieces a thread even out what one of them loses to other processes.
  int64_t pieces = static_cast<int64_t>(threads()) * 8;
  piece_ = std::max(grain, (count + pieces - 1) / pieces);
  next_.store(0, std::memory_order_relaxed);
  uint64_t number = (generation_.load(std::memory_order_relaxed) >> 16) + 1;
  generation_.store(number << 16 | kOpen); // sequentially consistent, against sleeping_ in Worker
  if (sleeping_.load() > 0) {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  Work();
  uint64_t state = generation_.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int spins = 0; state & kCount; ++spins) {
    if (spins < 2000)
      Pause();
    else
      sched_yield(); // a worker was descheduled in the middle of a piece
    state = generation_.load(std::memory_order_acquire);
  }
}

void ThreadPool::Worker() {
  uint64_t last = 0;
  auto due = [&](uint64_t state) { return (state & kOpen) && state >> 16 != last; };
  auto idle_since = std::chrono::steady_clock::now();
  for (int spins = 0;; ++spins) {
    uint64_t state = generation_.load(std::memory_order_acquire);
    if (due(state)) {
      if (!generation_.compare_exchange_weak(state, state + kOne, std::memory_order_acq_rel))
        continue;
      last = state >> 16;
      Work();
      generation_.fetch_sub(kOne, std::memory_order_acq_rel);
      idle_since = std::chrono::steady_clock::now();
      spins = 0;
      continue;
    }
    if (stop_.load(std::memory_order_relaxed))
      return;
    Pause();
    if (spins % 64 == 63 && std::chrono::steady_clock::now() - idle_since > kSpin) {
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return stop_.load() || due(generation_.load()); });
      sleeping_.fetch_sub(1);
      idle_since = std::chrono::steady_clock::now();
    }
  }
}

} // namespace mirl::rt
