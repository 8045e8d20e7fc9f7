// plan-recompute: save or recompute, until a memory budget is met.
//
// In: a differentiated function, and `budget`, the bytes of transient memory it may use (0: no limit). Only a training
// entry (nn.kind = "micro") holds values of its forward pass until its backward pass reads them, so `budget` is of
// those, and of functions of no kind; `entries` gives a budget to an entry of any kind by its name.
// Forward values that the adjoint reads are live from their op to their last use. Out: as long as the estimated peak
// is above the budget, the value that frees most bytes for its cost is recomputed: its op is cloned before its first use behind the
// peak, with the ops before it whose results are not kept either, and later uses read the clone. First ops that are
// cheap next to a matrix product (elementwise ops, norms, rotary, embedding, row gathers); when these do not suffice, products, then
// attention. Their results keep the same bits, since every op's order is fixed. A budget that cannot be reached, or only by
// recomputing more than kMostClones times the function's ops, is an error that says what is.
//
// The adjoint of the vocabulary head (nn.linear_logprob) computes the logits again, a whole product. With `tensor-cores`, where a
// budget is given and not used up, as many of them are kept as fit: `kept` columns of the head. It changes no bit.
//
// The estimate counts each value at the function's capacities from its definition to its last use, and the one large scratch
// space there is: a chunk of the logits' gradient. assign-memory may need a little more for alignment and other scratch
// space, and fuse lets some values of the backward pass live longer: MemoryBudget.h closes that gap.

#include "mlir/IR/IRMapping.h"

#include "passes/Numerics.h"
#include "passes/Passes.h"

#include <limits>

