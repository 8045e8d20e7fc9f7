#include "tools/mirl/Simulate.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "runtime/artifact/Macros.h"
#include "runtime/rollout/Replay.h"
#include "runtime/rollout/Simulator.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;

namespace {

constexpr int64_t kSlots = 256, kChunk = 512, kMaxTokens = 8192, kPrompt = 128; // without a plan

// A rollout that was run: its steps, its lengths, and what the simulator says of the same.
struct Calibration {
  rt::StepCost cost;
  std::vector<rt::SimulatedGroup> groups;
  rt::StepWork work;
  double seconds = 0;
  rt::SimulatorResult simulated;
};

// What is given on the command line holds, also besides what was measured.
void SetGivenCosts(const SimulateFlags &flags, rt::StepCost &cost) {
  for (auto [given, unit, part] : {std::tuple{flags.step_us, 1e-6, &cost.step},
                                   {flags.decode_us, 1e-6, &cost.decode},
                                   {flags.prefill_us, 1e-6, &cost.prefill},
                                   {flags.kv_ns, 1e-9, &cost.kv}})
    if (given > 0)
      *part = given * unit;
}

// A rollout, in rounds if there is a budget; adds its steps.
absl::StatusOr<rt::Batch> Measure(rt::Roller &roller, std::span<const rt::Prompt> prompts,
                                  const rt::SampleOptions &sampling,
                                  std::vector<rt::MeasuredStep> &steps) {
  using Clock = std::chrono::steady_clock;
  rt::SchedulerStats last;
  Clock::time_point then = Clock::now();
  roller.Watch([&](const rt::Scheduler &scheduler, int64_t) {
    steps.push_back({WorkBetween(last, scheduler.stats()),
                     std::chrono::duration<double>(Clock::now() - then).count()});
    last = scheduler.stats();
    then = Clock::now();
  });
  absl::Cleanup no_more = [&] { roller.Watch(nullptr); };
  rt::RolloutStats stats;
  MIRL_ASSIGN(rt::Batch batch, roller.Begin(prompts, sampling));
  while (rt::CountUnfinished(batch).sequences > 0) {
    last = {};
    then = Clock::now();
    MIRL_TRY(roller.Continue(batch, sampling, stats));
  }
  return batch;
}

absl::StatusOr<Calibration> Calibrate(const SimulateFlags &flags, const std::string &data,
                                      int64_t limit, Sampler &sampler,
                                      const rt::RollerOptions &engine,
                                      const rt::SampleOptions &sampling) {
  MIRL_ASSIGN(std::unique_ptr<rt::Dataset> records, rt::Dataset::Open(data));
  std::vector<rt::Prompt> prompts;
  for (int64_t r = 0; r < (limit > 0 ? std::min(limit, records->size()) : records->size()); ++r) {
    MIRL_ASSIGN(rt::Prompt prompt,
                rt::EncodePrompt(*sampler.tokenizer, records->Get(r), sampler.limits()));
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty())
    return Invalid(data, " has no prompts; --calibrate measures a rollout of them");
  // What is new to the machine only once is no part of a step's cost.
  rt::RolloutStats stats;
  rt::SampleOptions warm = sampling;
  warm.max_tokens = std::min<int64_t>(warm.max_tokens, 16);
  MIRL_TRY(sampler.roller->Sample(std::span(prompts).first(1), warm, stats).status());

  std::vector<rt::MeasuredStep> steps;
  // In a full engine all steps have as many rows, which does not tell the cost of a row from that
  // of a step: some rollouts with fewer slots do.
  for (int64_t slots = sampler.roller->limits().slots / 2; slots > 0; slots /= 2) {
    rt::RollerOptions fewer = engine;
    fewer.slots = slots;
    MIRL_ASSIGN(std::unique_ptr<rt::Roller> roller,
                rt::Roller::Create(*sampler.session, *sampler.policy, fewer));
    size_t some = std::min<size_t>(prompts.size(), static_cast<size_t>(4 * slots / sampling.n + 1));
    MIRL_TRY(Measure(*roller, std::span(prompts).first(some), sampling, steps).status());
  }
  // A response that goes on is computed again in longer pieces than prompts are.
  rt::SampleOptions rounds = sampling;
  rounds.budget = std::max<int64_t>(1, sampling.max_tokens / 4);
  size_t few = std::min<size_t>(
      prompts.size(), static_cast<size_t>(sampler.roller->limits().slots / sampling.n + 1));
  MIRL_TRY(Measure(*sampler.roller, std::span(prompts).first(few), rounds, steps).status());
  size_t first = steps.size();
  MIRL_ASSIGN(rt::Batch batch, Measure(*sampler.roller, prompts, sampling, steps));

  Calibration result;
  for (const rt::MeasuredStep &step : std::span(steps).subspan(first)) {
    result.seconds += step.seconds;
    result.work.steps += step.work.steps;
    result.work.decode += step.work.decode;
    result.work.prefill += step.work.prefill;
    result.work.kv += step.work.kv;
  }
  MIRL_ASSIGN(result.cost, rt::FitStepCost(steps));
  SetGivenCosts(flags, result.cost);
  for (int64_t g = 0, s = 0; g < batch.groups(); ++g) {
    rt::SimulatedGroup group;
    group.prompt = static_cast<int64_t>(batch.prompts[static_cast<size_t>(g)].ids->size());
    for (; s < batch.group_offsets[static_cast<size_t>(g) + 1]; ++s)
      group.responses.push_back(batch.trajectories[static_cast<size_t>(s)]->response_size());
    result.groups.push_back(std::move(group));
  }
  rt::SimulatorOptions again;
  again.limits = sampler.roller->limits();
  again.cost = result.cost;
  again.prompts = batch.groups();
  MIRL_ASSIGN(result.simulated, rt::Simulate(again, [&, next = size_t{0}]() mutable {
                return result.groups[next++];
              }));
  return result;
}

// The numbers of a file, one a line.
absl::StatusOr<std::vector<int64_t>> ReadLengths(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    return absl::NotFoundError(Cat("--lengths ", path, ": cannot be read"));
  std::vector<int64_t> lengths;
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
      line.pop_back();
    if (line.empty())
      continue;
    int64_t length = 0;
    auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), length);
    if (error != std::errc() || end != line.data() + line.size() || length < 1)
      return Invalid(path, ":", number, ": '", line.substr(0, 40),
                     "' is not a length; each line is a response's number of tokens, at least 1");
    lengths.push_back(length);
  }
  if (file.bad() || lengths.empty())
    return Invalid("--lengths ", path, ": there are no lengths in it");
  return lengths;
}

