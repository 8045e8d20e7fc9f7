#include "runtime/rollout/Roller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/artifact/Macros.h"
#include "runtime/device/cpu/Memory.h"
#include "runtime/rollout/Replay.h"

namespace mirl::rt {

absl::StatusOr<std::unique_ptr<Roller>> Roller::Create(Session &session, const fb::Policy &policy,
                                                       const RollerOptions &options) {
  std::unique_ptr<Roller> roller(new Roller(session, policy));
  const Plan &plan = session.plan();
  if (View(policy.prefill()).empty() || View(policy.decode()).empty())
    return Invalid(plan.name(), ": policy ", View(policy.name()),
                   " cannot sample: its program samples nothing, so the plan has no prefill and "
                   "decode entries");
  MIRL_ASSIGN(roller->prefill_, roller->ResolveAll(View(policy.prefill()), policy.prefill_few()));
  MIRL_ASSIGN(roller->decode_, roller->ResolveAll(View(policy.decode()), policy.decode_few()));
  roller->run_ahead_ = options.run_ahead && roller->CanCarryTokens();
  for (uint32_t i = 0; i < Length(policy.kv_buffers()); ++i)
    roller->kv_.push_back(plan.root().buffers()->Get(policy.kv_buffers()->Get(i)));
  if (Length(policy.kv_table()) > 0)
    roller->table_ = plan.root().buffers()->Get(policy.kv_table()->Get(0));
  MIRL_TRY(roller->Limit(options));
  roller->is_eos_.resize(static_cast<size_t>(policy.vocab_size()));
  roller->forced_length_ = options.forced_length;
  MIRL_ASSIGN(std::vector<int32_t> eos, EosTokens(plan));
  if (options.forced_length)
    eos.clear();
  for (int32_t token : eos)
    if (token < policy.vocab_size())
      roller->is_eos_[static_cast<size_t>(token)] = 1;
  return roller;
}

absl::Status Roller::Limit(const RollerOptions &options) {
  SchedulerLimits limits;
  limits.slots = std::min({policy_.kv_slots(), decode_.back().sequences(), prefill_.back().sequences()});
  limits.blocks = policy_.kv_blocks();
  limits.max_context = policy_.max_context();
  limits.rows = prefill_.back().context;
  limits.chunk = options.chunk;
  auto narrow = [&](const char *name, int64_t wanted, int64_t &limit) -> absl::Status {
    if (wanted < 0 || wanted > limit)
      return Invalid(name, " ", wanted, ": policy ", View(policy_.name()), " was compiled for 1 to ",
                     limit);
    if (wanted > 0)
      limit = wanted;
    return absl::OkStatus();
  };
  MIRL_TRY(narrow("slots", options.slots, limits.slots));
  MIRL_TRY(narrow("KV blocks", options.kv_blocks, limits.blocks));
  if (options.kv_bytes < 0)
    return Invalid("the KV cache cannot have ", options.kv_bytes, " bytes");
  if (options.kv_blocks == 0)
    limits.blocks = BlocksInMemory(limits.blocks, options.kv_bytes);
  auto scheduler = Scheduler::Create(limits);
  if (!scheduler.ok())
    return Invalid(session_.plan().name(), ": policy ", View(policy_.name()), ": ",
                   scheduler.status().message());
  scheduler_ = *std::move(scheduler);
  stop_.resize(static_cast<size_t>(limits.slots));
  token_.resize(stop_.size());
  logprob_.resize(stop_.size());
  return absl::OkStatus();
}

int64_t Roller::BlocksInMemory(int64_t limit, int64_t bytes) {
  int64_t pool = 0;
  for (const fb::Buffer *buffer : kv_)
    pool += session_.BufferBytes(*buffer);
  if (pool == 0)
    return limit;
  int64_t least = 0;
  if (bytes == 0) {
    if (session_.Buffer(*kv_.front()).empty())
      return limit;
    // The arena is there, but pages that were never touched are not; the KV cache is the part of it
    // that may stay so.
    MemoryState memory = ReadMemoryState();
    auto arena = static_cast<int64_t>(session_.plan().root().arena_bytes());
    bytes = memory.available - std::max<int64_t>(0, arena - pool - memory.resident);
    bytes -= bytes / 10;
    least = BlocksOf(policy_.max_context());
  }
  // In floating point: the product may not fit 64 bits.
  double fit = static_cast<double>(bytes) / static_cast<double>(pool) *
               static_cast<double>(policy_.kv_blocks());
  return std::min(limit, std::max(least, static_cast<int64_t>(std::clamp(fit, 0.0, 1e15))));
}

absl::StatusOr<Roller::Sampler> Roller::Resolve(std::string_view name) const {
  Sampler sampler;
  const fb::Entry *entry = sampler.entry = session_.plan().FindEntry(name);
  if (!entry)
    return Invalid(session_.plan().name(), ": there is no entry ", name);
  for (uint32_t i = 0; i < Length(entry->capacities()); ++i) {
    const fb::Capacity &capacity = *entry->capacities()->Get(i);
    switch (capacity.axis()) {
    case fb::Axis::context:
      sampler.context = capacity.extent();
      break;
    case fb::Axis::token:
      sampler.token = capacity.extent();
      break;
    case fb::Axis::sequence:
      sampler.sequence = capacity.extent();
      break;
    case fb::Axis::group:
      sampler.group = capacity.extent();
      break;
    case fb::Axis::fixed:
      break;
    }
  }
  sampler.ids_port = Session::FindInput(*entry, "ids");
  sampler.token_port = Session::FindOutput(*entry, "token");
  for (int turn : {0, 1}) {
    MIRL_ASSIGN(sampler.ports[turn], ResolvePorts(*entry, turn));
  }
  return sampler;
}

absl::StatusOr<Roller::Ports> Roller::ResolvePorts(const fb::Entry &entry, int turn) const {
  Ports ports;
  for (uint32_t i = 0; i < Length(entry.inputs()); ++i) {
    const fb::Port &port = *entry.inputs()->Get(i);
    std::string_view source = View(port.source());
    uint8_t *data = session_.PortData(entry, port, turn);
    auto is = [&](std::string_view wanted, auto *&pointer) {
      if (source != wanted)
        return false;
      pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(data);
      return true;
    };
    if (!is("ids", ports.ids) && !is("positions", ports.positions) && !is("slots", ports.slots) &&
        !is("rows", ports.rows) && !is("steps", ports.steps) &&
        !is("sequence_offsets", ports.sequence_offsets) &&
        !is("token_offsets", ports.token_offsets) && !is("group_offsets", ports.group_offsets) &&
        !is("sequence_ids", ports.sequence_ids) && !is("seed", ports.seed) &&
        !is("temperature", ports.temperature) && !is("top_k", ports.top_k) &&
        !is("top_p", ports.top_p))
      return Invalid(session_.plan().name(), ": entry ", View(entry.name()), " asks for '", source,
                     "', which a rollout does not have");
  }
  const fb::Port *token = Session::FindOutput(entry, "token"),
                 *logprob = Session::FindOutput(entry, "logprob");
  if (!token || !logprob)
    return Invalid(session_.plan().name(), ": entry ", View(entry.name()), " must give a token and its logprob");
  ports.token = reinterpret_cast<const int32_t *>(session_.PortData(entry, *token, turn));
  ports.logprob = reinterpret_cast<const float *>(session_.PortData(entry, *logprob, turn));
  return ports;
}

bool Roller::CanCarryTokens() const {
  for (const Sampler &from : decode_)
    for (const Sampler &to : decode_)
      if (!to.ids_port || !session_.CanCarry(*from.entry, *from.token_port, *to.entry, *to.ids_port))
        return false;
  return true;
}

absl::StatusOr<std::vector<Roller::Sampler>>
Roller::ResolveAll(std::string_view most, const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *few) const {
  std::vector<Sampler> samplers(1);
  MIRL_ASSIGN(samplers[0], Resolve(most));
  for (uint32_t i = 0; i < Length(few); ++i) {
    MIRL_ASSIGN(Sampler one, Resolve(View(few->Get(i))));
    if (one.context < samplers[0].context)
      samplers.push_back(one);
  }
  std::ranges::sort(samplers, {}, &Sampler::context);
  return samplers;
}

const Roller::Sampler &Roller::SamplerOf(const Step &step, Part part) const {
  const std::vector<Sampler> &samplers = step.decode || part == Part::decoding ? decode_ : prefill_;
  Extents wanted = Count(step, part);
  // The last one has room for all steps.
  return *std::find_if(samplers.begin(), samplers.end() - 1, [&](const Sampler &sampler) {
    return wanted.context <= sampler.context && wanted.token <= sampler.token && wanted.sequence <= std::min(sampler.sequence, sampler.group);
  });
}

void Roller::Scalars(const Ports &ports, const SampleOptions &options) const {
  if (ports.seed)
    *ports.seed = static_cast<int64_t>(options.seed);
  if (ports.temperature)
    *ports.temperature = options.temperature;
  if (ports.top_k)
    *ports.top_k = options.top_k;
  if (ports.top_p)
    *ports.top_p = options.top_p;
}

absl::StatusOr<Batch> Roller::Sample(std::span<const Prompt> prompts, const SampleOptions &options,
                                     RolloutStats &stats) {
  MIRL_ASSIGN(Batch batch, Begin(prompts, options));
  MIRL_TRY(Continue(batch, options, stats));
  return batch;
}

absl::StatusOr<Batch> Roller::Begin(std::span<const Prompt> prompts, const SampleOptions &options) {
  auto count = static_cast<int64_t>(prompts.size());
  if (options.n < 1 || options.n > kMaxSamples || count > kMaxPrompts)
    return Invalid("cannot sample ", options.n, " responses to each of ", count,
                   " prompts; the limits are ", kMaxSamples, " and ", kMaxPrompts);
  if (options.max_tokens < 1)
    return Invalid("max_tokens must be at least 1, is ", options.max_tokens);
  if (!(options.temperature >= 0) || options.top_k < 0 ||
      !(options.top_p > 0 && options.top_p <= 1))
    return Invalid("sampling needs temperature >= 0, top_k >= 0 and 0 < top_p <= 1; they are ",
                   options.temperature, ", ", options.top_k, " and ", options.top_p);
  MIRL_TRY(CheckRepeat(options.repeat));
  Batch batch;
  for (const Prompt &prompt : prompts) {
    MIRL_TRY(CheckPrompt(prompt));
    batch.prompts.push_back(prompt);
    for (int64_t sample = 0; sample < options.n; ++sample) {
      auto trajectory = std::make_shared<Trajectory>();
      trajectory->prompt = prompt;
      trajectory->sequence_id =
          SequenceId(options.first_id, static_cast<int64_t>(batch.prompts.size()) - 1, sample);
      trajectory->policy = &policy_;
      auto room = static_cast<size_t>(
          std::min(options.max_tokens, policy_.max_context() - trajectory->prompt_size()));
      trajectory->response.reserve(room);
      trajectory->logprob.reserve(room);
      batch.trajectories.push_back(std::move(trajectory));
    }
    batch.group_offsets.push_back(batch.sequences());
  }
  return batch;
}

absl::Status Roller::CheckPrompt(const Prompt &prompt) const {
  auto size = static_cast<int64_t>(prompt.ids->size());
  if (size < 1 || size > policy_.max_context() - 1)
    return Invalid(prompt.record->where, ": \"prompt\" has ", size,
                   " tokens; the plan was compiled for 1 to ", policy_.max_context() - 1);
  for (int32_t id : *prompt.ids)
    if (id < 0 || id >= policy_.vocab_size())
      return Invalid(prompt.record->where, ": token ", id, " is outside of the vocabulary of ",
                     policy_.vocab_size());
  return absl::OkStatus();
}

absl::Status Roller::Add(const Batch &batch, const SampleOptions &options) {
  RolloutGoal goal;
  goal.budget = options.total_budget;
  if (options.ready != kNoLimit)
    goal.groups = std::max<int64_t>(0, options.ready - CountEnded(batch));
  scheduler_->Begin(goal, options.version);
  running_.clear();
  for (int64_t group = 0; group < batch.groups(); ++group) {
    bool overdue = group < options.finish_first || OldestVersion(batch, group) < options.finish_below;
    for (int64_t s = batch.group_offsets[static_cast<size_t>(group)];
         s < batch.group_offsets[static_cast<size_t>(group) + 1]; ++s) {
      Trajectory &trajectory = *batch.trajectories[static_cast<size_t>(s)];
      if (trajectory.ending != Ending::none)
        continue;
      SequenceSpec spec;
      spec.group = group;
      spec.prompt = trajectory.prompt_size();
      spec.response = trajectory.response_size();
      spec.limit = std::min(options.max_tokens, policy_.max_context() - spec.prompt);
      if (forced_length_)
        spec.limit = std::clamp<int64_t>(forced_length_(trajectory), 1, spec.limit);
      spec.budget = options.budget;
      spec.overdue = overdue;
      spec.key = options.keep ? trajectory.sequence_id : -1;
      MIRL_TRY(scheduler_->Add(spec));
      running_.push_back(&trajectory);
    }
  }
  return absl::OkStatus();
}

absl::Status Roller::Continue(const Batch &batch, const SampleOptions &options,
                              RolloutStats &stats) {
  auto started = std::chrono::steady_clock::now();
  if (options.budget < 1 || options.total_budget < 1)
    return Invalid("a budget must be at least one token; they are ", options.budget,
                   " for a sequence and ", options.total_budget, " for all");
  MIRL_TRY(Add(batch, options));
  if (absl::Status status = RunSteps(options, stats); !status.ok()) {
    session_.Drain();
    return status;
  }
  const SchedulerStats &scheduled = scheduler_->stats();
  stats.decode_calls += scheduled.decode_steps;
  stats.ahead_calls += scheduled.ahead_steps;
  stats.prefill_calls += scheduled.steps - scheduled.decode_steps;
  stats.prefill_tokens += scheduled.prefill_rows;
  stats.preemptions += scheduled.preemptions;
  stats.recomputed_tokens += scheduled.recomputed_rows;
  stats.kept += scheduled.kept;
  stats.kept_tokens += scheduled.kept_positions;
  stats.given_up += scheduled.given_up;
  stats.kv_blocks = scheduler_->pool().size();
  stats.peak_kv_blocks = std::max(stats.peak_kv_blocks, scheduled.peak_blocks);
  stats.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return absl::OkStatus();
}

absl::Status Roller::RunSteps(const SampleOptions &options, RolloutStats &stats) {
  int64_t before = stats.tokens;
  int turn = 0;
  const Step *step = scheduler_->Next();
  if (step)
    MIRL_TRY(Call(*step, turn, options));
  while (step) {
    stats.slot_steps += limits().slots;
    stats.busy_slot_steps += scheduler_->active();
    const Step *next = begun_[turn] && session_.RunsAhead() ? scheduler_->NextAhead() : nullptr;
    // What is wrong with it is said when it would have been its turn.
    absl::Status status;
    if (next)
      status = Call(*next, 1 - turn, options, step);
    stats.split_calls += split_ && !step->decode;
    MIRL_ASSIGN(int64_t tokens, Take(*step, turn, options));
    imported_.clear();
    stats.tokens += tokens;
    if (step->decode)
      stats.decode_rows += step->rows;
    if (watcher_)
      watcher_(*scheduler_, stats.tokens - before);
    MIRL_TRY(status);
    if (!next) {
      next = scheduler_->Next();
      if (next)
        MIRL_TRY(Call(*next, 1 - turn, options));
    }
    step = next;
    turn = 1 - turn;
  }
  return absl::OkStatus();
}

// Brings the cache and its table to what the step expects. While the transfers are under way the scheduler may
// change the table for the step behind this one: entries of positions that no row has got to before.
void Roller::Prepare(const Step &step) {
  for (const fb::Buffer *buffer : kv_) {
    int64_t bytes = session_.BufferBytes(*buffer) / policy_.kv_blocks();
    for (const BlockCopy &copy : step.copies)
      session_.CopyBuffer(*buffer, copy.from * bytes, copy.to * bytes, bytes);
  }
  if (!table_ || step.edits.empty())
    return;
  constexpr auto kEntry = static_cast<int64_t>(sizeof(int32_t));
  // A transfer takes the host as long as some kilobytes do. What lies between the edits is there already.
  constexpr int64_t kBytesOfTransfer = 4096;
  const auto [first, last] = std::ranges::minmax(step.edits, {}, &TableEdit::slot);
  int64_t row = scheduler_->width() * kEntry, bytes = (last.slot - first.slot + 1) * row;
  if (bytes <= kBytesOfTransfer * static_cast<int64_t>(step.edits.size() - 1)) {
    session_.PatchBuffer(*table_, first.slot * row, scheduler_->table(first.slot), bytes);
    return;
  }
  for (const TableEdit &edit : step.edits)
    session_.PatchBuffer(*table_, (edit.slot * scheduler_->width() + edit.begin) * kEntry,
                         scheduler_->table(edit.slot) + edit.begin,
                         (edit.end - edit.begin) * kEntry);
}

// The attention of a decode entry is made for single rows, and its calls come again with the same extents, so that they are recorded
// (Session.h). So where many rows decode, and there are few others, they have a call of their own. Rows of a step do not read
// what others of it write.
bool Roller::Splits(const Step &step) const {
  constexpr int64_t kMany = 32; // chosen, not fitted
  if (step.decode || prefill_.size() == 1)
    return false;
  Extents others = Count(step, Part::others);
  return step.rows - others.context >= kMany && &SamplerOf(step, Part::others) != &prefill_.back();
}

bool Roller::Has(Part part, const Piece &piece) {
  bool decodes = piece.count == 1 && piece.samples == 1;
  return part == Part::all || decodes == (part == Part::decoding);
}

Extents Roller::Count(const Step &step, Part part) {
  auto sequences = static_cast<int64_t>(step.pieces.size());
  Extents extents{step.rows, static_cast<int64_t>(step.sampled.size()), sequences, sequences};
  if (part == Part::all)
    return extents;
  for (const Piece &piece : step.pieces)
    if (!Has(part, piece)) {
      extents.context -= piece.count;
      extents.token -= piece.samples;
      --extents.sequence;
    }
  extents.group = extents.sequence;
  return extents;
}

absl::Status Roller::Call(const Step &step, int turn, const SampleOptions &options, const Step *before) {
  Prepare(step);
  begun_[turn] = before || (run_ahead_ && session_.RunsAhead());
  split_ = begun_[turn] && Splits(step);
  if (!split_)
    return CallPart(step, Part::all, turn, options, before);
  // Nothing is ahead of a step with prompts: the other turn is free.
  begun_[1 - turn] = true;
  MIRL_TRY(CallPart(step, Part::decoding, turn, options));
  return CallPart(step, Part::others, 1 - turn, options);
}

absl::Status Roller::CallPart(const Step &step, Part part, int turn, const SampleOptions &options, const Step *before) {
  const Sampler &sampler = SamplerOf(step, part);
  const Ports &ports = sampler.ports[begun_[turn] ? turn : 0];
  auto set = [](auto *port, int64_t at, auto value) {
    if (port)
      port[at] = static_cast<std::remove_pointer_t<decltype(port)>>(value);
  };
  int64_t row = 0, token = 0, sequence = 0;
  auto offsets = [&] {
    set(ports.sequence_offsets, sequence, row);
    set(ports.token_offsets, sequence, token);
    set(ports.group_offsets, sequence, sequence);
  };
  size_t next = 0; // of what is sampled
  for (const Piece &piece : step.pieces) {
    size_t first = next;
    next += static_cast<size_t>(piece.samples);
    if (!Has(part, piece))
      continue;
    offsets();
    const Trajectory &trajectory = *running_[static_cast<size_t>(piece.sequence)];
    const std::vector<int32_t> &prompt = *trajectory.prompt.ids;
    auto size = static_cast<int32_t>(prompt.size());
    for (int32_t p = piece.first; p < piece.first + piece.count; ++p, ++row) {
      if (!before)
        set(ports.ids, row, p < size ? prompt[static_cast<size_t>(p)]
                                     : trajectory.response[static_cast<size_t>(p - size)]);
      set(ports.positions, row, p);
      set(ports.slots, row, piece.slot);
    }
    for (size_t i = first; i < next; ++i, ++token) {
      set(ports.rows, token, row - 1);
      set(ports.steps, token, piece.first + piece.count - size);
      set(ports.sequence_ids, token, running_[static_cast<size_t>(step.sampled[i])]->sequence_id);
    }
    ++sequence;
  }
  offsets();
  Scalars(ports, options);
  Extents extents{row, token, sequence, sequence};
  if (!begun_[turn])
    return session_.Run(*sampler.entry, extents);
  if (!before)
    return session_.Begin(*sampler.entry, extents, turn);
  const Sampler &source = SamplerOf(*before, Part::all);
  Session::Carried carried{source.entry, source.token_port, sampler.ids_port, step.carried};
  return session_.Begin(*sampler.entry, extents, turn, &carried);
}

absl::Status Roller::TakePart(const Step &step, Part part, int turn) {
  if (begun_[turn])
    MIRL_TRY(session_.End(turn));
  const Ports &ports = SamplerOf(step, part).ports[begun_[turn] ? turn : 0];
  size_t next = 0, token = 0;
  for (const Piece &piece : step.pieces)
    for (int32_t i = 0; i < piece.samples; ++i, ++next)
      if (Has(part, piece)) {
        token_[next] = ports.token[token];
        logprob_[next] = ports.logprob[token++];
      }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Roller::Take(const Step &step, int turn, const SampleOptions &options) {
  if (split_ && !step.decode) {
    MIRL_TRY(TakePart(step, Part::decoding, turn));
    MIRL_TRY(TakePart(step, Part::others, 1 - turn));
  } else {
    MIRL_TRY(TakePart(step, Part::all, turn));
  }
  constexpr uint8_t kStops = 1, kDead = 2;
  int64_t alive = 0;
  size_t count = step.sampled.size();
  for (size_t i = 0; i < count; ++i) {
    if (running_[static_cast<size_t>(step.sampled[i])]->ending != Ending::none) { // In the step before.
      stop_[i] = kDead;
      continue;
    }
    ++alive;
    int32_t token = token_[i];
    if (token < 0 || token >= policy_.vocab_size())
      return absl::InternalError(Cat("policy ", View(policy_.name()), " sampled token ", token,
                                     " of a vocabulary of ", policy_.vocab_size(),
                                     ": its weights are probably not numbers"));
    Trajectory &trajectory = *running_[static_cast<size_t>(step.sampled[i])];
    trajectory.Append(token, logprob_[i], options.version);
    if (is_eos_[static_cast<size_t>(token)])
      trajectory.ending = Ending::eos;
    else if (Repeats(trajectory.response, options.repeat))
      trajectory.ending = Ending::repeat;
    stop_[i] = trajectory.ending != Ending::none ? kStops : 0;
  }
  scheduler_->Complete({stop_.data(), count});
  for (size_t i = 0; i < count; ++i) {
    if (stop_[i] == kDead)
      continue;
    int32_t index = step.sampled[i];
    Trajectory &trajectory = *running_[static_cast<size_t>(index)];
    if (trajectory.ending == Ending::none && scheduler_->state(index) == SequenceState::ended)
      trajectory.ending = Ending::length;
    if (trajectory.ending != Ending::none && options.ended)
      options.ended(trajectory);
  }
  if (options.stepped)
    options.stepped();
  return alive;
}

} // namespace mirl::rt
