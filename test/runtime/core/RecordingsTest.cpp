// Calls that are recorded and replayed: which (Recordings), and as CUDA graphs, on a driver that is
// none (FakeCuda.h).

#include "runtime/executor/Recordings.h"

#include "test/runtime/core/CorePlan.h"
#include "test/runtime/core/FakeCuda.h"

namespace mirl::rt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CallKey Key(int64_t token) { return {nullptr, 0, token, 0, 0}; }

TEST(Recordings, TheSecondTime) {
  Recordings recordings(10);
  EXPECT_FALSE(recordings.Wants(Key(1), 2));
  EXPECT_FALSE(recordings.Wants(Key(2), 2));
  EXPECT_TRUE(recordings.Wants(Key(1), 2));
  EXPECT_EQ(recordings.Find(Key(1)), std::nullopt);
  recordings.Add(Key(1), 7, 2);
  EXPECT_EQ(recordings.Find(Key(1)), 7u);
  // Each extent is part of what makes a call the same.
  for (CallKey other : {CallKey{&recordings, 0, 1, 0, 0}, CallKey{nullptr, 1, 1, 0, 0},
                        CallKey{nullptr, 0, 1, 1, 0}, CallKey{nullptr, 0, 1, 0, 1}, CallKey{nullptr, 0, 1, 0, 0, false}}) {
    EXPECT_EQ(recordings.Find(other), std::nullopt);
    EXPECT_FALSE(recordings.Wants(other, 2));
  }
  EXPECT_THAT(recordings.Clear(), ElementsAre(7));
  EXPECT_EQ(recordings.Find(Key(1)), std::nullopt);
  EXPECT_EQ(recordings.size(), 0u);
}

TEST(Recordings, TheLeastRecentlyUsedGoes) {
  Recordings recordings(10);
  for (int64_t i : {1, 2, 3}) {
    EXPECT_TRUE(recordings.MakeRoom(3).empty());
    recordings.Add(Key(i), static_cast<uint64_t>(i), 3);
  }
  EXPECT_EQ(recordings.Find(Key(1)), 1u);
  EXPECT_THAT(recordings.MakeRoom(1), ElementsAre());
  EXPECT_THAT(recordings.MakeRoom(5), ElementsAre(2, 3));
  recordings.Add(Key(4), 4, 5);
  EXPECT_EQ(recordings.Find(Key(2)), std::nullopt);
  EXPECT_FALSE(recordings.Wants(Key(2), 1)) << "it must come twice again";
  EXPECT_EQ(recordings.Find(Key(1)), 1u);
  EXPECT_EQ(recordings.size(), 2u);
  // One that would not fit even alone is never made.
  EXPECT_FALSE(recordings.Wants(Key(5), 11));
  EXPECT_FALSE(recordings.Wants(Key(5), 11));
}

// Training sees new extents in every call: what was seen once is not remembered without end.
TEST(Recordings, ForgetsWhatItSaw) {
  Recordings recordings(10);
  EXPECT_FALSE(recordings.Wants(Key(-1), 1));
  for (int64_t i = 0; i < 5000; ++i)
    EXPECT_FALSE(recordings.Wants(Key(i), 1));
  EXPECT_FALSE(recordings.Wants(Key(-1), 1));
  EXPECT_TRUE(recordings.Wants(Key(-1), 1));
}

