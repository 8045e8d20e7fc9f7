// split-step: cut each training step into what is computed once for the whole batch, what is
// computed for each micro-batch, and the update.
//
// In: steps of rl that verify-rl has accepted. Out: for each step that takes a trajectory
//  - `packing` on the step: "group" when a micro value exists per group (so that a micro-batch must
//    hold whole groups), else "sequence";
//  - every op carries `rl.phase`: "micro" when it depends on a log-prob or an entropy, "apply" for
//    rl.minimize and the rl.yield, "batch" for everything else. Batch ops come first, then micro
//    ops, then rl.metric and rl.minimize; a metric that only needs the batch is "batch" and comes
//    with the batch ops;
//  - the operand of rl.minimize, and of each micro rl.metric, is canonical:
//        Σ_i (rl.reduce sum x_i to batch) + constant
//    with at most one x_i per scope, and the constant a batch value. Each such rl.reduce carries
//    `rl.accumulator`: "loss", "loss.1", …, "metric.NAME", "metric.NAME.1", …: the name of the
//    persistent scalar in which its chain goes on from one micro-batch to the next. It is the only
//    way a micro value reaches the batch, and no op but rl.binary add, rl.metric and rl.minimize
//    uses it.
//  - spreads from group to token are two spreads, so that a micro op never reads a group's value of
//    the batch phase at token scope.
//
// How a loss becomes canonical: coefficients are pushed inside. A mean over the batch is a sum of
// x times 1 / count, where the count is of the *whole* batch: a batch value, the same for every
// micro-batch. Sums, differences and products with batch values are linear, hence the loss does not
// depend on where the batch is cut. A mean over groups is pushed inside too, when everything above
// it is linear; then it needs no whole groups.
//
// What cannot be cut is refused: a value reduced over the batch that depends on log-probs and then
// enters anything that is not linear (a square of a mean, a standard deviation over the batch, a
// maximum over the batch, a spread back to the sequences), because it is known only after the last
// micro-batch. stop_gradient does not help: the value would still be needed by the first.
//
// rl.entry and rollout steps run at once on all their values and are not split.

#include "passes/Passes.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

namespace mirl::passes {
#define GEN_PASS_DEF_SPLITSTEP
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

rl::Scope scopeOf(Value value) { return cast<rl::PerType>(value.getType()).getScope(); }

class Splitter {
public:
  explicit Splitter(rl::StepOp step)
      : step_(step), body_(step.getBody().front()), builder_(step.getContext()) {}

  LogicalResult run();

private:
  // Which branches of rl.select by batch values lead to a part of a form: it counts where each condition is not 0
  // (`second`), or is 0. A part that is not chosen is replaced, not scaled by 0: it may be infinite.
  using Choices = SmallVector<std::pair<Value, bool>, 1>;
  // Σ coefficient · x over all chosen elements, x a micro value; a null coefficient is 1.
  struct Term {
    Value x, coefficient;
    Choices choices;
  };
  // The linear form of a value per batch; a null constant is 0.
  struct Form {
    SmallVector<Term> terms;
    Value constant;
  };

  bool isMicro(Value value) { return micro_.contains(value); }
  void findMicro();
  void removeDead();
  void rewriteCounts();
  void rewriteSpreads();
  LogicalResult refuseSpreads();
  LogicalResult expand(Value value, Value coefficient, bool stopped, Form &form);
  LogicalResult refuse(Operation *user, Value value);
  FailureOr<Value> canonical(Value value);
  void nameAccumulators();
  void arrange();

  // Makes an op before `at_` whose result depends on log-probs when an operand does.
  template <typename OpT, typename... Args> Value make(Location loc, Args &&...args) {
    auto op = OpT::create(builder_, loc, std::forward<Args>(args)...);
    if (llvm::any_of(op->getOperands(), [&](Value operand) { return isMicro(operand); }))
      micro_.insert(op.getResult());
    return op.getResult();
  }
  Value binary(Location loc, rl::BinaryKind kind, Value lhs, Value rhs) {
    return make<rl::BinaryOp>(loc, lhs.getType(), kind, lhs, rhs);
  }
  Value spread(Location loc, Value value, rl::Scope to) {
    if (scopeOf(value) == to)
      return value;
    auto type = rl::PerType::get(builder_.getContext(), to, builder_.getF32Type());
    if (scopeOf(value) == rl::Scope::group && to == rl::Scope::token)
      value = spread(loc, value, rl::Scope::sequence);
    return make<rl::SpreadOp>(loc, type, value);
  }
  Value constant(Location loc, double value, rl::Scope scope) {
    auto type = rl::PerType::get(builder_.getContext(), rl::Scope::batch, builder_.getF32Type());
    return spread(loc, make<rl::ConstantOp>(loc, type, builder_.getF64FloatAttr(value)), scope);
  }
  Value sum(Location loc, Value value, rl::Scope to) {
    auto type = rl::PerType::get(builder_.getContext(), to, builder_.getF32Type());
    return make<rl::ReduceOp>(loc, type, rl::ReduceKind::sum, value);
  }
  Value count(Location loc, rl::Scope of, rl::Scope over);
  // `value` where it is chosen, else 0.
  Value chosen(Location loc, Value value, const Choices &choices);
  // coefficient · factor; a null coefficient is 1.
  Value times(Location loc, Value coefficient, Value factor) {
    return coefficient ? binary(loc, rl::BinaryKind::mul, coefficient, factor) : factor;
  }

