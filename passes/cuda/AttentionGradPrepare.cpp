// What the tile kernels of nn.attention_grad need (AttentionGradKernel.h): two numbers of each row
// and head, and the list of tiles.

#include "passes/cuda/AttentionGradKernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr double kLog2E = 1.44269504088896340736;
constexpr int64_t kVector = 8;   // numbers of bf16 that a thread reads at a time
constexpr int64_t kTogether = 2; // of them
constexpr int64_t kBlocks = 8;   // on a multiprocessor

class PrepareKernel {
public:
  PrepareKernel(TileKernelBuilder &b, const AttentionGrad &grad) : b(b), grad(grad) {}
  void emit();

private:
  void numbers();
  Value sumOf(Value gradient, Value result);
  void store(Value rowHead, Value sum);
  void tiles();
  Value count(RankedTensorType type) {
    std::optional<nn::AxisAttr> axis = nn::axisOf(type);
    return axis ? b.add(b.dim(static_cast<unsigned>(axis->getAxis()) - 1), axis->getExtra())
                : b.c(type.getDimSize(0));
  }
  Value load(Type type, Value pointer, Value at, Type element, unsigned alignment) {
    return LLVM::LoadOp::create(b, type, b.at(pointer, at, element), alignment);
  }
  Value offset(Value at) { return load(b.getI32Type(), b.buffer(3), at, b.getI32Type(), 4); }
  Value f32(double value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(value)));
  }
  void storeList(Value entry, ArrayRef<Value> values) {
    Value to = b.at(b.buffer(5), b.mul(entry, 2), b.getI32Type());
    for (auto [i, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(b, value, b.at(to, static_cast<int64_t>(i), b.getI32Type()),
                            /*alignment=*/4);
  }
  // Σ over sequences s of max(0, tiles(s) − work), and how many of the first `before` have at least
  // that many tiles.
  std::pair<Value, Value> ranks(Value work, Value before);

  TileKernelBuilder &b;
  const AttentionGrad &grad;
  Value rows, sequences, first, step;
};

// The sum of a thread's eight products in order.
Value PrepareKernel::sumOf(Value gradient, Value result) {
  Value sum = f32(0);
  for (int64_t i = 0; i < kVector; ++i) {
    auto number = [&](Value of) -> Value {
      auto [low, high] = b.unpack(LLVM::ExtractElementOp::create(b, of, b.c(i / 2)));
      return i % 2 ? high : low;
    };
    sum = math::FmaOp::create(b, number(gradient), number(result), sum);
  }
  return sum;
}

// D is a sum over eight numbers in order, then over the head's threads in pairs.
void PrepareKernel::numbers() {
  int64_t threads = grad.dim / kVector; // of a head
  Value vectors = b.mul(rows, grad.width() / kVector);
  auto words = VectorType::get({kVector / 2}, b.getI32Type());
  Value begin = b.mul(b.firstItem(), kTogether * kWarpgroup), stride = b.mul(step, kTogether);
  b.loop(begin, vectors, stride, {}, [&](Value from, ValueRange) -> SmallVector<Value> {
    // All that is read is on its way before the first of it is used.
    SmallVector<Value> at, there, gradients, results;
    for (int64_t i = 0; i < kTogether; ++i) {
      at.push_back(b.add(b.add(from, b.threadOfGroup()), i * kWarpgroup));
      there.push_back(b.lt(at[i], vectors));
      Value word = b.mul(b.select(there[i], at[i], b.c(0)), kVector / 2);
      gradients.push_back(load(words, b.buffer(0), word, b.getI32Type(), 16));
      results.push_back(load(words, b.buffer(1), word, b.getI32Type(), 16));
    }
    for (int64_t i = 0; i < kTogether; ++i) {
      Value sum = sumOf(gradients[i], results[i]);
      for (int64_t distance = threads / 2; distance > 0; distance /= 2)
        sum = arith::AddFOp::create(b, sum, b.exchange(sum, distance));
      b.ifThen(b.both(there[i], b.eq(b.rem(at[i], threads), b.c(0))),
               [&] { store(b.divide(at[i], threads), sum); });
    }
    return {};
  });
}

void PrepareKernel::store(Value rowHead, Value sum) {
  Value row = b.divide(rowHead, grad.heads), head = b.rem(rowHead, grad.heads);
  Value lse = load(b.getF32Type(), b.buffer(2), rowHead, b.getF32Type(), 4);
  auto pair = VectorType::get({2}, b.getF32Type());
  Value two = LLVM::PoisonOp::create(b, pair);
  two = LLVM::InsertElementOp::create(b, two, arith::MulFOp::create(b, lse, f32(-kLog2E)), b.c(0));
  two = LLVM::InsertElementOp::create(b, two, sum, b.c(1));
  Value to = b.mul(b.add(b.mul(head, rows), row), 2);
  LLVM::StoreOp::create(b, two, b.at(b.buffer(4), to, b.getF32Type()), /*alignment=*/8);
}

std::pair<Value, Value> PrepareKernel::ranks(Value work, Value before) {
  SmallVector<Value> init = {offset(b.c(0)), b.c(0), b.c(0)};
  SmallVector<Value> done = b.loop(
      b.c(0), sequences, b.c(1), init, [&](Value s, ValueRange carried) -> SmallVector<Value> {
        Value end = offset(b.add(s, 1)),
              tiles = b.ceilDivide(b.sub(end, carried[0]), kAttentionTile);
        Value more = b.select(b.lt(work, tiles), b.sub(tiles, work), b.c(0));
        Value equal = b.both(b.lt(s, before), b.lt(work, b.add(tiles, 1)));
        return {end, b.add(carried[1], more), b.add(carried[2], b.select(equal, b.c(1), b.c(0)))};
      });
  return {done[1], done[2]};
}

// Sequence s has the slots from ⌊offset(s) / tile⌋ + s on, at least as many as it has tiles. A
// thread for each slot: it finds the sequence, and where its tile stands among all of them.
void PrepareKernel::tiles() {
  Value slots = b.add(b.divide(rows, kAttentionTile), sequences);
  Value begin = b.add(b.mul(b.firstItem(), kWarpgroup), b.threadOfGroup());
  b.loop(begin, slots, step, {}, [&](Value slot, ValueRange) -> SmallVector<Value> {
    auto slotOf = [&](Value s) { return b.add(b.divide(offset(s), kAttentionTile), s); };
    SmallVector<Value> bounds = {b.c(0), sequences};
    bounds = b.loop(
        b.c(0), b.c(31), b.c(1), bounds, [&](Value, ValueRange carried) -> SmallVector<Value> {
          Value middle = b.divide(b.add(carried[0], carried[1]), 2),
                below = b.lt(slot, slotOf(middle));
          return {b.select(below, carried[0], middle), b.select(below, middle, carried[1])};
        });
    Value s = bounds[0], number = b.sub(slot, slotOf(s));
    Value tiles = b.ceilDivide(b.sub(offset(b.add(s, 1)), offset(s)), kAttentionTile);
    b.ifThen(b.lt(number, tiles), [&] {
      auto [more, equal] = ranks(b.sub(tiles, number), s);
      storeList(b.add(b.add(more, equal), 1), {s, number});
    });
    b.ifThen(b.eq(slot, b.c(0)), [&] { storeList(b.c(0), {ranks(b.c(0), b.c(0)).first, b.c(0)}); });
    return {};
  });
}

void PrepareKernel::emit() {
  rows = count(grad.rows);
  sequences = b.sub(count(grad.offsets), b.c(1));
  step = b.mul(b.itemStep(), kWarpgroup);
  tiles();
  numbers();
  b.finish(/*warpgroups=*/1, /*sharedBytes=*/0, kBlocks);
}

} // namespace

void emitAttentionGradPrepare(LLVM::LLVMFuncOp kernel, Location loc, const AttentionGrad &grad) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/0, /*buffers=*/6);
  PrepareKernel(builder, grad).emit();
}

} // namespace mirl::passes::cuda
