// The kernel of a matrix product on tensor cores (TensorCoreProduct.h).
//
// Warpgroup 0 is the producer: one of its threads fills a ring of stages, each with a tile of A and
// one of B for `depth` values of k. The other warpgroups consume: each keeps its rows of the tile of C
// in registers until k is through. The result goes back by way of shared memory, 64 rows of
// some columns at a time, copied (or added) while the next ones (or the next tile) are computed.

#include "passes/cuda/ProductKernel.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

// Tensor maps of the launch.
int64_t mapCount(const TensorCoreProduct &p) {
  return p.operandMaps() + (copiesResult(p) ? p.results() : 0);
}

} // namespace

// Where a work item's tile begins. Items run down a group of tiles of i first, then to the next
// tile of j.
ProductKernel::Place ProductKernel::place(Value item) {
  Value perGroup = b.mul(jTiles, tile.group);
  Value group = b.divide(item, perGroup), inGroup = b.rem(item, perGroup);
  Value first = b.mul(group, tile.group);
  Value height = b.min(b.sub(iTiles, first), b.c(tile.group));
  Value row = b.add(first, b.rem(inGroup, height)), column = b.divide(inGroup, height);
  Value part = b.c(0);
  if (p.products() > 1 && !p.combines()) {
    Value &along = p.partsOfI ? row : column, begin = b.c(0);
    int64_t tiles = 0, size = p.partsOfI ? tile.rows : p.columns();
    for (int64_t extent : ArrayRef(p.parts).drop_back()) {
      tiles += (extent + size - 1) / size;
      Value before = b.lt(along, b.c(tiles));
      part = b.select(before, part, b.add(part, 1));
      begin = b.select(before, begin, b.c(tiles));
    }
    along = b.sub(along, begin);
  }
  return {b.mul(row, tile.rows), b.mul(column, p.columns()), part};
}

Value ProductKernel::ofPart(Value part, ValueRange values) {
  Value chosen = values[0];
  for (auto [at, value] : llvm::enumerate(values.drop_front()))
    chosen = b.select(b.eq(part, b.c(at + 1)), value, chosen);
  return chosen;
}

// What the code of a tile needs to know of its part.
void ProductKernel::enterPart(Value part) {
  if (!extents.empty())
    (p.partsOfI ? i : j) = ofPart(part, extents);
  bias = p.bias ? ofPart(part, biases) : Value();
  results = allResults;
  maps = allMaps;
  if (p.combines())
    return;
  if (!results.empty())
    results = {ofPart(part, allResults)};
  if (!maps.empty())
    maps = {ofPart(part, allMaps)};
}

ProductKernel::Source ProductKernel::sourceOf(Value item) {
  Source source = {place(item), left, right};
  if (!p.combines()) {
    source.left = {ofPart(source.place.part, left)};
    if (!p.norm)
      source.right = {ofPart(source.place.part, right)};
  }
  return source;
}

void ProductKernel::forSlices(Value stage, Value step,
                              function_ref<void(Value k0, Value slice)> body) {
  for (int64_t slice = 0; slice < tile.slices(); ++slice)
    body(b.add(b.mul(step, tile.depth), slice * kTileRow),
         b.add(b.mul(stage, tile.slices()), slice));
}

// The tile of A, or of B, of a step.
void ProductKernel::copyLeft(const Source &source, Value stage, Value step) {
  forSlices(stage, step, [&](Value k0, Value slice) {
    Value target = b.mul(slice, aBytes);
    if (p.cacheRows) {
      int64_t head = p.cacheRows->head;
      Value row = source.place.row, eight = b.divide(b.rem(row, head), 16);
      return b.load(b.shared(target), source.left[0], {k0, b.c(0), b.c(0), eight, b.divide(row, head)}, full(stage));
    }
    for (auto [at, map] : llvm::enumerate(source.left))
      copyBoxes(map, p.a, tile.rows / 64, b.add(target, at * partBytes), stage, source.place.row,
                k0);
  });
}

void ProductKernel::copyRight(const Source &source, Value stage, Value step) {
  forSlices(stage, step, [&](Value k0, Value slice) {
    Value target = b.add(b.mul(slice, bBytes), bTiles());
    for (auto [at, map] : llvm::enumerate(source.right))
      copyBoxes(map, p.b, bBytes / kChunkBytes, b.add(target, at * p.columns() * kTileRowBytes),
                stage, source.place.column, k0, bFirst);
  });
}

