// What becomes of the sums of q, k and v of few rows (TensorCoreProduct::CacheRows): bias, rounding, rotation of q and k in
// registers; then queries go to memory, keys and values into the cache.
//
// Of the weights a tile has eight rows of the first half of a head, then the eight of the second half that they are rotated
// with, and so on. So a thread, whose rows are lane / 4 and that + 8 of a warp's sixteen, has both.

#include "passes/cuda/ProductKernel.h"
#include "passes/cuda/ThreadMaths.h"

#include "passes/cpu/Schedules.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {

using cpu::kLanes; // positions of a block of the cache

// `place`: of the first half of a thread's rows, as if the weights came in their own order.
ProductKernel::HeadPlace ProductKernel::headPlace(const Across &place) {
  int64_t head = p.cacheRows->head, eights = head / 16;
  Value sixteen = b.divide(place.row, 16);
  Value column = b.add(b.mul(b.rem(sixteen, eights), 8), b.rem(place.row, 16));
  HeadPlace at = {b.divide(sixteen, eights), column, {}};
  for (int64_t half = 0; p.bias && half < 2; ++half) {
    Value row = b.add(b.add(b.mul(at.head, head), column), half * head / 2);
    at.bias[half] = loadPacked(bias, b.select(place.rowInside, row, b.c(0)));
  }
  return at;
}

// Of each block of 8 columns. What loads wait for is loaded for all of them first. Beyond the end those of another row are read,
// which are not used.
SmallVector<ProductKernel::CachePlace> ProductKernel::cachePlaces(const Across &place, const HeadPlace &head) {
  const TensorCoreProduct::CacheRows &cache = *p.cacheRows;
  Value angles = cacheBuffers[0], positions = cacheBuffers[1], slots = cacheBuffers[2], table = cacheBuffers[3];
  Type f32 = b.getF32Type();
  auto pair = VectorType::get({2}, f32);
  auto loadPair = [&](Value index) -> Value {
    return LLVM::LoadOp::create(b, pair, b.at(angles, index, f32), /*alignment=*/8);
  };
  SmallVector<CachePlace> places;
  Values position, slot;
  for (int64_t block = 0; block < tile.n / 8; ++block) {
    Value column = b.add(place.column, 8 * block), inside = b.both(place.rowInside, b.lt(column, j));
    column = b.select(inside, column, b.c(0));
    position.push_back(loadIndex(positions, column));
    slot.push_back(loadIndex(slots, column));
    places.push_back({inside, column, {}, {}, {}, {}});
  }
  for (auto [at, position, slot] : llvm::zip_equal(places, position, slot)) {
    Value angle = b.add(b.mul(position, cache.head), head.number);
    at.cosine = loadPair(angle);
    at.sine = loadPair(b.add(angle, cache.head / 2));
    at.block = loadIndex(table, b.add(b.mul(slot, cache.tableWidth), b.divide(position, kLanes)));
    at.within = b.rem(position, kLanes);
  }
  return places;
}

// Keys and values of earlier positions come into the GPU's cache from the beginning, for the attention behind: this product leaves
// memory idle. Of each sequence as many blocks as all of them have room for. By the producer's warps that have nothing else to do.
void ProductKernel::prefetchCache() {
  // Of all sequences. More of it takes longer than it saves: 24 MiB made 256 sequences of 1.5B 1.7 % slower (one H200).
  constexpr int64_t kBytes = 8 << 20, kWarp = 32, kWarps = kWarpgroup / kWarp - 1;
  const TensorCoreProduct::CacheRows &cache = *p.cacheRows;
  const int64_t blockBytes = cache.kvHeads * kLanes * cache.head * 2;
  Value positions = cacheBuffers[1], slots = cacheBuffers[2], table = cacheBuffers[3];
  Value thread = b.threadOfGroup(), lane = b.rem(thread, kWarp), most = b.divide(b.c(kBytes / (2 * blockBytes)), j);
  b.ifThen(b.lt(b.c(kWarp - 1), thread), [&] {
    Value first = b.add(b.mul(b.firstItem(), kWarps), b.sub(b.divide(thread, kWarp), b.c(1)));
    b.loop(first, j, b.mul(b.itemStep(), kWarps), {}, [&](Value row, ValueRange) -> Values {
      Value blocks = b.min(b.ceilDivide(loadIndex(positions, row), kLanes), most), slot = loadIndex(slots, row);
      b.ifThen(b.lt(lane, blocks), [&] {
        Value block = loadIndex(table, b.add(b.mul(slot, cache.tableWidth), lane));
        Value place = arith::MulIOp::create(b, b.wide(block), b.c64(blockBytes));
        for (auto [use, result] : llvm::zip_equal(cache.uses, allResults))
          if (use != Use::query)
            NVVM::CpAsyncBulkPrefetchOp::create(b, b.at(result, place, b.getI8Type()), b.c(blockBytes), Value());
      });
      return {};
    });
  });
}

