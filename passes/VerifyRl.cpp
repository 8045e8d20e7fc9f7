// verify-rl: the rules of rl that need the whole program.
//
// In: a module of rl as the frontend (or a test) wrote it; every op has passed its own verifier.
// Out: the same module, untouched, or errors. Every later pass on rl may rely on these rules:
//
//  - Ops are where they mean something: sample, verify, score and rescore in a step that takes prompts;
//    minimize, metric, logprob and entropy in a step that takes a trajectory; draw, call, repeat,
//    batches and evaluate in the iteration. There is at most one iteration.
//  - A step that takes prompts yields a trajectory that was sampled in it, and scores a trajectory
//    at most once. A reward reads no reward.
//  - A step that takes a trajectory minimizes exactly once, and its metrics have different names
//    (grad_norm and lr are the apply phase's own).
//  - There is something to train: the loss depends on the log-probs or entropies of the optimizer's
//    policy by a path on which a gradient flows. Other policies' log-probs are constants to it.
//  - A trajectory carries what a step reads from it: `logprob`, `version` and `age` are recorded when
//    a trajectory is sampled, `reward` when it is scored; drawn examples have `length` and `finished`.
//  - A program that runs a policy says how long a sequence may be: `mirl.context` on the module.
//
// Why here: it is the first pass, and the last one that sees exactly what the user wrote, so its
// errors are about the user's text.

#include "passes/Passes.h"

#include "llvm/ADT/StringSet.h"

namespace mirl::passes {
#define GEN_PASS_DEF_VERIFYRL
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// What a trajectory carries besides length, finished and ending, and where it comes from.
struct Carried {
  bool logprob = false;
  bool reward = false;
  Location origin;
};

class VerifyRl : public impl::VerifyRlBase<VerifyRl> {
public:
  void runOnOperation() override;

private:
  LogicalResult verifyPlaces();
  LogicalResult verifyRollout(rl::StepOp step);
  LogicalResult verifyTraining(rl::StepOp step);
  LogicalResult verifyTrains(rl::StepOp step, rl::MinimizeOp minimize);
  LogicalResult verifyCarried(Block &block, llvm::DenseMap<Value, Carried> &carried);
  LogicalResult verifyCall(rl::CallOp call, llvm::DenseMap<Value, Carried> &carried);

  template <typename OpT> OpT symbol(FlatSymbolRefAttr name) {
    return symbols_->lookup<OpT>(name.getValue());
  }

