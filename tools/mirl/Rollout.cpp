// mirl rollout: responses of a model to prompts, with their log-probs.

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

namespace {

struct Options {
  std::string plan, model, policy, data, out = "-";
  int64_t limit = 0;
  int threads = 0;
  SamplingFlags sampling;
  rt::RollerOptions engine;
};

absl::Status Rollout(const Options &options) {
  MIRL_ASSIGN(Sampler sampler,
              MakeSampler(options.plan, options.model, options.policy, options.threads,
                          options.engine));
  std::unique_ptr<rt::AtomicFile> file;
  if (options.out != "-")
    file = std::make_unique<rt::AtomicFile>(options.out);
  rt::RolloutStats stats;
  rt::SampleOptions sampling =
      SamplingOptions(sampler.session->plan(), options.sampling, /*temperature=*/-1);
  MIRL_TRY(SampleData(sampler, options.data, options.limit, sampling, stats,
                      [&](const rt::Batch &batch) -> absl::Status {
                        for (const auto &trajectory : batch.trajectories) {
                          nlohmann::ordered_json line = {
                              {"prompt", trajectory->prompt.record->prompt},
                              {"response", sampler.tokenizer->Decode(trajectory->response)},
                              {"tokens", trajectory->response},
                              {"logprobs", trajectory->logprob},
                              {"finished", trajectory->finished()},
                              {"sequence_id", trajectory->sequence_id}};
                          std::string text =
                              line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
                              "\n";
                          if (file)
                            MIRL_TRY(file->Write(text));
                          else if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
                            return absl::ResourceExhaustedError("cannot write to standard output");
                        }
                        return absl::OkStatus();
                      }));
  return file ? file->Commit() : absl::OkStatus();
}

} // namespace

void AddRolloutCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("rollout", "Sample responses to prompts");
  command->footer("Writes a JSON object a response: prompt, response, tokens, logprobs, finished, "
                  "sequence_id.\n"
                  "What is sampled depends on the model, the prompts, n and the seed, not on "
                  "slots, blocks, chunks or threads.\n"
                  "Example:\n  mirl rollout step.plan --model run/final --data prompts.jsonl --n 4 "
                  "--out rollout.jsonl");
  command->add_option("plan", options->plan, "a plan whose program samples")->required();
  command->add_option("--model", options->model,
                      "the model's folder (default: the one the plan was compiled for)");
  command->add_option("--policy", options->policy,
                      "which policy of the plan (default: the one it samples from)");
  command->add_option("--data", options->data, "JSON lines with a prompt each")->required();
  command->add_option("--out", options->out, "file to write; - is standard output (-)");
  command->add_option("--n", options->sampling.n, "responses to each prompt (1)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--temperature", options->sampling.temperature,
                   "0 takes the likeliest token (the program's)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top-k", options->sampling.top_k, "0: off")->check(CLI::NonNegativeNumber);
  command->add_option("--top-p", options->sampling.top_p, "1: off")->check(CLI::Range(1e-6, 1.0));
  command->add_option("--max-tokens", options->sampling.max_tokens, "tokens of a response at most")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", options->sampling.seed, "of the random numbers (0)");
  command->add_option("--limit", options->limit, "use the first so many prompts")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "0: all cores")->check(CLI::NonNegativeNumber);
  AddEngineFlags(*command, options->engine);
  command->callback([options, &exit_code] { exit_code = Finish(Rollout(*options)); });
}

} // namespace mirl::tools
