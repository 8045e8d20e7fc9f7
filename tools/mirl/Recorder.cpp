#include "tools/mirl/Recorder.h"

#include <utility>

#include "runtime/artifact/Macros.h"
#include "runtime/report/History.h"
#include "runtime/weights/Files.h"
#include "tools/mirl/Commands.h"

namespace mirl::tools {

using rt::Cat;

absl::StatusOr<std::unique_ptr<Recorder>>
Recorder::Create(const TrainOptions &options, rt::RunDirectory directory, const rt::RunInfo &info,
                 bool samples, int64_t first, rt::Summary &summary) {
  std::unique_ptr<Recorder> recorder(new Recorder(options, std::move(directory)));
  const std::string &path = recorder->directory_.path();
  if (options.resume) {
    MIRL_ASSIGN(std::vector<rt::IterationMetrics> history, rt::CutMetrics(path + "/metrics.jsonl", first));
    if (auto lines = static_cast<int64_t>(history.size()); lines < first)
      Warn(Cat(path, "/metrics.jsonl: has ", lines, " of the ", first,
               " iterations that are done; the run goes on without the others"));
    for (rt::IterationMetrics &metrics : history)
      summary.Add(std::move(metrics));
    MIRL_TRY(rt::CutEvents(path, first));
  }
  MIRL_ASSIGN(recorder->metrics_, rt::MetricsFile::Create(path + "/metrics.jsonl"));
  MIRL_ASSIGN(recorder->events_, rt::EventFile::Create(path, first));
  if (samples && !options.no_store) {
    rt::StoreOptions limits;
    limits.max_bytes = options.store_max_mib << 20;
    limits.max_iterations = options.store_iterations;
    auto store = rt::Store::Open(path + "/trajectories.sqlite", limits);
    absl::Status status = store.status();
    if (status.ok())
      status = (*store)->Begin(
          {info.starts.back().time, rt::HashText(info.plan_hash), info.seed, first});
    if (!status.ok())
      return absl::Status(status.code(),
                          Cat(status.message(), "; --no-store trains without trajectories"));
    recorder->store_ = *std::move(store);
  }
  return recorder;
}

absl::Status Recorder::Add(const rt::IterationMetrics &metrics, const rt::Trainer &trainer,
                           const rt::Tokenizer &tokenizer) {
  if (store_) {
    rt::Batch unfinished = trainer.unfinished();
    absl::Status status =
        store_->Write({metrics.iteration, trainer.sampled(), trainer.rewarded(),
                       trainer.versions(), trainer.cursors(),
                       unfinished.groups() > 0 ? &unfinished : nullptr},
                      tokenizer);
    if (!status.ok())
      WarnOnce(Cat(status.message(), ": iteration ", metrics.iteration,
                   " is not stored; the run goes on"),
               status);
  }
  MIRL_TRY(metrics_->Write(metrics));
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto &value : metrics.values)
    if (value.second == value.second) // Not the absent ones.
      scalars.push_back(value);
  return events_->Add(metrics.iteration, scalars);
}

absl::Status Recorder::Save(rt::Session &session, const rt::Trainer &trainer, uint64_t seed,
                            int64_t iteration) {
  MIRL_TRY(metrics_->Sync());
  MIRL_TRY(events_->Sync());
  if (store_)
    if (absl::Status status = store_->Sync(); !status.ok())
      WarnOnce(std::string(status.message()), status);
  MIRL_ASSIGN(rt::StateDict state, trainer.Export());
  return checkpoints_.Save(session, {iteration, seed, std::move(state)});
}

void Recorder::WarnOnce(const std::string &text, const absl::Status &cause) {
  if (cause.message() != last_cause_)
    Warn(text);
  last_cause_ = std::string(cause.message());
}

} // namespace mirl::tools
