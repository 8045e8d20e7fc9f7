#include "tools/mirl/Setup.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "runtime/report/Progress.h"
#include "runtime/rollout/Replay.h"
#include "runtime/artifact/Macros.h"
#include "runtime/train/Program.h"
#include "runtime/weights/Weights.h"
#include "tools/mirl/Commands.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;
using rt::Length;
using rt::View;

absl::Status SayMemory(const rt::Session &session) {
  MIRL_ASSIGN(std::optional<rt::DeviceMemory> memory, session.Memory());
  if (!memory)
    return absl::OkStatus();
  auto mebibytes = [](uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  uint64_t plan = session.plan().root().arena_bytes();
  std::fprintf(stderr, "mirl: memory of %s: %.1f MiB in use of %.1f MiB: the plan's %.1f MiB, and what the driver takes for it and "
               "other programs have, %.1f MiB\n", memory->device.c_str(), mebibytes(memory->used), mebibytes(memory->total),
               mebibytes(plan), mebibytes(memory->used - std::min(memory->used, plan)));
  return absl::OkStatus();
}

absl::Status LoadPolicy(rt::Session &session, const fb::Policy &policy, const std::string &directory) {
  std::string note;
  MIRL_TRY(rt::LoadWeights(session, policy, directory, &note));
  if (!note.empty())
    Note(note);
  return absl::OkStatus();
}

std::string TokenizerDirectory(const rt::Plan &plan, const std::string &directory) {
  std::string beside(View(plan.root().model_dir()));
  bool here = !directory.empty() && access(Cat(directory, "/tokenizer.json").c_str(), F_OK) == 0;
  return here || beside.empty() ? directory : beside;
}

absl::StatusOr<std::unique_ptr<rt::Tokenizer>> LoadTokenizer(const rt::Plan &plan,
                                                             const std::string &directory) {
  std::string folder = TokenizerDirectory(plan, directory);
  if (folder.empty())
    return Invalid("there is no tokenizer: ", plan.name(),
                   " names no model folder; give one with --model");
  return rt::Tokenizer::Load(folder + "/tokenizer.json");
}

rt::SessionOptions SessionOptionsOf(int threads, bool nvtx) {
  rt::SessionOptions options;
  options.threads = threads;
  options.warn = Warn;
  options.note = Note;
  options.ranges = nvtx;
  const char *poison = std::getenv("MIRL_POISON");
  options.poison = poison && std::string_view(poison) == "1";
  return options;
}

void AddNvtxFlag(CLI::App &command, bool &nvtx) {
  command.add_flag("--nvtx", nvtx, "NVTX ranges for NVIDIA's tools: each entry, each op; launches one by one");
}

rt::TextLimits Sampler::limits() const { return {policy->vocab_size(), policy->max_context()}; }

absl::StatusOr<Sampler> MakeSampler(const SamplerFlags &flags, const rt::RollerOptions &engine) {
  const std::string &path = flags.plan, &name = flags.policy;
  MIRL_ASSIGN(std::shared_ptr<const rt::Plan> plan, rt::Plan::Load(path));
  Sampler sampler;
  const fb::Plan &root = plan->root();
  std::string wanted = name;
  if (wanted.empty()) {
    const fb::Instruction *sample =
        rt::FindInstruction(*plan, [](const fb::Instruction &instruction) {
          return View(instruction.op()) == "sample" || View(instruction.op()) == "evaluate";
        });
    if (sample)
      wanted = rt::Text(*sample, "policy");
    for (uint32_t i = 0; i < Length(root.policies()) && wanted.empty(); ++i)
      if (!View(root.policies()->Get(i)->decode()).empty())
        wanted = View(root.policies()->Get(i)->name());
  }
  sampler.policy = wanted.empty() ? nullptr : plan->FindPolicy(wanted);
  if (!sampler.policy) {
    if (!name.empty())
      return Invalid("--policy ", name, ": ", path, " has no policy of this name");
    return Invalid(
        path,
        ": none of its policies can sample: its program samples nothing; compile one that does");
  }
  MIRL_ASSIGN(sampler.session, rt::Session::Create(plan, SessionOptionsOf(flags.threads, flags.nvtx)));
  MIRL_ASSIGN(sampler.roller, rt::Roller::Create(*sampler.session, *sampler.policy, engine));
  std::string folder = flags.model.empty() ? std::string(View(root.model_dir())) : flags.model;
  if (folder.empty())
    return Invalid("there are no weights: ", path, " names no model folder; give one with --model");
  MIRL_TRY(LoadPolicy(*sampler.session, *sampler.policy, folder));
  MIRL_ASSIGN(sampler.tokenizer, LoadTokenizer(*plan, folder));
  return sampler;
}

void AddSamplerFlags(CLI::App &command, SamplerFlags &flags) {
  command.add_option("plan", flags.plan, "a plan whose program samples")->required();
  command.add_option("--model", flags.model,
                     "the model's folder (default: the one the plan was compiled for)");
  command.add_option("--policy", flags.policy,
                     "which policy of the plan (default: the one it samples from)");
  command.add_option("--threads", flags.threads, "0: all cores")->check(CLI::NonNegativeNumber);
  AddNvtxFlag(command, flags.nvtx);
}

void AddSamplingFlags(CLI::App &command, SamplingFlags &flags, const char *count,
                      const char *temperature) {
  command.add_option(count, flags.n, "responses to each prompt (1)")->check(CLI::PositiveNumber);
  command
      .add_option("--temperature", flags.temperature,
                  Cat("0 takes the likeliest token (", temperature, ")"))
      ->check(CLI::NonNegativeNumber);
  command.add_option("--top-k", flags.top_k, "0: off")->check(CLI::NonNegativeNumber);
  command.add_option("--top-p", flags.top_p, "1: off")->check(CLI::Range(1e-6, 1.0));
  command
      .add_option("--max-tokens", flags.max_tokens,
                  "tokens of a response at most; prompt and response end at the plan's context")
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", flags.seed, "of the random numbers (0)");
}

void AddPartialFlags(CLI::App &command, SamplingFlags &flags) {
  command
      .add_option("--budget", flags.budget,
                  "sample in rounds of at most so many tokens of a response; it waits for the next "
                  "round\nand goes on where it was")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--total-budget", flags.total_budget,
                  "in rounds of at most so many tokens of all responses together")
      ->check(CLI::PositiveNumber);
  auto *ngram = command
                    .add_option("--repeat-ngram", flags.repeat.ngram,
                                "end a response whose last so many tokens come again and again; 0: "
                                "off (the program's)")
                    ->check(CLI::NonNegativeNumber);
  command.add_option("--repeat-times", flags.repeat.times, "how often they must be there (4)")
      ->needs(ngram);
  command
      .add_option("--repeat-window", flags.repeat.window,
                  "in how many tokens (twice what that takes)")
      ->needs(ngram);
}

