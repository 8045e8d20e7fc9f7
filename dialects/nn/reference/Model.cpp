// Reference semantics of NnModelOps.td: plain loops in float64.

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Philox.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mirl::nn;
using reference::Extents;
using reference::Tensor;

namespace {

Tensor zeros(std::vector<int64_t> shape) {
  int64_t n = 1;
  for (int64_t size : shape)
    n *= size;
  return {std::move(shape), std::vector<double>(n, 0.0)};
}

// x · wᵀ of one row.
double dot(const double *x, const double *w, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k)
    sum += x[k] * w[k];
  return sum;
}

int64_t at(const Tensor &t, int64_t i) { return static_cast<int64_t>(t.data[i]); }

} // namespace

LogicalResult ConstantOp::evaluate(ArrayRef<Tensor>, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out;
  auto type = cast<RankedTensorType>(getResult().getType());
  out.shape.assign(type.getShape().begin(), type.getShape().end());
  for (APFloat value : cast<DenseElementsAttr>(getValue()).getValues<APFloat>())
    out.data.push_back(value.convertToFloat());
  results.push_back(std::move(out));
  return success();
}

LogicalResult EmbeddingOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &table = in[0], &ids = in[1];
  int64_t d = table.columns();
  Tensor out = zeros({ids.rows(), d});
  for (int64_t c = 0; c < ids.rows(); ++c)
    std::copy_n(&table.data[at(ids, c) * d], d, &out.data[c * d]);
  results.push_back(std::move(out));
  return success();
}

LogicalResult LinearOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &x = in[0], &w = in[1];
  const Tensor *bias = getBias() ? &in[2] : nullptr;
  const Tensor *residual = getResidual() ? &in[getBias() ? 3 : 2] : nullptr;
  int64_t k = w.columns(), n = w.rows();
  Tensor out = zeros({x.rows(), n});
  for (int64_t m = 0; m < x.rows(); ++m)
    for (int64_t j = 0; j < n; ++j)
      out.data[m * n + j] = dot(&x.data[m * k], &w.data[j * k], k) + (bias ? bias->data[j] : 0) +
                            (residual ? residual->data[m * n + j] : 0);
  results.push_back(std::move(out));
  return success();
}

LogicalResult RmsNormOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &x = in[0], &w = in[1];
  int64_t d = x.columns();
  Tensor out = zeros(x.shape), rstd = zeros({x.rows()});
  for (int64_t c = 0; c < x.rows(); ++c) {
    const double *row = &x.data[c * d];
    rstd.data[c] = 1 / std::sqrt(dot(row, row, d) / d + getEps().convertToFloat());
    for (int64_t i = 0; i < d; ++i)
      out.data[c * d + i] = row[i] * rstd.data[c] * w.data[i];
  }
  results.push_back(std::move(out));
  results.push_back(std::move(rstd));
  return success();
}

LogicalResult RotaryOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &x = in[0], &positions = in[1], &table = in[2];
  int64_t head = getHeadDim(), half = head / 2, width = x.columns();
  Tensor out = zeros(x.shape);
  for (int64_t c = 0; c < x.rows(); ++c)
    for (int64_t h = 0; h < width / head; ++h)
      for (int64_t i = 0; i < half; ++i) {
        const double *angle = &table.data[at(positions, c) * head];
        double cosine = angle[i], sine = getInverse() ? -angle[half + i] : angle[half + i];
        int64_t base = c * width + h * head;
        double a = x.data[base + i], b = x.data[base + half + i];
        out.data[base + i] = a * cosine - b * sine;
        out.data[base + half + i] = b * cosine + a * sine;
      }
  results.push_back(std::move(out));
  return success();
}

