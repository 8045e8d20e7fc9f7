#include "runtime/rollout/Trajectory.h"

#include <algorithm>
#include <utility>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

namespace {

absl::Status Encode(const Tokenizer &tokenizer, const Record &record, const char *what,
                    std::string_view text, const TextLimits &limits, std::vector<int32_t> &ids) {
  if (absl::Status status = tokenizer.Encode(text, ids); !status.ok())
    return Invalid(record.where, ": \"", what, "\": ", status.message());
  if (ids.empty())
    return Invalid(record.where, ": \"", what, "\" is empty; it needs at least one token");
  if (limits.vocab_size > 0) {
    for (int32_t id : ids)
      if (id < 0 || id >= limits.vocab_size)
        return Invalid(record.where, ": \"", what, "\" has token ", id,
                       ", but the model's vocabulary is ", limits.vocab_size,
                       ": the tokenizer belongs to another model");
  }
  return absl::OkStatus();
}

} // namespace

std::string_view EndingName(Ending ending) {
  switch (ending) {
  case Ending::none:
    return "none";
  case Ending::eos:
    return "eos";
  case Ending::length:
    return "length";
  case Ending::repeat:
    return "repeat";
  }
  return "";
}

void Trajectory::Append(int32_t token, float token_logprob, int64_t version) {
  response.push_back(token);
  logprob.push_back(token_logprob);
  if (segments.empty() || segments.back().version != version)
    segments.push_back({version, 0});
  ++segments.back().tokens;
}

absl::StatusOr<Prompt> EncodePrompt(const Tokenizer &tokenizer, Record record,
                                    const TextLimits &limits) {
  std::vector<int32_t> ids;
  MIRL_TRY(Encode(tokenizer, record, "prompt", record.prompt, limits, ids));
  auto size = static_cast<int64_t>(ids.size());
  if (limits.max_context > 0 && size + 1 > limits.max_context)
    return Invalid(record.where, ": \"prompt\" has ", size,
                   " tokens; with at least one of a response it must fit the context of ",
                   limits.max_context, " tokens that the plan was compiled for");
  Prompt prompt;
  prompt.ids = std::make_shared<const std::vector<int32_t>>(std::move(ids));
  prompt.record = std::make_shared<const Record>(std::move(record));
  return prompt;
}

absl::StatusOr<std::shared_ptr<Trajectory>> EncodeExample(const Tokenizer &tokenizer, Record record,
                                                          const std::vector<int32_t> &eos,
                                                          const TextLimits &limits) {
  if (!record.response)
    return Invalid(record.where, ": an example must have a \"response\"; this record has none");
  auto trajectory = std::make_shared<Trajectory>();
  MIRL_TRY(Encode(tokenizer, record, "response", *record.response, limits, trajectory->response));
  auto finished = record.fields.find("finished");
  trajectory->ending = finished == record.fields.end() || *finished != false ? Ending::eos : Ending::length;
  if (trajectory->finished() && !eos.empty() &&
      std::find(eos.begin(), eos.end(), trajectory->response.back()) == eos.end())
    trajectory->response.push_back(eos.front());
  if (auto reward = record.fields.find("reward");
      reward != record.fields.end() && reward->is_number())
    trajectory->reward = reward->get<float>();
  std::string where = record.where;
  MIRL_ASSIGN(trajectory->prompt, EncodePrompt(tokenizer, std::move(record), limits));
  int64_t size = trajectory->prompt_size() + trajectory->response_size();
  if (limits.max_context > 0 && size > limits.max_context)
    return Invalid(where, ": the example has ", size, " tokens (", trajectory->prompt_size(),
                   " of the prompt, ", trajectory->response_size(),
                   " of the response); the plan was compiled for a context of ",
                   limits.max_context);
  trajectory->logprob.assign(trajectory->response.size(), 0.0f);
  return trajectory;
}

absl::StatusOr<std::vector<int32_t>> EosTokens(const Plan &plan) {
  std::vector<int32_t> tokens;
  std::string_view text = View(plan.root().model_config());
  if (text.empty())
    return tokens;
  nlohmann::json config = ParseJson(text);
  if (config.is_discarded() || !config.is_object())
    return Invalid(plan.name(), ": the model's config.json in it is not a JSON object");
  auto eos = config.find("eos_token_id");
  if (eos == config.end() || eos->is_null())
    return tokens;
  nlohmann::json list = eos->is_array() ? *eos : nlohmann::json::array({*eos});
  for (const nlohmann::json &id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX)
      return Invalid(
          plan.name(),
          ": eos_token_id of the model's config.json must be a token or a list of tokens, is ",
          eos->dump());
    tokens.push_back(id.get<int32_t>());
  }
  return tokens;
}

} // namespace mirl::rt
