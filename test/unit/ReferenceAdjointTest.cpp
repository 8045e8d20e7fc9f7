// The reference definitions of NnAdjointOps.td against numbers computed here. What they are the derivatives of is
// AdjointTest's subject.

#include "test/unit/Unit.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace mirl;
using namespace mirl::test;

static double at(const Tensor &t, int64_t i, int64_t j) { return t.data[i * t.columns() + j]; }

TEST(Reference, EmbeddingGrad) {
  // Row 2 occurs twice, row 1 never.
  auto results = Program({3, 0, 0, 0})
                     .in("g", "!c2", tensor({3, 2}, {1, 2, 3, 4, 5, 6}))
                     .in("ids", "!ci", row({2, 0, 2}))
                     .in("into", "tensor<3x2xf32>", tensor({3, 2}, {10, 20, 30, 40, 50, 60}))
                     .ops("%y = nn.embedding_grad %g, %ids, %into : (!c2, !ci, tensor<3x2xf32>) -> tensor<3x2xf32>")
                     .run("%y : tensor<3x2xf32>");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({3, 2}, {13, 24, 30, 40, 56, 68}), 0);
}

TEST(Reference, LinearDataGrad) {
  auto results = Program({2, 0, 0, 0})
                     .in("g", "!c3", tensor({2, 3}, {1, 2, 3, 0, -1, 1}))
                     .in("w", "tensor<3x2xf32>", tensor({3, 2}, {1, 1, 0, 2, -1, 1}))
                     .ops("%y = nn.linear_data_grad %g, %w : (!c3, tensor<3x2xf32>) -> !c2")
                     .run("%y : !c2");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({2, 2}, {-2, 8, -1, -1}), 0);
}

TEST(Reference, LinearWeightGrad) {
  auto results = Program({2, 0, 0, 0})
                     .in("g", "!c3", tensor({2, 3}, {1, 2, 3, 0, -1, 1}))
                     .in("x", "!c2", tensor({2, 2}, {1, 2, 3, -1}))
                     .in("into", "tensor<3x2xf32>", tensor({3, 2}, {10, 20, 30, 40, 50, 60}))
                     .ops("%y = nn.linear_weight_grad %g, %x, %into : (!c3, !c2, tensor<3x2xf32>) -> tensor<3x2xf32>")
                     .run("%y : tensor<3x2xf32>");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({3, 2}, {11, 22, 29, 45, 56, 65}), 0);
}

TEST(Reference, ColumnSum) {
  auto results = Program({2, 0, 0, 0})
                     .in("g", "!c3", tensor({2, 3}, {1, 2, 3, 0, -1, 1}))
                     .in("into", "tensor<3xf32>", row({10, 20, 30}))
                     .ops("%y = nn.column_sum %g, %into : (!c3, tensor<3xf32>) -> tensor<3xf32>")
                     .run("%y : tensor<3xf32>");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({11, 21, 34}), 0);
}

TEST(Reference, RmsNormDataGrad) {
  // x̂ = x · rstd, with an rstd that is given: x̂ = (1, 2), g · w = (3, −4), mean(g·w·x̂) = −5/2:
  // 1/2 · ((3, −4) + 5/2 · (1, 2)) = (2.75, 0.5).
  Program program({1, 0, 0, 0});
  program.in("g", "!c2", tensor({1, 2}, {3, 4}))
      .in("x", "!c2", tensor({1, 2}, {2, 4}))
      .in("w", "tensor<2xf32>", row({1, -1}))
      .in("rstd", "!c", row({0.5}))
      .in("r", "!c2", tensor({1, 2}, {10, 20}))
      .ops("%y = nn.rms_norm_data_grad %g, %x, %w, %rstd : (!c2, !c2, tensor<2xf32>, !c) -> !c2")
      .ops("%z = nn.rms_norm_data_grad %g, %x, %w, %rstd, %r : (!c2, !c2, tensor<2xf32>, !c, !c2) -> !c2");
  auto results = program.run("%y : !c2, %z : !c2");
  ASSERT_EQ(results.size(), 2u);
  expectNear(results[0], tensor({1, 2}, {2.75, 0.5}), 1e-15);
  expectNear(results[1], tensor({1, 2}, {12.75, 20.5}), 1e-15);
}

