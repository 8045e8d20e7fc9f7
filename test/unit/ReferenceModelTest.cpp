// The reference definitions of NnModelOps.td against numbers computed here.

#include "test/unit/Unit.h"

#include "gtest/gtest.h"

#include <cmath>
#include <set>

using namespace mirl;
using namespace mirl::test;

static double at(const Tensor &t, int64_t i, int64_t j) { return t.data[i * t.columns() + j]; }

TEST(Reference, Constant) {
  auto results = Program().ops("%y = nn.constant dense<[[1.0, 2.5], [-3.0, 4.0]]> : tensor<2x2xf32> : tensor<2x2xf32>")
                     .run("%y : tensor<2x2xf32>");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({2, 2}, {1, 2.5, -3, 4}), 0);
}

TEST(Reference, Embedding) {
  auto results = Program({4, 0, 0, 0})
                     .in("table", "tensor<3x2xf32>", tensor({3, 2}, {1, 2, 3, 4, 5, 6}))
                     .in("ids", "!ci", row({2, 0, 2, 1}))
                     .ops("%y = nn.embedding %table, %ids : (tensor<3x2xf32>, !ci) -> !c2")
                     .run("%y : !c2");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({4, 2}, {5, 6, 1, 2, 5, 6, 3, 4}), 0);
}

TEST(Reference, Linear) {
  // x = (1, 2), (3, −1); w = (1, 1), (0, 2), (−1, 1).
  Program program({2, 0, 0, 0});
  program.in("x", "!c2", tensor({2, 2}, {1, 2, 3, -1}))
      .in("w", "tensor<3x2xf32>", tensor({3, 2}, {1, 1, 0, 2, -1, 1}))
      .in("b", "tensor<3xf32>", row({10, 20, 30}))
      .in("r", "!c3", tensor({2, 3}, {100, 200, 300, 400, 500, 600}))
      .ops("%y = nn.linear %x, %w : (!c2, tensor<3x2xf32>) -> !c3")
      .ops("%yb = nn.linear %x, %w bias(%b) : (!c2, tensor<3x2xf32>, tensor<3xf32>) -> !c3")
      .ops("%yr = nn.linear %x, %w residual(%r) : (!c2, tensor<3x2xf32>, !c3) -> !c3")
      .ops("%ybr = nn.linear %x, %w bias(%b) residual(%r) : (!c2, tensor<3x2xf32>, tensor<3xf32>, !c3) -> !c3");
  auto results = program.run("%y : !c3, %yb : !c3, %yr : !c3, %ybr : !c3");
  ASSERT_EQ(results.size(), 4u);
  expectNear(results[0], tensor({2, 3}, {3, 4, 1, 2, -2, -4}), 0);
  expectNear(results[1], tensor({2, 3}, {13, 24, 31, 12, 18, 26}), 0);
  expectNear(results[2], tensor({2, 3}, {103, 204, 301, 402, 498, 596}), 0);
  expectNear(results[3], tensor({2, 3}, {113, 224, 331, 412, 518, 626}), 0);
}

TEST(Reference, RmsNorm) {
  // Mean squares 25/2 and 0; eps = 1/4 is exact in f32.
  auto results = Program({2, 0, 0, 0})
                     .in("x", "!c2", tensor({2, 2}, {3, 4, 0, 0}))
                     .in("w", "tensor<2xf32>", row({1, -2}))
                     .ops("%y, %rstd = nn.rms_norm %x, %w {eps = 0.25 : f32} : (!c2, tensor<2xf32>) -> (!c2, !c)")
                     .run("%y : !c2, %rstd : !c");
  ASSERT_EQ(results.size(), 2u);
  double r = 1 / std::sqrt(12.75);
  expectNear(results[0], tensor({2, 2}, {3 * r, -8 * r, 0, 0}), 1e-15);
  expectNear(results[1], row({r, 2}), 1e-15);
}