// Draws groups of `n` responses of at most `most` tokens.
absl::StatusOr<rt::DrawGroup> Lengths(const SimulateFlags &flags, int64_t prompt, int64_t n,
                                      int64_t most, uint64_t seed,
                                      const std::optional<Calibration> &measured) {
  std::mt19937_64 random(seed);
  auto group = [=](auto length) {
    rt::SimulatedGroup drawn{prompt, {}};
    for (int64_t i = 0; i < n; ++i)
      drawn.responses.push_back(std::clamp<int64_t>(length(), 1, most));
    return drawn;
  };
  if (!flags.lengths.empty()) {
    MIRL_ASSIGN(std::vector<int64_t> lengths, ReadLengths(flags.lengths));
    if (flags.in_order)
      return [=, next = size_t{0}]() mutable {
        return group([&] { return lengths[next++ % lengths.size()]; });
      };
    return [=]() mutable {
      return group([&] { return lengths[random() % lengths.size()]; });
    };
  }
  if (flags.median > 0) {
    constexpr double kNinetyNinth = 2.3263478740408408; // its quantile of the standard normal
    std::lognormal_distribution<double> normal(std::log(flags.median),
                                               std::log(flags.tail) / kNinetyNinth);
    return [=]() mutable {
      return group([&] { return std::llround(std::min(normal(random), 1e15)); });
    };
  }
  if (measured)
    return [=, &groups = measured->groups]() mutable { return groups[random() % groups.size()]; };
  return Invalid("--simulate needs the lengths of responses: --median and --tail, --lengths FILE, "
                 "or --calibrate");
}

