// The kernels on tiles of nn.attention_grad (AttentionGradKernel.h).
//
// A block keeps 128 rows of one side (keys with values, or queries with gradients) and streams the
// other side past them, `n` rows at a time. Warpgroup 0 produces: one thread copies tiles into two
// rings, one of kept and one of streamed tiles; its second and third warp add the numbers of the
// queries' rows. Two warpgroups consume, 64 kept rows each:
//
//   S = kept₀ · streamed₀ᵀ, dP = kept₁ · streamed₁ᵀ   both operands in shared memory
//   sums += P · streamed₁, dS · streamed₀              P and dS from the registers of S and dP
//
// With keys kept, S is the transpose of the one in the formulas; P and dS have the layout that the
// sums need of A. Of the tiles that are streamed past a warpgroup one lies on the diagonal, and is
// masked; those on the wrong side of it are skipped.

#include "passes/cuda/AttentionGradKernel.h"

#include "passes/cuda/RegisterProducts.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/SpecialFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using Values = SmallVector<Value>;

constexpr int64_t kConsumers = 2;
constexpr int64_t kKept = kAttentionTile; // rows
constexpr int64_t kKeptTiles = 2;         // pairs of them in shared memory
constexpr int64_t kMostStages = 8;
constexpr int64_t kItemBytes = 32;
constexpr int64_t kNumberThreads = 64; // that copy numbers of queries
constexpr int64_t kWarps = 4 * kConsumers;
constexpr double kLog2E = 1.44269504088896340736;

// How a tile of the other side is worked on.
struct StreamedTile {
  int64_t rows;
  // So many times 16 rows are made into P and dS before the products with them begin.
  int64_t together;
  // The products with P and dS still run when the next tile is begun. That takes registers.
  bool deferred;
};

// The fastest of those that fit the registers, measured on an H100 (bench/gpu/attention_grad.py).
StreamedTile tileOf(const AttentionGrad &grad, bool keys) {
  if (keys)
    return {/*rows=*/grad.dim == 64 ? 128 : 64, /*together=*/grad.dim == 64 ? 4 : 1,
            /*deferred=*/false};
  return {/*rows=*/grad.dim == 64 ? 128 : 64, /*together=*/grad.dim == 64 ? 2 : 1,
          /*deferred=*/true};
}

class GradKernel {
public:
  GradKernel(TileKernelBuilder &b, const AttentionGrad &grad, bool keys)
      : b(b), grad(grad), keys(keys), tile(tileOf(grad, keys)), n(tile.rows) {
    keptBytes = kKept * 2 * grad.dim;
    streamedBytes = n * 2 * grad.dim;
    numberBytes = keys ? 8 * n : 0;
    keptNumberBytes = keys ? 0 : 8 * kKept;
    int64_t room = kSharedBytes - kKeptTiles * (2 * keptBytes + keptNumberBytes + kItemBytes) -
                   16 * (kMostStages + kKeptTiles);
    stages = std::min(kMostStages, room / (2 * streamedBytes + numberBytes));
  }
  void emit();

private:
  // A place in a ring, and the parity of its round.
  struct Slot {
    Value number, parity;
  };
  Slot next(Slot at, int64_t count) {
    Value last = b.eq(at.number, b.c(count - 1));
    return {b.select(last, b.c(0), b.add(at.number, 1)),
            b.select(last, b.sub(b.c(1), at.parity), at.parity)};
  }

  // --- shared memory: kept pairs, streamed pairs, the numbers of queries (streamed or kept), items
  // of the kept pairs, barriers
  int64_t streamed() const { return 2 * kKeptTiles * keptBytes; }
  int64_t numbers() const { return streamed() + 2 * stages * streamedBytes; }
  int64_t keptNumbers() const { return numbers() + stages * numberBytes; }
  int64_t items() const { return keptNumbers() + kKeptTiles * keptNumberBytes; }
  int64_t barriers() const { return items() + kKeptTiles * kItemBytes; }
  int64_t sharedBytes() const { return barriers() + 16 * (stages + kKeptTiles); }
  Value barrier(int64_t first, Value at) {
    return b.at(b.shared(b.c(barriers() + 8 * first)), at, b.getI64Type());
  }
  Value full(Value stage) { return barrier(0, stage); }
  Value empty(Value stage) { return barrier(stages, stage); }
  Value keptFull(Value pair) { return barrier(2 * stages, pair); }
  Value keptEmpty(Value pair) { return barrier(2 * stages + kKeptTiles, pair); }