  rl::StepOp step_;
  Block &body_;
  OpBuilder builder_;
  llvm::DenseSet<Value> micro_;
  llvm::DenseMap<Value, Value> canonical_;
  Choices choices_; // around the value that is expanded
};

// max(number of `of` in each `over`, 1): what a mean divides by. It depends on no micro value.
Value Splitter::count(Location loc, rl::Scope of, rl::Scope over) {
  auto type = rl::PerType::get(builder_.getContext(), over, builder_.getF32Type());
  Value number =
      make<rl::ReduceOp>(loc, type, rl::ReduceKind::count, constant(loc, 1.0, of));
  return binary(loc, rl::BinaryKind::max, number, constant(loc, 1.0, over));
}

Value Splitter::chosen(Location loc, Value value, const Choices &choices) {
  for (auto [condition, yes] : llvm::reverse(choices)) {
    Value where = spread(loc, condition, scopeOf(value));
    Value zero = constant(loc, 0.0, scopeOf(value));
    value = make<rl::SelectOp>(loc, value.getType(), where, yes ? value : zero, yes ? zero : value);
  }
  return value;
}

void Splitter::findMicro() {
  micro_.clear();
  for (Operation &op : body_) {
    bool micro = isa<rl::LogprobOp, rl::EntropyOp>(op) ||
                 llvm::any_of(op.getOperands(), [&](Value value) { return isMicro(value); });
    if (micro)
      micro_.insert(op.result_begin(), op.result_end());
  }
}

void Splitter::removeDead() {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body_)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

// A count depends on the scope of its operand alone.
void Splitter::rewriteCounts() {
  for (auto reduce : llvm::make_early_inc_range(body_.getOps<rl::ReduceOp>())) {
    if (reduce.getKind() != rl::ReduceKind::count || !isMicro(reduce.getInput()))
      continue;
    builder_.setInsertionPoint(reduce);
    reduce.getInputMutable().assign(
        constant(reduce.getLoc(), 1.0, scopeOf(reduce.getInput())));
  }
  findMicro();
}

void Splitter::rewriteSpreads() {
  for (auto op : llvm::make_early_inc_range(body_.getOps<rl::SpreadOp>())) {
    if (scopeOf(op.getInput()) != rl::Scope::group || scopeOf(op.getResult()) != rl::Scope::token)
      continue;
    builder_.setInsertionPoint(op);
    op.getResult().replaceAllUsesWith(spread(op.getLoc(), op.getInput(), rl::Scope::token));
    op.erase();
  }
  findMicro();
}

StringRef describe(Operation *op) {
  if (auto reduce = dyn_cast<rl::ReduceOp>(op))
    return stringifyReduceKind(reduce.getKind());
  if (auto unary = dyn_cast<rl::UnaryOp>(op))
    return stringifyUnaryKind(unary.getKind());
  if (auto binary = dyn_cast<rl::BinaryOp>(op))
    return stringifyBinaryKind(binary.getKind());
  if (auto compare = dyn_cast<rl::CompareOp>(op))
    return stringifyCompareKind(compare.getKind());
  return op->getName().stripDialect();
}

// `value`, per batch, depends on log-probs; `user` uses it in a way that cannot be cut.
LogicalResult Splitter::refuse(Operation *user, Value value) {
  // The reduction over the batch at the bottom of it.
  Operation *reduction = value.getDefiningOp();
  while (!isa<rl::ReduceOp>(reduction)) {
    auto next = llvm::find_if(reduction->getOperands(), [&](Value v) { return isMicro(v); });
    reduction = (*next).getDefiningOp();
  }
  InFlightDiagnostic diagnostic = user->emitOpError();
  if (user == reduction)
    diagnostic << "takes the " << describe(user) << " over the batch of a value that depends on "
               << "log-probs";
  else
    diagnostic << "(" << describe(user) << ") needs the " << describe(reduction)
               << " over the batch of a value that depends on log-probs";
  diagnostic << ", which is known only after the last micro-batch: the step cannot be cut";
  if (user != reduction)
    diagnostic.attachNote(reduction->getLoc())
        << "the " << describe(reduction) << " over the batch is here";
  diagnostic.attachNote(step_.getLoc())
      << "in step @" << step_.getSymName()
      << ": sums and means over the batch may be added, subtracted and scaled by values that do "
         "not depend on log-probs; anything else is possible per sequence or per group, before "
         "the reduction over the batch";
  return diagnostic;
}

LogicalResult Splitter::refuseSpreads() {
  for (Operation &op : body_)
    if (auto spread = dyn_cast<rl::SpreadOp>(op))
      if (isMicro(spread.getInput()) && scopeOf(spread.getInput()) == rl::Scope::batch)
        return refuse(spread, spread.getInput());
  return success();
}

// Adds coefficient · value, summed over all elements of the batch, to `form`. `stopped`: no
// gradient flows through it.
LogicalResult Splitter::expand(Value value, Value coefficient, bool stopped, Form &form) {
  rl::Scope scope = scopeOf(value);
  Operation *op = value.getDefiningOp();
  Location loc = op ? op->getLoc() : step_.getLoc();
  if (!isMicro(value)) {
    Value part = coefficient ? binary(loc, rl::BinaryKind::mul, value, coefficient) : value;
    part = chosen(loc, part, choices_);
    if (scope != rl::Scope::batch)
      part = sum(loc, part, rl::Scope::batch);
    form.constant = form.constant ? binary(loc, rl::BinaryKind::add, form.constant, part) : part;
    return success();
  }
  auto leaf = [&] {
    Value x = stopped ? make<rl::StopGradientOp>(loc, value.getType(), value) : value;
    form.terms.push_back({x, coefficient, choices_});
    return success();
  };
  if (scope == rl::Scope::token || scope == rl::Scope::sequence)
    return leaf();
  auto negated = [&] {
    return times(loc, coefficient, constant(loc, -1.0, scope));
  };
  if (auto reduce = dyn_cast<rl::ReduceOp>(op)) {
    bool mean = reduce.getKind() == rl::ReduceKind::mean;
    if (mean || reduce.getKind() == rl::ReduceKind::sum) {
      rl::Scope from = scopeOf(reduce.getInput());
      if (mean) {
        Value inverse = binary(loc, rl::BinaryKind::div, constant(loc, 1.0, scope),
                               count(loc, from, scope));
        coefficient = times(loc, coefficient, inverse);
      }
      if (coefficient)
        coefficient = spread(loc, coefficient, from);
      return expand(reduce.getInput(), coefficient, stopped, form);
    }
  } else if (auto unary = dyn_cast<rl::UnaryOp>(op)) {
    if (unary.getKind() == rl::UnaryKind::neg)
      return expand(unary.getInput(), negated(), stopped, form);
  } else if (auto stop = dyn_cast<rl::StopGradientOp>(op)) {
    return expand(stop.getInput(), coefficient, true, form);
  } else if (auto maths = dyn_cast<rl::BinaryOp>(op)) {
    Value lhs = maths.getLhs(), rhs = maths.getRhs();
    switch (maths.getKind()) {
    case rl::BinaryKind::add:
    case rl::BinaryKind::sub:
      if (failed(expand(lhs, coefficient, stopped, form)))
        return failure();
      return expand(rhs, maths.getKind() == rl::BinaryKind::sub ? negated() : coefficient, stopped,
                    form);
    case rl::BinaryKind::mul:
      if (isMicro(lhs) && isMicro(rhs))
        break;
      return isMicro(lhs) ? expand(lhs, times(loc, coefficient, rhs), stopped, form)
                          : expand(rhs, times(loc, coefficient, lhs), stopped, form);
    case rl::BinaryKind::div: {
      if (isMicro(rhs))
        break;
      Value numerator = coefficient ? coefficient : constant(loc, 1.0, scope);
      return expand(lhs, binary(loc, rl::BinaryKind::div, numerator, rhs), stopped, form);
    }
    default:
      break;
    }
  } else if (auto select = dyn_cast<rl::SelectOp>(op)) {
    if (!isMicro(select.getCondition())) {
      for (bool yes : {true, false}) {
        choices_.push_back({select.getCondition(), yes});
        LogicalResult branch =
            expand(yes ? select.getOnTrue() : select.getOnFalse(), coefficient, stopped, form);
        choices_.pop_back();
        if (failed(branch))
          return failure();
      }
      return success();
    }
  }
  // Not linear. Per group it is computed where the groups are whole; per batch it cannot be.
  if (scope == rl::Scope::group)
    return leaf();
  if (isa<rl::ReduceOp>(op))
    return refuse(op, value);
  for (Value operand : op->getOperands())
    if (isMicro(operand))
      return refuse(op, operand);
  llvm_unreachable("a micro value without a micro operand is per token");
}

// The canonical form of a value per batch, before `builder_`'s insertion point.
FailureOr<Value> Splitter::canonical(Value value) {
  if (!isMicro(value))
    return value;
  if (Value done = canonical_.lookup(value))
    return done;
  Form form;
  if (failed(expand(value, Value(), false, form)))
    return failure();
  Location loc = value.getLoc();
  Value result;
  for (rl::Scope scope : {rl::Scope::token, rl::Scope::sequence, rl::Scope::group}) {
    Value all;
    for (Term &term : form.terms) {
      if (scopeOf(term.x) != scope)
        continue;
      Location at = term.x.getLoc();
      Value x = term.coefficient ? binary(at, rl::BinaryKind::mul, term.x, term.coefficient) : term.x;
      x = chosen(at, x, term.choices);
      all = all ? binary(loc, rl::BinaryKind::add, all, x) : x;
    }
    if (!all)
      continue;
    Value chain = sum(loc, all, rl::Scope::batch);
    result = result ? binary(loc, rl::BinaryKind::add, result, chain) : chain;
  }
  if (form.constant)
    result = binary(loc, rl::BinaryKind::add, result, form.constant);
  canonical_[value] = result;
  return result;
}

// Names the chains, the loss's first, each by its first user.
void Splitter::nameAccumulators() {
  auto name = [&](Value root, const Twine &base) {
    std::string prefix = base.str();
    unsigned n = 0;
    auto visit = [&](auto &&self, Value value) -> void {
      Operation *op = value.getDefiningOp();
      if (!op || !isMicro(value))
        return;
      if (isa<rl::BinaryOp>(op)) {
        for (Value operand : op->getOperands())
          self(self, operand);
      } else if (!op->hasAttr("rl.accumulator")) {
        std::string full = n == 0 ? prefix : prefix + "." + std::to_string(n);
        ++n;
        op->setAttr("rl.accumulator", builder_.getStringAttr(full));
      }
    };
    visit(visit, root);
  };
  for (auto minimize : body_.getOps<rl::MinimizeOp>())
    name(minimize.getLoss(), "loss");
  for (auto metric : body_.getOps<rl::MetricOp>())
    name(metric.getValue(), "metric." + metric.getName());
}

// Orders the ops by phase and says which is which.
void Splitter::arrange() {
  bool group = false;
  SmallVector<Operation *> phases[4]; // the micro phase's metrics come after its values
  for (Operation &op : body_) {
    bool micro = isa<rl::LogprobOp, rl::EntropyOp>(op) ||
                 llvm::any_of(op.getOperands(), [&](Value value) { return isMicro(value); });
    if (micro && !isa<rl::MetricOp, rl::MinimizeOp>(op))
      for (ValueRange values : {ValueRange(op.getOperands()), ValueRange(op.getResults())})
        for (Value value : values)
          group |= isa<rl::PerType>(value.getType()) && scopeOf(value) == rl::Scope::group;
    int phase = isa<rl::MinimizeOp, rl::YieldOp>(op) ? 3
                : !micro                           ? 0
                : isa<rl::MetricOp>(op)            ? 2
                                                   : 1;
    phases[phase].push_back(&op);
  }
  static constexpr StringLiteral kNames[] = {"batch", "micro", "micro", "apply"};
  for (auto [name, ops] : llvm::zip(kNames, phases)) {
    for (Operation *op : ops) {
      op->moveBefore(&body_, body_.end());
      op->setAttr("rl.phase", builder_.getStringAttr(name));
    }
  }
  step_.setPacking(group ? "group" : "sequence");
}

LogicalResult Splitter::run() {
  removeDead();
  findMicro();
  rewriteCounts();
  rewriteSpreads();
  removeDead();
  if (failed(refuseSpreads()))
    return failure();
  for (Operation &op : llvm::make_early_inc_range(body_)) {
    if (!isa<rl::MinimizeOp, rl::MetricOp>(op))
      continue;
    // rl.metric and rl.minimize have one operand, the value per batch.
    builder_.setInsertionPoint(&op);
    FailureOr<Value> value = canonical(op.getOperand(0));
    if (failed(value))
      return failure();
    op.setOperand(0, *value);
  }
  removeDead();
  IRRewriter rewriter(step_.getContext());
  DominanceInfo dominance(step_);
  eliminateCommonSubExpressions(rewriter, dominance, step_);
  findMicro();
  nameAccumulators();
  arrange();
  return success();
}

class SplitStep : public impl::SplitStepBase<SplitStep> {
public:
  void runOnOperation() override {
    for (auto step : getOperation().getOps<rl::StepOp>()) {
      if (!isa<rl::TrajectoryType>(step.getBody().front().getArgument(0).getType()))
        continue;
      if (failed(Splitter(step).run()))
        signalPassFailure();
    }
  }
};

} // namespace
} // namespace mirl::passes