TEST(Reference, Rotary) {
  // Two heads of four columns: (x0, x2) and (x1, x3) turn by the angles of the position.
  const double a[3][2] = {{0, 0}, {0.3, 0.7}, {0.6, 1.4}};
  Tensor table = filled({3, 4}, 0);
  for (int p = 0; p < 3; ++p)
    for (int i = 0; i < 2; ++i) {
      table.data[p * 4 + i] = std::cos(a[p][i]);
      table.data[p * 4 + 2 + i] = std::sin(a[p][i]);
    }
  Tensor x = random({3, 8}, 1), expected = x, inverse = x;
  std::vector<double> positions = {2, 0, 1}; // position 0 changes nothing
  for (int c = 0; c < 3; ++c)
    for (int h = 0; h < 2; ++h)
      for (int i = 0; i < 2; ++i) {
        double angle = a[static_cast<int>(positions[c])][i];
        int one = c * 8 + h * 4 + i, two = one + 2;
        // By lengths and angles.
        double length = std::hypot(x.data[one], x.data[two]), phase = std::atan2(x.data[two], x.data[one]);
        expected.data[one] = length * std::cos(phase + angle);
        expected.data[two] = length * std::sin(phase + angle);
        inverse.data[one] = length * std::cos(phase - angle);
        inverse.data[two] = length * std::sin(phase - angle);
      }
  auto results = Program({3, 0, 0, 0})
                     .in("x", "!c8", x)
                     .in("p", "!ci", row(positions))
                     .in("table", "tensor<3x4xf32>", table)
                     .ops("%y = nn.rotary %x, %p, %table {head_dim = 4 : i64} : (!c8, !ci, tensor<3x4xf32>) -> !c8")
                     .ops("%z = nn.rotary %x, %p, %table {head_dim = 4 : i64, inverse} : (!c8, !ci, tensor<3x4xf32>) -> !c8")
                     .run("%y : !c8, %z : !c8");
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], expected, 1e-14);
  expectNear(results[1], inverse, 1e-14);
}

// Attention of one row over the keys of `rows`: softmax without a maximum taken out.
static double attendTo(const Tensor &q, const Tensor &k, const Tensor &v, int64_t c, int head, int kv, int width, double scale,
                       const std::vector<int64_t> &rows, double *out) {
  double sum = 0;
  for (int i = 0; i < width; ++i)
    out[i] = 0;
  for (int64_t j : rows) {
    double score = 0;
    for (int i = 0; i < width; ++i)
      score += at(q, c, head * width + i) * at(k, j, kv * width + i);
    double weight = std::exp(scale * score);
    sum += weight;
    for (int i = 0; i < width; ++i)
      out[i] += weight * at(v, j, kv * width + i);
  }
  for (int i = 0; i < width; ++i)
    out[i] /= sum;
  return std::log(sum);
}

TEST(Reference, Attention) {
  // Four query heads over two key/value heads of two columns; sequences of 3, 0, 1 and 4 rows.
  const std::vector<int64_t> starts = {0, 3, 3, 4, 8};
  Tensor q = random({8, 8}, 2), k = random({8, 4}, 3), v = random({8, 4}, 4), expected = q, lse = filled({8, 4}, 0);
  for (size_t s = 0; s + 1 < starts.size(); ++s)
    for (int64_t c = starts[s]; c < starts[s + 1]; ++c)
      for (int h = 0; h < 4; ++h) {
        std::vector<int64_t> rows;
        for (int64_t j = starts[s]; j <= c; ++j)
          rows.push_back(j);
        lse.data[c * 4 + h] = attendTo(q, k, v, c, h, h < 2 ? 0 : 1, 2, 0.75, rows, &expected.data[c * 8 + h * 2]);
      }
  auto results = Program({8, 0, 4, 0})
                     .in("q", "!c8", q)
                     .in("k", "!c4", k)
                     .in("v", "!c4", v)
                     .in("o", "!so", row({0, 3, 3, 4, 8}))
                     .ops("%y, %lse = nn.attention %q, %k, %v, %o {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.75 : f32}"
                          " : (!c8, !c4, !c4, !so) -> (!c8, !c4)")
                     .run("%y : !c8, %lse : !c4");
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], expected, 1e-13);
  expectNear(results[1], lse, 1e-13);
  // The first row of a sequence sees itself alone.
  for (int64_t c : {0, 3, 4})
    for (int h = 0; h < 4; ++h)
      for (int i = 0; i < 2; ++i)
        EXPECT_NEAR(at(results[0], c, h * 2 + i), at(v, c, h / 2 * 2 + i), 1e-15);
}

