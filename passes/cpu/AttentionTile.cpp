// The parts of the attention kernels (AttentionTile.h).

#include "passes/cpu/AttentionTile.h"

#include "passes/cpu/MatmulMicrokernel.h"

using namespace mlir;

namespace mirl::passes::cpu {

// Floats of stack for the scores of a tile: 96 KiB of the 256 KiB that a kernel may use.
static constexpr int64_t kScoreFloats = 24576;
// Accumulators of a register tile.
static constexpr int64_t kAccumulators = 24;
// Unrolled steps over head_dim.
static constexpr int64_t kUnroll = 8;

HeadTile::HeadTile(int64_t group) {
  heads = std::min(group, kAttentionRows);
  while (group % heads)
    --heads;
  rows = std::max<int64_t>(1, kAttentionRows / heads);
}

int64_t paddedHead(int64_t headDim) { return (headDim + kLanes - 1) / kLanes * kLanes; }

void emitScores(KernelBuilder &b, const Scores &scores,
                llvm::function_ref<void(int64_t, Value, Value)> finish) {
  int64_t size = scores.rows.size(), width = std::clamp<int64_t>(16 / size, 1, 4);
  int64_t whole = scores.headDim / kUnroll * kUnroll;
  auto tile = [&](Value block, int64_t blocks) {
    SmallVector<Value> columns;
    for (int64_t v = 0; v < blocks; ++v) {
      Value number = b.add(block, v);
      if (scores.table)
        number = b.loadi(scores.table, number);
      columns.push_back(advance(b, scores.blocks, b.mul(number, scores.blockStride)));
    }
    auto steps = [&](Value i0, int64_t count, SmallVectorImpl<Value> &sums) {
      for (int64_t i = 0; i < count; ++i) {
        SmallVector<Value> vectors;
        for (Value column : columns)
          vectors.push_back(b.loadv(advance(b, column, i * kLanes), b.mul(i0, kLanes)));
        for (int64_t t = 0; t < size; ++t) {
          Value x = b.splat(b.loadf(advance(b, scores.rows[t], i), i0));
          for (int64_t v = 0; v < blocks; ++v)
            sums[t * blocks + v] = b.fma(x, vectors[v], sums[t * blocks + v]);
        }
      }
    };
    SmallVector<Value> sums(size * blocks, b.vf(0));
    if (whole)
      sums = b.loopCarry(b.c(0), b.c(whole), kUnroll, sums, [&](Value i0, ValueRange carried) {
        SmallVector<Value> next(carried);
        steps(i0, kUnroll, next);
        return next;
      });
    steps(b.c(whole), scores.headDim - whole, sums);
    for (int64_t t = 0; t < size; ++t)
      for (int64_t v = 0; v < blocks; ++v)
        finish(t, b.add(block, v), sums[t * blocks + v]);
  };
  Value pairs = scores.first;
  if (width > 1) {
    Value count = b.divide(b.sub(scores.end, scores.first), b.c(width));
    pairs = b.add(scores.first, b.mul(count, width));
    b.loop(scores.first, pairs, width, [&](Value block) { tile(block, width); });
  }
  b.loop(pairs, scores.end, 1, [&](Value block) { tile(block, 1); });
}

void emitWeightedRows(KernelBuilder &b, const WeightedRows &tile, Value from, Value to) {
  int64_t size = tile.weights.size(), vectors = paddedHead(tile.headDim) / kLanes;
  int64_t width = std::clamp<int64_t>(kAccumulators / size, 1, vectors);
  Value zero = b.c(0);
  for (int64_t first = 0; first < vectors; first += width) {
    int64_t here = std::min(width, vectors - first);
    SmallVector<Value> sums;
    for (Value sum : tile.sums)
      for (int64_t v = 0; v < here; ++v)
        sums.push_back(b.loadv(advance(b, sum, (first + v) * kLanes), zero));
    auto add = [&](Value j, Value source, ValueRange carried) {
      SmallVector<Value> next(carried), row;
      for (int64_t v = 0; v < here; ++v)
        row.push_back(loadLanes(b, advance(b, source, (first + v) * kLanes), zero,
                                std::min(kLanes, tile.headDim - (first + v) * kLanes)));
      for (int64_t t = 0; t < size; ++t) {
        Value weight = b.splat(b.loadf(tile.weights[t], j));
        Value keep = tile.counts ? tile.counts(t, j) : Value();
        for (int64_t v = 0; v < here; ++v) {
          Value &sum = next[t * here + v];
          Value more = b.fma(weight, row[v], sum);
          // Not a weight of zero: whatever lies in rows that do not count must not be touched.
          sum = keep ? b.select(keep, more, sum) : more;
        }
      }
      return next;
    };
    if (tile.table)
      sums = b.loopCarry(from, to, kLanes, sums, [&](Value j0, ValueRange carried) {
        Value number = b.loadi(tile.table, b.divide(j0, b.c(kLanes)));
        Value block = advance(b, tile.rows, b.mul(number, tile.blockStride));
        return b.loopCarry(zero, b.min(b.sub(to, j0), b.c(kLanes)), 1, carried, [&](Value j, ValueRange inner) {
          return add(b.add(j0, j), advance(b, block, b.mul(j, tile.rowStride)), inner);
        });
      });
    else
      sums = b.loopCarry(from, to, 1, sums, [&](Value j, ValueRange carried) {
        return add(j, advance(b, tile.rows, b.mul(j, tile.rowStride)), carried);
      });
    for (int64_t t = 0; t < size; ++t)
      for (int64_t v = 0; v < here; ++v)
        b.storev(sums[t * here + v], advance(b, tile.sums[t], (first + v) * kLanes), zero);
  }
}

void emitCopyRow(KernelBuilder &b, Value from, Value to, int64_t count, Value divisor) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Value x = b.loadv(advance(b, from, i), b.c(0));
    if (divisor)
      x = b.fdiv(x, divisor);
    storeLanes(b, x, advance(b, to, i), b.c(0), count - i);
  }
}

