#include "runtime/store/Store.h"

#include <cmath>
#include <optional>
#include <utility>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr int64_t kApplicationId = 0x6d69726c; // "mirl"
constexpr int64_t kUnfinished = -1;             // groups.sampling of those that wait

// Ids are the rows' numbers and grow in the order of writing, so a resumed run gives the same ids
// as one that was never stopped. Deleting an iteration deletes all that hangs on it.
constexpr const char *kTables = R"(
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  started TEXT NOT NULL,
  plan_hash TEXT NOT NULL,
  seed TEXT NOT NULL,
  first_iteration INTEGER NOT NULL
);
CREATE TABLE iterations (
  iteration INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs,
  groups INTEGER NOT NULL,
  sequences INTEGER NOT NULL,
  tokens INTEGER NOT NULL
);
CREATE TABLE versions (
  iteration INTEGER NOT NULL REFERENCES iterations ON DELETE CASCADE,
  policy TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (iteration, policy)
) WITHOUT ROWID;
CREATE TABLE cursors (
  iteration INTEGER NOT NULL REFERENCES iterations ON DELETE CASCADE,
  dataset TEXT NOT NULL,
  drawn INTEGER NOT NULL,
  PRIMARY KEY (iteration, dataset)
) WITHOUT ROWID;
CREATE TABLE groups (
  id INTEGER PRIMARY KEY,
  iteration INTEGER NOT NULL REFERENCES iterations ON DELETE CASCADE,
  sampling INTEGER NOT NULL,
  place INTEGER NOT NULL,
  source TEXT NOT NULL,
  prompt TEXT NOT NULL,
  prompt_ids BLOB NOT NULL
);
CREATE INDEX groups_by_iteration ON groups (iteration);
CREATE TABLE sequences (
  id INTEGER PRIMARY KEY,
  group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  iteration INTEGER NOT NULL,
  sample INTEGER NOT NULL,
  policy TEXT NOT NULL,
  generator_id INTEGER NOT NULL,
  response TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  ending TEXT NOT NULL,
  reward REAL
);
CREATE INDEX sequences_by_group ON sequences (group_id);
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  sequence_id INTEGER NOT NULL REFERENCES sequences ON DELETE CASCADE,
  start INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  version INTEGER NOT NULL,
  token_ids BLOB NOT NULL,
  logprobs BLOB NOT NULL
);
CREATE INDEX segments_by_sequence ON segments (sequence_id);
CREATE TABLE rewards (
  sequence_id INTEGER NOT NULL REFERENCES sequences ON DELETE CASCADE,
  name TEXT NOT NULL,
  value REAL,
  PRIMARY KEY (sequence_id, name)
) WITHOUT ROWID;
CREATE VIEW trajectories AS
  SELECT sequences.iteration, groups.source, groups.prompt, sequences.sample, sequences.response,
         sequences.tokens, sequences.ending, sequences.reward
  FROM sequences JOIN groups ON groups.id = sequences.group_id;
)";

template <typename T> Statement::Blob BlobOf(const T *data, size_t count) {
  return {data, count * sizeof(T)};
}

// SQLite has no NaN: it would be NULL, which here means "not scored".
std::optional<double> Real(float value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

} // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string &path,
                                                   const StoreOptions &options) {
  MIRL_ASSIGN(auto database, Database::Open(path, options.busy_ms));
  std::unique_ptr<Store> store(new Store(std::move(database), options));
  Database &db = *store->database_;
  // Nothing changes before it is known whose file it is.
  MIRL_ASSIGN(int64_t objects, db.Integer("SELECT count(*) FROM sqlite_master"));
  MIRL_ASSIGN(int64_t application, db.Integer("PRAGMA application_id"));
  MIRL_ASSIGN(int64_t schema, db.Integer("PRAGMA user_version"));
  if (objects > 0 && application != kApplicationId)
    return Invalid(path, ": is not a trajectory store but a database of another program");
  if (objects > 0 && schema != kStoreSchema)
    return absl::FailedPreconditionError(
        Cat(path, ": has schema ", schema, ", written by ",
            schema < kStoreSchema ? "an older" : "a newer", " mirl; this one writes schema ",
            kStoreSchema, ": move the file away, or run with --no-store"));
  if (objects == 0)
    MIRL_TRY(db.Execute("PRAGMA auto_vacuum = INCREMENTAL"));
  // In WAL mode readers never hold up the run. NORMAL: a crash of the machine may cost the last
  // iterations (until Sync), never the file.
  MIRL_TRY(db.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                      "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 4194304"));
  if (objects == 0)
    MIRL_TRY(store->CreateTables());
  return store;
}

