// What the Trainer draws and samples, and what of it waits for the next iteration.

#include <algorithm>

#include "runtime/artifact/Macros.h"
#include "runtime/rollout/Replay.h"
#include "runtime/train/Program.h"
#include "runtime/train/Totals.h"

namespace mirl::rt {

absl::Status Trainer::PrepareSampling(const fb::Instruction &instruction) {
  Sampling sampling{&instruction, {}};
  MIRL_ASSIGN(sampling.budgets, ReadBudgets(instruction, options_.params));
  const Budgets &budgets = sampling.budgets;
  std::string policy = Text(instruction, "policy");
  int64_t updates = MaxUpdates(session_.plan(), policy, {});
  if (budgets.ready != kNoLimit)
    MIRL_TRY(CheckReady(instruction, budgets, updates));
  // What is begun now is handed over in the next iteration at the earliest, if it has to wait.
  else if (budgets.partial && updates > budgets.max_age)
    return Invalid(InstructionPlace(instruction), "max_age is ", budgets.max_age,
                   ", but an iteration can update policy ", policy, " ", updates,
                   " times (with in_flight = ", budgets.in_flight,
                   "): a response that waits would be too old; max_age must be at least ", updates);
  // Keys of weights that never change are as good as new ones.
  sampling.keep = budgets.partial && (budgets.keep || updates == 0);
  samplings_.push_back(std::move(sampling));
  return absl::OkStatus();
}

// So many groups are handed over in every iteration, and no group waits longer than max_age allows, if all that may be
// in flight at a time can go in time, even when it was begun at once.
absl::Status Trainer::CheckReady(const fb::Instruction &sample, const Budgets &budgets, int64_t updates) const {
  std::string_view prompts = View(sample.operands()->Get(0));
  const fb::Instruction *draw = FindInstruction(session_.plan(), [&](const fb::Instruction &other) {
    return View(other.op()) == "draw" && View(other.results()->Get(0)) == prompts;
  });
  auto drawn = draw ? static_cast<int64_t>(Number(*draw, "count", 1)) : 0;
  if (budgets.ready >= drawn)
    return Invalid(InstructionPlace(sample), "ready is ", budgets.ready, " groups, but ", drawn,
                   " are drawn in an iteration; it must be fewer, or it waits for all of them");
  int64_t begun = budgets.in_flight * drawn, last = (begun + budgets.ready - 1) / budgets.ready - 1;
  if (last * updates > budgets.max_age)
    return Invalid(InstructionPlace(sample), "max_age is ", budgets.max_age, ", but ", begun,
                   " groups can be begun (in_flight = ", budgets.in_flight, "), and of them ", budgets.ready,
                   " are handed over in an iteration, which can update policy ", Text(sample, "policy"), " ",
                   updates, " times: the last would be ", last * updates,
                   " updates old; max_age must be at least that");
  return absl::OkStatus();
}

// How many of the first groups must be handed over now, for none to become too old later.
int64_t Trainer::Due(const fb::Instruction &sample, const Budgets &budgets, const Batch &batch, int64_t version) const {
  int64_t updates = MaxUpdates(session_.plan(), Text(sample, "policy"), {});
  if (updates == 0)
    return 0;
  std::vector<int64_t> left;
  for (int64_t group = 0; group < batch.groups(); ++group)
    left.push_back((budgets.max_age - (version - std::min(version, OldestVersion(batch, group)))) / updates);
  return GroupsDue(left, budgets.ready);
}

absl::Status Trainer::Draw(const fb::Instruction &instruction, Values &values, Totals &totals) {
  Source &source = sources_.find(Text(instruction, "dataset"))->second;
  std::string_view name = View(instruction.results()->Get(0));
  auto count = static_cast<int64_t>(Number(instruction, "count", 1));
  int64_t room = count;
  for (const Sampling &sampling : samplings_)
    if (sampling.budgets.partial && View(sampling.instruction->operands()->Get(0)) == name)
      room = std::min(room, sampling.budgets.in_flight * count - sampling.waiting.groups());
  std::vector<int64_t> indices;
  source.cursor->Draw(std::max<int64_t>(0, room), indices);
  auto batch = std::make_shared<Batch>();
  bool examples = Text(instruction, "kind") == "examples";
  TextLimits limits = Limits();
  for (int64_t index : indices) {
    Record record = source.data->Get(index);
    if (!examples) {
      MIRL_ASSIGN(Prompt prompt, EncodePrompt(tokenizer_, std::move(record), limits));
      batch->prompts.push_back(std::move(prompt));
      continue;
    }
    MIRL_ASSIGN(auto trajectory, EncodeExample(tokenizer_, std::move(record), eos_, limits));
    batch->prompts.push_back(trajectory->prompt);
    batch->trajectories.push_back(std::move(trajectory));
    batch->group_offsets.push_back(batch->sequences());
  }
  if (examples) {
    totals.sampled.push_back(batch);
    totals.examples = true;
  }
  values[std::string(name)] = std::move(batch);
  return absl::OkStatus();
}

absl::Status Trainer::Sample(const fb::Instruction &instruction, Values &values, Totals &totals) {
  const Batch &prompts = *values.find(View(instruction.operands()->Get(0)))->second;
  std::string policy = Text(instruction, "policy");
  if (totals.samplings >= kSamplingsPerIteration)
    return Invalid("an iteration may sample at most ", kSamplingsPerIteration, " times");
  Sampling &sampling = *std::find_if(samplings_.begin(), samplings_.end(), [&](const Sampling &s) {
    return s.instruction == &instruction;
  });
  const Budgets &budgets = sampling.budgets;
  SampleOptions options = ReadSampleOptions(instruction);
  options.seed = options_.seed;
  options.version = versions_[policy];
  options.first_id =
      FirstSequenceId(totals.clock.iteration * kSamplingsPerIteration + totals.samplings++);
  options.budget = budgets.sequence;
  options.total_budget = budgets.total;
  options.keep = sampling.keep;
  std::vector<Verifier *> verifiers; // of what is sampled
  for (const auto &[verify, verifier] : verifiers_)
    if (View(verify->op()) == "verify" &&
        View(verify->operands()->Get(0)) == View(instruction.results()->Get(0)))
      verifiers.push_back(verifier.get());
  AskEarly(std::move(verifiers), options);
  Roller &roller = *rollers_.find(policy)->second;
  MIRL_ASSIGN(Batch fresh, roller.Begin(prompts.prompts, options));
  // What was begun earlier goes first.
  Batch &batch = sampling.waiting;
  totals.resumed += CountUnfinished(batch).begun;
  AppendGroups(batch, fresh);
  if (budgets.ready != kNoLimit) {
    options.ready = std::min(budgets.ready, batch.groups());
    options.finish_first = Due(instruction, budgets, batch, options.version);
  } else if (budgets.partial) {
    // The next iteration's policy is this one after at most so many updates. What would then be too
    // old ends now.
    int64_t updates = MaxUpdates(session_.plan(), policy, {{&instruction, batch.groups()}});
    options.finish_below = options.version + updates - budgets.max_age;
  }
  MIRL_TRY(roller.Continue(batch, options, totals.rollout));
  auto result = std::make_shared<Batch>(TakeFinished(batch, options.version, budgets.ready));
  for (const auto &trajectory : result->trajectories) {
    trajectory->mixed_keys = sampling.keep && trajectory->segments.size() > 1;
    totals.segments.Add(static_cast<double>(trajectory->segments.size()));
    for (const Segment &segment : trajectory->segments) {
      int64_t age = options.version - segment.version;
      totals.staleness.Add(static_cast<double>(age), segment.tokens);
      totals.staleness_max = std::max(totals.staleness_max, age);
    }
  }
  if (budgets.partial && totals.staleness_max > budgets.max_age)
    return absl::InternalError(Cat("a token of age ", totals.staleness_max,
                                   " is handed over; max_age is ", budgets.max_age));
  totals.partial |= budgets.partial;
  totals.repeats |= options.repeat.ngram > 0;
  totals.groups += result->groups();
  totals.sampled.push_back(result);
  values[std::string(View(instruction.results()->Get(0)))] = std::move(result);
  return absl::OkStatus();
}

// Replaces the recorded log-probs by those that the policy gives now. Where it sampled all tokens
// itself they are the same bits, and nothing is computed.
absl::Status Trainer::Rescore(const fb::Instruction &instruction, Batch &batch) {
  const Plan &plan = session_.plan();
  std::string name = Text(instruction, "policy");
  const fb::Entry &entry = *plan.FindEntry(View(plan.FindPolicy(name)->score()));
  const fb::Port *logprob = Session::FindOutput(entry, "logprob");
  if (!logprob)
    return Invalid("entry ", View(entry.name()), " gives no logprob");
  int64_t version = versions_[name];
  Batch old;
  for (const auto &trajectory : batch.trajectories) {
    bool current = std::all_of(trajectory->segments.begin(), trajectory->segments.end(),
                               [&](const Segment &segment) { return segment.version == version; });
    if (current)
      continue;
    old.prompts.push_back(trajectory->prompt);
    old.trajectories.push_back(trajectory);
    old.group_offsets.push_back(old.sequences());
  }
  MIRL_ASSIGN(std::vector<Cut> cuts, CutBatch(old, entry, /*whole_groups=*/false));
  Packed packed;
  for (const Cut &cut : cuts) {
    Pack(old, cut, packed);
    MIRL_TRY(FillInputs(session_, entry, old, cut, packed, {}, {}, options_.params));
    MIRL_TRY(session_.Run(entry, cut.extents));
    const auto *computed = reinterpret_cast<const float *>(session_.PortData(entry, *logprob));
    for (int64_t s = cut.begin; s < cut.end; ++s) {
      Trajectory &trajectory = *old.trajectories[static_cast<size_t>(s)];
      const float *first = computed + packed.token_offsets[static_cast<size_t>(s - cut.begin)];
      trajectory.logprob.assign(first, first + trajectory.response_size());
    }
  }
  return absl::OkStatus();
}

bool Trainer::Keeps(std::string_view policy) const {
  return std::any_of(samplings_.begin(), samplings_.end(), [&](const Sampling &sampling) {
    return sampling.keep && Text(*sampling.instruction, "policy") == policy;
  });
}

std::string Trainer::schedule() const {
  std::string schedule;
  for (const auto &[policy, roller] : rollers_) {
    bool depends = std::any_of(samplings_.begin(), samplings_.end(), [&](const Sampling &sampling) {
      return (sampling.budgets.total != kNoLimit || sampling.budgets.ready != kNoLimit ||
              sampling.budgets.keep) &&
             Text(*sampling.instruction, "policy") == policy;
    });
    const SchedulerLimits &limits = roller->limits();
    if (depends)
      schedule += Cat(schedule.empty() ? "" : "; ", policy, ": --slots ", limits.slots,
                      " --kv-blocks ", limits.blocks, " --prefill-chunk ", limits.chunk);
  }
  return schedule;
}

Batch Trainer::unfinished() const {
  Batch all;
  for (const Sampling &sampling : samplings_)
    AppendGroups(all, sampling.waiting);
  return all;
}

void Trainer::SetPartial(const Totals &totals, IterationMetrics &metrics) const {
  int64_t sequences = 0, groups = 0, ended = 0;
  bool ready = false;
  for (const Sampling &sampling : samplings_) {
    ready |= sampling.budgets.ready != kNoLimit;
    ended += CountEnded(sampling.waiting);
    sequences += CountUnfinished(sampling.waiting).sequences;
    groups += sampling.waiting.groups();
  }
  metrics.Set("groups", static_cast<double>(totals.groups));
  metrics.Set("unfinished", static_cast<double>(sequences));
  metrics.Set("unfinished_groups", static_cast<double>(groups));
  if (ready)
    metrics.Set("ended_groups", static_cast<double>(ended));
  metrics.Set("resumed", static_cast<double>(totals.resumed));
  metrics.Set("segments_mean", totals.segments.Get());
  metrics.Set("staleness_mean", totals.staleness.Get());
  metrics.Set("staleness_max", static_cast<double>(totals.staleness_max));
  if (std::any_of(samplings_.begin(), samplings_.end(), [](const Sampling &s) { return s.keep; })) {
    metrics.Set("kept", static_cast<double>(totals.rollout.kept));
    metrics.Set("kept_tokens", static_cast<double>(totals.rollout.kept_tokens));
    metrics.Set("kept_given_up", static_cast<double>(totals.rollout.given_up));
  }
}

} // namespace mirl::rt
