// nn.embedding_grad on a GPU: the same chains as on the CPU (rows of one token ascending), beside
// each other.
//
// `embedding_order` sorts the rows by token: the place of a row is the number of rows with a lower
// token, or with the same token before it. Every row is compared with every other, a thread a row:
// four ids are read at a time, and an id costs a comparison and an addition. That is quadratic in
// the rows, but of 16,384 of them a few tens of microseconds, and of 131,072 still less than a
// hundredth of what the rest of a training step takes.
//
// `embedding_grad` has a work item for each place. The first place of a token walks on to its last,
// and adds the rows' gradients to the token's row of the table in that order; the other places are
// done at once. What a block will read in the next step is known one step before, so that the
// frequent tokens' long chains do not wait for one address after the other.

#include "passes/cuda/TileKernelBuilder.h"
#include "passes/cuda/TileSchedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

constexpr int64_t kAccess = 16;    // bytes of a thread
constexpr int64_t kTogether = 8;   // rows of a chain whose gradients are on their way at a time
constexpr int64_t kOrderRows = 32; // of a block: a warp's threads
constexpr int64_t kWarps = 4;      // each of which compares them with a part of all rows
constexpr int64_t kOrderBlocks = 16, kGradBlocks = 5; // on a multiprocessor

// What both kernels do with memory.
class EmbeddingKernel {
public:
  EmbeddingKernel(LLVM::LLVMFuncOp kernel, Location loc, unsigned buffers, RankedTensorType rows)
      : b(loc, kernel, /*maps=*/0, buffers) {
    std::optional<nn::AxisAttr> axis = nn::axisOf(rows);
    count = axis ? b.add(b.dim(static_cast<unsigned>(axis->getAxis()) - 1), axis->getExtra())
                 : b.c(rows.getDimSize(0));
  }

protected:
  Value integer(unsigned buffer, Value index) {
    return LLVM::LoadOp::create(b, b.getI32Type(), b.at(b.buffer(buffer), index, b.getI32Type()),
                                /*alignment=*/4);
  }
  void storeInteger(Value value, unsigned buffer, Value index) {
    LLVM::StoreOp::create(b, value, b.at(b.buffer(buffer), index, b.getI32Type()),
                          /*alignment=*/4);
  }

  TileKernelBuilder b;
  Value count; // of rows
};

// Buffers: ids; the rows in order of their tokens, and those tokens.
class OrderKernel : EmbeddingKernel {
public:
  OrderKernel(LLVM::LLVMFuncOp kernel, Location loc, RankedTensorType rows)
      : EmbeddingKernel(kernel, loc, 3, rows) {}

  void emit() {
    warp = b.divide(b.threadOfGroup(), kOrderRows);
    lane = b.rem(b.threadOfGroup(), kOrderRows);
    Value items = b.ceilDivide(count, kOrderRows);
    b.loop(b.firstItem(), items, b.itemStep(), {},
           [&](Value item, ValueRange) -> SmallVector<Value> {
             place(b.mul(item, kOrderRows));
             return {};
           });
    b.finish(/*warpgroups=*/1, /*sharedBytes=*/kWarps * kOrderRows * 4, kOrderBlocks);
  }

private:
  Value counter(Value of) {
    return b.at(b.shared(b.c(0)), b.add(b.mul(of, kOrderRows), lane), b.getI32Type());
  }

  // The places of the rows [first, first + kOrderRows).
  void place(Value first) {
    Value row = b.add(first, lane), there = b.lt(row, count);
    Value id = integer(0, b.select(there, row, b.c(0)));
    // This warp's part of all rows: whole groups of four, which begin at 16 bytes.
    Value part = b.mul(b.ceilDivide(count, 4 * kWarps), 4);
    Value from = b.min(b.mul(warp, part), count), to = b.min(b.add(from, part), count);
    // Up to the block's rows an equal token counts; behind them it does not. Among them it depends.
    Value behind = b.add(first, kOrderRows);
    Value sum = compare(from, b.min(to, first), b.add(id, 1), b.c(0));
    sum = compareOneByOne(b.max(from, first), b.min(to, behind), row, id, sum);
    sum = compare(b.max(from, behind), to, id, sum);
    LLVM::StoreOp::create(b, sum, counter(warp), /*alignment=*/4);
    b.meet();
    b.ifThen(b.both(there, b.eq(warp, b.c(0))), [&] {
      Value at = b.c(0);
      for (int64_t other = 0; other < kWarps; ++other)
        at = b.add(at, LLVM::LoadOp::create(b, b.getI32Type(), counter(b.c(other)), 4));
      storeInteger(row, 1, at);
      storeInteger(id, 2, at);
    });
    b.meet(); // before the counters of the next rows are written
  }