// Waiting for the longest response; with a budget; with a budget and with what is kept.
enum class Mode : uint8_t { whole, partial, keep };

nlohmann::ordered_json Json(const rt::SimulatorResult &result, Mode mode) {
  auto mean = [&](double sum) { return sum / static_cast<double>(result.iterations); };
  return {{"devices", result.devices},
          {"partial", mode != Mode::whole},
          {"keep", mode == Mode::keep},
          {"tokens_per_s", result.tokens_per_second()},
          {"prompts_per_s", result.groups_per_second()},
          {"iteration_s", mean(result.seconds)},
          {"rollout_s", result.rollout_mean()},
          {"longest_rollout_s", result.longest_rollout},
          {"idle_slots", result.idle_slots()},
          {"idle_devices", result.idle_devices()},
          {"staleness_mean", result.mean_staleness()},
          {"staleness_max", result.max_staleness},
          {"stale_tokens", result.stale_share()},
          {"tokens", result.tokens},
          {"trained_tokens", result.trained_tokens},
          {"trained_prompts", result.groups},
          {"unfinished_prompts", result.unfinished},
          {"steps", result.work.steps},
          {"prefill_tokens", result.work.prefill},
          {"resumed_tokens", result.resumed},
          {"preemptions", result.preemptions},
          {"kept", result.kept},
          {"given_up", result.given_up}};
}

nlohmann::ordered_json Json(const Calibration &calibration) {
  auto work = [](const rt::StepWork &work, double seconds) {
    return nlohmann::ordered_json{{"seconds", seconds},
                                  {"steps", work.steps},
                                  {"decode_tokens", work.decode},
                                  {"prefill_tokens", work.prefill},
                                  {"kv_positions", work.kv}};
  };
  return {{"measured", work(calibration.work, calibration.seconds)},
          {"simulated", work(calibration.simulated.work, calibration.simulated.rollout_seconds)},
          {"error", calibration.simulated.rollout_seconds / calibration.seconds - 1}};
}

void PrintRow(const rt::SimulatorResult &result, Mode mode) {
  std::printf("%7lld  %-7s  %10.4g  %9.4g  %11.4g  %9.4g  %8.1f %%  %10.1f %%  %9.2f  %3lld  "
              "%10lld\n",
              static_cast<long long>(result.devices), 
              mode == Mode::whole ? "whole" : mode == Mode::partial ? "partial" : "keep",
              result.tokens_per_second(), result.groups_per_second(),
              result.seconds / static_cast<double>(result.iterations), result.longest_rollout,
              100 * result.idle_slots(), 100 * result.idle_devices(), result.mean_staleness(),
              static_cast<long long>(result.max_staleness),
              static_cast<long long>(result.unfinished));
}

} // namespace