namespace mirl::passes {
#define GEN_PASS_DEF_PLANRECOMPUTE
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// What is computed again, in steps: the next one only where the budget cannot be met with those before.
enum class Effort { cheap, products, attention };
constexpr Effort kEfforts[] = {Effort::cheap, Effort::products, Effort::attention};

// So many times the ops of a function are recomputed at most: what frees the last bytes recomputes most of the forward pass for each
// layer, and that again for each of its layers.
constexpr int64_t kMostClones = 4;

bool mayRepeat(Operation *op, Effort effort) {
  if (isa<nn::LinearOp>(op))
    return effort >= Effort::products;
  if (isa<nn::AttentionOp>(op))
    return effort >= Effort::attention;
  return isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::RmsNormOp, nn::RotaryOp, nn::EmbeddingOp,
             nn::GatherRowsOp, nn::SegmentSpreadOp, nn::SpreadOp, nn::SplatOp, nn::CastOp>(op);
}

class Liveness {
public:
  Liveness(func::FuncOp function, bool tensorCores) : block_(function.front()), tensorCores_(tensorCores) {
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

  // The largest sum of live bytes, and when it occurs; from one time to another.
  std::pair<int64_t, int64_t> peak() const { return peak(0, end_); }
  std::pair<int64_t, int64_t> peak(int64_t from, int64_t to) const {
    std::vector<int64_t> change(end_ + 2, 0);
    for (Operation &op : block_) {
      change[time(&op)] += scratch(&op);
      change[time(&op) + 1] -= scratch(&op);
      SmallVector<Value> ending = endingAt(&op);
      for (OpResult result : op.getResults()) {
        if (auto tied = dyn_cast<nn::InPlaceOpInterface>(op); tied && tied.getTiedOperand(result.getResultNumber()) >= 0)
          continue;
        auto replaced = llvm::find_if(ending, [&](Value value) { return value.getType() == result.getType(); });
        bool inPlace = replaced != ending.end();
        if (inPlace)
          ending.erase(replaced);
        change[time(&op) + inPlace] += bytes(result);
        change[lastUse(result) + 1] -= bytes(result);
      }
    }
    int64_t live = 0, best = 0, when = 0;
    for (int64_t t = 0; t <= to; ++t)
      if ((live += change[t]) > best && t >= from)
        best = live, when = t;
    return {best, when};
  }

private:
  // On tensor cores: a chunk of the logits' gradient, and the chain of the hidden states' in f32.
  int64_t scratch(Operation *op) const {
    auto grad = dyn_cast<nn::LinearLogprobGradOp>(op);
    if (!tensorCores_ || !grad || !cast<RankedTensorType>(grad.getHidden().getType()).getElementType().isBF16())
      return 0;
    auto [rows, depth] = std::pair(bytes(grad.getTargets()) / 4, cast<RankedTensorType>(grad.getHidden().getType()).getDimSize(1));
    int64_t vocabulary = cast<RankedTensorType>(grad.getWeight().getType()).getDimSize(0);
    return std::min(2 * rows * vocabulary, kLogitChunkBytes) + 4 * rows * depth;
  }

  // Values of which an elementwise op, which can be computed in place, is the last use.
  SmallVector<Value> endingAt(Operation *op) const {
    SmallVector<Value> values;
    if (isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp>(op))
      for (Value operand : op->getOperands())
        if (operand.getDefiningOp() && lastUse(operand) == time(op) && !llvm::is_contained(values, operand))
          values.push_back(operand);
    return values;
  }

  Block &block_;
  bool tensorCores_;
  DictionaryAttr capacities_;
  llvm::DenseMap<Operation *, int64_t> time_;
  int64_t end_ = 0;
};

// An op behind the peak, and the ops before it whose results would be dead there: they are cloned with it, so that
// nothing is kept for it. Operands before users.
struct Chain {
  SetVector<Operation *> ops;
  llvm::SmallDenseSet<Value> keeps; // what has to live longer for it,
  int64_t kept = 0;                 // and its bytes
  // In the time that an elementwise op takes, about.
  int64_t cost() const {
    constexpr int64_t kProduct = 8;
    int64_t cost = 0;
    for (Operation *op : ops)
      cost += isa<nn::LinearOp, nn::AttentionOp>(op) ? kProduct : 1;
    return cost;
  }
};

void collect(Operation *op, const Liveness &live, int64_t when, Effort effort, Chain &chain) {
  for (Value operand : op->getOperands()) {
    Operation *source = operand.getDefiningOp();
    if (!source || live.lastUse(operand) >= when || chain.ops.contains(source))
      continue;
    if (mayRepeat(source, effort))
      collect(source, live, when, effort, chain);
    else if (chain.keeps.insert(operand).second)
      chain.kept += live.bytes(operand);
  }
  chain.ops.insert(op);
}

// The op whose result should be recomputed to lower the peak at `when`, the one that frees the most bytes for what it costs, last of
// what has to be recomputed for it; empty when there is none. Bytes alone would let go of the values that everything later is made of.
Chain choose(func::FuncOp function, const Liveness &live, int64_t when, Effort effort) {
  Chain best;
  double bestWorth = 0;
  for (Operation &op : function.front().without_terminator()) {
    if (live.time(&op) >= when || !mayRepeat(&op, effort) || op.getNumResults() == 0)
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
    if (usedAtPeak || freed == 0)
      continue;
    Chain chain;
    collect(&op, live, when, effort, chain);
    double worth = static_cast<double>(freed - chain.kept) / chain.cost();
    if (worth > bestWorth)
      best = std::move(chain), bestWorth = worth;
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

// The adjoint of a head, if it is the only one and the tensor cores serve both.
nn::LinearLogprobGradOp adjointOf(nn::LinearLogprobOp head) {
  nn::LinearLogprobGradOp found;
  for (Operation *user : head.getLse().getUsers())
    if (auto grad = dyn_cast<nn::LinearLogprobGradOp>(user)) {
      if (found)
        return {};
      found = grad;
    }
  bool same = found && found.getHidden() == head.getHidden() && found.getWeight() == head.getWeight() &&
              found.getTemperature() == head.getTemperature() && !found.getKeptLogits() && !head.getKept();
  return same && isTensorCoreProduct(head) && isTensorCoreProduct(found) ? found : nn::LinearLogprobGradOp();
}

// How many columns of a head's logits fit. `live` does not count the chunk of their gradient, which has the place of what is kept.
int64_t columnsThatFit(nn::LinearLogprobOp head, nn::LinearLogprobGradOp grad, const Liveness &live, int64_t budget) {
  constexpr int64_t block = nn::LinearLogprobOp::kBlock;
  auto weight = cast<RankedTensorType>(head.getWeight().getType());
  int64_t all = weight.getDimSize(0), blocks = nn::LinearLogprobOp::blocksOf(all), rows = live.bytes(head.getLse()) / 4;
  int64_t room = budget - live.peak(live.time(head), live.time(grad)).first;
  // What the schedule needs beside them: forward three numbers of each block, backward, where a part is computed again, the
  // gradient of the hidden states in f32.
  int64_t forward = 12 * blocks * rows, backward = 4 * weight.getDimSize(1) * rows;
  if (room >= forward + rows * (2 * all + 4 * blocks))
    return all;
  int64_t columns = std::max<int64_t>(room - std::max(forward, backward), 0) / std::max<int64_t>(1, rows * (2 * block + 4)) * block;
  // Where the part is smaller, the rest has memory of its own.
  return 2 * columns * rows >= kLogitChunkBytes / 2 ? columns : 0;
}

void keepHeadLogits(func::FuncOp function, int64_t budget) {
  for (auto head : llvm::make_early_inc_range(function.front().getOps<nn::LinearLogprobOp>())) {
    nn::LinearLogprobGradOp grad = adjointOf(head);
    int64_t columns = grad ? columnsThatFit(head, grad, Liveness(function, /*tensorCores=*/false), budget) : 0;
    if (columns == 0)
      continue;
    OpBuilder builder(head);
    auto rows = cast<RankedTensorType>(head.getLse().getType());
    auto table = [&](int64_t width, Type element) {
      return RankedTensorType::get({rows.getDimSize(0), width}, element, rows.getEncoding());
    };
    SmallVector<Type> more(head.getMore().getTypes());
    more.push_back(table(columns, builder.getBF16Type()));
    more.push_back(table(nn::LinearLogprobOp::blocksOf(columns), builder.getF32Type()));
    auto keeping = nn::LinearLogprobOp::create(builder, head.getLoc(), rows, rows, more, head.getHidden(), head.getWeight(),
                                               head.getTargets(), head.getTemperatureAttr(), head.getNumericsAttr(),
                                               builder.getI64IntegerAttr(columns));
    keeping->setDiscardableAttrs(head->getDiscardableAttrDictionary());
    head->replaceAllUsesWith(keeping->getResults().take_front(head->getNumResults()));
    head.erase();
    grad.getKeptLogitsMutable().assign(keeping.getKeptLogits());
    grad.getMaximaMutable().assign(keeping.getMaxima());
  }
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
    int64_t count = 0, most = kMostClones * std::distance(function.front().begin(), function.front().end());
    // The lowest peak on the way, and the ops computed again for it: the next step may raise it.
    std::pair<int64_t, int64_t> least{std::numeric_limits<int64_t>::max(), 0};
    while (true) {
      Liveness live(function, tensorCores);
      auto [bytes, when] = live.peak();
      if (bytes <= budget)
        break;
      least = std::min(least, {bytes, count});
      Chain chain;
      for (Effort effort : kEfforts)
        if (chain.ops.empty())
          chain = choose(function, live, when, effort);
      if (chain.ops.empty() || count + static_cast<int64_t>(chain.ops.size()) > most) {
        function.emitError() << "'" << function.getSymName() << "' needs at least " << least.first
                             << " bytes of transient memory after recomputing " << least.second << " ops"
                             << (chain.ops.empty() ? "" : " (more would take longer than it is worth)")
                             << ", but the budget is " << budget << ": raise it, or lower the micro-batch's tokens";
        return signalPassFailure();
      }
      recompute(chain, live, when);
      count += chain.ops.size();
    }
    if (tensorCores)
      keepHeadLogits(function, budget);
  }
};

} // namespace
} // namespace mirl::passes