  // sum + how many of the ids [from, to) are below `bound`.
  Value compare(Value from, Value to, Value bound, Value sum) {
    Value last = b.max(from, to), whole = b.add(from, b.mul(b.divide(b.sub(last, from), 4), 4));
    auto four = VectorType::get({4}, b.getI32Type());
    sum = b.loop(from, whole, b.c(4), sum, [&](Value at, ValueRange carried) -> SmallVector<Value> {
      Value ids = LLVM::LoadOp::create(b, four, b.at(b.buffer(0), at, b.getI32Type()), kAccess);
      Value more = carried[0];
      for (int64_t i = 0; i < 4; ++i)
        more = increase(more, LLVM::ExtractElementOp::create(b, ids, b.c(i)), bound);
      return {more};
    })[0];
    return b.loop(whole, last, b.c(1), sum,
                  [&](Value at, ValueRange carried) -> SmallVector<Value> {
                    return {increase(carried[0], integer(0, at), bound)};
                  })[0];
  }

  Value compareOneByOne(Value from, Value to, Value row, Value id, Value sum) {
    return b.loop(from, b.max(from, to), b.c(1), sum,
                  [&](Value at, ValueRange carried) -> SmallVector<Value> {
                    Value bound = b.add(id, b.select(b.lt(at, row), b.c(1), b.c(0)));
                    return {increase(carried[0], integer(0, at), bound)};
                  })[0];
  }

  // Tokens are not negative.
  Value increase(Value sum, Value id, Value bound) {
    return b.add(sum, b.select(b.lt(id, bound), b.c(1), b.c(0)));
  }

  Value warp, lane;
};

// Buffers: the gradient, the order and its tokens; the table.
class GradKernel : EmbeddingKernel {
public:
  GradKernel(LLVM::LLVMFuncOp kernel, Location loc, RankedTensorType gradient)
      : EmbeddingKernel(kernel, loc, 4, gradient), columns(gradient.getDimSize(1)),
        narrow(gradient.getElementType().isBF16()), values(kAccess / (narrow ? 2 : 4)) {}

  void emit() {
    b.loop(b.firstItem(), count, b.itemStep(), {},
           [&](Value place, ValueRange) -> SmallVector<Value> {
             Value token = integer(2, place),
                   before = integer(2, b.select(b.lt(b.c(0), place), b.sub(place, b.c(1)), place));
             Value first = b.either(b.eq(place, b.c(0)), b.lt(before, token));
             b.ifThen(first, [&] {
               b.loop(b.threadOfGroup(), b.c(columns / values), b.c(kWarpgroup), {},
                      [&](Value vector, ValueRange) -> SmallVector<Value> {
                        chain(place, token, b.mul(vector, values));
                        return {};
                      });
             });
             return {};
           });
    b.finish(/*warpgroups=*/1, /*sharedBytes=*/0, kGradBlocks);
  }

private:
  Value address(unsigned buffer, Value row, Value column, Type element) {
    Value at = arith::AddIOp::create(b, arith::MulIOp::create(b, b.wide(row), b.c64(columns)),
                                     b.wide(column));
    return b.at(b.buffer(buffer), at, element);
  }

  // The rows of the next places from `place` on, and whether they are of this token. Those are the
  // first of them.
  SmallVector<Value> look(Value place, Value token) {
    SmallVector<Value> rows, same;
    for (int64_t i = 0; i < kTogether; ++i) {
      Value at = b.add(place, i), there = b.lt(at, count), known = b.select(there, at, b.c(0));
      rows.push_back(integer(1, known));
      same.push_back(b.both(there, b.eq(integer(2, known), token)));
    }
    rows.append(same);
    return rows;
  }

  SmallVector<Value> gradientOf(Value row, Value column) {
    Type f32 = b.getF32Type();
    SmallVector<Value> numbers;
    auto type = VectorType::get({4}, narrow ? Type(b.getI32Type()) : f32);
    Value words = LLVM::LoadOp::create(
        b, type, address(0, row, column, narrow ? Type(b.getI16Type()) : f32), kAccess);
    for (int64_t i = 0; i < 4; ++i) {
      Value word = LLVM::ExtractElementOp::create(b, words, b.c(i));
      if (!narrow) {
        numbers.push_back(word);
        continue;
      }
      auto [low, high] = b.unpack(word);
      numbers.append({low, high});
    }
    return numbers;
  }

