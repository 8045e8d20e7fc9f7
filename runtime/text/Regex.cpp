#include "runtime/text/Regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr uint32_t kMatchLimit = 1'000'000; // steps of one match; milliseconds
constexpr uint32_t kHeapLimitKiB = 16 * 1024;

std::string Message(int code) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
    return Cat("error ", code);
  return reinterpret_cast<const char *>(text);
}

} // namespace

struct Regex::Impl {
  pcre2_code *code = nullptr;
  pcre2_match_data *data = nullptr;
  pcre2_match_context *context = nullptr;
  ~Impl() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
  }
};

Regex::Regex() : impl_(std::make_unique<Impl>()) {}
Regex::~Regex() = default;
Regex::Regex(Regex &&) noexcept = default;
Regex &Regex::operator=(Regex &&) noexcept = default;

absl::StatusOr<Regex> Regex::Compile(std::string_view pattern) {
  Regex regex;
  regex.pattern_ = std::string(pattern);
  int code = 0;
  PCRE2_SIZE offset = 0;
  regex.impl_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                    PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
  if (!regex.impl_->code)
    return Invalid("regular expression '", pattern, "': ", Message(code), " at character ",
                   offset + 1);
  regex.impl_->data = pcre2_match_data_create_from_pattern(regex.impl_->code, nullptr);
  regex.impl_->context = pcre2_match_context_create(nullptr);
  if (!regex.impl_->data || !regex.impl_->context)
    return absl::ResourceExhaustedError("no memory for a regular expression");
  pcre2_set_match_limit(regex.impl_->context, kMatchLimit);
  pcre2_set_heap_limit(regex.impl_->context, kHeapLimitKiB);
  // Only speed: without it the interpreter matches, under the same limits.
  pcre2_jit_compile(regex.impl_->code, PCRE2_JIT_COMPLETE);
  return regex;
}

absl::StatusOr<std::optional<Regex::Match>> Regex::Find(std::string_view text, size_t from) const {
  if (from > text.size())
    return std::nullopt;
  int found = pcre2_match(impl_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                          0, impl_->data, impl_->context);
  if (found == PCRE2_ERROR_NOMATCH)
    return std::nullopt;
  if (found < 0)
    return Invalid("regular expression '", pattern_, "' on a text of ", text.size(),
                   " bytes: ", Message(found));
  const PCRE2_SIZE *at = pcre2_get_ovector_pointer(impl_->data);
  Match match{at[0], at[1], at[0], at[1]};
  if (pcre2_get_ovector_count(impl_->data) > 1) {
    // A group that took no part in the match captured nothing.
    bool set = found > 1 && at[2] != PCRE2_UNSET;
    match.group_begin = set ? at[2] : at[1];
    match.group_end = set ? at[3] : at[1];
  }
  return match;
}

absl::StatusOr<std::optional<Regex::Match>> Regex::FindLast(std::string_view text) const {
  std::optional<Match> last;
  for (size_t from = 0;;) {
    MIRL_ASSIGN(std::optional<Match> match, Find(text, from));
    if (!match)
      return last;
    last = match;
    from = match->end;
    if (match->begin == match->end) { // After an empty match go on at the next character.
      if (++from > text.size())
        return last;
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80)
        ++from;
    }
  }
}

} // namespace mirl::rt
