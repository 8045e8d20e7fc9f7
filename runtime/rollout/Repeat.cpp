#include "runtime/rollout/Repeat.h"

#include <algorithm>
#include <cmath>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

absl::Status CheckRepeat(const RepeatOptions &options) {
  if (options.ngram == 0)
    return absl::OkStatus();
  if (options.ngram < 1 || options.times < 2)
    return Invalid("a repetition is of at least 1 token that occur at least 2 times; asked for are ",
                   options.ngram, " and ", options.times);
  if (options.window / options.ngram < options.times)
    return Invalid("a window of ", options.window, " tokens does not hold ", options.times,
                   " times ", options.ngram, " tokens");
  return absl::OkStatus();
}

bool Repeats(std::span<const int32_t> response, const RepeatOptions &options) {
  auto n = static_cast<size_t>(options.ngram);
  if (n == 0 || response.size() < n * static_cast<size_t>(options.times))
    return false;
  size_t begin = response.size() - std::min(response.size(), static_cast<size_t>(options.window));
  std::span<const int32_t> tail = response.last(n);
  // From the end on, the nearest occurrence first: no other choice leaves room for more of them.
  int64_t found = 1;
  for (size_t end = response.size() - n; end >= begin + n; --end) {
    if (response[end - 1] != tail[n - 1] ||
        !std::equal(tail.begin(), tail.end(), response.begin() + static_cast<std::ptrdiff_t>(end - n)))
      continue;
    if (++found == options.times)
      return true;
    if (end < begin + 2 * n)
      return false;
    end -= n - 1;
  }
  return false;
}

double ChanceOfRepeat(const RepeatOptions &options, double equal) {
  // The union over the places of the occurrences before the tail, which do not overlap.
  double log_chance = 0;
  int64_t others = options.times - 1;
  auto places = static_cast<double>(options.window - options.times * (options.ngram - 1) - 1);
  for (int64_t i = 0; i < others; ++i)
    log_chance += std::log(places - static_cast<double>(i)) - std::log(static_cast<double>(i + 1));
  log_chance += static_cast<double>(options.ngram) * std::log(equal);
  return std::min(1.0, std::exp(log_chance));
}

} // namespace mirl::rt
