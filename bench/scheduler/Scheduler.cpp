// The scheduler's time for a decode step, by the number of running sequences: responses of drawn
// lengths, so that sequences end and others take their place all the time. `allocations` counts
// those of the steps; it must be 0.

#include <cstdlib>
#include <new>
#include <random>

#include <benchmark/benchmark.h>

#include "runtime/rollout/Scheduler.h"

namespace {
int64_t g_allocations = 0;
} // namespace

void *operator new(size_t size) {
  ++g_allocations;
  if (void *memory = std::malloc(size))
    return memory;
  std::abort();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

namespace {

using namespace mirl::rt;

void Steps(benchmark::State &state, double pool) {
  int64_t slots = state.range(0), context = 4096;
  SchedulerLimits limits;
  limits.slots = slots;
  limits.rows = slots + 1024;
  limits.max_context = context;
  limits.blocks = static_cast<int64_t>(pool * static_cast<double>(slots * BlocksOf(context)));
  limits.chunk = 512;
  auto created = Scheduler::Create(limits);
  if (!created.ok()) {
    state.SkipWithError(std::string(created.status().message()).c_str());
    return;
  }
  Scheduler &scheduler = **created;
  std::mt19937 random(1);
  std::lognormal_distribution<double> length(6, 1);
  std::vector<uint8_t> stop(static_cast<size_t>(slots));
  int64_t tokens = 0, allocations = 0, steps = 0;
  auto begin = [&] {
    scheduler.Begin();
    for (int64_t i = 0; i < 8192; ++i)
      (void)scheduler.Add({.group = i / 8, .prompt = 96 + i / 8 % 64,
                           .limit = std::clamp<int64_t>(std::llround(length(random)), 1, 3800)});
  };
  begin();
  for (auto _ : state) {
    int64_t before = g_allocations;
    const Step *step = scheduler.Next();
    if (!step) {
      state.PauseTiming();
      begin();
      state.ResumeTiming();
      before = g_allocations;
      step = scheduler.Next();
    }
    tokens += static_cast<int64_t>(step->sampled.size());
    scheduler.Complete({stop.data(), step->sampled.size()});
    allocations += g_allocations - before;
    ++steps;
  }
  state.counters["sequences"] = static_cast<double>(tokens) / static_cast<double>(steps);
  state.counters["allocations"] = static_cast<double>(allocations);
  state.counters["preemptions"] = static_cast<double>(scheduler.stats().preemptions);
}

} // namespace

BENCHMARK_CAPTURE(Steps, pool_of_all, 1.0)->RangeMultiplier(4)->Range(64, 1024);
BENCHMARK_CAPTURE(Steps, pool_of_an_eighth, 0.125)->RangeMultiplier(4)->Range(64, 1024);

BENCHMARK_MAIN();