  // --- what a work item is
  struct Item {
    Value head;          // of the kept operands
    Value first, end;    // the first kept row, and the end of its sequence
    Value streamedFirst; // the first streamed row
    Value streamedHead;  // of the first head that is streamed
    Value tiles;         // streamed tiles of each head
    Value keptTile;      // number of the kept tile in its sequence
  };
  Item itemOf(Value round);
  void publish(const Item &item, Value pair);
  Item published(Value pair); // what consumers need of it
  void rounds(ValueRange init, llvm::function_ref<Values(Value round, ValueRange)> body);
  int64_t streamedHeads() const { return keys ? grad.group() : 1; }
  int64_t itemHeads() const { return keys ? grad.kvHeads : grad.heads; }

  // --- the producer
  void copy(unsigned map, Value target, int64_t rows, Value head, Value row, Value barrier);
  void produce();
  void copyNumbers(Value head, Value first, Value end, int64_t count, Value target, Value empty,
                   Value parity, Value full);
  void produceNumbers();

  // --- consumers
  enum class Kind { skipped, masked, whole };
  void consume(Value consumer);
  Values step(Kind kind, Slot kept, ValueRange carried);
  Value product(Value kept, Value streamedTile);
  Value number(int64_t element, int64_t which, Value stage);
  Value masked(Kind kind, int64_t element, Value value);
  Values pack(ArrayRef<Value> elements);
  Values probabilities(Kind kind, Value scores, Value stage);
  Values slopesOf(Kind kind, ArrayRef<Value> p, Value slopes, int64_t first, Value stage);
  void release(Value stage); // where it is one
  void store(unsigned buffer, Value accumulator, const Item &item, double factor);
  // What the lanes have read with loads of their own, they have read when the warp arrives: items and
  // numbers. Tiles are read by products, which are the whole warp's and through by then.
  void meetWarp() { NVVM::SyncWarpOp::create(b, b.c(-1)); }
  void arriveWarp(Value barrier) {
    b.ifThen(b.eq(lane, b.c(0)), [&] { b.arrive(barrier); });
  }

  Value f32(double value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(value)));
  }
  Value loadIndex(Value pointer, Value at) {
    return LLVM::LoadOp::create(b, b.getI32Type(), b.at(pointer, at, b.getI32Type()),
                                /*alignment=*/4);
  }
  Value rowNumbers(Value head, Value row); // (−lse·log2(e), D) of a row
  Value columnBegin(Value head) { return b.mul(head, grad.dim); }

  TileKernelBuilder &b;
  const AttentionGrad &grad;
  const bool keys;
  const StreamedTile tile;
  const int64_t n; // its rows
  int64_t keptBytes, streamedBytes, numberBytes, keptNumberBytes, stages;
  Value rows, offsets, numbersOf, list, itemCount;
  // Of a consumer.
  Value lane, warp, warpgroup;
  Value columnNumbers;       // of the two columns asked for last
  Value maskColumn, maskRow; // a thread's column and row as the mask compares them
  Values ownNumbers;         // of a thread's two kept rows: −lse·log2(e), D, −lse·log2(e), D
};

