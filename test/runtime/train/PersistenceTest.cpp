// Checkpoints, the trajectory store, saved batches and the history of a resumed run, with faults.

#include <sqlite3.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/report/EventFile.h"
#include "runtime/report/History.h"
#include "runtime/rollout/BatchState.h"
#include "runtime/store/Store.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::HasSubstr;

Batch MakeBatch(Session &session) {
  Batch batch;
  auto one = test::MakeTrajectory({1, 2}, {3, 4, 5}, {-0.5f, -0.0f, -2.0f}, 1);
  one->segments = {{3, 2}, {4, 1}};
  one->sequence_id = 77;
  one->policy = &test::ToyPolicy(session);
  one->fields["correct"] = NAN;
  auto other = test::MakeTrajectory({1, 2}, {}, {});
  other->prompt = one->prompt;
  batch.prompts = {one->prompt, test::MakePrompt({6})};
  batch.trajectories = {one, other};
  batch.group_offsets = {0, 2};
  return batch;
}

TEST(BatchState, ComesBackBitForBitAndRefusesWhatDoesNotFit) {
  auto session = test::ToySession({});
  StateDict state, again;
  ExportBatch(MakeBatch(*session), "rollout", state);
  auto batch = ImportBatch(state, "rollout", session->plan());
  ASSERT_TRUE(batch.ok()) << batch.status();
  ExportBatch(*batch, "rollout", again);
  EXPECT_TRUE(state == again);
  EXPECT_EQ(batch->trajectories[0]->segments, (std::vector<Segment>{{3, 2}, {4, 1}}));
  EXPECT_EQ(batch->trajectories[1]->ending, Ending::none);
  EXPECT_FALSE(ImportBatch(state, "other", session->plan()).ok());
  StateDict bad = state;
  bad.Set<int64_t>("rollout/token_offsets", {0, 9, 3});
  EXPECT_FALSE(ImportBatch(bad, "rollout", session->plan()).ok());
  bad = state;
  bad.Set<int64_t>("rollout/segment_tokens", {2, 2});
  EXPECT_FALSE(ImportBatch(bad, "rollout", session->plan()).ok());
  bad = state;
  bad.json["rollout"]["policies"] = {"nobody"};
  EXPECT_THAT(std::string(ImportBatch(bad, "rollout", session->plan()).status().message()),
              HasSubstr("nobody"));
}

void FillWeights(Session &session, uint8_t value) {
  const fb::Buffer &buffer = *session.plan().root().buffers()->Get(0);
  std::vector<uint8_t> bytes(static_cast<size_t>(session.BufferBytes(buffer)), value);
  ASSERT_TRUE(session.WriteBuffer(buffer, bytes.data()).ok());
}

TEST(Checkpoint, FallsBackFromEveryKindOfDamage) {
  for (const char *file : {"buffers.safetensors", "state.json", "manifest.json"}) {
    for (int damage = 0; damage < 3; ++damage) {
      test::TemporaryFolder folder;
      Checkpoints checkpoints(folder.path() + "/checkpoints", 2);
      auto session = test::ToySession({});
      std::vector<uint64_t> hashes;
      for (int64_t i : {1, 2, 3}) {
        FillWeights(*session, static_cast<uint8_t>(i));
        ASSERT_TRUE(checkpoints.Save(*session, {i, 5, {}}).ok());
        hashes.push_back(*StateHash(*session, {}));
      }
      EXPECT_EQ(checkpoints.List(), (std::vector<int64_t>{2, 3}));
      std::string path = checkpoints.Path(3) + "/" + file, text = test::ReadText(path);
      if (damage == 0)
        text.resize(text.size() - 3);
      if (damage == 1)
        text[text.size() / 2] ^= 1;
      std::filesystem::remove(path);
      if (damage < 2)
        folder.Write("checkpoints/3/" + std::string(file), text);
      auto loaded = checkpoints.LoadNewest(*session);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(loaded->state->iteration, 2) << file << damage;
      ASSERT_EQ(loaded->skipped.size(), 1u);
      EXPECT_THAT(loaded->skipped[0], HasSubstr(file));
      EXPECT_EQ(*StateHash(*session, {}), hashes[1]);
      std::filesystem::remove(checkpoints.Path(2) + "/state.json");
      EXPECT_FALSE(checkpoints.LoadNewest(*session).ok());
    }
  }
}

