#include "runtime/executor/RunSteps.h"

#include <algorithm>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

bool HasFixedSize(const fb::TensorType &type) {
  for (uint32_t i = 0; i < Length(type.dims()); ++i)
    if (type.dims()->Get(i)->axis() != fb::Axis::fixed)
      return false;
  return true;
}

} // namespace

int64_t Items(const fb::Work &work, const Extents &extents) {
  int64_t extent = std::max<int64_t>(0, AxisExtent(work.axis(), extents) + work.size());
  return work.factor() * ((extent + work.tile() - 1) / work.tile());
}

TensorMap MapWithoutExtents(const fb::TensorMap &map, const fb::Slice &slice) {
  TensorMap result;
  result.argument = map.arg();
  result.rank = Length(map.dims());
  result.swizzle = map.swizzle();
  result.f32 = slice.type()->dtype() == fb::DType::f32;
  for (uint32_t d = 0; d < result.rank; ++d) {
    result.box[d] = map.box()->Get(d);
    if (d)
      result.strides[d - 1] = map.strides()->Get(d - 1);
  }
  return result;
}

uint64_t BytesOf(const RunStep &step, const Extents &extents) {
  return step.type ? static_cast<uint64_t>(ByteSize(*step.type, extents)) : step.bytes;
}

std::pair<double, double> CostOf(const RunStep &step, const Extents &extents) {
  if (step.launch)
    return {Evaluate(step.launch->flops(), extents), Evaluate(step.launch->bytes(), extents)};
  return {0, static_cast<double>(BytesOf(step, extents)) * (step.kind == fb::Action::Copy ? 2 : 1)};
}

int64_t CountCommands(const std::vector<RunStep> &steps, const Extents &extents) {
  int64_t count = 0;
  for (const RunStep &step : steps)
    count += step.kind == fb::Action::Loop ? Items(*step.work, extents) * CountCommands(step.body, extents) : 1;
  return count;
}

void JoinFills(std::vector<RunStep> &steps) {
  auto joins = [](const RunStep &step) { return step.kind == fb::Action::Fill && HasFixedSize(*step.type); };
  std::vector<RunStep> joined;
  for (auto step = steps.begin(); step != steps.end();) {
    auto end = std::find_if_not(step, steps.end(), joins);
    std::vector<RunStep *> fills;
    for (; step != end; ++step)
      fills.push_back(&*step);
    std::sort(fills.begin(), fills.end(), [](const RunStep *a, const RunStep *b) { return a->to < b->to; });
    for (RunStep *fill : fills) {
      RunStep *last = fill == fills.front() ? nullptr : &joined.back();
      uint64_t reached = last ? last->to + BytesOf(*last, {}) : 0;
      if (last && fill->to <= reached) {
        last->bytes = std::max(reached, fill->to + BytesOf(*fill, {})) - last->to;
        last->type = nullptr;
      } else {
        joined.push_back(std::move(*fill));
      }
    }
    if (step != steps.end())
      joined.push_back(std::move(*step++));
  }
  steps = std::move(joined);
}

absl::Status Poison(const fb::Plan &plan, const fb::Entry &entry, const Extents &extents, Device &device) {
  uint64_t begin = plan.persistent_bytes(), end = begin;
  for (uint32_t i = 0; i < Length(entry.slices()); ++i)
    end = std::max(end, entry.slices()->Get(i)->offset() + entry.slices()->Get(i)->bytes());
  std::vector<std::pair<uint64_t, uint64_t>> written; // where, and up to where
  for (uint32_t i = 0; device.on_host() && i < Length(entry.inputs()); ++i) {
    const fb::Slice &slice = *entry.slices()->Get(entry.inputs()->Get(i)->slice());
    written.emplace_back(slice.offset(), slice.offset() + static_cast<uint64_t>(ByteSize(*slice.type(), extents)));
  }
  written.emplace_back(end, end);
  std::sort(written.begin(), written.end());
  for (auto [from, to] : written) {
    if (from > begin)
      MIRL_TRY(device.Fill(begin, from - begin, 0xff));
    begin = std::max(begin, to);
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
