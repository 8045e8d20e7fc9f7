// rl-to-nn: training steps. The phases that split-step marked become three entries that meet in
// variables (gradients, accumulators) and in ports `value:vN` (what the batch phase computes and the
// micro phase reads).

#include "passes/RlToNn.h"

using namespace mlir;

namespace mirl::passes::lowering {

static bool isMicro(Operation *op) {
  auto phase = op->getAttrOfType<StringAttr>("rl.phase");
  return phase && phase.getValue() == "micro";
}

Extents Program::extentsOf(rl::StepOp step) const {
  auto it = stepExtents_.find(step);
  if (it != stepExtents_.end())
    return it->second;
  // Whole groups of an unknown size: as many as a micro-batch's tokens hold.
  int64_t group = std::max<int64_t>(1, tokensOfCall() / std::max<int64_t>(options_.context, 1));
  return {kUncalled, kUncalled, group, kUncalled * options_.context};
}

Capacities Program::batchCapacities(rl::StepOp step) const {
  Extents extents = extentsOf(step);
  return {extents.sequences * options_.context, extents.tokens, extents.sequences, extents.groups};
}

FailureOr<Capacities> Program::microCapacities(rl::StepOp step) {
  Extents extents = extentsOf(step);
  bool groups = step.getPacking() == "group";
  int64_t need = groups ? options_.context * extents.group : options_.context;
  if (options_.microTokens && options_.microTokens < need) {
    step.emitOpError() << "needs micro-batches of at least " << need << " tokens, the longest "
                       << (groups ? "group" : "sequence") << " (" << options_.context << " tokens"
                       << (groups ? " times " + std::to_string(extents.group) + " responses" : "") << "), but --micro-tokens is "
                       << options_.microTokens;
    return failure();
  }
  int64_t tokens = std::max(need, options_.microTokens ? options_.microTokens : kTokensOfCall);
  tokens = std::min(tokens, extents.sequences * options_.context);
  // Every response takes a row at least.
  int64_t sequences = std::min(extents.sequences, tokens);
  return Capacities{tokens, tokens, sequences, std::min(extents.groups, sequences)};
}

LogicalResult Program::makeMicro(rl::StepOp step, rl::MinimizeOp minimize, Shared &shared) {
  FailureOr<Capacities> capacities = microCapacities(step);
  if (failed(capacities))
    return failure();
  auto optimizer = symbol<rl::OptimizerOp>(minimize.getOptimizerAttr());
  auto trained = symbol<rl::PolicyOp>(optimizer.getPolicyAttr());
  StringRef name = step.getSymName();
  Entry entry(module_, (name + ".micro").str(), "micro", step.getLoc());

  llvm::DenseMap<Operation *, Hidden> hidden;
  llvm::DenseMap<std::pair<Operation *, uint64_t>, nn::LinearLogprobOp> heads;
  bool recorded = false; // the port `logprob` is given
  // One head for all log-probs and entropies of a policy at a temperature.
  auto headOf = [&](FlatSymbolRefAttr policyName, double temperature, Location loc) {
    auto op = symbol<rl::PolicyOp>(policyName);
    auto &head = heads[{op, llvm::bit_cast<uint64_t>(temperature)}];
    if (head)
      return head;
    auto it = hidden.find(op);
    if (it == hidden.end())
      it = hidden.try_emplace(op, instantiate(entry, policies_.find(op)->second, /*cached=*/false)).first;
    bool entropy = llvm::any_of(step.getBody().front().getOps<rl::EntropyOp>(), [&](rl::EntropyOp other) {
      return other.getPolicyAttr() == policyName && other.getTemperature().convertToDouble() == temperature;
    });
    head = logprobs(entry, it->second, loc, temperature, entropy);
    if (op == trained && !recorded) {
      entry.output(head.getLogprob(), "logprob");
      recorded = true;
    }
    return head;
  };

  Maths *self = nullptr;
  auto leaf = [&](Value value) -> FailureOr<Value> {
    Operation *op = value.getDefiningOp();
    if (auto logprob = dyn_cast<rl::LogprobOp>(op))
      return headOf(logprob.getPolicyAttr(), logprob.getTemperature().convertToDouble(), op->getLoc()).getLogprob();
    if (auto entropy = dyn_cast<rl::EntropyOp>(op))
      return headOf(entropy.getPolicyAttr(), entropy.getTemperature().convertToDouble(), op->getLoc()).getEntropy();
    if (auto accumulator = op->getAttrOfType<StringAttr>("rl.accumulator")) {
      FailureOr<Value> x = self->lower(cast<rl::ReduceOp>(op).getInput());
      if (failed(x))
        return failure();
      RankedTensorType scalar = tensorOf(entry.context(), rl::Scope::batch);
      nn::VariableOp variable = makeVariable(op->getLoc(), name + "/" + accumulator.getValue(), "state", name, "", "zeros", scalar);
      shared.accumulators.push_back(variable);
      Value into = entry.variable(variable);
      Value sum = nn::ReduceOp::create(entry.builder(), op->getLoc(), scalar, nn::ReduceKind::sum, *x, into, nn::NumericsAttr());
      entry.update(into, sum);
      return sum;
    }
    // What the batch phase knows is read, but for what costs nothing to have here.
    bool cheap = isa<rl::ConstantOp, rl::FieldOp, rl::ReadParamOp, rl::ClockOp, rl::SpreadOp>(op);
    if (isMicro(op) || cheap)
      return Value();
    std::string port = "value:v" + std::to_string(shared.values.size());
    shared.values.push_back(value);
    return entry.port(port, tensorOf(entry.context(), scopeOf(value)), op->getLoc());
  };
  Maths maths(entry, /*gradients=*/true, leaf);
  self = &maths;

  FailureOr<Value> loss = maths.lower(minimize.getLoss());
  if (failed(loss))
    return failure();
  entry.differentiate(entry.output(*loss, "loss"));
  for (auto metric : step.getBody().front().getOps<rl::MetricOp>()) {
    if (!isMicro(metric))
      continue;
    FailureOr<Value> value = maths.lower(metric.getValue());
    if (failed(value))
      return failure();
    entry.output(*value, ("metric:" + metric.getName()).str());
  }
  Policy &policy = policies_.find(trained)->second;
  for (auto &[weight, variable] : policy.weights) {
    Value argument = entry.variable(variable);
    auto &gradients = shared.gradients[weight];
    SmallVector<int64_t> into;
    for (unsigned n = 0, uses = argument.getNumUses(); n < std::max(uses, 1u); ++n) {
      gradients.push_back(gradientOf(policy, weight, n));
      into.push_back(cast<BlockArgument>(entry.variable(gradients.back())).getArgNumber());
    }
    entry.annotate(argument, "nn.gradient",
                   into.size() == 1 ? Attribute(builder_.getI64IntegerAttr(into[0]))
                                    : Attribute(builder_.getDenseI64ArrayAttr(into)));
  }
  entry.finish(*capacities);
  return success();
}

LogicalResult Program::makeBatch(rl::StepOp step, const Shared &shared) {
  Entry entry(module_, (step.getSymName() + ".batch").str(), "batch", step.getLoc());
  OpBuilder &b = entry.builder();
  auto zero = [&](nn::VariableOp variable) {
    Value argument = entry.variable(variable);
    entry.update(argument, nn::SplatOp::create(b, variable.getLoc(), argument.getType(), b.getF32FloatAttr(0)));
  };
  for (auto &[weight, gradients] : shared.gradients)
    for (nn::VariableOp gradient : gradients)
      zero(gradient);
  for (nn::VariableOp accumulator : shared.accumulators)
    zero(accumulator);
  Maths maths(entry, /*gradients=*/false, [](Value) { return Value(); });
  for (auto [i, value] : llvm::enumerate(shared.values)) {
    FailureOr<Value> tensor = maths.lower(value);
    if (failed(tensor))
      return failure();
    entry.output(*tensor, "value:v" + std::to_string(i));
  }
  for (auto metric : step.getBody().front().getOps<rl::MetricOp>()) {
    if (isMicro(metric))
      continue;
    FailureOr<Value> value = maths.lower(metric.getValue());
    if (failed(value))
      return failure();
    entry.output(*value, ("metric:" + metric.getName()).str());
  }
  entry.finish(batchCapacities(step));
  return success();
}

LogicalResult Program::makeApply(rl::StepOp step, rl::OptimizerOp optimizer, Policy &policy,
                                 const Shared &shared) {
  StringRef owner = optimizer.getSymName();
  State &state = states_[optimizer];
  RankedTensorType scalar = tensorOf(builder_.getContext(), rl::Scope::batch);
  if (!state.counter) {
    state.counter = makeVariable(optimizer.getLoc(), owner + "/step", "state", owner, "", "zeros", scalar);
    for (auto &entry : policy.weights) {
      nn::VariableOp weight = entry.second;
      auto make = [&](StringRef suffix, StringRef kind) {
        return makeVariable(weight.getLoc(), owner + "/" + weight.getWeight() + suffix, kind, owner, weight.getWeight(),
                            "zeros", cast<RankedTensorType>(weight.getType()));
      };
      nn::VariableOp first = make(".m", "moment1");
      state.moments[entry.first] = {first, make(".v", "moment2")};
    }
  }
  Location loc = step.getLoc();
  Entry entry(module_, (step.getSymName() + ".apply").str(), "apply", loc);
  OpBuilder &b = entry.builder();
  auto number = [&](double value) -> Value {
    return nn::SplatOp::create(b, loc, scalar, b.getF32FloatAttr(static_cast<float>(value)));
  };
  auto binary = [&](nn::BinaryKind kind, Value lhs, Value rhs) -> Value {
    return nn::BinaryOp::create(b, loc, scalar, kind, lhs, rhs);
  };
  Maths maths(entry, /*gradients=*/false, [](Value) { return Value(); });
  FailureOr<Value> rate = maths.lower(optimizer.getBody().front().getTerminator()->getOperand(0));
  if (failed(rate))
    return failure();
  // The chains of a weight's uses are added here, once, so that the cut into micro-batches is not seen; into the first,
  // which saves a buffer.
  llvm::DenseMap<Attribute, Value> sums;
  for (auto &[name, gradients] : shared.gradients) {
    Value first = entry.variable(gradients[0]), sum = first;
    for (nn::VariableOp gradient : ArrayRef(gradients).drop_front())
      sum = nn::BinaryOp::create(b, loc, sum.getType(), nn::BinaryKind::add, sum, entry.variable(gradient));
    if (sum != first)
      entry.update(first, sum);
    sums[name] = sum;
  }
  Value squares = number(0);
  for (auto &[name, gradients] : shared.gradients)
    squares = nn::SquaredNormOp::create(b, loc, scalar, sums[name], squares);
  Value norm = nn::UnaryOp::create(b, loc, scalar, nn::UnaryKind::sqrt, squares);
  // Clipping by the global norm (Pascanu et al., arXiv 1211.5063); 1e-6 as in PyTorch's clip_grad_norm_.
  double clip = optimizer.getClip().convertToFloat();
  Value scale = clip > 0 ? binary(nn::BinaryKind::min,
                                  binary(nn::BinaryKind::div, number(clip), binary(nn::BinaryKind::add, norm, number(1e-6))),
                                  number(1))
                         : number(1);
  Value counter = entry.variable(state.counter);
  Value count = binary(nn::BinaryKind::add, counter, number(1));
  entry.update(counter, count);
  for (auto &[name, weight] : policy.weights) {
    auto [first, second] = state.moments[name];
    Value w = entry.variable(weight), g = sums[name];
    Value m = entry.variable(first), v = entry.variable(second);
    auto update = nn::AdamwOp::create(b, loc, TypeRange{w.getType(), m.getType(), v.getType()}, w, g, m, v, *rate, count, scale,
                                      optimizer.getBeta1Attr(), optimizer.getBeta2Attr(), optimizer.getEpsAttr(),
                                      optimizer.getWeightDecayAttr());
    entry.update(w, update.getNewWeight());
    entry.update(m, update.getNewMoment1());
    entry.update(v, update.getNewMoment2());
  }
  entry.output(norm, "metric:grad_norm");
  entry.output(*rate, "metric:lr");
  entry.finish({});
  return success();
}

LogicalResult Program::makeStep(rl::StepOp step) {
  // What verify-rl and split-step see to; a pipeline may lack them.
  auto minimizes = step.getBody().front().getOps<rl::MinimizeOp>();
  if (!llvm::hasSingleElement(minimizes))
    return step.emitOpError() << "takes a trajectory, so it must minimize a loss once; it minimizes "
                              << std::distance(minimizes.begin(), minimizes.end())
                              << " (verify-rl comes before rl-to-nn)";
  if (!step.getPackingAttr())
    return step.emitOpError("must be cut into phases: split-step comes before rl-to-nn");
  rl::MinimizeOp minimize = *minimizes.begin();
  auto optimizer = symbol<rl::OptimizerOp>(minimize.getOptimizerAttr());
  Policy &policy = policies_.find(symbol<rl::PolicyOp>(optimizer.getPolicyAttr()))->second;
  Shared shared;
  if (failed(makeMicro(step, minimize, shared)) || failed(makeBatch(step, shared)))
    return failure();
  bool declared = states_.contains(optimizer);
  if (failed(makeApply(step, optimizer, policy, shared)))
    return failure();
  if (!declared)
    plan::OptimizerOp::create(builder_, optimizer.getLoc(), optimizer.getSymName(), optimizer.getPolicy(), optimizer.getReset());
  StringRef name = step.getSymName();
  auto entry = [&](StringRef kind) { return FlatSymbolRefAttr::get(builder_.getContext(), (name + "." + kind).str()); };
  plan::StepOp::create(builder_, step.getLoc(), builder_.getStringAttr(name), step.getArgumentAttr(), entry("batch"), entry("micro"),
                       entry("apply"), step.getPackingAttr(),
                       FlatSymbolRefAttr::get(optimizer.getSymNameAttr()));
  return success();
}

} // namespace mirl::passes::lowering
