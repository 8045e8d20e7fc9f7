#include "runtime/train/Pack.h"

#include <algorithm>
#include <cstring>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

struct Limits {
  int64_t context = INT64_MAX, token = INT64_MAX, sequence = INT64_MAX, group = INT64_MAX;

  explicit Limits(const fb::Entry &entry) {
    for (uint32_t i = 0; i < Length(entry.capacities()); ++i) {
      const fb::Capacity &capacity = *entry.capacities()->Get(i);
      int64_t extent = capacity.extent();
      switch (capacity.axis()) {
      case fb::Axis::context:
        context = extent;
        break;
      case fb::Axis::token:
        token = extent;
        break;
      case fb::Axis::sequence:
        sequence = extent;
        break;
      case fb::Axis::group:
        group = extent;
        break;
      case fb::Axis::fixed:
        break;
      }
    }
  }
};

} // namespace

Cut WholeBatch(const Batch &batch) {
  Cut cut;
  cut.end = batch.sequences();
  cut.group_end = batch.groups();
  for (const auto &trajectory : batch.trajectories) {
    cut.extents.context += trajectory->context_size();
    cut.extents.token += trajectory->response_size();
  }
  cut.extents.sequence = cut.end;
  cut.extents.group = cut.group_end;
  return cut;
}

absl::StatusOr<std::vector<Cut>> CutBatch(const Batch &batch, const fb::Entry &entry,
                                          bool whole_groups) {
  const Limits limits(entry);
  std::vector<Cut> cuts;
  Cut cut;
  // Items are groups or single sequences. `last_group`: of the cut's last sequence.
  int64_t last_group = -1;
  auto close = [&] {
    Cut next;
    next.begin = next.end = cut.end;
    next.offset = cut.offset;
    next.offset.context += cut.extents.context;
    next.offset.token += cut.extents.token;
    next.offset.sequence += cut.extents.sequence;
    cuts.push_back(cut);
    cut = next;
  };
  for (int64_t group = 0; group < batch.groups(); ++group) {
    int64_t first = batch.group_offsets[static_cast<size_t>(group)];
    int64_t last = batch.group_offsets[static_cast<size_t>(group) + 1];
    for (int64_t begin = first; begin < last;) {
      int64_t end = whole_groups ? last : begin + 1;
      Extents item{0, 0, end - begin, 0};
      for (int64_t s = begin; s < end; ++s) {
        item.context += batch.trajectories[static_cast<size_t>(s)]->context_size();
        item.token += batch.trajectories[static_cast<size_t>(s)]->response_size();
      }
      const Trajectory &one = *batch.trajectories[static_cast<size_t>(begin)];
      auto too_large = [&](std::string_view axis, int64_t has, int64_t limit) {
        return Invalid(one.prompt.record->where, ": a ", whole_groups ? "group" : "sequence",
                       " of this prompt has ", has, " ", axis, ", but entry ", View(entry.name()),
                       " was compiled for at most ", limit,
                       whole_groups ? " and its step needs whole groups" : "",
                       ": compile with a larger --micro-tokens, or use shorter responses",
                       whole_groups ? " or fewer samples" : "");
      };
      if (item.context > limits.context)
        return too_large("tokens", item.context, limits.context);
      if (item.token > limits.token)
        return too_large("response tokens", item.token, limits.token);
      if (item.sequence > limits.sequence)
        return too_large("sequences", item.sequence, limits.sequence);
      if (limits.group < 1)
        return too_large("groups", 1, limits.group);
      bool new_group = cut.begin == cut.end || group != last_group;
      if (cut.end > cut.begin && (cut.extents.context + item.context > limits.context ||
                                  cut.extents.token + item.token > limits.token ||
                                  cut.extents.sequence + item.sequence > limits.sequence ||
                                  cut.extents.group + new_group > limits.group)) {
        close();
        new_group = true;
      }
      if (cut.begin == cut.end) {
        cut.group_begin = cut.offset.group = group;
        cut.group_end = group;
      }
      cut.extents.context += item.context;
      cut.extents.token += item.token;
      cut.extents.sequence += item.sequence;
      cut.extents.group += new_group;
      cut.group_end = group + 1;
      cut.end = end;
      last_group = group;
      begin = end;
    }
  }
  if (cut.end > cut.begin)
    cuts.push_back(cut);
  return cuts;
}

