// The detector of repetitions.

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/rollout/Repeat.h"

namespace mirl::rt {
namespace {

// The definition, without any cleverness: the most occurrences of the tail that do not overlap.
bool RepeatsByDefinition(const std::vector<int32_t> &response, const RepeatOptions &options) {
  auto n = options.ngram, size = static_cast<int64_t>(response.size());
  if (size < n)
    return false;
  std::vector<int32_t> tail(response.end() - n, response.end());
  int64_t count = 0;
  // Ends in order, each as early as it can: the most that fit, but the tail must be one of them.
  int64_t free = std::max<int64_t>(0, size - options.window);
  for (int64_t begin = free; begin + n <= size - n; ++begin)
    if (begin >= free && std::equal(tail.begin(), tail.end(), response.begin() + begin)) {
      ++count;
      free = begin + n;
    }
  return count + 1 >= options.times;
}

TEST(Repeat, FindsCyclesAndPhrasesAsSoonAsTheyAreThere) {
  // A cycle of `period` tokens behind 5 others: found at the first place where the definition holds.
  for (int64_t period : {1, 2, 3, 4, 7, 12}) {
    RepeatOptions options{.ngram = 4, .times = 3, .window = 64};
    int64_t span = (4 + period - 1) / period * period; // from one occurrence to the next
    std::vector<int32_t> response = {90, 91, 92, 93, 94};
    int64_t found = -1;
    for (int64_t i = 0; i < 60 && found < 0; ++i) {
      response.push_back(static_cast<int32_t>(i % period));
      if (Repeats(response, options))
        found = i + 1;
    }
    EXPECT_EQ(found, 2 * span + 4) << period;
  }
  // A phrase with something else in between each time.
  std::vector<int32_t> response;
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(Repeats(response, {.ngram = 3, .times = 3, .window = 40}));
    for (int32_t token : {100 + i, 200 + i, 1, 2, 3})
      response.push_back(token);
  }
  EXPECT_TRUE(Repeats(response, {.ngram = 3, .times = 3, .window = 40}));
  EXPECT_FALSE(Repeats(response, {.ngram = 4, .times = 3, .window = 40}));
  EXPECT_FALSE(Repeats(response, {.ngram = 3, .times = 3, .window = 12})) << "outside of the window";
  EXPECT_FALSE(Repeats(response, {.ngram = 3, .times = 4, .window = 40}));
  EXPECT_FALSE(Repeats(response, {})) << "off";
  EXPECT_FALSE(Repeats({}, {.ngram = 1, .times = 2, .window = 2}));
}

TEST(Repeat, AgreesWithItsDefinition) {
  std::mt19937_64 random(3);
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    RepeatOptions options;
    options.ngram = 1 + static_cast<int64_t>(random() % 4);
    options.times = 2 + static_cast<int64_t>(random() % 3);
    options.window = options.ngram * options.times + static_cast<int64_t>(random() % 20);
    ASSERT_TRUE(CheckRepeat(options).ok());
    std::vector<int32_t> response(random() % 40);
    for (int32_t &token : response)
      token = static_cast<int32_t>(random() % 3);
    bool wanted = RepeatsByDefinition(response, options);
    ASSERT_EQ(Repeats(response, options), wanted)
        << options.ngram << " " << options.times << " " << options.window << " "
        << ::testing::PrintToString(response);
    found += wanted;
  }
  EXPECT_GT(found, 500);
}

TEST(Repeat, ErrsByChanceNoMoreOftenThanItSays) {
  std::mt19937_64 random(1);
  RepeatOptions options{.ngram = 3, .times = 2, .window = 32};
  constexpr int kTokens = 8, kPlaces = 200'000;
  std::vector<int32_t> response(32);
  int found = 0;
  for (int i = 0; i < kPlaces; ++i) {
    for (int32_t &token : response)
      token = static_cast<int32_t>(random() % kTokens);
    found += Repeats(response, options);
  }
  double bound = ChanceOfRepeat(options, 1.0 / kTokens);
  double share = static_cast<double>(found) / kPlaces;
  EXPECT_NEAR(bound, 27.0 / 512, 1e-9);
  EXPECT_LT(share, bound);
  EXPECT_GT(share, 0.8 * bound) << "a bound that says something";
  // Four times 16 tokens of a vocabulary of 1000 equally likely ones: never.
  EXPECT_LT(ChanceOfRepeat({.ngram = 16, .times = 4, .window = 128}, 1e-9), 1e-130);
}

TEST(Repeat, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(CheckRepeat({.ngram = -1, .times = 2, .window = 9}).ok());
  EXPECT_FALSE(CheckRepeat({.ngram = 2, .times = 1, .window = 9}).ok());
  EXPECT_FALSE(CheckRepeat({.ngram = 4, .times = 3, .window = 11}).ok());
  EXPECT_TRUE(CheckRepeat({.ngram = 4, .times = 3, .window = 12}).ok());
}

} // namespace
} // namespace mirl::rt
