// nn.linear_logprob and its adjoint on the tensor cores.
//
// Forward: one product over the whole vocabulary, whose logits never leave the registers: of each
// row and block of 256 it stores maximum and sums (16 bytes at most), which a second kernel merges
// in ascending order. The first columns may be kept for the adjoint, in bf16.
//
// Adjoint: what was kept becomes its gradient in place. The rest of the vocabulary goes by in
// chunks, whose gradient of the logits, in bf16, is within kLogitChunkBytes, or has the place of what was
// kept, and whose products fill the machine best: the chunk's logits once more, turned into their
// gradient on the way to memory. Each piece is multiplied with the weight, by a product that goes on
// with the sums of the piece before it, and with the hidden states, added to the weight's gradient.

#include "passes/cuda/TileSchedules.h"

#include "passes/Numerics.h"
#include "passes/cpu/LogSumExp.h"
#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/ThreadMaths.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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

// The products of the adjoint of a piece of the vocabulary: its logits, which become their gradient;
// what that adds to the gradients of the hidden states and of the weight.
struct PieceProducts {
  TensorCoreProduct logits, data, weight;

  // `size` entries: the first ones, or a chunk of those behind.
  PieceProducts(const Head &head, int64_t size, std::optional<TensorCoreProduct::Piece> chunk) {
    logits.j = data.k = weight.i = size;
    logits.k = data.j = weight.j = head.depth;
    setRows(logits, head.rows, logits.i);
    setRows(data, head.rows, data.i);
    setRows(weight, head.rows, weight.k);
    logits.bPiece = data.bPiece = weight.resultPiece = chunk;
    if (chunk)
      logits.epilogue = logitGradientEpilogue(chunk->first, chunk->step, head.vocabulary,
                                              head.inverse, head.entropy);
    data.b = weight.a = weight.b = Major::mn;
    data.f32Result = weight.f32Result = weight.accumulate = true;
  }
  // Their tiles; microseconds.
  double choose(int64_t capacity) {
    return (logits.epilogue ? chooseTile(logits, capacity) : 0) + chooseTile(data, capacity) +
           chooseTile(weight, capacity);
  }
};

// Entries of the vocabulary in a chunk of those behind the first `kept`, of which `most` fit: all of
// them where they do; else a multiple of 256, of which the whole takes the least time by the
// estimate.
int64_t chunkOf(const Head &head, int64_t kept, int64_t most, int64_t capacity) {
  int64_t rest = head.vocabulary - kept, size = cpu::kVocabularyBlock;
  if (rest <= most)
    return rest;
  int64_t best = 0;
  double least = 0;
  for (int64_t chunk = most / size * size; chunk > most / 2; chunk -= size) {
    PieceProducts products(head, chunk, TensorCoreProduct::Piece{chunk, head.vocabulary, kept});
    products.data.accumulate = products.data.continues = true;
    double time = static_cast<double>(llvm::divideCeil(rest, chunk)) * products.choose(capacity);
    if (best && time >= least)
      continue;
    best = chunk;
    least = time;
  }
  return best;
}

// The kernel that turns kept logits into their gradient, in place: of each what the epilogue of its
// product would have made of it. A work item is kAhead · 1,024 columns of a row, of which a thread
// has 16 bytes of each 1,024, and a warp one block. Buffers: as of that epilogue, maxima, logits.
class KeptGradient {
public:
  static constexpr int64_t kAhead = 4, kNumbers = 8, kBlocks = 8;
  static constexpr int64_t kPiece = kWarpgroup * kNumbers, kItem = kAhead * kPiece;

  KeptGradient(LLVM::LLVMFuncOp kernel, const Head &head, int64_t kept)
      : b(head.loc, kernel, /*maps=*/0, head.entropy ? 7 : 5), head(head), kept(kept) {}

  void emit() {
    int64_t groups = llvm::divideCeil(kept, kItem);
    b.loop(b.firstItem(), b.items(), b.itemStep(), {},
           [&](Value item, ValueRange) -> SmallVector<Value> {
             emitItem(b.divide(item, groups), b.mul(b.rem(item, groups), kItem));
             return {};
           });
    b.finish(/*warpgroups=*/1, /*sharedBytes=*/0, kBlocks);
  }

private:
  Value load(unsigned buffer, Value index, Type type) {
    return LLVM::LoadOp::create(b, type, b.at(b.buffer(buffer), index, type));
  }
  Value loadf(unsigned buffer, Value index) { return load(buffer, index, b.getF32Type()); }

