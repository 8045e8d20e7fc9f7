// What the commands that run a model have in common: the plan, a session, weights, a tokenizer.

#ifndef MIRL_TOOLS_MIRL_SETUP_H
#define MIRL_TOOLS_MIRL_SETUP_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/rollout/Roller.h"
#include "runtime/text/Tokenizer.h"

namespace mirl::tools {

// What a session is opened with: its warnings and notes go to stderr. Where the environment has MIRL_POISON=1, memory is poisoned
// (SessionOptions), as the tests do. `nvtx`: ranges for NVIDIA's tools.
rt::SessionOptions SessionOptionsOf(int threads, bool nvtx);
// --nvtx of a command that runs entries.
void AddNvtxFlag(CLI::App &command, bool &nvtx);

// Says on stderr how much of a GPU's memory is in use once the plan is loaded: by the plan, by the driver for it, by other
// programs. Nothing on a CPU.
absl::Status SayMemory(const rt::Session &session);
// LoadWeights (runtime/weights/Weights.h); a conversion of types is said on stderr.
absl::Status LoadPolicy(rt::Session &session, const fb::Policy &policy, const std::string &directory);

// `directory`/tokenizer.json, or the one beside the model that the plan was compiled for.
absl::StatusOr<std::unique_ptr<rt::Tokenizer>> LoadTokenizer(const rt::Plan &plan,
                                                             const std::string &directory);

// The folder of it that LoadTokenizer would read.
std::string TokenizerDirectory(const rt::Plan &plan, const std::string &directory);

// A policy that can sample, with weights and tokenizer.
struct Sampler {
  std::unique_ptr<rt::Session> session;
  const fb::Policy *policy = nullptr;
  std::unique_ptr<rt::Tokenizer> tokenizer;
  std::unique_ptr<rt::Roller> roller;

  rt::TextLimits limits() const;
};

// Which policy samples. `model`: the weights' folder; "": where the plan says. `policy`: its name;
// "": the one the program samples from, or the first that can sample.
struct SamplerFlags {
  std::string plan, model, policy;
  int threads = 0;
  bool nvtx = false;
};

absl::StatusOr<Sampler> MakeSampler(const SamplerFlags &flags,
                                    const rt::RollerOptions &engine = {});

// PLAN, --model, --policy, --threads and --nvtx.
void AddSamplerFlags(CLI::App &command, SamplerFlags &flags);

// --slots, --kv-blocks, --kv-memory, --prefill-chunk and --run-ahead of a command that samples.
void AddEngineFlags(CLI::App &command, rt::RollerOptions &engine);

// The sampling settings of a command line; what was not given is the program's.
struct SamplingFlags {
  int64_t n = 0, max_tokens = 0; // 0: not given
  double temperature = -1, top_p = 0;
  int64_t top_k = -1;
  uint64_t seed = 0;
  int64_t budget = 0, total_budget = 0; // 0: none
  rt::RepeatOptions repeat = {.ngram = -1}; // below 0: not given
};

// --temperature, --top-k, --top-p, --max-tokens, --seed and `count` (the name of the flag for n).
// `temperature` says in the help what holds when none is given.
void AddSamplingFlags(CLI::App &command, SamplingFlags &flags, const char *count,
                      const char *temperature);

// --budget, --total-budget and the flags of the detector of repetitions.
void AddPartialFlags(CLI::App &command, SamplingFlags &flags);

// `temperature`: when it is not given; below 0: the program's. Refuses a --max-tokens that leaves
// no room for a prompt in the plan's context.
absl::StatusOr<rt::SampleOptions> SamplingOptions(const Sampler &sampler,
                                                  const SamplingFlags &flags, double temperature);

// Samples `n` responses to each record of a data file (the first `limit` ones; 0: all) in pieces
// that fit into memory, in rounds if there is a budget, calls `take` with each piece, and says how it goes on standard error.
absl::Status SampleData(Sampler &sampler, const std::string &data, int64_t limit,
                        rt::SampleOptions options, rt::RolloutStats &stats,
                        const std::function<absl::Status(const rt::Batch &)> &take);

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_SETUP_H