// Attention of one query row and head over `count` keys; key(j) and value(j) point at head_dim numbers.
template <typename Key, typename ValueAt>
static double attend(const double *query, int64_t headDim, double scale, int64_t count, Key key, ValueAt value,
                     double *out) {
  std::vector<double> p(count);
  for (int64_t j = 0; j < count; ++j)
    p[j] = scale * key(j, query);
  double top = *std::max_element(p.begin(), p.end()), sum = 0;
  for (double &s : p)
    sum += s = std::exp(s - top);
  for (int64_t j = 0; j < count; ++j)
    for (int64_t i = 0; i < headDim; ++i)
      out[i] += p[j] / sum * value(j)[i];
  return top + std::log(sum);
}

LogicalResult AttentionOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &q = in[0], &k = in[1], &v = in[2], &offsets = in[3];
  int64_t heads = getHeads(), group = heads / getKvHeads(), width = q.columns(), head = width / heads, kv = k.columns();
  Tensor out = zeros(q.shape), lse = zeros({q.rows(), heads});
  for (int64_t s = 0; s + 1 < offsets.rows(); ++s)
    for (int64_t begin = at(offsets, s), c = begin; c < at(offsets, s + 1); ++c)
      for (int64_t h = 0; h < heads; ++h) {
        int64_t column = h / group * head;
        lse.data[c * heads + h] = attend(
            &q.data[c * width + h * head], head, getScale().convertToFloat(), c - begin + 1,
            [&](int64_t j, const double *query) { return dot(query, &k.data[(begin + j) * kv + column], head); },
            [&](int64_t j) { return &v.data[(begin + j) * kv + column]; }, &out.data[c * width + h * head]);
      }
  results.push_back(std::move(out));
  results.push_back(std::move(lse));
  return success();
}

LogicalResult KvAppendOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &k = in[0], &v = in[1], &table = in[4], &slots = in[5], &positions = in[6];
  Tensor keys = in[2], values = in[3];
  int64_t heads = keys.shape[1], head = keys.shape[2];
  for (int64_t c = 0; c < k.rows(); ++c)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < head; ++i) {
        int64_t p = at(positions, c), block = at(table, at(slots, c) * table.columns() + p / 16);
        int64_t to = (block * heads + h) * head * 16, from = c * k.columns() + h * head + i;
        keys.data[to + i * 16 + p % 16] = k.data[from];
        values.data[to + p % 16 * head + i] = v.data[from];
      }
  results.push_back(std::move(keys));
  results.push_back(std::move(values));
  return success();
}

LogicalResult PagedAttentionOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &q = in[0], &keys = in[1], &values = in[2], &table = in[3], &slots = in[4], &positions = in[5];
  int64_t heads = getHeads(), kvHeads = getKvHeads(), group = heads / kvHeads, width = q.columns(), head = width / heads;
  Tensor out = zeros(q.shape);
  for (int64_t c = 0; c < q.rows(); ++c)
    for (int64_t h = 0; h < heads; ++h) {
      auto block = [&](int64_t j) {
        return (at(table, at(slots, c) * table.columns() + j / 16) * kvHeads + h / group) * head * 16;
      };
      attend(
          &q.data[c * width + h * head], head, getScale().convertToFloat(), at(positions, c) + 1,
          [&](int64_t j, const double *query) {
            double sum = 0;
            for (int64_t i = 0; i < head; ++i)
              sum += query[i] * keys.data[block(j) + i * 16 + j % 16];
            return sum;
          },
          [&](int64_t j) { return &values.data[block(j) + j % 16 * head]; }, &out.data[c * width + h * head]);
    }
  results.push_back(std::move(out));
  return success();
}

LogicalResult GatherRowsOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &x = in[0], &rows = in[1];
  int64_t d = x.columns();
  Tensor out = zeros({rows.rows(), d});
  for (int64_t r = 0; r < rows.rows(); ++r)
    std::copy_n(&x.data[at(rows, r) * d], d, &out.data[r * d]);
  results.push_back(std::move(out));
  return success();
}

