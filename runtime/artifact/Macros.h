// Small helpers that all of the runtime shares: handing errors on, reading plan strings.

#ifndef MIRL_RUNTIME_ARTIFACT_MACROS_H
#define MIRL_RUNTIME_ARTIFACT_MACROS_H

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/artifact/plan_generated.h"

#define MIRL_CONCAT_INNER(a, b) a##b
#define MIRL_CONCAT(a, b) MIRL_CONCAT_INNER(a, b)

// Returns from the function when `expression` (an absl::Status) is an error.
#define MIRL_TRY(expression)                                                                       \
  do {                                                                                             \
    if (absl::Status mirl_status = (expression); !mirl_status.ok())                                \
      return mirl_status;                                                                          \
  } while (0)

// NOLINTBEGIN(bugprone-macro-parentheses): the target may be a declaration.
// `MIRL_ASSIGN(auto x, F())`: x = *F(), or returns the error. F returns an absl::StatusOr.
#define MIRL_ASSIGN(target, expression)                                                            \
  MIRL_ASSIGN_IMPL(MIRL_CONCAT(mirl_result_, __LINE__), target, expression)
#define MIRL_ASSIGN_IMPL(result, target, expression)                                               \
  auto result = (expression);                                                                      \
  if (!result.ok())                                                                                \
    return result.status();                                                                        \
  target = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

namespace mirl::rt {

// The text of a plan's string; absent strings are empty.
inline std::string_view View(const flatbuffers::String *text) {
  return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

// The length of a plan's vector; absent vectors are empty.
template <typename T> uint32_t Length(const T *vector) { return vector ? vector->size() : 0; }

// The element of this name; nullptr when there is none.
template <typename T>
const T *FindNamed(const flatbuffers::Vector<flatbuffers::Offset<T>> *vector, std::string_view name) {
  for (uint32_t i = 0; i < Length(vector); ++i)
    if (View(vector->Get(i)->name()) == name)
      return vector->Get(i);
  return nullptr;
}

// Abseil may be built with a string_view of its own, which the standard's does not convert to.
template <typename T>
auto ForAbsl(const T &value)
    -> std::conditional_t<std::is_same_v<T, std::string_view>, absl::string_view, const T &> {
  if constexpr (std::is_same_v<T, std::string_view>)
    return absl::string_view(value.data(), value.size());
  else
    return value; // NOLINT(bugprone-return-const-ref-from-parameter): used within the expression.
}

// absl::StrCat that takes std::string_view.
template <typename... Parts> std::string Cat(const Parts &...parts) {
  return absl::StrCat(ForAbsl(parts)...);
}

template <typename... Parts> absl::Status Invalid(const Parts &...parts) {
  return absl::InvalidArgumentError(Cat(parts...));
}

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_MACROS_H
