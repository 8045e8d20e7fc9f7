#include "runtime/train/Stepper.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

// The scalars an entry gives. Those of the micro entry are sums so far: the last one counts.
void Stepper::ReadOutputs(const fb::Entry &entry, StepResult &result) {
  for (uint32_t i = 0; i < Length(entry.outputs()); ++i) {
    const fb::Port &port = *entry.outputs()->Get(i);
    std::string_view source = View(port.source());
    bool loss = source == "loss";
    if (!loss && !source.starts_with("metric:"))
      continue;
    float value;
    std::memcpy(&value, session_.PortData(entry, port), sizeof(value));
    if (loss)
      result.loss = value;
    else
      result.metrics[std::string(source.substr(7))] = value;
  }
}

absl::StatusOr<StepResult> Stepper::Run(const fb::Step &step, const Batch &batch,
                                        const Clock &clock, const fb::Policy *parity_policy,
                                        int64_t parity_version) {
  auto started = std::chrono::steady_clock::now();
  StepResult result;
  result.loss = NAN;
  const Plan &plan = session_.plan();
  if (batch.sequences() == 0)
    return Invalid("step ", View(step.name()), " got no sequences to train on");
  const Cut whole = WholeBatch(batch);
  result.tokens =
      whole.extents.context + whole.extents.sequence; // The last tokens are targets only.

  BatchValues values;
  if (!View(step.batch()).empty()) {
    const fb::Entry &entry = *plan.FindEntry(View(step.batch()));
    Pack(batch, whole, packed_);
    // Before writing: the ports have room for the capacities only.
    for (uint32_t i = 0; i < Length(entry.capacities()); ++i) {
      const fb::Capacity &capacity = *entry.capacities()->Get(i);
      if (int64_t extent = AxisExtent(capacity.axis(), whole.extents); extent > capacity.extent())
        return Invalid("step ", View(step.name()), ": the batch has ", extent, " rows of the ",
                       AxisName(capacity.axis()), " axis; entry ", View(entry.name()),
                       " was compiled for at most ", capacity.extent());
    }
    MIRL_TRY(FillInputs(session_, entry, batch, whole, packed_, values, clock, params_));
    MIRL_TRY(session_.Run(entry, whole.extents));
    ReadOutputs(entry, result);
    // Transient: the next entry may overwrite them.
    for (uint32_t i = 0; i < Length(entry.outputs()); ++i) {
      const fb::Port &port = *entry.outputs()->Get(i);
      if (std::string_view source = View(port.source()); source.starts_with("value:")) {
        const fb::TensorType &type = *entry.slices()->Get(port.slice())->type();
        BatchValue &value = values[std::string(source.substr(6))];
        value.axis = Length(type.dims()) ? type.dims()->Get(0)->axis() : fb::Axis::fixed;
        value.data.resize(static_cast<size_t>(ElementCount(type, whole.extents)));
        std::memcpy(value.data.data(), session_.PortData(entry, port),
                    value.data.size() * sizeof(float));
      }
    }
  }

  const fb::Entry &micro = *plan.FindEntry(View(step.micro()));
  MIRL_ASSIGN(std::vector<Cut> cuts, CutBatch(batch, micro, View(step.packing()) == "group"));
  const fb::Port *logprob = parity_policy ? Session::FindOutput(micro, "logprob") : nullptr;
  for (const Cut &cut : cuts) {
    Pack(batch, cut, packed_);
    MIRL_TRY(FillInputs(session_, micro, batch, cut, packed_, values, clock, params_));
    MIRL_TRY(session_.Run(micro, cut.extents));
    ReadOutputs(micro, result);
    ++result.micro_batches;
    if (!logprob)
      continue;
    const uint8_t *computed = session_.PortData(micro, *logprob);
    for (int64_t s = cut.begin; s < cut.end; ++s) {
      const Trajectory &trajectory = *batch.trajectories[static_cast<size_t>(s)];
      if (trajectory.policy != parity_policy || trajectory.mixed_keys)
        continue;
      auto first = static_cast<size_t>(packed_.token_offsets[static_cast<size_t>(s - cut.begin)]);
      for (size_t j = 0; j < trajectory.response.size(); ++j) {
        if (packed_.version[first + j] != static_cast<float>(parity_version))
          continue; // An older policy's: the weights that gave it are gone.
        ++result.parity_tokens;
        // By bits: -0 is not 0, and a NaN equals itself.
        uint32_t bits;
        std::memcpy(&bits, computed + (first + j) * sizeof(bits), sizeof(bits));
        if (bits != std::bit_cast<uint32_t>(trajectory.logprob[j]))
          ++result.parity_mismatches;
      }
    }
  }

  if (!View(step.apply()).empty()) {
    const fb::Entry &apply = *plan.FindEntry(View(step.apply()));
    Cut none; // It has no rows; its inputs are scalars.
    packed_.extents = none.extents;
    MIRL_TRY(FillInputs(session_, apply, batch, none, packed_, values, clock, params_));
    MIRL_TRY(session_.Run(apply, none.extents));
    ReadOutputs(apply, result);
  }
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

} // namespace mirl::rt
