// The executor: extents are checked, loops and launches do what the plan says, and threads change
// nothing.

#include <cmath>
#include <cstring>
#include <map>

#include "runtime/artifact/ContentHash.h"
#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

template <typename T> T *Input(Session &session, const char *entry, const char *source) {
  const fb::Entry &e = *session.plan().FindEntry(entry);
  return reinterpret_cast<T *>(session.PortData(e, *Session::FindInput(e, source)));
}
template <typename T> const T *Output(Session &session, const char *entry, const char *source) {
  const fb::Entry &e = *session.plan().FindEntry(entry);
  return reinterpret_cast<const T *>(session.PortData(e, *Session::FindOutput(e, source)));
}
absl::Status RunEntry(Session &session, const char *entry, const Extents &extents) {
  return session.Run(*session.plan().FindEntry(entry), extents);
}

TEST(Session, ExtentsBeyondTheCapacityAreRefused) {
  auto session = CoreSession();
  ExpectError(RunEntry(*session, "rows", {0, kTokenRows + 1, 0, 0}), "entry rows", "token",
              std::to_string(kTokenRows + 1), std::to_string(kTokenRows));
  ExpectError(RunEntry(*session, "rows", {0, -1, 0, 0}), "token", "-1");
  ExpectError(RunEntry(*session, "lookup", {kContextRows + 1, 0, 0, 0}), "context", "33", "32");
  ExpectError(RunEntry(*session, "sums", {0, 1, kSequenceRows + 5, 1}), "sequence", "13", "8");
  ExpectError(RunEntry(*session, "sums", {0, 1, 1, kGroupRows + 1}), "group", "5", "4");
  EXPECT_TRUE(RunEntry(*session, "rows", {0, kTokenRows, 0, 0}).ok());
}

TEST(Session, AnEntryOfAnotherPlanIsRefused) {
  auto session = CoreSession();
  auto other = CorePlan();
  ExpectError(session->Run(*other->FindEntry("loops"), {}), "another plan");
}

TEST(Session, LoopsFillsAndCopies) {
  auto session = CoreSession();
  for (int run = 0; run < 2; ++run) { // The second finds what the first left: a fill must clear it.
    ASSERT_TRUE(RunEntry(*session, "loops", {}).ok());
    EXPECT_EQ(*Output<int32_t>(*session, "loops", "output:count"), 7);
    const int32_t *trace = Output<int32_t>(*session, "loops", "output:trace");
    // ceil(5 / 2) = 3 trips inside; outside of the loops their variables are 0 again.
    EXPECT_THAT(std::vector<int32_t>(trace, trace + 8),
                testing::ElementsAre(0, 1, 2, 10, 11, 12, 0, 0));
  }
}

// Fills of memory that lies side by side are one command, and no byte beside it changes.
TEST(Session, FillsAreJoined) {
  SessionOptions options;
  options.profile = true;
  auto session = Session::Create(CorePlan(), options);
  ASSERT_TRUE(session.ok()) << session.status();
  const fb::Entry &fills = *(*session)->plan().FindEntry("fills");
  auto data = [&](const char *name) {
    return reinterpret_cast<float *>((*session)->PortData(fills, *Session::FindOutput(fills, std::string("output:") + name)));
  };
  // 320 bytes from a on; d's 12 bytes end before e begins.
  std::fill_n(data("a"), 80, 1.0f);
  ASSERT_TRUE(RunEntry(**session, "fills", {}).ok());
  for (int i = 0; i < 80; ++i)
    EXPECT_EQ(data("a")[i], (i >= 16 && i < 32) || (i >= 51 && i < 64) ? 1.0f : 0.0f) << i;
  std::vector<ProfileRow> rows = (*session)->Profile();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].calls, 3);
  EXPECT_EQ(rows[0].bytes, 64 + 76 + 64);
}

