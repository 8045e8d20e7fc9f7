// plan-recompute: save or recompute, until a memory budget is met.
//
// In: a differentiated function, and `budget`, the bytes of transient memory it may use (0: no limit). Only a training
// entry (nn.kind = "micro") holds values of its forward pass until its backward pass reads them, so `budget` is of
// those, and of functions of no kind; `entries` gives a budget to an entry of any kind by its name.
// Forward values that the adjoint reads are live from their op to their last use. Out: as long as the estimated peak
// is above the budget, the value that frees most bytes is recomputed: its op is cloned before its first use behind the
// peak, with the ops before it whose results are not kept either, and later uses read the clone. Only ops that are
// cheap next to a matrix product are cloned (elementwise ops, norms, rotary, embedding, row gathers): their results
// keep the same bits, since every op's order is fixed. A budget that cannot be reached is an error that says what is.
//
// The estimate counts each value at the function's capacities from its definition to its last use. assign-memory may
// need a little more for alignment and scratch space, and fuse lets some values of the backward pass live longer.

#include "mlir/IR/IRMapping.h"

#include "passes/Passes.h"

namespace mirl::passes {
#define GEN_PASS_DEF_PLANRECOMPUTE
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

bool isCheap(Operation *op) {
  return isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::RmsNormOp, nn::RotaryOp, nn::EmbeddingOp,
             nn::GatherRowsOp, nn::SegmentSpreadOp, nn::SpreadOp, nn::SplatOp, nn::CastOp>(op);
}

class Liveness {
public:
  explicit Liveness(func::FuncOp function) : block_(function.front()) {
    capacities_ = function->getAttrOfType<DictionaryAttr>(nn::attr::kCapacities);
    int64_t time = 0;
    for (Operation &op : function.front())
      time_[&op] = time++;
    end_ = time;
  }

  int64_t bytes(Value value) const {
    return plan::bytesAtCapacity(cast<RankedTensorType>(value.getType()), capacities_).value_or(0);
  }
  int64_t time(Operation *op) const { return time_.lookup(op); }
  int64_t lastUse(Value value) const {
    int64_t last = time(value.getDefiningOp());
    for (Operation *user : value.getUsers())
      last = std::max(last, time(user));
    return last;
  }