TEST(Reference, AttentionOfLargeScores) {
  // exp(1000) overflows; the softmax does not.
  auto results = Program({2, 0, 1, 0})
                     .in("q", "!c1", tensor({2, 1}, {1, 1000}))
                     .in("k", "!c1", tensor({2, 1}, {1, 1}))
                     .in("v", "!c1", tensor({2, 1}, {3, 5}))
                     .in("o", "!so", row({0, 2}))
                     .ops("%y, %lse = nn.attention %q, %k, %v, %o {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f32}"
                          " : (!c1, !c1, !c1, !so) -> (!c1, !c1)")
                     .run("%y : !c1, %lse : !c1");
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], tensor({2, 1}, {3, 4}), 1e-14);
  expectNear(results[1], tensor({2, 1}, {1, 1000 + std::log(2.0)}), 1e-14);
}

TEST(Reference, KvAppend) {
  // Two slots of two blocks of a pool of five, two heads of three columns; rows at positions on both sides of a block's
  // end. Block 4 is both slots' first.
  Tensor k = random({3, 6}, 5), v = random({3, 6}, 6), keys = random({5, 2, 3, 16}, 7), values = random({5, 2, 16, 3}, 8);
  const int slots[] = {1, 0, 1}, positions[] = {16, 3, 15}, table[] = {4, 2, 4, 0};
  Tensor newKeys = keys, newValues = values;
  for (int c = 0; c < 3; ++c)
    for (int h = 0; h < 2; ++h)
      for (int i = 0; i < 3; ++i) {
        int block = table[slots[c] * 2 + positions[c] / 16], lane = positions[c] % 16;
        newKeys.data[((block * 2 + h) * 3 + i) * 16 + lane] = at(k, c, h * 3 + i);
        newValues.data[((block * 2 + h) * 16 + lane) * 3 + i] = at(v, c, h * 3 + i);
      }
  auto results = Program({3, 0, 0, 0})
                     .in("k", "!c6", k)
                     .in("v", "!c6", v)
                     .in("kc", "tensor<5x2x3x16xf32>", keys)
                     .in("vc", "tensor<5x2x16x3xf32>", values)
                     .in("t", "tensor<2x2xi32>", tensor({2, 2}, {4, 2, 4, 0}))
                     .in("slots", "!ci", row({1, 0, 1}))
                     .in("p", "!ci", row({16, 3, 15}))
                     .ops("%a, %b = nn.kv_append %k, %v, %kc, %vc, %t, %slots, %p : (!c6, !c6, tensor<5x2x3x16xf32>,"
                          " tensor<5x2x16x3xf32>, tensor<2x2xi32>, !ci, !ci) -> (tensor<5x2x3x16xf32>, tensor<5x2x16x3xf32>)")
                     .run("%a : tensor<5x2x3x16xf32>, %b : tensor<5x2x16x3xf32>");
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], newKeys, 0);
  expectNear(results[1], newValues, 0);
}

