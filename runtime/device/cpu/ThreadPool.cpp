#include "runtime/device/cpu/ThreadPool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>

namespace mirl::rt {

namespace {

// A share's state. The caller waits only for workers that joined: one that the system has not
// scheduled yet costs nothing, which matters when the cores are shared.
enum State : int {
  kDone = 0, // no loop
  kOpen,     // a loop to join
  kJoined,   // its thread is in the loop
  kAsleep,   // no loop, and its thread must be woken
  kStop,
};
// Pieces of a share: they even out what a thread loses to other processes.
constexpr int64_t kPieces = 8;
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
  shares_ = std::make_unique<Share[]>(static_cast<size_t>(threads));
  workers_.reserve(static_cast<size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i)
    workers_.emplace_back([this, i] { Worker(i); });
}

ThreadPool::~ThreadPool() {
  for (int i = 1; i < threads(); ++i) {
    shares_[i].state.store(kStop);
    shares_[i].state.notify_one();
  }
  for (std::thread &worker : workers_)
    worker.join();
}

void ThreadPool::Work(int own) {
  const int participants = shares_[own].participants;
  for (int i = 0; i < participants; ++i) {
    Share &share = shares_[(own + i) % participants];
    // Looked at before it is taken: a share that is used up stays in its owner's cache.
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      int64_t begin = share.next.fetch_add(share.piece, std::memory_order_relaxed);
      if (begin >= share.end)
        break;
      share.function(share.context, begin, std::min(begin + share.piece, share.end));
    }
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
  const int64_t grains = (count + grain - 1) / grain;
  const int participants = static_cast<int>(std::min<int64_t>(threads(), grains));
  for (int i = participants - 1; i >= 0; --i) { // the caller's last: it is read at once
    Share &share = shares_[i];
    const int64_t first = grains * i / participants, last = grains * (i + 1) / participants;
    share.participants = participants;
    share.next.store(first * grain, std::memory_order_relaxed);
    share.end = std::min(last * grain, count);
    share.piece = (last - first + kPieces - 1) / kPieces * grain;
    share.function = function;
    share.context = context;
  }
  for (int i = 1; i < participants; ++i)
    if (shares_[i].state.exchange(kOpen, std::memory_order_acq_rel) == kAsleep)
      shares_[i].state.notify_one();
  Work(0);
  for (int i = 1; i < participants; ++i) {
    int state = shares_[i].state.load(std::memory_order_acquire);
    if (state == kOpen &&
        shares_[i].state.compare_exchange_strong(state, kDone, std::memory_order_acq_rel))
      continue;
    for (int spins = 0; shares_[i].state.load(std::memory_order_acquire) == kJoined; ++spins) {
      if (spins < 2000)
        Pause();
      else
        sched_yield(); // the worker was descheduled in the middle of a piece
    }
  }
}

void ThreadPool::Worker(int own) {
  std::atomic<int> &state = shares_[own].state;
  auto idle_since = std::chrono::steady_clock::now();
  for (int spins = 0;; ++spins) {
    int now = state.load(std::memory_order_acquire);
    if (now == kStop)
      return;
    if (now == kOpen) {
      if (!state.compare_exchange_strong(now, kJoined, std::memory_order_acq_rel))
        continue;
      Work(own);
      state.store(kDone, std::memory_order_release);
      idle_since = std::chrono::steady_clock::now();
      spins = 0;
      continue;
    }
    Pause();
    if (spins % 64 == 63 && std::chrono::steady_clock::now() - idle_since > kSpin &&
        state.compare_exchange_strong(now, kAsleep, std::memory_order_acq_rel)) {
      state.wait(kAsleep, std::memory_order_acquire);
      idle_since = std::chrono::steady_clock::now();
    }
  }
}

} // namespace mirl::rt