TEST(Reference, RmsNormWeightGrad) {
  auto results = Program({2, 0, 0, 0})
                     .in("g", "!c2", tensor({2, 2}, {3, 4, 5, 6}))
                     .in("x", "!c2", tensor({2, 2}, {2, 4, 1, -1}))
                     .in("rstd", "!c", row({0.5, 2}))
                     .in("into", "tensor<2xf32>", row({100, 200}))
                     .ops("%y = nn.rms_norm_weight_grad %g, %x, %rstd, %into : (!c2, !c2, !c, tensor<2xf32>) -> tensor<2xf32>")
                     .run("%y : tensor<2xf32>");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], row({113, 196}), 0);
}

TEST(Reference, AttentionGrad) {
  // By matrices, one query head at a time: P with zeros above the diagonal and between sequences, D = rowsum(g ∘ y),
  // dS = scale · P ∘ (g·vᵀ − D), dq = dS·k, dk = dSᵀ·q, dv = Pᵀ·g. Sequences of 3, 0 and 2 rows, 4 heads over 2.
  const int kRows = 5, kHeads = 4, kWidth = 2;
  const double scale = 0.75;
  Tensor g = random({kRows, 8}, 1), q = random({kRows, 8}, 2), k = random({kRows, 4}, 3), v = random({kRows, 4}, 4);
  Tensor y = filled({kRows, 8}, 0), lse = filled({kRows, 4}, 0), dq = y, dk = filled({kRows, 4}, 0), dv = dk;
  auto sees = [](int c, int j) { return j <= c && (c < 3) == (j < 3); };
  for (int h = 0; h < kHeads; ++h) {
    int a = h * kWidth, b = h / 2 * kWidth;
    double p[kRows][kRows] = {}, ds[kRows][kRows] = {};
    for (int c = 0; c < kRows; ++c) {
      double sum = 0, d = 0;
      for (int j = 0; j < kRows; ++j)
        sum += p[c][j] = sees(c, j) ? std::exp(scale * (at(q, c, a) * at(k, j, b) + at(q, c, a + 1) * at(k, j, b + 1))) : 0;
      lse.data[c * kHeads + h] = std::log(sum);
      for (int j = 0; j < kRows; ++j) {
        p[c][j] /= sum;
        for (int i = 0; i < kWidth; ++i)
          y.data[c * 8 + a + i] += p[c][j] * at(v, j, b + i);
      }
      for (int i = 0; i < kWidth; ++i)
        d += at(g, c, a + i) * at(y, c, a + i);
      for (int j = 0; j < kRows; ++j)
        ds[c][j] = scale * p[c][j] * (at(g, c, a) * at(v, j, b) + at(g, c, a + 1) * at(v, j, b + 1) - d);
    }
    for (int c = 0; c < kRows; ++c)
      for (int j = 0; j < kRows; ++j)
        for (int i = 0; i < kWidth; ++i) {
          dq.data[c * 8 + a + i] += ds[c][j] * at(k, j, b + i);
          dk.data[j * 4 + b + i] += ds[c][j] * at(q, c, a + i);
          dv.data[j * 4 + b + i] += p[c][j] * at(g, c, a + i);
        }
  }
  auto results = Program({kRows, 0, 3, 0})
                     .in("g", "!c8", g)
                     .in("q", "!c8", q)
                     .in("k", "!c4", k)
                     .in("v", "!c4", v)
                     .in("y", "!c8", y)
                     .in("lse", "!c4", lse)
                     .in("o", "!so", row({0, 3, 3, 5}))
                     .ops("%dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %y, %lse, %o {heads = 4 : i64, kv_heads = 2 : i64,"
                          " scale = 0.75 : f32} : (!c8, !c8, !c4, !c4, !c8, !c4, !so) -> (!c8, !c4, !c4)")
                     .run("%dq : !c8, %dk : !c4, %dv : !c4");
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[0], dq, 1e-14);
  expectNear(results[1], dk, 1e-14);
  expectNear(results[2], dv, 1e-14);
}

TEST(Reference, ScatterRows) {
  // The result has the rows of the axis that its type names, whichever that is.
  auto results = Program({4, 2, 0, 0})
                     .in("x", "!t2", tensor({2, 2}, {1, 2, 3, 4}))
                     .in("rows", "!ti", row({3, 1}))
                     .ops("%y = nn.scatter_rows %x, %rows : (!t2, !ti) -> !c2")
                     .run("%y : !c2");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], tensor({4, 2}, {0, 0, 3, 4, 0, 0, 1, 2}), 0);
  results = Program({2, 3, 0, 0})
                .in("x", "!c2", tensor({2, 2}, {1, 2, 3, 4}))
                .in("rows", "!ci", row({2, 0}))
                .ops("%y = nn.scatter_rows %x, %rows : (!c2, !ci) -> !t2\n"
                     "%z = nn.scatter_rows %x, %rows : (!c2, !ci) -> tensor<3x2xf32>")
                .run("%y : !t2, %z : tensor<3x2xf32>");
  ASSERT_EQ(results.size(), 2u);
  for (const Tensor &result : results)
    expectNear(result, tensor({3, 2}, {3, 4, 0, 0, 1, 2}), 0);
}