TEST(Reference, PagedAttention) {
  // A sequence of 18 rows (two blocks of keys, the second before the first in the pool) in slot 1, appended and attended to
  // in two calls; other blocks' and later positions' contents must not matter. It is nn.attention of the whole sequence.
  const int kRows = 18, kFirst = 13;
  Tensor q = random({kRows, 8}, 9), k = random({kRows, 4}, 10), v = random({kRows, 4}, 11), expected = q;
  for (int64_t c = 0; c < kRows; ++c)
    for (int h = 0; h < 4; ++h) {
      std::vector<int64_t> rows;
      for (int64_t j = 0; j <= c; ++j)
        rows.push_back(j);
      attendTo(q, k, v, c, h, h / 2, 2, 0.5, rows, &expected.data[c * 8 + h * 2]);
    }
  Tensor keys = filled({3, 2, 2, 16}, 1e30), values = filled({3, 2, 16, 2}, 1e30);
  for (auto [begin, end] : {std::pair(0, kFirst), std::pair(kFirst, kRows)}) {
    auto part = [begin = begin, end = end](const Tensor &t) {
      return tensor({end - begin, t.columns()}, {t.data.begin() + begin * t.columns(), t.data.begin() + end * t.columns()});
    };
    std::vector<double> positions;
    for (int p = begin; p < end; ++p)
      positions.push_back(p);
    auto results = Program({end - begin, 0, 0, 0})
                       .in("q", "!c8", part(q))
                       .in("k", "!c4", part(k))
                       .in("v", "!c4", part(v))
                       .in("kc", "tensor<3x2x2x16xf32>", keys)
                       .in("vc", "tensor<3x2x16x2xf32>", values)
                       .in("t", "tensor<2x2xi32>", tensor({2, 2}, {1, 1, 2, 0}))
                       .in("slots", "!ci", filled({end - begin}, 1))
                       .in("p", "!ci", row(positions))
                       .ops("%a, %b = nn.kv_append %k, %v, %kc, %vc, %t, %slots, %p : (!c4, !c4, tensor<3x2x2x16xf32>,"
                            " tensor<3x2x16x2xf32>, tensor<2x2xi32>, !ci, !ci) -> (tensor<3x2x2x16xf32>, tensor<3x2x16x2xf32>)")
                       .ops("%y = nn.paged_attention %q, %a, %b, %t, %slots, %p {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}"
                            " : (!c8, tensor<3x2x2x16xf32>, tensor<3x2x16x2xf32>, tensor<2x2xi32>, !ci, !ci) -> !c8")
                       .run("%y : !c8, %a : tensor<3x2x2x16xf32>, %b : tensor<3x2x16x2xf32>");
    ASSERT_EQ(results.size(), 3u);
    expectNear(results[0], part(expected), 1e-13);
    keys = results[1];
    values = results[2];
  }
}

TEST(Reference, GatherRows) {
  auto results = Program({3, 2, 0, 0})
                     .in("x", "!c2", tensor({3, 2}, {1, 2, 3, 4, 5, 6}))
                     .in("rows", "!ti", row({2, 0}))
                     .ops("%y = nn.gather_rows %x, %rows : (!c2, !ti) -> !t2")
                     .run("%y : !t2");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({2, 2}, {5, 6, 1, 2}), 0);
}

TEST(Reference, LinearLogprob) {
  // More than one block of 256 of the vocabulary; temperature 1/2 is exact.
  const int kVocabulary = 300;
  Tensor h = random({3, 2}, 12, -2, 2), w = random({kVocabulary, 2}, 13, -2, 2);
  const int targets[] = {0, 299, 256};
  std::vector<double> logprob, lse, entropy;
  for (int r = 0; r < 3; ++r) {
    double sum = 0, mean = 0;
    auto z = [&](int v) { return (at(h, r, 0) * at(w, v, 0) + at(h, r, 1) * at(w, v, 1)) * 2; };
    for (int v = 0; v < kVocabulary; ++v)
      sum += std::exp(z(v));
    for (int v = 0; v < kVocabulary; ++v) // −Σ p log p
      mean -= std::exp(z(v)) / sum * std::log(std::exp(z(v)) / sum);
    lse.push_back(std::log(sum));
    logprob.push_back(std::log(std::exp(z(targets[r])) / sum));
    entropy.push_back(mean);
  }
  Program program({0, 3, 0, 0});
  program.in("h", "!t2", h)
      .in("w", "tensor<300x2xf32>", w)
      .in("y", "!ti", row({0, 299, 256}))
      .ops("%a, %b, %c = nn.linear_logprob %h, %w, %y {temperature = 0.5 : f32} : (!t2, tensor<300x2xf32>, !ti) -> (!t, !t, !t)");
  auto results = program.run("%a : !t, %b : !t, %c : !t");
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[0], row(logprob), 1e-13);
  expectNear(results[1], row(lse), 1e-13);
  expectNear(results[2], row(entropy), 1e-12);
}

