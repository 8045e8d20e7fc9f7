// Verifiers give each response a number. One that cannot be scored is an error, or is said not to be
// scored; it is never a wrong answer.

#ifndef MIRL_RUNTIME_REWARD_VERIFIER_H
#define MIRL_RUNTIME_REWARD_VERIFIER_H

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/data/Dataset.h"

namespace mirl::rt {

struct Answer {
  const Record *record = nullptr;
  std::string_view response;
  int64_t key = -1; // names the response for Submit; -1: it was not submitted
};

// NOLINTBEGIN(readability-redundant-member-init): so that an initialiser may leave them out.
struct VerifierOptions {
  std::string kind = {};        // "exact_answer", "regex" or "program"
  std::string pattern = {};     // exact_answer, regex
  std::string field = "answer"; // exact_answer: of the record
  std::string command = {};     // program: for /bin/sh
  double timeout = 10;          // program: seconds for an answer
  int workers = 1;              // program: processes
};
// NOLINTEND(readability-redundant-member-init)

class Verifier {
public:
  virtual ~Verifier() = default;
  // One number per answer, in order; NaN: it could not be scored, and last_failure says why. `record`
  // must be as it was when the answer was submitted.
  virtual absl::Status Verify(std::span<const Answer> answers, std::vector<float> &results) = 0;

  // Whether it can work while the rollout goes on: Submit begins with an answer that Verify will be
  // asked for, and Poll goes on, as often as there is time; neither waits. No result depends on it.
  virtual bool early() const { return false; }
  virtual void Submit(const Answer &) {}
  virtual void Poll() {}
  // Of the last answer that could not be scored; "" when there is none.
  virtual std::string last_failure() const { return ""; }

  // - exact_answer: 1 if the last match of the pattern's first capture group in the response (the
  //   whole response without a pattern), trimmed, is the record's field, trimmed; else 0.
  // - regex: 1 if the pattern matches somewhere in the response; else 0.
  // - program: asks a command (Program.h).
  static absl::StatusOr<std::unique_ptr<Verifier>> Create(const VerifierOptions &options);
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REWARD_VERIFIER_H
