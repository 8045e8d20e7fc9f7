// Reference semantics of NnAdjointOps.td: plain loops in float64.

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Shapes.h"

#include <cmath>

using namespace mlir;
using namespace mirl::nn;
using reference::Extents;
using reference::Tensor;

static int64_t at(const Tensor &t, int64_t i) { return static_cast<int64_t>(t.data[i]); }

LogicalResult EmbeddingGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &ids = in[1];
  Tensor out = in[2];
  for (int64_t c = 0, d = g.columns(); c < g.rows(); ++c)
    for (int64_t i = 0; i < d; ++i)
      out.data[at(ids, c) * d + i] += g.data[c * d + i];
  results.push_back(std::move(out));
  return success();
}

LogicalResult LinearDataGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &w = in[1];
  int64_t n = w.rows(), k = w.columns();
  Tensor out{{g.rows(), k}, std::vector<double>(g.rows() * k, 0.0)};
  for (int64_t m = 0; m < g.rows(); ++m)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < k; ++i)
        out.data[m * k + i] += g.data[m * n + j] * w.data[j * k + i];
  results.push_back(std::move(out));
  return success();
}

LogicalResult LinearWeightGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &x = in[1];
  Tensor out = in[2];
  int64_t n = g.columns(), k = x.columns();
  for (int64_t m = 0; m < g.rows(); ++m)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < k; ++i)
        out.data[j * k + i] += g.data[m * n + j] * x.data[m * k + i];
  results.push_back(std::move(out));
  return success();
}

LogicalResult ColumnSumOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[1];
  for (int64_t m = 0, n = in[0].columns(); m < in[0].rows(); ++m)
    for (int64_t j = 0; j < n; ++j)
      out.data[j] += in[0].data[m * n + j];
  results.push_back(std::move(out));
  return success();
}

LogicalResult RmsNormDataGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &x = in[1], &w = in[2], &rstd = in[3];
  int64_t d = x.columns();
  Tensor out = g;
  for (int64_t c = 0; c < x.rows(); ++c) {
    double mean = 0;
    for (int64_t i = 0; i < d; ++i)
      mean += g.data[c * d + i] * w.data[i] * x.data[c * d + i] * rstd.data[c] / d;
    for (int64_t i = 0; i < d; ++i)
      out.data[c * d + i] = rstd.data[c] * (g.data[c * d + i] * w.data[i] - x.data[c * d + i] * rstd.data[c] * mean) +
                            (getResidual() ? in[4].data[c * d + i] : 0);
  }
  results.push_back(std::move(out));
  return success();
}

LogicalResult RmsNormWeightGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &x = in[1], &rstd = in[2];
  Tensor out = in[3];
  for (int64_t c = 0, d = x.columns(); c < x.rows(); ++c)
    for (int64_t i = 0; i < d; ++i)
      out.data[i] += g.data[c * d + i] * x.data[c * d + i] * rstd.data[c];
  results.push_back(std::move(out));
  return success();
}

LogicalResult AttentionGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &q = in[1], &k = in[2], &v = in[3], &result = in[4], &lse = in[5], &offsets = in[6];
  int64_t heads = getHeads(), group = heads / getKvHeads(), width = q.columns(), head = width / heads, kv = k.columns();
  double scale = getScale().convertToFloat();
  Tensor dq{q.shape, std::vector<double>(q.data.size(), 0.0)}, dk{k.shape, std::vector<double>(k.data.size(), 0.0)}, dv = dk;
  for (int64_t s = 0; s + 1 < offsets.rows(); ++s)
    for (int64_t begin = at(offsets, s), c = begin; c < at(offsets, s + 1); ++c)
      for (int64_t h = 0; h < heads; ++h) {
        int64_t row = c * width + h * head;
        double total = 0;
        for (int64_t i = 0; i < head; ++i)
          total += g.data[row + i] * result.data[row + i];
        for (int64_t j = begin; j <= c; ++j) {
          int64_t key = j * kv + h / group * head;
          double score = 0, dp = 0;
          for (int64_t i = 0; i < head; ++i) {
            score += q.data[row + i] * k.data[key + i];
            dp += g.data[row + i] * v.data[key + i];
          }
          double p = std::exp(scale * score - lse.data[c * heads + h]), ds = scale * p * (dp - total);
          for (int64_t i = 0; i < head; ++i) {
            dq.data[row + i] += ds * k.data[key + i];
            dk.data[key + i] += ds * q.data[row + i];
            dv.data[key + i] += p * g.data[row + i];
          }
        }
      }
  results.push_back(std::move(dq));
  results.push_back(std::move(dk));
  results.push_back(std::move(dv));
  return success();
}

LogicalResult ScatterRowsOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &extents) {
  const Tensor &x = in[0], &rows = in[1];
  int64_t d = x.columns();
  Tensor out = reference::filled(getResult().getType(), extents);
  for (int64_t r = 0; r < rows.rows(); ++r)
    std::copy_n(&x.data[r * d], d, &out.data[at(rows, r) * d]);
  results.push_back(std::move(out));
  return success();
}

LogicalResult LinearLogprobGradOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &g = in[0], &h = in[1], &w = in[2], &targets = in[3], &lse = in[4];
  Tensor dw = in[5], dh{h.shape, std::vector<double>(h.data.size(), 0.0)};
  int64_t d = w.columns(), vocabulary = w.rows();
  double temperature = getTemperature().convertToFloat();
  size_t operands = in.size();
  int64_t kept = getKeptLogits() ? in[operands - 2].columns() : 0;
  for (int64_t r = 0; r < h.rows(); ++r)
    for (int64_t v = 0; v < vocabulary; ++v) {
      double z = 0;
      if (v < kept)
        z = in[operands - 2].data[r * kept + v] + in[operands - 1].data[r * in[operands - 1].columns() + v / LinearLogprobOp::kBlock];
      for (int64_t i = 0; v >= kept && i < d; ++i)
        z += h.data[r * d + i] * w.data[v * d + i] / temperature;
      double p = std::exp(z - lse.data[r]);
      double dz = g.data[r] * ((v == at(targets, r)) - p);
      if (getEntropy())
        dz -= in[6].data[r] * p * (z - lse.data[r] + in[7].data[r]);
      dz /= temperature;
      for (int64_t i = 0; i < d; ++i) {
        dh.data[r * d + i] += dz * w.data[v * d + i];
        dw.data[v * d + i] += dz * h.data[r * d + i];
      }
    }
  results.push_back(std::move(dh));
  results.push_back(std::move(dw));
  return success();
}

LogicalResult SquaredNormOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[1];
  for (double x : in[0].data)
    out.data[0] += x * x;
  results.push_back(std::move(out));
  return success();
}

LogicalResult AdamwOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor w = in[0], m = in[2], v = in[3];
  double lr = in[4].data[0], step = in[5].data[0], scale = in[6].data[0];
  double beta1 = getBeta1().convertToFloat(), beta2 = getBeta2().convertToFloat();
  for (size_t i = 0; i < w.data.size(); ++i) {
    double g = in[1].data[i] * scale;
    m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
    v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
    double mean = m.data[i] / (1 - std::pow(beta1, step)), square = v.data[i] / (1 - std::pow(beta2, step));
    w.data[i] = w.data[i] * (1 - lr * getWeightDecay().convertToFloat()) - lr * mean / (std::sqrt(square) + getEps().convertToFloat());
  }
  Tensor copy = w;
  results.push_back(std::move(w));
  results.push_back(std::move(m));
  results.push_back(std::move(v));
  if (getCopy())
    results.push_back(std::move(copy));
  return success();
}
