// Two calls under way (Session::Begin and End), on a driver that does what is queued when it is waited for (FakeCuda.h).

#include "test/runtime/core/CorePlan.h"
#include "test/runtime/core/FakeCuda.h"

namespace mirl::rt::test {
namespace {

using testing::ElementsAre;

// On "sums": the kernel gives sums[i] = 10 reward[i] + x[i], and the sums are the rewards of the next call.
class CudaAhead : public testing::Test {
protected:
  void Open(SessionOptions options = {}) {
    cuda.late = true;
    options.cuda_driver = &cuda.driver();
    auto opened = Session::Create(CorePlan({.cuda = true}), options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    session = *std::move(opened);
    entry = session->plan().FindEntry("sums");
    reward = Session::FindInput(*entry, "field:reward");
    sums = Session::FindOutput(*entry, "output:sums");
    auto *arena = reinterpret_cast<uint8_t *>(cuda.allocations.back());
    auto at = [=, this](const fb::Port &port) {
      return reinterpret_cast<float *>(arena + entry->slices()->Get(port.slice())->offset());
    };
    cuda.kernel = [x = at(*Session::FindInput(*entry, "input:x")), in = at(*reward), out = at(*sums)] {
      for (int i = 0; i < 4; ++i)
        out[i] = 10 * in[i] + x[i];
    };
  }
  float *Data(const char *source, int turn) {
    const fb::Port *port = Session::FindInput(*entry, source);
    return reinterpret_cast<float *>(session->PortData(*entry, port ? *port : *sums, turn));
  }
  // A call with x[i] = `x`, and the rewards of `runs` or, without, 1, 2, 3, 4. Others are written to where they must
  // not be sent from.
  absl::Status Begin(int turn, float x, std::vector<RowRun> runs = {}) {
    for (int i = 0; i < 4; ++i) {
      Data("input:x", turn)[i] = x;
      Data("field:reward", turn)[i] = runs.empty() ? static_cast<float>(i + 1) : -1e6f;
    }
    Session::Carried carried{entry, sums, reward, runs};
    return session->Begin(*entry, {0, 4, 4, 4}, turn, runs.empty() ? nullptr : &carried);
  }
  std::vector<float> Sums(int turn) { return {Data("output:sums", turn), Data("output:sums", turn) + 4}; }

  FakeCuda cuda;
  std::unique_ptr<Session> session; // goes before its driver
  const fb::Entry *entry = nullptr;
  const fb::Port *reward = nullptr, *sums = nullptr;
};

TEST_F(CudaAhead, OneTakesTheRowsOfTheOther) {
  for (int64_t recorded : {0, 100}) {
    SessionOptions options;
    options.recorded_commands = recorded;
    Open(options);
    ASSERT_TRUE(session->RunsAhead());
    ASSERT_TRUE(session->CanCarry(*entry, *sums, *entry, *reward));
    size_t launches = cuda.launches.size();
    int graphs = cuda.calls["GraphInstantiate"], replays = cuda.calls["GraphLaunch"];
    ASSERT_TRUE(Begin(0, 5).ok());
    ASSERT_TRUE(Begin(1, 6, {{0, 0, 4}}).ok());
    EXPECT_EQ(cuda.launches.size(), launches);
    ASSERT_TRUE(session->End(0).ok());
    EXPECT_EQ(cuda.launches.size(), launches + 1) << "the first alone was waited for";
    EXPECT_THAT(Sums(0), ElementsAre(15, 25, 35, 45));
    ASSERT_TRUE(Begin(0, 7, {{0, 0, 1}, {2, 1, 2}}).ok());
    ASSERT_TRUE(session->End(1).ok());
    EXPECT_THAT(Sums(1), ElementsAre(156, 256, 356, 456));
    EXPECT_THAT(Sums(0), ElementsAre(15, 25, 35, 45)) << "what comes next is not there yet";
    ASSERT_TRUE(Begin(1, 8, {{0, 0, 4}}).ok());
    ASSERT_TRUE(session->End(0).ok());
    // The last row has the reward that it had.
    EXPECT_THAT(Sums(0), ElementsAre(1567, 3567, 4567, 457));
    ASSERT_TRUE(session->End(1).ok());
    EXPECT_THAT(Sums(1), ElementsAre(15678, 35678, 45678, 4578));
    // One recording, whatever the turn and the runs.
    EXPECT_EQ(cuda.calls["GraphInstantiate"], graphs + (recorded > 0));
    EXPECT_EQ(cuda.calls["GraphLaunch"], replays + (recorded > 0 ? 3 : 0));
    // That of a Run has the transfers in it.
    for (int run = 0; run < 3; ++run) {
      for (int i = 0; i < 4; ++i)
        Data("input:x", 0)[i] = Data("field:reward", 0)[i] = static_cast<float>(run);
      ASSERT_TRUE(session->Run(*entry, {0, 4, 4, 4}).ok());
      EXPECT_THAT(Sums(0), testing::Each(static_cast<float>(11 * run)));
    }
    EXPECT_EQ(cuda.calls["GraphInstantiate"], graphs + (recorded > 0 ? 2 : 0));
    session.reset();
  }
}

// What is refused of the second call is said at once, and the first has its results.
TEST_F(CudaAhead, FaultsOfTheSecond) {
  for (const char *call : {"CopyOnDevice", "CopyToDevice", "Launch", "CopyToHost", "EventRecord"}) {
    SCOPED_TRACE(call);
    Open();
    ASSERT_TRUE(Begin(0, 5).ok());
    cuda.faults = {{call, {700}}};
    absl::Status status = Begin(1, 6, {{0, 0, 4}});
    ExpectError(status, "CUDA_ERROR_ILLEGAL_ADDRESS (700): the device's message");
    if (std::string(call) == "Launch")
      ExpectError(status, "core: launching kernel core_sums");
    else
      ExpectError(status, "entry sums");
    ASSERT_TRUE(session->End(0).ok());
    EXPECT_THAT(Sums(0), ElementsAre(15, 25, 35, 45));
    ExpectError(session->End(1), "no call of this turn is under way");
    cuda.faults.clear();
    ASSERT_TRUE(Begin(1, 6).ok());
    ASSERT_TRUE(session->End(1).ok());
    EXPECT_THAT(Sums(1), ElementsAre(16, 26, 36, 46));
    session.reset();
  }
}

TEST_F(CudaAhead, AFaultThatShowsLater) {
  Open();
  ASSERT_TRUE(Begin(0, 5).ok());
  ASSERT_TRUE(Begin(1, 6, {{0, 0, 4}}).ok());
  cuda.faults = {{"EventSynchronize", {700, cuda.calls["EventSynchronize"] + 1}}};
  ASSERT_TRUE(session->End(0).ok());
  ExpectError(session->End(1), "entry sums (--profile tells the op): running on Fake GPU: CUDA_ERROR_ILLEGAL_ADDRESS");
  // Waited for, and forgotten.
  ASSERT_TRUE(Begin(0, 5).ok());
  session->Drain();
  EXPECT_TRUE(cuda.queue.empty());
  ExpectError(session->End(0), "no call of this turn");
  EXPECT_TRUE(session->Run(*entry, {0, 4, 4, 4}).ok());
}

TEST_F(CudaAhead, WhatCannotBeBegun) {
  Open();
  ExpectError(session->Begin(*entry, {0, 4, kSequenceRows + 1, 4}, 0), "entry sums: the sequence axis has 9 rows");
  ASSERT_TRUE(Begin(0, 5).ok());
  ExpectError(Begin(0, 5), "entry sums cannot be begun now");
  ExpectError(session->Run(*entry, {0, 4, 4, 4}), "entry sums: a call is still under way");
  // A trace that begins in the middle does not get in its way.
  session->Trace([](const TraceEvent &) {});
  EXPECT_FALSE(session->RunsAhead());
  ExpectError(Begin(1, 5), "entry sums cannot be begun now");
  ASSERT_TRUE(session->End(0).ok());
  EXPECT_THAT(Sums(0), ElementsAre(15, 25, 35, 45));
  EXPECT_TRUE(session->Run(*entry, {0, 4, 4, 4}).ok());
  session.reset();
  for (bool SessionOptions::*measured : {&SessionOptions::profile, &SessionOptions::poison}) {
    SessionOptions options;
    options.*measured = true;
    Open(options);
    EXPECT_FALSE(session->RunsAhead());
    session.reset();
  }
  EXPECT_FALSE(CoreSession()->RunsAhead()) << "a CPU's calls are done when they return";
}

TEST_F(CudaAhead, WhatCanBeCarried) {
  Open();
  auto input = [&](const char *source) -> const fb::Port & { return *Session::FindInput(*entry, source); };
  EXPECT_TRUE(session->CanCarry(*entry, *sums, *entry, input("input:x")));
  EXPECT_FALSE(session->CanCarry(*entry, *sums, *entry, input("token_offsets"))) << "integers";
  EXPECT_FALSE(session->CanCarry(*entry, *sums, *entry, input("iteration"))) << "it has no rows";
  const fb::Entry &fills = *session->plan().FindEntry("fills");
  EXPECT_FALSE(session->CanCarry(fills, *Session::FindOutput(fills, "output:a"), *entry, input("input:x")))
      << "they lie in one place";
}

} // namespace
} // namespace mirl::rt::test
