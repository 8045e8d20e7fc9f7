// Iterations of a plan's program on the real engine, with lengths of responses that are forced to a
// long-tailed distribution: log-normal, cut at the longest. One JSON line of metrics an iteration on
// standard output, as metrics.jsonl has them. LENGTHS gets the responses' lengths in the order in which
// they were begun, one a line, for the simulator. tail.py compiles the plans and compares them.
//
// What is real: model, engine, trainer, the tokens that are sampled and trained on. What is not: where
// a response ends. A model with random weights has no tail of its own.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numbers>
#include <string>

#include "runtime/artifact/Macros.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Weights.h"

namespace {

using namespace mirl::rt;

// Sebastiano Vigna's SplitMix64: a number without a pattern for each x.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

double Uniform(uint64_t x) { return (static_cast<double>(Mix(x) >> 11) + 0.5) * 0x1p-53; }

struct Lengths {
  double median = 1, sigma = 1, longest = 1;

  // By prompt and number of the sample, so that every way to schedule them has the same work.
  int64_t operator()(const Trajectory &trajectory) const {
    uint64_t key = std::hash<std::string>{}(trajectory.prompt.record->prompt) ^
                   static_cast<uint64_t>(trajectory.sequence_id % kMaxSamples) << 48;
    double radius = std::sqrt(-2 * std::log(Uniform(key)));
    double normal = radius * std::cos(2 * std::numbers::pi * Uniform(~key));
    return std::llround(std::clamp(median * std::exp(sigma * normal), 1.0, longest));
  }
};

absl::Status Run(char **argument) {
  std::string plan_path = argument[1], model = argument[2], data = argument[3];
  int64_t iterations = std::atoll(argument[4]);
  SessionOptions session_options;
  session_options.threads = std::atoi(argument[5]);
  TrainerOptions options;
  options.iterations = iterations;
  options.data["prompts"] = data;
  options.engine.slots = std::atoll(argument[6]);
  options.engine.forced_length =
      Lengths{std::atof(argument[7]), std::atof(argument[8]), std::atof(argument[9])};
  MIRL_ASSIGN(std::shared_ptr<const Plan> plan, Plan::Load(plan_path));
  MIRL_ASSIGN(auto session, Session::Create(plan, session_options));
  MIRL_ASSIGN(auto tokenizer, Tokenizer::Load(model + "/tokenizer.json"));
  for (uint32_t i = 0; i < Length(plan->root().policies()); ++i) {
    std::string note;
    MIRL_TRY(LoadWeights(*session, *plan->root().policies()->Get(i), model, &note));
  }
  MIRL_ASSIGN(auto trainer, Trainer::Create(*session, *tokenizer, options));
  std::map<int64_t, int64_t> lengths; // by sequence id, which grows as they are begun
  auto remember = [&](const Batch &batch) {
    for (const auto &trajectory : batch.trajectories)
      lengths[trajectory->sequence_id] = options.engine.forced_length(*trajectory);
  };
  for (int64_t iteration = 0; iteration < iterations; ++iteration) {
    MIRL_ASSIGN(IterationMetrics metrics, trainer->RunIteration(iteration));
    for (const auto &batch : trainer->sampled())
      remember(*batch);
    std::printf("%s\n", ToJsonLine(metrics).c_str());
    std::fflush(stdout);
  }
  remember(trainer->unfinished());
  std::ofstream file(argument[10]);
  for (const auto &[id, length] : lengths)
    file << length << "\n";
  file.close();
  return file ? absl::OkStatus() : Invalid(argument[10], ": cannot be written");
}

} // namespace

int main(int count, char **arguments) {
  if (count != 11) {
    std::fprintf(stderr, "usage: mirl-bench-tail PLAN MODEL PROMPTS ITERATIONS THREADS SLOTS MEDIAN "
                         "SIGMA LONGEST LENGTHS\n");
    return 2;
  }
  absl::Status status = Run(arguments);
  if (!status.ok())
    std::fprintf(stderr, "mirl-bench-tail: error: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
