// mirl rollout: responses of a model to prompts, with their log-probs.

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"
#include "tools/mirl/Simulate.h"

namespace mirl::tools {

namespace {

struct Options {
  std::string data, out = "-";
  int64_t limit = 0;
  SamplerFlags sampler;
  SamplingFlags sampling;
  rt::RollerOptions engine;
  SimulateFlags simulate;
};

absl::Status Rollout(const Options &options) {
  MIRL_ASSIGN(Sampler sampler, MakeSampler(options.sampler, options.engine));
  MIRL_TRY(SayMemory(*sampler.session));
  MIRL_ASSIGN(rt::SampleOptions sampling,
              SamplingOptions(sampler, options.sampling, /*temperature=*/-1));
  std::unique_ptr<rt::AtomicFile> file;
  if (options.out != "-")
    file = std::make_unique<rt::AtomicFile>(options.out);
  rt::RolloutStats stats;
  MIRL_TRY(SampleData(sampler, options.data, options.limit, sampling, stats,
                      [&](const rt::Batch &batch) -> absl::Status {
                        for (const auto &trajectory : batch.trajectories) {
                          nlohmann::ordered_json line = {
                              {"prompt", trajectory->prompt.record->prompt},
                              {"response", sampler.tokenizer->Decode(trajectory->response)},
                              {"tokens", trajectory->response},
                              {"logprobs", trajectory->logprob},
                              {"finished", trajectory->finished()},
                              {"ending", rt::EndingName(trajectory->ending)},
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
                  "ending (eos, length or repeat),\nsequence_id.\n"
                  "What is sampled depends on the model, the prompts, n and the seed, not on "
                  "slots, blocks, chunks, budgets or threads.\n"
                  "Example:\n  mirl rollout step.plan --model run/final --data prompts.jsonl --n 4 "
                  "--out rollout.jsonl\n"
                  "  mirl rollout --simulate --devices 1,64,4096 --n 8 --median 500 --tail 10 "
                  "--budget 1000\n"
                  "    --step-us 8000 --decode-us 20 --prefill-us 5 --kv-ns 0.1");
  AddSamplerFlags(*command, options->sampler);
  command->add_option("--data", options->data, "JSON lines with a prompt each")->required();
  command->add_option("--out", options->out, "file to write; - is standard output (-)");
  AddSamplingFlags(*command, options->sampling, "--n", "the program's");
  AddPartialFlags(*command, options->sampling);
  command->add_option("--limit", options->limit, "use the first so many prompts")
      ->check(CLI::PositiveNumber);
  AddEngineFlags(*command, options->engine);
  AddSimulateFlags(*command, options->simulate);
  command->callback([options, &exit_code] {
    exit_code = Finish(options->simulate.simulate
                           ? Simulate(options->simulate, options->data, options->limit,
                                      options->sampler, options->sampling, options->engine)
                           : Rollout(*options));
  });
}

} // namespace mirl::tools