// Blocks take the list in rounds, every other one backwards: who had the most work gets the least.
GradKernel::Item GradKernel::itemOf(Value round) {
  Value odd = b.eq(b.rem(round, 2), b.c(1)), blocks = b.itemStep(), block = b.firstItem();
  Value place = b.select(odd, b.sub(b.sub(blocks, block), b.c(1)), block);
  Value index = b.add(b.mul(round, blocks), place);
  Value entry = b.add(b.mul(b.divide(index, itemHeads()), 2), 2);
  Item item;
  item.head = b.rem(index, itemHeads());
  Value sequence = loadIndex(list, entry), number = loadIndex(list, b.add(entry, 1));
  Value begin = loadIndex(offsets, sequence);
  item.end = loadIndex(offsets, b.add(sequence, 1));
  Value length = b.sub(item.end, begin);
  // Of keys, the first tile is seen by the most queries; of queries, the last one sees the most
  // keys.
  item.keptTile = keys ? number : b.sub(b.sub(b.ceilDivide(length, kKept), number), b.c(1));
  Value from = b.mul(item.keptTile, kKept);
  item.first = b.add(begin, from);
  item.streamedFirst = keys ? item.first : begin;
  item.streamedHead = keys ? b.mul(item.head, grad.group()) : b.divide(item.head, grad.group());
  item.tiles =
      keys ? b.ceilDivide(b.sub(length, from), n) : b.mul(b.add(item.keptTile, 1), kKept / n);
  return item;
}

// The producer has looked an item up long before consumers come to it.
void GradKernel::publish(const Item &item, Value pair) {
  Value to = b.shared(b.add(b.mul(pair, kItemBytes), items()));
  for (auto [i, value] :
       llvm::enumerate(Values{item.head, item.first, item.end, item.tiles, item.keptTile}))
    LLVM::StoreOp::create(b, value, b.at(to, static_cast<int64_t>(i), b.getI32Type()),
                          /*alignment=*/4);
}

GradKernel::Item GradKernel::published(Value pair) {
  Value from = b.shared(b.add(b.mul(pair, kItemBytes), items()));
  Item item;
  int64_t at = 0;
  for (Value *value : {&item.head, &item.first, &item.end, &item.tiles, &item.keptTile})
    *value =
        LLVM::LoadOp::create(b, b.getI32Type(), b.at(from, at++, b.getI32Type()), /*alignment=*/4);
  return item;
}

void GradKernel::rounds(ValueRange init, llvm::function_ref<Values(Value, ValueRange)> body) {
  Value blocks = b.itemStep(), block = b.firstItem();
  Value whole = b.divide(itemCount, blocks), rest = b.rem(itemCount, blocks);
  Value odd = b.eq(b.rem(whole, 2), b.c(1));
  Value place = b.select(odd, b.sub(b.sub(blocks, block), b.c(1)), block);
  Value count = b.add(whole, b.select(b.lt(place, rest), b.c(1), b.c(0)));
  b.loop(b.c(0), count, b.c(1), init, body);
}

// `rows` rows of a head of both of a pair's operands, in chunks of 64 columns.
void GradKernel::copy(unsigned map, Value target, int64_t rows, Value head, Value row,
                      Value barrier) {
  for (int64_t operand = 0; operand < 2; ++operand)
    for (int64_t chunk = 0; chunk < grad.dim / kTileRow; ++chunk) {
      int64_t offset = (operand * grad.dim / kTileRow + chunk) * rows * kTileRowBytes;
      b.load(b.shared(b.add(target, offset)), b.map(map + operand),
             {b.add(columnBegin(head), chunk * kTileRow), row}, barrier);
    }
}

void GradKernel::produce() {
  rounds({b.c(0), b.c(1), b.c(0), b.c(1)}, [&](Value round, ValueRange carried) -> Values {
    Item item = itemOf(round);
    Slot kept{carried[0], carried[1]};
    b.wait(keptEmpty(kept.number), kept.parity);
    publish(item, kept.number);
    b.expect(keptFull(kept.number), 2 * keptBytes);
    copy(0, b.mul(kept.number, 2 * keptBytes), kKept, item.head, item.first, keptFull(kept.number));
    Values ring(carried.drop_front(2));
    ring = b.loop(
        b.c(0), b.c(streamedHeads()), b.c(1), ring, [&](Value head, ValueRange ring) -> Values {
          return b.loop(b.c(0), item.tiles, b.c(1), ring,
                        [&](Value tile, ValueRange ring) -> Values {
                          Slot stage{ring[0], ring[1]};
                          b.wait(empty(stage.number), stage.parity);
                          b.expect(full(stage.number), 2 * streamedBytes);
                          copy(2, b.add(b.mul(stage.number, 2 * streamedBytes), streamed()), n,
                               b.add(item.streamedHead, head),
                               b.add(item.streamedFirst, b.mul(tile, n)), full(stage.number));
                          stage = next(stage, stages);
                          return {stage.number, stage.parity};
                        });
        });
    kept = next(kept, kKeptTiles);
    return {kept.number, kept.parity, ring[0], ring[1]};
  });
}

