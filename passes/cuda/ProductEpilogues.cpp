#include "passes/cuda/ProductEpilogues.h"

#include "passes/cpu/SampleRow.h"
#include "passes/cpu/Schedules.h"
#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SpecialFunctions.h"
#include "passes/cuda/ThreadMaths.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Values = ProductEpilogue::Values;
using cpu::kVocabularyBlock;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Value maximum(TileKernelBuilder &b, Value x, Value y) { return arith::MaxNumFOp::create(b, x, y); }
Value at(TileKernelBuilder &b, Value pointer, Value index) {
  return b.at(pointer, index, b.getF32Type());
}
Value load(TileKernelBuilder &b, Type type, Value pointer, Value index) {
  return LLVM::LoadOp::create(b, type, b.at(pointer, index, type));
}
void store(TileKernelBuilder &b, Value value, Value pointer, Value index) {
  LLVM::StoreOp::create(b, value, at(b, pointer, index));
}

// What is stored of z, as an f32 again: rounded to bf16 as it is less its block's maximum.
Value asKept(TileKernelBuilder &b, Value z, Value top) {
  return roundedToBf16(b, ThreadMaths(b).fsub(z, top));
}

class LogSumExp {
public:
  // Stores the blocks' sums into the buffer of that number. `first`: the vocabulary entry of
  // column 0.
  LogSumExp(TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place,
            int64_t vocabulary, Value scale, unsigned buffer, bool entropy, Value first = Value())
      : b(b), sums(sums), place(place), vocabulary(vocabulary), entropy(entropy), buffer(buffer),
        scale(scale), first(first) {
    inQuad = b.rem(place.lane, 4);
  }

  // And the z of the targets. Gives the rows' maxima.
  ProductEpilogue::Rows emitWithTargets() {
    ProductEpilogue::Rows tops;
    for (int64_t half = 0; half < 2; ++half) {
      Value row = b.add(place.row, 8 * half);
      tops[half] = {emitRow(row, half)};
      storeTarget(row, half);
    }
    return tops;
  }
  // Of rows that are there, of the first `kept` columns, to [rows][blocks] in that buffer.
  void storeMaxima(const ProductEpilogue::Rows &tops, int64_t kept, unsigned buffer) {
    int64_t blocks = llvm::divideCeil(kept, kVocabularyBlock);
    Value column0 = tileColumn();
    for (int64_t half = 0; half < 2; ++half) {
      Value row = b.add(place.row, 8 * half);
      Value here = b.both(b.lt(row, place.rows), b.lt(column0, b.c(kept)));
      b.ifThen(b.both(here, b.eq(inQuad, b.c(0))), [&] {
        Value index = arith::MulIOp::create(b, b.wide(row), b.c64(blocks));
        index = arith::AddIOp::create(b, index, b.wide(b.divide(column0, kVocabularyBlock)));
        store(b, tops[half].front(), b.buffer(buffer), index);
      });
    }
  }
  // The maximum of a row's block.
  Value emitMaximum(int64_t half) {
    Value lowest = ThreadMaths(b).f(-kInfinity), top = lowest;
    for (int64_t group = 0; group < kGroups; ++group)
      for (int64_t e = 0; e < 2; ++e)
        top = maximum(b, top, z(group, e, half, lowest));
    for (int64_t distance : {1, 2})
      top = maximum(b, top, b.exchange(top, distance));
    return top;
  }
  // And the logits.
  void emitWithLogits() {
    for (int64_t half = 0; half < 2; ++half) {
      Value row = b.add(place.row, 8 * half);
      storeLogits(row, half);
      emitRow(row, half);
    }
  }

private:
  static constexpr int64_t kGroups = kVocabularyBlock / 8;

  bool partial() const { return vocabulary % kVocabularyBlock != 0; }
  // Eight columns are there or none is.
  Value inside(int64_t group) {
    Value entry = first ? b.add(place.column, first) : place.column;
    return b.lt(b.add(entry, 8 * group), b.c(vocabulary));
  }
  Value z(int64_t group, int64_t e, int64_t half, Value beyond) {
    Value value = arith::MulFOp::create(b, b.element(sums, 4 * group + 2 * half + e), scale);
    return partial() ? b.select(inside(group), value, beyond) : value;
  }

  // Lane l of 16 is column l, l + 16, …: four of them in a thread.
  Value sumLanes(ArrayRef<std::array<Value, 2>> partial) {
    ThreadMaths m(b);
    Value pair[2];
    for (int64_t e = 0; e < 2; ++e) {
      pair[e] = m.fadd(partial[0][e], partial[1][e]);
      for (int64_t distance : {2, 1})
        pair[e] = m.fadd(pair[e], b.exchange(pair[e], distance));
    }
    return m.fadd(pair[0], pair[1]);
  }