class CudaGraphs : public testing::Test {
protected:
  // "rows" has two commands: a copy and a launch.
  void Open(int64_t recorded = 100, bool profile = false) {
    driver = cuda.driver();
    SessionOptions options;
    options.cuda_driver = &driver;
    options.recorded_commands = recorded;
    options.profile = profile;
    options.warn = [this](const std::string &text) { warnings.push_back(text); };
    auto opened = Session::Create(CorePlan({.cuda = true}), options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    session = *std::move(opened);
  }
  absl::Status Run(int64_t rows) {
    return session->Run(*session->plan().FindEntry("rows"), {0, rows, 0, 0});
  }
  void Runs(std::initializer_list<int64_t> all) {
    for (int64_t rows : all)
      ASSERT_TRUE(Run(rows).ok()) << rows;
  }

  FakeCuda cuda;
  cuda::Driver driver;
  std::vector<std::string> warnings;
  std::unique_ptr<Session> session; // goes before its driver
};

TEST_F(CudaGraphs, CapturedOnceForAShapeAndReplayed) {
  Open();
  Runs({5});
  EXPECT_EQ(cuda.calls["BeginCapture"], 0);
  Runs({5, 5, 5, 5});
  EXPECT_EQ(cuda.calls["BeginCapture"], 1);
  EXPECT_EQ(cuda.calls["GraphInstantiate"], 1);
  EXPECT_EQ(cuda.calls["GraphLaunch"], 4);
  // One by itself, one in the capture; the transfers are in it, too.
  EXPECT_EQ(cuda.calls["Launch"], 2);
  EXPECT_EQ(cuda.calls["CopyToHost"], 2);
  EXPECT_EQ(cuda.launches.size(), 5u);
  Runs({6, 6, 5, 6});
  EXPECT_EQ(cuda.calls["GraphInstantiate"], 2);
  EXPECT_EQ(cuda.launches.size(), 9u);
  EXPECT_EQ(cuda.graphs, 2);
  EXPECT_TRUE(warnings.empty());
}

// What a call does is the same, recorded or not: copies, fills, launches of loops.
TEST_F(CudaGraphs, LoopsAreUnrolled) {
  Open();
  const fb::Entry &loops = *session->plan().FindEntry("loops");
  std::vector<size_t> launches;
  std::vector<double> times;
  for (int i = 0; i < 4; ++i) {
    size_t before = cuda.launches.size();
    double clock = cuda.clock;
    ASSERT_TRUE(session->Run(loops, {}).ok());
    launches.push_back(cuda.launches.size() - before);
    times.push_back(cuda.clock - clock);
  }
  EXPECT_THAT(launches, ElementsAre(7, 7, 7, 7));
  EXPECT_THAT(times, testing::Each(times[0]));
  EXPECT_EQ(cuda.calls["GraphLaunch"], 3);
}

// A kernel may start before the kernel in front of it has ended; behind a copy or a fill, as the first of a call, and where
// kernels are timed, it may not.
TEST_F(CudaGraphs, KernelsOverlapKernels) {
  Open();
  auto overlapping = [&] {
    cuda.launches.clear();
    // Of the plan that is open now.
    EXPECT_TRUE(session->Run(*session->plan().FindEntry("loops"), {}).ok());
    std::vector<bool> overlaps;
    for (const FakeCuda::Launched &launch : cuda.launches)
      overlaps.push_back(launch.overlaps);
    return overlaps;
  };
  auto recorded = ElementsAre(false, true, true, true, true, true, true);
  EXPECT_THAT(overlapping(), recorded);
  EXPECT_THAT(overlapping(), recorded);
  EXPECT_THAT(overlapping(), recorded);
  session->Trace([](const TraceEvent &) {});
  EXPECT_THAT(overlapping(), testing::Each(false));
  EXPECT_TRUE(warnings.empty());
  session.reset();
  // One by one: the first of the next call waits for the last of this one.
  Open(/*recorded=*/0);
  EXPECT_THAT(overlapping(), recorded);
  EXPECT_THAT(overlapping(), recorded);
  session.reset();
  // Drivers whose graphs know nothing of it are not asked, and it is said once.
  cuda.version = 12020;
  Open();
  overlapping();
  EXPECT_THAT(overlapping(), testing::Each(false));
  EXPECT_GT(cuda.calls["GraphLaunch"], 0);
  EXPECT_THAT(warnings, ElementsAre("core.plan: the NVIDIA driver is for CUDA 12.2: the kernels of a CUDA graph overlap with 12.3 "
                                    "or later, and do not now"));
  // Where there are no graphs, nothing is lost.
  session.reset();
  warnings.clear();
  Open(/*recorded=*/0);
  session.reset();
  Open(/*recorded=*/100, /*profile=*/true);
  EXPECT_TRUE(warnings.empty());
}

// A driver that refuses it: the graph is made without, and it is said.
TEST_F(CudaGraphs, WithoutOverlapWhereItIsRefused) {
  Open();
  const fb::Entry &loops = *session->plan().FindEntry("loops");
  ASSERT_TRUE(session->Run(loops, {}).ok());
  cuda.overlap_fault = 801;
  int graphs = cuda.calls["GraphLaunch"];
  for (int i = 0; i < 3; ++i) {
    size_t before = cuda.launches.size();
    ASSERT_TRUE(session->Run(loops, {}).ok());
    EXPECT_EQ(cuda.launches.size(), before + 7);
  }
  EXPECT_EQ(cuda.calls["GraphLaunch"], graphs + 3);
  EXPECT_LE(cuda.calls["GraphInstantiate"], 2);
  EXPECT_EQ(cuda.graphs, 1);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0],
              testing::AllOf(HasSubstr("entry loops: "), HasSubstr("launching kernel "),
                             HasSubstr("CUDA_ERROR_FAKE (801)"),
                             HasSubstr("from now on the kernels of a CUDA graph do not overlap")));
}

