// What an iteration adds up. Private to the Trainer.

#ifndef MIRL_RUNTIME_TRAIN_TOTALS_H
#define MIRL_RUNTIME_TRAIN_TOTALS_H

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/train/Trainer.h"

namespace mirl::rt {

// A mean that is NaN without items.
struct Mean {
  double sum = 0;
  int64_t count = 0;
  void Add(double value, int64_t weight = 1) {
    sum += value * static_cast<double>(weight);
    count += weight;
  }
  double Get() const { return count ? sum / static_cast<double>(count) : NAN; }
};

struct Trainer::Totals {
  Clock clock;
  Mean loss, reward, accuracy, length, finished;
  std::map<std::string, Mean> step_losses, metrics;
  std::vector<std::pair<std::string, double>> evaluations;
  bool asked = false; // a verifier that may fail to score something
  int64_t unscored = 0;
  bool rewarded = false, examples = false, partial = false, repeats = false;
  RolloutStats rollout;
  int64_t samplings = 0, draws = 0, batches = 0, sequences = 0, micro_batches = 0, train_tokens = 0;
  double train_seconds = 0;
  // Of partial rollouts: sequences that were begun before, the ages of what was handed over.
  int64_t resumed = 0, groups = 0, staleness_max = 0;
  Mean segments, staleness, repeated;
  int64_t parity_tokens = 0, parity_mismatches = 0;
  std::vector<std::shared_ptr<Batch>> sampled; // what rewards and lengths are averaged over
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_TOTALS_H
