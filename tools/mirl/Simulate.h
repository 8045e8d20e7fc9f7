// mirl rollout --simulate: what a schedule of rollouts would give, without running a model.

#ifndef MIRL_TOOLS_MIRL_SIMULATE_H
#define MIRL_TOOLS_MIRL_SIMULATE_H

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

struct SimulateFlags {
  bool simulate = false, calibrate = false, json = false;
  bool in_order = false, keep = false;
  std::vector<int64_t> devices = {1};
  int64_t prompts = 0, prompts_per_device = 0; // 0: not given
  int64_t iterations = 20, warmup = 10;
  double median = 0, tail = 10;
  std::string lengths;
  int64_t prompt_tokens = 0; // 0: not given
  double step_us = 0, decode_us = 0, prefill_us = 0, kv_ns = 0;
  double train_ms = 0, train_token_us = 0;
  int64_t ready = 0;    // 0: not given
  int64_t max_age = -1; // -1: no limit
  double in_flight = 2;
};

// --simulate and what goes with it. PLAN and --data, which the command has already, are needed for
// --calibrate alone.
void AddSimulateFlags(CLI::App &command, SimulateFlags &flags);

// `data`, `limit`, `sampler`, `sampling` and `engine` are those of the rollout that --calibrate
// measures; the lengths drawn take the samples, the seed and the longest length from `sampling`, and
// the budgets of partial rollouts are its.
absl::Status Simulate(const SimulateFlags &flags, const std::string &data, int64_t limit,
                      const SamplerFlags &sampler, const SamplingFlags &sampling,
                      const rt::RollerOptions &engine);

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_SIMULATE_H