TEST(History, IsCutBehindTheLastIterationKept) {
  test::TemporaryFolder folder;
  std::string path = folder.Write("metrics.jsonl", "{\"iteration\":0,\"loss\":1}\n"
                                                   "{\"iteration\":1,\"loss\":null}\n"
                                                   "{\"iteration\":2}\n{\"itera");
  auto history = CutMetrics(path, 2);
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->size(), 2u);
  EXPECT_EQ(test::ReadText(path), "{\"iteration\":0,\"loss\":1}\n{\"iteration\":1,\"loss\":null}\n");
  std::string whole, events = folder.path() + "/e";
  for (int64_t steps : {2, 4}) {
    std::filesystem::create_directories(events);
    auto file = EventFile::Create(events);
    for (int64_t step = 0; step < steps; ++step)
      ASSERT_TRUE((*file)->Add(step, std::vector<std::pair<std::string, double>>{{"x", 1}}).ok());
    size_t size = test::ReadText((*file)->path()).size();
    ASSERT_TRUE(CutEvents(events, 2).ok());
    size_t cut = test::ReadText((*file)->path()).size();
    EXPECT_EQ(cut < size, steps > 2);
    whole += std::to_string(cut) + " ";
    std::filesystem::remove_all(events);
  }
  EXPECT_EQ(whole.substr(0, whole.find(' ')), whole.substr(whole.find(' ') + 1, whole.find(' ')));
}

TEST(Store, LocksForeignAndOlderFilesHaveClearOutcomes) {
  test::TemporaryFolder folder;
  auto session = test::ToySession({});
  auto tokenizer = test::ToyTokenizer();
  std::string path = folder.path() + "/t.sqlite";
  StoreOptions options{.max_iterations = 2, .busy_ms = 50};
  auto batch = std::make_shared<Batch>(MakeBatch(*session));
  std::vector<std::shared_ptr<Batch>> batches = {batch};
  sqlite3 *other = nullptr;
  {
    auto store = Store::Open(path, options);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->Begin({"now", "abc", 1, 0}).ok());
    for (int64_t i = 0; i < 4; ++i) {
      absl::Status status =
          (*store)->Write({i, batches, true, {{"pi", i}}, {{"prompts", i}}, batch.get()}, *tokenizer);
      ASSERT_TRUE(status.ok()) << status;
    }
    ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
    auto count = [&](const std::string &sql) {
      sqlite3_stmt *statement = nullptr;
      sqlite3_prepare_v2(other, sql.c_str(), -1, &statement, nullptr);
      sqlite3_step(statement);
      int value = sqlite3_column_int(statement, 0);
      sqlite3_finalize(statement);
      return value;
    };
    EXPECT_EQ(count("SELECT min(iteration) FROM iterations"), 2);
    EXPECT_EQ(count("SELECT count(*) FROM groups WHERE sampling = -1"), 1);
    EXPECT_EQ(count("SELECT version FROM versions WHERE iteration = 3"), 3);
    sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    EXPECT_THAT(std::string((*store)->Write({4, batches, false, {}, {}}, *tokenizer).message()),
                HasSubstr("locked"));
    sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
    EXPECT_TRUE((*store)->Write({4, batches, false, {}, {}}, *tokenizer).ok());
    sqlite3_exec(other, "PRAGMA user_version = 0", nullptr, nullptr, nullptr);
  }
  EXPECT_THAT(std::string(Store::Open(path, options).status().message()), HasSubstr("older"));
  sqlite3_exec(other, "PRAGMA application_id = 3", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_THAT(std::string(Store::Open(path, options).status().message()),
              HasSubstr("another program"));
  EXPECT_THAT(std::string(Store::Open(folder.Write("x.sqlite", std::string(5000, 'x')), options)
                              .status().message()),
              HasSubstr("not an SQLite file"));
}

TEST(Store, AFullDiskCostsTheIterationsThatDoNotFit) {
  // Every connection may have so many pages; a file that may not grow is what a full disk is.
  constexpr auto kPages = +[](sqlite3 *database, char **, const void *) {
    return sqlite3_exec(database, "PRAGMA max_page_count = 48", nullptr, nullptr, nullptr);
  };
  test::TemporaryFolder folder;
  auto session = test::ToySession({});
  auto tokenizer = test::ToyTokenizer();
  auto batch = std::make_shared<Batch>(MakeBatch(*session));
  std::vector<std::shared_ptr<Batch>> batches(8, batch);
  std::string path = folder.path() + "/t.sqlite";
  ASSERT_EQ(sqlite3_auto_extension(reinterpret_cast<void (*)()>(kPages)), SQLITE_OK);
  auto store = Store::Open(path, {});
  sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(kPages));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Begin({"now", "abc", 1, 0}).ok());
  int64_t full = 0;
  absl::Status status;
  for (; full < 1000 && status.ok(); ++full)
    status = (*store)->Write({full, batches, true, {}, {}}, *tokenizer);
  --full;
  EXPECT_GT(full, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": the disk is full"));
  // Nothing of that iteration is there, all of the others is, and it may be tried again.
  EXPECT_FALSE((*store)->Write({full + 1, batches, true, {}, {}}, *tokenizer).ok());
  sqlite3 *other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  auto count = [&](const char *sql) {
    sqlite3_stmt *statement = nullptr;
    sqlite3_prepare_v2(other, sql, -1, &statement, nullptr);
    sqlite3_step(statement);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  };
  EXPECT_EQ(count("SELECT count(*) FROM iterations"), full);
  EXPECT_EQ(count("SELECT max(iteration) FROM sequences"), full - 1);
  sqlite3_close(other);
}

} // namespace
} // namespace mirl::rt
