#include "runtime/rollout/BatchState.h"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

using Json = nlohmann::json;

template <typename T> void Append(std::vector<T> &to, const std::vector<T> &from) {
  to.insert(to.end(), from.begin(), from.end());
}

// `offsets` must cut `size` items into `parts` pieces, in order.
absl::Status CheckOffsets(const std::string &name, const std::vector<int64_t> &offsets,
                          size_t parts, size_t size) {
  if (offsets.size() != parts + 1 || offsets.front() != 0 ||
      offsets.back() != static_cast<int64_t>(size) ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    return Invalid("the saved state's ", name, " must cut ", size, " items into ", parts,
                   " pieces");
  return absl::OkStatus();
}

template <typename T>
std::vector<T> Piece(const std::vector<T> &items, const std::vector<int64_t> &offsets, size_t i) {
  return {items.begin() + offsets[i], items.begin() + offsets[i + 1]};
}

// "fields/NAME": verifier results; beside it which trajectories have one, since NaN is a result.
std::string FieldName(const std::string &key, const std::string &field) {
  return Cat(key, "/fields/", field);
}
std::string PresenceName(const std::string &key, const std::string &field) {
  return Cat(key, "/has/", field);
}

absl::StatusOr<Prompt> ReadPrompt(const Json &json, std::vector<int32_t> ids) {
  auto record = std::make_shared<Record>();
  json.at("index").get_to(record->index);
  json.at("where").get_to(record->where);
  json.at("prompt").get_to(record->prompt);
  if (auto response = json.find("response"); response != json.end())
    record->response = response->get<std::string>();
  record->fields = json.at("fields");
  return Prompt{std::move(record), std::make_shared<const std::vector<int32_t>>(std::move(ids))};
}

} // namespace

void ExportBatch(const Batch &batch, const std::string &key, StateDict &state) {
  Json prompts = Json::array(), policies = Json::array(), fields = Json::array();
  std::vector<int32_t> prompt_ids, response, policy;
  std::vector<int64_t> prompt_offsets = {0}, response_offsets = {0}, segment_offsets = {0},
                       sequence_id, segment_version, segment_tokens;
  std::vector<float> logprob, reward;
  std::vector<uint8_t> ending;
  for (const Prompt &prompt : batch.prompts) {
    const Record &record = *prompt.record;
    Json &json = prompts.emplace_back(Json{{"index", record.index},
                                           {"where", record.where},
                                           {"prompt", record.prompt},
                                           {"fields", record.fields}});
    if (record.response)
      json["response"] = *record.response;
    Append(prompt_ids, *prompt.ids);
    prompt_offsets.push_back(static_cast<int64_t>(prompt_ids.size()));
  }
  std::set<std::string> names;
  for (const auto &trajectory : batch.trajectories) {
    Append(response, trajectory->response);
    Append(logprob, trajectory->logprob);
    response_offsets.push_back(static_cast<int64_t>(response.size()));
    for (const Segment &segment : trajectory->segments) {
      segment_version.push_back(segment.version);
      segment_tokens.push_back(segment.tokens);
    }
    segment_offsets.push_back(static_cast<int64_t>(segment_version.size()));
    sequence_id.push_back(trajectory->sequence_id);
    reward.push_back(trajectory->reward);
    ending.push_back(static_cast<uint8_t>(trajectory->ending));
    int32_t index = -1;
    if (trajectory->policy) {
      Json name = View(trajectory->policy->name());
      auto found = std::find(policies.begin(), policies.end(), name);
      index = static_cast<int32_t>(found - policies.begin());
      if (found == policies.end())
        policies.push_back(std::move(name));
    }
    policy.push_back(index);
    for (const auto &[name, value] : trajectory->fields)
      names.insert(name);
  }
  for (const std::string &name : names) {
    std::vector<float> values;
    std::vector<uint8_t> has;
    for (const auto &trajectory : batch.trajectories) {
      auto found = trajectory->fields.find(name);
      has.push_back(found != trajectory->fields.end());
      values.push_back(has.back() ? found->second : 0.0f);
    }
    state.Set(FieldName(key, name), values);
    state.Set(PresenceName(key, name), has);
    fields.push_back(name);
  }
  state.json[key] = {{"prompts", std::move(prompts)},
                     {"policies", std::move(policies)},
                     {"fields", std::move(fields)}};
  auto set = [&](const char *name, const auto &values) { state.Set(Cat(key, "/", name), values); };
  set("prompt_ids", prompt_ids);
  set("prompt_offsets", prompt_offsets);
  set("group_offsets", batch.group_offsets);
  set("tokens", response);
  set("logprobs", logprob);
  set("token_offsets", response_offsets);
  set("segment_versions", segment_version);
  set("segment_tokens", segment_tokens);
  set("segment_offsets", segment_offsets);
  set("sequence_ids", sequence_id);
  set("policies", policy);
  set("endings", ending);
  set("rewards", reward);
}

