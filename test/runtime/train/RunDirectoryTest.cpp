#include "runtime/checkpoint/RunDirectory.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Weights.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::HasSubstr;

TEST(RunDirectory, RefusesAFolderThatHoldsARun) {
  for (const char *name : {"metrics.jsonl", "run.json", "final/config.json"}) {
    test::TemporaryFolder folder;
    folder.Write(name, "{}");
    auto directory = RunDirectory::Create(folder.path());
    ASSERT_FALSE(directory.ok()) << name;
    EXPECT_THAT(std::string(directory.status().message()), HasSubstr(folder.path()));
    EXPECT_THAT(std::string(directory.status().message()), HasSubstr("--run"));
  }
  test::TemporaryFolder folder;
  folder.Write("notes.txt", "mine");
  EXPECT_TRUE(RunDirectory::Create(folder.path()).ok());
  EXPECT_TRUE(RunDirectory::Create(folder.path() + "/deep/er").ok());
  EXPECT_FALSE(RunDirectory::Create(folder.path() + "/notes.txt").ok());
}

// A start that was killed while it wrote the first run.json has left a part of it, and has begun nothing.
TEST(RunDirectory, ANewRunRemovesWhatAKilledStartLeft) {
  test::TemporaryFolder folder;
  for (const char *name : {"run.json.tmp.24172", "run.json.tmp.x", "notes.tmp.7"})
    folder.Write(name, "{");
  ASSERT_TRUE(RunDirectory::Create(folder.path()).ok());
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/run.json.tmp.24172"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/run.json.tmp.x"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/notes.tmp.7")) << "another one's file";
}

TEST(RunDirectory, AFailedSaveLeavesNothing) {
  test::TemporaryFolder folder;
  absl::Status status = WriteFolderAtomically(folder.path() + "/final", [](const std::string &temporary) {
    std::filesystem::create_directories(temporary + "/part");
    return absl::ResourceExhaustedError("disk full");
  });
  EXPECT_EQ(status.message(), "disk full");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RunDirectory, SavesAModelThatLoads) {
  test::TemporaryFolder folder;
  folder.Write("model/tokenizer.json", "{}");
  auto session = test::ToySession({});
  auto buffer = session->Buffer(*session->plan().root().buffers()->Get(0));
  for (int i = 0; i < test::kVocabulary; ++i)
    reinterpret_cast<float *>(buffer.data())[i] = static_cast<float>(i);
  auto directory = RunDirectory::Create(folder.path() + "/run");
  ASSERT_TRUE(directory.ok());
  absl::Status status = directory->SaveFinal(*session, folder.path() + "/model");
  ASSERT_TRUE(status.ok()) << status;
  for (const char *name : {"model.safetensors", "config.json", "tokenizer.json"})
    EXPECT_TRUE(std::filesystem::exists(folder.path() + "/run/final/" + name)) << name;
  auto other = test::ToySession({});
  status = LoadWeights(*other, test::ToyPolicy(*other), folder.path() + "/run/final");
  ASSERT_TRUE(status.ok()) << status;
  auto loaded = other->Buffer(*other->plan().root().buffers()->Get(0));
  EXPECT_EQ(std::string(buffer.begin(), buffer.end()), std::string(loaded.begin(), loaded.end()));
}

TEST(RunDirectory, Info) {
  test::TemporaryFolder folder;
  auto directory = RunDirectory::Create(folder.path() + "/run");
  ASSERT_TRUE(directory.ok());
  RunInfo info;
  info.plan = "x.plan";
  info.plan_hash = 0xabc;
  info.seed = ~uint64_t{0};
  info.params = {{"lr", 1e-4}};
  info.started = UtcNow();
  ASSERT_TRUE(directory->WriteInfo(info).ok());
  auto json =
      nlohmann::json::parse(test::ReadText(folder.path() + "/run/run.json"), nullptr, false);
  EXPECT_EQ(json["plan_hash"], "0000000000000abc");
  EXPECT_EQ(json["seed"], ~uint64_t{0});
  EXPECT_EQ(json["params"]["lr"], 1e-4);
  EXPECT_TRUE(json["finished"].is_null());
  info.finished = info.started;
  ASSERT_TRUE(directory->WriteInfo(info).ok());
  json = nlohmann::json::parse(test::ReadText(folder.path() + "/run/run.json"), nullptr, false);
  EXPECT_EQ(json["finished"], info.started);
}

} // namespace
} // namespace mirl::rt