TEST(Reference, LinearLogprobGrad) {
  // dz = (g·(onehot − p) − e·p·(z − lse + H)) / T from a softmax computed here; H = lse − Σ p·z.
  const int kVocabulary = 5;
  const double temperature = 0.5;
  Tensor h = random({3, 2}, 5), w = random({kVocabulary, 2}, 6), g = random({3}, 7), e = random({3}, 8), into = random({kVocabulary, 2}, 9);
  const int targets[] = {4, 0, 4};
  for (bool withEntropy : {false, true}) {
    Tensor lse = filled({3}, 0), entropy = lse, dh = filled({3, 2}, 0), dw = into;
    for (int r = 0; r < 3; ++r) {
      double z[kVocabulary], sum = 0, mean = 0;
      for (int v = 0; v < kVocabulary; ++v)
        sum += std::exp(z[v] = (at(h, r, 0) * at(w, v, 0) + at(h, r, 1) * at(w, v, 1)) / temperature);
      for (double value : z)
        mean += std::exp(value) / sum * value;
      lse.data[r] = std::log(sum);
      entropy.data[r] = lse.data[r] - mean;
      for (int v = 0; v < kVocabulary; ++v) {
        double p = std::exp(z[v]) / sum, dz = g.data[r] * ((v == targets[r] ? 1 : 0) - p);
        if (withEntropy) // dH/dz_v = −p_v · (z_v − Σ p·z)
          dz -= e.data[r] * p * (z[v] - mean);
        for (int i = 0; i < 2; ++i) {
          dh.data[r * 2 + i] += dz / temperature * at(w, v, i);
          dw.data[v * 2 + i] += dz / temperature * at(h, r, i);
        }
      }
    }
    Program program({0, 3, 0, 0});
    program.in("g", "!t", g).in("h", "!t2", h).in("w", "tensor<5x2xf32>", w).in("y", "!ti", row({4, 0, 4}));
    program.in("lse", "!t", lse).in("into", "tensor<5x2xf32>", into).in("e", "!t", e).in("entropy", "!t", entropy);
    std::string types = "(!t, !t2, tensor<5x2xf32>, !ti, !t, tensor<5x2xf32>";
    program.ops("%a, %b = nn.linear_logprob_grad %g, %h, %w, %y, %lse into(%into)" + std::string(withEntropy ? " entropy(%e, %entropy)" : "") +
                " {temperature = 0.5 : f32} : " + types + (withEntropy ? ", !t, !t" : "") + ") -> (!t2, tensor<5x2xf32>)");
    auto results = program.run("%a : !t2, %b : tensor<5x2xf32>");
    ASSERT_EQ(results.size(), 2u);
    expectNear(results[0], dh, 1e-14);
    expectNear(results[1], dw, 1e-14);
  }
}

TEST(Reference, LinearLogprobGradOfKeptLogits) {
  // What is kept is read, what is not is computed again: a hidden row of zeros has logits of zero, unless others are at hand.
  Tensor h = tensor({1, 2}, {0, 0}), w = random({300, 2}, 6), zeros = filled({300, 2}, 0);
  const double kept = 3, maximum = 2;
  for (bool withEntropy : {false, true}) {
    Program program({0, 1, 0, 0});
    program.in("g", "!t", row({1})).in("h", "!t2", h).in("w", "tensor<300x2xf32>", w).in("y", "!ti", row({299})).in("lse", "!t", row({7}));
    program.in("into", "tensor<300x2xf32>", zeros).in("k", "tensor<?x256xbf16, #nn.axis<token>>", filled({1, 256}, kept));
    program.in("m", "tensor<?x1xf32, #nn.axis<token>>", filled({1, 1}, maximum));
    program.ops("%a, %b = nn.linear_logprob_grad %g, %h, %w, %y, %lse into(%into) " + std::string(withEntropy ? "entropy(%g, %lse) " : "") +
                "kept(%k, %m) : (!t, !t2, tensor<300x2xf32>, !ti, !t, tensor<300x2xf32>, " + (withEntropy ? "!t, !t, " : "") +
                "tensor<?x256xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>) -> (!t2, tensor<300x2xf32>)");
    auto results = program.run("%a : !t2");
    ASSERT_EQ(results.size(), 1u);
    Tensor dh = filled({1, 2}, 0);
    for (int v = 0; v < 300; ++v) {
      double z = v < 256 ? kept + maximum : 0, p = std::exp(z - 7), dz = (v == 299) - p - (withEntropy ? p * z : 0);
      for (int i = 0; i < 2; ++i)
        dh.data[i] += dz * at(w, v, i);
    }
    expectNear(results[0], dh, 1e-13);
  }
}