void AddEngineFlags(CLI::App &command, rt::RollerOptions &engine) {
  command
      .add_option("--slots", engine.slots,
                  "sequences that run at a time, at most the plan's (the plan's)")
      ->check(CLI::PositiveNumber);
  CLI::Option *blocks =
      command
          .add_option("--kv-blocks", engine.kv_blocks,
                      "blocks of 16 positions of the KV cache, at most the plan's (the plan's, or "
                      "what the memory left has room for)")
          ->check(CLI::PositiveNumber);
  command
      .add_option_function<int64_t>(
          "--kv-memory", [&engine](int64_t mib) { engine.kv_bytes = mib << 20; },
          "MiB that the KV cache may take, instead")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->excludes(blocks);
  command
      .add_option("--prefill-chunk", engine.chunk,
                  "most tokens of prompts in a call (as many as it has room for)")
      ->check(CLI::PositiveNumber);
  command
      .add_option_function<std::string>(
          "--run-ahead", [&engine](const std::string &value) { engine.run_ahead = value == "on"; },
          "on a GPU, whether a decode step is queued before the tokens of the one in front are read: on or off (on)")
      ->check(CLI::IsMember({"on", "off"}));
}

absl::StatusOr<rt::SampleOptions> SamplingOptions(const Sampler &sampler,
                                                  const SamplingFlags &flags, double temperature) {
  if (int64_t context = sampler.policy->max_context(); flags.max_tokens >= context)
    return Invalid("--max-tokens ", flags.max_tokens, ": the plan was compiled for a context of ",
                   context, " tokens, prompt and response together; at most ", context - 1,
                   " can be sampled");
  const rt::Plan &plan = sampler.session->plan();
  rt::SampleOptions options;
  options.max_tokens = 256;
  const fb::Instruction *sample = nullptr;
  for (std::string_view op : {"sample", "evaluate"})
    if (!sample)
      sample = rt::FindInstruction(
          plan, [&](const fb::Instruction &instruction) { return View(instruction.op()) == op; });
  if (sample)
    options = rt::ReadSampleOptions(*sample);
  options.n = flags.n > 0 ? flags.n : 1;
  if (flags.temperature >= 0)
    options.temperature = static_cast<float>(flags.temperature);
  else if (temperature >= 0)
    options.temperature = static_cast<float>(temperature);
  if (flags.max_tokens > 0)
    options.max_tokens = flags.max_tokens;
  if (flags.top_k >= 0)
    options.top_k = static_cast<int32_t>(std::min<int64_t>(flags.top_k, INT32_MAX));
  if (flags.top_p > 0)
    options.top_p = static_cast<float>(flags.top_p);
  options.seed = flags.seed;
  if (flags.budget > 0)
    options.budget = flags.budget;
  if (flags.total_budget > 0)
    options.total_budget = flags.total_budget;
  if (flags.repeat.ngram >= 0)
    options.repeat = flags.repeat;
  if (options.repeat.window == 0)
    options.repeat.window = 2 * options.repeat.ngram * options.repeat.times;
  return options;
}

