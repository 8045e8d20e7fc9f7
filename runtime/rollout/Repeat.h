// The detector of repetitions: a response that goes round in circles is cut instead of paid for.

#ifndef MIRL_RUNTIME_ROLLOUT_REPEAT_H
#define MIRL_RUNTIME_ROLLOUT_REPEAT_H

#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace mirl::rt {

// A response repeats itself when its last `ngram` tokens occur `times` times, without overlapping,
// among its last `window` tokens. That finds every cycle of p tokens, at the latest after
// `times` times p tokens (p >= ngram; of a shorter one, the next multiple of p from `ngram` on), and
// phrases that come back with something else in between.
//
// What it must not find, it can: a table, a list or code that has the same `ngram` tokens `times`
// times in `window`. ChanceOfRepeat says how often it errs by chance.
struct RepeatOptions {
  int64_t ngram = 0; // tokens; 0: nothing is looked for
  int64_t times = 4;
  int64_t window = 0;
};

// An error says what of the options makes no sense.
absl::Status CheckRepeat(const RepeatOptions &options);

// Whether the response, as it is now, ends in a repetition. It looks at the response alone, so no
// schedule changes its answer. At most `window` comparisons but for those of equal tokens.
bool Repeats(std::span<const int32_t> response, const RepeatOptions &options);

// An upper bound of the probability that a response of independent tokens is taken for a repetition
// at one given position: C(window - times (ngram - 1) - 1, times - 1) * equal^ngram, the choices of
// the other occurrences times the probability of each. `equal`: that `times` tokens drawn
// independently are equal, the sum of p^times over the vocabulary (V^(1 - times) if all are equally
// likely).
double ChanceOfRepeat(const RepeatOptions &options, double equal);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ROLLOUT_REPEAT_H
