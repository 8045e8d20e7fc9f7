// nn.linear_logprob and its adjoint on the tensor cores.
//
// Forward: one product over the whole vocabulary, whose logits never leave the registers: of each
// row and block of 256 it stores maximum and sums (16 bytes at most), which a second kernel merges
// in ascending order.
//
// Adjoint: the vocabulary goes by in chunks, whose gradient of the logits, in bf16, is within
// kLogitGradientBytes and whose products fill the machine best: the chunk's logits once more, turned into
// their gradient on the way to memory, then its product with the weight, added to the hidden
// states' gradient in f32, and with the hidden states, added to the weight's.

#include "passes/cuda/TileSchedules.h"

#include "passes/cpu/LogSumExp.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// What both passes know.
struct Head {
  RankedTensorType rows;
  int64_t vocabulary, depth;
  Value hidden, weight; // slices
  float inverse;        // of the temperature
  bool entropy;
  std::string name;
  Location loc;

  Head(Operation *op, Lowering &lowering, Value hidden, Value weight, APFloat temperature,
       bool entropy)
      : rows(typeOf(hidden)), vocabulary(typeOf(weight).getDimSize(0)),
        depth(typeOf(weight).getDimSize(1)), hidden(lowering.slice(hidden)),
        weight(lowering.slice(weight)), inverse(1.0f / temperature.convertToFloat()),
        entropy(entropy), loc(op->getLoc()) {
    name = "_" + cpu::axisName(rows) + "_v" + std::to_string(vocabulary) + "_k" +
           std::to_string(depth) + "_t" +
           llvm::utohexstr(temperature.bitcastToAPInt().getZExtValue(), /*LowerCase=*/true) +
           (entropy ? "_entropy" : "");
  }
  RankedTensorType columns(int64_t count, Type element) const {
    return RankedTensorType::get({rows.getDimSize(0), count}, element, rows.getEncoding());
  }
};

void setCost(cpu::LaunchSpec &spec, RankedTensorType rows, double flops, double rowBytes,
             double fixedBytes) {
  spec.flops = plan::perRow(rows, flops);
  auto fixed = plan::AffineAttr::get(rows.getContext(), fixedBytes, 0.0, 0.0, 0.0, 0.0);
  spec.bytes = plan::add(plan::perRow(rows, rowBytes), fixed);
}

// The products of the adjoint of one chunk of the vocabulary: its logits, which become their
// gradient; what that adds to the gradients of the hidden states and of the weight.
struct ChunkProducts {
  TensorCoreProduct logits, data, weight;

  ChunkProducts(const Head &head, TensorCoreProduct::Piece chunk, bool entropy) {
    logits.j = data.k = weight.i = chunk.step;
    logits.k = data.j = weight.j = head.depth;
    setRows(logits, head.rows, logits.i);
    setRows(data, head.rows, data.i);
    setRows(weight, head.rows, weight.k);
    logits.bPiece = data.bPiece = weight.resultPiece = chunk;
    logits.epilogue = logitGradientEpilogue(chunk.step, head.inverse, entropy);
    data.b = weight.a = weight.b = Major::mn;
    data.f32Result = data.accumulate = weight.f32Result = weight.accumulate = true;
  }
  // Their tiles; microseconds.
  double choose(int64_t capacity) {
    return chooseTile(logits, capacity) + chooseTile(data, capacity) + chooseTile(weight, capacity);
  }
};

// Entries of the vocabulary in a chunk: all of them where they fit; else a multiple of 128, of
// which the whole takes the least time by the estimate.
int64_t chunkOf(const Head &head, bool entropy, int64_t capacity) {
  int64_t v = head.vocabulary, size = 128;
  int64_t most = std::max(kLogitGradientBytes / (2 * std::max<int64_t>(capacity, 1)), 2 * size);
  if (v <= most)
    return v;
  int64_t best = 0;
  double least = 0;
  for (int64_t chunk = most / size * size; chunk > most / 2; chunk -= size) {
    double time = static_cast<double>(llvm::divideCeil(v, chunk)) *
                  ChunkProducts(head, {chunk, v}, entropy).choose(capacity);
    if (best && time >= least)
      continue;
    best = chunk;
    least = time;
  }
  return best;
}

} // namespace