void ProductKernel::copyBoxes(Value map, Major major, int64_t chunks, Value target, Value stage,
                              Value first, Value k0, Value piece) {
  for (int64_t box = 0, boxes = major == Major::k ? 1 : chunks; box < boxes; ++box) {
    Value inner = major == Major::k ? k0 : b.add(first, box * 64),
          outer = major == Major::k ? first : k0;
    if (piece)
      outer = b.add(outer, piece);
    b.load(b.shared(b.add(target, box * kChunkBytes)), map, {inner, outer}, full(stage));
  }
}

void ProductKernel::produce() {
  for (int64_t at = 0; at < p.operandMaps(); ++at)
    (at < p.lefts() ? left : right).push_back(b.map(at));
  // Of the first item so many steps are under way, in as many stages.
  int64_t early = p.early ? std::min(stages, stepsOf(*p.k)) : 0;
  Values ring = {b.c(early % stages), b.c(early == stages ? 0 : 1), b.c(early)};
  if (early) {
    Source source = sourceOf(b.firstItem());
    b.loop(b.c(0), b.c(early), b.c(1), {}, [&](Value step, ValueRange) -> Values {
      b.expect(full(step), stageBytes());
      if (p.partsOfI)
        copyLeft(source, step, step);
      else
        copyRight(source, step, step);
      return {};
    });
    // It copies nothing but weights where the consumers make the other side.
    if (!p.norm) {
      waitForEarlier(b);
      b.loop(b.c(0), b.c(early), b.c(1), {}, [&](Value step, ValueRange) -> Values {
        if (p.partsOfI)
          copyRight(source, step, step);
        else
          copyLeft(source, step, step);
        return {};
      });
    }
  } else {
    waitForEarlier(b);
  }
  b.loop(b.firstItem(), items, b.itemStep(), ring, [&](Value item, ValueRange ring) -> Values {
    Source source = sourceOf(item);
    Values done = b.loop(ring[2], steps, b.c(1), ring.take_front(2),
                         [&](Value step, ValueRange ring) -> Values {
                           Value stage = ring[0];
                           b.wait(empty(stage), ring[1]);
                           b.expect(full(stage), stageBytes());
                           copyLeft(source, stage, step);
                           if (!p.norm)
                             copyRight(source, stage, step);
                           Stage following = next(stage, ring[1]);
                           return {following.number, following.parity};
                         });
    done.push_back(b.c(0));
    return done;
  });
}

// `start`: the sums so far; empty: zero.
ProductKernel::Values ProductKernel::multiplyTile(Value consumer, ValueRange start, Value &stage,
                                                  Value &parity) {
  Values init = {stage, parity, b.c(0)};
  int64_t blocks = p.rowParts() * tile.blocks;
  init.append(start.begin(), start.end());
  for (int64_t block = start.size(); block < blocks; ++block)
    init.push_back(b.zero(b.accumulator(tile.n)));
  Value base = b.sharedAddress(), lead = b.eq(b.threadOfGroup(), b.c(0));
  Value mine =
      tile.alternate ? base : b.add(base, b.mul(consumer, tile.blocks * 64 * kTileRowBytes));
  Values done = b.loop(b.c(0), steps, b.c(1), init, [&](Value step, ValueRange carried) -> Values {
    Value now = carried[0];
    b.wait(full(now), carried[1]);
    Values sums(carried.drop_front(3));
    // The descriptors of A, `blocks` for each slice, and of B.
    Values aTiles, bTiles;
    forSlices(now, step, [&](Value, Value slice) {
      Value aTile = b.add(mine, b.mul(slice, aBytes));
      Value bSlice = p.norm ? b.add(b.mul(step, tile.slices()), static_cast<int64_t>(bTiles.size())) : slice;
      bTiles.push_back(b.descriptor(b.add(b.add(base, this->bTiles()), b.mul(bSlice, bBytes)), p.b,
                                    kChunkBytes));
      for (int64_t block = 0; block < blocks; ++block) {
        int64_t at = block / tile.blocks * partBytes + block % tile.blocks * 64 * kTileRowBytes;
        aTiles.push_back(b.descriptor(b.add(aTile, at), p.a, kChunkBytes));
      }
    });
    b.beginProducts();
    for (auto [slice, bTile] : llvm::enumerate(bTiles))
      for (int64_t k = 0; k < kTileRow / 16; ++k)
        for (int64_t block = 0; block < blocks; ++block)
          sums[block] = b.multiply(b.nextK(aTiles[slice * blocks + block], p.a, k), p.a,
                                   b.nextK(bTile, p.b, k), p.b, tile.n, sums[block]);
    b.commitProducts();
    // The products of the stage before are through now: it may be filled again.
    b.waitProducts(1);
    b.ifThen(b.both(b.lt(b.c(0), step), lead), [&] { b.arrive(empty(carried[2])); });
    Stage following = next(now, carried[1]);
    Values result = {following.number, following.parity, now};
    result.append(sums);
    return result;
  });
  // What this consumer waited for is there: the next one may look for its stages.
  if (tile.alternate)
    b.ifThen(lead, [&] { b.arrive(turn(b.sub(b.c(1), consumer))); });
  b.waitProducts(0);
  b.ifThen(b.both(b.lt(b.c(0), steps), lead), [&] { b.arrive(empty(done[2])); });
  stage = done[0];
  parity = done[1];
  return Values(llvm::drop_begin(done, 3));
}

