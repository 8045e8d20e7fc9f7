// Checkpoints: a run's state between two iterations, on disk (docs/checkpoint.md).
//
// DIR/checkpoints/ITERATION/ holds buffers.safetensors (the plan's persistent buffers but caches,
// gradients and constants), trainer.safetensors (the tensors of the trainer's StateDict, if any),
// state.json and manifest.json, which has the size and the XXH3-64 of each file and of itself. The
// folder is written under another name, synced and renamed: it is whole or it is not there. What
// happens to its bytes later is what the hashes are for.

#ifndef MIRL_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define MIRL_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/weights/StateDict.h"

namespace mirl::rt {

// A run's state beside the session's buffers.
struct RunState {
  int64_t iteration = 0; // iterations done: the number of the next
  uint64_t seed = 0;
  StateDict trainer;
};

// The hash of the bytes that a checkpoint would hold: those of the buffers and of the state.
absl::StatusOr<uint64_t> StateHash(Session &session, const StateDict &state);

class Checkpoints {
public:
  // `folder`: DIR/checkpoints; made when it is needed. `keep` at least 1.
  Checkpoints(std::string folder, int64_t keep) : folder_(std::move(folder)), keep_(keep) {}

  // Writes one, then removes all but the newest `keep`. After an error the older ones are as they
  // were.
  absl::Status Save(Session &session, const RunState &state) const;

  struct Loaded {
    std::optional<RunState> state;    // of the newest good one, now in the session; nothing: none
    std::string path;                 // its folder
    std::vector<std::string> skipped; // newer ones: "PATH: what is wrong with it"
  };
  // Checks the newest, the next older one when it is damaged, and so on, and fills the session from
  // the first good one; the session is as it was when there is none. Damaged ones that are newer
  // are set aside as ITERATION.damaged, and go when the next checkpoint is written. An error when
  // there are checkpoints and all are damaged: it says which and why.
  absl::StatusOr<Loaded> LoadNewest(Session &session) const;

  // The iterations of those that are there, ascending.
  std::vector<int64_t> List() const;
  std::string Path(int64_t iteration) const;

private:
  absl::StatusOr<RunState> Read(Session &session, const std::string &path) const;

  std::string folder_;
  int64_t keep_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_CHECKPOINT_CHECKPOINT_H