  Value emitRow(Value row, int64_t half) {
    Value lowest = ThreadMaths(b).f(-kInfinity), zero = ThreadMaths(b).f(0);
    Value top = emitMaximum(half);
    std::array<Value, 2> start = {zero, zero};
    SmallVector<std::array<Value, 2>> plain(2, start), weighted(2, start);
    for (int64_t group = 0; group < kGroups; ++group)
      for (int64_t e = 0; e < 2; ++e) {
        ThreadMaths m(b);
        Value weight = specialExp(b, m.fsub(z(group, e, half, lowest), top));
        plain[group % 2][e] = m.fadd(plain[group % 2][e], weight);
        if (entropy)
          weighted[group % 2][e] = m.fma(weight, z(group, e, half, zero), weighted[group % 2][e]);
      }
    Value sum = sumLanes(plain), moment = entropy ? sumLanes(weighted) : Value();
    int64_t blocks = llvm::divideCeil(vocabulary, kVocabularyBlock), size = entropy ? 3 : 2;
    Value here = b.lt(row, place.rows);
    Value column0 = tileColumn();
    b.ifThen(b.both(here, b.eq(inQuad, b.c(0))), [&] {
      Value index = arith::AddIOp::create(b, arith::MulIOp::create(b, b.wide(row), b.c64(blocks)),
                                          b.wide(b.divide(column0, kVocabularyBlock)));
      index = arith::MulIOp::create(b, index, b.c64(size));
      Value to = at(b, b.buffer(buffer), index);
      store(b, top, to, b.c(0));
      store(b, sum, to, b.c(1));
      if (entropy)
        store(b, moment, to, b.c(2));
    });
    return top;
  }

  // The column that this thread begins with is that of the tile and twice its place in the quad.
  Value tileColumn() { return b.sub(place.column, b.mul(inQuad, 2)); }

  void storeTarget(Value row, int64_t half) {
    Value lowest = ThreadMaths(b).f(-kInfinity), zero = ThreadMaths(b).f(0);
    Value here = b.lt(row, place.rows), column0 = tileColumn();
    Value target =
        b.sub(load(b, b.getI32Type(), b.buffer(2), b.select(here, row, b.c(0))), column0);
    Value mine =
        b.both(b.lt(target, b.c(kVocabularyBlock)), b.eq(b.divide(b.rem(target, 8), 2), inQuad));
    b.ifThen(b.both(here, mine), [&] {
      Value value = zero;
      Value group = b.divide(target, 8), odd = b.eq(b.rem(target, 2), b.c(1));
      for (int64_t i = 0; i < kGroups; ++i)
        value = b.select(b.eq(group, b.c(i)),
                         b.select(odd, z(i, 1, half, lowest), z(i, 0, half, lowest)), value);
      store(b, value, b.buffer(4), row);
    });
  }

  // Two neighbours at a time: 32 bytes of a quad.
  void storeLogits(Value row, int64_t half) {
    auto pair = VectorType::get({2}, b.getF32Type());
    b.ifThen(b.lt(row, place.rows), [&] {
      Value start = arith::MulIOp::create(b, b.wide(row), b.c64(vocabulary));
      start = at(b, b.buffer(3), arith::AddIOp::create(b, start, b.wide(place.column)));
      for (int64_t group = 0; group < kGroups; ++group) {
        Value two = LLVM::PoisonOp::create(b, pair);
        for (int64_t e = 0; e < 2; ++e)
          two = LLVM::InsertElementOp::create(b, two, b.element(sums, 4 * group + 2 * half + e),
                                              b.c(e));
        auto put = [&] {
          LLVM::StoreOp::create(b, two, b.at(start, 8 * group, b.getF32Type()), /*alignment=*/8);
        };
        if (partial())
          b.ifThen(inside(group), put);
        else
          put();
      }
    });
  }

  TileKernelBuilder &b;
  Value sums;
  const ProductEpilogue::Place &place;
  int64_t vocabulary;
  bool entropy;
  unsigned buffer;
  Value scale, first, inQuad;
};

} // namespace

ProductEpilogue logSumExpEpilogue(int64_t vocabulary, float inverse, bool entropy, int64_t kept) {
  ProductEpilogue epilogue;
  epilogue.buffers = kept ? 4 : 3;
  epilogue.columns = kVocabularyBlock;
  epilogue.reduce = [=](TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place) {
    Value scale = ThreadMaths(b).f(inverse);
    LogSumExp rows(b, sums, place, vocabulary, scale, /*buffer=*/3, entropy);
    ProductEpilogue::Rows tops = rows.emitWithTargets();
    if (kept)
      rows.storeMaxima(tops, kept, /*buffer=*/5);
    return tops;
  };
  if (kept)
    epilogue.replace = [=](TileKernelBuilder &b, ValueRange top, ProductEpilogue::Pair sums, Value) {
      ThreadMaths m(b);
      Value scale = m.f(inverse);
      return ProductEpilogue::Pair(m.fsub(m.fmul(sums.first, scale), top[0]),
                                   m.fsub(m.fmul(sums.second, scale), top[0]));
    };
  return epilogue;
}

