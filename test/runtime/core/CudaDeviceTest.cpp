// The runtime on a GPU that is not there: what it says when something is missing or fails, that nothing leaks, and what it
// asks of the driver. FakeCuda runs no kernels; test/gpu does, on a real GPU.

#include "runtime/device/cuda/CudaDevice.h"

#include <cmath>

#include "test/runtime/core/CorePlan.h"
#include "test/runtime/core/FakeCuda.h"

namespace mirl::rt::test {
namespace {

absl::StatusOr<std::unique_ptr<Session>> Open(const FakeCuda &cuda, bool profile = false) {
  SessionOptions options;
  options.cuda_driver = &cuda.driver();
  options.profile = profile;
  return Session::Create(CorePlan({.cuda = true}), options);
}

absl::Status RunRows(Session &session, int64_t rows) {
  return session.Run(*session.plan().FindEntry("rows"), {0, rows, 0, 0});
}

TEST(CudaDriver, NoLibrary) {
  ExpectError(cuda::Driver::Load("libmirl_no_such_cuda.so.1"), "there is no NVIDIA driver", "libmirl_no_such_cuda.so.1");
}

TEST(CudaDriver, AnOldOne) {
  ExpectError(cuda::Driver::Load(MIRL_CUDA_11_8), "the NVIDIA driver is too old: it is for CUDA 11.8; 12.0 or later is needed");
}

TEST(CudaDriver, OneWithoutAFunction) {
  ExpectError(cuda::Driver::Load(MIRL_CUDA_12_0), "the NVIDIA driver cannot be used", "has no cu");
}

TEST(CudaDriver, NoGpuAndNoStart) {
  FakeCuda cuda;
  EXPECT_TRUE(cuda.driver().Start().ok());
  cuda.faults["Init"] = {3};
  ExpectError(cuda.driver().Start(), "the NVIDIA driver does not start", "CUDA_ERROR_FAKE (3)");
  cuda.faults.clear();
  cuda.gpus = 0;
  ExpectError(cuda.driver().Start(), "this machine has no NVIDIA GPU that CUDA_VISIBLE_DEVICES allows");
}

TEST(CudaDevice, NoGpu) {
  FakeCuda cuda;
  cuda.gpus = 0;
  ExpectError(Open(cuda), "core.plan: this machine has no NVIDIA GPU that CUDA_VISIBLE_DEVICES allows");
}

TEST(CudaDevice, AnotherArchitecture) {
  FakeCuda cuda;
  cuda.major = 8;
  ExpectError(Open(cuda), "core.plan: the plan is for sm_90a; the GPU is a Fake GPU, sm_80");
  // Code for sm_90a runs on nothing newer either.
  cuda.major = 10;
  ExpectError(Open(cuda), "sm_90a", "sm_100");
}

TEST(CudaDevice, KernelsTheDriverDoesNotTake) {
  FakeCuda cuda;
  cuda.version = 12010;
  cuda.faults["ModuleLoad"] = {209};
  ExpectError(Open(cuda), "loading the kernels onto Fake GPU (driver for CUDA 12.1)", "(209)", "the device's message");
}

TEST(CudaDevice, MorePlanThanMemory) {
  auto plan = CorePlan({.cuda = true});
  uint64_t bytes = plan->root().arena_bytes();
  FakeCuda cuda;
  cuda.free = bytes - 1; // Another process has the rest.
  ExpectError(Open(cuda), "core.plan: needs " + std::to_string(bytes) + " bytes of memory; Fake GPU has " +
                              std::to_string(bytes - 1) + " of its " + std::to_string(cuda.total) + " bytes free",
              "--memory-budget");
  cuda.free = bytes;
  EXPECT_TRUE(Open(cuda).ok());
  // Another process takes it between the question and the allocation.
  cuda.free = bytes;
  cuda.faults["MemoryAllocate"] = {2};
  ExpectError(Open(cuda), "allocating " + std::to_string(bytes) + " bytes of memory on Fake GPU", "CUDA_ERROR_OUT_OF_MEMORY");
}

// What is in use is the plan's, the driver's and everybody else's.
TEST(CudaDevice, MemoryInUse) {
  FakeCuda cuda;
  uint64_t others = cuda.total - cuda.free;
  auto session = Open(cuda);
  ASSERT_TRUE(session.ok()) << session.status();
  auto memory = (*session)->Memory();
  ASSERT_TRUE(memory.ok() && *memory) << memory.status();
  EXPECT_EQ((*memory)->device, "Fake GPU");
  EXPECT_EQ((*memory)->total, cuda.total);
  EXPECT_EQ((*memory)->used, others + (*session)->plan().root().arena_bytes());
  cuda.faults["MemoryInfo"] = {999};
  ExpectError((*session)->Memory(), "asking for the memory of Fake GPU", "(999)");
  // A plan for the CPU has none.
  auto here = CoreSession()->Memory();
  EXPECT_TRUE(here.ok() && !*here);
}

// Whichever call fails when a plan is loaded: an error that names the plan, and nothing left behind.
TEST(CudaDevice, EveryFaultAtLoad) {
  for (const char *call : {"DeviceGetCount", "DeviceGet", "PrimaryContextRetain", "ContextSetCurrent", "StreamCreate", "EventCreate", "ModuleLoad",
                           "ModuleGetFunction", "MemoryInfo", "MemoryAllocate", "Set", "HostAllocate", "CopyToDevice",
                           "StreamSynchronize"}) {
    SCOPED_TRACE(call);
    FakeCuda cuda;
    cuda.faults[call] = {999};
    ExpectError(Open(cuda), "CUDA_ERROR_FAKE (999): the device's message");
    EXPECT_GT(cuda.calls[call], 0);
  }
}

TEST(CudaDevice, EveryFaultInARun) {
  for (const char *call : {"CopyToDevice", "EncodeMap", "Launch", "CopyToHost", "StreamSynchronize"}) {
    SCOPED_TRACE(call);
    FakeCuda cuda;
    auto session = Open(cuda);
    ASSERT_TRUE(session.ok()) << session.status();
    ASSERT_TRUE(RunRows(**session, 5).ok());
    cuda.faults[call] = {700};
    absl::Status status = RunRows(**session, 6);
    ExpectError(status, "CUDA_ERROR_ILLEGAL_ADDRESS (700): the device's message");
    // A launch names its op and kernel; what shows later names the entry.
    if (std::string(call) == "Launch")
      ExpectError(status, "core: launching kernel core_rows");
    if (std::string(call) == "StreamSynchronize")
      ExpectError(status, "entry rows", "--profile tells the op");
    if (std::string(call).starts_with("Copy"))
      ExpectError(status, "entry rows", std::string(call) == "CopyToHost" ? "output y" : "input x");
  }
}

TEST(CudaDevice, TheProfileTellsTheOpOfAFault) {
  FakeCuda cuda;
  auto session = Open(cuda, /*profile=*/true);
  ASSERT_TRUE(session.ok()) << session.status();
  // The copy of a constant is fine; then the kernel.
  cuda.faults["StreamSynchronize"] = {700, cuda.calls["StreamSynchronize"] + 1};
  ExpectError(RunRows(**session, 5), "core: running on Fake GPU: CUDA_ERROR_ILLEGAL_ADDRESS");
}

TEST(CudaDevice, AGrid) {
  FakeCuda cuda;
  auto session = Open(cuda);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(RunRows(**session, 5).ok());
  ASSERT_EQ(cuda.launches.size(), 1u);
  EXPECT_EQ(cuda.launches[0].threads, 128u);
  unsigned few = cuda.launches[0].blocks;
  ASSERT_TRUE(RunRows(**session, kTokenRows).ok());
  // A persistent grid has no more blocks than the GPU has multiprocessors.
  EXPECT_GT(cuda.launches[1].blocks, few);
  EXPECT_LE(cuda.launches[1].blocks, 132u);
  // No work, no launch.
  ASSERT_TRUE(RunRows(**session, 0).ok());
  EXPECT_EQ(cuda.launches.size(), 2u);
}

// The addresses one by one, or as one parameter; then the six dims and the number of items.
TEST(CudaDevice, BuffersInAnArray) {
  for (bool array : {false, true}) {
    FakeCuda cuda;
    SessionOptions options;
    options.cuda_driver = &cuda.driver();
    auto session = Session::Create(CorePlan({.cuda = true, .array = array}), options);
    ASSERT_TRUE(session.ok()) << session.status();
    const fb::Entry &sums = *(*session)->plan().FindEntry("sums");
    ASSERT_TRUE((*session)->Run(sums, {0, 30, 5, 2}).ok());
    ASSERT_EQ(cuda.launches.size(), 1u);
    const FakeCuda::Launched &launched = cuda.launches[0];
    auto offset = [&](size_t buffer) { return static_cast<int64_t>(sums.slices()->Get(static_cast<uint32_t>(buffer))->offset()); };
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ((array ? launched.first[i] : launched.words[i]) - launched.words[0], offset(i) - offset(0));
    if (array)
      EXPECT_THAT(launched.words, testing::ElementsAre(launched.words[0], 0, 30, 5, 2, 0, 0, 1));
  }
}

// Whether its commands are launched or replayed, an entry finds its memory poisoned, and its inputs in it.
TEST(CudaDevice, PoisonedMemory) {
  FakeCuda cuda;
  SessionOptions options;
  options.cuda_driver = &cuda.driver();
  options.poison = true;
  auto session = Session::Create(CorePlan({.cuda = true}), options);
  ASSERT_TRUE(session.ok()) << session.status();
  const fb::Entry &rows = *(*session)->plan().FindEntry("rows");
  auto *x = reinterpret_cast<float *>((*session)->PortData(rows, *rows.inputs()->Get(0)));
  const auto *y = reinterpret_cast<const int32_t *>((*session)->PortData(rows, *rows.outputs()->Get(0)));
  const auto *arena = reinterpret_cast<const float *>(cuda.allocations.at(0));
  uint64_t at = rows.slices()->Get(rows.inputs()->Get(0)->slice())->offset() / sizeof(float);
  int launches = 0;
  // Its kernel would write y.
  cuda.kernel = [&] {
    ++launches;
    EXPECT_EQ(arena[at + 39], 3.0f);
    EXPECT_TRUE(std::isnan(arena[at + 40]));
  };
  for (int run = 0; run < 4; ++run) {
    std::fill_n(x, 48, 3.0f);
    ASSERT_TRUE(RunRows(**session, 5).ok());
    EXPECT_EQ(y[39], -1);
  }
  EXPECT_EQ(launches, 4);
  EXPECT_EQ(cuda.calls["GraphLaunch"], 3);
}

TEST(CudaDevice, TheTraceHasTheDevicesTimes) {
  FakeCuda cuda;
  auto session = Open(cuda);
  ASSERT_TRUE(session.ok()) << session.status();
  std::vector<TraceEvent> events;
  (*session)->Trace([&](const TraceEvent &event) { events.push_back(event); });
  ASSERT_TRUE(RunRows(**session, 5).ok());
  ASSERT_GE(events.size(), 2u);
  const TraceEvent &whole = events.back();
  EXPECT_EQ(whole.entry, "rows");
  EXPECT_EQ(whole.op, "");
  double at = events[0].start;
  for (const TraceEvent &event : events) {
    if (&event == &whole)
      break;
    EXPECT_EQ(event.entry, "rows");
    EXPECT_NEAR(event.seconds, event.kernel.empty() ? 1e-3 : 2e-3, 1e-7) << event.op;
    EXPECT_NEAR(event.start, at, 1e-7);
    at = event.start + event.seconds;
  }
  // With what came and went.
  EXPECT_LT(whole.start, events[0].start);
  EXPECT_GT(whole.start + whole.seconds, at);
  size_t before = events.size();
  (*session)->Trace(nullptr);
  int records = cuda.calls["EventRecord"];
  ASSERT_TRUE(RunRows(**session, 5).ok());
  EXPECT_EQ(events.size(), before);
  EXPECT_EQ(cuda.calls["EventRecord"], records);
  for (const char *call : {"EventCreate", "EventRecord", "EventElapsed"}) {
    (*session)->Trace([](const TraceEvent &) {});
    cuda.faults = {{call, {700}}};
    // More marks than there were: two more commands.
    ExpectError((*session)->Run(*(*session)->plan().FindEntry("loops"), {}), "measuring time on the GPU", "700");
  }
}

// Weights are looked at and made without the GPU.
TEST(CudaDevice, BuffersOnlyNeedNone) {
  SessionOptions options;
  options.buffers_only = true;
  auto session = Session::Create(CorePlan({.cuda = true}), options);
  ASSERT_TRUE(session.ok()) << session.status();
  ExpectError(RunRows(**session, 5), "buffers only");
}

} // namespace
} // namespace mirl::rt::test
