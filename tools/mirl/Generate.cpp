// mirl generate: the response to one prompt, as text.

#include <cstdio>
#include <memory>

#include "runtime/artifact/Macros.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

namespace {

struct Options {
  std::string plan, model, policy, prompt;
  int threads = 0;
  SamplingFlags sampling;
};

absl::Status Generate(const Options &options) {
  MIRL_ASSIGN(Sampler sampler,
              MakeSampler(options.plan, options.model, options.policy, options.threads));
  rt::Record record;
  record.where = "--prompt";
  record.prompt = options.prompt;
  MIRL_ASSIGN(rt::Prompt prompt,
              rt::EncodePrompt(*sampler.tokenizer, std::move(record), sampler.limits()));
  rt::RolloutStats stats;
  rt::SampleOptions sampling =
      SamplingOptions(sampler.session->plan(), options.sampling, /*temperature=*/-1);
  MIRL_ASSIGN(rt::Batch batch, sampler.roller->Sample({&prompt, 1}, sampling, stats));
  for (const auto &trajectory : batch.trajectories) {
    std::printf("%s\n", sampler.tokenizer->Decode(trajectory->response).c_str());
    if (!trajectory->finished())
      std::fprintf(stderr, "mirl: note: cut after %lld tokens\n",
                   static_cast<long long>(trajectory->response_size()));
  }
  return absl::OkStatus();
}

} // namespace

void AddGenerateCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("generate", "Answer one prompt");
  command->footer("Example:\n  mirl generate step.plan --model run/final --prompt \"3+2*4-5=\" "
                  "--temperature 0");
  command->add_option("plan", options->plan, "a plan whose program samples")->required();
  command->add_option("--model", options->model,
                      "the model's folder (default: the one the plan was compiled for)");
  command->add_option("--policy", options->policy,
                      "which policy of the plan (default: the one it samples from)");
  command->add_option("--prompt", options->prompt, "the text to go on from")->required();
  command->add_option("--n", options->sampling.n, "so many responses (1)")
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
  command->add_option("--threads", options->threads, "0: all cores")->check(CLI::NonNegativeNumber);
  command->callback([options, &exit_code] { exit_code = Finish(Generate(*options)); });
}

} // namespace mirl::tools
