// Regular expressions (PCRE2, UTF-8) whose matching is bounded: a pattern that backtracks without
// end gives an error, not a hang.

#ifndef MIRL_RUNTIME_TEXT_REGEX_H
#define MIRL_RUNTIME_TEXT_REGEX_H

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mirl::rt {

class Regex {
public:
  // An error gives the pattern, what is wrong with it and where.
  static absl::StatusOr<Regex> Compile(std::string_view pattern);

  struct Match {
    size_t begin = 0, end = 0; // of the whole match, in bytes
    size_t group_begin = 0,
           group_end = 0; // of the first capture group; the whole match without one
  };

  // The first match at or after byte `from`; nothing when there is none. An error when the text is
  // not UTF-8 or the match needs more steps or memory than the limits allow.
  absl::StatusOr<std::optional<Match>> Find(std::string_view text, size_t from = 0) const;

  // The last of the matches found from left to right without overlap.
  absl::StatusOr<std::optional<Match>> FindLast(std::string_view text) const;

  const std::string &pattern() const { return pattern_; }

  ~Regex();
  Regex(Regex &&) noexcept;
  Regex &operator=(Regex &&) noexcept;

private:
  Regex();
  struct Impl;
  std::string pattern_;
  std::unique_ptr<Impl> impl_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TEXT_REGEX_H
