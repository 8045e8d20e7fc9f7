#include "passes/cuda/SampleRowKernel.h"

using namespace mlir;

namespace mirl::passes::cuda {

using Predicate = arith::CmpFPredicate;
using cpu::kLanes;
using cpu::kVocabularyBlock;

SampleRowKernel::SampleRowKernel(TileKernelBuilder &b, int64_t vocabulary)
    : b(b), vocabulary(vocabulary), blocks(llvm::divideCeil(vocabulary, kVocabularyBlock)),
      padded(llvm::alignTo(blocks, kTogether)), f32(b.getF32Type()) {
  lane = b.rem(b.threadId(), 32);
  warp = b.divide(b.threadId(), 32);
  maxima = reserve(padded);
  weights = reserve(padded);
}

void SampleRowKernel::emitRows(function_ref<void()> body) {
  b.loop(b.firstItem(), b.items(), b.itemStep(), {},
         [&](Value index, ValueRange) -> SmallVector<Value> {
           row = index;
           logits = rowOf(0, vocabulary, f32);
           body();
           // The next row's numbers overwrite this one's.
           b.meet();
           return {};
         });
  b.finish(kThreads / kWarpgroup, sharedBytes, kBlocks);
}

Value SampleRowKernel::reserve(int64_t numbers) {
  Value place = b.shared(b.c(sharedBytes));
  sharedBytes += 4 * static_cast<int64_t>(llvm::alignTo(numbers, 4));
  return place;
}

Value SampleRowKernel::get(Type type, Value array, Value index) {
  return LLVM::LoadOp::create(b, type, b.at(array, index, type), type.getIntOrFloatBitWidth() / 8);
}

void SampleRowKernel::put(Value value, Value array, Value index) {
  Type type = value.getType();
  LLVM::StoreOp::create(b, value, b.at(array, index, type), type.getIntOrFloatBitWidth() / 8);
}

SmallVector<Value> SampleRowKernel::getMany(Value array, Value index) {
  auto four = VectorType::get({4}, f32);
  SmallVector<Value> numbers;
  for (int64_t i = 0; i < kTogether; i += 4) {
    Value from = b.at(array, b.add(index, i), f32);
    Value vector = LLVM::LoadOp::create(b, four, from, /*alignment=*/16);
    for (int64_t k = 0; k < 4; ++k)
      numbers.push_back(LLVM::ExtractElementOp::create(b, vector, b.c(k)));
  }
  return numbers;
}

Value SampleRowKernel::rowOf(unsigned buffer, int64_t columns, Type type) {
  Value from = arith::MulIOp::create(b, b.wide(row), b.c64(columns));
  return b.at(b.buffer(buffer), from, type);
}

Value SampleRowKernel::z(Value token) { return ThreadMaths(b).fmul(get(logits, token), scale); }

Value SampleRowKernel::overThreads(Value mine, Value slots,
                                   function_ref<Value(Value mine, Value other)> combine) {
  for (int64_t distance : {16, 8, 4, 2, 1})
    mine = combine(mine, b.exchange(mine, distance));
  b.ifThen(b.eq(lane, b.c(0)), [&] { put(mine, slots, warp); });
  b.meet();
  for (int64_t i = 0; i < kWarps; ++i)
    mine = combine(mine, get(mine.getType(), slots, b.c(i)));
  return mine;
}

Value SampleRowKernel::largest(Value number, Value slots) {
  return overThreads(number, slots, [&](Value mine, Value other) -> Value {
    return ThreadMaths(b).fmax(other, mine);
  });
}

void SampleRowKernel::chain(int64_t count, ValueRange init, TileKernelBuilder::Body body,
                            function_ref<void(ValueRange)> done) {
  b.ifThen(b.eq(b.threadId(), b.c(0)),
           [&] { done(b.loop(b.c(0), b.c(count), b.c(kTogether), init, body)); });
}

void SampleRowKernel::limitBlocks(Value least) {
  Value keepsAll = ThreadMaths(b).f(cpu::kKeepsAll);
  b.ifThen(compare(Predicate::OGT, least, keepsAll), [&] {
    Value inHalf = b.rem(lane, kLanes), half = b.divide(lane, kLanes);
    b.loop(warp, b.c(padded / 2), b.c(kWarps), {}, [&](Value pair, ValueRange) {
      Value block = b.add(b.mul(pair, 2), half), max = get(maxima, block);
      Value here = compare(Predicate::OGE, max, least);
      Value bit = b.select(here, b.c(1), b.c(0));
      // Both halves of the warp go along, for the shuffles.
      Value some = b.eq(arith::OrIOp::create(b, bit, b.exchange(bit, kLanes)), b.c(1));
      b.ifThen(some, [&] {
        Value kept = ThreadMaths(b).f(0), first = b.add(b.mul(block, kVocabularyBlock), inHalf);
        for (int64_t i = 0; i < kVocabularyBlock; i += kLanes) {
          Value token = b.add(first, i), inside = b.both(here, b.lt(token, b.c(vocabulary)));
          Value value = z(b.select(inside, token, b.c(0)));
          inside = b.both(inside, compare(Predicate::OGE, value, least));
          ThreadMaths n(b);
          kept = n.fadd(kept, b.select(inside, n.exp(n.fsub(value, max)), n.f(0)));
        }
        for (int64_t distance : {8, 4, 2, 1})
          kept = ThreadMaths(b).fadd(kept, b.exchange(kept, distance));
        ThreadMaths n(b);
        Value weight = n.fmul(kept, n.exp(n.fsub(max, top)));
        b.ifThen(b.both(here, b.eq(inHalf, b.c(0))), [&] { put(weight, weights, block); });
      });
      return SmallVector<Value>();
    });
  });
}

} // namespace mirl::passes::cuda
