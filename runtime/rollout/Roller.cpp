#include "runtime/rollout/Roller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/rollout/KvCache.h"
#include "runtime/artifact/Macros.h"

namespace mirl::rt {

absl::StatusOr<std::unique_ptr<Roller>> Roller::Create(Session &session, const fb::Policy &policy) {
  std::unique_ptr<Roller> roller(new Roller(session, policy));
  const Plan &plan = session.plan();
  if (View(policy.prefill()).empty() || View(policy.decode()).empty())
    return Invalid(plan.name(), ": policy ", View(policy.name()),
                   " cannot sample: its program samples nothing, so the plan has no prefill and "
                   "decode entries");
  MIRL_TRY(roller->Resolve(View(policy.prefill()), roller->prefill_, roller->prefill_ports_,
                           roller->prefill_capacities_));
  MIRL_TRY(roller->Resolve(View(policy.decode()), roller->decode_, roller->decode_ports_,
                           roller->decode_capacities_));
  for (uint32_t i = 0; i < Length(policy.kv_buffers()); ++i)
    roller->kv_.push_back(plan.root().buffers()->Get(policy.kv_buffers()->Get(i)));
  const Capacities &decode = roller->decode_capacities_, &prefill = roller->prefill_capacities_;
  roller->slots_ =
      std::min({policy.kv_slots(), decode.context, decode.token, decode.sequence, decode.group});
  if (roller->slots_ < 1 ||
      std::min({prefill.context, prefill.token, prefill.sequence, prefill.group}) < 1 ||
      policy.max_context() < 2)
    return Invalid(plan.name(), ": policy ", View(policy.name()), " has no room for a sequence (",
                   policy.kv_slots(), " slots, context ", policy.max_context(), ")");
  roller->is_eos_.resize(static_cast<size_t>(policy.vocab_size()));
  MIRL_ASSIGN(std::vector<int32_t> eos, EosTokens(plan));
  for (int32_t token : eos)
    if (token < policy.vocab_size())
      roller->is_eos_[static_cast<size_t>(token)] = 1;
  return roller;
}

absl::Status Roller::Resolve(std::string_view name, const fb::Entry *&entry, Ports &ports,
                             Capacities &capacities) {
  entry = session_.plan().FindEntry(name);
  if (!entry)
    return Invalid(session_.plan().name(), ": there is no entry ", name);
  for (uint32_t i = 0; i < Length(entry->capacities()); ++i) {
    const fb::Capacity &capacity = *entry->capacities()->Get(i);
    switch (capacity.axis()) {
    case fb::Axis::context:
      capacities.context = capacity.extent();
      break;
    case fb::Axis::token:
      capacities.token = capacity.extent();
      break;
    case fb::Axis::sequence:
      capacities.sequence = capacity.extent();
      break;
    case fb::Axis::group:
      capacities.group = capacity.extent();
      break;
    case fb::Axis::fixed:
      break;
    }
  }
  for (uint32_t i = 0; i < Length(entry->inputs()); ++i) {
    const fb::Port &port = *entry->inputs()->Get(i);
    std::string_view source = View(port.source());
    uint8_t *data = session_.PortData(*entry, port);
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
      return Invalid(session_.plan().name(), ": entry ", name, " asks for '", source,
                     "', which a rollout does not have");
  }
  const fb::Port *token = Session::FindOutput(*entry, "token"),
                 *logprob = Session::FindOutput(*entry, "logprob");
  if (!token || !logprob)
    return Invalid(session_.plan().name(), ": entry ", name, " must give a token and its logprob");
  ports.token = reinterpret_cast<const int32_t *>(session_.PortData(*entry, *token));
  ports.logprob = reinterpret_cast<const float *>(session_.PortData(*entry, *logprob));
  return absl::OkStatus();
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
  auto started = std::chrono::steady_clock::now();
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
  Batch batch;
  for (const Prompt &prompt : prompts) {
    auto size = static_cast<int64_t>(prompt.ids->size());
    int64_t longest = std::min(policy_.max_context() - 1, prefill_capacities_.context);
    if (size < 1 || size > longest)
      return Invalid(prompt.record->where, ": \"prompt\" has ", size,
                     " tokens; the plan was compiled for 1 to ", longest);
    for (int32_t id : *prompt.ids)
      if (id < 0 || id >= policy_.vocab_size())
        return Invalid(prompt.record->where, ": token ", id, " is outside of the vocabulary of ",
                       policy_.vocab_size());
    batch.prompts.push_back(prompt);
    for (int64_t sample = 0; sample < options.n; ++sample) {
      auto trajectory = std::make_shared<Trajectory>();
      trajectory->prompt = prompt;
      trajectory->sequence_id =
          SequenceId(options.first_id, static_cast<int64_t>(batch.prompts.size()) - 1, sample);
      trajectory->policy = &policy_;
      auto room = static_cast<size_t>(std::min(options.max_tokens, policy_.max_context() - size));
      trajectory->response.reserve(room);
      trajectory->logprob.reserve(room);
      batch.trajectories.push_back(std::move(trajectory));
    }
    batch.group_offsets.push_back(batch.sequences());
  }

  version_ = options.version;
  running_.clear();
  starting_.clear();
  start_counts_.clear();
  free_.clear();
  for (int64_t slot = slots_; slot-- > 0;)
    free_.push_back(static_cast<int32_t>(slot));
  next_ = 0;
  resident_ = -1;
  start_context_ = 0;
  while (next_ < batch.sequences() || !running_.empty()) {
    MIRL_TRY(Admit(batch, options, stats));
    if (!running_.empty())
      MIRL_TRY(Decode(options, stats));
  }
  for (const auto &trajectory : batch.trajectories)
    stats.tokens += trajectory->response_size();
  stats.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return batch;
}

// Gives the free slots to the sequences that wait, in order.
absl::Status Roller::Admit(Batch &batch, const SampleOptions &options, RolloutStats &stats) {
  while (next_ < batch.sequences() && !free_.empty()) {
    Trajectory *trajectory = batch.trajectories[static_cast<size_t>(next_)].get();
    int64_t size = trajectory->prompt_size();
    auto take = [&]() {
      Running running{trajectory,
                      trajectory->sequence_id,
                      std::min(options.max_tokens, policy_.max_context() - size),
                      free_.back(),
                      trajectory->prompt.ids->back(),
                      static_cast<int32_t>(size - 1),
                      0};
      free_.pop_back();
      ++next_;
      return running;
    };
    int64_t sample = next_ % options.n;
    if (sample == 0)
      resident_ = -1; // A new prompt.
    if (resident_ >= 0) {
      // Slots are handed out in order, so until the last sequence of this prompt has started, the
      // slot its prompt was computed in can only have gone to a sequence of the same prompt.
      Running running = take();
      if (running.slot != resident_)
        for (const fb::Buffer *buffer : kv_)
          CopyKvPrefix(session_, *buffer, resident_, running.slot, size);
      running_.push_back(running);
      continue;
    }
    // Into the prefill call being put together, or, when that is full, into the next one.
    auto sequences = static_cast<int64_t>(start_counts_.size()),
         tokens = static_cast<int64_t>(starting_.size());
    const Capacities &limit = prefill_capacities_;
    if (start_context_ + size > limit.context || tokens + 1 > limit.token ||
        sequences + 1 > limit.sequence || sequences + 1 > limit.group) {
      MIRL_TRY(Prefill(options, stats));
      continue;
    }
    int64_t share =
        std::min({options.n - sample, static_cast<int64_t>(free_.size()), limit.token - tokens});
    start_context_ += size;
    start_counts_.push_back(share);
    for (int64_t i = 0; i < share; ++i) {
      trajectory = batch.trajectories[static_cast<size_t>(next_)].get();
      starting_.push_back(take());
    }
    // The rest of the prompt's responses wait for slots, and find the prompt in this one.
    if (next_ % options.n != 0) {
      int32_t slot = starting_[static_cast<size_t>(tokens)].slot;
      MIRL_TRY(Prefill(options, stats));
      resident_ = slot;
    } else if (next_ == batch.sequences() || free_.empty()) {
      MIRL_TRY(Prefill(options, stats));
    }
  }
  return absl::OkStatus();
}

absl::Status Roller::Prefill(const SampleOptions &options, RolloutStats &stats) {
  if (starting_.empty())
    return absl::OkStatus();
  const Ports &ports = prefill_ports_;
  int64_t row = 0, token = 0, sequence = 0;
  for (int64_t share : start_counts_) {
    const Running &first = starting_[static_cast<size_t>(token)];
    const std::vector<int32_t> &ids = *first.trajectory->prompt.ids;
    auto size = static_cast<int64_t>(ids.size());
    if (ports.sequence_offsets)
      ports.sequence_offsets[sequence] = static_cast<int32_t>(row);
    if (ports.token_offsets)
      ports.token_offsets[sequence] = static_cast<int32_t>(token);
    if (ports.group_offsets)
      ports.group_offsets[sequence] = static_cast<int32_t>(sequence);
    for (int64_t i = 0; i < size; ++i) {
      if (ports.ids)
        ports.ids[row + i] = ids[static_cast<size_t>(i)];
      if (ports.positions)
        ports.positions[row + i] = static_cast<int32_t>(i);
      if (ports.slots)
        ports.slots[row + i] = first.slot;
    }
    row += size;
    for (int64_t i = 0; i < share; ++i, ++token) {
      if (ports.rows)
        ports.rows[token] = static_cast<int32_t>(row - 1);
      if (ports.steps)
        ports.steps[token] = 0;
      if (ports.sequence_ids)
        ports.sequence_ids[token] = starting_[static_cast<size_t>(token)].id;
    }
    ++sequence;
  }
  if (ports.sequence_offsets)
    ports.sequence_offsets[sequence] = static_cast<int32_t>(row);
  if (ports.token_offsets)
    ports.token_offsets[sequence] = static_cast<int32_t>(token);
  if (ports.group_offsets)
    ports.group_offsets[sequence] = static_cast<int32_t>(sequence);
  Scalars(ports, options);
  MIRL_TRY(session_.Run(*prefill_, {row, token, sequence, sequence}));
  ++stats.prefill_calls;
  stats.prefill_tokens += row;

  token = 0;
  for (int64_t share : start_counts_) {
    int32_t holder = starting_[static_cast<size_t>(token)].slot;
    for (int64_t i = 0; i < share; ++i, ++token) {
      Running &running = starting_[static_cast<size_t>(token)];
      MIRL_ASSIGN(bool goes_on, Take(running, ports.token[token], ports.logprob[token]));
      if (!goes_on) {
        free_.push_back(running.slot);
        continue;
      }
      if (running.slot != holder)
        for (const fb::Buffer *buffer : kv_)
          CopyKvPrefix(session_, *buffer, holder, running.slot, running.trajectory->prompt_size());
      running_.push_back(running);
    }
  }
  starting_.clear();
  start_counts_.clear();
  start_context_ = 0;
  return absl::OkStatus();
}

absl::Status Roller::Decode(const SampleOptions &options, RolloutStats &stats) {
  const Ports &ports = decode_ports_;
  auto count = static_cast<int64_t>(running_.size());
  for (int64_t r = 0; r < count; ++r) {
    const Running &running = running_[static_cast<size_t>(r)];
    if (ports.ids)
      ports.ids[r] = running.last;
    if (ports.positions)
      ports.positions[r] = running.position;
    if (ports.slots)
      ports.slots[r] = running.slot;
    if (ports.steps)
      ports.steps[r] = running.step;
    if (ports.sequence_ids)
      ports.sequence_ids[r] = running.id;
  }
  for (int32_t *identity :
       {ports.rows, ports.sequence_offsets, ports.token_offsets, ports.group_offsets})
    if (identity)
      for (int64_t r = 0; r < count + (identity != ports.rows); ++r)
        identity[r] = static_cast<int32_t>(r);
  Scalars(ports, options);
  MIRL_TRY(session_.Run(*decode_, {count, count, count, count}));
  ++stats.decode_calls;
  stats.decode_rows += count;

  // The ended ones leave; the order of the others means nothing but is kept.
  size_t kept = 0;
  for (int64_t r = 0; r < count; ++r) {
    Running &running = running_[static_cast<size_t>(r)];
    MIRL_ASSIGN(bool goes_on, Take(running, ports.token[r], ports.logprob[r]));
    if (goes_on)
      running_[kept++] = running;
    else
      free_.push_back(running.slot);
  }
  running_.resize(kept);
  return absl::OkStatus();
}

absl::StatusOr<bool> Roller::Take(Running &running, int32_t token, float logprob) {
  if (token < 0 || token >= policy_.vocab_size())
    return absl::InternalError(Cat("policy ", View(policy_.name()), " sampled token ", token,
                                   " of a vocabulary of ", policy_.vocab_size(),
                                   ": its weights are probably not numbers"));
  Trajectory &trajectory = *running.trajectory;
  trajectory.Append(token, logprob, version_);
  if (is_eos_[static_cast<size_t>(token)]) {
    trajectory.ending = Ending::eos;
    return false;
  }
  running.last = token;
  ++running.position;
  ++running.step;
  if (trajectory.response_size() < running.limit)
    return true;
  trajectory.ending = Ending::length;
  return false;
}

} // namespace mirl::rt
