// What `mirl train` is asked to do: its command line, and, when a run is resumed, what that run was
// started with.

#ifndef MIRL_TOOLS_MIRL_TRAINSETTINGS_H
#define MIRL_TOOLS_MIRL_TRAINSETTINGS_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/artifact/Plan.h"
#include "runtime/checkpoint/RunDirectory.h"
#include "runtime/train/Trainer.h"

namespace mirl::tools {

// The command line.
struct TrainOptions {
  std::string plan, run;
  std::vector<std::string> model, set, data;
  std::optional<uint64_t> seed;
  int64_t iterations = 0; // 0: the plan's
  int threads = 0;
  bool profile = false, nvtx = false, check_parity = false;
  bool resume = false, no_store = false;
  std::string trace; // a file, or empty
  int64_t trace_iterations = 1;
  int64_t checkpoint_every = 10, keep_checkpoints = 2;
  int64_t store_max_mib = 512, store_iterations = 0; // 0: as many as fit
  rt::RollerOptions engine;                          // A resumed run may change it, but for a total budget.
};

// The settings of a run, from the command line or from what it was started with.
struct TrainSettings {
  rt::TrainerOptions trainer;
  std::string model;                         // the folder of all policies' weights and the tokenizer
  std::map<std::string, std::string> models; // by policy, where it has a folder of its own
};

// Those of the command line. Paths are made absolute, so that a run may be resumed from another
// working directory.
absl::StatusOr<TrainSettings> ReadSettings(const TrainOptions &options, const rt::Plan &plan);

// Puts the run's own settings where the command line says nothing, and refuses others: what makes
// the run's future another one. Where files lie may change.
absl::Status TakeSettings(const TrainOptions &options, const rt::Plan &plan,
                          const rt::RunInfo &info, TrainSettings &settings);

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_TRAINSETTINGS_H
