// The folder of a run. Everything in it is complete or absent: a model appears under its name when
// all of its files are written. One process at a time works in it.

#ifndef MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H
#define MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// A start of a run: the first, and one for each --resume.
struct RunStart {
  std::string time;      // UTC, ISO 8601
  int64_t iteration = 0; // the first that it ran
  int threads = 0;
};

// What run.json says.
struct RunInfo {
  std::string plan;
  uint64_t plan_hash = 0;
  std::string compiler, source_file, model;
  std::map<std::string, std::string> models; // by policy: weights of its own
  uint64_t seed = 0;
  int64_t iterations = 0, iterations_done = 0;
  int threads = 0;
  std::map<std::string, double> params;
  std::map<std::string, std::string> data;
  std::string tokenizer_hash; // of tokenizer.json
  std::string schedule;       // what of the engine the run depends on; "": nothing
  std::string initial_state;  // hash of the weights and the state before the first iteration
  std::string started, finished; // UTC, ISO 8601; finished is "" while the run goes on
  std::vector<RunStart> starts;
};

// "2025-01-31T12:00:00Z".
std::string UtcNow();

class RunDirectory {
public:
  // An error when the folder holds a run already (run.json, metrics.jsonl, checkpoints,
  // trajectories.sqlite or final): it says so and what to do. Changes nothing.
  static absl::Status CheckFree(const std::string &path);
  // CheckFree, and makes the folder. An error when another process works in it.
  static absl::StatusOr<RunDirectory> Create(const std::string &path);
  // A folder that holds a run: reads run.json and removes what an interrupted write left. An error
  // when there is no run, another process works in it, or run.json is damaged.
  static absl::StatusOr<RunDirectory> Resume(const std::string &path, RunInfo &info);

  const std::string &path() const { return path_; }
  absl::Status WriteInfo(const RunInfo &info) const;

  // The trained policies as Hugging Face model directories: the first is `final`, each other one
  // `final-NAME`.
  absl::Status SaveFinal(Session &session, const std::string &tokenizer_directory) const;

private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  absl::Status Lock();
  std::string path_;
  std::shared_ptr<void> lock_; // held as long as a copy of this lives
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H