LogicalResult LinearLogprobOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &h = in[0], &w = in[1], &targets = in[2];
  int64_t d = w.columns(), vocabulary = w.rows();
  int64_t kept = static_cast<int64_t>(getKept()), blocks = blocksOf(kept);
  Tensor logprob = zeros({h.rows()}), lse = logprob, entropy = logprob;
  Tensor logits = zeros({h.rows(), kept}), maxima = zeros({h.rows(), blocks});
  std::vector<double> z(vocabulary);
  for (int64_t r = 0; r < h.rows(); ++r) {
    for (int64_t v = 0; v < vocabulary; ++v)
      z[v] = dot(&h.data[r * d], &w.data[v * d], d) / getTemperature().convertToFloat();
    double top = *std::max_element(z.begin(), z.end()), sum = 0, weighted = 0;
    for (double value : z) {
      sum += std::exp(value - top);
      weighted += std::exp(value - top) * value;
    }
    lse.data[r] = top + std::log(sum);
    logprob.data[r] = z[at(targets, r)] - lse.data[r];
    entropy.data[r] = lse.data[r] - weighted / sum;
    for (int64_t block = 0; block < blocks; ++block) {
      int64_t from = block * kBlock, to = std::min(from + kBlock, vocabulary);
      double most = maxima.data[r * blocks + block] = *std::max_element(&z[from], z.data() + to);
      for (int64_t v = from; v < to; ++v)
        logits.data[r * kept + v] = z[v] - most;
    }
  }
  results.push_back(std::move(logprob));
  results.push_back(std::move(lse));
  if (getEntropy())
    results.push_back(std::move(entropy));
  if (kept) {
    results.push_back(std::move(logits));
    results.push_back(std::move(maxima));
  }
  return success();
}

LogicalResult SampleOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  const Tensor &logits = in[0], &ids = in[1], &steps = in[2];
  auto seed = static_cast<uint64_t>(static_cast<int64_t>(in[3].data[0]));
  double temperature = in[4].data[0], topP = in[6].data[0];
  int64_t topK = at(in[5], 0), vocabulary = logits.columns();
  Tensor token = zeros({logits.rows()}), logprob = token;
  for (int64_t r = 0; r < logits.rows(); ++r) {
    std::vector<double> z(&logits.data[r * vocabulary], &logits.data[r * vocabulary] + vocabulary);
    if (temperature > 0)
      for (double &value : z)
        value /= temperature;
    double top = *std::max_element(z.begin(), z.end()), sum = 0;
    for (double value : z)
      sum += std::exp(value - top);
    int64_t chosen = std::max_element(z.begin(), z.end()) - z.begin();
    if (temperature > 0) {
      std::vector<double> sorted = z;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      double threshold = -INFINITY;
      if (topK > 0 && topK < vocabulary)
        threshold = sorted[topK - 1];
      auto kept = [&](double value) { return value >= threshold; };
      if (topP < 1) {
        double total = 0, reached = 0;
        for (double value : z)
          total += kept(value) ? std::exp(value - top) : 0;
        for (double value : sorted) {
          if (!kept(value))
            break;
          reached += std::exp(value - top);
          if (reached >= topP * total) {
            threshold = std::max(threshold, value);
            break;
          }
        }
      }
      double total = 0, running = 0;
      for (double value : z)
        total += kept(value) ? std::exp(value - top) : 0;
      double u = reference::uniform(seed, static_cast<uint64_t>(at(ids, r)), static_cast<uint32_t>(at(steps, r)));
      for (int64_t v = 0; v < vocabulary; ++v) {
        if (!kept(z[v]))
          continue;
        chosen = v;
        running += std::exp(z[v] - top);
        if (running > u * total)
          break;
      }
    }
    token.data[r] = chosen;
    logprob.data[r] = z[chosen] - (top + std::log(sum));
  }
  results.push_back(std::move(token));
  results.push_back(std::move(logprob));
  return success();
}