  void emitItem(Value row, Value column0) {
    int64_t blocks = llvm::divideCeil(kept, cpu::kVocabularyBlock), size = cpu::kVocabularyBlock;
    auto words = VectorType::get({kNumbers / 2}, b.getI32Type());
    Value mine = b.add(column0, b.mul(b.threadOfGroup(), kNumbers));
    Value logits = b.at(b.buffer(head.entropy ? 6 : 4),
                        arith::MulIOp::create(b, b.wide(row), b.c64(kept)), b.getBF16Type());
    // All on their way before the first is used; beyond the end others are read, and not written.
    SmallVector<Value> columns, inside, pieces, tops;
    for (int64_t i = 0; i < kAhead; ++i) {
      Value column = b.add(mine, i * kPiece), here = b.lt(column, b.c(kept));
      columns.push_back(column);
      inside.push_back(here);
      Value known = kept % kItem ? b.select(here, column, b.c(0)) : column;
      pieces.push_back(LLVM::LoadOp::create(b, words, b.at(logits, known, b.getBF16Type()),
                                            /*alignment=*/2 * kNumbers));
      Value first = arith::MulIOp::create(b, b.wide(row), b.c64(blocks));
      tops.push_back(loadf(head.entropy ? 5 : 3,
                           arith::AddIOp::create(b, first, b.wide(b.divide(known, size)))));
    }
    Value target = load(1, row, b.getI32Type()), lse = loadf(2, row);
    cpu::LogitGradient of = {loadf(0, row), {}, {}, ThreadMaths(b).f(head.inverse)};
    if (head.entropy) {
      of.entropyGradient = loadf(3, row);
      of.entropy = loadf(4, row);
    }
    for (int64_t i = 0; i < kAhead; ++i) {
      auto emit = [&] { emitPiece(of, logits, columns[i], pieces[i], tops[i], target, lse); };
      if (kept % kItem)
        b.ifThen(inside[i], emit);
      else
        emit();
    }
  }

  void emitPiece(const cpu::LogitGradient &of, Value logits, Value column, Value piece, Value top,
                 Value target, Value lse) {
    ThreadMaths m(b);
    Value shift = m.fsub(top, lse), hit = b.sub(target, column);
    Value made = LLVM::PoisonOp::create(b, piece.getType());
    for (int64_t i = 0; i < kNumbers / 2; ++i) {
      auto [low, high] = b.unpack(LLVM::ExtractElementOp::create(b, piece, b.c(i)));
      Value first = logitGradient(b, of, m.fadd(low, shift), b.eq(hit, b.c(2 * i)));
      Value second = logitGradient(b, of, m.fadd(high, shift), b.eq(hit, b.c(2 * i + 1)));
      made = LLVM::InsertElementOp::create(b, made, packBf16(b, first, second), b.c(i));
    }
    LLVM::StoreOp::create(b, made, b.at(logits, column, b.getBF16Type()),
                          /*alignment=*/2 * kNumbers);
  }

  TileKernelBuilder b;
  const Head &head;
  int64_t kept;
};