void ProductKernel::consume(Value consumer) {
  Value thread = b.threadOfGroup();
  lane = b.rem(thread, 32);
  warp = b.divide(thread, 32);
  Value inBlock = b.add(b.mul(warp, 16), b.divide(lane, 4));
  Value first = tile.alternate ? b.c(0) : b.mul(consumer, tile.blocks * 64);
  Value from = b.firstItem(), step = b.itemStep();
  Stage start = {b.c(0), b.c(0)};
  if (tile.alternate) {
    // The stages come in the order of items; this consumer's are every other `steps`.
    start = skip(start, b.mul(consumer, steps));
    from = b.add(from, b.mul(consumer, step));
    step = b.mul(step, tile.consumers);
  }
  Values ring = {start.number, start.parity};
  if (tile.alternate)
    ring.push_back(
        b.sub(b.c(1), consumer)); // parity of its turns: the first consumer's first one has come
  b.loop(from, items, step, ring, [&](Value item, ValueRange ring) -> Values {
    Place at = place(item);
    Value row0 = at.row, column0 = at.column;
    enterPart(at.part);
    Value stage = ring[0], parity = ring[1];
    auto rowOf = [&](int64_t block) {
      return b.add(b.add(row0, b.add(first, inBlock)), 64 * block);
    };
    Values before;
    for (int64_t block = 0; p.continues && block < tile.blocks; ++block)
      before.push_back(loadRows(rowOf(block), column0));
    if (tile.alternate)
      b.wait(turn(consumer), ring[2]);
    // There are registers for what is added: it is on its way while the tile is multiplied.
    SmallVector<Addends> addends;
    CacheAhead cacheAhead;
    if (p.cacheRows) {
      Across place = across(rowOf(0), column0, 0);
      cacheAhead.head = headPlace(place);
      cacheAhead.places = cachePlaces(place, cacheAhead.head);
    }
    // Of all items the rows are the same.
    if (p.norm)
      b.ifThen(b.eq(item, b.firstItem()), [&] { normaliseRows(consumer); });
    else if (p.cacheRows && p.early)
      waitForEarlier(b);
    if (!p.cacheRows && p.transposed && tile.blocks == 1 && tile.n <= kAddendsAhead)
      for (int64_t half = 0; half < halves(); ++half)
        addends.push_back(loadAddends(rowOf(0), column0, half));
    Values sums = multiplyTile(consumer, before, stage, parity);
    Reduced reduced;
    for (int64_t block = 0; p.epilogue && p.epilogue->reduce && block < tile.blocks; ++block)
      reduced.push_back(p.epilogue->reduce(
          b, sums[block], {rowOf(block), i, b.add(column0, b.mul(b.rem(lane, 4), 2)), lane}));
    if (copiesResult(p)) {
      auto copy = [&] { copyRows(sums, reduced, consumer, b.add(row0, first), column0); };
      if (p.stored)
        b.ifThen(b.lt(column0, b.c(*p.stored)), copy);
      else
        copy();
    } else if (p.cacheRows) {
      storeCacheRows(sums[0], at.part, across(rowOf(0), column0, 0), cacheAhead);
    } else {
      for (int64_t block = 0; !p.reduces() && block < tile.blocks; ++block)
        storeTransposed(sums, block, rowOf(block), column0, addends);
    }
    if (tile.alternate) {
      Stage following = skip({stage, parity}, b.mul(steps, tile.consumers - 1));
      return {following.number, following.parity, b.sub(b.c(1), ring[2])};
    }
    return {stage, parity};
  });
  // Shared memory must be there until the last copy has read it.
  if (copiesResult(p))
    b.ifThen(b.eq(thread, b.c(0)), [&] { b.waitStores(0); });
}

