// mirl init: a model with random weights, as a Hugging Face model folder.

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Weights.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

using rt::Invalid;
using rt::View;

namespace {

struct Options {
  std::string plan, out, policy, model;
  uint64_t seed = 0;
  bool force = false;
};

absl::Status Init(const Options &options) {
  MIRL_ASSIGN(std::shared_ptr<const rt::Plan> plan, rt::Plan::Load(options.plan));
  const fb::Policy *policy = nullptr;
  for (uint32_t i = 0; i < rt::Length(plan->root().policies()) && !policy; ++i) {
    const fb::Policy *candidate = plan->root().policies()->Get(i);
    if (options.policy.empty() ? candidate->role() == fb::PolicyRole::trainable
                               : View(candidate->name()) == options.policy)
      policy = candidate;
  }
  if (!policy)
    return options.policy.empty() ? Invalid(options.plan, ": has no policy to train")
                                  : Invalid("--policy ", options.policy, ": ", options.plan,
                                            " has no policy of this name");
  if (!options.force && access(rt::Cat(options.out, "/model.safetensors").c_str(), F_OK) == 0)
    return Invalid(
        options.out,
        ": holds a model already: choose another folder with --out, or overwrite it with --force");
  rt::SessionOptions session_options;
  session_options.buffers_only = true; // A plan for a GPU gets its weights without one.
  MIRL_ASSIGN(std::unique_ptr<rt::Session> session, rt::Session::Create(plan, session_options));
  MIRL_TRY(rt::InitWeights(*session, *policy, options.seed));
  const std::string model =
      options.model.empty() ? std::string(View(plan->root().model_dir())) : options.model;
  if (access(rt::Cat(model, "/tokenizer.json").c_str(), R_OK) != 0) {
    if (!options.model.empty())
      return Invalid("--model ", model, ": has no tokenizer.json that can be read");
    std::fprintf(stderr,
                 "mirl: warning: %s has no tokenizer.json that can be read: %s gets none; name a "
                 "folder that "
                 "has one with --model\n",
                 model.c_str(), options.out.c_str());
  }
  MIRL_TRY(rt::SaveModel(*session, *policy, options.out, model));
  std::printf("%s\n", options.out.c_str());
  return absl::OkStatus();
}

} // namespace

void AddInitCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("init", "Make a model with random weights");
  command->footer("The weights' names, shapes and distributions are the plan's; config.json and "
                  "tokenizer.json are those\n"
                  "of the model folder it was compiled for.\n"
                  "Example:\n  mirl init sft.plan --out base --seed 1");
  command->add_option("plan", options->plan, "any plan with a policy to train")->required();
  command->add_option("--out", options->out, "the folder to write")->required();
  command->add_option("--seed", options->seed, "of the random numbers (0)");
  command->add_option(
      "--model", options->model,
      "the folder to copy the tokenizer from (default: the one the plan was compiled for)");
  command->add_option("--policy", options->policy,
                      "which policy of the plan (default: the first that is trained)");
  command->add_flag("--force", options->force, "overwrite a model that is there");
  command->callback([options, &exit_code] { exit_code = Finish(Init(*options)); });
}

} // namespace mirl::tools
