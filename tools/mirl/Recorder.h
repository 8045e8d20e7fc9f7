// What `mirl train` writes into the run's folder while it goes on: metrics.jsonl, TensorBoard events,
// trajectories.sqlite, checkpoints.

#ifndef MIRL_TOOLS_MIRL_RECORDER_H
#define MIRL_TOOLS_MIRL_RECORDER_H

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/checkpoint/RunDirectory.h"
#include "runtime/report/EventFile.h"
#include "runtime/report/Metrics.h"
#include "runtime/report/Progress.h"
#include "runtime/store/Store.h"
#include "runtime/train/Trainer.h"
#include "tools/mirl/TrainSettings.h"

namespace mirl::tools {

class Recorder {
public:
  // Opens everything, and takes back what earlier starts wrote of `first` and later iterations.
  // `summary` gets the iterations before, as metrics.jsonl has them.
  static absl::StatusOr<std::unique_ptr<Recorder>>
  Create(const TrainOptions &options, rt::RunDirectory directory, const rt::RunInfo &info,
         bool samples, int64_t first, rt::Summary &summary);

  // Records an iteration that is done. A store that fails costs a warning; the metrics are needed.
  absl::Status Add(const rt::IterationMetrics &metrics, const rt::Trainer &trainer,
                   const rt::Tokenizer &tokenizer);

  // Writes a checkpoint of `iteration` finished iterations, behind what belongs to it.
  absl::Status Save(rt::Session &session, const rt::Trainer &trainer, uint64_t seed,
                    int64_t iteration);

  const rt::RunDirectory &directory() const { return directory_; }

private:
  Recorder(const TrainOptions &options, rt::RunDirectory directory)
      : directory_(std::move(directory)),
        checkpoints_(directory_.path() + "/checkpoints", options.keep_checkpoints) {}
  // The same cause again says nothing new.
  void WarnOnce(const std::string &text, const absl::Status &cause);

  rt::RunDirectory directory_;
  rt::Checkpoints checkpoints_;
  std::unique_ptr<rt::MetricsFile> metrics_;
  std::unique_ptr<rt::EventFile> events_;
  std::unique_ptr<rt::Store> store_;
  std::string last_cause_;
};

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_RECORDER_H
