// assign-memory: give every slice its offset in the arena.
//
// In: plan.entry ops over slices without offsets, nn.variable and plan.constant symbols. Out: `plan.offset` on every
// variable and constant, `offset` on every plan.buffer, plan.input and plan.alloc, `peak_bytes` on every entry, and on
// the module `plan.persistent_bytes` and `plan.arena_bytes`. Slices that nothing uses are gone.
//
// Variables and constants lie first, one after the other. Behind them every entry has the rest of the arena to
// itself: entries never run at the same time, so they share it. Within an entry two slices may overlap when they are
// never live together. Inputs are live from the start (all of them are written before the entry runs), outputs to
// the end; what is used in a loop but defined outside lives as long as the loop. A result of a pointwise launch has the
// bytes of a read of the same type that is used there for the last time (not in a loop, whose next trip would read it). Offsets are found greedily, the
// largest slice first, at the lowest gap that is free during its life: within a few per cent of the lower bound (the
// largest sum of live bytes) on training steps, whose large tensors are few.

#include "passes/Passes.h"
#include "runtime/artifact/Format.h"

namespace mirl::passes {
#define GEN_PASS_DEF_ASSIGNMEMORY
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// A line of a GPU's cache: rows that begin in the middle of one take two of them each, which costs products up to a
// third of their speed. (A CPU's lines have half of it.)
constexpr int64_t kAlignment = 128;
static_assert(kAlignment % rt::kAlignment == 0);

struct Life {
  Value slice;
  int64_t bytes = 0, begin = 0, end = 0; // live during [begin, end]
  int64_t offset = -1;
  Life *before = nullptr; // whose bytes it has

  bool overlaps(const Life &other) const { return begin <= other.end && other.begin <= end; }
};

// The ancestor of `op` that stands directly in the entry: the whole loop for what is inside one.
Operation *inEntry(Operation *op, plan::EntryOp entry) {
  while (op->getParentOp() != entry)
    op = op->getParentOp();
  return op;
}

SmallVector<Life> findLives(plan::EntryOp entry) {
  llvm::DenseMap<Operation *, int64_t> time;
  int64_t now = 1;
  for (Operation &op : entry.getBody().front())
    time[&op] = now++;
  SmallVector<Life> lives;
  for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
    if (!isa<plan::InputOp, plan::AllocOp>(op))
      continue;
    Value slice = op.getResult(0);
    bool input = isa<plan::InputOp>(op);
    if (slice.use_empty() && !input) {
      op.erase();
      continue;
    }
    Life life;
    life.slice = slice;
    life.bytes = llvm::alignTo(
        *plan::bytesAtCapacity(cast<plan::SliceType>(slice.getType()).getTensor(), entry.getCapacities()), kAlignment);
    life.begin = input ? 0 : now;
    for (Operation *user : slice.getUsers()) {
      int64_t at = isa<plan::OutputOp>(user) ? now : time[inEntry(user, entry)];
      life.begin = std::min(life.begin, at);
      life.end = std::max(life.end, at);
    }
    lives.push_back(life);
  }
  return lives;
}

// Lets results of pointwise launches have the bytes of what is read there for the last time: the first of them lives longer.
void joinLives(plan::EntryOp entry, MutableArrayRef<Life> lives) {
  llvm::DenseMap<Value, Life *> of;
  for (Life &life : lives)
    of[life.slice] = &life;
  auto first = [](Life *life) {
    while (life->before)
      life = life->before;
    return life;
  };
  for (auto launch : entry.getBody().getOps<plan::LaunchOp>()) {
    if (!launch.getPointwise())
      continue;
    for (Value result : launch.getWrites())
      for (Value read : launch.getReads()) {
        Life *made = of.lookup(result), *used = of.lookup(read);
        if (!made || !used || made->before || read.getType() != result.getType() || !read.getDefiningOp<plan::AllocOp>())
          continue;
        // What is made here and what ends here meet at this launch, and nowhere else.
        Life *owner = first(used);
        if (owner->end != made->begin || made->begin == made->end || result == read)
          continue;
        made->before = owner;
        owner->end = made->end;
        break;
      }
  }
}

// Assigns offsets from 0 and returns the bytes used.
int64_t place(MutableArrayRef<Life> lives) {
  SmallVector<Life *> order;
  for (Life &life : lives)
    if (!life.before)
      order.push_back(&life);
  // Ties in the order of definition (the lives lie in one array).
  llvm::sort(order, [](Life *a, Life *b) { return a->bytes != b->bytes ? a->bytes > b->bytes : a < b; });
  SmallVector<Life *> placed;
  int64_t top = 0;
  for (Life *life : order) {
    SmallVector<Life *> others;
    for (Life *other : placed)
      if (other->overlaps(*life))
        others.push_back(other);
    llvm::sort(others, [](Life *a, Life *b) { return a->offset < b->offset; });
    int64_t offset = 0;
    for (Life *other : others) {
      if (other->offset - offset >= life->bytes)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    life->offset = offset;
    top = std::max(top, offset + life->bytes);
    placed.push_back(life);
  }
  for (Life &life : lives)
    if (life.before)
      life.offset = life.before->offset;
  return top;
}

struct AssignMemory : impl::AssignMemoryBase<AssignMemory> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    int64_t persistent = 0;
    llvm::StringMap<int64_t> offsets;
    auto assign = [&](Operation *symbol, StringRef name, RankedTensorType type) {
      int64_t bytes = *plan::bytesAtCapacity(type, {});
      symbol->setAttr("plan.offset", builder.getI64IntegerAttr(persistent));
      offsets[name] = persistent;
      persistent = llvm::alignTo(persistent + bytes, kAlignment);
    };
    for (Operation &op : *module.getBody()) {
      if (auto variable = dyn_cast<nn::VariableOp>(op))
        assign(variable, variable.getSymName(), cast<RankedTensorType>(variable.getType()));
      else if (auto constant = dyn_cast<plan::ConstantOp>(op))
        assign(constant, constant.getSymName(), cast<RankedTensorType>(constant.getValue().getShapedType()));
    }
    int64_t arena = persistent;
    for (auto entry : module.getOps<plan::EntryOp>()) {
      for (auto buffer : entry.getBody().getOps<plan::BufferOp>()) {
        auto it = offsets.find(buffer.getVariable());
        if (it == offsets.end()) {
          buffer.emitOpError("refers to '") << buffer.getVariable() << "', which is no variable or constant of the module";
          return signalPassFailure();
        }
        buffer.setOffset(it->second);
      }
      SmallVector<Life> lives = findLives(entry);
      joinLives(entry, lives);
      int64_t peak = place(lives);
      for (Life &life : lives)
        life.slice.getDefiningOp()->setAttr("offset", builder.getI64IntegerAttr(persistent + life.offset));
      entry.setPeakBytes(peak);
      arena = std::max(arena, persistent + peak);
    }
    module->setAttr("plan.persistent_bytes", builder.getI64IntegerAttr(persistent));
    module->setAttr("plan.arena_bytes", builder.getI64IntegerAttr(arena));
  }
};

} // namespace
} // namespace mirl::passes