void launchKeptGradient(nn::LinearLogprobGradOp grad, const Head &head, Lowering &lowering) {
  int64_t kept = typeOf(grad.getKeptLogits()).getDimSize(1);
  cpu::LaunchSpec spec;
  spec.kernel = "logprob_kept_gradient" + head.name;
  spec.reads = {lowering.slice(grad.getLogprobGradient()), lowering.slice(grad.getTargets()),
                lowering.slice(grad.getLse())};
  if (head.entropy)
    spec.reads.append(
        {lowering.slice(grad.getEntropyGradient()), lowering.slice(grad.getEntropy())});
  spec.reads.push_back(lowering.slice(grad.getMaxima()));
  spec.writes = {lowering.slice(grad.getKeptLogits())};
  spec.updates = {0};
  spec.work = lowering.rows(head.rows, 1, llvm::divideCeil(kept, KeptGradient::kItem));
  setCost(spec, head.rows, 12.0 * kept,
          4.0 * kept + 4.0 * llvm::divideCeil(kept, cpu::kVocabularyBlock), 0);
  lowering.launchTiles(
      spec, [&](LLVM::LLVMFuncOp kernel) { KeptGradient(kernel, head, kept).emit(); });
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
  int64_t kept = logprob.getKept();
  p.epilogue = logSumExpEpilogue(head.vocabulary, head.inverse, entropy, kept);
  if (kept && kept < head.vocabulary)
    p.stored = kept;
  chooseTile(p, lowering.capacity(head.rows));
  cpu::LaunchSpec spec;
  spec.kernel = "tile_logprob" + head.name;
  spec.reads = {head.hidden, head.weight, lowering.slice(logprob.getTargets())};
  spec.writes = {sums, targetLogits};
  if (kept) {
    spec.kernel += "_keep" + std::to_string(kept);
    spec.writes.append({lowering.slice(logprob.getMaxima()), lowering.slice(logprob.getKeptLogits())});
  }
  setCost(spec, head.rows, (2.0 * head.depth + 20.0) * head.vocabulary,
          2.0 * head.depth + 4.0 * blocks * size + 2.0 * kept, 2.0 * head.depth * head.vocabulary);
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

// Emits what the gradient of the logits of a piece, in `dz`, adds to the hidden states' and the
// weight's.
static void launchPiece(nn::LinearLogprobGradOp grad, const Head &head, PieceProducts &products,
                        Value dz, Value hiddenGradient, Lowering &lowering) {
  auto &[logits, data, weight] = products;
  int64_t d = head.depth, size = *data.k;
  cpu::LaunchSpec hidden;
  hidden.kernel = "tile_logprob_data_grad" + head.name + (data.f32Result ? "" : "_whole");
  hidden.reads = {dz, head.weight};
  hidden.writes = {hiddenGradient};
  if (data.accumulate)
    hidden.updates = {0};
  setCost(hidden, head.rows, 2.0 * d * size, 2.0 * size + 8.0 * d, 2.0 * d * size);
  launchProduct(lowering, hidden, data, head.rows, head.loc);

  cpu::LaunchSpec weights;
  weights.kernel = "tile_logprob_weight_grad" + head.name;
  weights.reads = {dz, head.hidden};
  weights.writes = {lowering.slice(grad.getWeightGradient())};
  weights.updates = {0};
  setCost(weights, head.rows, 2.0 * d * size, 2.0 * (size + d), 8.0 * d * size);
  launchProduct(lowering, weights, weight, head.rows, head.loc);
}

LogicalResult lowerLinearLogprobGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearLogprobGradOp>(op);
  Value keptLogits = grad.getKeptLogits();
  if (keptLogits &&
      (!keptLogits.getDefiningOp<nn::LinearLogprobOp>() || !keptLogits.hasOneUse()))
    return op->emitOpError("overwrites the kept logits: they must be a result of nn.linear_logprob "
                           "that nothing else reads");
  bool entropy = static_cast<bool>(grad.getEntropy());
  Head head(op, lowering, grad.getHidden(), grad.getWeight(), grad.getTemperature(), entropy);
  int64_t v = head.vocabulary, d = head.depth, capacity = lowering.capacity(head.rows);
  int64_t kept = keptLogits ? typeOf(keptLogits).getDimSize(1) : 0;
  // The chunks' gradients lie where the kept ones were, where that is large enough.
  int64_t most = std::max(kLogitChunkBytes / (2 * std::max<int64_t>(capacity, 1)),
                          2 * cpu::kVocabularyBlock);
  bool reuses = 2 * kept >= most;
  int64_t chunk = kept < v ? chunkOf(head, kept, reuses ? kept : most, capacity) : 0;
  int64_t count = chunk ? llvm::divideCeil(v - kept, chunk) : 0;
  // One product over all of the vocabulary gives its rounded result directly.
  bool whole = (kept ? 1 : 0) + count == 1;
  Value rounded = lowering.slice(grad.getHiddenGradient());
  Value hiddenGradient =
      whole ? rounded : cpu::chainSlice(lowering, grad.getHiddenGradient(), "hidden_gradient");
  auto name = [&, plain = head.name](int64_t size) {
    head.name = plain + "_c" + std::to_string(size);
    if (kept)
      head.name += "_of" + std::to_string(kept);
  };
  if (kept) {
    name(kept);
    launchKeptGradient(grad, head, lowering);
    PieceProducts products(head, kept, std::nullopt);
    products.data.f32Result = !whole;
    products.choose(capacity);
    head.name += "_kept";
    launchPiece(grad, head, products, lowering.slice(keptLogits), hiddenGradient, lowering);
  } else if (!whole) {
    lowering.fill(hiddenGradient);
  }
  if (count == 0)
    return success();
  name(chunk);
  Value dz = reuses && kept ? lowering.slice(keptLogits)
                            : lowering.scratch(head.columns(chunk, BFloat16Type::get(op->getContext())),
                                               "logit_gradient");
  lowering.loop(lowering.items(count), 0, [&] {
    PieceProducts products(head, chunk, TensorCoreProduct::Piece{chunk, v, kept});
    products.data.f32Result = products.data.accumulate = products.data.continues = !whole;
    products.choose(capacity);
    cpu::LaunchSpec spec;
    spec.kernel = "tile_logit_gradient" + head.name;
    spec.reads = {head.hidden, head.weight, lowering.slice(grad.getLogprobGradient()),
                  lowering.slice(grad.getTargets()), lowering.slice(grad.getLse())};
    if (entropy)
      spec.reads.append(
          {lowering.slice(grad.getEntropyGradient()), lowering.slice(grad.getEntropy())});
    spec.writes = {dz};
    setCost(spec, head.rows, (2.0 * d + 20.0) * chunk, 2.0 * (d + chunk), 2.0 * d * chunk);
    launchProduct(lowering, spec, products.logits, head.rows, head.loc);
    launchPiece(grad, head, products, dz, hiddenGradient, lowering);
  });
  if (!whole)
    cpu::emitCast(lowering, hiddenGradient, rounded);
  return success();
}

} // namespace mirl::passes::cuda