// The same of a call that is launched one by one: the launch is made again, and nothing else.
TEST_F(CudaGraphs, WithoutOverlapOutsideOfGraphs) {
  Open();
  cuda.overlap_fault = 801;
  const fb::Entry &loops = *session->plan().FindEntry("loops");
  for (int i = 0; i < 3; ++i) {
    size_t before = cuda.launches.size();
    ASSERT_TRUE(session->Run(loops, {}).ok());
    EXPECT_EQ(cuda.launches.size(), before + 7);
  }
  EXPECT_EQ(cuda.calls["GraphLaunch"], 2);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], testing::AllOf(HasSubstr("launching kernel "), HasSubstr("CUDA_ERROR_FAKE (801)"),
                                          HasSubstr("from now on kernels do not overlap")));
}

TEST_F(CudaGraphs, InputsAreReadWhenReplayed) {
  Open();
  const fb::Entry &entry = *session->plan().FindEntry("rows");
  auto *x = reinterpret_cast<float *>(session->PortData(entry, *entry.inputs()->Get(0)));
  const auto *arena = reinterpret_cast<const float *>(cuda.allocations.at(0));
  uint64_t at = entry.slices()->Get(entry.inputs()->Get(0)->slice())->offset() / sizeof(float);
  for (float value : {1.0f, 2.0f, 3.0f, 4.0f}) {
    x[0] = value;
    Runs({5});
    EXPECT_EQ(arena[at], value);
  }
  EXPECT_EQ(cuda.calls["GraphLaunch"], 3);
}

TEST_F(CudaGraphs, NoMoreThanSoManyCommands) {
  Open(/*recorded=*/3);
  Runs({5, 5, 6, 6, 6});
  EXPECT_EQ(cuda.calls["GraphInstantiate"], 2);
  EXPECT_EQ(cuda.graphs, 1);
  Runs({5, 5});
  EXPECT_EQ(cuda.calls["GraphInstantiate"], 3);
  EXPECT_EQ(cuda.graphs, 1);
}

TEST_F(CudaGraphs, NoneWhereNoneIsWanted) {
  Open(/*recorded=*/0);
  Runs({5, 5, 5});
  session.reset();
  Open(/*recorded=*/1);
  Runs({5, 5, 5});
  session.reset();
  Open(/*recorded=*/100, /*profile=*/true);
  Runs({5, 5, 5});
  session.reset();
  Open();
  session->Trace([](const TraceEvent &) {});
  Runs({5, 5, 5});
  EXPECT_EQ(cuda.calls["BeginCapture"], 0);
  EXPECT_TRUE(warnings.empty());
  // A trace that ends leaves the way free.
  session->Trace(nullptr);
  Runs({5, 5});
  EXPECT_EQ(cuda.calls["GraphLaunch"], 1);
}

// Whatever of it fails: the call runs, once, and it is said why the next ones are launched one by
// one.
TEST_F(CudaGraphs, WithoutThemWhereTheyFail) {
  for (const char *call : {"BeginCapture", "EndCapture", "GraphInstantiate", "GraphLaunch"}) {
    SCOPED_TRACE(call);
    Open();
    Runs({5});
    cuda.faults = {{call, {801}}};
    size_t before = cuda.launches.size();
    int instantiated = cuda.calls["GraphInstantiate"];
    Runs({5, 5, 5});
    EXPECT_EQ(cuda.launches.size(), before + 3);
    // Once more without overlap.
    EXPECT_LE(cuda.calls["GraphInstantiate"], instantiated + 2);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_THAT(warnings[0], HasSubstr("entry rows: "));
    EXPECT_THAT(warnings[0], HasSubstr("a CUDA graph"));
    EXPECT_THAT(warnings[0], HasSubstr(": CUDA_ERROR_FAKE (801): the device's message; from now on "
                                       "kernels are launched one by one"));
    EXPECT_EQ(cuda.graphs, 0);
    cuda.faults.clear();
    warnings.clear();
    session.reset();
  }
}

