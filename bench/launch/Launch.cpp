// The host's time for a call of 250 launches (a decode step of 24 layers) on a driver that does
// nothing: launched one by one, recorded, and replayed. A tensor map is among the arguments of
// each. The driver's own time comes on top, and is not known here.

#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>

#include "test/runtime/core/CorePlan.h"
#include "test/runtime/core/FakeCuda.h"

namespace mirl::rt::test {
namespace {

constexpr int kLaunches = 250;

// The driver with nothing behind the calls that a step makes.
cuda::Driver Idle(const FakeCuda &fake) {
  cuda::Driver driver = fake.driver();
  driver.Launch = [](cuda::Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                     unsigned, cuda::Stream, void **arguments, void **) {
    benchmark::DoNotOptimize(arguments);
    return 0;
  };
  driver.CopyToDevice = [](cuda::Address, const void *, size_t, cuda::Stream) { return 0; };
  driver.CopyToHost = [](void *, cuda::Address, size_t, cuda::Stream) { return 0; };
  driver.CopyOnDevice = [](cuda::Address, cuda::Address, size_t, cuda::Stream) { return 0; };
  driver.BeginCapture = [](cuda::Stream, int) { return 0; };
  driver.EndCapture = [](cuda::Stream, cuda::Graph *graph) { return *graph = nullptr, 0; };
  driver.GraphInstantiate = [](cuda::GraphExec *ready, cuda::Graph, unsigned long long) {
    return *ready = nullptr, 0;
  };
  driver.GraphDestroy = [](cuda::Graph) { return 0; };
  driver.GraphExecDestroy = [](cuda::GraphExec) { return 0; };
  driver.GraphLaunch = [](cuda::GraphExec, cuda::Stream) { return 0; };
  driver.StreamSynchronize = [](cuda::Stream) { return 0; };
  return driver;
}

// `shapes`: calls with so many different numbers of rows in turn.
void Step(benchmark::State &state, int64_t recorded, int64_t shapes) {
  FakeCuda fake;
  cuda::Driver driver = Idle(fake);
  SessionOptions options;
  options.cuda_driver = &driver;
  options.recorded_commands = recorded;
  auto session = Session::Create(CorePlan({.cuda = true, .launches = kLaunches}), options);
  if (!session.ok()) {
    std::fprintf(stderr, "mirl-bench-launch: error: %s\n",
                 std::string(session.status().message()).c_str());
    std::exit(1);
  }
  const fb::Entry &entry = *(*session)->plan().FindEntry("rows");
  int64_t call = 0;
  auto run = [&] { return (*session)->Run(entry, {0, 1 + call++ % shapes, 0, 0}); };
  for (int64_t i = 0; i < 2 * shapes; ++i)
    run().IgnoreError();
  for (auto _ : state)
    if (!run().ok())
      std::exit(1);
  state.counters["a launch"] = benchmark::Counter(
      kLaunches * state.iterations(), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

} // namespace
} // namespace mirl::rt::test

int main(int argc, char **argv) {
  using mirl::rt::test::Step;
  benchmark::RegisterBenchmark("step/one_by_one", Step, 0, 1);
  benchmark::RegisterBenchmark("step/replayed", Step, 1 << 16, 1);
  benchmark::RegisterBenchmark("step/replayed/200_shapes", Step, 1 << 16, 200);
  // Room for one: each call is recorded anew.
  benchmark::RegisterBenchmark("step/recorded", Step, 2 * mirl::rt::test::kLaunches - 1, 2);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  benchmark::RunSpecifiedBenchmarks();
}