TEST(Reference, LinearLogprobKeepsLogits) {
  // Two blocks, the second of 44 entries; each less its largest logit.
  const int kVocabulary = 300;
  Tensor h = random({3, 2}, 12, -2, 2), w = random({kVocabulary, 2}, 13, -2, 2);
  for (int kept : {256, kVocabulary}) {
    int blocks = (kept + 255) / 256;
    Tensor logits = filled({3, kept}, 0), maxima = filled({3, blocks}, -1e300);
    auto z = [&](int r, int v) { return (at(h, r, 0) * at(w, v, 0) + at(h, r, 1) * at(w, v, 1)) * 2; };
    for (int r = 0; r < 3; ++r)
      for (int pass : {0, 1})
        for (int v = 0; v < kept; ++v) {
          double &most = maxima.data[r * blocks + v / 256];
          if (pass == 0)
            most = std::max(most, z(r, v));
          else
            logits.data[r * kept + v] = z(r, v) - most;
        }
    std::string first = "tensor<3x" + std::to_string(kept) + "xbf16>", second = "tensor<3x" + std::to_string(blocks) + "xf32>";
    for (bool entropy : {false, true}) {
      std::string f = "tensor<3xf32>", names = entropy ? "%a, %b, %c, %k, %m" : "%a, %b, %k, %m";
      Program program({0, 0, 0, 0});
      program.in("h", "tensor<3x2xf32>", h).in("w", "tensor<300x2xf32>", w).in("y", "tensor<3xi32>", row({0, 299, 256}));
      program.ops(names + " = nn.linear_logprob %h, %w, %y {temperature = 0.5 : f32, kept = " + std::to_string(kept) +
                  " : i64} : (tensor<3x2xf32>, tensor<300x2xf32>, tensor<3xi32>) -> (" + f + ", " + f + ", " + (entropy ? f + ", " : "") + first +
                  ", " + second + ")");
      auto results = program.run("%k : " + first + ", %m : " + second);
      ASSERT_EQ(results.size(), 2u);
      expectNear(results[0], logits, 1e-13);
      expectNear(results[1], maxima, 1e-13);
    }
  }
}

TEST(Reference, LinearLogprobOfOneToken) {
  // V = 1: log-prob and entropy are 0, whatever the logit.
  Program program({0, 2, 0, 0});
  program.in("h", "!t1", tensor({2, 1}, {3, 1000}))
      .in("w", "tensor<1x1xf32>", tensor({1, 1}, {2}))
      .in("y", "!ti", row({0, 0}))
      .ops("%a, %b, %c = nn.linear_logprob %h, %w, %y : (!t1, tensor<1x1xf32>, !ti) -> (!t, !t, !t)");
  auto results = program.run("%a : !t, %b : !t, %c : !t");
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[0], row({0, 0}), 0);
  expectNear(results[1], row({6, 2000}), 0);
  expectNear(results[2], row({0, 0}), 0);
}

// --- sampling ------------------------------------------------------------------------------------------

// Philox 4x32-10 from the paper's description, with counter and key as arrays; the known answers are those of the
// authors' library (Random123, kat_vectors).
static std::array<uint32_t, 4> philox(std::array<uint32_t, 4> x, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    unsigned __int128 a = static_cast<unsigned __int128>(x[0]) * 0xD2511F53u, b = static_cast<unsigned __int128>(x[2]) * 0xCD9E8D57u;
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(b), static_cast<uint32_t>(a >> 32) ^ x[3] ^ key[1],
         static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x;
}