  std::optional<SymbolTable> symbols_;
};

bool takesPrompts(rl::StepOp step) {
  return isa<rl::PromptsType>(step.getBody().front().getArgument(0).getType());
}

// Whether a gradient flows from a result to operand `operand` of `op`.
bool gradientFlows(Operation *op, unsigned operand) {
  if (isa<rl::StopGradientOp, rl::CompareOp>(op))
    return false;
  if (isa<rl::SelectOp>(op) && operand == 0)
    return false;
  if (auto reduce = dyn_cast<rl::ReduceOp>(op))
    return reduce.getKind() != rl::ReduceKind::count;
  return true;
}

LogicalResult VerifyRl::verifyPlaces() {
  WalkResult result = getOperation().walk([&](Operation *op) -> WalkResult {
    auto step = op->getParentOfType<rl::StepOp>();
    bool iteration = static_cast<bool>(op->getParentOfType<rl::IterationOp>());
    StringRef wanted;
    if (isa<rl::SampleOp, rl::VerifyOp, rl::ScoreOp, rl::RescoreOp>(op) && !(step && takesPrompts(step)))
      wanted = "a step that takes prompts";
    if (isa<rl::MinimizeOp, rl::MetricOp, rl::LogprobOp, rl::EntropyOp>(op) &&
        !(step && !takesPrompts(step)))
      wanted = "a step that takes a trajectory";
    if (isa<rl::FieldOp>(op) && !step)
      wanted = "a step";
    if (isa<rl::DrawOp, rl::CallOp, rl::RepeatOp, rl::BatchesOp, rl::EvaluateOp>(op) && !iteration)
      wanted = "the iteration";
    if (wanted.empty())
      return WalkResult::advance();
    Operation *parent = op->getParentOp();
    InFlightDiagnostic diagnostic = op->emitOpError() << "belongs in " << wanted << ", found in ";
    if (auto name = parent->getAttrOfType<StringAttr>(SymbolTable::getSymbolAttrName()))
      diagnostic << "'" << parent->getName() << "' @" << name.getValue();
    else
      diagnostic << "'" << parent->getName() << "'";
    if (step)
      diagnostic.attachNote(step.getLoc())
          << "step @" << step.getSymName() << " takes "
          << (takesPrompts(step) ? "prompts" : "a trajectory");
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  rl::IterationOp first;
  for (auto iteration : getOperation().getOps<rl::IterationOp>()) {
    if (first) {
      InFlightDiagnostic diagnostic =
          iteration.emitOpError("must be the only one: a program has at most one iteration");
      diagnostic.attachNote(first.getLoc()) << "the first one is here";
      return diagnostic;
    }
    first = iteration;
  }
  return success();
}

// The trajectory that this one is with something added; null when it is itself the origin.
Value withoutLast(Value trajectory) {
  if (auto score = trajectory.getDefiningOp<rl::ScoreOp>())
    return score.getTrajectory();
  if (auto rescore = trajectory.getDefiningOp<rl::RescoreOp>())
    return rescore.getTrajectory();
  return {};
}

// The rl.sample that a trajectory in a rollout step comes from.
rl::SampleOp sampleOf(Value trajectory) {
  while (Value before = withoutLast(trajectory))
    trajectory = before;
  return trajectory.getDefiningOp<rl::SampleOp>();
}

// Whether it was scored.
bool hasReward(Value trajectory) {
  for (; trajectory; trajectory = withoutLast(trajectory))
    if (trajectory.getDefiningOp<rl::ScoreOp>())
      return true;
  return false;
}

LogicalResult VerifyRl::verifyRollout(rl::StepOp step) {
  for (Operation &op : step.getBody().front())
    for (Value operand : op.getOperands())
      if (isa<rl::TrajectoryType>(operand.getType()) && !sampleOf(operand))
        return op.emitOpError("needs a trajectory that is sampled in its step");
  for (auto rescore : step.getBody().front().getOps<rl::RescoreOp>()) {
    rl::SampleOp sample = sampleOf(rescore.getTrajectory());
    if (sample.getPolicyAttr() == rescore.getPolicyAttr())
      continue;
    InFlightDiagnostic diagnostic = rescore.emitOpError()
                                    << "gives the log-probs of policy " << rescore.getPolicyAttr()
                                    << " to tokens that " << sample.getPolicyAttr() << " sampled";
    diagnostic.attachNote(sample.getLoc()) << "sampled here";
    return diagnostic;
  }
  llvm::DenseMap<Value, rl::ScoreOp> scored;
  for (auto score : step.getBody().front().getOps<rl::ScoreOp>()) {
    Value sampled = sampleOf(score.getTrajectory()).getResult();
    auto [it, inserted] = scored.try_emplace(sampled, score);
    if (inserted)
      continue;
    InFlightDiagnostic diagnostic =
        score.emitOpError("scores a trajectory that already has a reward; add the rewards and "
                          "score once");
    diagnostic.attachNote(it->second.getLoc()) << "scored here";
    return diagnostic;
  }
  for (auto field : step.getBody().front().getOps<rl::FieldOp>()) {
    if (field.getName() != "reward")
      continue;
    InFlightDiagnostic diagnostic = field.emitOpError(
        "reads the reward in the step that computes it; use the value given to rl.score");
    if (auto score = scored.lookup(sampleOf(field.getTrajectory()).getResult()))
      diagnostic.attachNote(score.getLoc()) << "the reward is given here";
    return diagnostic;
  }
  return success();
}

LogicalResult VerifyRl::verifyTraining(rl::StepOp step) {
  rl::MinimizeOp minimize;
  for (auto found : step.getBody().front().getOps<rl::MinimizeOp>()) {
    if (minimize) {
      InFlightDiagnostic diagnostic = found.emitOpError(
          "must be the only one of its step: add the losses and minimize their sum");
      diagnostic.attachNote(minimize.getLoc()) << "the first one is here";
      return diagnostic;
    }
    minimize = found;
  }
  if (!minimize)
    return step.emitOpError()
           << "takes a trajectory, so it must minimize a loss once; it minimizes none";
  llvm::StringMap<Location> names;
  for (auto metric : step.getBody().front().getOps<rl::MetricOp>()) {
    StringRef name = metric.getName();
    if (name.empty() || name == "grad_norm" || name == "lr" || name == "loss")
      return metric.emitOpError() << "needs a name of its own (loss, grad_norm and lr are always "
                                     "reported), found '"
                                  << name << "'";
    auto [it, inserted] = names.try_emplace(name, metric.getLoc());
    if (inserted)
      continue;
    InFlightDiagnostic diagnostic = metric.emitOpError()
                                    << "metrics of a step have different names, found '" << name
                                    << "' twice";
    diagnostic.attachNote(it->second) << "the first one is here";
    return diagnostic;
  }
  return verifyTrains(step, minimize);
}

LogicalResult VerifyRl::verifyTrains(rl::StepOp step, rl::MinimizeOp minimize) {
  auto optimizer = symbol<rl::OptimizerOp>(minimize.getOptimizerAttr());
  StringRef policy = optimizer.getPolicy();
  // Two walks up from the loss: along gradients, and along everything.
  auto reaches = [&](bool gradients, Operation *&blocker, Operation *&other) {
    SmallVector<Value> pending{minimize.getLoss()};
    llvm::DenseSet<Value> seen;
    while (!pending.empty()) {
      Value value = pending.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || !seen.insert(value).second)
        continue;
      StringRef named;
      if (auto logprob = dyn_cast<rl::LogprobOp>(op))
        named = logprob.getPolicy();
      if (auto entropy = dyn_cast<rl::EntropyOp>(op))
        named = entropy.getPolicy();
      if (!named.empty() && named == policy)
        return true;
      if (!named.empty())
        other = op;
      for (OpOperand &operand : op->getOpOperands()) {
        if (!gradients || gradientFlows(op, operand.getOperandNumber()))
          pending.push_back(operand.get());
        else
          blocker = op;
      }
    }
    return false;
  };
  Operation *blocker = nullptr, *other = nullptr, *unused = nullptr;
  if (reaches(true, blocker, other))
    return success();
  InFlightDiagnostic diagnostic = minimize.emitOpError() << "has nothing to train: the loss ";
  if (reaches(false, unused, unused)) {
    diagnostic << "depends on policy @" << policy << " only where no gradient flows";
    if (blocker)
      diagnostic.attachNote(blocker->getLoc()) << "no gradient flows through this "
                                               << blocker->getName();
  } else {
    diagnostic << "does not depend on the log-probs or entropies of policy @" << policy
               << ", which @" << optimizer.getSymName() << " trains";
    if (other)
      diagnostic.attachNote(other->getLoc())
          << "it depends on this policy, which @" << optimizer.getSymName() << " does not train";
  }
  diagnostic.attachNote(optimizer.getLoc()) << "the optimizer is declared here";
  return diagnostic;
}

LogicalResult VerifyRl::verifyCall(rl::CallOp call, llvm::DenseMap<Value, Carried> &carried) {
  auto step = symbol<rl::StepOp>(call.getStepAttr());
  Block &body = step.getBody().front();
  if (takesPrompts(step)) {
    Value result = body.getTerminator()->getOperand(0);
    Location origin(call.getLoc());
    carried.try_emplace(call.getResult(),
                        Carried{true, hasReward(result), origin});
    return success();
  }
  auto it = carried.find(call.getArgument());
  if (it == carried.end())
    return success();
  const Carried &trajectory = it->second;
  for (auto field : body.getOps<rl::FieldOp>()) {
    StringRef name = field.getName();
    bool recorded = name == "logprob" || name == "version" || name == "age";
    if ((!recorded || trajectory.logprob) && (name != "reward" || trajectory.reward))
      continue;
    InFlightDiagnostic diagnostic = field.emitOpError() << "reads '" << name << "' of a trajectory "
                                                        << "that has none: ";
    if (recorded)
      diagnostic << "it is recorded when a trajectory is sampled";
    else
      diagnostic << "a rollout step gives it with rl.score";
    diagnostic.attachNote(trajectory.origin)
        << (trajectory.logprob ? "the trajectory is sampled here" : "the trajectory is drawn here");
    diagnostic.attachNote(call.getLoc()) << "and reaches the step here";
    return diagnostic;
  }
  return success();
}

LogicalResult VerifyRl::verifyCarried(Block &block, llvm::DenseMap<Value, Carried> &carried) {
  for (Operation &op : block) {
    if (auto draw = dyn_cast<rl::DrawOp>(op)) {
      if (isa<rl::TrajectoryType>(draw.getResult().getType()))
        carried.try_emplace(draw.getResult(), Carried{false, false, draw.getLoc()});
    } else if (auto call = dyn_cast<rl::CallOp>(op)) {
      if (failed(verifyCall(call, carried)))
        return failure();
    } else if (auto repeat = dyn_cast<rl::RepeatOp>(op)) {
      if (failed(verifyCarried(repeat.getBody().front(), carried)))
        return failure();
    } else if (auto batches = dyn_cast<rl::BatchesOp>(op)) {
      Block &body = batches.getBody().front();
      if (auto it = carried.find(batches.getTrajectory()); it != carried.end()) {
        Carried copy = it->second;
        carried.try_emplace(body.getArgument(0), copy);
      }
      if (failed(verifyCarried(body, carried)))
        return failure();
    }
  }
  return success();
}

void VerifyRl::runOnOperation() {
  ModuleOp module = getOperation();
  symbols_.emplace(module);
  if (failed(verifyPlaces()))
    return signalPassFailure();
  bool ok = true;
  for (auto step : module.getOps<rl::StepOp>())
    ok &= succeeded(takesPrompts(step) ? verifyRollout(step) : verifyTraining(step));
  for (auto iteration : module.getOps<rl::IterationOp>()) {
    llvm::DenseMap<Value, Carried> carried;
    ok &= succeeded(verifyCarried(iteration.getBody().front(), carried));
  }
  if (auto context = module->getAttr("mirl.context")) {
    auto number = dyn_cast<IntegerAttr>(context);
    if (!number || number.getInt() < 2) {
      module.emitError() << "the context capacity must be at least 2 tokens, is " << context;
      ok = false;
    }
  } else {
    Operation *user = nullptr;
    module.walk([&](Operation *op) {
      if (!user && isa<rl::SampleOp, rl::EvaluateOp, rl::LogprobOp, rl::EntropyOp>(op))
        user = op;
    });
    if (user) {
      user->emitOpError("needs to know how long a sequence may be: declare `capacity context = N`, "
                        "found none");
      ok = false;
    }
  }
  if (!ok)
    signalPassFailure();
}

} // namespace
} // namespace mirl::passes
