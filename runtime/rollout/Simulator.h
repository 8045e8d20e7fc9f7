// Rollouts on a virtual clock: what a schedule would give on devices that one does not have.
//
// A device is the Scheduler that the engine drives, with a cost for each step instead of a model,
// and lengths that are drawn instead of sampled. An iteration takes up what is unfinished, then new
// prompts, and deals the groups out to the devices beforehand, each to the one with the fewest
// sequences. What is kept of a group's keys stays on its device, and so does the group. The devices meet at its end, when the groups whose sequences have all ended are
// trained on; hence they can be simulated one after the other, or in threads, and the result is the same.

#ifndef MIRL_RUNTIME_ROLLOUT_SIMULATOR_H
#define MIRL_RUNTIME_ROLLOUT_SIMULATOR_H

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/rollout/Scheduler.h"

namespace mirl::rt {

// What steps do; see SchedulerStats.
struct StepWork {
  int64_t steps = 0;
  int64_t decode = 0;  // rows that feed the token sampled last
  int64_t prefill = 0; // all other rows
  int64_t kv = 0;      // positions of the cache that the rows read
};
// Of the steps between two readings of a scheduler's counts.
StepWork WorkBetween(const SchedulerStats &before, const SchedulerStats &after);

// Seconds of a step, and of each of what it does; none is negative.
struct StepCost {
  double step = 0, decode = 0, prefill = 0, kv = 0;
  double Seconds(const StepWork &work) const;
};
struct MeasuredStep {
  StepWork work;
  double seconds = 0;
};
// The costs, none negative, with the least sum of squared errors over the measured steps, but for
// those that were interrupted: that took longer by more than five times the median error. What never
// varies in them, or varies with another part alone, costs nothing of its own. An error when there
// are fewer than two steps or a time is not a positive number.
absl::StatusOr<StepCost> FitStepCost(std::span<const MeasuredStep> steps);

// A prompt and its responses, in tokens.
struct SimulatedGroup {
  int64_t prompt = 1;
  std::vector<int64_t> responses; // each as long as it becomes, at least 1
};
// The next prompt's. Called in the order of the prompts, from one thread.
using DrawGroup = std::function<SimulatedGroup()>;

struct SimulatorOptions {
  SchedulerLimits limits; // of a device
  StepCost cost;
  int64_t devices = 1;
  int64_t prompts = 1;    // new ones of an iteration, over all devices
  int64_t iterations = 1; // that count, behind `warmup` others
  int64_t warmup = 0;
  // Partial rollouts: most tokens of an iteration, of a sequence and over all devices (dealt out
  // evenly). No limit: an iteration waits for its longest response.
  int64_t sequence_budget = kNoLimit, total_budget = kNoLimit;
  // In place of a budget: an iteration ends when so many groups have, over all devices (dealt out evenly), which are
  // trained on; the first that have, in the order in which they were begun.
  int64_t ready = kNoLimit;
  // A group with tokens that are so many iterations old must end now, whatever the budgets.
  int64_t max_staleness = kNoLimit;
  // What a budget stops keeps its blocks, until the pool needs them; else it is computed again.
  bool keep = false;
  // While more groups than this, in prompts of an iteration, are begun and not trained on, there
  // are fewer new ones. 0: no limit.
  double in_flight = 0;
  double train_seconds = 0;       // of training on an iteration, besides
  double train_token_seconds = 0; // of a token that is trained on, on one device
  int threads = 1;
};

// Over the iterations that count.
struct SimulatorResult {
  int64_t iterations = 0;
  double seconds = 0, rollout_seconds = 0; // rollout and training; rollout
  double longest_rollout = 0;              // of an iteration
  StepWork work;
  int64_t tokens = 0; // sampled
  int64_t resumed = 0; // tokens that responses had which went on
  int64_t preemptions = 0;
  int64_t kept = 0, given_up = 0; // responses that went on with their blocks; that lost them
  int64_t groups = 0, trained_tokens = 0; // that were trained on
  double busy_slots = 0;   // seconds × slots with a sequence
  double busy_devices = 0; // seconds × devices with a step
  int64_t devices = 0, slots = 0;
  // Age, in iterations, of the tokens that were trained on.
  int64_t sum_staleness = 0, max_staleness = 0, stale_tokens = 0;
  int64_t unfinished = 0; // groups that wait at the end

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
  double groups_per_second() const { return static_cast<double>(groups) / seconds; }
  double rollout_mean() const { return rollout_seconds / static_cast<double>(iterations); }
  // Shares of the rollouts' time in which a slot has no sequence, and a device nothing to do.
  double idle_slots() const {
    return 1 - busy_slots / (rollout_seconds * static_cast<double>(devices * slots));
  }
  double idle_devices() const {
    return 1 - busy_devices / (rollout_seconds * static_cast<double>(devices));
  }
  double mean_staleness() const { return OfTrained(sum_staleness); }
  double stale_share() const { return OfTrained(stale_tokens); }

private:
  double OfTrained(int64_t sum) const {
    return trained_tokens > 0 ? static_cast<double>(sum) / static_cast<double>(trained_tokens) : 0;
  }
};

// An error when the limits leave no room, a number is below 1, or a group does not fit the context.
absl::StatusOr<SimulatorResult> Simulate(const SimulatorOptions &options, const DrawGroup &draw);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_SIMULATOR_H
