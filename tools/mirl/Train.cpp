// mirl train: runs a plan's iteration, and leaves metrics, checkpoints and a model.

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "runtime/artifact/Macros.h"
#include "runtime/report/ChromeTrace.h"
#include "runtime/report/Progress.h"
#include "runtime/train/Program.h"
#include "runtime/weights/Files.h"
#include "runtime/weights/Weights.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Recorder.h"
#include "tools/mirl/Setup.h"
#include "tools/mirl/StopSignals.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;
using rt::View;

namespace {

absl::Status LoadAllWeights(const TrainOptions &options, const TrainSettings &settings,
                            rt::Session &session) {
  const fb::Plan &root = session.plan().root();
  for (uint32_t i = 0; i < rt::Length(root.policies()); ++i) {
    const fb::Policy &policy = *root.policies()->Get(i);
    auto own = settings.models.find(std::string(View(policy.name())));
    const std::string &folder = own != settings.models.end() ? own->second : settings.model;
    if (folder.empty())
      return Invalid("there are no weights for policy ", View(policy.name()), ": ", options.plan,
                     " names no model folder; give one with --model");
    MIRL_TRY(LoadPolicy(session, policy, folder));
  }
  return absl::OkStatus();
}

// All that a run needs, ready for iteration `first`.
struct Training {
  std::optional<rt::RunDirectory> directory;
  rt::RunInfo info;
  std::shared_ptr<const rt::Plan> plan;
  TrainSettings settings;
  std::unique_ptr<rt::Session> session;
  std::unique_ptr<rt::Tokenizer> tokenizer;
  std::string tokenizer_directory, tokenizer_hash;
  std::unique_ptr<rt::Trainer> trainer;
  std::unique_ptr<rt::ChromeTrace> trace;
  int64_t first = 0;
};

// Opens --trace's file: before the work, so that it is not in vain.
absl::Status BeginTrace(const TrainOptions &options, Training &run) {
  if (options.trace.empty())
    return absl::OkStatus();
  bool gpu = View(run.plan->root().target()) == "cuda";
  MIRL_ASSIGN(run.trace, rt::ChromeTrace::Create(options.trace, run.plan->name(), gpu ? "GPU" : "CPU"));
  run.session->Trace([trace = run.trace.get()](const rt::TraceEvent &event) { trace->Add(event); });
  return absl::OkStatus();
}

void EndTrace(Training &run) {
  if (!run.trace)
    return;
  run.session->Trace(nullptr);
  if (absl::Status status = run.trace->Close(); !status.ok())
    Warn(std::string(status.message()));
  run.trace = nullptr;
}

// Everything but the weights and the place to go on from.
absl::Status Prepare(const TrainOptions &options, Training &run) {
  MIRL_ASSIGN(run.plan, rt::Plan::Load(options.plan));
  MIRL_ASSIGN(run.settings, ReadSettings(options, *run.plan));
  if (options.resume)
    MIRL_TRY(TakeSettings(options, *run.plan, run.info, run.settings));
  rt::SessionOptions session_options = SessionOptionsOf(options.threads, options.nvtx);
  session_options.profile = options.profile;
  MIRL_ASSIGN(run.session, rt::Session::Create(run.plan, session_options));
  MIRL_TRY(SayMemory(*run.session));
  MIRL_ASSIGN(run.tokenizer, LoadTokenizer(*run.plan, run.settings.model));
  run.tokenizer_directory = TokenizerDirectory(*run.plan, run.settings.model);
  MIRL_ASSIGN(rt::FileContents file, rt::HashFile(run.tokenizer_directory + "/tokenizer.json"));
  run.tokenizer_hash = rt::HashText(file.hash);
  MIRL_ASSIGN(run.trainer,
              rt::Trainer::Create(*run.session, *run.tokenizer, run.settings.trainer));
  return absl::OkStatus();
}

absl::StatusOr<std::string> InitialState(const TrainOptions &options, Training &run) {
  MIRL_TRY(LoadAllWeights(options, run.settings, *run.session));
  MIRL_ASSIGN(rt::StateDict state, run.trainer->Export());
  MIRL_ASSIGN(uint64_t hash, rt::StateHash(*run.session, state));
  return rt::HashText(hash);
}

absl::Status Begin(const TrainOptions &options, Training &run) {
  MIRL_TRY(rt::RunDirectory::CheckFree(options.run)); // Before the work; and when it is made.
  MIRL_TRY(Prepare(options, run));
  rt::RunInfo &info = run.info;
  MIRL_ASSIGN(info.initial_state, InitialState(options, run));
  info.plan_hash = run.plan->root().content_hash();
  info.compiler = View(run.plan->root().compiler());
  info.source_file = View(run.plan->root().source_file());
  info.seed = run.settings.trainer.seed;
  info.iterations = run.settings.trainer.iterations;
  info.params = run.settings.trainer.params;
  info.tokenizer_hash = run.tokenizer_hash;
  info.schedule = run.trainer->schedule();
  info.started = rt::UtcNow();
  MIRL_TRY(BeginTrace(options, run));
  // Nothing was written so far: a run that cannot start leaves no folder behind.
  MIRL_ASSIGN(run.directory, rt::RunDirectory::Create(options.run));
  return absl::OkStatus();
}

absl::Status Resume(const TrainOptions &options, Training &run) {
  rt::RunInfo &info = run.info;
  MIRL_ASSIGN(run.directory, rt::RunDirectory::Resume(options.run, info));
  MIRL_TRY(Prepare(options, run));
  if (run.tokenizer_hash != info.tokenizer_hash)
    return Invalid(run.tokenizer_directory, "/tokenizer.json: is not the tokenizer that ",
                   options.run, " was started with: its checksum is ", run.tokenizer_hash,
                   ", that was ", info.tokenizer_hash);
  if (std::string schedule = run.trainer->schedule(); schedule != info.schedule)
    return Invalid("--resume: which responses a total_budget or ready stops, and which keep their keys, depends on the "
                   "engine, which is now ",
                   schedule, ", but ", options.run, " was started with ", info.schedule,
                   ": give these flags");
  MIRL_ASSIGN(rt::Checkpoints::Loaded loaded,
              rt::Checkpoints(options.run + "/checkpoints", options.keep_checkpoints)
                  .LoadNewest(*run.session));
  for (const std::string &skipped : loaded.skipped)
    Warn(Cat(skipped, "; it is skipped"));
  std::string from = loaded.path;
  if (loaded.state) {
    if (loaded.state->seed != info.seed)
      return Invalid(loaded.path, ": belongs to another run: its seed is ", loaded.state->seed,
                     ", that of run.json is ", info.seed);
    MIRL_TRY(run.trainer->Import(loaded.state->trainer));
    run.first = loaded.state->iteration;
  } else {
    from = "there is no checkpoint: from the beginning";
    MIRL_ASSIGN(std::string initial_state, InitialState(options, run));
    if (initial_state != info.initial_state)
      return Invalid(options.run, ": holds no checkpoint, and the weights (", run.settings.model,
                     ") or the data are not those it was started with: it cannot be resumed; "
                     "start another run");
  }
  MIRL_TRY(BeginTrace(options, run));
  std::string next = run.first < info.iterations
                         ? Cat("goes on with iteration ", run.first + 1, " of ", info.iterations)
                         : Cat("all ", run.first, " iterations are done");
  std::fprintf(stderr, "mirl: %s: %s (%s)\n", options.run.c_str(), next.c_str(), from.c_str());
  return absl::OkStatus();
}

// Runs the iterations that are left; returns the signal that stopped it between two, or 0.
absl::StatusOr<int> Iterate(const TrainOptions &options, Training &run, Recorder &recorder,
                            rt::Summary &summary) {
  int64_t total = run.info.iterations, &done = run.info.iterations_done;
  rt::Progress progress(stderr, total, done);
  StopSignals signals;
  int stop = 0;
  while (done < total && !stop) {
    auto metrics = run.trainer->RunIteration(done);
    if (!metrics.ok()) {
      progress.Finish();
      return absl::Status(metrics.status().code(),
                          Cat("iteration ", done, ": ", metrics.status().message()));
    }
    MIRL_TRY(recorder.Add(*metrics, *run.trainer, *run.tokenizer));
    progress.Update(*metrics);
    summary.Add(*std::move(metrics));
    ++done;
    if (done >= run.first + options.trace_iterations)
      EndTrace(run);
    stop = done < total ? StopSignals::Caught() : 0;
    if (!stop && done < total && done % options.checkpoint_every != 0)
      continue;
    absl::Status status = recorder.Save(*run.session, *run.trainer, run.info.seed, done);
    if (status.ok())
      continue;
    progress.Finish();
    if (stop)
      return status;
    Warn(Cat("cannot write the checkpoint of iteration ", done, ": ", status.message(),
             "; the run goes on, the checkpoints before it are as they were"));
  }
  progress.Finish();
  return stop;
}

absl::StatusOr<int> Run(const TrainOptions &options) {
  Training run;
  MIRL_TRY(options.resume ? Resume(options, run) : Begin(options, run));
  rt::RunInfo &info = run.info;
  info.plan = options.plan;
  info.model = run.settings.model;
  info.models = run.settings.models;
  info.data = run.settings.trainer.data;
  info.threads = run.session->threads();
  info.iterations_done = run.first;
  info.finished.clear();
  info.starts.push_back({rt::UtcNow(), run.first, info.threads});
  MIRL_TRY(run.directory->WriteInfo(info));

  bool samples = rt::FindInstruction(*run.plan, [](const fb::Instruction &instruction) {
                   return View(instruction.op()) == "sample";
                 }) != nullptr;
  rt::Summary summary;
  MIRL_ASSIGN(auto recorder, Recorder::Create(options, *std::move(run.directory), info, samples,
                                              run.first, summary));
  MIRL_ASSIGN(int stop, Iterate(options, run, *recorder, summary));
  EndTrace(run);
  if (stop) {
    MIRL_TRY(recorder->directory().WriteInfo(info));
    std::fprintf(stderr, "mirl: stopped by %s after iteration %lld of %lld; --resume continues\n",
                 stop == SIGINT ? "SIGINT" : "SIGTERM",
                 static_cast<long long>(info.iterations_done),
                 static_cast<long long>(info.iterations));
    return 128 + stop;
  }
  MIRL_TRY(recorder->directory().SaveFinal(*run.session, run.tokenizer_directory));
  info.finished = rt::UtcNow();
  MIRL_TRY(recorder->directory().WriteInfo(info));

  const rt::Trainer &trainer = *run.trainer;
  std::printf("%s", summary.Format().c_str());
  if (options.profile)
    std::printf("\n%s", rt::FormatProfile(run.session->Profile()).c_str());
  if (options.check_parity)
    std::printf(
        "parity: %lld of %lld sampled tokens differ in their log-prob from the training pass\n",
        static_cast<long long>(trainer.parity_mismatches()),
        static_cast<long long>(trainer.parity_tokens()));
  std::printf("model: %s/final   metrics: %s/metrics.jsonl\n", options.run.c_str(),
              options.run.c_str());
  if (trainer.parity_mismatches() > 0)
    return absl::InternalError(Cat("--check-parity: ", trainer.parity_mismatches(), " of ",
                                   trainer.parity_tokens(),
                                   " log-probs differ between rollout and training"));
  return kOk;
}

} // namespace

void AddTrainCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App *command = app.add_subcommand("train", "Run a plan's iteration");
  command->footer("The folder gets run.json, metrics.jsonl (an object an iteration), TensorBoard "
                  "events,\ncheckpoints/, trajectories.sqlite (what was sampled: docs/store.md) and "
                  "final/, a Hugging Face\nmodel folder.\n"
                  "A run that was interrupted, however, goes on with --resume and ends with the same "
                  "bytes. SIGINT\nand SIGTERM stop it behind the current iteration, with a "
                  "checkpoint (exit code 130 or 143); a\nsecond one stops it at once.\n"
                  "Example:\n  mirl train mirror_descent.plan --run runs/1 --model sft/final "
                  "--iterations 40 \\\n"
                  "      --data prompts=train.jsonl --set tau=0.2\n"
                  "  mirl train mirror_descent.plan --run runs/1 --resume");
  command->add_option("plan", options->plan, "a plan whose program has an iteration")->required();
  command
      ->add_option("--run", options->run,
                   "the folder for the results; must not hold a run, or with --resume, hold one")
      ->required();
  command->add_flag("--resume", options->resume,
                    "continue the run of the folder from its newest good checkpoint, with the seed,\n"
                    "parameters, iterations, data and models it was started with; given, they must "
                    "be the same\n(--data and --model may say where the files are now)");
  command
      ->add_option("--checkpoint-every", options->checkpoint_every,
                   "iterations between checkpoints (10); there is always one at the end")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--keep-checkpoints", options->keep_checkpoints, "how many, the newest (2)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--no-store", options->no_store, "no trajectories.sqlite");
  command
      ->add_option("--store-max-mib", options->store_max_mib,
                   "size of trajectories.sqlite beyond which the oldest iterations go (512)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  command
      ->add_option("--store-iterations", options->store_iterations,
                   "how many iterations it keeps, the newest; 0: as many as fit (0)")
      ->check(CLI::NonNegativeNumber);
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
  AddNvtxFlag(*command, options->nvtx);
  command
      ->add_option("--trace", options->trace,
                   "a file for Perfetto (ui.perfetto.dev): every command of an iteration with its op, its\n"
                   "place in the program, when it began and how long it took")
      ->type_name("FILE");
  command->add_option("--trace-iterations", options->trace_iterations, "how many iterations, the first of this call (1)")
      ->check(CLI::PositiveNumber);
  command->add_flag(
      "--check-parity", options->check_parity,
      "compare, bit for bit, every sampled token's log-prob with the training pass's");
  command->callback([options, &exit_code] {
    absl::StatusOr<int> code = Run(*options);
    exit_code = code.ok() ? *code : Finish(code.status());
  });
}

} // namespace mirl::tools
