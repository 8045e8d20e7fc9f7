// Getting a policy's weights into a session, and out of it as a Hugging Face model directory.

#ifndef MIRL_RUNTIME_WEIGHTS_WEIGHTS_H
#define MIRL_RUNTIME_WEIGHTS_WEIGHTS_H

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// Fills every weight of the policy from `directory` by its Hugging Face name; bf16 and f16 become
// f32. Errors list what is missing, or name the tensor, the file, the shape required and found.
// Nothing is written to the session unless everything fits.
absl::Status LoadWeights(Session &session, const fb::Policy &policy, const std::string &directory);

// Fills every weight from its `init` ("normal:<std>", "zeros", "ones"). The value of an element
// depends on the seed, the weight's Hugging Face name and the element's index, and on nothing else.
absl::Status InitWeights(Session &session, const fb::Policy &policy, uint64_t seed);

// Writes `directory`/model.safetensors, config.json (of the plan) and, when there is one in
// `tokenizer_directory`, tokenizer.json (also tokenizer_config.json, generation_config.json). Makes
// the directory; every file is complete or as it was.
absl::Status SaveModel(Session &session, const fb::Policy &policy, const std::string &directory,
                       const std::string &tokenizer_directory);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_WEIGHTS_H