RankedTensorType blockedRowsType(RankedTensorType type, int64_t columns) {
  Type f32 = Float32Type::get(type.getContext());
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type))
    return nn::rowsType(axis->getAxis(), {columns}, f32, axis->getExtra() + kLanes - 1);
  return RankedTensorType::get({paddedHead(type.getDimSize(0)), columns}, f32);
}

Value packHeads(Lowering &lowering, Value tensor, RankedTensorType type, int64_t headDim) {
  int64_t columns = columnsOf(type);
  Value packed = lowering.scratch(blockedRowsType(type, columns), "packed_heads");
  LaunchSpec spec;
  spec.kernel = "pack_heads_" + axisName(type) + "_c" + std::to_string(columns) + "_h" + std::to_string(headDim);
  spec.reads = {tensor};
  spec.writes = {packed};
  spec.work = lowering.rows(type, kLanes);
  spec.grain = std::max<int64_t>(1, 256 / columns);
  spec.bytes = plan::perRow(type, 8.0 * columns);
  lowering.launch(spec, [&](KernelBuilder &b) {
    Value source = b.buffer(0), target = b.buffer(1), last = b.sub(rowsOf(b, type), b.c(1));
    b.loop(b.begin(), b.end(), 1, [&](Value block) {
      Value to = advance(b, target, b.mul(block, kLanes * columns));
      b.loop(0, columns, headDim, [&](Value column) {
        emitTransposePack(b, advance(b, source, column), columns, b.mul(block, kLanes), last, b.c(headDim),
                          advance(b, to, b.mul(column, kLanes)), kLanes);
      });
    });
  });
  return packed;
}

void forSequencePieces(KernelBuilder &b, Value offsets, Value sequences, Value from, Value to,
                       llvm::function_ref<void(Value, Value, Value, Value)> body) {
  // The last sequence that begins at or before a row: 32 halvings are enough for any number of sequences.
  auto find = [&](Value row) {
    return b.loopCarry(b.c(0), b.c(32), 1, {b.c(0), sequences}, [&](Value, ValueRange carried) {
      Value middle = b.divide(b.add(carried[0], carried[1]), b.c(2));
      Value after = b.lt(row, b.loadi(offsets, middle));
      return SmallVector<Value>{b.select(after, carried[0], middle), b.select(after, middle, carried[1])};
    })[0];
  };
  b.ifThen(b.lt(from, to), [&] {
    Value last = find(b.sub(to, b.c(1)));
    b.loop(find(from), b.add(last, 1), 1, [&](Value sequence) {
      Value begin = b.loadi(offsets, sequence), end = b.loadi(offsets, b.add(sequence, 1));
      body(begin, end, b.max(begin, from), b.min(end, to));
    });
  });
}

