// Schedules of nn.linear_logprob and its adjoint.
//
// The vocabulary goes by in chunks of kChunk: the head's rows of a chunk are packed, the chunk's
// logits of all rows are one product into scratch space of rows × kChunk, and a pass over them
// updates each row's sums (forward) or turns them into dz (adjoint). Scratch space does not depend
// on the vocabulary. Chunks are whole blocks of the log-sum-exp, so that the chunking changes no
// bit.

#include "passes/cpu/LogSumExp.h"
#include "passes/cpu/Product.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"

#include <limits>

using namespace mlir;

namespace mirl::passes::cpu {

namespace {

// A multiple of kVocabularyBlock. 1024 rows × 1024 logits are 4 MiB, which stay in the last-level
// cache.
constexpr int64_t kChunk = 1024;
constexpr int64_t kRowTile = 8;
// A row's state: maximum, sum, weighted sum, logit of the target.
constexpr int64_t kState = 4;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

std::string hexOf(const APFloat &number) {
  return llvm::utohexstr(number.bitcastToAPInt().getZExtValue(), true);
}

// The chunks of one vocabulary, and the slices that they go through.
class Chunks {
public:
  Chunks(Lowering &lowering, Value hidden, Value weight)
      : lowering_(lowering), rows_(typeOf(hidden)) {
    vocabulary_ = typeOf(weight).getDimSize(0);
    depth_ = typeOf(weight).getDimSize(1);
    columns_ = std::min<int64_t>(kChunk, llvm::alignTo(vocabulary_, kTileColumns));
    count_ = llvm::divideCeil(vocabulary_, columns_);
    auto f32 = Float32Type::get(lowering.context());
    packed_ = lowering.scratch(
        RankedTensorType::get({columns_ / kTileColumns, depth_, kTileColumns}, f32), "packed_head");
    logits_ = lowering.scratch(
        RankedTensorType::get({rows_.getDimSize(0), columns_}, f32, rows_.getEncoding()),
        "chunk_logits");
    hidden_ = lowering.slice(hidden);
    weight_ = lowering.slice(weight);
  }

  int64_t columns() const { return columns_; }
  int64_t vocabulary() const { return vocabulary_; }
  int64_t depth() const { return depth_; }
  Value logits() const { return logits_; }
  RankedTensorType rows() const { return rows_; }
  std::string name() const {
    return "_" + axisName(rows_) + "_v" + std::to_string(vocabulary_) + "_k" +
           std::to_string(depth_);
  }
  plan::WorkAttr count() { return lowering_.items(count_); }

  // The first vocabulary entry of this trip, and how many there are.
  Value first(KernelBuilder &b) const {
    return count_ == 1 ? b.c(0) : b.mul(b.dim(Dim::loop0), columns_);
  }
  Value size(KernelBuilder &b) const {
    return vocabulary_ % columns_ == 0 ? b.c(columns_)
                                       : b.min(b.sub(b.c(vocabulary_), first(b)), b.c(columns_));
  }