// All that nobody wrote is no number, each time; inputs stay, as far as the call's rows go.
TEST(Session, PoisonedMemory) {
  SessionOptions options;
  options.poison = true;
  auto session = Session::Create(CorePlan(), options);
  ASSERT_TRUE(session.ok()) << session.status();
  for (int run = 0; run < 2; ++run) {
    ASSERT_TRUE(RunEntry(**session, "fills", {}).ok());
    for (const char *name : {"output:a", "output:b", "output:c", "output:d", "output:e"})
      for (int i = 0; i < 3; ++i)
        EXPECT_EQ(std::isnan(Output<float>(**session, "fills", name)[i]), name == std::string("output:b")) << name;
    float *x = Input<float>(**session, "rows", "input:x");
    std::fill_n(x, 24, 1.0f);
    ASSERT_TRUE(RunEntry(**session, "rows", {0, 2, 0, 0}).ok());
    const float *y = Output<float>(**session, "rows", "output:y");
    for (int i = 0; i < 24; ++i) {
      EXPECT_EQ(x[i] == 1.0f, i < 16) << i;
      EXPECT_EQ(y[i] == 16.0f, i < 16) << i;
    }
  }
  // What lives as long as the plan does is as it was.
  EXPECT_THAT(WeightOf(**session, "norm"), testing::Each(0.0f));
}

std::vector<float> Rows(int threads, int64_t rows) {
  auto session = CoreSession({}, threads);
  EXPECT_EQ(session->threads(), threads);
  float *x = Input<float>(*session, "rows", "input:x");
  for (int64_t i = 0; i < rows * 8; ++i)
    x[i] = static_cast<float>((i * 7919) % 1013) * 0.37f - 100.0f;
  EXPECT_TRUE(RunEntry(*session, "rows", {0, rows, 0, 0}).ok());
  const float *y = Output<float>(*session, "rows", "output:y");
  return {y, y + rows * 8};
}

TEST(Session, ResultsDoNotDependOnTheThreads) {
  for (int64_t rows : {int64_t{0}, int64_t{1}, int64_t{4}, int64_t{5}, int64_t{1023}, kTokenRows}) {
    std::vector<float> expected = Rows(1, rows);
    for (int64_t r = 0; r < rows; ++r) { // With the constant 2 for the scale.
      float sum = 0;
      for (int64_t c = 0; c < 8; ++c)
        sum += static_cast<float>(((r * 8 + c) * 7919) % 1013) * 0.37f - 100.0f;
      float x = static_cast<float>((r * 8 * 7919) % 1013) * 0.37f - 100.0f;
      ASSERT_EQ(expected[static_cast<size_t>(r) * 8], x * sum * 2.0f) << r;
    }
    for (int threads : {2, 3, 8}) {
      std::vector<float> y = Rows(threads, rows);
      ASSERT_EQ(y.size(), expected.size());
      EXPECT_EQ(rows ? std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) : 0, 0)
          << rows << " rows, " << threads << " threads";
    }
  }
}

TEST(Session, NothingIsWrittenBeyondTheExtents) {
  auto session = CoreSession();
  float *x = Input<float>(*session, "rows", "input:x");
  for (int64_t i = 0; i < kTokenRows * 8; ++i)
    x[i] = 1;
  ASSERT_TRUE(RunEntry(*session, "rows", {0, 3, 0, 0}).ok());
  const float *y = Output<float>(*session, "rows", "output:y");
  EXPECT_EQ(y[3 * 8 - 1], 16.0f);
  EXPECT_EQ(y[3 * 8], 0.0f);
}

TEST(Session, MemoryThatIsNotThere) {
  // 2^47 bytes is what a plan may ask for at most, and all that a process could ever address.
  std::vector<uint8_t> bytes = CorePlanBytes();
  uint64_t most = uint64_t{1} << 47;
  auto at = RootFieldOffset(bytes.data(), bytes.size(), fb::Plan::VT_ARENA_BYTES, 8);
  std::memcpy(bytes.data() + *at, &most, 8);
  StoreContentHash(bytes.data(), bytes.size());
  auto plan = Plan::Parse(std::move(bytes), "core.plan");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ExpectError(Session::Create(*plan, {}), "core.plan", "140737488355328 bytes");
}