ProductKernel::Value ProductKernel::loadIndex(Value pointer, Value index) {
  return LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, index, b.getI32Type()), /*alignment=*/4);
}

// The index of a thread's first number in the result.
Value ProductKernel::cacheIndex(Use use, const HeadPlace &head, const CachePlace &at) {
  const TensorCoreProduct::CacheRows &cache = *p.cacheRows;
  auto index = [&](Value x, Value factor, Value rest) -> Value {
    return arith::AddIOp::create(b, arith::MulIOp::create(b, b.wide(x), b.wide(factor)), b.wide(rest));
  };
  if (use == Use::query)
    return index(at.column, i, b.add(b.mul(head.head, cache.head), head.number));
  // Either the positions of a block are neighbours, or the numbers of a head.
  Value rest = use == Use::key ? b.add(b.mul(head.number, kLanes), at.within) : b.add(b.mul(at.within, cache.head), head.number);
  return index(b.add(b.mul(at.block, cache.kvHeads), head.head), b.c(kLanes * cache.head), rest);
}

// All numbers are made before the first is stored, as in storeTransposed.
void ProductKernel::storeCacheRows(Value sums, Value part, const Across &place, const CacheAhead &ahead) {
  for (auto [number, use] : llvm::enumerate(p.cacheRows->uses))
    b.ifThen(b.eq(part, b.c(number)), [&, use = use] {
      SmallVector<std::pair<Value, Value>> words;
      Values targets;
      for (auto [block, at] : llvm::enumerate(ahead.places)) {
        Pair halves[2];
        for (int64_t half = 0; half < 2; ++half) {
          int64_t element = 4 * block + 2 * half;
          Pair sum = acrossPair(place, b.element(sums, element), b.element(sums, element + 1));
          halves[half] = p.bias ? fadd(sum, b.unpack(ahead.head.bias[half])) : sum;
        }
        Value low = pack(halves[0]), high = pack(halves[1]);
        words.push_back(use == Use::value ? std::pair(low, high) : rotate(low, high, at));
        targets.push_back(b.at(results[0], cacheIndex(use, ahead.head, at), b.getBF16Type()));
      }
      for (auto [at, word, target] : llvm::zip_equal(ahead.places, words, targets))
        b.ifThen(at.inside, [&, word = word, target = target] {
          storePair(use, word.first, target, 0);
          storePair(use, word.second, target, p.cacheRows->head / 2);
        });
    });
}

// Of two neighbours of either half of a head, in bf16, what replaces them.
std::pair<Value, Value> ProductKernel::rotate(Value low, Value high, const CachePlace &at) {
  ThreadMaths m(b);
  Pair x = b.unpack(low), y = b.unpack(high), first, second;
  auto turn = [&](Value x, Value y, int64_t number) {
    auto of = [&](Value pair) { return LLVM::ExtractElementOp::create(b, pair, b.c(number)); };
    return cpu::rotate(m, x, y, of(at.cosine), of(at.sine));
  };
  std::tie(first.first, second.first) = turn(x.first, y.first, 0);
  std::tie(first.second, second.second) = turn(x.second, y.second, 1);
  return {pack(first), pack(second)};
}

// Two neighbours of a head, in bf16, `further` behind the thread's first number.
void ProductKernel::storePair(Use use, Value word, Value target, int64_t further) {
  Type bf16 = b.getBF16Type();
  if (use != Use::key) {
    LLVM::StoreOp::create(b, word, b.at(target, further, bf16), /*alignment=*/4);
    return;
  }
  Value both = LLVM::BitcastOp::create(b, VectorType::get({2}, bf16), word);
  for (int64_t e = 0; e < 2; ++e)
    LLVM::StoreOp::create(b, LLVM::ExtractElementOp::create(b, both, b.c(e)), b.at(target, (further + e) * kLanes, bf16),
                          /*alignment=*/2);
}

} // namespace mirl::passes::cuda