Value GradKernel::rowNumbers(Value head, Value row) {
  Value at = b.mul(b.add(b.mul(head, rows), row), 2);
  return LLVM::LoadOp::create(b, VectorType::get({2}, b.getF32Type()),
                              b.at(numbersOf, at, b.getF32Type()), /*alignment=*/8);
}

// Two warps: (−lse·log2(e), D) of `count` queries from `first` on to shared memory, those of all
// rows first; the slot is free when `empty` says so. Rows beyond the sequence get −∞ and 0, so that
// P and dS are zero.
void GradKernel::copyNumbers(Value head, Value first, Value end, int64_t count, Value target,
                             Value empty, Value parity, Value full) {
  Value thread = b.sub(b.threadOfGroup(), b.c(32));
  Values loaded;
  for (int64_t at = 0; at < count; at += kNumberThreads) {
    Value row = b.add(b.add(first, thread), at), there = b.lt(row, end);
    // The first row is there always. (The last one would take a register more than a thread has.)
    Value found = rowNumbers(head, b.select(there, row, first));
    for (double beyond : {-std::numeric_limits<double>::infinity(), 0.0}) {
      Value number = LLVM::ExtractElementOp::create(b, found, b.c(beyond == 0));
      loaded.push_back(b.select(there, number, f32(beyond)));
    }
  }
  b.wait(empty, parity);
  Value to = b.shared(b.add(target, b.mul(thread, 4)));
  for (auto [i, number] : llvm::enumerate(loaded)) {
    int64_t at = static_cast<int64_t>(i) / 2 * kNumberThreads + static_cast<int64_t>(i) % 2 * count;
    LLVM::StoreOp::create(b, number, b.at(to, at, b.getF32Type()), /*alignment=*/4);
  }
  b.arrive(full);
}

void GradKernel::produceNumbers() {
  rounds({b.c(0), b.c(1)}, [&](Value round, ValueRange ring) -> Values {
    Item item = itemOf(round);
    if (!keys) {
      Slot pair{ring[0], ring[1]};
      copyNumbers(item.head, item.first, item.end, kKept,
                  b.add(b.mul(pair.number, keptNumberBytes), keptNumbers()), keptEmpty(pair.number),
                  pair.parity, keptFull(pair.number));
      pair = next(pair, kKeptTiles);
      return {pair.number, pair.parity};
    }
    Value end = b.add(item.streamedFirst, b.mul(item.tiles, n));
    return b.loop(
        b.c(0), b.c(streamedHeads()), b.c(1), ring, [&](Value head, ValueRange ring) -> Values {
          return b.loop(item.streamedFirst, end, b.c(n), ring,
                        [&](Value first, ValueRange ring) -> Values {
                          Slot stage{ring[0], ring[1]};
                          copyNumbers(b.add(item.streamedHead, head), first, item.end, n,
                                      b.add(b.mul(stage.number, numberBytes), numbers()),
                                      empty(stage.number), stage.parity, full(stage.number));
                          stage = next(stage, stages);
                          return {stage.number, stage.parity};
                        });
        });
  });
}

// S or dP: 64 kept rows × n streamed ones.
Value GradKernel::product(Value kept, Value streamedTile) {
  Value result;
  for (int64_t k = 0; k < grad.dim / 16; ++k) {
    int64_t chunk = k / 4, inChunk = k % 4;
    auto at = [&](Value tile, int64_t rows) {
      Value of = arith::AddIOp::create(b, tile, b.c64(chunk * rows * kTileRowBytes / 16));
      return b.nextK(chunk ? of : tile, Major::k, inChunk);
    };
    Value left = at(kept, kKept), right = at(streamedTile, n);
    result = result ? b.multiply(left, Major::k, right, Major::k, n, result)
                    : multiplyFirst(b, left, Major::k, right, Major::k, n);
  }
  b.commitProducts();
  return result;
}

