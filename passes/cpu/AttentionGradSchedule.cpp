// The schedule of nn.attention_grad.
//
// First D = Σ gradient · result of each row and head. Then an item is one sequence and one key/value head: it owns the
// gradients of that sequence's keys and values, and of the queries of the heads that share them. Blocks of 16 keys
// ascending; for each, the heads of the group; for each, rows ascending in chunks of 16: P and dS of 16 rows × 16 keys on the
// stack, then three small products. A query's gradient is a chain over the keys, a key's or value's over heads, then rows.
// Rows of a chunk beyond the sequence and keys that a row does not see have P = dS = 0, which adds nothing to a chain.

#include "passes/cpu/MatmulMicrokernel.h"
#include "passes/cpu/Schedules.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes::cpu {
namespace {

constexpr int64_t kChunk = 16; // rows
constexpr int64_t kTogether = 4; // rows whose chains are interleaved

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

struct Shape {
  int64_t heads, kvHeads, dim, scaleBits;
  double scale;
  int64_t group() const { return heads / kvHeads; }
  int64_t width() const { return heads * dim; }
  int64_t kvWidth() const { return kvHeads * dim; }
  int64_t vectors() const { return (dim + kLanes - 1) / kLanes; }
  // Chains of emitChains: with a row of the source they fit the 32 vector registers.
  int64_t together() const { return std::clamp<int64_t>(24 / vectors(), 1, 4); }
  int64_t lanes(int64_t v) const { return std::min(kLanes, dim - v * kLanes); }
  std::string name() const {
    return "_h" + std::to_string(heads) + "_kv" + std::to_string(kvHeads) + "_d" + std::to_string(dim);
  }
};

// delta[c, h] = Σ_d gradient[c, h, d] · result[c, h, d], in lanes.
void emitDelta(KernelBuilder &b, const Shape &s, RankedTensorType type) {
  Value gradient = b.buffer(0), result = b.buffer(1), delta = b.buffer(2);
  Value end = b.min(b.mul(b.end(), kChunk), rowsOf(b, type));
  b.loop(b.mul(b.mul(b.begin(), kChunk), s.heads), b.mul(end, s.heads), 1, [&](Value at) {
    Value from = b.mul(at, s.dim), sum = b.vf(0);
    for (int64_t v = 0; v < s.vectors(); ++v) {
      Value index = b.add(from, v * kLanes);
      sum = b.fma(loadLanes(b, gradient, index, s.lanes(v)), loadLanes(b, result, index, s.lanes(v)), sum);
    }
    b.store(b.sumLanes(sum), delta, at);
  });
}

// Chains that run side by side: targets(t)[16 v] += Σ_i weights(t)[i·stride] · source(i)[16 v], i in [0, 16) ascending.
// They share the loads of the source.
void emitChains(KernelBuilder &b, const Shape &s, int64_t count, llvm::function_ref<Value(int64_t)> weights, int64_t stride,
                llvm::function_ref<Value(Value)> source, llvm::function_ref<Value(int64_t)> targets) {
  int64_t vectors = s.vectors();
  SmallVector<Value> to, from, chains;
  for (int64_t t = 0; t < count; ++t) {
    to.push_back(targets(t));
    from.push_back(weights(t));
    for (int64_t v = 0; v < vectors; ++v)
      chains.push_back(loadLanes(b, advance(b, to[t], v * kLanes), b.c(0), s.lanes(v)));
  }
  chains = b.unrolledCarry(kLanes, chains, [&](Value i, ValueRange carried) {
    Value row = source(i);
    SmallVector<Value> numbers, next(carried);
    for (int64_t v = 0; v < vectors; ++v)
      numbers.push_back(loadLanes(b, advance(b, row, v * kLanes), b.c(0), s.lanes(v)));
    for (int64_t t = 0; t < count; ++t) {
      Value weight = b.splat(b.loadf(from[t], b.mul(i, stride)));
      for (int64_t v = 0; v < vectors; ++v)
        next[t * vectors + v] = b.fma(weight, numbers[v], next[t * vectors + v]);
    }
    return next;
  });
  for (int64_t t = 0; t < count; ++t)
    for (int64_t v = 0; v < vectors; ++v)
      storeLanes(b, chains[t * vectors + v], advance(b, to[t], v * kLanes), b.c(0), s.lanes(v));
}

class Item {
public:
  Item(KernelBuilder &b, const Shape &s, Value sequence, Value head) : b(b), s(s) {
    gradient = b.buffer(0), query = b.buffer(1), lse = b.buffer(4), delta = b.buffer(5);
    begin = b.loadi(b.buffer(6), sequence), end = b.loadi(b.buffer(6), b.add(sequence, b.c(1)));
    firstHead = b.mul(head, s.group());
    Value column = b.mul(head, s.dim), corner = b.add(b.mul(begin, s.kvWidth()), column);
    key = advance(b, b.buffer(2), corner), value = advance(b, b.buffer(3), corner);
    queryGradient = b.buffer(7);
    keyGradient = advance(b, b.buffer(8), corner), valueGradient = advance(b, b.buffer(9), corner);
    keys = b.scratch(s.dim * kLanes), values = b.scratch(s.dim * kLanes);
    p = b.scratch(kChunk * kLanes), ds = b.scratch(kChunk * kLanes);
  }