TEST(Reference, SquaredNorm) {
  auto results = Program()
                     .in("x", "tensor<2x3xf32>", tensor({2, 3}, {1, -2, 3, 0, 0.5, 2}))
                     .in("start", "!f", number(100))
                     .ops("%y = nn.squared_norm %x, %start : (tensor<2x3xf32>, !f) -> !f")
                     .run("%y : !f");
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], number(118.25), 0);
}

TEST(Reference, Adamw) {
  // Two updates by hand, with numbers that are exact in f32: β1 = 1/2, β2 = 3/4, eps = 1/8, decay = 1/4, lr = 1/2. The
  // gradients 4 and −2 come scaled by 1/2.
  Tensor w = row({1, -1}), m = row({0, 0}), v = row({0, 0});
  const std::vector<std::vector<double>> gradients = {{4, -2}, {0, -2}};
  double ew[] = {1, -1}, em[] = {0, 0}, ev[] = {0, 0};
  for (int step = 1; step <= 2; ++step) {
    auto results = Program()
                       .in("w", "tensor<2xf32>", w)
                       .in("g", "tensor<2xf32>", row(gradients[step - 1]))
                       .in("m", "tensor<2xf32>", m)
                       .in("v", "tensor<2xf32>", v)
                       .in("lr", "!f", number(0.5))
                       .in("step", "!f", number(step))
                       .in("scale", "!f", number(0.5))
                       .ops("%nw, %nm, %nv = nn.adamw %w, %g, %m, %v, %lr, %step, %scale {beta1 = 0.5 : f32, beta2 = 0.75 : f32,"
                            " eps = 0.125 : f32, weight_decay = 0.25 : f32} : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>,"
                            " tensor<2xf32>, !f, !f, !f) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)")
                       .run("%nw : tensor<2xf32>, %nm : tensor<2xf32>, %nv : tensor<2xf32>");
    ASSERT_EQ(results.size(), 3u);
    for (int i = 0; i < 2; ++i) {
      double g = gradients[step - 1][i] / 2;
      em[i] = (em[i] + g) / 2;
      ev[i] = 0.75 * ev[i] + 0.25 * g * g;
      double correction1 = step == 1 ? 0.5 : 0.75, correction2 = step == 1 ? 0.25 : 0.4375;
      ew[i] = ew[i] * (1 - 0.125) - 0.5 * (em[i] / correction1) / (std::sqrt(ev[i] / correction2) + 0.125);
    }
    expectNear(results[0], row({ew[0], ew[1]}), 1e-15);
    expectNear(results[1], row({em[0], em[1]}), 1e-15);
    expectNear(results[2], row({ev[0], ev[1]}), 1e-15);
    w = results[0], m = results[1], v = results[2];
  }
  // The first update moves by lr against the sign of the gradient, but for eps: 7/8 − 1/2 · 2/(2 + 1/8).
  auto first = Program()
                   .in("w", "tensor<1xf32>", row({1}))
                   .in("g", "tensor<1xf32>", row({2}))
                   .in("z", "tensor<1xf32>", row({0}))
                   .in("lr", "!f", number(0.5))
                   .in("one", "!f", number(1))
                   .ops("%nw, %nm, %nv = nn.adamw %w, %g, %z, %z, %lr, %one, %one {beta1 = 0.5 : f32, beta2 = 0.75 : f32,"
                        " eps = 0.125 : f32, weight_decay = 0.25 : f32} : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>,"
                        " tensor<1xf32>, !f, !f, !f) -> (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>)")
                   .run("%nw : tensor<1xf32>");
  ASSERT_EQ(first.size(), 1u);
  expectNear(first[0], row({0.875 - 1 / 2.125}), 1e-15);
}