// One streamed tile. Carried: the stage with its parity, the stage whose products may still run,
// then the sums (keys: dv, dk; queries: dq).
Values GradKernel::step(Kind kind, Slot kept, ValueRange carried) {
  Slot stage{carried[0], carried[1]};
  Value running = carried[2];
  Values sums(carried.drop_front(3));
  b.wait(full(stage.number), stage.parity);
  if (kind == Kind::skipped) {
    arriveWarp(empty(stage.number));
  } else {
    Value base = b.sharedAddress();
    Value mine = opaque(b, b.add(base, b.add(b.mul(kept.number, 2 * keptBytes),
                                             b.mul(warpgroup, 64 * kTileRowBytes))));
    Value other = b.add(base, b.add(b.mul(stage.number, 2 * streamedBytes), streamed()));
    auto streamedTile = [&](int64_t operand, Major major) {
      return b.descriptor(b.add(other, operand * streamedBytes), major, n * kTileRowBytes);
    };
    b.beginProducts();
    Value scores = product(b.descriptor(mine, Major::k, 0), streamedTile(0, Major::k));
    if (tile.deferred) {
      // The sums over the tile before are through now; what they read from registers has room for
      // the next product.
      sums = waitProducts(b, 1, sums);
      release(running);
      b.beginProducts();
    }
    Value slopes =
        product(b.descriptor(b.add(mine, keptBytes), Major::k, 0), streamedTile(1, Major::k));
    scores = waitProducts(b, 1, scores)[0];
    Values p = probabilities(kind, scores, stage.number);
    slopes = waitProducts(b, 0, slopes)[0];
    // Some streamed rows at a time, so that the products begin before all numbers are there.
    for (int64_t from = 0; from < n / 16; from += tile.together) {
      int64_t to = std::min(n / 16, from + tile.together);
      // Of each 16 rows: words of P (keys), words of dS.
      Values words;
      for (int64_t k = from; k < to; ++k) {
        if (keys)
          words.append(pack(ArrayRef<Value>(p).slice(8 * k, 8)));
        words.append(pack(slopesOf(kind, p, slopes, 8 * k, stage.number)));
      }
      words = beginProducts(b, words);
      ArrayRef<Value> rest = words;
      for (int64_t k = from; k < to; ++k)
        for (auto [i, accumulator] : llvm::enumerate(sums)) {
          Value other = b.nextK(streamedTile(keys && i == 0, Major::mn), Major::mn, k);
          accumulator =
              multiplyRegisters(b, rest.take_front(4), other, Major::mn, grad.dim, accumulator);
          rest = rest.drop_front(4);
        }
    }
    b.commitProducts();
    if (tile.deferred) {
      running = stage.number;
    } else {
      sums = waitProducts(b, 0, sums);
      if (keys)
        meetWarp();
      arriveWarp(empty(stage.number));
    }
  }
  stage = next(stage, stages);
  Values result = {stage.number, stage.parity, running};
  result.append(sums);
  return result;
}

// Of an element of S: −lse·log2(e) (0) or D (1). Those of a streamed query are those of a column;
// two neighbours are loaded when the first is asked for, because registers are short.
Value GradKernel::number(int64_t e, int64_t which, Value stage) {
  if (!keys)
    return ownNumbers[2 * (e / 2 % 2) + which];
  if (e % 4 == 0) {
    Value at =
        b.shared(b.add(b.add(b.mul(stage, numberBytes), b.mul(b.rem(lane, 4), 8)), numbers()));
    columnNumbers =
        LLVM::LoadOp::create(b, VectorType::get({2}, b.getF32Type()),
                             b.at(at, 4 * n * which + 8 * e, b.getI8Type()), /*alignment=*/8);
  }
  return LLVM::ExtractElementOp::create(b, columnNumbers, b.c(e % 2));
}

// In a masked tile: the element where the query sees the key, else zero.
Value GradKernel::masked(Kind kind, int64_t e, Value element) {
  if (kind != Kind::masked)
    return element;
  Value column = b.add(maskColumn, e / 4 * 8 + e % 2), row = b.add(maskRow, e / 2 % 2 * 8);
  return b.select(keys ? b.lt(column, row) : b.lt(row, column), f32(0), element);
}