template <typename Body> absl::Status Store::Transaction(const Body &body) {
  MIRL_TRY(database_->Execute("BEGIN IMMEDIATE"));
  absl::Status status = body();
  if (status.ok())
    status = database_->Execute("COMMIT");
  // SQLite undoes some failures by itself; then there is nothing to undo, which is no error.
  if (!status.ok())
    database_->Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status Store::CreateTables() {
  return Transaction([&] {
    return database_->Execute(Cat(kTables, "PRAGMA application_id = ", kApplicationId,
                                  "; PRAGMA user_version = ", kStoreSchema, ";"));
  });
}

absl::Status Store::Begin(const StoreRun &run) {
  return Transaction([&]() -> absl::Status {
    MIRL_TRY(database_->Execute(Cat("DELETE FROM iterations WHERE iteration >= ", run.iteration)));
    MIRL_ASSIGN(Statement insert,
                Statement::Make(*database_, "INSERT INTO runs (started, plan_hash, seed, "
                                            "first_iteration) VALUES (?, ?, ?, ?)"));
    // As text: a seed may be larger than SQLite's integers.
    MIRL_TRY(insert.Run(std::string_view(run.started), std::string_view(run.plan_hash),
                        std::string_view(std::to_string(run.seed)), run.iteration));
    run_ = database_->last_id();
    return absl::OkStatus();
  });
}

absl::Status Store::InsertBatch(const StoreIteration &iteration, int64_t sampling,
                                const Batch &batch, bool rewarded, const Tokenizer &tokenizer) {
  Database &db = *database_;
  MIRL_ASSIGN(Statement add_group,
              Statement::Make(db, "INSERT INTO groups VALUES (NULL, ?, ?, ?, ?, ?, ?)"));
  MIRL_ASSIGN(Statement add_sequence,
              Statement::Make(db, "INSERT INTO sequences VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  MIRL_ASSIGN(Statement add_segment,
              Statement::Make(db, "INSERT INTO segments VALUES (NULL, ?, ?, ?, ?, ?, ?)"));
  MIRL_ASSIGN(Statement add_reward, Statement::Make(db, "INSERT INTO rewards VALUES (?, ?, ?)"));
  for (int64_t g = 0; g < batch.groups(); ++g) {
    const Prompt &prompt = batch.prompts[static_cast<size_t>(g)];
    MIRL_TRY(add_group.Run(iteration.iteration, sampling, g, std::string_view(prompt.record->where),
                           std::string_view(prompt.record->prompt),
                           BlobOf(prompt.ids->data(), prompt.ids->size())));
    int64_t group_id = db.last_id();
    int64_t begin = batch.group_offsets[static_cast<size_t>(g)],
            end = batch.group_offsets[static_cast<size_t>(g) + 1];
    for (int64_t s = begin; s < end; ++s) {
      const Trajectory &trajectory = *batch.trajectories[static_cast<size_t>(s)];
      std::string response = tokenizer.Decode(trajectory.response);
      std::optional<double> reward;
      if (rewarded)
        reward = Real(trajectory.reward);
      MIRL_TRY(add_sequence.Run(
          group_id, iteration.iteration, s - begin,
          trajectory.policy ? View(trajectory.policy->name()) : std::string_view(),
          trajectory.sequence_id, std::string_view(response), trajectory.response_size(),
          EndingName(trajectory.ending), reward));
      int64_t sequence_id = db.last_id(), start = 0;
      for (const Segment &segment : trajectory.segments) {
        auto count = static_cast<size_t>(segment.tokens);
        MIRL_TRY(add_segment.Run(sequence_id, start, segment.tokens, segment.version,
                                 BlobOf(trajectory.response.data() + start, count),
                                 BlobOf(trajectory.logprob.data() + start, count)));
        start += segment.tokens;
      }
      if (rewarded)
        MIRL_TRY(add_reward.Run(sequence_id, std::string_view("reward"), reward));
      for (const auto &[name, value] : trajectory.fields)
        if (!rewarded || name != "reward")
          MIRL_TRY(add_reward.Run(sequence_id, std::string_view(name), Real(value)));
    }
  }
  return absl::OkStatus();
}

absl::Status Store::Insert(const StoreIteration &iteration, const Tokenizer &tokenizer) {
  Database &db = *database_;
  int64_t groups = 0, sequences = 0, tokens = 0;
  for (const auto &batch : iteration.batches) {
    groups += batch->groups();
    sequences += batch->sequences();
    for (const auto &trajectory : batch->trajectories)
      tokens += trajectory->response_size();
  }
  // Those that waited were continued: they are written again, ended or not.
  MIRL_TRY(db.Execute(Cat("DELETE FROM groups WHERE sampling = ", kUnfinished)));
  MIRL_ASSIGN(Statement add_iteration,
              Statement::Make(db, "INSERT INTO iterations VALUES (?, ?, ?, ?, ?)"));
  MIRL_TRY(add_iteration.Run(iteration.iteration, run_, groups, sequences, tokens));
  for (const auto &[table, counts] :
       {std::pair{"versions", &iteration.versions}, std::pair{"cursors", &iteration.cursors}}) {
    MIRL_ASSIGN(Statement add,
                Statement::Make(db, Cat("INSERT INTO ", table, " VALUES (?, ?, ?)").c_str()));
    for (const auto &[name, count] : *counts)
      MIRL_TRY(add.Run(iteration.iteration, std::string_view(name), count));
  }
  for (size_t b = 0; b < iteration.batches.size(); ++b)
    MIRL_TRY(InsertBatch(iteration, static_cast<int64_t>(b), *iteration.batches[b],
                         iteration.rewarded, tokenizer));
  if (iteration.unfinished)
    MIRL_TRY(InsertBatch(iteration, kUnfinished, *iteration.unfinished, /*rewarded=*/false,
                         tokenizer));
  return absl::OkStatus();
}

absl::Status Store::Write(const StoreIteration &iteration, const Tokenizer &tokenizer) {
  MIRL_TRY(Transaction([&]() -> absl::Status {
    MIRL_TRY(Insert(iteration, tokenizer));
    return Shrink(iteration.iteration);
  }));
  MIRL_ASSIGN(int64_t free, database_->Integer("PRAGMA freelist_count"));
  if (free == 0)
    return absl::OkStatus();
  MIRL_TRY(database_->Execute("PRAGMA incremental_vacuum"));
  return Sync();
}

absl::Status Store::Shrink(int64_t newest) {
  while (true) {
    MIRL_ASSIGN(int64_t size, Size());
    MIRL_ASSIGN(int64_t count, database_->Integer("SELECT count(*) FROM iterations"));
    bool fits = size <= options_.max_bytes &&
                (options_.max_iterations == 0 || count <= options_.max_iterations);
    if (fits || count < 2)
      return absl::OkStatus();
    MIRL_TRY(database_->Execute(Cat("DELETE FROM iterations WHERE iteration = (SELECT "
                                    "min(iteration) FROM iterations WHERE iteration <> ",
                                    newest, ")")));
  }
}

absl::Status Store::Sync() {
  // A reader may keep a part of the log alive; the next one takes it.
  return database_->Integer("PRAGMA wal_checkpoint(TRUNCATE)").status();
}

absl::StatusOr<int64_t> Store::Size() {
  MIRL_ASSIGN(int64_t pages, database_->Integer("PRAGMA page_count"));
  MIRL_ASSIGN(int64_t free, database_->Integer("PRAGMA freelist_count"));
  MIRL_ASSIGN(int64_t bytes, database_->Integer("PRAGMA page_size"));
  return (pages - free) * bytes;
}

} // namespace mirl::rt
