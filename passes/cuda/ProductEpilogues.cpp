#include "passes/cuda/ProductEpilogues.h"

#include "passes/cpu/SampleRow.h"
#include "passes/cpu/Schedules.h"
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

class LogSumExp {
public:
  // Stores the blocks' sums into the buffer of that number.
  LogSumExp(TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place,
            int64_t vocabulary, Value scale, unsigned buffer, bool entropy)
      : b(b), sums(sums), place(place), vocabulary(vocabulary), entropy(entropy), buffer(buffer),
        scale(scale) {
    inQuad = b.rem(place.lane, 4);
  }

  // And the z of the targets.
  void emitWithTargets() {
    for (int64_t half = 0; half < 2; ++half) {
      Value row = b.add(place.row, 8 * half);
      emitRow(row, half);
      storeTarget(row, half);
    }
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
  Value inside(int64_t group) { return b.lt(b.add(place.column, 8 * group), b.c(vocabulary)); }
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

  void emitRow(Value row, int64_t half) {
    Value lowest = ThreadMaths(b).f(-kInfinity), zero = ThreadMaths(b).f(0), top = lowest;
    for (int64_t group = 0; group < kGroups; ++group)
      for (int64_t e = 0; e < 2; ++e)
        top = maximum(b, top, z(group, e, half, lowest));
    for (int64_t distance : {1, 2})
      top = maximum(b, top, b.exchange(top, distance));
    std::array<Value, 2> start = {zero, zero};
    SmallVector<std::array<Value, 2>> plain(2, start), weighted(2, start);
    for (int64_t group = 0; group < kGroups; ++group)
      for (int64_t e = 0; e < 2; ++e) {
        ThreadMaths m(b);
        Value weight = m.exp(m.fsub(z(group, e, half, lowest), top));
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
  Value scale, inQuad;
};

} // namespace

ProductEpilogue logSumExpEpilogue(int64_t vocabulary, float inverse, bool entropy) {
  ProductEpilogue epilogue;
  epilogue.buffers = 3;
  epilogue.columns = kVocabularyBlock;
  epilogue.reduce = [=](TileKernelBuilder &b, Value sums, const ProductEpilogue::Place &place) {
    Value scale = ThreadMaths(b).f(inverse);
    LogSumExp(b, sums, place, vocabulary, scale, /*buffer=*/3, entropy).emitWithTargets();
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
  };
  return epilogue;
}

ProductEpilogue logitGradientEpilogue(int64_t chunk, float inverse, bool entropy) {
  ProductEpilogue epilogue;
  epilogue.buffers = entropy ? 5 : 3;
  epilogue.prepare = [=](TileKernelBuilder &b, Value row) {
    Type f32 = b.getF32Type();
    Value first = b.mul(b.dim(kLoop), chunk);
    Values known = {load(b, f32, b.buffer(2), row),
                    b.sub(load(b, b.getI32Type(), b.buffer(3), row), first),
                    load(b, f32, b.buffer(4), row)};
    if (entropy)
      known.append({load(b, f32, b.buffer(5), row), load(b, f32, b.buffer(6), row)});
    return known;
  };
  epilogue.replace = [=](TileKernelBuilder &b, ValueRange known, ProductEpilogue::Pair sums,
                         Value column) {
    ThreadMaths m(b);
    Value scale = m.f(inverse), gradient = known[0], target = known[1], lse = known[2];
    auto replace = [&](Value sum, Value column) {
      Value shifted = m.fsub(m.fmul(sum, scale), lse), p = m.exp(shifted);
      Value hit = b.select(b.eq(column, target), m.f(1), m.f(0));
      Value dz = m.fmul(gradient, m.fsub(hit, p));
      if (entropy)
        dz = m.fsub(dz, m.fmul(m.fmul(known[3], p), m.fadd(shifted, known[4])));
      return m.fmul(dz, scale);
    };
    return ProductEpilogue::Pair(replace(sums.first, column),
                                 replace(sums.second, b.add(column, 1)));
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