absl::StatusOr<Batch> ImportBatch(const StateDict &state, const std::string &key,
                                  const Plan &plan) {
  auto name = [&](const char *part) { return Cat(key, "/", part); };
  MIRL_ASSIGN(auto prompt_ids, state.Get<int32_t>(name("prompt_ids")));
  MIRL_ASSIGN(auto prompt_offsets, state.Get<int64_t>(name("prompt_offsets")));
  MIRL_ASSIGN(auto group_offsets, state.Get<int64_t>(name("group_offsets")));
  MIRL_ASSIGN(auto tokens, state.Get<int32_t>(name("tokens")));
  MIRL_ASSIGN(auto logprobs, state.Get<float>(name("logprobs")));
  MIRL_ASSIGN(auto token_offsets, state.Get<int64_t>(name("token_offsets")));
  MIRL_ASSIGN(auto segment_versions, state.Get<int64_t>(name("segment_versions")));
  MIRL_ASSIGN(auto segment_tokens, state.Get<int64_t>(name("segment_tokens")));
  MIRL_ASSIGN(auto segment_offsets, state.Get<int64_t>(name("segment_offsets")));
  MIRL_ASSIGN(auto sequence_ids, state.Get<int64_t>(name("sequence_ids")));
  MIRL_ASSIGN(auto policies, state.Get<int32_t>(name("policies")));
  MIRL_ASSIGN(auto endings, state.Get<uint8_t>(name("endings")));
  MIRL_ASSIGN(auto rewards, state.Get<float>(name("rewards")));
  size_t count = sequence_ids.size(), groups = std::max<size_t>(group_offsets.size(), 1) - 1;
  MIRL_TRY(CheckOffsets(name("group_offsets"), group_offsets, groups, count));
  MIRL_TRY(CheckOffsets(name("token_offsets"), token_offsets, count, tokens.size()));
  MIRL_TRY(CheckOffsets(name("segment_offsets"), segment_offsets, count, segment_versions.size()));
  if (logprobs.size() != tokens.size() || segment_tokens.size() != segment_versions.size() ||
      policies.size() != count || endings.size() != count || rewards.size() != count)
    return Invalid("the saved state's tensors under ", key, " do not fit each other");
  Batch batch;
  std::vector<const fb::Policy *> known;
  std::vector<std::string> fields;
  try { // The library throws at a wrong type.
    const Json &json = state.json.at(key);
    const Json &prompts = json.at("prompts");
    MIRL_TRY(CheckOffsets(name("prompt_offsets"), prompt_offsets, prompts.size(),
                          prompt_ids.size()));
    if (groups > prompts.size())
      return Invalid("the saved state has ", groups, " groups under ", key, " but ",
                     prompts.size(), " prompts");
    for (size_t p = 0; p < prompts.size(); ++p) {
      MIRL_ASSIGN(Prompt prompt, ReadPrompt(prompts[p], Piece(prompt_ids, prompt_offsets, p)));
      batch.prompts.push_back(std::move(prompt));
    }
    for (const Json &policy : json.at("policies")) {
      known.push_back(plan.FindPolicy(policy.get<std::string>()));
      if (!known.back())
        return Invalid("the saved state's policy ", policy.dump(), " is not in ", plan.name());
    }
    json.at("fields").get_to(fields);
  } catch (const Json::exception &error) {
    return Invalid("the saved state's ", key, " is no batch: ", error.what());
  }
  for (size_t g = 0; g < groups; ++g) {
    for (auto s = static_cast<size_t>(group_offsets[g]);
         s < static_cast<size_t>(group_offsets[g + 1]); ++s) {
      auto trajectory = std::make_shared<Trajectory>();
      trajectory->prompt = batch.prompts[g];
      trajectory->response = Piece(tokens, token_offsets, s);
      trajectory->logprob = Piece(logprobs, token_offsets, s);
      int64_t left = trajectory->response_size();
      for (auto i = static_cast<size_t>(segment_offsets[s]);
           i < static_cast<size_t>(segment_offsets[s + 1]); ++i) {
        if (segment_tokens[i] < 1 || segment_tokens[i] > left)
          return Invalid("the saved state's ", name("segment_tokens"),
                         " do not add up to the tokens of sequence ", sequence_ids[s]);
        trajectory->segments.push_back({segment_versions[i], segment_tokens[i]});
        left -= segment_tokens[i];
      }
      if (left != 0 && !trajectory->segments.empty())
        return Invalid("the saved state's ", name("segment_tokens"),
                       " do not add up to the tokens of sequence ", sequence_ids[s]);
      if (endings[s] > static_cast<uint8_t>(Ending::repeat))
        return Invalid("the saved state's ", name("endings"), " has ", int{endings[s]},
                       ", which is no ending");
      if (policies[s] < -1 || policies[s] >= static_cast<int32_t>(known.size()))
        return Invalid("the saved state's ", name("policies"), " has ", policies[s], " of ",
                       known.size());
      trajectory->ending = static_cast<Ending>(endings[s]);
      trajectory->policy = policies[s] < 0 ? nullptr : known[static_cast<size_t>(policies[s])];
      trajectory->sequence_id = sequence_ids[s];
      trajectory->reward = rewards[s];
      batch.trajectories.push_back(std::move(trajectory));
    }
  }
  batch.group_offsets = std::move(group_offsets);
  for (const std::string &field : fields) {
    MIRL_ASSIGN(auto values, state.Get<float>(FieldName(key, field)));
    MIRL_ASSIGN(auto has, state.Get<uint8_t>(PresenceName(key, field)));
    if (values.size() != count || has.size() != count)
      return Invalid("the saved state's tensors under ", key, " do not fit each other");
    for (size_t s = 0; s < count; ++s)
      if (has[s])
        batch.trajectories[s]->fields[field] = values[s];
  }
  return batch;
}

} // namespace mirl::rt
