#include "runtime/device/cpu/ThreadPool.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <set>

#include <gtest/gtest.h>

namespace mirl::rt::test {
namespace {

TEST(ThreadPool, EveryItemOnceInPiecesOfTheGrain) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t count : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{63}, int64_t{64},
                          int64_t{1000}, int64_t{12345}}) {
      for (int64_t grain :
           {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{7}, int64_t{64}, int64_t{100000}}) {
        std::unique_ptr<std::atomic<int>[]> times(
            new std::atomic<int>[static_cast<size_t>(count) + 1]());
        std::atomic<int> small{0}, wrong{0};
        pool.ParallelFor(count, grain, [&](int64_t begin, int64_t end) {
          wrong += begin < 0 || end > count || begin >= end;
          small += end - begin < grain && end != count;
          for (int64_t i = begin; i < end; ++i)
            ++times[static_cast<size_t>(i)];
        });
        EXPECT_EQ(wrong, 0);
        EXPECT_EQ(small, 0) << count << " items, grain " << grain;
        for (int64_t i = 0; i < count; ++i)
          ASSERT_EQ(times[static_cast<size_t>(i)], 1)
              << "item " << i << " of " << count << ", grain " << grain;
      }
    }
  }
}

TEST(ThreadPool, NegativeCountsAreNothing) {
  ThreadPool pool(2);
  pool.ParallelFor(-5, 1, [](int64_t, int64_t) { FAIL(); });
}

// What a loop wrote is there for the next one, whichever threads ran them: each item takes its
// neighbour's number of the loop before.
TEST(ThreadPool, ManySmallLoopsInARow) {
  ThreadPool pool(4);
  std::vector<int64_t> now(64), next(64);
  for (int64_t round = 0; round < 20000; ++round) {
    pool.ParallelFor(64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        next[static_cast<size_t>(i)] = now[static_cast<size_t>((i + 17) % 64)] + 1;
    });
    now.swap(next);
  }
  for (int64_t value : now)
    EXPECT_EQ(value, 20000);
}

TEST(ThreadPool, WorkersThatSleepWakeUp) {
  ThreadPool pool(3);
  for (int round = 0; round < 40; ++round) {
    // Longer than they spin.
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 2 ? 3 : 0));
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(1000, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    EXPECT_EQ(sum, 1000);
  }
}

TEST(ThreadPool, OthersHelp) {
  ThreadPool pool(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  // Whoever comes first waits for the other, who may have to wait for a core.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  pool.ParallelFor(16, 1, [&](int64_t, int64_t) {
    while (std::chrono::steady_clock::now() < deadline) {
      {
        std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
        if (seen.size() == 2)
          return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(seen.size(), 2u);
}

TEST(ThreadPool, ComesAndGoes) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(1 + i % 5);
    if (i % 3)
      pool.ParallelFor(100, 1, [](int64_t, int64_t) {});
  }
  EXPECT_GE(ThreadPool::AvailableCpus(), 1);
  EXPECT_EQ(ThreadPool(0).threads(), ThreadPool::AvailableCpus());
}

} // namespace
} // namespace mirl::rt::test
