// mirl generate: the response to one prompt, as text.

#include <cstdio>
#include <memory>

#include "runtime/artifact/Macros.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

namespace {

struct Options {
  std::string prompt;
  SamplerFlags sampler;
  SamplingFlags sampling;
};

absl::Status Generate(const Options &options) {
  MIRL_ASSIGN(Sampler sampler, MakeSampler(options.sampler));
  rt::Record record;
  record.where = "--prompt";
  record.prompt = options.prompt;
  MIRL_ASSIGN(rt::Prompt prompt,
              rt::EncodePrompt(*sampler.tokenizer, std::move(record), sampler.limits()));
  rt::RolloutStats stats;
  MIRL_ASSIGN(rt::SampleOptions sampling,
              SamplingOptions(sampler, options.sampling, /*temperature=*/-1));
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
  AddSamplerFlags(*command, options->sampler);
  command->add_option("--prompt", options->prompt, "the text to go on from")->required();
  AddSamplingFlags(*command, options->sampling, "--n", "the program's");
  command->callback([options, &exit_code] { exit_code = Finish(Generate(*options)); });
}

} // namespace mirl::tools