absl::Status Simulate(const SimulateFlags &flags, const std::string &data, int64_t limit,
                      const SamplerFlags &sampler_flags, const SamplingFlags &sampling,
                      const rt::RollerOptions &engine) {
  if (!flags.calibrate && !(sampler_flags.plan.empty() && data.empty()))
    return Invalid("--simulate reads a plan and --data for --calibrate alone; leave them out");
  rt::SimulatorOptions options;
  int64_t n = std::max<int64_t>(1, sampling.n), prompt = flags.prompt_tokens, most = 0;
  std::optional<Calibration> calibration;
  if (flags.calibrate) {
    MIRL_ASSIGN(Sampler sampler, MakeSampler(sampler_flags, engine));
    MIRL_ASSIGN(rt::SampleOptions real, SamplingOptions(sampler, sampling, /*temperature=*/-1));
    real.budget = real.total_budget = rt::kNoLimit; // They are the simulation's.
    MIRL_ASSIGN(calibration, Calibrate(flags, data, limit, sampler, engine, real));
    options.limits = sampler.roller->limits();
    options.cost = calibration->cost;
    if (prompt == 0) {
      for (const rt::SimulatedGroup &group : calibration->groups)
        prompt += group.prompt;
      prompt /= static_cast<int64_t>(calibration->groups.size());
    }
    most = std::min(real.max_tokens, options.limits.max_context - prompt);
    if (most < 1)
      return Invalid("--prompt-tokens ", prompt,
                     " leaves no room for a response in the plan's context of ",
                     options.limits.max_context, " tokens");
  } else {
    if (prompt == 0)
      prompt = kPrompt;
    most = sampling.max_tokens > 0 ? sampling.max_tokens : kMaxTokens;
    options.limits.slots = engine.slots > 0 ? engine.slots : kSlots;
    options.limits.chunk = engine.chunk > 0 ? engine.chunk : kChunk;
    options.limits.rows = options.limits.slots + options.limits.chunk;
    options.limits.max_context = prompt + most;
    options.limits.blocks = engine.kv_blocks > 0
                                ? engine.kv_blocks
                                : options.limits.slots * rt::BlocksOf(options.limits.max_context);
  }
  SetGivenCosts(flags, options.cost);
  options.iterations = flags.iterations;
  options.warmup = flags.warmup;
  if (flags.max_age >= 0)
    options.max_staleness = flags.max_age;
  options.in_flight = flags.in_flight;
  options.train_seconds = flags.train_ms * 1e-3;
  options.train_token_seconds = flags.train_token_us * 1e-6;
  options.threads = sampler_flags.threads > 0
                        ? sampler_flags.threads
                        : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  bool partial = sampling.budget > 0 || sampling.total_budget > 0 || flags.ready > 0;

  nlohmann::ordered_json json = {
      {"cost",
       {{"step_us", options.cost.step * 1e6},
        {"decode_us", options.cost.decode * 1e6},
        {"prefill_us", options.cost.prefill * 1e6},
        {"kv_ns", options.cost.kv * 1e9}}},
      {"device",
       {{"slots", options.limits.slots},
        {"kv_blocks", options.limits.blocks},
        {"rows", options.limits.rows},
        {"prefill_chunk", options.limits.chunk},
        {"max_context", options.limits.max_context}}}};
  if (calibration)
    json["calibration"] = Json(*calibration);
  json["runs"] = nlohmann::ordered_json::array();
  if (!flags.json) {
    std::printf("a step %.4g us, a decoded token %.4g us, a prefilled token %.4g us, a position "
                "read %.4g ns\n",
                options.cost.step * 1e6, options.cost.decode * 1e6, options.cost.prefill * 1e6,
                options.cost.kv * 1e9);
    if (calibration)
      std::printf("measured %.4g s in %lld steps; simulated %.4g s in %lld steps (%+.1f %%)\n",
                  calibration->seconds, static_cast<long long>(calibration->work.steps),
                  calibration->simulated.rollout_seconds,
                  static_cast<long long>(calibration->simulated.work.steps),
                  100 * (calibration->simulated.rollout_seconds / calibration->seconds - 1));
    std::printf("devices  mode       tokens/s  prompts/s  iteration s  longest s  idle slots  idle "
                "devices  staleness  max  unfinished\n");
  }
  for (int64_t devices : flags.devices) {
    options.devices = devices;
    int64_t scale = flags.prompts > 0 ? 1 : devices;
    options.prompts = flags.prompts > 0 ? flags.prompts
                      : scale * (flags.prompts_per_device > 0
                                     ? flags.prompts_per_device
                                     : std::max<int64_t>(1, options.limits.slots / n));
    for (Mode mode : {Mode::whole, Mode::partial, Mode::keep}) {
      bool with = mode != Mode::whole;
      if ((with && !partial) || (mode == Mode::keep && !flags.keep))
        continue;
      rt::SimulatorOptions one = options;
      one.keep = mode == Mode::keep;
      if (with && sampling.budget > 0)
        one.sequence_budget = sampling.budget;
      if (with && sampling.total_budget > 0)
        one.total_budget = sampling.total_budget * scale;
      if (with && flags.ready > 0)
        one.ready = flags.ready * scale;
      MIRL_ASSIGN(rt::DrawGroup draw, Lengths(flags, prompt, n, most, sampling.seed, calibration));
      MIRL_ASSIGN(rt::SimulatorResult result, rt::Simulate(one, draw));
      if (flags.json)
        json["runs"].push_back(Json(result, mode));
      else
        PrintRow(result, mode);
      std::fflush(stdout);
    }
  }
  if (flags.json)
    std::printf("%s\n", json.dump().c_str());
  return absl::OkStatus();
}

