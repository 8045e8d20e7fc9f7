// The softmax of one block of keys after the other, which nn.attention and nn.paged_attention share
// (AttentionKernel.h).

#include "passes/cuda/AttentionKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SpecialFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

Value number(TileKernelBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(value)));
}
Value fadd(TileKernelBuilder &b, Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value fmul(TileKernelBuilder &b, Value x, Value y) { return arith::MulFOp::create(b, x, y); }
// The larger one; of a NaN and a number the number.
Value fmax(TileKernelBuilder &b, Value x, Value y) { return arith::MaxNumFOp::create(b, x, y); }

// Over the four lanes that share a row.
Value acrossRow(TileKernelBuilder &b, Value x, function_ref<Value(Value, Value)> combine) {
  for (int64_t distance : {1, 2})
    x = combine(x, b.exchange(x, distance));
  return x;
}

} // namespace

float Attention::factor() const { return static_cast<float>(static_cast<double>(scale) * M_LOG2E); }

Value rowsOf(TileKernelBuilder &b, RankedTensorType type) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type))
    return b.add(b.dim(static_cast<unsigned>(axis->getAxis()) - 1), axis->getExtra());
  return b.c(type.getDimSize(0));
}

SoftmaxRows SoftmaxRows::start(TileKernelBuilder &b) {
  Value zero = number(b, 0), least = number(b, -std::numeric_limits<double>::infinity());
  return {{least, least}, {{zero, zero}, {zero, zero}}};
}

SoftmaxRows SoftmaxRows::from(ValueRange values) {
  return {{values[0], values[1]}, {{values[2], values[3]}, {values[4], values[5]}}};
}

void SoftmaxRows::append(SmallVectorImpl<Value> &values) const {
  values.append({top[0], top[1], sums[0][0], sums[0][1], sums[1][0], sums[1][1]});
}

Value topOfRow(TileKernelBuilder &b, ValueRange scores, int64_t h) {
  SmallVector<Value> tree;
  for (size_t four = 0; four < scores.size(); four += 4)
    for (size_t e = 0; e < 2; ++e)
      tree.push_back(scores[four + 2 * static_cast<size_t>(h) + e]);
  for (; tree.size() > 1; tree.resize(tree.size() / 2))
    for (size_t i = 0; i < tree.size() / 2; ++i)
      tree[i] = fmax(b, tree[i], tree[i + tree.size() / 2]);
  return acrossRow(b, tree[0], [&](Value x, Value y) { return fmax(b, x, y); });
}

SoftmaxBlock softmaxBlock(TileKernelBuilder &b, const SoftmaxRows &rows, ValueRange scores,
                          float factor) {
  constexpr int64_t kEights = kAttentionKeys / 8;
  Value c = number(b, factor);
  SoftmaxBlock block;
  block.weights.resize(scores.size());
  for (int64_t h = 0; h < 2; ++h) {
    auto index = [&](int64_t eight, int64_t e) { return 4 * eight + 2 * h + e; };
    Value top = fmax(b, rows.top[h], topOfRow(b, scores, h));
    block.rows.top[h] = top;
    block.scales[h] = exp2(b, fmul(b, arith::SubFOp::create(b, rows.top[h], top), c));
    Value shift = arith::NegFOp::create(b, fmul(b, top, c));
    for (int64_t e = 0; e < 2; ++e) {
      Value sum = fmul(b, rows.sums[h][e], block.scales[h]);
      for (int64_t eight = 0; eight < kEights; ++eight) {
        Value p = exp2(b, math::FmaOp::create(b, scores[index(eight, e)], c, shift));
        sum = fadd(b, sum, p);
        block.weights[index(eight, e)] = p;
      }
      block.rows.sums[h][e] = sum;
    }
  }
  return block;
}

SmallVector<Value> maskScores(TileKernelBuilder &b, ValueRange scores,
                              function_ref<Value(int64_t j, int64_t h)> sees) {
  Value least = number(b, -std::numeric_limits<double>::infinity());
  SmallVector<Value> masked;
  for (auto [i, score] : llvm::enumerate(scores)) {
    int64_t index = static_cast<int64_t>(i);
    masked.push_back(b.select(sees(index / 4 * 8 + index % 2, index / 2 % 2), score, least));
  }
  return masked;
}

SmallVector<Value> packWeights(TileKernelBuilder &b, ValueRange weights) {
  SmallVector<Value> words;
  for (size_t i = 0; i < weights.size(); i += 2)
    words.push_back(packBf16(b, weights[i], weights[i + 1]));
  return words;
}

RowTotals totalsOf(TileKernelBuilder &b, const SoftmaxRows &rows) {
  RowTotals end{{rows.top[0], rows.top[1]}, {}};
  for (int64_t h = 0; h < 2; ++h)
    end.sum[h] = acrossRow(b, fadd(b, rows.sums[h][0], rows.sums[h][1]),
                           [&](Value x, Value y) { return fadd(b, x, y); });
  return end;
}

SoftmaxEnd finishSoftmax(TileKernelBuilder &b, const RowTotals &rows, float scale) {
  SoftmaxEnd end;
  for (int64_t h = 0; h < 2; ++h) {
    end.inverse[h] = arith::DivFOp::create(b, number(b, 1), rows.sum[h]);
    end.lse[h] = math::FmaOp::create(b, log2(b, rows.sum[h]), number(b, M_LN2),
                                     fmul(b, rows.top[h], number(b, scale)));
  }
  return end;
}

SmallVector<Value> scaleRows(TileKernelBuilder &b, ValueRange values, const Value (&scales)[2]) {
  SmallVector<Value> scaled;
  for (auto [i, value] : llvm::enumerate(values))
    scaled.push_back(fmul(b, value, scales[i / 2 % 2]));
  return scaled;
}

} // namespace mirl::passes::cuda
