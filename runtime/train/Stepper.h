// Runs one training step on a batch: batch entry, micro-batches, apply.

#ifndef MIRL_RUNTIME_TRAIN_STEPPER_H
#define MIRL_RUNTIME_TRAIN_STEPPER_H

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/train/Pack.h"

namespace mirl::rt {

struct StepResult {
  double loss = 0; // NaN when no entry gives one
  std::map<std::string, double> metrics;
  int64_t micro_batches = 0;
  int64_t tokens = 0; // of prompts and responses
  double seconds = 0;
  // Sampled tokens whose recorded log-prob was compared with the micro entry's, and how many
  // differed in some bit.
  int64_t parity_tokens = 0, parity_mismatches = 0;
};

class Stepper {
public:
  // `params` must outlive the Stepper.
  Stepper(Session &session, const Params &params) : session_(session), params_(params) {}

  // `parity_policy` and `parity_version`: compare the log-probs of the trajectories that this
  // version of this policy sampled (nullptr: of none). It must be what the policy is now: the
  // comparison says nothing after an update.
  absl::StatusOr<StepResult> Run(const fb::Step &step, const Batch &batch, const Clock &clock,
                                 const fb::Policy *parity_policy = nullptr,
                                 int64_t parity_version = 0);

private:
  void ReadOutputs(const fb::Entry &entry, StepResult &result);

  Session &session_;
  const Params &params_;
  Packed packed_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_STEPPER_H
