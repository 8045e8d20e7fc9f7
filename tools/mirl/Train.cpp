// mirl train: runs a plan's iteration, and leaves metrics and a model.

#include <cstdio>
#include <map>
#include <memory>

#include "runtime/checkpoint/RunDirectory.h"
#include "runtime/report/EventFile.h"
#include "runtime/report/Metrics.h"
#include "runtime/report/Progress.h"
#include "runtime/artifact/Macros.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Weights.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;
using rt::View;

namespace {

struct Options {
  std::string plan, run;
  std::vector<std::string> model, set, data;
  uint64_t seed = 0;
  int64_t iterations = 0; // 0: the plan's
  int threads = 0;
  bool profile = false, check_parity = false;
  rt::RollerOptions engine;
};

// "name=value" pairs; a text without "name=" gets the name "".
absl::StatusOr<std::map<std::string, std::string>>
ParsePairs(const char *flag, const std::vector<std::string> &texts, bool name_optional) {
  std::map<std::string, std::string> pairs;
  for (const std::string &text : texts) {
    size_t equals = text.find('=');
    if (equals == std::string::npos ? !name_optional : equals == 0 || equals + 1 == text.size())
      return Invalid(flag, " ", text, ": write ", flag, " name=path");
    std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    if (!pairs.emplace(name, equals == std::string::npos ? text : text.substr(equals + 1)).second)
      return Invalid(flag, " ", text, ": was given before");
  }
  return pairs;
}

absl::Status Run(const Options &options) {
  MIRL_TRY(rt::RunDirectory::CheckFree(options.run)); // Before the work, and again when it is made.
  MIRL_ASSIGN(std::shared_ptr<const rt::Plan> plan, rt::Plan::Load(options.plan));
  rt::TrainerOptions trainer_options;
  trainer_options.seed = options.seed;
  trainer_options.check_parity = options.check_parity;
  trainer_options.engine = options.engine;
  MIRL_ASSIGN(trainer_options.params, ParseParams(*plan, options.set));
  MIRL_ASSIGN(trainer_options.data, ParsePairs("--data", options.data, /*name_optional=*/false));
  // `iterations` is a parameter like others, but --iterations is shorter.
  auto declared = trainer_options.params.find("iterations");
  if (options.iterations > 0) {
    trainer_options.iterations = options.iterations;
    if (declared != trainer_options.params.end())
      declared->second = static_cast<double>(options.iterations);
  } else if (declared != trainer_options.params.end()) {
    if (!(declared->second >= 1 && declared->second < 1e9))
      return Invalid("the parameter iterations must be a number from 1, is ", declared->second);
    trainer_options.iterations = static_cast<int64_t>(declared->second);
  }

  rt::SessionOptions session_options;
  session_options.threads = options.threads;
  session_options.profile = options.profile;
  MIRL_ASSIGN(std::unique_ptr<rt::Session> session, rt::Session::Create(plan, session_options));

  MIRL_ASSIGN(auto models, ParsePairs("--model", options.model, /*name_optional=*/true));
  const fb::Plan &root = plan->root();
  std::string main_model = models.count("") ? models[""] : std::string(View(root.model_dir()));
  for (const auto &[name, folder] : models)
    if (!name.empty() && !plan->FindPolicy(name))
      return Invalid("--model ", name, "=", folder, ": ", options.plan, " has no policy '", name,
                     "'");
  for (uint32_t i = 0; i < rt::Length(root.policies()); ++i) {
    const fb::Policy &policy = *root.policies()->Get(i);
    auto own = models.find(std::string(View(policy.name())));
    const std::string &folder = own != models.end() ? own->second : main_model;
    if (folder.empty())
      return Invalid("there are no weights for policy ", View(policy.name()), ": ", options.plan,
                     " names no model folder; give one with --model");
    MIRL_TRY(LoadPolicy(*session, policy, folder));
  }
  MIRL_ASSIGN(std::unique_ptr<rt::Tokenizer> tokenizer, LoadTokenizer(*plan, main_model));

  rt::RunInfo info;
  info.plan = options.plan;
  info.plan_hash = root.content_hash();
  info.compiler = View(root.compiler());
  info.source_file = View(root.source_file());
  info.model = main_model;
  info.seed = options.seed;
  info.iterations = trainer_options.iterations;
  info.threads = session->threads();
  info.params = trainer_options.params;
  info.data = trainer_options.data;
  info.started = rt::UtcNow();
  int64_t iterations = trainer_options.iterations;
  MIRL_ASSIGN(std::unique_ptr<rt::Trainer> trainer,
              rt::Trainer::Create(*session, *tokenizer, std::move(trainer_options)));

  // Nothing was written so far: a run that cannot start leaves no folder behind.
  MIRL_ASSIGN(rt::RunDirectory directory, rt::RunDirectory::Create(options.run));
  MIRL_TRY(directory.WriteInfo(info));
  MIRL_ASSIGN(std::unique_ptr<rt::MetricsFile> metrics_file,
              rt::MetricsFile::Create(directory.path() + "/metrics.jsonl"));
  MIRL_ASSIGN(std::unique_ptr<rt::EventFile> events, rt::EventFile::Create(directory.path()));
  rt::Progress progress(stderr, iterations);
  std::vector<rt::IterationMetrics> history;
  for (int64_t iteration = 0; iteration < iterations; ++iteration) {
    auto metrics = trainer->RunIteration(iteration);
    if (!metrics.ok()) {
      progress.Finish();
      return absl::Status(metrics.status().code(), Cat("iteration ", iteration, ": ",
                                                       std::string(metrics.status().message())));
    }
    MIRL_TRY(metrics_file->Write(*metrics));
    std::vector<std::pair<std::string, double>> scalars;
    for (const auto &value : metrics->values)
      if (value.second == value.second) // Not the absent ones.
        scalars.push_back(value);
    MIRL_TRY(events->Add(iteration, scalars));
    progress.Update(*metrics);
    history.push_back(*std::move(metrics));
  }
  progress.Finish();
  MIRL_TRY(directory.SaveFinal(*session, TokenizerDirectory(*plan, main_model)));
  info.iterations_done = iterations;
  info.finished = rt::UtcNow();
  MIRL_TRY(directory.WriteInfo(info));

  std::printf("%s", rt::FormatSummary(history).c_str());
  if (options.profile)
    std::printf("\n%s", rt::FormatProfile(session->Profile()).c_str());
  if (options.check_parity)
    std::printf(
        "parity: %lld of %lld sampled tokens differ in their log-prob from the training pass\n",
        static_cast<long long>(trainer->parity_mismatches()),
        static_cast<long long>(trainer->parity_tokens()));
  std::printf("model: %s/final   metrics: %s/metrics.jsonl\n", options.run.c_str(),
              options.run.c_str());
  if (trainer->parity_mismatches() > 0)
    return absl::InternalError(Cat("--check-parity: ", trainer->parity_mismatches(), " of ",
                                   trainer->parity_tokens(),
                                   " log-probs differ between rollout and training"));
  return absl::OkStatus();
}

} // namespace

void AddTrainCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("train", "Run a plan's iteration");
  command->footer("The folder gets run.json, metrics.jsonl (an object an iteration), TensorBoard "
                  "events and final/, a\n"
                  "Hugging Face model folder.\n"
                  "Example:\n  mirl train mirror_descent.plan --run runs/1 --model sft/final "
                  "--iterations 40 \\\n"
                  "      --data prompts=train.jsonl --set tau=0.2");
  command->add_option("plan", options->plan, "a plan whose program has an iteration")->required();
  command->add_option("--run", options->run, "the folder for the results; must not hold a run")
      ->required();
  command
      ->add_option(
          "--model", options->model,
          "the folder of the weights to start from (default: the one the plan was compiled for);\n"
          "POLICY=FOLDER for one policy")
      ->allow_extra_args(false);
  command->add_option("--seed", options->seed, "of all random numbers (0)");
  command
      ->add_option("--iterations", options->iterations,
                   "how many (default: the parameter iterations, or 1)")
      ->check(CLI::PositiveNumber);
  command->add_option("--set", options->set, "NAME=NUMBER: a run-time parameter")
      ->allow_extra_args(false);
  command->add_option("--data", options->data, "NAME=FILE: where a data set is")
      ->allow_extra_args(false);
  command->add_option("--threads", options->threads, "0: all cores")->check(CLI::NonNegativeNumber);
  AddEngineFlags(*command, options->engine);
  command->add_flag("--profile", options->profile,
                    "measure every kernel; print a table at the end");
  command->add_flag(
      "--check-parity", options->check_parity,
      "compare, bit for bit, every sampled token's log-prob with the training pass's");
  command->callback([options, &exit_code] { exit_code = Finish(Run(*options)); });
}

} // namespace mirl::tools