void Pack(const Batch &batch, const Cut &cut, Packed &packed) {
  for (auto *list : {&packed.ids, &packed.positions, &packed.sequence_offsets,
                     &packed.token_offsets, &packed.group_offsets, &packed.rows, &packed.targets})
    list->clear();
  for (auto *list : {&packed.logprob, &packed.version, &packed.age, &packed.reward, &packed.length,
                     &packed.finished, &packed.ending})
    list->clear();
  packed.extents = cut.extents;
  for (int64_t s = cut.begin; s < cut.end; ++s) {
    const Trajectory &trajectory = *batch.trajectories[static_cast<size_t>(s)];
    auto start = static_cast<int32_t>(packed.ids.size());
    packed.sequence_offsets.push_back(start);
    packed.token_offsets.push_back(static_cast<int32_t>(packed.targets.size()));
    packed.ids.insert(packed.ids.end(), trajectory.prompt.ids->begin(),
                      trajectory.prompt.ids->end());
    packed.ids.insert(packed.ids.end(), trajectory.response.begin(), trajectory.response.end() - 1);
    auto rows = static_cast<int32_t>(trajectory.context_size());
    for (int32_t i = 0; i < rows; ++i)
      packed.positions.push_back(i);
    auto prompt = static_cast<int32_t>(trajectory.prompt_size());
    auto tokens = static_cast<int32_t>(trajectory.response_size());
    for (int32_t j = 0; j < tokens; ++j)
      packed.rows.push_back(start + prompt - 1 + j);
    packed.targets.insert(packed.targets.end(), trajectory.response.begin(),
                          trajectory.response.end());
    packed.logprob.insert(packed.logprob.end(), trajectory.logprob.begin(),
                          trajectory.logprob.end());
    for (const Segment &segment : trajectory.segments) {
      auto count = static_cast<size_t>(segment.tokens);
      packed.version.insert(packed.version.end(), count, static_cast<float>(segment.version));
      packed.age.insert(packed.age.end(), count,
                        static_cast<float>(trajectory.handed_over - segment.version));
    }
    packed.version.resize(packed.targets.size()); // examples are of version 0
    packed.age.resize(packed.targets.size());
    packed.reward.push_back(trajectory.reward);
    packed.length.push_back(static_cast<float>(tokens));
    packed.finished.push_back(trajectory.finished() ? 1.0f : 0.0f);
    packed.ending.push_back(static_cast<float>(trajectory.ending));
  }
  packed.sequence_offsets.push_back(static_cast<int32_t>(packed.ids.size()));
  packed.token_offsets.push_back(static_cast<int32_t>(packed.targets.size()));
  for (int64_t group = cut.group_begin; group <= cut.group_end; ++group) {
    int64_t offset =
        std::clamp(batch.group_offsets[static_cast<size_t>(group)], cut.begin, cut.end);
    packed.group_offsets.push_back(static_cast<int32_t>(offset - cut.begin));
  }
}

