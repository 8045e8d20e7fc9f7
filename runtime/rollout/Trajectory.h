// What a run handles: prompts, trajectories (a prompt, a response, what is known of it), batches.

#ifndef MIRL_RUNTIME_ROLLOUT_TRAJECTORY_H
#define MIRL_RUNTIME_ROLLOUT_TRAJECTORY_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/artifact/Plan.h"
#include "runtime/data/Dataset.h"
#include "runtime/text/Tokenizer.h"

namespace mirl::rt {

struct Prompt {
  std::shared_ptr<const Record> record;
  std::shared_ptr<const std::vector<int32_t>> ids;
};

// How a response ended. The numbers are what `y.ending` reads.
enum class Ending : uint8_t {
  none = 0,   // not yet: it waits to be continued
  eos = 1,    // by itself, with an end-of-text token
  length = 2, // cut at the longest length
  repeat = 3, // cut because its tail repeats itself
};

// "none", "eos", "length", "repeat".
std::string_view EndingName(Ending ending);

// Consecutive tokens of a response that one version of the policy sampled.
struct Segment {
  int64_t version = 0; // how often the policy had been updated
  int64_t tokens = 0;

  bool operator==(const Segment &) const = default;
};

struct Trajectory {
  Prompt prompt;
  std::vector<int32_t> response;      // ends in an end-of-text token when it ended by itself
  std::vector<float> logprob;         // of each response token when it was sampled; 0 for examples
  Ending ending = Ending::none;
  int64_t sequence_id = -1;           // keys the generator; -1 for examples
  const fb::Policy *policy = nullptr; // that sampled it; nullptr for examples
  std::vector<Segment> segments;      // of the response, in order; none for examples
  float reward = 0;
  std::map<std::string, float> fields; // verifier results
  bool unscored = false; // a verifier could not score it: nothing is learned from it
  int64_t handed_over = 0; // the policy's version when the trajectory was given to training
  // Some of it may have been sampled with keys of other weights than the version of its segment says.
  bool mixed_keys = false;

  bool finished() const { return ending == Ending::eos; }
  // Adds a sampled token.
  void Append(int32_t token, float token_logprob, int64_t version);

  int64_t prompt_size() const { return static_cast<int64_t>(prompt.ids->size()); }
  int64_t response_size() const { return static_cast<int64_t>(response.size()); }
  // Rows of the packed input stream: the last response token is predicted but never fed.
  int64_t context_size() const { return prompt_size() + response_size() - 1; }
};

// Prompts that were drawn, and, once sampled (or drawn with responses), trajectories: those of
// group g are [group_offsets[g], group_offsets[g + 1]).
struct Batch {
  std::vector<Prompt> prompts;
  std::vector<std::shared_ptr<Trajectory>> trajectories;
  std::vector<int64_t> group_offsets = {0};

  int64_t groups() const { return static_cast<int64_t>(group_offsets.size()) - 1; }
  int64_t sequences() const { return static_cast<int64_t>(trajectories.size()); }
};

// What a tokenized text must respect.
struct TextLimits {
  int64_t vocab_size = 0;  // ids are below; 0: not checked
  int64_t max_context = 0; // tokens of prompt and response together; 0: not checked
};

// The record's prompt as tokens. Errors name file:line: an unknown character, an empty prompt, one
// that leaves no room for a response.
absl::StatusOr<Prompt> EncodePrompt(const Tokenizer &tokenizer, Record record,
                                    const TextLimits &limits);

// The record's prompt and response as a trajectory. The first of `eos` is appended unless the
// response ends in one of them or the record says `"finished": false`. A numeric "reward" is kept.
absl::StatusOr<std::shared_ptr<Trajectory>> EncodeExample(const Tokenizer &tokenizer, Record record,
                                                          const std::vector<int32_t> &eos,
                                                          const TextLimits &limits);

// `eos_token_id` of the model's config.json: a number, a list of numbers, or absent.
absl::StatusOr<std::vector<int32_t>> EosTokens(const Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_TRAJECTORY_H
