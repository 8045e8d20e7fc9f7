// The semantic checks of a plan whose FlatBuffers structure is sound.

#ifndef MIRL_RUNTIME_ARTIFACT_VALIDATE_H
#define MIRL_RUNTIME_ARTIFACT_VALIDATE_H

#include "absl/status/status.h"
#include "runtime/artifact/plan_generated.h"

namespace mirl::rt {

// Checks every index, range, slice, port, loop and name of docs/plan.md; the message says what is
// wrong and where in the plan, without the file's name.
absl::Status ValidatePlan(const fb::Plan &plan);

// Its part for the host program. Entries, policies and steps must have been checked.
absl::Status ValidateProgram(const fb::Plan &plan);

// Fails, naming the first CPU feature of `plan.isa` that this machine lacks.
absl::Status CheckIsa(const fb::Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_VALIDATE_H
