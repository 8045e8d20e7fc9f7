// Getting a policy's weights into a session, and out of it as a Hugging Face model directory.

#ifndef MIRL_RUNTIME_WEIGHTS_WEIGHTS_H
#define MIRL_RUNTIME_WEIGHTS_WEIGHTS_H

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// Fills every weight of the policy from `directory` by its Hugging Face name. F32, BF16 and F16 are read and become
// what the plan has, rounded to nearest even where that is bf16; the f32 master of a trained bf16 weight gets the file's
// numbers unrounded. `note`, when given, becomes a sentence if types were converted. Errors list what is missing, or name the tensor, the file, the shape required and found.
// Nothing is written to the session unless everything fits.
absl::Status LoadWeights(Session &session, const fb::Policy &policy, const std::string &directory,
                         std::string *note = nullptr);

// Fills every weight (and master) from its `init` ("normal:<std>", "zeros", "ones"). The value of an element
// depends on the seed, the weight's Hugging Face name and the element's index, and on nothing else.
absl::Status InitWeights(Session &session, const fb::Policy &policy, uint64_t seed);

// Writes `directory`/model.safetensors (each weight in the plan's type: the bf16 one, not its f32 master), config.json (of the plan) and, when there is one in
// `tokenizer_directory`, tokenizer.json (also tokenizer_config.json, generation_config.json). Makes
// the directory; every file is complete or as it was.
absl::Status SaveModel(Session &session, const fb::Policy &policy, const std::string &directory,
                       const std::string &tokenizer_directory);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_WEIGHTS_H