  // The largest sum of live bytes, and when it occurs.
  std::pair<int64_t, int64_t> peak() const {
    std::vector<int64_t> change(end_ + 2, 0);
    for (Operation &op : block_)
      for (OpResult result : op.getResults()) {
        if (auto inPlace = dyn_cast<nn::InPlaceOpInterface>(op); inPlace && inPlace.getTiedOperand(result.getResultNumber()) >= 0)
          continue;
        change[time(&op)] += bytes(result);
        change[lastUse(result) + 1] -= bytes(result);
      }
    int64_t live = 0, best = 0, when = 0;
    for (int64_t t = 0; t <= end_; ++t)
      if ((live += change[t]) > best)
        best = live, when = t;
    return {best, when};
  }

private:
  Block &block_;
  DictionaryAttr capacities_;
  llvm::DenseMap<Operation *, int64_t> time_;
  int64_t end_ = 0;
};

// A cheap op behind the peak, and the cheap ops before it whose results would be dead there: they are cloned with it, so that
// nothing is kept for it. Operands before users.
struct Chain {
  SetVector<Operation *> ops;
  llvm::SmallDenseSet<Value> keeps; // what has to live longer for it,
  int64_t kept = 0;                 // and its bytes
};

void collect(Operation *op, const Liveness &live, int64_t when, Chain &chain) {
  for (Value operand : op->getOperands()) {
    Operation *source = operand.getDefiningOp();
    if (!source || live.lastUse(operand) >= when || chain.ops.contains(source))
      continue;
    if (isCheap(source))
      collect(source, live, when, chain);
    else if (chain.keeps.insert(operand).second)
      chain.kept += live.bytes(operand);
  }
  chain.ops.insert(op);
}

// The op whose result should be recomputed to lower the peak at `when`, last of what has to be recomputed for it;
// empty when there is none.
Chain choose(func::FuncOp function, const Liveness &live, int64_t when) {
  Chain best;
  int64_t bestBytes = 0;
  for (Operation &op : function.front().without_terminator()) {
    if (live.time(&op) >= when || !isCheap(&op) || op.getNumResults() == 0)
      continue;
    // A clone stands right before its first use: when that is behind the peak, moving it again only changes places with
    // another clone, without end.
    if (op.hasAttr("nn.recomputed") && llvm::none_of(op.getUsers(), [&](Operation *user) { return live.time(user) < when; }))
      continue;
    int64_t freed = 0;
    bool usedAtPeak = false;
    for (OpResult result : op.getResults()) {
      if (live.lastUse(result) > when)
        freed += live.bytes(result);
      usedAtPeak |= llvm::any_of(result.getUsers(), [&](Operation *user) { return live.time(user) == when; });
    }
    if (usedAtPeak || freed <= bestBytes)
      continue;
    Chain chain;
    collect(&op, live, when, chain);
    if (freed - chain.kept > bestBytes)
      best = std::move(chain), bestBytes = freed - best.kept;
  }
  return best;
}

void recompute(const Chain &chain, const Liveness &live, int64_t when) {
  Operation *op = chain.ops.back();
  SmallVector<OpOperand *> later;
  Operation *first = nullptr;
  for (OpResult result : op->getResults())
    for (OpOperand &use : result.getUses())
      if (live.time(use.getOwner()) > when) {
        later.push_back(&use);
        if (!first || use.getOwner()->isBeforeInBlock(first))
          first = use.getOwner();
      }
  OpBuilder builder(first);
  IRMapping clones;
  Operation *clone = nullptr;
  for (Operation *each : chain.ops) {
    clone = builder.clone(*each, clones);
    clone->setAttr("nn.recomputed", builder.getUnitAttr());
  }
  for (OpOperand *use : later)
    use->set(clone->getResult(cast<OpResult>(use->get()).getResultNumber()));
  // What nothing reads before the peak has moved.
  for (Operation *each : llvm::reverse(chain.ops))
    if (each->use_empty())
      each->erase();
}

struct PlanRecompute : impl::PlanRecomputeBase<PlanRecompute> {
  using PlanRecomputeBase::PlanRecomputeBase;

  FailureOr<int64_t> budgetOf(func::FuncOp function) {
    auto kind = function->getAttrOfType<StringAttr>(nn::attr::kKind);
    int64_t bytes = !kind || kind.getValue() == "micro" ? static_cast<int64_t>(budget) : 0;
    for (StringRef entry : entries) {
      auto [name, size] = entry.rsplit('=');
      int64_t own;
      if (name.empty() || size.getAsInteger(10, own) || own <= 0)
        return emitError(UnknownLoc::get(&getContext()))
               << "plan-recompute: entries takes NAME=BYTES, not '" << entry << "'";
      if (name == function.getSymName())
        bytes = own;
    }
    return bytes;
  }

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    FailureOr<int64_t> found = budgetOf(function);
    if (failed(found))
      return signalPassFailure();
    int64_t budget = *found;
    if (budget <= 0 || function->hasAttr(nn::attr::kModel) || !llvm::hasSingleElement(function.getBody()))
      return;
    int64_t count = 0;
    while (true) {
      Liveness live(function);
      auto [bytes, when] = live.peak();
      if (bytes <= budget)
        break;
      Chain chain = choose(function, live, when);
      if (chain.ops.empty()) {
        function.emitError() << "'" << function.getSymName() << "' needs at least " << bytes
                             << " bytes of transient memory after recomputing " << count << " ops, but the budget is "
                             << budget << ": raise it, or lower the micro-batch's tokens";
        return signalPassFailure();
      }
      recompute(chain, live, when);
      count += chain.ops.size();
    }
  }
};

} // namespace
} // namespace mirl::passes