TEST(Session, TheProfileCounts) {
  SessionOptions options;
  options.threads = 1;
  options.profile = true;
  auto session = Session::Create(CorePlan(), options);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_TRUE((*session)->Profile().empty());
  ASSERT_TRUE(RunEntry(**session, "rows", {0, 100, 0, 0}).ok());
  ASSERT_TRUE(RunEntry(**session, "loops", {}).ok());
  std::vector<ProfileRow> rows = (*session)->Profile();
  auto find = [&](const std::string &entry, const std::string &op) {
    for (const ProfileRow &row : rows)
      if (row.entry == entry && row.op == op)
        return row;
    return ProfileRow{};
  };
  EXPECT_EQ(find("rows", "core").calls, 1);
  EXPECT_EQ(find("rows", "core").flops, 201);
  EXPECT_EQ(find("rows", "core").bytes, 400);
  EXPECT_EQ(find("rows", "copy").bytes, 8);
  EXPECT_EQ(find("loops", "core").calls, 7);
  // Both slices that are filled lie side by side.
  EXPECT_EQ(find("loops", "fill").calls, 1);
  EXPECT_EQ(find("loops", "fill").bytes, 260);
  EXPECT_THAT(FormatProfile(rows), testing::HasSubstr("loops: core (core_trace)"));
  auto plain = CoreSession();
  ASSERT_TRUE(RunEntry(*plain, "loops", {}).ok());
  EXPECT_TRUE(plain->Profile().empty());
}

TEST(Session, TheTraceHasAllThatRuns) {
  auto session = CoreSession();
  std::vector<TraceEvent> events;
  ASSERT_TRUE(RunEntry(*session, "loops", {}).ok()); // before: not in it
  session->Trace([&](const TraceEvent &event) { events.push_back(event); });
  ASSERT_TRUE(RunEntry(*session, "rows", {0, 100, 0, 0}).ok());
  ASSERT_TRUE(RunEntry(*session, "loops", {}).ok());
  std::map<std::string, int> counts;
  double at = 0;
  for (const TraceEvent &event : events) {
    ++counts[std::string(event.entry) + " " + std::string(event.op)];
    EXPECT_GE(event.seconds, 0);
    if (event.op.empty()) {
      // An entry holds its commands.
      EXPECT_GE(event.start + event.seconds, at);
      at = event.start + event.seconds;
      continue;
    }
    EXPECT_GE(event.start, at);
    at = event.start + event.seconds;
    EXPECT_EQ(event.kernel.empty(), event.op != "core");
  }
  // As the profile counts them: a command in a loop as often as it ran.
  EXPECT_EQ(counts, (std::map<std::string, int>{
                        {"rows copy", 1}, {"rows core", 1}, {"rows ", 1}, {"loops core", 7}, {"loops fill", 1}, {"loops ", 1}}));
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[1].flops, 201);
  EXPECT_EQ(events[2].flops, 201);
  EXPECT_EQ(events[2].bytes, 408);
  size_t before = events.size();
  session->Trace(nullptr);
  ASSERT_TRUE(RunEntry(*session, "loops", {}).ok());
  EXPECT_EQ(events.size(), before);
}

TEST(Session, BuffersOnly) {
  SessionOptions options;
  options.buffers_only = true;
  auto session = Session::Create(CorePlan(), options);
  ASSERT_TRUE(session.ok()) << session.status();
  const fb::Buffer &buffer = *(*session)->plan().root().buffers()->Get(0);
  std::vector<uint8_t> bytes(static_cast<size_t>((*session)->BufferBytes(buffer)), 7), back(bytes.size());
  ASSERT_TRUE((*session)->WriteBuffer(buffer, bytes.data()).ok());
  ASSERT_TRUE((*session)->ReadBuffer(buffer, back.data()).ok());
  EXPECT_EQ(back, bytes);
  ExpectError(RunEntry(**session, "loops", {}), "buffers only");
}

} // namespace
} // namespace mirl::rt::test