  void emit() {
    Value length = b.sub(end, begin);
    zero(length);
    b.loop(b.c(0), length, kLanes, [&](Value block) {
      Value last = b.sub(length, b.c(1));
      emitTransposePack(b, key, s.kvWidth(), block, last, b.c(s.dim), keys, kLanes);
      emitTransposePack(b, value, s.kvWidth(), block, last, b.c(s.dim), values, kLanes);
      b.loop(0, s.group(), 1, [&](Value h) {
        b.loop(b.add(begin, block), end, kChunk, [&](Value first) { chunk(block, h, first, last); });
      });
    });
  }

private:
  // The offset of a row's head among queries.
  Value at(Value row, Value h) {
    return b.mul(b.add(b.add(b.mul(row, s.heads), firstHead), h), s.dim);
  }

  void zero(Value length) {
    b.loop(b.c(0), length, 1, [&](Value row) {
      for (int64_t v = 0; v < s.vectors(); ++v) {
        Value from = b.add(b.mul(row, s.kvWidth()), v * kLanes);
        storeLanes(b, b.vf(0), keyGradient, from, s.lanes(v));
        storeLanes(b, b.vf(0), valueGradient, from, s.lanes(v));
        b.loop(0, s.group(), 1, [&](Value h) {
          storeLanes(b, b.vf(0), queryGradient, b.add(at(b.add(begin, row), h), v * kLanes), s.lanes(v));
        });
      }
    });
  }

  void chunk(Value block, Value h, Value first, Value lastKey) {
    probabilities(block, h, first);
    // Queries: rows that are there.
    Value rows = b.min(b.sub(end, first), b.c(kChunk));
    auto keyRow = [&](Value base) {
      return [this, block, base, lastKey](Value i) {
        return advance(b, base, b.mul(b.min(b.add(block, i), lastKey), s.kvWidth()));
      };
    };
    int64_t together = s.together();
    // Chains beyond the last repeat it: the same numbers are stored twice.
    b.loop(b.c(0), rows, together, [&](Value r0) {
      auto r = [&](int64_t t) { return b.min(b.add(r0, t), b.sub(rows, b.c(1))); };
      emitChains(
          b, s, together, [&](int64_t t) { return advance(b, ds, b.mul(r(t), kLanes)); }, 1, keyRow(key),
          [&](int64_t t) { return advance(b, queryGradient, at(b.add(first, r(t)), h)); });
    });
    // Keys and values that are there.
    Value count = b.min(b.add(b.sub(lastKey, block), b.c(1)), b.c(kLanes));
    auto row = [&](Value base) {
      return [this, base, first, h](Value i) {
        return advance(b, base, at(b.min(b.add(first, i), b.sub(end, b.c(1))), h));
      };
    };
    b.loop(b.c(0), count, together, [&](Value i0) {
      auto i = [&](int64_t t) { return b.min(b.add(i0, t), b.sub(count, b.c(1))); };
      auto to = [&](int64_t t) { return b.mul(b.add(block, i(t)), s.kvWidth()); };
      emitChains(
          b, s, together, [&](int64_t t) { return advance(b, ds, i(t)); }, kLanes, row(query),
          [&](int64_t t) { return advance(b, keyGradient, to(t)); });
      emitChains(
          b, s, together, [&](int64_t t) { return advance(b, p, i(t)); }, kLanes, row(gradient),
          [&](int64_t t) { return advance(b, valueGradient, to(t)); });
    });
  }

