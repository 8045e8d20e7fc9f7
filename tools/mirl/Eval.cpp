// mirl eval: how good a model is on held-out prompts.

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "runtime/reward/Verifier.h"
#include "runtime/artifact/Macros.h"
#include "runtime/train/Program.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

using rt::View;

namespace {

struct Options {
  std::string data, kind, pattern, field, command;
  double timeout = 0;
  int workers = 0;
  int64_t limit = 0;
  bool json = false;
  SamplerFlags sampler;
  SamplingFlags sampling;
  rt::RollerOptions engine;
};

absl::Status Eval(const Options &options) {
  MIRL_ASSIGN(Sampler sampler, MakeSampler(options.sampler, options.engine));
  MIRL_ASSIGN(rt::SampleOptions sampling,
              SamplingOptions(sampler, options.sampling, /*temperature=*/1));
  const rt::Plan &plan = sampler.session->plan();
  rt::VerifierOptions wanted;
  const fb::Instruction *verify = rt::FindInstruction(plan, [](const fb::Instruction &instruction) {
    return View(instruction.op()) == "verify" ||
           (View(instruction.op()) == "evaluate" && rt::Has(instruction, "kind"));
  });
  if (verify)
    wanted = rt::ReadVerifierOptions(*verify);
  if (!options.kind.empty() && options.kind != wanted.kind) {
    wanted = {};
    wanted.kind = options.kind;
  }
  if (wanted.kind.empty())
    wanted.kind = "exact_answer";
  if (!options.pattern.empty())
    wanted.pattern = options.pattern;
  if (!options.field.empty())
    wanted.field = options.field;
  if (!options.command.empty())
    wanted.command = options.command;
  if (options.timeout > 0)
    wanted.timeout = options.timeout;
  if (options.workers > 0)
    wanted.workers = options.workers;
  MIRL_ASSIGN(std::unique_ptr<rt::Verifier> verifier, rt::Verifier::Create(wanted));

  if (verifier->early()) {
    sampling.ended = [&](const rt::Trajectory &trajectory) {
      verifier->Submit({trajectory.prompt.record.get(),
                        sampler.tokenizer->Decode(trajectory.response), trajectory.sequence_id});
    };
    sampling.stepped = [&] { verifier->Poll(); };
  }
  int64_t count = 0, scored = 0, right = 0, finished = 0, length = 0, prompts = 0;
  double score = 0;
  rt::RolloutStats stats;
  MIRL_TRY(SampleData(sampler, options.data, options.limit, sampling, stats,
                      [&](const rt::Batch &batch) -> absl::Status {
                        std::vector<std::string> texts;
                        std::vector<rt::Answer> answers;
                        texts.reserve(batch.trajectories.size());
                        for (const auto &trajectory : batch.trajectories) {
                          texts.push_back(sampler.tokenizer->Decode(trajectory->response));
                          answers.push_back({trajectory->prompt.record.get(), texts.back(),
                                             trajectory->sequence_id});
                          finished += trajectory->finished();
                          length += trajectory->response_size();
                        }
                        std::vector<float> results;
                        MIRL_TRY(verifier->Verify(answers, results));
                        for (float result : results) {
                          if (std::isnan(result))
                            continue;
                          ++scored;
                          right += result > 0.5f;
                          score += result;
                        }
                        count += batch.sequences();
                        prompts += batch.groups();
                        return absl::OkStatus();
                      }));
  if (count > 0 && scored == 0)
    return rt::Invalid("none of ", count, " responses could be scored: ", verifier->last_failure());
  auto of_scored = [&](double sum) { return sum / static_cast<double>(scored); };
  auto mean = [&](double sum) { return sum / static_cast<double>(count); };
  double speed = stats.seconds > 0 ? static_cast<double>(stats.tokens) / stats.seconds : 0;
  if (options.json) {
    nlohmann::ordered_json json = {{"accuracy", of_scored(static_cast<double>(right))},
                                   {"score_mean", of_scored(score)},
                                   {"unscored", count - scored},
                                   {"response_length_mean", mean(static_cast<double>(length))},
                                   {"finished_fraction", mean(static_cast<double>(finished))},
                                   {"rollout_tokens_per_s", speed},
                                   {"count", count},
                                   {"prompts", prompts}};
    std::printf("%s\n", json.dump().c_str());
  } else {
    std::printf("accuracy            %10.4f   (%lld of %lld)\n", of_scored(static_cast<double>(right)),
                static_cast<long long>(right), static_cast<long long>(scored));
    if (scored < count)
      std::printf("not scored          %10lld   (%s)\n", static_cast<long long>(count - scored),
                  verifier->last_failure().c_str());
    std::printf("response length     %10.1f\n", mean(static_cast<double>(length)));
    std::printf("finished fraction   %10.4f\n", mean(static_cast<double>(finished)));
    std::printf("rollout tokens/s    %10.0f\n", speed);
  }
  return absl::OkStatus();
}

} // namespace

void AddEvalCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("eval", "Measure a model on held-out prompts");
  command->footer(
      "The verifier and the sampling settings are those of the plan's program, unless given here.\n"
      "Example:\n  mirl eval step.plan --model run/final --data held_out.jsonl --json");
  AddSamplerFlags(*command, options->sampler);
  command
      ->add_option("--data", options->data, "JSON lines with a prompt and what the verifier needs")
      ->required();
  command->add_flag("--json", options->json, "print one JSON object");
  AddSamplingFlags(*command, options->sampling, "--samples", "1.0");
  command->add_option("--limit", options->limit, "use the first so many prompts")
      ->check(CLI::PositiveNumber);
  command->add_option("--verifier", options->kind, "exact_answer, regex or program")
      ->check(CLI::IsMember({"exact_answer", "regex", "program"}));
  command->add_option("--pattern", options->pattern,
                      "regular expression; exact_answer takes its first group");
  command->add_option("--field", options->field, "of the record: the right answer");
  command->add_option("--command", options->command, "the verifier program");
  command->add_option("--timeout", options->timeout, "seconds for an answer of the program")
      ->check(CLI::PositiveNumber);
  command->add_option("--workers", options->workers, "processes of the program (1)")
      ->check(CLI::Range(1, 4096));
  AddEngineFlags(*command, options->engine);
  command->callback([options, &exit_code] { exit_code = Finish(Eval(*options)); });
}

} // namespace mirl::tools