absl::Status FillInputs(Session &session, const fb::Entry &entry, const Batch &batch,
                        const Cut &cut, const Packed &packed, const BatchValues &values,
                        const Clock &clock, const Params &params) {
  for (uint32_t i = 0; i < Length(entry.inputs()); ++i) {
    const fb::Port &port = *entry.inputs()->Get(i);
    std::string_view source = View(port.source());
    uint8_t *to = session.PortData(entry, port);
    const fb::TensorType &type = *entry.slices()->Get(port.slice())->type();
    // Never beyond what the port holds in this call: a plan may be wrong.
    auto copy = [&](const void *data, size_t count, size_t element) -> absl::Status {
      if (static_cast<int64_t>(count * element) != ByteSize(type, cut.extents))
        return Invalid("entry ", View(entry.name()), ": input '", View(port.name()), "' (", source,
                       ") wants ", ByteSize(type, cut.extents), " bytes, there are ",
                       count * element);
      std::memcpy(to, data, count * element);
      return absl::OkStatus();
    };
    auto array = [&](const auto &list) { return copy(list.data(), list.size(), sizeof(list[0])); };
    auto scalar = [&](auto value) { return copy(&value, 1, sizeof(value)); };
    if (source == "ids") {
      MIRL_TRY(array(packed.ids));
    } else if (source == "positions") {
      MIRL_TRY(array(packed.positions));
    } else if (source == "sequence_offsets") {
      MIRL_TRY(array(packed.sequence_offsets));
    } else if (source == "token_offsets") {
      MIRL_TRY(array(packed.token_offsets));
    } else if (source == "group_offsets") {
      MIRL_TRY(array(packed.group_offsets));
    } else if (source == "rows") {
      MIRL_TRY(array(packed.rows));
    } else if (source == "targets") {
      MIRL_TRY(array(packed.targets));
    } else if (source == "seed") {
      MIRL_TRY(scalar(static_cast<int64_t>(clock.seed)));
    } else if (source == "iteration") {
      MIRL_TRY(scalar(static_cast<float>(clock.iteration)));
    } else if (source == "iterations") {
      MIRL_TRY(scalar(static_cast<float>(clock.iterations)));
    } else if (source == "field:logprob") {
      MIRL_TRY(array(packed.logprob));
    } else if (source == "field:version") {
      MIRL_TRY(array(packed.version));
    } else if (source == "field:age") {
      MIRL_TRY(array(packed.age));
    } else if (source == "field:reward") {
      MIRL_TRY(array(packed.reward));
    } else if (source == "field:length") {
      MIRL_TRY(array(packed.length));
    } else if (source == "field:finished") {
      MIRL_TRY(array(packed.finished));
    } else if (source == "field:ending") {
      MIRL_TRY(array(packed.ending));
    } else if (source.starts_with("field:")) {
      std::string name(source.substr(6));
      std::vector<float> results;
      for (int64_t s = cut.begin; s < cut.end; ++s) {
        const auto &fields = batch.trajectories[static_cast<size_t>(s)]->fields;
        auto it = fields.find(name);
        if (it == fields.end())
          return Invalid("entry ", View(entry.name()), " reads the field '", name,
                         "', which no verifier has given yet");
        results.push_back(it->second);
      }
      MIRL_TRY(array(results));
    } else if (source.starts_with("value:")) {
      auto it = values.find(source.substr(6));
      if (it == values.end())
        return Invalid("entry ", View(entry.name()), " reads '", source,
                       "', which the step's batch entry does not give");
      const BatchValue &value = it->second;
      int64_t begin = AxisExtent(value.axis, cut.offset);
      int64_t count = value.axis == fb::Axis::fixed ? 1 : AxisExtent(value.axis, cut.extents);
      if (begin + count > static_cast<int64_t>(value.data.size()))
        return Invalid("entry ", View(entry.name()), ": '", source, "' is too short");
      MIRL_TRY(copy(value.data.data() + begin, static_cast<size_t>(count), sizeof(float)));
    } else if (source.starts_with("param:")) {
      auto it = params.find(std::string(source.substr(6)));
      if (it == params.end())
        return Invalid("entry ", View(entry.name()), " reads '", source,
                       "', which the plan does not declare");
      MIRL_TRY(scalar(static_cast<float>(it->second)));
    } else {
      return Invalid("entry ", View(entry.name()), ": input '", View(port.name()),
                     "' has the source '", source, "', which is not there in training");
    }
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