Values GradKernel::probabilities(Kind kind, Value scores, Value stage) {
  Values p;
  Value toLog2 = f32(grad.scale * kLog2E);
  for (int64_t e = 0; e < n / 2; ++e)
    p.push_back(
        masked(kind, e,
               exp2(b, math::FmaOp::create(b, b.element(scores, e), toLog2, number(e, 0, stage)))));
  return p;
}

Values GradKernel::pack(ArrayRef<Value> elements) {
  Values words;
  for (size_t e = 0; e < elements.size(); e += 2)
    words.push_back(packBf16(b, elements[e], elements[e + 1]));
  return words;
}

// Eight elements of dS.
Values GradKernel::slopesOf(Kind kind, ArrayRef<Value> p, Value slopes, int64_t first,
                            Value stage) {
  Values ds;
  for (int64_t e = first; e < first + 8; ++e) {
    Value difference = arith::SubFOp::create(b, b.element(slopes, e), number(e, 1, stage));
    ds.push_back(masked(kind, e, arith::MulFOp::create(b, p[e], difference)));
  }
  return ds;
}

void GradKernel::release(Value stage) {
  if (keys)
    meetWarp();
  b.ifThen(b.both(b.eq(lane, b.c(0)), b.lt(stage, b.c(stages))), [&] { b.arrive(empty(stage)); });
}

// 64 rows × dim of a sum, times `factor`, rounded; what is beyond the sequence is somebody else's.
void GradKernel::store(unsigned buffer, Value accumulator, const Item &item, double factor) {
  Value to = b.buffer(buffer), times = f32(factor);
  int64_t width = itemHeads() * grad.dim;
  Value row =
      b.add(item.first, b.add(b.mul(warpgroup, 64), b.add(b.mul(warp, 16), b.divide(lane, 4))));
  Value column = b.add(columnBegin(item.head), b.mul(b.rem(lane, 4), 2));
  for (int64_t half = 0; half < 2; ++half) {
    Value here = b.add(row, 8 * half);
    b.ifThen(b.lt(here, item.end), [&] {
      Value start = arith::MulIOp::create(b, b.wide(here), b.c64(width));
      Value at = b.at(to, arith::AddIOp::create(b, start, b.wide(column)), b.getBF16Type());
      for (int64_t block = 0; block < grad.dim / 8; ++block) {
        auto value = [&](int64_t e) -> Value {
          Value x = b.element(accumulator, 4 * block + 2 * half + e);
          return factor == 1 ? x : arith::MulFOp::create(b, x, times);
        };
        LLVM::StoreOp::create(b, packBf16(b, value(0), value(1)),
                              b.at(at, 8 * block, b.getBF16Type()), /*alignment=*/4);
      }
    });
  }
}