absl::Status SampleData(Sampler &sampler, const std::string &path, int64_t limit,
                        rt::SampleOptions options, rt::RolloutStats &stats,
                        const std::function<absl::Status(const rt::Batch &)> &take) {
  MIRL_ASSIGN(std::unique_ptr<rt::Dataset> data, rt::Dataset::Open(path));
  int64_t total = limit > 0 ? std::min(limit, data->size()) : data->size();
  // Pieces small enough to report progress, large enough to keep all slots busy. Each has sequence
  // ids of its own, and which prompts are in it depends on the data and n alone.
  int64_t piece = std::clamp<int64_t>(8192 / std::max<int64_t>(1, options.n), 1, rt::kMaxPrompts);
  int64_t stream = 0;
  options.keep = true; // The weights stay as they are, so what a round computed is good in the next.
  // Once a second, how it goes.
  using Clock = std::chrono::steady_clock;
  Clock::time_point started = Clock::now(), said = started;
  int64_t before = 0; // tokens of the pieces and rounds before
  int64_t rounds = 0;
  sampler.roller->Watch([&](const rt::Scheduler &scheduler, int64_t tokens) {
    Clock::time_point now = Clock::now();
    if (now - said < std::chrono::seconds(1))
      return;
    said = now;
    double seconds = std::chrono::duration<double>(now - started).count();
    const rt::BlockPool &pool = scheduler.pool();
    std::fprintf(stderr, "%s tok/s, %lld running, %lld waiting, %lld finished, %.0f %% of the KV blocks\n",
                 rt::FormatCount(static_cast<double>(before + tokens) / seconds).c_str(),
                 static_cast<long long>(scheduler.active()),
                 static_cast<long long>(scheduler.waiting()),
                 static_cast<long long>(scheduler.finished()),
                 100.0 * static_cast<double>(pool.used()) / static_cast<double>(pool.size()));
  });
  absl::Cleanup no_more = [&] { sampler.roller->Watch(nullptr); };
  for (int64_t begin = 0; begin < total; begin += piece, ++stream) {
    std::vector<rt::Prompt> prompts;
    for (int64_t r = begin; r < std::min(total, begin + piece); ++r) {
      MIRL_ASSIGN(rt::Prompt prompt,
                  rt::EncodePrompt(*sampler.tokenizer, data->Get(r), sampler.limits()));
      prompts.push_back(std::move(prompt));
    }
    options.first_id = rt::FirstSequenceId(stream);
    MIRL_ASSIGN(rt::Batch batch, sampler.roller->Begin(prompts, options));
    while (rt::CountUnfinished(batch).sequences > 0) {
      MIRL_TRY(sampler.roller->Continue(batch, options, stats));
      before = stats.tokens;
      ++rounds;
    }
    MIRL_TRY(take(batch));
    std::fprintf(
        stderr, "%lld of %lld prompts, %s tok/s in %.3f s, %lld rounds, %lld preemptions, %lld tokens "
        "prefilled, at most %lld of %lld KV blocks%s\n",
        static_cast<long long>(std::min(total, begin + piece)), static_cast<long long>(total),
        rt::FormatCount(static_cast<double>(stats.tokens) / std::max(stats.seconds, 1e-9)).c_str(), stats.seconds,
        static_cast<long long>(rounds), static_cast<long long>(stats.preemptions),
        static_cast<long long>(stats.prefill_tokens + stats.recomputed_tokens),
        static_cast<long long>(stats.peak_kv_blocks),
        static_cast<long long>(stats.kv_blocks),
        stats.ahead_calls ? Cat(", ", stats.ahead_calls, " of ", stats.decode_calls, " decode steps queued ahead").c_str() : "");
  }
  return absl::OkStatus();
}

} // namespace mirl::tools
