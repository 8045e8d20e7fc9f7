// Reading the instructions of a plan's host program (docs/plan.md, "Host program").

#ifndef MIRL_RUNTIME_TRAIN_PROGRAM_H
#define MIRL_RUNTIME_TRAIN_PROGRAM_H

#include <functional>
#include <string>
#include <string_view>

#include "runtime/artifact/Plan.h"
#include "runtime/reward/Verifier.h"
#include "runtime/rollout/Roller.h"

namespace mirl::rt {

std::string Text(const fb::Instruction &instruction, std::string_view key,
                 std::string_view otherwise = "");
double Number(const fb::Instruction &instruction, std::string_view key, double otherwise);
bool Has(const fb::Instruction &instruction, std::string_view key);

// The first instruction, in order and into bodies, for which `wanted` holds; nullptr: none.
const fb::Instruction *FindInstruction(const Plan &plan,
                                       const std::function<bool(const fb::Instruction &)> &wanted);

// The settings of a `sample` or `evaluate`: n, temperature, top_k, top_p, max_tokens.
SampleOptions ReadSampleOptions(const fb::Instruction &instruction);
// The settings of a `verify` or `evaluate`.
VerifierOptions ReadVerifierOptions(const fb::Instruction &instruction);

// An error when a setting makes no sense in the runtime: a count that is no whole number, a
// verifier that cannot be made. For use before anything runs.
absl::Status CheckProgram(const Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_PROGRAM_H
