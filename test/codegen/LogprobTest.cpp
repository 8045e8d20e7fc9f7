// nn.linear_logprob, nn.linear_logprob_grad and nn.sample.
//
// Tolerances: logits are chains of K products of numbers from [−1, 1] (MatmulTest.cpp: 2 · K · 2^-24), and a log-prob is a
// difference of two numbers of at most |z| + log V: a few 2^-24 of that. For K ≤ 600 both are below 1e-4, and below 2e-5
// for K ≤ 100. Token draws are compared exactly: float32 and float64 disagree only where u falls within 1e-6 of a
// border, which the fixed seeds do not meet.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

using namespace mirl::test;

namespace {

struct Head {
  int64_t vocabulary, depth;
  double tolerance() const { return depth <= 100 ? 2e-5 : 1e-4; }
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9e", value);
  return text;
}

std::string logprob(const Head &h, double temperature, bool entropy) {
  EntryText text;
  std::vector<std::string> results{scalars("token"), scalars("token")};
  if (entropy)
    results.push_back(scalars("token"));
  for (const auto &value :
       text.op("nn.linear_logprob {0}, {1}, {2} {temperature = " + number(temperature) + " : f32}",
               {text.input("h", rows(h.depth, "token")), text.input("w", fixed({h.vocabulary, h.depth})),
                text.input("targets", indices("token"))},
               results))
    text.result(value);
  return text.str();
}

std::string logprobGrad(const Head &h, double temperature, bool entropy) {
  EntryText text;
  std::vector<EntryText::Value> in{text.input("g", scalars("token")), text.input("h", rows(h.depth, "token")),
                                   text.input("w", fixed({h.vocabulary, h.depth})),
                                   text.input("targets", indices("token")), text.input("lse", scalars("token")),
                                   text.variable("into", fixed({h.vocabulary, h.depth}))};
  std::string form = "nn.linear_logprob_grad {0}, {1}, {2}, {3}, {4} into({5})";
  if (entropy) {
    in.push_back(text.input("eg", scalars("token")));
    in.push_back(text.input("e", scalars("token")));
    form += " entropy({6}, {7})";
  }
  auto out = text.op(form + " {temperature = " + number(temperature) + " : f32}", in,
                     {rows(h.depth, "token"), fixed({h.vocabulary, h.depth})});
  text.result(out[0]);
  text.update(out[1], 5);
  return text.str();
}

// nn.sample; of logits that are given, or of those of a head.
std::string sample(int64_t vocabulary, int64_t depth = 0) {
  EntryText text;
  EntryText::Value logits;
  if (depth) {
    auto h = text.input("h", rows(depth, "token")), w = text.input("w", fixed({vocabulary, depth}));
    logits = text.op("nn.linear {0}, {1}", {h, w}, {rows(vocabulary, "token")})[0];
  } else {
    logits = text.input("logits", rows(vocabulary, "token"));
  }
  auto out = text.op("nn.sample {0}, {1}, {2}, {3}, {4}, {5}, {6}",
                     {logits, text.input("ids", "tensor<?xi64, #nn.axis<token>>"), text.input("steps", indices("token")),
                      text.input("seed", scalar("i64")), text.input("temperature", scalar()),
                      text.input("top_k", scalar("i32")), text.input("top_p", scalar())},
                     {indices("token"), scalars("token")});
  text.result(out[0]);
  text.result(out[1]);
  return text.str();
}

Extents tokens(int64_t count) { return {0, count, 0, 0}; }
Tensor one(double value) { return {{}, {value}}; }

// The last six arguments of `sample`.
void setSampling(const Entry &entry, std::vector<Tensor> &arguments, int64_t count, double temperature, double topK,
                 double topP, unsigned seed = 3) {
  size_t n = arguments.size();
  arguments[n - 6] = entry.random(n - 6, tokens(count), seed, 0, 1e9);
  arguments[n - 5] = entry.random(n - 5, tokens(count), seed + 1, 0, 500);
  arguments[n - 4] = one(double(0x1234567890123)); // exact in a double
  arguments[n - 3] = one(temperature);
  arguments[n - 2] = one(topK);
  arguments[n - 1] = one(static_cast<float>(topP));
}

std::vector<Tensor> logprobArguments(const Entry &entry, const Head &h, int64_t count) {
  auto arguments = entry.randomArguments(tokens(count));
  arguments[2] = entry.random(2, tokens(count), 5, 0, h.vocabulary);
  return arguments;
}

// One token, fewer than a vector, the small model's, whole blocks, a masked tail, and chunks of the vocabulary with a
// tail, narrow and wide enough to be packed.
const Head kHeads[] = {{1, 8}, {5, 96}, {20, 96}, {256, 33}, {300, 48}, {1100, 20}, {2500, 96}, {1500, 600}};

class Logprob : public testing::TestWithParam<Head> {};

TEST_P(Logprob, Reference) {
  Head h = GetParam();
  for (double temperature : {1.0, 0.7}) {
    auto entry = Entry::compile(logprob(h, temperature, true));
    ASSERT_TRUE(entry);
    for (int64_t count : {1, 7, 64, 200}) {
      SCOPED_TRACE("rows " + std::to_string(count) + ", temperature " + std::to_string(temperature));
      check(*entry, logprobArguments(*entry, h, count), tokens(count), 2 * h.tolerance(), 2e-6);
    }
  }
}

// The entropy is another output of the same sums.
TEST_P(Logprob, EntropyChangesNothing) {
  Head h = GetParam();
  auto plain = Entry::compile(logprob(h, 1, false)), with = Entry::compile(logprob(h, 1, true));
  ASSERT_TRUE(plain && with);
  auto arguments = logprobArguments(*plain, h, 33);
  auto a = plain->run(arguments, tokens(33)), b = with->run(arguments, tokens(33));
  EXPECT_TRUE(sameBits(a[0], b[0]));
  EXPECT_TRUE(sameBits(a[1], b[1]));
}

// THE invariant: what the rollout records is what training recomputes.
TEST_P(Logprob, SampledIsRecomputed) {
  Head h = GetParam();
  auto sampler = Entry::compile(sample(h.vocabulary, h.depth));
  ASSERT_TRUE(sampler);
  for (double temperature : {1.0, 0.7, 1.3}) {
    auto entry = Entry::compile(logprob(h, temperature, false));
    ASSERT_TRUE(entry);
    for (int64_t count : {1, 3, 4, 64}) {
      auto sampling = sampler->randomArguments(tokens(count));
      setSampling(*sampler, sampling, count, static_cast<float>(temperature), 0, 1);
      auto drawn = sampler->run(sampling, tokens(count));
      auto recomputed = entry->run({sampling[0], sampling[1], drawn[0]}, tokens(count));
      EXPECT_TRUE(sameBits(drawn[1], recomputed[0])) << count << " rows at temperature " << temperature;
    }
  }
}

TEST_P(Logprob, RowAlone) {
  Head h = GetParam();
  auto entry = Entry::compile(logprob(h, 0.7, true));
  ASSERT_TRUE(entry);
  auto all = logprobArguments(*entry, h, 100);
  auto whole = entry->run(all, tokens(100));
  for (int64_t count : {1, 3, 7, 64}) {
    auto part = entry->run({rows(all[0], 0, count), all[1], rows(all[2], 0, count)}, tokens(count));
    for (size_t i = 0; i < whole.size(); ++i)
      EXPECT_TRUE(sameBits(part[i], rows(whole[i], 0, count))) << "result " << i << " of " << count << " rows";
  }
}

// `forward` is `logprob` of the same head and temperature, with the entropy.
std::vector<Tensor> gradArguments(const Entry &entry, Entry &forward, const Head &h, bool entropy, int64_t count) {
  auto arguments = entry.randomArguments(tokens(count));
  arguments[3] = entry.random(3, tokens(count), 5, 0, h.vocabulary);
  auto results = forward.run({arguments[1], arguments[2], arguments[3]}, tokens(count));
  arguments[4] = results[1];
  if (entropy)
    arguments[7] = results[2];
  return arguments;
}

TEST_P(Logprob, Grad) {
  Head h = GetParam();
  for (double temperature : {1.0, 0.7}) {
    auto forward = Entry::compile(logprob(h, temperature, true));
    ASSERT_TRUE(forward);
    for (bool entropy : {false, true}) {
      auto entry = Entry::compile(logprobGrad(h, temperature, entropy));
      ASSERT_TRUE(entry);
      for (int64_t count : {1, 7, 64}) {
        SCOPED_TRACE("rows " + std::to_string(count));
        check(*entry, gradArguments(*entry, *forward, h, entropy, count), tokens(count), 4 * h.tolerance(), 2e-6);
      }
    }
  }
}

TEST_P(Logprob, GradMicroBatches) {
  Head h = GetParam();
  auto entry = Entry::compile(logprobGrad(h, 0.7, true)), forward = Entry::compile(logprob(h, 0.7, true));
  ASSERT_TRUE(entry && forward);
  constexpr int64_t count = 61;
  auto all = gradArguments(*entry, *forward, h, true, count);
  auto whole = entry->run(all, tokens(count));
  for (int64_t pieces : {2, 8}) {
    Tensor into = all[5];
    for (int64_t i = 0; i < pieces; ++i) {
      int64_t from = count * i / pieces, to = count * (i + 1) / pieces;
      auto part = all;
      for (int argument : {0, 1, 3, 4, 6, 7})
        part[argument] = rows(all[argument], from, to);
      part[5] = into;
      auto results = entry->run(part, tokens(to - from));
      into = results[1];
      EXPECT_TRUE(sameBits(results[0], rows(whole[0], from, to))) << "hidden gradient, piece " << i << " of " << pieces;
    }
    EXPECT_TRUE(sameBits(whole[1], into)) << "weight gradient in " << pieces << " pieces";
  }
}

TEST_P(Logprob, InstructionSets) {
  Head h = GetParam();
  expectSameOnAllCpus(
      logprob(h, 0.7, true), [&](const Entry &entry) { return logprobArguments(entry, h, 30); }, tokens(30));
  auto forward = Entry::compile(logprob(h, 0.7, true));
  ASSERT_TRUE(forward);
  expectSameOnAllCpus(
      logprobGrad(h, 0.7, true), [&](const Entry &entry) { return gradArguments(entry, *forward, h, true, 30); }, tokens(30));
  expectSameOnAllCpus(
      sample(h.vocabulary, h.depth),
      [&](const Entry &entry) {
        auto arguments = entry.randomArguments(tokens(30));
        setSampling(entry, arguments, 30, 0.7f, 3, 0.9);
        return arguments;
      },
      tokens(30));
}

INSTANTIATE_TEST_SUITE_P(Heads, Logprob, testing::ValuesIn(kHeads), [](const auto &info) {
  return "v" + std::to_string(info.param.vocabulary) + "_k" + std::to_string(info.param.depth);
});

// Logits far apart and far from zero: nothing overflows, and the first block merges into nothing.
TEST(LogprobRange, LargeLogits) {
  Head h{700, 4};
  auto entry = Entry::compile(logprob(h, 1, true));
  ASSERT_TRUE(entry);
  auto arguments = logprobArguments(*entry, h, 50);
  for (double &value : arguments[0].data)
    value = static_cast<float>(value * 300);
  // Logits up to 1200: their last bit is 6e-5.
  check(*entry, arguments, tokens(50), 5e-4, 2e-6);
}

// --- sampling ---------------------------------------------------------------------------------------------

class Sample : public testing::TestWithParam<int64_t> {};

TEST_P(Sample, Reference) {
  int64_t vocabulary = GetParam();
  auto entry = Entry::compile(sample(vocabulary));
  ASSERT_TRUE(entry);
  struct {
    double temperature, topK, topP;
  } settings[] = {{1, 0, 1}, {0.5, 0, 1}, {0, 0, 1}, {1, 1, 1}, {1, 3, 1}, {1, 1e6, 1}, {0.5, 0, 0.9}, {1, 0, 1e-6},
                  {1, 0, 0}, {2, 7, 0.5}, {0, 2, 0.5}};
  for (auto &s : settings)
    for (int64_t count : {1, 7, 64}) {
      SCOPED_TRACE("temperature " + std::to_string(s.temperature) + ", top_k " + std::to_string(s.topK) + ", top_p " +
                   std::to_string(s.topP) + ", rows " + std::to_string(count));
      auto arguments = entry->randomArguments(tokens(count));
      for (double &z : arguments[0].data)
        z = static_cast<float>(4 * z);
      setSampling(*entry, arguments, count, s.temperature, s.topK, s.topP);
      check(*entry, arguments, tokens(count), 4e-6, 2e-6);
    }
}

// Equal logits are kept or left out together, and argmax takes the first.
TEST_P(Sample, Ties) {
  int64_t vocabulary = GetParam();
  auto entry = Entry::compile(sample(vocabulary));
  ASSERT_TRUE(entry);
  for (auto [temperature, topK, topP] : {std::tuple{0.0, 0.0, 1.0}, {1.0, 2.0, 1.0}, {1.0, 0.0, 0.3}, {0.5, 4.0, 0.6}}) {
    SCOPED_TRACE("temperature " + std::to_string(temperature) + ", top_k " + std::to_string(topK));
    auto arguments = entry->randomArguments(tokens(200));
    for (double &z : arguments[0].data)
      z = std::floor(z * 3); // −3, …, 2
    setSampling(*entry, arguments, 200, temperature, topK, topP);
    check(*entry, arguments, tokens(200), 4e-6, 2e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, Sample, testing::Values(1, 5, 20, 256, 300, 2500));

// Where the smallest kept logit is hard to find: next to others that differ in the last bit, among equals, in a range of
// many orders of magnitude, around zero, behind logits that are −∞. And a row alone has the bits that it has among others.
TEST(SampleLimits, HardToFind) {
  constexpr int64_t vocabulary = 3000, count = 48;
  auto entry = Entry::compile(sample(vocabulary));
  ASSERT_TRUE(entry);
  auto arguments = entry->randomArguments(tokens(count));
  for (int64_t r = 0; r < count; ++r)
    for (int64_t v = 0; v < vocabulary; ++v) {
      double &z = arguments[0].data[r * vocabulary + v];
      float value = static_cast<float>(z);
      switch (r % 6) {
      case 0: // neighbours
        value = 1;
        for (int64_t n = 0; n < v % 40; ++n)
          value = std::nextafter(value, 2.0f);
        break;
      case 1: // three values
        value = static_cast<float>(v % 3);
        break;
      case 2: // all orders of magnitude, of both signs
        value = std::ldexp(value, static_cast<int>(v % 100) - 98);
        break;
      case 3: // so far apart that only some count
        value *= 200;
        break;
      case 4:
        value = v % 7 == 0 ? value * 3 : -std::numeric_limits<float>::infinity();
        break;
      default: // all the same
        value = -12.5f;
      }
      z = value;
    }
  for (auto [topK, topP] : {std::pair{0.0, 0.25}, {0.0, 0.9}, {0.0, 0.999}, {17.0, 1.0}, {500.0, 1.0}, {2999.0, 1.0}, {100.0, 0.5}}) {
    SCOPED_TRACE("top_k " + std::to_string(topK) + ", top_p " + std::to_string(topP));
    setSampling(*entry, arguments, count, 1, topK, topP);
    check(*entry, arguments, tokens(count), 2e-5, 2e-6);
    auto together = entry->run(arguments, tokens(count));
    for (int64_t r = 0; r < count; ++r) {
      std::vector<Tensor> alone = arguments;
      for (size_t i : {0u, 1u, 2u})
        alone[i] = rows(arguments[i], r, r + 1);
      auto one = entry->run(alone, tokens(1));
      EXPECT_TRUE(sameBits(one[0], rows(together[0], r, r + 1))) << "row " << r;
      EXPECT_TRUE(sameBits(one[1], rows(together[1], r, r + 1))) << "row " << r;
    }
  }
}

// Frequencies of 20 tokens over 20000 draws, by the chi-squared statistic with 19 degrees of freedom: above 43.8 with a
// chance of one in a thousand, and the seed is fixed.
TEST(SampleDistribution, ChiSquared) {
  auto entry = Entry::compile(sample(20));
  ASSERT_TRUE(entry);
  constexpr int64_t count = 20000;
  auto arguments = entry->randomArguments(tokens(count));
  Tensor logits = rows(arguments[0], 0, 1);
  for (int64_t r = 0; r < count; ++r)
    std::copy_n(logits.data.begin(), 20, arguments[0].data.begin() + r * 20);
  setSampling(*entry, arguments, count, 1, 0, 1);
  for (int64_t r = 0; r < count; ++r) { // a thousand sequences of 20 tokens
    arguments[1].data[r] = r / 20;
    arguments[2].data[r] = r % 20;
  }
  Tensor drawn = entry->run(arguments, tokens(count))[0];
  double total = 0, statistic = 0;
  for (double z : logits.data)
    total += std::exp(z);
  for (int64_t v = 0; v < 20; ++v) {
    double expected = count * std::exp(logits.data[v]) / total;
    double seen = std::count(drawn.data.begin(), drawn.data.end(), double(v));
    statistic += (seen - expected) * (seen - expected) / expected;
  }
  EXPECT_LT(statistic, 43.8);
}

} // namespace
