// The folder of a run. Everything in it is complete or absent: a model appears under its name when
// all of its files are written.

#ifndef MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H
#define MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// What run.json says.
struct RunInfo {
  std::string plan;
  uint64_t plan_hash = 0;
  std::string compiler, source_file, model;
  uint64_t seed = 0;
  int64_t iterations = 0, iterations_done = 0;
  int threads = 0;
  std::map<std::string, double> params;
  std::map<std::string, std::string> data;
  std::string started, finished; // UTC, ISO 8601; finished is "" while the run goes on
};

// "2025-01-31T12:00:00Z".
std::string UtcNow();

class RunDirectory {
public:
  // An error when the folder holds a run already (run.json, metrics.jsonl or final): it says so and
  // what to do. Changes nothing.
  static absl::Status CheckFree(const std::string &path);
  // CheckFree, and makes the folder.
  static absl::StatusOr<RunDirectory> Create(const std::string &path);

  const std::string &path() const { return path_; }
  absl::Status WriteInfo(const RunInfo &info) const;

  // Calls `write` with a temporary folder beside `path()/name` and renames it to that; removes it
  // when anything fails.
  absl::Status
  SaveFolder(const std::string &name,
             const std::function<absl::Status(const std::string &folder)> &write) const;

  // The trained policies as Hugging Face model directories: the first is `final`, each other one
  // `final-NAME`.
  absl::Status SaveFinal(Session &session, const std::string &tokenizer_directory) const;

private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_CHECKPOINT_RUNDIRECTORY_H
