// Attention in segments of keys (AttentionKernel.h): how two of them become one, and where a thread keeps
// what it has of the earlier ones. Registers have no room for both.

#include "passes/cuda/AttentionKernel.h"

#include "passes/cuda/SpecialFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {

SegmentMerge::SegmentMerge(TileKernelBuilder &b, const RowTotals &before, const RowTotals &segment, float factor, ArrayRef<Value> sees)
    : b(b), sees(sees) {
  Value c = arith::ConstantOp::create(b, b.getF32FloatAttr(factor));
  for (int64_t h = 0; h < 2; ++h) {
    Value x = before.top[h], y = segment.top[h], top = arith::MaxNumFOp::create(b, x, y);
    auto scale = [&](Value from) { return exp2(b, arith::MulFOp::create(b, arith::SubFOp::create(b, from, top), c)); };
    old[h] = scale(x);
    added[h] = scale(y);
    totals.top[h] = sees.empty() ? top : b.select(sees[h], top, x);
    totals.sum[h] = merged(h, before.sum[h], segment.sum[h]);
  }
}

Value SegmentMerge::merged(int64_t h, Value before, Value segment) {
  Value sum = math::FmaOp::create(b, segment, added[h], arith::MulFOp::create(b, before, old[h]));
  return sees.empty() ? sum : b.select(sees[h], sum, before);
}

RowSums RowSums::from(ValueRange all) {
  ValueRange rows = all.take_back(4);
  return {SmallVector<Value>(all.drop_back(4)), {{rows[0], rows[1]}, {rows[2], rows[3]}}};
}

SmallVector<Value> RowSums::all() const {
  SmallVector<Value> all = values;
  all.append({totals.top[0], totals.top[1], totals.sum[0], totals.sum[1]});
  return all;
}

KeptSums::KeptSums(TileKernelBuilder &b, Value buffer, Value first, Value thread, int64_t count)
    : b(b), buffer(buffer), place(arith::AddIOp::create(b, first, b.wide(b.mul(thread, 4)))), count(count) {}

Value KeptSums::piece(int64_t number) {
  return b.at(b.at(buffer, place, b.getF32Type()), 4 * kWarpgroup * number, b.getF32Type());
}

void KeptSums::storePiece(int64_t number, ArrayRef<Value> four) {
  Value vector = LLVM::PoisonOp::create(b, VectorType::get({4}, b.getF32Type()));
  for (int64_t i = 0; i < 4; ++i)
    vector = LLVM::InsertElementOp::create(b, vector, four[i], b.c(i));
  LLVM::StoreOp::create(b, vector, piece(number), /*alignment=*/16);
}

SmallVector<Value> KeptSums::loadPiece(int64_t number) {
  Value vector = LLVM::LoadOp::create(b, VectorType::get({4}, b.getF32Type()), piece(number), /*alignment=*/16);
  SmallVector<Value> four;
  for (int64_t i = 0; i < 4; ++i)
    four.push_back(LLVM::ExtractElementOp::create(b, vector, b.c(i)));
  return four;
}

void KeptSums::store(const RowSums &sums) {
  SmallVector<Value> all = sums.all();
  for (int64_t number = 0; number <= count / 4; ++number)
    storePiece(number, ArrayRef(all).slice(4 * number, 4));
}

RowSums KeptSums::load() {
  SmallVector<Value> all;
  for (int64_t number = 0; number <= count / 4; ++number)
    all.append(loadPiece(number));
  return RowSums::from(all);
}

RowSums KeptSums::merge(const RowSums &segment, float factor, ArrayRef<Value> sees,
                        function_ref<void(int64_t number, ArrayRef<Value> four)> use) {
  SmallVector<Value> rows = loadPiece(count / 4);
  SegmentMerge merge(b, {{rows[0], rows[1]}, {rows[2], rows[3]}}, segment.totals, factor, sees);
  RowSums merged{{}, merge.totals};
  for (int64_t first = 0; first < count / 4; first += kPiecesAhead) {
    SmallVector<SmallVector<Value>> pieces;
    int64_t end = std::min(count / 4, first + kPiecesAhead);
    for (int64_t number = first; number < end; ++number)
      pieces.push_back(loadPiece(number));
    for (auto [i, four] : llvm::enumerate(pieces)) {
      int64_t number = first + static_cast<int64_t>(i);
      for (auto [e, x] : llvm::enumerate(four))
        x = merge.merged(e / 2, x, segment.values[4 * number + static_cast<int64_t>(e)]);
      merged.values.append(four);
      use(number, four);
    }
  }
  return merged;
}

void KeptSums::add(Value isFirst, const RowSums &segment, float factor, ArrayRef<Value> sees) {
  b.ifElse(
      isFirst, [&] { store(segment); },
      [&] {
        RowSums merged = merge(segment, factor, sees, [&](int64_t number, ArrayRef<Value> four) { storePiece(number, four); });
        storePiece(count / 4, ArrayRef(merged.all()).take_back(4));
      });
}

RowSums KeptSums::addTo(Value earlier, const RowSums &segment, float factor, ArrayRef<Value> sees) {
  return RowSums::from(b.choose(
      earlier, [&] { return merge(segment, factor, sees, [](int64_t, ArrayRef<Value>) {}).all(); }, segment.all()));
}

} // namespace mirl::passes::cuda