ProductEpilogue sampledLogitsEpilogue(int64_t vocabulary) {
  ProductEpilogue epilogue;
  epilogue.buffers = 3;
  epilogue.columns = kVocabularyBlock;
  epilogue.reduce = [=](TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place) {
    Value temperature = load(b, b.getF32Type(), b.buffer(2), b.c(0));
    ThreadMaths m(b);
    Value scale = cpu::emitScale(m, temperature).first;
    LogSumExp(b, sums, place, vocabulary, scale, /*buffer=*/4, /*entropy=*/false).emitWithLogits();
    return ProductEpilogue::Rows();
  };
  return epilogue;
}

Value logitGradient(TileKernelBuilder &b, const cpu::LogitGradient &row, Value shifted, Value hit) {
  ThreadMaths m(b);
  return row.of(m, shifted, specialExp(m, shifted), b.select(hit, m.f(1), m.f(0)));
}

ProductEpilogue logitGradientEpilogue(int64_t first, int64_t step, int64_t vocabulary,
                                      float inverse, bool entropy) {
  ProductEpilogue epilogue;
  epilogue.buffers = entropy ? 5 : 3;
  epilogue.columns = kVocabularyBlock;
  bool whole = (vocabulary - first) % step == 0;
  auto entryOfColumn0 = [=](TileKernelBuilder &b) { return b.add(b.mul(b.dim(kLoop), step), first); };
  epilogue.reduce = [=](TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place) {
    Value scale = ThreadMaths(b).f(inverse);
    LogSumExp rows(b, sums, place, vocabulary, scale, /*buffer=*/0, entropy, entryOfColumn0(b));
    return ProductEpilogue::Rows{Values{rows.emitMaximum(0)}, Values{rows.emitMaximum(1)}};
  };
  epilogue.prepare = [=](TileKernelBuilder &b, Value row) {
    Type f32 = b.getF32Type();
    Values known = {load(b, f32, b.buffer(2), row),
                    b.sub(load(b, b.getI32Type(), b.buffer(3), row), entryOfColumn0(b)),
                    load(b, f32, b.buffer(4), row)};
    if (entropy)
      known.append({load(b, f32, b.buffer(5), row), load(b, f32, b.buffer(6), row)});
    return known;
  };
  epilogue.replace = [=](TileKernelBuilder &b, ValueRange known, ProductEpilogue::Pair sums,
                         Value column) {
    ThreadMaths m(b);
    Value target = known[1], top = known.back(), scale = m.f(inverse);
    cpu::LogitGradient row = {known[0], {}, {}, scale};
    if (entropy) {
      row.entropyGradient = known[3];
      row.entropy = known[4];
    }
    Value shift = m.fsub(top, known[2]);
    Value inside = whole ? Value() : b.lt(b.add(entryOfColumn0(b), column), b.c(vocabulary));
    auto replace = [&](Value sum, Value column) {
      Value kept = asKept(b, m.fmul(sum, scale), top);
      Value dz = logitGradient(b, row, m.fadd(kept, shift), b.eq(column, target));
      // Zeros of the weight meet what is beyond the vocabulary: it must be a number.
      return whole ? dz : b.select(inside, dz, m.f(0));
    };
    Value low = replace(sums.first, column);
    return ProductEpilogue::Pair(low, replace(sums.second, b.add(column, 1)));
  };
  return epilogue;
}

ProductEpilogue elementwiseEpilogue(nn::FusedOp fused, ArrayRef<int64_t> products,
                                    ArrayRef<int64_t> keeps, LogicalResult &status) {
  ProductEpilogue epilogue;
  epilogue.results = fused.getNumResults();
  epilogue.keeps.assign(keeps.begin(), keeps.end());
  epilogue.combine = [fused, &status, products = SmallVector<int64_t>(products)](
                         TileKernelBuilder &b, ValueRange numbers) mutable {
    ThreadMaths m(b);
    Values operands, results;
    for (int64_t product : products)
      operands.push_back(numbers[product]);
    if (failed(cpu::emitElementwise(fused, m, operands, results))) {
      status = failure();
      results.assign(fused.getNumResults(), m.f(0));
    }
    return results;
  };
  return epilogue;
}

} // namespace mirl::passes::cuda