LogicalResult lowerLinearLogprob(Operation *op, Lowering &lowering) {
  auto logprob = cast<nn::LinearLogprobOp>(op);
  bool entropy = static_cast<bool>(logprob.getEntropy());
  Head head(op, lowering, logprob.getHidden(), logprob.getWeight(), logprob.getTemperature(),
            entropy);
  auto f32 = Float32Type::get(op->getContext());
  int64_t blocks = llvm::divideCeil(head.vocabulary, cpu::kVocabularyBlock), size = entropy ? 3 : 2;
  Value sums = lowering.scratch(head.columns(blocks * size, f32), "block_sums");
  Value targetLogits = lowering.scratch(head.columns(1, f32), "target_logits");

  TensorCoreProduct p;
  p.j = head.vocabulary;
  p.k = head.depth;
  setRows(p, head.rows, p.i);
  p.epilogue = logSumExpEpilogue(head.vocabulary, head.inverse, entropy);
  chooseTile(p, lowering.capacity(head.rows));
  cpu::LaunchSpec spec;
  spec.kernel = "tile_logprob" + head.name;
  spec.reads = {head.hidden, head.weight, lowering.slice(logprob.getTargets())};
  spec.writes = {sums, targetLogits};
  setCost(spec, head.rows, (2.0 * head.depth + 20.0) * head.vocabulary,
          2.0 * head.depth + 4.0 * blocks * size, 2.0 * head.depth * head.vocabulary);
  launchProduct(lowering, spec, p, head.rows, head.loc);

  cpu::LaunchSpec merge;
  merge.kernel = "logprob_merge_" + cpu::axisName(head.rows) + "_b" + std::to_string(blocks) +
                 (entropy ? "_entropy" : "");
  merge.reads = {sums, targetLogits};
  merge.writes = {lowering.slice(logprob.getLogprob()), lowering.slice(logprob.getLse())};
  if (entropy)
    merge.writes.push_back(lowering.slice(logprob.getEntropy()));
  merge.work = lowering.rows(head.rows);
  setCost(merge, head.rows, 60.0 * blocks, 4.0 * blocks * size, 0);
  lowering.launch(merge, [&](cpu::KernelBuilder &b) {
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value first = b.mul(row, blocks * size);
      SmallVector<Value> all =
          b.loopCarry(b.c(0), b.c(blocks), 1, cpu::RowSums::start(b, entropy).values(),
                      [&](Value block, ValueRange carried) {
                        cpu::RowSums next = cpu::loadSums(
                            b, b.buffer(0), b.add(first, b.mul(block, size)), entropy);
                        return cpu::mergeBlock(b, cpu::RowSums::from(carried), next).values();
                      });
      cpu::RowResult result = cpu::rowResult(b, cpu::RowSums::from(all), b.loadf(b.buffer(1), row));
      b.store(result.logprob, b.buffer(2), row);
      b.store(result.lse, b.buffer(3), row);
      if (entropy)
        b.store(result.entropy, b.buffer(4), row);
    });
  });
  return success();
}

LogicalResult lowerLinearLogprobGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearLogprobGradOp>(op);
  bool entropy = static_cast<bool>(grad.getEntropy());
  Head head(op, lowering, grad.getHidden(), grad.getWeight(), grad.getTemperature(), entropy);
  int64_t v = head.vocabulary, d = head.depth, capacity = lowering.capacity(head.rows);
  int64_t chunk = chunkOf(head, entropy, capacity), count = llvm::divideCeil(v, chunk);
  TensorCoreProduct::Piece piece{chunk, v};
  head.name += "_c" + std::to_string(chunk);
  Value dz =
      lowering.scratch(head.columns(chunk, BFloat16Type::get(op->getContext())), "logit_gradient");
  Value hiddenGradient = cpu::chainSlice(lowering, grad.getHiddenGradient(), "hidden_gradient");
  lowering.fill(hiddenGradient);
  lowering.loop(lowering.items(count), 0, [&] {
    ChunkProducts products(head, piece, entropy);
    products.choose(capacity);
    auto &[logits, data, weight] = products;
    cpu::LaunchSpec spec;
    spec.kernel = "tile_logit_gradient" + head.name;
    spec.reads = {head.hidden, head.weight, lowering.slice(grad.getLogprobGradient()),
                  lowering.slice(grad.getTargets()), lowering.slice(grad.getLse())};
    if (entropy)
      spec.reads.append(
          {lowering.slice(grad.getEntropyGradient()), lowering.slice(grad.getEntropy())});
    spec.writes = {dz};
    setCost(spec, head.rows, (2.0 * d + 20.0) * chunk, 2.0 * (d + chunk), 2.0 * d * chunk);
    launchProduct(lowering, spec, logits, head.rows, head.loc);

    // hidden gradient += dz · weight[chunk]
    cpu::LaunchSpec hidden;
    hidden.kernel = "tile_logprob_data_grad" + head.name;
    hidden.reads = {dz, head.weight};
    hidden.writes = {hiddenGradient};
    hidden.updates = {0};
    setCost(hidden, head.rows, 2.0 * d * chunk, 2.0 * chunk + 8.0 * d, 2.0 * d * chunk);
    launchProduct(lowering, hidden, data, head.rows, head.loc);

    // weight gradient[chunk] += dzᵀ · hidden
    cpu::LaunchSpec weights;
    weights.kernel = "tile_logprob_weight_grad" + head.name;
    weights.reads = {dz, head.hidden};
    weights.writes = {lowering.slice(grad.getWeightGradient())};
    weights.updates = {0};
    setCost(weights, head.rows, 2.0 * d * chunk, 2.0 * (chunk + d), 8.0 * d * chunk);
    launchProduct(lowering, weights, weight, head.rows, head.loc);
  });
  if (Value rounded = lowering.slice(grad.getHiddenGradient()); rounded != hiddenGradient)
    cpu::emitCast(lowering, hiddenGradient, rounded);
  return success();
}

} // namespace mirl::passes::cuda
