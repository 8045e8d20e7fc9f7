// Plans of every version, as they were written (test/runtime/golden; scripts/golden): the current one must load and
// give the results that it gave, older ones must be refused by their version. A change of the schema, or of what a
// field means, that breaks these needs a new kPlanVersion and a new file.

#include <filesystem>
#include <string>
#include <vector>

#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

std::string Golden(uint32_t version) {
  return std::string(MIRL_GOLDEN "/v") + std::to_string(version) + ".plan";
}

TEST(Golden, EveryVersionHasAPlan) {
  for (uint32_t version = 1; version <= kPlanVersion; ++version)
    EXPECT_TRUE(std::filesystem::exists(Golden(version)))
        << Golden(version) << " is missing: run scripts/golden when the version is final";
  EXPECT_FALSE(std::filesystem::exists(Golden(kPlanVersion + 1)));
}

TEST(Golden, OlderVersionsAreRefused) {
  for (uint32_t version = 1; version < kPlanVersion; ++version)
    ExpectError(Plan::Load(Golden(version)), Golden(version),
                "is a plan of version " + std::to_string(version),
                "this runtime reads version " + std::to_string(kPlanVersion), "compile it again");
}

TEST(Golden, TheCurrentVersionRuns) {
  auto plan = Plan::Load(Golden(kPlanVersion));
  if (!plan.ok() && plan.status().message().find("needs a CPU with") != std::string::npos)
    GTEST_SKIP() << plan.status().message(); // it is for machines with AVX2
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<std::string> entries;
  for (const fb::Entry *entry : *(*plan)->root().entries())
    entries.push_back(entry->name()->str());
  EXPECT_THAT(entries, testing::ElementsAre("rollout.reward", "train.micro", "train.batch", "train.apply", "squares",
                                            "pi.score", "pi.prefill", "pi.decode"));
  ASSERT_TRUE((*plan)->FindPolicy("pi"));
  EXPECT_EQ((*plan)->FindPolicy("pi")->max_context(), 16);

  SessionOptions options;
  options.threads = 1;
  auto session = Session::Create(*plan, options);
  ASSERT_TRUE(session.ok()) << session.status();
  const fb::Entry &squares = *(*plan)->FindEntry("squares");
  auto *x = reinterpret_cast<float *>((*session)->PortData(squares, *Session::FindInput(squares, "input:x")));
  for (int i = 0; i < 100; ++i)
    x[i] = static_cast<float>(i);
  ASSERT_TRUE((*session)->Run(squares, {0, 100, 0, 0}).ok());
  auto output = [&](const char *source) {
    return reinterpret_cast<const float *>((*session)->PortData(squares, *Session::FindOutput(squares, source)));
  };
  EXPECT_EQ(output("output:each")[99], 99.0f * 99.0f);
  EXPECT_EQ(*output("output:all"), 328350.0f); // 99 · 100 · 199 / 6
  // A policy's: all weights are zero, so every token has the probability 1/5.
  const fb::Entry &score = *(*plan)->FindEntry("pi.score");
  auto integers = [&](const char *source, std::vector<int32_t> values) {
    auto *data = reinterpret_cast<int32_t *>((*session)->PortData(score, *Session::FindInput(score, source)));
    std::copy(values.begin(), values.end(), data);
  };
  integers("ids", {1, 2, 3});
  integers("positions", {0, 1, 2});
  integers("sequence_offsets", {0, 3});
  integers("rows", {1, 2});
  integers("targets", {3, 4});
  ASSERT_TRUE((*session)->Run(score, {3, 2, 1, 1}).ok());
  const auto *logprob = reinterpret_cast<const float *>(
      (*session)->PortData(score, *Session::FindOutput(score, "logprob")));
  EXPECT_NEAR(logprob[0], -1.6094379f, 1e-6f); // of the exponential's and logarithm's approximations
  EXPECT_NEAR(logprob[1], -1.6094379f, 1e-6f);
}

} // namespace
} // namespace mirl::rt::test