  // P and dS of 16 rows from `first` on against the block's keys.
  void probabilities(Value block, Value h, Value first) {
    b.loop(0, kChunk, kTogether, [&](Value r0) {
      SmallVector<Value> rows, scores(2 * kTogether, b.vf(0)), queries, gradients;
      for (int64_t i = 0; i < kTogether; ++i) {
        rows.push_back(b.min(b.add(b.add(first, r0), i), b.sub(end, b.c(1))));
        queries.push_back(advance(b, query, at(rows[i], h)));
        gradients.push_back(advance(b, gradient, at(rows[i], h)));
      }
      scores = b.loopCarry(b.c(0), b.c(s.dim), 1, scores, [&](Value d, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value k = b.loadv(keys, b.mul(d, kLanes)), v = b.loadv(values, b.mul(d, kLanes));
        for (int64_t i = 0; i < kTogether; ++i) {
          next[2 * i] = b.fma(b.splat(b.loadf(queries[i], d)), k, next[2 * i]);
          next[2 * i + 1] = b.fma(b.splat(b.loadf(gradients[i], d)), v, next[2 * i + 1]);
        }
        return next;
      });
      for (int64_t i = 0; i < kTogether; ++i) {
        Value r = b.add(r0, i), row = b.add(first, r);
        Value scalars = b.add(b.add(b.mul(rows[i], s.heads), firstHead), h);
        Value shift = b.splat(b.loadf(lse, scalars)), total = b.splat(b.loadf(delta, scalars));
        // Keys up to the row itself, and none for a row beyond the end.
        Value seen = b.select(b.lt(row, end), b.add(b.sub(b.sub(row, begin), block), b.c(1)), b.c(0));
        Value mask = b.mask(seen);
        Value probability = b.select(mask, b.exp(b.fsub(b.fmul(scores[2 * i], b.vf(s.scale)), shift)), b.vf(0));
        Value slope = b.fmul(b.fmul(probability, b.fsub(scores[2 * i + 1], total)), b.vf(s.scale));
        b.storev(probability, p, b.mul(r, kLanes));
        b.storev(b.select(mask, slope, b.vf(0)), ds, b.mul(r, kLanes));
      }
    });
  }

  KernelBuilder &b;
  const Shape &s;
  Value gradient, query, key, value, lse, delta, begin, end, firstHead;
  Value queryGradient, keyGradient, valueGradient, keys, values, p, ds;
};

LogicalResult lowerAttentionGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::AttentionGradOp>(op);
  auto type = typeOf(grad.getQuery()), offsets = typeOf(grad.getOffsets());
  Shape s{static_cast<int64_t>(grad.getHeads()), static_cast<int64_t>(grad.getKvHeads()),
          type.getDimSize(1) / static_cast<int64_t>(grad.getHeads()),
          static_cast<int64_t>(grad.getScale().bitcastToAPInt().getZExtValue()), grad.getScale().convertToFloat()};
  auto deltaType = RankedTensorType::get({type.getDimSize(0), s.heads}, Float32Type::get(op->getContext()), type.getEncoding());
  Value delta = lowering.scratch(deltaType, "attention_delta");
  LaunchSpec first;
  first.kernel = "attention_delta_" + axisName(type) + s.name();
  first.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getResult())};
  first.writes = {delta};
  first.work = lowering.rows(type, kChunk);
  first.flops = plan::perRow(type, 2.0 * s.width());
  first.bytes = plan::perRow(type, 8.0 * s.width());
  lowering.launch(first, [&](KernelBuilder &b) { emitDelta(b, s, type); });

  LaunchSpec spec;
  spec.kernel = "attention_grad_" + axisName(type) + "_" + axisName(offsets) + s.name() + "_s" + llvm::utohexstr(s.scaleBits, true);
  spec.reads = {lowering.slice(grad.getGradient()), lowering.slice(grad.getQuery()), lowering.slice(grad.getKey()),
                lowering.slice(grad.getValue()), lowering.slice(grad.getLse()), delta, lowering.slice(grad.getOffsets())};
  for (Value result : grad.getResults())
    spec.writes.push_back(chainSlice(lowering, result, "attention_gradient"));
  // One item for each sequence (the offsets have one row more) and key/value head.
  std::optional<nn::AxisAttr> axis = nn::axisOf(offsets);
  spec.work = plan::WorkAttr::get(lowering.context(), axis ? std::optional(axis->getAxis()) : std::nullopt,
                                  axis ? 0 : offsets.getDimSize(0) - 1, 1, s.kvHeads);
  spec.flops = plan::perRow(type, 10.0 * s.width());
  spec.bytes = plan::perRow(type, 4.0 * (4 * s.width() + 4 * s.kvWidth()));
  lowering.launch(spec, [&](KernelBuilder &b) {
    b.loop(b.begin(), b.end(), 1, [&](Value item) {
      Item(b, s, b.divide(item, b.c(s.kvHeads)), b.rem(item, b.c(s.kvHeads))).emit();
    });
  });
  for (auto [chain, result] : llvm::zip(spec.writes, grad.getResults()))
    if (Value rounded = lowering.slice(result); rounded != chain)
      emitCast(lowering, chain, rounded);
  return success();
}

} // namespace

void registerAttentionGradSchedule(llvm::StringMap<Schedule> &schedules) {
  schedules["nn.attention_grad"] = lowerAttentionGrad;
}

} // namespace mirl::passes::cpu
