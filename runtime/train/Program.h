// Reading the instructions of a plan's host program (docs/plan.md, "Host program").

#ifndef MIRL_RUNTIME_TRAIN_PROGRAM_H
#define MIRL_RUNTIME_TRAIN_PROGRAM_H

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "runtime/artifact/Plan.h"
#include "runtime/reward/Verifier.h"
#include "runtime/rollout/Roller.h"
#include "runtime/train/Pack.h"

namespace mirl::rt {

std::string Text(const fb::Instruction &instruction, std::string_view key,
                 std::string_view otherwise = "");
double Number(const fb::Instruction &instruction, std::string_view key, double otherwise);
bool Has(const fb::Instruction &instruction, std::string_view key);

// The first instruction, in order and into bodies, for which `wanted` holds; nullptr: none.
const fb::Instruction *FindInstruction(const Plan &plan,
                                       const std::function<bool(const fb::Instruction &)> &wanted);

// The settings of a `sample` or `evaluate`: n, temperature, top_k, top_p, max_tokens, repeat.
SampleOptions ReadSampleOptions(const fb::Instruction &instruction);

// How much of a rollout an iteration does.
struct Budgets {
  bool partial = false; // there is a budget
  int64_t sequence = kNoLimit, total = kNoLimit; // tokens
  int64_t max_age = 0;                           // of a token that is handed over, in updates
  int64_t in_flight = 1; // groups begun, in multiples of those that are drawn
  bool keep = false;     // what waits keeps its keys and values, though the policy changes
  int64_t ready = kNoLimit; // groups that are handed over: exactly so many
};
// An error names a parameter whose value is no budget.
absl::StatusOr<Budgets> ReadBudgets(const fb::Instruction &sample, const Params &params);

// Where an instruction comes from and which it is, as the beginning of an error: "file:1:2: draw: ".
std::string InstructionPlace(const fb::Instruction &instruction);

// The most updates of `policy` that one run of the program can make. `handed`: the most groups that
// a partial sampling hands over; where it is not given, as many as may be in flight.
int64_t MaxUpdates(const Plan &plan, std::string_view policy,
                   const std::map<const fb::Instruction *, int64_t> &handed);
// The settings of a `verify` or `evaluate`.
VerifierOptions ReadVerifierOptions(const fb::Instruction &instruction);

// An error when a setting makes no sense in the runtime: a count that is no whole number, a
// verifier that cannot be made. For use before anything runs.
absl::Status CheckProgram(const Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_PROGRAM_H