void AddSimulateFlags(CLI::App &command, SimulateFlags &flags) {
  CLI::Option *plan = command.get_option("plan"), *data = command.get_option("--data");
  CLI::Option *simulate = command.add_flag_callback(
      "--simulate",
      [&flags, plan, data] {
        flags.simulate = true;
        plan->required(false);
        data->required(false);
      },
      "run no model: say what the schedule would give, from the cost of a step and lengths");
  simulate->group("Simulation");
  // Behind --simulate, so that its callback is the later one.
  command
      .add_flag_callback(
          "--calibrate",
          [&flags, plan, data] {
            flags.calibrate = true;
            plan->required();
            data->required();
          },
          "measure the cost of a step, and the lengths, in rollouts of --data with PLAN")
      ->needs(simulate)
      ->group("Simulation");
  auto add = [&](const char *name, auto &value, const char *text) {
    return command.add_option(name, value, text)->needs(simulate)->group("Simulation");
  };
  add("--devices", flags.devices, "numbers of devices, a line of the table for each (1)")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  CLI::Option *prompts =
      add("--prompts", flags.prompts, "new prompts of an iteration, over all devices")
          ->check(CLI::PositiveNumber);
  add("--prompts-per-device", flags.prompts_per_device,
      "or for each device (as many as fill the slots); --total-budget is for each, too")
      ->check(CLI::PositiveNumber)
      ->excludes(prompts);
  add("--iterations", flags.iterations, "that count (20)")->check(CLI::PositiveNumber);
  add("--warmup", flags.warmup, "iterations before them (10)")->check(CLI::NonNegativeNumber);
  CLI::Option *lengths = add("--lengths", flags.lengths,
                             "file with a response's length a line; they are drawn with return");
  command
      .add_flag("--in-order", flags.in_order,
                "take them in the order of the file instead, as many for each prompt as --n says")
      ->needs(lengths)
      ->group("Simulation");
  add("--median", flags.median, "of a log-normal distribution of lengths, in tokens")
      ->check(CLI::PositiveNumber)
      ->excludes(lengths);
  add("--tail", flags.tail, "its 99th percentile, in medians (10)")->check(CLI::Range(1.0, 1e6));
  add("--prompt-tokens", flags.prompt_tokens, "of a prompt (128, or those measured)")
      ->check(CLI::PositiveNumber);
  add("--step-us", flags.step_us, "microseconds of a step")->check(CLI::NonNegativeNumber);
  add("--decode-us", flags.decode_us, "of a token that is decoded")->check(CLI::NonNegativeNumber);
  add("--prefill-us", flags.prefill_us, "of a token that is prefilled")
      ->check(CLI::NonNegativeNumber);
  add("--kv-ns", flags.kv_ns, "nanoseconds of a position of the KV cache that is read")
      ->check(CLI::NonNegativeNumber);
  add("--train-ms", flags.train_ms, "milliseconds of training on an iteration (0)")
      ->check(CLI::NonNegativeNumber);
  add("--train-token-us", flags.train_token_us, "of training on a token, on one device (0)")
      ->check(CLI::NonNegativeNumber);
  add("--ready", flags.ready,
      "an iteration ends when so many groups have, in place of a budget; for each device if --prompts is not given")
      ->check(CLI::PositiveNumber)
      ->excludes("--budget")
      ->excludes("--total-budget");
  add("--max-age", flags.max_age, "iterations until a group must end, whatever the budgets; with --ready, until it is trained on")
      ->check(CLI::NonNegativeNumber);
  add("--in-flight", flags.in_flight,
      "most groups that are begun and not trained on, in new prompts of an iteration; 0: no limit "
      "(2)")
      ->check(CLI::NonNegativeNumber);
  command
      .add_flag("--keep", flags.keep,
                "one more line: what a budget stops keeps its keys and values, while the pool has room")
      ->needs(simulate)
      ->group("Simulation");
  command.add_flag("--json", flags.json, "print one JSON object")
      ->needs(simulate)
      ->group("Simulation");
}

} // namespace mirl::tools