  // logits[r, v] of this trip's chunk.
  void multiply() {
    LaunchSpec pack;
    pack.kernel = "pack_head" + name();
    pack.reads = {weight_};
    pack.writes = {packed_};
    pack.work = lowering_.items(columns_ / kTileColumns);
    pack.bytes = plan::perRow(RankedTensorType::get({1}, Float32Type::get(lowering_.context())),
                              8.0 * columns_ * depth_);
    lowering_.launch(pack, [&](KernelBuilder &b) {
      Value source = b.buffer(0), target = b.buffer(1), start = first(b);
      b.loop(b.begin(), b.end(), 1, [&](Value panel) {
        // Panels behind the vocabulary repeat its last row: their logits are never read.
        Value last = b.c(vocabulary_ - 1);
        emitPackTransposedPanel(b, source, depth_,
                                b.min(b.add(start, b.mul(panel, kTileColumns)), last), last,
                                advance(b, target, b.mul(panel, kTileColumns * depth_)));
      });
    });
    Product p;
    p.columns = columns_;
    p.staticDepth = depth_;
    p.packedB = true;
    p.packA = depth_ > kLongRow;
    if (!rows_.isDynamicDim(0))
      p.staticRows = rows_.getDimSize(0);
    p.aRow = depth_;
    p.aK = 1;
    chooseBlocks(p, depth_);
    LaunchSpec spec;
    spec.kernel = "chunk_logits" + name();
    spec.reads = {hidden_, packed_};
    spec.writes = {logits_};
    spec.work = lowering_.rows(rows_, p.rowTiles * kTileRows, p.columnBlocks());
    spec.flops = plan::perRow(rows_, 2.0 * columns_ * depth_);
    spec.bytes = plan::perRow(rows_, 4.0 * (columns_ + depth_));
    lowering_.launch(spec, [&](KernelBuilder &b) {
      p.rows = rowsOf(b, rows_);
      p.depth = b.c(depth_);
      p.a = b.buffer(0);
      p.b = b.buffer(1);
      p.c = b.buffer(2);
      emitItems(b, p);
    });
  }

private:
  Lowering &lowering_;
  RankedTensorType rows_;
  int64_t vocabulary_, depth_, columns_, count_;
  Value hidden_, weight_, packed_, logits_;
};

// Calls body(row) for the rows of the items [begin, end) of kRowTile rows.
void forRows(KernelBuilder &b, RankedTensorType type, KernelBuilder::Body body) {
  b.loop(b.mul(b.begin(), kRowTile), b.min(b.mul(b.end(), kRowTile), rowsOf(b, type)), 1, body);
}

LogicalResult lowerLogprob(Operation *op, Lowering &lowering) {
  auto logprob = cast<nn::LinearLogprobOp>(op);
  if (logprob.getKept())
    return op->emitOpError("can keep logits only where they are products of bf16 on tensor cores, in the order k16_blocks");
  Chunks chunks(lowering, logprob.getHidden(), logprob.getWeight());
  RankedTensorType type = chunks.rows();
  bool entropy = static_cast<bool>(logprob.getEntropy());
  float inverse = 1.0f / logprob.getTemperature().convertToFloat();
  std::string name =
      chunks.name() + "_t" + hexOf(logprob.getTemperature()) + (entropy ? "_entropy" : "");
  auto stateType = RankedTensorType::get({type.getDimSize(0), kState},
                                         Float32Type::get(op->getContext()), type.getEncoding());
  Value state = lowering.scratch(stateType, "row_sums");
  LaunchSpec init;
  init.kernel = "logprob_start_" + axisName(type);
  init.writes = {state};
  init.work = lowering.rows(type, kRowTile);
  lowering.launch(init, [&](KernelBuilder &b) {
    Value state = b.buffer(0);
    forRows(b, type, [&](Value row) {
      Value at = b.mul(row, kState);
      b.store(b.f(-std::numeric_limits<double>::infinity()), state, at);
      for (int64_t i = 1; i < kState; ++i)
        b.store(b.f(0), state, b.add(at, i));
    });
  });
  lowering.loop(chunks.count(), 0, [&] {
    chunks.multiply();
    LaunchSpec spec;
    spec.kernel = "logprob_update" + name;
    spec.reads = {chunks.logits(), lowering.slice(logprob.getTargets())};
    spec.writes = {state};
    spec.updates = {0};
    spec.work = lowering.rows(type, kRowTile);
    spec.flops = plan::perRow(type, 20.0 * chunks.columns());
    spec.bytes = plan::perRow(type, 4.0 * chunks.columns());
    lowering.launch(spec, [&](KernelBuilder &b) {
      Value logits = b.buffer(0), targets = b.buffer(1), state = b.buffer(2);
      Value first = chunks.first(b), size = chunks.size(b), scale = b.f(inverse);
      forRows(b, type, [&](Value row) {
        Value at = b.mul(row, kState), z = advance(b, logits, b.mul(row, chunks.columns()));
        RowSums sums = emitLogSumExp(b, z, size, scale, loadSums(b, state, at, entropy));
        for (auto [i, value] : llvm::enumerate(sums.values()))
          b.store(value, state, b.add(at, static_cast<int64_t>(i)));
        Value target = b.sub(b.loadi(targets, row), first);
        Value here = arith::AndIOp::create(b, b.lt(b.c(-1), target), b.lt(target, size));
        b.ifThen(here, [&] { b.store(b.fmul(b.loadf(z, target), scale), state, b.add(at, 3)); });
      });
    });
  });
  LaunchSpec finish;
  finish.kernel = "logprob_finish_" + axisName(type) + (entropy ? "_entropy" : "");
  finish.reads = {state};
  finish.writes = {lowering.slice(logprob.getLogprob()), lowering.slice(logprob.getLse())};
  if (entropy)
    finish.writes.push_back(lowering.slice(logprob.getEntropy()));
  finish.work = lowering.rows(type, kRowTile);
  lowering.launch(finish, [&](KernelBuilder &b) {
    Value state = b.buffer(0);
    forRows(b, type, [&](Value row) {
      Value at = b.mul(row, kState);
      RowResult result =
          rowResult(b, loadSums(b, state, at, entropy), b.loadf(state, b.add(at, 3)));
      b.store(result.logprob, b.buffer(1), row);
      b.store(result.lse, b.buffer(2), row);
      if (entropy)
        b.store(result.entropy, b.buffer(3), row);
    });
  });
  return success();
}

// logits → dz, in place.
void emitLogitGradient(KernelBuilder &b, const Chunks &chunks, float inverse, bool entropy) {
  Value gradients = b.buffer(0), targets = b.buffer(1), lses = b.buffer(2);
  Value entropyGradients = entropy ? b.buffer(3) : Value(),
        entropies = entropy ? b.buffer(4) : Value();
  Value logits = b.buffer(entropy ? 5 : 3);
  Value first = chunks.first(b), size = chunks.size(b), scale = b.vf(inverse);
  forRows(b, chunks.rows(), [&](Value row) {
    Value z = advance(b, logits, b.mul(row, chunks.columns()));
    Value lse = b.splat(b.loadf(lses, row));
    LogitGradient known = {b.splat(b.loadf(gradients, row)), {}, {}, scale};
    if (entropy) {
      known.entropyGradient = b.splat(b.loadf(entropyGradients, row));
      known.entropy = b.splat(b.loadf(entropies, row));
    }
    Value target = b.sub(b.loadi(targets, row), first);
    // What lies behind the vocabulary in the last vector is written, and never read.
    b.loop(b.c(0), size, kLanes, [&](Value v) {
      Value shifted = b.fsub(b.fmul(b.loadv(z, v), scale), lse);
      // 1 in the target's lane: the lanes up to it without those before it.
      Value before = b.sub(target, v);
      Value hit =
          b.select(b.mask(b.add(before, 1)), b.select(b.mask(before), b.vf(0), b.vf(1)), b.vf(0));
      b.storev(known.of(b, shifted, b.exp(shifted), hit), z, v);
    });
  });
}

LogicalResult lowerLogprobGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::LinearLogprobGradOp>(op);
  if (grad.getKeptLogits())
    return op->emitOpError("has use for kept logits only where they are products of bf16 on tensor cores, in the order k16");
  Chunks chunks(lowering, grad.getHidden(), grad.getWeight());
  RankedTensorType type = chunks.rows();
  auto f32 = Float32Type::get(op->getContext());
  bool entropy = static_cast<bool>(grad.getEntropy());
  float inverse = 1.0f / grad.getTemperature().convertToFloat();
  int64_t d = chunks.depth(), columns = chunks.columns();
  bool longRows = d > kLongRow;
  Value hidden = lowering.slice(grad.getHidden()), weight = lowering.slice(grad.getWeight());
  Value hiddenGradient = chainSlice(lowering, grad.getHiddenGradient(), "hidden_gradient");
  Value packedHidden = longRows ? packRows(lowering, hidden, type) : hidden;
  Value packedWeight =
      longRows ? lowering.scratch(RankedTensorType::get({panelsOf(d), columns, kTileColumns}, f32),
                                  "packed_chunk")
               : weight;
  lowering.fill(hiddenGradient);
  lowering.loop(chunks.count(), 0, [&] {
    chunks.multiply();
    LaunchSpec dz;
    dz.kernel = "logit_gradient" + chunks.name() + "_t" + hexOf(grad.getTemperature()) +
                (entropy ? "_entropy" : "");
    dz.reads = {lowering.slice(grad.getLogprobGradient()), lowering.slice(grad.getTargets()),
                lowering.slice(grad.getLse())};
    if (entropy)
      dz.reads.append(
          {lowering.slice(grad.getEntropyGradient()), lowering.slice(grad.getEntropy())});
    dz.writes = {chunks.logits()};
    dz.updates = {0};
    dz.work = lowering.rows(type, kRowTile);
    dz.flops = plan::perRow(type, 16.0 * columns);
    dz.bytes = plan::perRow(type, 8.0 * columns);
    lowering.launch(dz, [&](KernelBuilder &b) { emitLogitGradient(b, chunks, inverse, entropy); });

    // hidden_gradient += dz · weight[chunk]
    if (longRows) {
      LaunchSpec pack;
      pack.kernel = "pack_chunk" + chunks.name();
      pack.reads = {weight};
      pack.writes = {packedWeight};
      pack.work = lowering.items(panelsOf(d));
      lowering.launch(pack, [&](KernelBuilder &b) {
        Value source = advance(b, b.buffer(0), b.mul(chunks.first(b), d)), size = chunks.size(b);
        b.loop(b.begin(), b.end(), 1, [&](Value panel) {
          emitPackRowsPanel(b, source, size, d, panel,
                            advance(b, b.buffer(1), b.mul(b.mul(panel, size), kTileColumns)));
        });
      });
    }
    Product p;
    p.columns = d;
    if (!type.isDynamicDim(0))
      p.staticRows = type.getDimSize(0);
    p.packedB = longRows;
    p.packA = columns > kLongRow;
    p.aRow = columns;
    p.aK = 1;
    p.fromC = true;
    chooseBlocks(p, columns);
    LaunchSpec data;
    data.kernel = "chunk_hidden_gradient" + chunks.name();
    data.reads = {chunks.logits(), packedWeight};
    data.writes = {hiddenGradient};
    data.updates = {0};
    data.work = lowering.rows(type, p.rowTiles * kTileRows, p.columnBlocks());
    data.flops = plan::perRow(type, 2.0 * columns * d);
    data.bytes = plan::perRow(type, 4.0 * (columns + 2 * d));
    lowering.launch(data, [&](KernelBuilder &b) {
      p.rows = rowsOf(b, type);
      p.depth = chunks.size(b);
      p.a = b.buffer(0);
      p.b = longRows ? b.buffer(1) : advance(b, b.buffer(1), b.mul(chunks.first(b), d));
      p.c = b.buffer(2);
      emitItems(b, p);
    });

    // weight_gradient[chunk] += dzᵀ · hidden
    Product q;
    q.columns = d;
    q.packedB = longRows;
    q.packA = columns > kLongRow;
    q.aRow = 1;
    q.aK = columns;
    q.fromC = true;
    chooseBlocks(q, 512);
    int64_t block = q.rowTiles * kTileRows;
    LaunchSpec weights;
    weights.kernel = "chunk_weight_gradient" + chunks.name();
    weights.reads = {chunks.logits(), packedHidden};
    weights.writes = {lowering.slice(grad.getWeightGradient())};
    weights.updates = {0};
    weights.work = lowering.items(llvm::divideCeil(columns, block) * q.columnBlocks());
    weights.flops = plan::perRow(type, 2.0 * columns * d);
    weights.bytes = plan::perRow(type, 4.0 * (columns + d));
    lowering.launch(weights, [&](KernelBuilder &b) {
      q.rows = chunks.size(b);
      q.depth = rowsOf(b, type);
      q.a = b.buffer(0);
      q.b = b.buffer(1);
      q.c = advance(b, b.buffer(2), b.mul(chunks.first(b), d));
      emitItems(b, q);
    });
  });
  if (Value rounded = lowering.slice(grad.getHiddenGradient()); rounded != hiddenGradient)
    emitCast(lowering, hiddenGradient, rounded);
  return success();
}

} // namespace

void registerLogprobSchedules(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.linear_logprob"] = lowerLogprob;
  schedules["nn.linear_logprob_grad"] = lowerLogprobGrad;
  registerSampleSchedule(schedules);
}

} // namespace mirl::passes::cpu