  // Adds the gradients of the token's rows, which begin at `place`, to `values` columns of the
  // table.
  void chain(Value place, Value token, Value column) {
    Type f32 = b.getF32Type();
    auto four = VectorType::get({4}, f32);
    Value table = address(3, token, column, f32);
    SmallVector<Value> init = {place};
    init.append(look(place, token));
    for (int64_t i = 0; i < values; i += 4) {
      Value part = LLVM::LoadOp::create(b, four, b.at(table, i, f32), kAccess);
      for (int64_t k = 0; k < 4; ++k)
        init.push_back(LLVM::ExtractElementOp::create(b, part, b.c(k)));
    }
    SmallVector<Value> sums = b.repeat(init, [&](ValueRange carried) -> SmallVector<Value> {
      ValueRange rows = carried.slice(1, kTogether), same = carried.slice(1 + kTogether, kTogether);
      SmallVector<Value> sum(carried.drop_front(1 + 2 * kTogether));
      SmallVector<SmallVector<Value>> numbers;
      for (Value row : rows)
        numbers.push_back(gradientOf(row, column));
      Value next = b.add(carried[0], kTogether);
      SmallVector<Value> ahead = look(next, token);
      for (auto [here, of] : llvm::zip(same, numbers))
        for (auto [number, more] : llvm::zip(sum, of))
          number = b.select(here, arith::AddFOp::create(b, number, more), number);
      SmallVector<Value> result = {ahead[kTogether], next};
      result.append(ahead);
      result.append(sum);
      return result;
    });
    ArrayRef<Value> sum = ArrayRef(sums).drop_front(1 + 2 * kTogether);
    for (int64_t i = 0; i < values; i += 4) {
      Value part = LLVM::PoisonOp::create(b, four);
      for (int64_t k = 0; k < 4; ++k)
        part = LLVM::InsertElementOp::create(b, part, sum[i + k], b.c(k));
      LLVM::StoreOp::create(b, part, b.at(table, i, f32), kAccess);
    }
  }

  int64_t columns;
  bool narrow;
  int64_t values; // of an access to the gradient
};

} // namespace

bool servesEmbeddingGrad(nn::EmbeddingGradOp op) {
  auto gradient = cast<RankedTensorType>(op.getGradient().getType()),
       table = cast<RankedTensorType>(op.getResult().getType());
  return table.getElementType().isF32() &&
         gradient.getDimSize(1) % (kAccess / (gradient.getElementTypeBitWidth() / 8)) == 0;
}

LogicalResult lowerEmbeddingGrad(Operation *op, Lowering &lowering) {
  auto grad = cast<nn::EmbeddingGradOp>(op);
  auto gradient = cast<RankedTensorType>(grad.getGradient().getType()),
       ids = cast<RankedTensorType>(grad.getIds().getType());
  Value order = lowering.scratch(ids, "embedding_order"),
        tokens = lowering.scratch(ids, "embedding_tokens");
  double columns = static_cast<double>(gradient.getDimSize(1));

  cpu::LaunchSpec sort;
  sort.kernel = "embedding_order_" + cpu::axisName(ids);
  sort.reads = {lowering.slice(grad.getIds())};
  sort.writes = {order, tokens};
  sort.work = lowering.rows(ids, kOrderRows);
  sort.bytes = plan::perRow(ids, 12);
  lowering.launchTiles(
      sort, [&](LLVM::LLVMFuncOp kernel) { OrderKernel(kernel, op->getLoc(), ids).emit(); });

  cpu::LaunchSpec spec;
  spec.kernel = "embedding_grad_sorted_" + cpu::axisName(gradient) + "_c" +
                std::to_string(gradient.getDimSize(1)) +
                (gradient.getElementType().isBF16() ? "_bf1" : "");
  spec.reads = {lowering.slice(grad.getGradient()), order, tokens};
  spec.writes = {lowering.slice(grad.getResult())};
  spec.updates = {0};
  spec.work = lowering.rows(gradient);
  // As if no token came twice.
  spec.bytes = plan::perRow(gradient, (gradient.getElementTypeBitWidth() / 8.0 + 8) * columns + 8);
  spec.flops = plan::perRow(gradient, columns);
  lowering.launchTiles(
      spec, [&](LLVM::LLVMFuncOp kernel) { GradKernel(kernel, op->getLoc(), gradient).emit(); });
  return success();
}

} // namespace mirl::passes::cuda
