#include "runtime/reward/Verifier.h"

#include <optional>

#include "runtime/reward/Program.h"
#include "runtime/artifact/Macros.h"
#include "runtime/text/Regex.h"

namespace mirl::rt {

namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos)
    return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

class ExactAnswer : public Verifier {
public:
  ExactAnswer(std::optional<Regex> pattern, std::string field)
      : pattern_(std::move(pattern)), field_(std::move(field)) {}

  absl::Status Verify(std::span<const Answer> answers, std::vector<float> &results) override {
    results.clear();
    for (const Answer &answer : answers) {
      auto wanted = answer.record->fields.find(field_);
      if (wanted == answer.record->fields.end())
        return Invalid(answer.record->where, ": exact_answer needs the field \"", field_,
                       "\"; this record has none");
      if (!wanted->is_string() && !wanted->is_number())
        return Invalid(answer.record->where, ": exact_answer needs \"", field_,
                       "\" to be a string or a number, is ", wanted->type_name());
      std::string text = wanted->is_string() ? wanted->get<std::string>() : wanted->dump();
      std::optional<std::string_view> given = answer.response;
      if (pattern_) {
        auto match = pattern_->FindLast(answer.response);
        if (!match.ok())
          return Invalid(answer.record->where, ": exact_answer: ", match.status().message());
        given.reset();
        if (*match)
          given = answer.response.substr((*match)->group_begin,
                                         (*match)->group_end - (*match)->group_begin);
      }
      results.push_back(given && Trim(*given) == Trim(text) ? 1.0f : 0.0f);
    }
    return absl::OkStatus();
  }

private:
  std::optional<Regex> pattern_;
  std::string field_;
};

class RegexVerifier : public Verifier {
public:
  explicit RegexVerifier(Regex pattern) : pattern_(std::move(pattern)) {}

  absl::Status Verify(std::span<const Answer> answers, std::vector<float> &results) override {
    results.clear();
    for (const Answer &answer : answers) {
      auto match = pattern_.Find(answer.response);
      if (!match.ok())
        return Invalid(answer.record->where, ": verifier regex: ", match.status().message());
      results.push_back(*match ? 1.0f : 0.0f);
    }
    return absl::OkStatus();
  }

private:
  Regex pattern_;
};

} // namespace

absl::StatusOr<std::unique_ptr<Verifier>> Verifier::Create(const VerifierOptions &options) {
  std::optional<Regex> pattern;
  if (!options.pattern.empty() && options.kind != "program") {
    MIRL_ASSIGN(pattern, Regex::Compile(options.pattern));
  }
  if (options.kind == "exact_answer")
    return std::make_unique<ExactAnswer>(std::move(pattern),
                                         options.field.empty() ? "answer" : options.field);
  if (options.kind == "regex") {
    if (!pattern)
      return Invalid("verifier regex needs a pattern");
    return std::make_unique<RegexVerifier>(*std::move(pattern));
  }
  if (options.kind == "program") {
    if (options.command.empty())
      return Invalid("verifier program needs a command");
    return std::make_unique<ProgramVerifier>(options.command, options.timeout, options.workers);
  }
  return Invalid("there is no verifier '", options.kind,
                 "'; there are exact_answer, regex and program");
}

} // namespace mirl::rt