TEST_F(CudaGraphs, AReplayThatFailsLater) {
  Open();
  Runs({5, 5, 5, 6, 6});
  cuda.faults = {{"GraphLaunch", {2}}};
  size_t before = cuda.launches.size();
  Runs({5, 6, 5});
  EXPECT_EQ(cuda.launches.size(), before + 3);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("launching a CUDA graph: CUDA_ERROR_OUT_OF_MEMORY"));
  EXPECT_EQ(cuda.graphs, 0) << "those that are not used any more keep their memory";
}

// An op that is refused is named, as without a recording, and the graphs are not to blame.
TEST_F(CudaGraphs, AnErrorNamesTheOp) {
  for (const char *call : {"Launch", "CopyToDevice", "CopyToHost", "EncodeMap"}) {
    SCOPED_TRACE(call);
    Open();
    int64_t rows = 5;
    if (call == std::string("EncodeMap")) {
      Runs({5});
      cuda.faults = {{call, {700}}};
      rows = 6;
      ExpectError(Run(rows), "core: encoding a tensor map: CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    } else {
      Runs({5});
      cuda.faults = {{call, {700}}};
    }
    absl::Status status = Run(rows);
    ExpectError(status, "CUDA_ERROR_ILLEGAL_ADDRESS (700): the device's message");
    if (call == std::string("Launch"))
      ExpectError(status, "core: launching kernel core_rows");
    EXPECT_TRUE(warnings.empty());
    EXPECT_EQ(cuda.graphs, 0);
    cuda.faults.clear();
    session.reset();
  }
}

TEST_F(CudaGraphs, AFaultInAKernelOfAReplay) {
  Open();
  Runs({5, 5});
  cuda.faults = {{"StreamSynchronize", {700}}};
  ExpectError(
      Run(5),
      "entry rows (--profile tells the op): running on Fake GPU: CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_EQ(cuda.calls["GraphLaunch"], 2);
}

// Inputs that lie near each other on the device go in one transfer.
TEST(CudaStaging, OneTransfer) {
  FakeCuda cuda;
  SessionOptions options;
  options.cuda_driver = &cuda.driver();
  auto session = Session::Create(CorePlan({.cuda = true}), options);
  ASSERT_TRUE(session.ok()) << session.status();
  const fb::Entry &entry = *(*session)->plan().FindEntry("sums");
  ASSERT_GT(entry.inputs()->size(), 3u);
  // As many tokens as there is room for: the next input is where the first one ends. Then fewer,
  // and one token, which is far away.
  for (int64_t tokens : {kTokenRows, kTokenRows - 100, int64_t{1}}) {
    for (uint32_t i = 0; i < entry.inputs()->size(); ++i) {
      uint8_t *data = (*session)->PortData(entry, *entry.inputs()->Get(i));
      *data = static_cast<uint8_t>(17 * i + static_cast<uint32_t>(tokens));
    }
    int before = cuda.calls["CopyToDevice"];
    ASSERT_TRUE((*session)->Run(entry, {0, tokens, 2, 1}).ok());
    EXPECT_EQ(cuda.calls["CopyToDevice"] - before, tokens == 1 ? 2 : 1) << tokens;
    const auto *arena = reinterpret_cast<const uint8_t *>(cuda.allocations.at(0));
    for (uint32_t i = 0; i < entry.inputs()->size(); ++i)
      EXPECT_EQ(arena[entry.slices()->Get(entry.inputs()->Get(i)->slice())->offset()],
                static_cast<uint8_t>(17 * i + static_cast<uint32_t>(tokens)));
  }
}

} // namespace
} // namespace mirl::rt::test