static double draw(uint64_t seed, uint64_t id, uint32_t step) {
  auto half = [](uint64_t x, int i) { return static_cast<uint32_t>(x >> (32 * i)); };
  return (philox({step, 0, half(id, 0), half(id, 1)}, {half(seed, 0), half(seed, 1)})[0] >> 8) / 16777216.0;
}

struct Sampling {
  double temperature = 1;
  int topK = 0;
  double topP = 1;
  uint64_t seed = 5;
};

// Token and log-prob of each row; row r is step r of sequence `id`.
static std::vector<Tensor> sample(const Tensor &logits, const Sampling &how, uint64_t id = 3) {
  std::string columns = std::to_string(logits.columns());
  std::string type = "tensor<?x" + columns + "xf32, #nn.axis<token>>";
  std::vector<double> steps;
  for (int64_t r = 0; r < logits.rows(); ++r)
    steps.push_back(static_cast<double>(r));
  return Program({0, logits.rows(), 0, 0})
      .in("z", type, logits)
      .in("ids", "tensor<?xi64, #nn.axis<token>>", filled({logits.rows()}, static_cast<double>(id)))
      .in("steps", "!ti", row(steps))
      .in("seed", "tensor<i64>", number(static_cast<double>(how.seed)))
      .in("t", "!f", number(how.temperature))
      .in("k", "tensor<i32>", number(how.topK))
      .in("p", "!f", number(how.topP))
      .ops("%token, %logprob = nn.sample %z, %ids, %steps, %seed, %t, %k, %p : (" + type +
           ", tensor<?xi64, #nn.axis<token>>, !ti, tensor<i64>, !f, tensor<i32>, !f) -> (!ti, !t)")
      .run("%token : !ti, %logprob : !t");
}

// `rows` times the same logits.
static Tensor repeated(const std::vector<double> &logits, int64_t rows) {
  Tensor out{{rows, static_cast<int64_t>(logits.size())}, {}};
  for (int64_t r = 0; r < rows; ++r)
    out.data.insert(out.data.end(), logits.begin(), logits.end());
  return out;
}

// By definition: a token is kept by top_k when fewer than k are larger, and by top_p when those that are larger do not
// reach top_p yet.
static std::vector<Tensor> sampleByDefinition(const std::vector<double> &logits, int64_t rows, const Sampling &how, uint64_t id = 3) {
  size_t n = logits.size();
  std::vector<double> w(n), kept(n);
  double full = 0, total = 0, sum = 0;
  for (size_t v = 0; v < n; ++v)
    full += w[v] = std::exp(logits[v] / how.temperature);
  for (size_t v = 0; v < n; ++v) {
    int larger = 0;
    for (double other : w)
      larger += other > w[v];
    kept[v] = how.topK == 0 || larger < how.topK ? w[v] : 0;
    total += kept[v];
  }
  std::vector<double> final = kept;
  for (size_t v = 0; v < n; ++v) {
    double larger = 0;
    for (double other : kept)
      larger += other > kept[v] ? other : 0;
    if (how.topP < 1 && larger > 0 && larger >= how.topP * total)
      final[v] = 0;
    sum += final[v];
  }
  Tensor token = filled({rows}, -1), logprob = filled({rows}, 0);
  for (int64_t r = 0; r < rows; ++r) {
    double u = draw(how.seed, id, static_cast<uint32_t>(r)), running = 0;
    for (size_t v = 0; v < n && token.data[r] < 0; ++v)
      if (final[v] > 0 && (running += final[v]) > u * sum) {
        token.data[r] = static_cast<double>(v);
        logprob.data[r] = std::log(w[v] / full); // of the full softmax
      }
  }
  return {token, logprob};
}