void GradKernel::consume(Value consumer) {
  warpgroup = consumer;
  lane = b.rem(b.threadOfGroup(), 32);
  warp = b.divide(b.threadOfGroup(), 32);
  // A warpgroup's 64 rows begin at this row of the streamed tile on the diagonal.
  Value offset = b.rem(b.mul(warpgroup, 64), n), tilesBefore = b.divide(b.mul(warpgroup, 64), n);
  maskColumn = b.mul(b.rem(lane, 4), 2);
  maskRow = b.add(offset, b.add(b.mul(warp, 16), b.divide(lane, 4)));
  rounds({b.c(0), b.c(0), b.c(0), b.c(0)}, [&](Value, ValueRange carried) -> Values {
    Slot kept{carried[0], carried[1]};
    b.wait(keptFull(kept.number), kept.parity);
    Item item = published(kept.number);
    if (!keys) {
      ownNumbers.clear();
      Value row = b.add(b.mul(warpgroup, 64), b.add(b.mul(warp, 16), b.divide(lane, 4)));
      Value from =
          b.shared(b.add(b.add(b.mul(kept.number, keptNumberBytes), b.mul(row, 4)), keptNumbers()));
      for (int64_t at : {int64_t(0), kKept, int64_t(8), kKept + 8})
        ownNumbers.push_back(LLVM::LoadOp::create(b, b.getF32Type(), b.at(from, at, b.getF32Type()),
                                                  /*alignment=*/4));
    }
    Values ring = {carried[2], carried[3], b.c(stages)};
    for (int64_t i = 0; i < (keys ? 2 : 1); ++i)
      ring.push_back(b.zero(b.accumulator(grad.dim)));
    auto run = [&](Kind kind, Value from, Value to, ValueRange ring) {
      return b.loop(from, to, b.c(1), ring,
                    [&](Value, ValueRange ring) { return step(kind, kept, ring); });
    };
    Value one = b.c(1);
    if (keys) {
      ring = b.loop(b.c(0), b.c(streamedHeads()), one, ring, [&](Value, ValueRange ring) -> Values {
        // No query of these tiles sees a key of this warpgroup; there may be fewer than that.
        Value seen = b.min(tilesBefore, item.tiles),
              masked = b.min(b.add(tilesBefore, 1), item.tiles);
        Values now(ring);
        if (n < kKept)
          now = run(Kind::skipped, b.c(0), seen, now);
        now = run(Kind::masked, seen, masked, now);
        return run(Kind::whole, masked, item.tiles, now);
      });
    } else {
      Value diagonal = b.add(b.mul(item.keptTile, kKept / n), tilesBefore);
      ring = run(Kind::whole, b.c(0), diagonal, ring);
      ring = run(Kind::masked, diagonal, b.add(diagonal, 1), ring);
      if (n < kKept)
        ring = run(Kind::skipped, b.add(diagonal, 1), item.tiles, ring);
    }
    Values sums = waitProducts(b, 0, ValueRange(ring).drop_front(3));
    release(ring[2]);
    // Read again, so that it takes no registers meanwhile.
    item = published(kept.number);
    if (keys)
      store(8, sums[0], item, 1);
    store(7, sums.back(), item, grad.scale);
    meetWarp();
    arriveWarp(keptEmpty(kept.number));
    kept = next(kept, kKeptTiles);
    return {kept.number, kept.parity, ring[0], ring[1]};
  });
}

void GradKernel::emit() {
  std::optional<nn::AxisAttr> axis = nn::axisOf(grad.rows);
  rows = axis ? b.add(b.dim(static_cast<unsigned>(axis->getAxis()) - 1), axis->getExtra())
              : b.c(grad.rows.getDimSize(0));
  offsets = b.buffer(4);
  numbersOf = b.buffer(5);
  list = b.buffer(6);
  itemCount = b.mul(loadIndex(list, b.c(0)), itemHeads());
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] {
    Value zero = b.c(0);
    b.initBarriers(full(zero), stages, keys ? 1 + kNumberThreads : 1);
    b.initBarriers(empty(zero), stages, kWarps);
    b.initBarriers(keptFull(zero), kKeptTiles, keys ? 1 : 1 + kNumberThreads);
    b.initBarriers(keptEmpty(zero), kKeptTiles, kWarps);
    b.publishBarriers();
    for (unsigned i = 0; i < 4; ++i)
      b.prefetchMap(b.map(i));
  });
  b.meet();
  b.ifElse(
      b.eq(b.warpgroup(), b.c(0)),
      [&] {
        b.setRegisters(24, /*more=*/false);
        b.byOneThread([&] { produce(); });
        Value number = b.sub(b.threadOfGroup(), b.c(32));
        b.ifThen(b.lt(number, b.c(kNumberThreads)), [&] { produceNumbers(); });
      },
      [&] {
        b.setRegisters(240, /*more=*/true);
        consume(b.sub(b.warpgroup(), b.c(1)));
      });
  b.finish(kConsumers + 1, sharedBytes());
}

} // namespace

int64_t streamedRows(const AttentionGrad &grad, bool keys) { return tileOf(grad, keys).rows; }

void emitAttentionGradTiles(LLVM::LLVMFuncOp kernel, Location loc, const AttentionGrad &grad,
                            bool keys) {
  TileKernelBuilder builder(loc, kernel, /*maps=*/4, /*buffers=*/keys ? 9 : 8);
  GradKernel(builder, grad, keys).emit();
}

} // namespace mirl::passes::cuda
