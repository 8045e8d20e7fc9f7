#include "runtime/train/Trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "runtime/artifact/Macros.h"
#include "runtime/rollout/Replay.h"
#include "runtime/train/Program.h"
#include "runtime/train/Totals.h"

namespace mirl::rt {

namespace {

constexpr float kRight = 0.5f;                 // a verifier's result above this counts as right
constexpr int64_t kEvaluationStream = int64_t{1} << 28;
constexpr int64_t kMaxIterations = kEvaluationStream / Trainer::kSamplingsPerIteration;

double Rate(int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : NAN;
}

} // namespace

TextLimits Trainer::Limits() const {
  // A record may go to any policy of the program, so it must suit all.
  TextLimits limits;
  const auto *policies = session_.plan().root().policies();
  for (uint32_t i = 0; i < Length(policies); ++i) {
    auto narrow = [](int64_t &limit, int64_t value) {
      if (value > 0)
        limit = limit > 0 ? std::min(limit, value) : value;
    };
    narrow(limits.vocab_size, policies->Get(i)->vocab_size());
    narrow(limits.max_context, policies->Get(i)->max_context());
  }
  return limits;
}

absl::StatusOr<std::unique_ptr<Trainer>>
Trainer::Create(Session &session, const Tokenizer &tokenizer, TrainerOptions options) {
  const Plan &plan = session.plan();
  if (Length(plan.root().program()) == 0)
    return Invalid(plan.name(), ": its program has no `iteration`, so there is nothing to run");
  if (options.iterations < 1 || options.iterations > kMaxIterations)
    return Invalid("the number of iterations must be 1 to ", kMaxIterations, ", is ",
                   options.iterations);
  MIRL_TRY(CheckProgram(plan));
  std::vector<std::string> known;
  known.reserve(Length(plan.root().datasets()));
  for (uint32_t i = 0; i < Length(plan.root().datasets()); ++i)
    known.emplace_back(View(plan.root().datasets()->Get(i)->name()));
  for (const auto &[name, path] : options.data)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return Invalid("--data ", name, "=", path, ": ", plan.name(), " has no data set '", name,
                     "'; it has ", known.empty() ? "none" : absl::StrJoin(known, ", "));
  std::unique_ptr<Trainer> trainer(new Trainer(session, tokenizer, std::move(options)));
  MIRL_ASSIGN(trainer->eos_, EosTokens(plan));
  MIRL_TRY(trainer->Prepare(plan.root().program()));
  return trainer;
}

absl::Status Trainer::Prepare(const Instructions *program) {
  const Plan &plan = session_.plan();
  for (uint32_t i = 0; i < Length(program); ++i) {
    const fb::Instruction &instruction = *program->Get(i);
    std::string_view op = View(instruction.op());
    if (op == "draw" || op == "evaluate") {
      std::string name = Text(instruction, "dataset");
      Source &source = sources_[name];
      if (!source.data) {
        std::string path;
        for (const fb::Dataset *dataset : *plan.root().datasets())
          if (View(dataset->name()) == name)
            path = View(dataset->path());
        if (auto other = options_.data.find(name); other != options_.data.end())
          path = other->second;
        auto data = Dataset::Open(path);
        if (!data.ok())
          return absl::Status(data.status().code(),
                              Cat("data set '", name, "': ", data.status().message()));
        source.data = *std::move(data);
        source.cursor = std::make_unique<Cursor>(options_.seed, name, source.data->size());
      }
      // All of it now: an error after hours would be a pity.
      bool examples = Text(instruction, "kind") == "examples";
      TextLimits limits = Limits();
      for (int64_t r = 0; r < source.data->size(); ++r) {
        absl::Status status =
            examples ? EncodeExample(tokenizer_, source.data->Get(r), eos_, limits).status()
                     : EncodePrompt(tokenizer_, source.data->Get(r), limits).status();
        MIRL_TRY(status);
      }
    }
    if (op == "sample" || op == "evaluate") {
      std::string name = Text(instruction, "policy");
      if (std::unique_ptr<Roller> &roller = rollers_[name]; !roller) {
        MIRL_ASSIGN(roller, Roller::Create(session_, *plan.FindPolicy(name), options_.engine));
      }
    }
    if (op == "sample")
      MIRL_TRY(PrepareSampling(instruction));
    if (op == "verify" || (op == "evaluate" && Has(instruction, "kind"))) {
      MIRL_ASSIGN(verifiers_[&instruction], Verifier::Create(ReadVerifierOptions(instruction)));
    }
    if (op == "step" && options_.check_parity &&
        FindInstruction(
            plan, [](const fb::Instruction &other) { return View(other.op()) == "sample"; })) {
      const fb::Step &step = *plan.FindStep(Text(instruction, "step"));
      if (!Session::FindOutput(*plan.FindEntry(View(step.micro())), "logprob"))
        return Invalid("--check-parity: entry ", View(step.micro()), " of ", plan.name(),
                       " does not give the log-probs it computes (an output 'logprob'), so they "
                       "cannot be compared");
    }
    MIRL_TRY(Prepare(instruction.body()));
  }
  return absl::OkStatus();
}

void Trainer::ResetOptimizers() {
  const fb::Plan &root = session_.plan().root();
  for (uint32_t i = 0; i < Length(root.optimizers()); ++i) {
    const fb::Optimizer &optimizer = *root.optimizers()->Get(i);
    if (View(optimizer.reset()) != "iteration")
      continue;
    for (uint32_t j = 0; j < Length(optimizer.state()); ++j)
      session_.ZeroBuffer(*root.buffers()->Get(optimizer.state()->Get(j)));
  }
}

absl::StatusOr<IterationMetrics> Trainer::RunIteration(int64_t iteration) {
  Totals totals;
  totals.clock = {options_.seed, iteration, options_.iterations};
  sampled_.clear();
  ResetOptimizers();
  Values values;
  MIRL_TRY(Execute(session_.plan().root().program(), values, totals));

  for (const auto &batch : totals.sampled) {
    for (const auto &trajectory : batch->trajectories) {
      totals.length.Add(static_cast<double>(trajectory->response_size()));
      if (!totals.examples)
        totals.finished.Add(trajectory->finished() ? 1 : 0);
      totals.repeated.Add(trajectory->ending == Ending::repeat ? 1 : 0);
      if (totals.rewarded && !trajectory->unscored)
        totals.reward.Add(trajectory->reward);
    }
    totals.sequences +=
        std::count_if(batch->trajectories.begin(), batch->trajectories.end(),
                      [](const auto &trajectory) { return !trajectory->unscored; });
  }
  IterationMetrics metrics;
  metrics.iteration = iteration;
  metrics.Set("loss", totals.loss.Get());
  metrics.Set("reward_mean", totals.reward.Get());
  metrics.Set("accuracy", totals.accuracy.Get());
  metrics.Set("response_length_mean", totals.length.Get());
  metrics.Set("finished_fraction", totals.finished.Get());
  metrics.Set("rollout_tokens_per_s", Rate(totals.rollout.tokens, totals.rollout.seconds));
  metrics.Set("train_tokens_per_s", Rate(totals.train_tokens, totals.train_seconds));
  for (const auto &[name, mean] : totals.metrics)
    metrics.Set(name, mean.Get());
  if (totals.step_losses.size() > 1)
    for (const auto &[name, mean] : totals.step_losses)
      metrics.Set(Cat("loss/", name), mean.Get());
  for (const auto &[name, value] : totals.evaluations)
    metrics.Set(name, value);
  if (totals.repeats)
    metrics.Set("repeated_fraction", totals.repeated.Get());
  if (totals.asked)
    metrics.Set("unscored", static_cast<double>(totals.unscored));
  if (totals.partial)
    SetPartial(totals, metrics);
  metrics.Set("sequences", static_cast<double>(totals.sequences));
  metrics.Set("micro_batches", static_cast<double>(totals.micro_batches));
  metrics.Set("rollout_tokens", static_cast<double>(totals.rollout.tokens));
  metrics.Set("rollout_prefill_tokens", static_cast<double>(totals.rollout.prefill_tokens +
                                                            totals.rollout.recomputed_tokens));
  metrics.Set("rollout_seconds", totals.rollout.seconds);
  metrics.Set("idle_fraction", 1 - Rate(totals.rollout.busy_slot_steps,
                                        static_cast<double>(totals.rollout.slot_steps)));
  metrics.Set("train_tokens", static_cast<double>(totals.train_tokens));
  metrics.Set("train_seconds", totals.train_seconds);
  if (options_.check_parity) {
    metrics.Set("parity_tokens", static_cast<double>(totals.parity_tokens));
    metrics.Set("parity_mismatches", static_cast<double>(totals.parity_mismatches));
    parity_tokens_ += totals.parity_tokens;
    parity_mismatches_ += totals.parity_mismatches;
  }
  sampled_ = std::move(totals.sampled);
  rewarded_ = totals.rewarded;
  return metrics;
}

absl::Status Trainer::Execute(const Instructions *program, Values &values, Totals &totals) {
  for (uint32_t i = 0; i < Length(program); ++i) {
    const fb::Instruction &instruction = *program->Get(i);
    std::string_view op = View(instruction.op());
    // What could not be scored is left out from there on; its group goes on without it.
    auto operand = [&]() -> Batch & {
      std::shared_ptr<Batch> &value = values.find(View(instruction.operands()->Get(0)))->second;
      if (std::any_of(value->trajectories.begin(), value->trajectories.end(),
                      [](const auto &trajectory) { return trajectory->unscored; }))
        value = std::make_shared<Batch>(WithoutUnscored(*value));
      return *value;
    };
    absl::Status status;
    // A partial rollout may have handed over nothing.
    if ((op == "verify" || op == "score" || op == "rescore" || op == "step") &&
        operand().sequences() == 0) {
      totals.rewarded |= op == "score";
      totals.asked |= op == "verify" && verifiers_.find(&instruction)->second->early();
      continue;
    }
    if (op == "draw") {
      status = Draw(instruction, values, totals);
    } else if (op == "sample") {
      status = Sample(instruction, values, totals);
    } else if (op == "verify") {
      status = Verify(instruction, operand(), totals);
    } else if (op == "rescore") {
      status = Rescore(instruction, operand());
    } else if (op == "score") {
      status = Score(instruction, operand(), totals);
    } else if (op == "batches") {
      operand();
      status = Batches(instruction, values, totals);
    } else if (op == "repeat") {
      auto count = static_cast<int64_t>(Number(instruction, "count", 0));
      for (int64_t round = 0; round < count && status.ok(); ++round)
        status = Execute(instruction.body(), values, totals);
    } else if (op == "step") {
      status = Step(instruction, operand(), totals);
    } else if (op == "evaluate") {
      status = Evaluate(instruction, totals);
    } else {
      status = Invalid("unknown instruction '", op, "'");
    }
    MIRL_TRY(status);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> Trainer::AskVerifier(const fb::Instruction &instruction,
                                                        const Batch &batch) {
  std::vector<std::string> texts;
  std::vector<Answer> answers;
  texts.reserve(batch.trajectories.size());
  for (const auto &trajectory : batch.trajectories) {
    texts.push_back(tokenizer_.Decode(trajectory->response));
    answers.push_back({trajectory->prompt.record.get(), texts.back(), trajectory->sequence_id});
  }
  std::vector<float> results;
  MIRL_TRY(verifiers_.find(&instruction)->second->Verify(answers, results));
  return results;
}

void Trainer::AskEarly(std::vector<Verifier *> verifiers, SampleOptions &options) const {
  std::erase_if(verifiers, [](const Verifier *verifier) { return !verifier->early(); });
  if (verifiers.empty())
    return;
  options.ended = [this, verifiers](const Trajectory &trajectory) {
    std::string text = tokenizer_.Decode(trajectory.response);
    for (Verifier *verifier : verifiers)
      verifier->Submit({trajectory.prompt.record.get(), text, trajectory.sequence_id});
  };
  options.stepped = [verifiers] {
    for (Verifier *verifier : verifiers)
      verifier->Poll();
  };
}

absl::Status Trainer::Verify(const fb::Instruction &instruction, Batch &batch, Totals &totals) {
  MIRL_ASSIGN(std::vector<float> results, AskVerifier(instruction, batch));
  std::string name(View(instruction.results()->Get(0)));
  totals.asked |= verifiers_.find(&instruction)->second->early();
  for (size_t s = 0; s < results.size(); ++s) {
    Trajectory &trajectory = *batch.trajectories[s];
    if (std::isnan(results[s])) {
      trajectory.unscored = true;
      trajectory.fields[name] = trajectory.reward = NAN;
      ++totals.unscored;
      continue;
    }
    // Accuracy is the first verifier's: what it says of a trajectory that none had judged yet.
    if (trajectory.fields.empty())
      totals.accuracy.Add(results[s] > kRight ? 1 : 0);
    trajectory.fields[name] = results[s];
  }
  return absl::OkStatus();
}

absl::Status Trainer::Score(const fb::Instruction &instruction, Batch &batch, Totals &totals) {
  std::string name = Text(instruction, "entry");
  const fb::Entry &entry = *session_.plan().FindEntry(name);
  const fb::Port *reward = Session::FindOutput(entry, "field:reward");
  if (!reward)
    return Invalid("entry ", name, " gives no field:reward");
  // Rewards are per sequence and may look at the group.
  MIRL_ASSIGN(std::vector<Cut> cuts, CutBatch(batch, entry, /*whole_groups=*/true));
  Packed packed;
  for (const Cut &cut : cuts) {
    Pack(batch, cut, packed);
    MIRL_TRY(FillInputs(session_, entry, batch, cut, packed, {}, totals.clock, options_.params));
    MIRL_TRY(session_.Run(entry, cut.extents));
    const uint8_t *rewards = session_.PortData(entry, *reward);
    for (int64_t s = cut.begin; s < cut.end; ++s)
      std::memcpy(&batch.trajectories[static_cast<size_t>(s)]->reward,
                  rewards + (s - cut.begin) * 4, 4);
  }
  totals.rewarded = true;
  return absl::OkStatus();
}

absl::Status Trainer::Batches(const fb::Instruction &instruction, Values &values, Totals &totals) {
  std::shared_ptr<Batch> whole = values.find(View(instruction.operands()->Get(0)))->second;
  auto size = static_cast<int64_t>(Number(instruction, "sequences", 1));
  std::vector<int64_t> order(static_cast<size_t>(whole->groups()));
  std::iota(order.begin(), order.end(), 0);
  if (Number(instruction, "shuffle", 0) != 0)
    Shuffle(order, options_.seed, kShuffleStream | static_cast<uint32_t>(totals.batches),
            static_cast<uint64_t>(totals.clock.iteration));
  ++totals.batches;
  std::string name(View(instruction.results()->Get(0)));
  for (size_t next = 0; next < order.size();) {
    auto part = std::make_shared<Batch>();
    for (; next < order.size(); ++next) {
      auto group = static_cast<size_t>(order[next]);
      int64_t begin = whole->group_offsets[group], end = whole->group_offsets[group + 1];
      if (part->sequences() > 0 && part->sequences() + end - begin > size)
        break;
      AppendGroup(*part, *whole, order[next]);
    }
    Values inner = values;
    inner[name] = std::move(part);
    MIRL_TRY(Execute(instruction.body(), inner, totals));
  }
  return absl::OkStatus();
}

absl::Status Trainer::Step(const fb::Instruction &instruction, const Batch &batch, Totals &totals) {
  std::string name = Text(instruction, "step");
  const Plan &plan = session_.plan();
  const fb::Step &step = *plan.FindStep(name);
  const fb::Optimizer *optimizer = plan.FindOptimizer(View(step.optimizer()));
  const fb::Policy *policy = optimizer ? plan.FindPolicy(View(optimizer->policy())) : nullptr;
  int64_t &version = versions_[policy ? std::string(View(policy->name())) : ""];
  MIRL_ASSIGN(StepResult result, stepper_.Run(step, batch, totals.clock,
                                              options_.check_parity ? policy : nullptr, version));
  if (policy && !View(step.apply()).empty())
    ++version;
  if (!std::isnan(result.loss)) {
    totals.loss.Add(result.loss);
    totals.step_losses[name].Add(result.loss);
  }
  for (const auto &[metric, value] : result.metrics)
    totals.metrics[metric].Add(value);
  totals.micro_batches += result.micro_batches;
  totals.train_tokens += result.tokens;
  totals.train_seconds += result.seconds;
  totals.parity_tokens += result.parity_tokens;
  totals.parity_mismatches += result.parity_mismatches;
  return absl::OkStatus();
}

absl::Status Trainer::Evaluate(const fb::Instruction &instruction, Totals &totals) {
  // Every so many iterations, and after the last.
  auto every = static_cast<int64_t>(Number(instruction, "every", 1));
  int64_t done = totals.clock.iteration + 1;
  if (done != totals.clock.iterations && (every < 1 || done % every != 0))
    return absl::OkStatus();
  std::string dataset = Text(instruction, "dataset"), name = Text(instruction, "name", dataset);
  const Dataset &data = *sources_.find(dataset)->second.data;
  std::vector<Prompt> prompts;
  TextLimits limits = Limits();
  for (int64_t r = 0; r < data.size(); ++r) {
    MIRL_ASSIGN(Prompt prompt, EncodePrompt(tokenizer_, data.Get(r), limits));
    prompts.push_back(std::move(prompt));
  }
  SampleOptions options = ReadSampleOptions(instruction);
  options.seed = options_.seed;
  // The same random numbers at every evaluation: differences are the policy's.
  auto place = std::distance(sources_.begin(), sources_.find(dataset));
  options.first_id = FirstSequenceId(kEvaluationStream + place);
  auto verifier = verifiers_.find(&instruction);
  if (verifier != verifiers_.end())
    AskEarly({verifier->second.get()}, options);
  RolloutStats stats;
  MIRL_ASSIGN(Batch batch,
              rollers_.find(Text(instruction, "policy"))->second->Sample(prompts, options, stats));
  Mean accuracy, length, finished;
  for (const auto &trajectory : batch.trajectories) {
    length.Add(static_cast<double>(trajectory->response_size()));
    finished.Add(trajectory->finished() ? 1 : 0);
  }
  int64_t unscored = 0;
  if (verifier != verifiers_.end()) {
    MIRL_ASSIGN(std::vector<float> results, AskVerifier(instruction, batch));
    for (float result : results) {
      if (std::isnan(result))
        ++unscored;
      else
        accuracy.Add(result > kRight ? 1 : 0);
    }
  }
  if (name.empty())
    name = dataset;
  totals.evaluations.emplace_back(name + "/accuracy", accuracy.Get());
  totals.evaluations.emplace_back(name + "/response_length_mean", length.Get());
  totals.evaluations.emplace_back(name + "/finished_fraction", finished.Get());
  if (verifier != verifiers_.end() && verifier->second->early())
    totals.evaluations.emplace_back(name + "/unscored", static_cast<double>(unscored));
  return absl::OkStatus();
}

} // namespace mirl::rt