static void checkSampling(const std::vector<double> &logits, const Sampling &how, const std::set<int> &possible, uint64_t id = 3) {
  auto results = sample(repeated(logits, 200), how, id), expected = sampleByDefinition(logits, 200, how, id);
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], expected[0], 0, "token");
  expectNear(results[1], expected[1], 1e-13, "logprob");
  std::set<int> seen;
  for (double token : results[0].data)
    seen.insert(static_cast<int>(token));
  EXPECT_EQ(seen, possible);
}

TEST(Reference, Philox) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Reference, Sample) {
  // Equal logits: the token is floor(u · V), which shows u itself; ids and seeds of more than 32 bits count whole.
  const int kVocabulary = 4096;
  for (uint64_t id : {uint64_t(0), uint64_t(3), (uint64_t(7) << 40) + 1})
    for (uint64_t seed : {uint64_t(0), (uint64_t(1) << 50) + 9}) {
      auto results = sample(filled({20, kVocabulary}, 1.5), {1, 0, 1, seed}, id);
      ASSERT_EQ(results.size(), 2u);
      for (int r = 0; r < 20; ++r)
        EXPECT_EQ(results[0].data[r], std::floor(draw(seed, id, r) * kVocabulary));
      expectNear(results[1], filled({20}, -std::log(kVocabulary)), 1e-13);
    }
  const std::vector<double> logits = {0.5, 2, 1, 1, -1};
  checkSampling(logits, {}, {0, 1, 2, 3, 4});
  checkSampling(logits, {0.25}, {0, 1, 2, 3}); // the last one's weight is 6e-6
  checkSampling(logits, {4}, {0, 1, 2, 3, 4}, 1);
}

TEST(Reference, SampleTopK) {
  const std::vector<double> logits = {0.5, 2, 1, 1, -1};
  checkSampling(logits, {1, 1}, {1});
  checkSampling(logits, {1, 2}, {1, 2, 3}); // 2 and 3 tie for the second place: both are kept
  checkSampling(logits, {1, 3}, {1, 2, 3});
  checkSampling(logits, {1, 4}, {0, 1, 2, 3});
  checkSampling(logits, {1, 5}, {0, 1, 2, 3, 4});
  checkSampling(logits, {1, 50}, {0, 1, 2, 3, 4}); // more than there are
}

TEST(Reference, SampleTopP) {
  // Probabilities 1/2, 1/4, 1/8, 1/8.
  const std::vector<double> logits = {std::log(2), std::log(8), std::log(2), std::log(4)};
  checkSampling(logits, {1, 0, 0.4}, {1});
  checkSampling(logits, {1, 0, 0.0}, {1}); // the largest always is
  checkSampling(logits, {1, 0, 0.6}, {1, 3});
  checkSampling(logits, {1, 0, 0.8}, {0, 1, 2, 3}); // 0 and 2 tie: both are kept
  // Of the two that top_k leaves the larger has 2/3.
  checkSampling(logits, {1, 2, 0.6}, {1});
  checkSampling(logits, {1, 2, 0.7}, {1, 3});
  checkSampling({1, 1, 1}, {1, 0, 0.1}, {0, 1, 2}); // all tie
}

TEST(Reference, SampleGreedy) {
  // T = 0: the first of the largest, with its log-prob at temperature 1; top_k and top_p do not matter.
  auto results = sample(tensor({2, 4}, {1, 3, 3, 0, -1000, -5, -6, -5}), {0, 1, 0.1});
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], row({1, 1}), 0);
  double first = std::exp(1) + 2 * std::exp(3) + 1;
  expectNear(results[1], row({3 - std::log(first), -std::log(2 + std::exp(-1))}), 1e-14);
}

TEST(Reference, SampleOfOneToken) {
  for (double temperature : {0.0, 1.0, 0.5}) {
    auto results = sample(tensor({2, 1}, {1000, -7}), {temperature, 0, 0.5});
    ASSERT_EQ(results.size(), 2u);
    expectNear(results[0], row({0, 0}), 0);
    expectNear(results[1], row({0, 0}), 0);
  }
}
