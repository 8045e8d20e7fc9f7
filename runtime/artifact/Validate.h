// The semantic checks of a plan whose FlatBuffers structure is sound.

#ifndef MIRL_RUNTIME_ARTIFACT_VALIDATE_H
#define MIRL_RUNTIME_ARTIFACT_VALIDATE_H

#include <functional>

#include "absl/status/status.h"
#include "runtime/artifact/Format.h"
#include "runtime/artifact/plan_generated.h"

namespace mirl::rt {

// Bytes of an element; 0 of a type that is none.
inline int64_t ElementBytes(fb::DType dtype) {
  switch (dtype) {
  case fb::DType::f32:
  case fb::DType::i32:
    return 4;
  case fb::DType::bf16:
    return 2;
  case fb::DType::i64:
    return 8;
  case fb::DType::u8:
    return 1;
  }
  return 0;
}

// Checks every index, range, slice, port, loop and name of docs/plan.md; the message says what is
// wrong and where in the plan, without the file's name.
absl::Status ValidatePlan(const fb::Plan &plan);

// Its part for a launch's library call, whose arguments and slices were checked. `capacity`: of an axis in the entry; -1:
// it has none.
absl::Status ValidateLibraryCall(const fb::Entry &entry, const fb::Launch &launch,
                                 const std::function<int64_t(fb::Axis)> &capacity);
// The axis of the extent of a product that varies: its rows', or its sums'. All products of a launch have the same.
fb::Axis VaryingAxis(const fb::Product &product);

// Its part for the host program. Entries, policies and steps must have been checked.
absl::Status ValidateProgram(const fb::Plan &plan);

// Fails, naming the first CPU feature of `plan.isa` that this machine lacks.
absl::Status CheckIsa(const fb::Plan &plan);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_VALIDATE_H
