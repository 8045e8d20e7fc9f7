// The trajectory store: what a run sampled, iteration by iteration, in DIR/trajectories.sqlite.
// docs/store.md documents the tables. It is for people and their tools: training reads nothing from
// it, so a run that loses it loses nothing of its future.

#ifndef MIRL_RUNTIME_STORE_STORE_H
#define MIRL_RUNTIME_STORE_STORE_H

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/rollout/Trajectory.h"
#include "runtime/store/Database.h"
#include "runtime/text/Tokenizer.h"

namespace mirl::rt {

inline constexpr int64_t kStoreSchema = 1; // PRAGMA user_version

struct StoreOptions {
  int64_t max_bytes = int64_t{512} << 20;
  int64_t max_iterations = 0; // 0: as many as fit into max_bytes
  int busy_ms = 5000; // how long a lock of another process is waited for
};

// A row of `runs`: a start of the run.
struct StoreRun {
  std::string started, plan_hash;
  uint64_t seed = 0;
  int64_t iteration = 0; // the first that it runs
};

// What an iteration did.
struct StoreIteration {
  int64_t iteration = 0;
  std::span<const std::shared_ptr<Batch>> batches; // what it handed to training
  bool rewarded = false;                           // the trajectories have rewards
  std::map<std::string, int64_t, std::less<>> versions, cursors; // behind it; see Trainer.h
  const Batch *unfinished = nullptr; // groups that wait to be continued; nullptr: none
};

class Store {
public:
  // Opens or makes the file. Errors name it: locked, read-only, no SQLite file, another program's,
  // another schema.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string &path,
                                                     const StoreOptions &options);

  // Removes the iterations from `run.iteration` on, which will be run again, and adds the start.
  absl::Status Begin(const StoreRun &run);

  // Adds an iteration in one transaction, and removes the oldest ones, never this one, until the
  // limits hold. Unfinished groups take the place of those that an earlier call wrote. After an
  // error nothing of it is there, and the next one may be tried.
  absl::Status Write(const StoreIteration &iteration, const Tokenizer &tokenizer);

  // Moves the log into the file and puts it on the disk.
  absl::Status Sync();

  // Bytes in use, without free pages.
  absl::StatusOr<int64_t> Size();

private:
  Store(std::unique_ptr<Database> database, const StoreOptions &options)
      : database_(std::move(database)), options_(options) {}
  absl::Status CreateTables();
  absl::Status Insert(const StoreIteration &iteration, const Tokenizer &tokenizer);
  absl::Status InsertBatch(const StoreIteration &iteration, int64_t sampling, const Batch &batch,
                           bool rewarded, const Tokenizer &tokenizer);
  // Removes the oldest iterations, but not `newest`, until the limits hold.
  absl::Status Shrink(int64_t newest);
  // Runs `body` between BEGIN and COMMIT, or undoes it.
  template <typename Body> absl::Status Transaction(const Body &body);

  std::unique_ptr<Database> database_;
  StoreOptions options_;
  int64_t run_ = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_STORE_STORE_H