void emitForwardTile(KernelBuilder &b, const ForwardTile &tile) {
  int64_t size = tile.queries.size(), padded = paddedHead(tile.headDim);
  // Keys whose scores the stack holds. Longer sequences take them in chunks, and compute the scores twice: once for
  // the maximum.
  int64_t chunk = (kScoreFloats / size - 3 * kLanes) / kLanes * kLanes, stride = chunk + 3 * kLanes;
  Value memory = b.scratch(size * stride), sumMemory = b.scratch(size * padded);
  Value total = tile.counts.back(), common = tile.counts.front(), zero = b.c(0);
  double infinity = std::numeric_limits<double>::infinity();

  // Scores of keys [k0, k1); that of key k0 is at index 16. Blocks reach beyond the keys on both sides.
  auto scores = [&](Value k0, Value k1) {
    Scores s;
    s.rows = tile.queries;
    s.headDim = tile.headDim;
    s.blocks = tile.keyBlocks;
    s.blockStride = tile.keyBlockStride;
    s.table = tile.table;
    Value offset = b.add(tile.shift, k0);
    s.first = b.divide(offset, b.c(kLanes));
    s.end = b.divide(b.add(b.add(tile.shift, k1), kLanes - 1), b.c(kLanes));
    emitScores(b, s, [&](int64_t t, Value block, Value sums) {
      Value at = b.sub(b.add(b.mul(block, kLanes), kLanes), offset);
      b.storev(b.fmul(sums, b.vf(tile.scale)), advance(b, memory, t * stride), at);
    });
  };
  auto scoresOf = [&](int64_t t) { return advance(b, memory, t * stride + kLanes); };
  auto chunks = [&](ValueRange init, llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
    return b.loopCarry(zero, total, chunk, init, [&](Value k0, ValueRange carried) {
      return body(k0, b.min(b.add(k0, chunk), total), carried);
    });
  };
  // Calls update(t, scores, which of them count, where they are, carried) for each vector of keys [k0, k1).
  auto vectors = [&](Value k0, Value k1, ValueRange init,
                     llvm::function_ref<Value(int64_t, Value, Value, Value, Value)> update) {
    return b.loopCarry(zero, b.sub(k1, k0), kLanes, init, [&](Value j, ValueRange carried) {
      SmallVector<Value> next;
      for (int64_t t = 0; t < size; ++t) {
        Value here = b.mask(b.sub(tile.counts[t], b.add(k0, j)));
        Value address = advance(b, scoresOf(t), j);
        next.push_back(update(t, b.loadv(address, zero), here, address, carried[t]));
      }
      return next;
    });
  };

  SmallVector<Value> maxima(size, b.vf(-infinity));
  maxima = chunks(maxima, [&](Value k0, Value k1, ValueRange carried) {
    scores(k0, k1);
    return vectors(k0, k1, carried, [&](int64_t, Value x, Value here, Value, Value top) {
      return b.fmax(b.select(here, x, b.vf(-infinity)), top);
    });
  });
  for (Value &top : maxima)
    top = b.maxLanes(top);

  WeightedRows sum;
  for (int64_t t = 0; t < size; ++t) {
    sum.sums.push_back(advance(b, sumMemory, t * padded));
    for (int64_t i = 0; i < padded; i += kLanes)
      b.storev(b.vf(0), advance(b, sum.sums[t], i), zero);
  }
  sum.rowStride = tile.valueStride;
  sum.headDim = tile.headDim;
  SmallVector<Value> totals(size, b.vf(0));
  totals = chunks(totals, [&](Value k0, Value k1, ValueRange carried) {
    b.ifThen(b.lt(b.c(chunk), total), [&] { scores(k0, k1); });
    SmallVector<Value> next = vectors(k0, k1, carried, [&](int64_t t, Value x, Value here, Value at, Value lanes) {
      Value p = b.select(here, b.exp(b.fsub(x, maxima[t])), b.vf(0));
      b.storev(p, at, zero);
      return b.fadd(lanes, p);
    });
    WeightedRows part = sum;
    for (int64_t t = 0; t < size; ++t)
      part.weights.push_back(scoresOf(t));
    if (tile.table) {
      part.table = advance(b, tile.table, b.divide(k0, b.c(kLanes)));
      part.blockStride = tile.keyBlockStride;
      part.rows = tile.values;
      emitWeightedRows(b, part, zero, b.sub(k1, k0));
      return next;
    }
    part.rows = advance(b, tile.values, b.mul(k0, tile.valueStride));
    Value middle = b.max(k0, b.min(k1, common));
    emitWeightedRows(b, part, zero, b.sub(middle, k0));
    // The keys that only the later rows of the tile see.
    auto counts = [&](int64_t t, Value j) { return b.lt(b.add(k0, j), tile.counts[t]); };
    part.counts = counts;
    if (tile.counts.size() > 1)
      b.ifThen(b.lt(middle, k1), [&] { emitWeightedRows(b, part, b.sub(middle, k0), b.sub(k1, k0)); });
    return next;
  });
  for (int64_t t = 0; t < size; ++t) {
    Value whole = b.sumLanes(totals[t]);
    emitCopyRow(b, sum.sums[t], tile.results[t], tile.headDim, whole);
    if (!tile.lse.empty())
      b.store(b.fadd(maxima[t], b.log(whole)), tile.lse[t], zero);
  }
}

} // namespace mirl::passes::cpu