void ProductKernel::emit() {
  Value rows = b.add(b.dim(p.rowsDim), p.rowsExtra);
  auto extent = [&](std::optional<int64_t> fixed) { return fixed ? b.c(*fixed) : rows; };
  i = extent(p.i);
  j = extent(p.j);
  steps = p.k ? b.c(stepsOf(*p.k)) : b.ceilDivide(rows, tile.depth);
  iTiles = p.i ? b.c(tilesOfI(p, *p.i)) : b.ceilDivide(rows, tile.rows);
  jTiles = p.j ? b.c(tilesOfJ(p, *p.j)) : b.ceilDivide(rows, tile.n);
  items = b.items();
  if (p.bPiece)
    bFirst = b.add(b.mul(b.dim(kLoop), p.bPiece->step), p.bPiece->first);
  if (p.resultPiece)
    resultFirst = b.add(b.mul(b.dim(kLoop), p.resultPiece->step), p.resultPiece->first);
  for (int64_t part : p.parts)
    extents.push_back(b.c(part));
  unsigned next = p.products() + 1;
  for (int64_t at = 0; p.bias && at < p.products(); ++at)
    biases.push_back(b.buffer(next++));
  if (p.residual)
    residual = b.buffer(next++);
  if (p.epilogue)
    next += p.epilogue->buffers;
  for (int64_t at = 0; p.cacheRows && at < p.cacheRows->kBuffers; ++at)
    cacheBuffers.push_back(b.buffer(next++));
  if (p.norm)
    normWeight = b.buffer(next++);
  for (int64_t at = 0; at < p.results(); ++at)
    allResults.push_back(b.buffer(next++));
  for (int64_t at = 0; copiesResult(p) && at < p.results(); ++at)
    allMaps.push_back(b.map(p.operandMaps() + at));
  b.ifThen(b.eq(b.threadId(), b.c(0)), [&] {
    b.initBarriers(b.shared(b.c(barriers())), stages, 1);
    b.initBarriers(b.shared(b.c(barriers() + 8 * stages)), stages,
                   tile.alternate ? 1 : tile.consumers);
    b.initBarriers(b.shared(b.c(barriers() + 16 * stages)), 2, 1);
    b.publishBarriers();
    for (int64_t at = 0; at < mapCount(p); ++at)
      b.prefetchMap(b.map(at));
  });
  b.meet();
  // What the producer does not need, consumers with many sums do: 64 K registers for all
  // warpgroups.
  bool many = tile.consumers > 1;
  int64_t few = tile.consumers > 2 ? 24 : 40, most = tile.consumers > 2 ? 160 : 232;
  b.ifElse(
      b.eq(b.warpgroup(), b.c(0)),
      [&] {
        if (many)
          b.setRegisters(few, /*more=*/false);
        if (p.cacheRows && p.cacheRows->prefetches)
          prefetchCache();
        // Tiles of 64 rows of weights are bound by what a multiprocessor takes in: copies that come closer behind each other made them
        // 3 % slower, others up to 25 % faster.
        if (p.transposed && tile.rows >= 64)
          b.ifThen(b.eq(b.threadOfGroup(), b.c(0)), [&] { produce(); });
        else
          b.byOneThread([&] { produce(); });
      },
      [&] {
        // What is read before a tile of the cache's rows is multiplied is there early, too, and the weight of a norm.
        if (!((p.cacheRows || p.norm) && p.early))
          waitForEarlier(b);
        if (many)
          b.setRegisters(most, /*more=*/true);
        consume(b.sub(b.warpgroup(), b.c(1)));
      });
  b.finish(tile.consumers + 1, sharedBytes());
}

std::string ProductTile::name() const {
  return (alternate ? "a" : "t") + std::to_string(rows) + "x" + std::to_string(n);
}

void emitProduct(LLVM::LLVMFuncOp kernel, Location loc, const TensorCoreProduct &product) {
  int64_t buffers = product.products() + 1 + (product.bias ? product.products() : 0) +
                    product.residual + (product.epilogue ? product.epilogue->buffers : 0) +
                    (product.cacheRows ? product.cacheRows->kBuffers : 0) +
                    (product.norm ? product.norm->kBuffers : 0) +
                    product.results();
  TileKernelBuilder builder(loc, kernel, mapCount(product), buffers, /*waits=*/true);
  ProductKernel(builder, product).emit();
}

} // namespace mirl::passes::cuda
