// The rules of rl that one op and the symbols it names decide. What needs the whole program (what a
// loss depends on, what a trajectory carries) is checked by verify-rl.

#include "dialects/rl/Rl.h"

#include "llvm/ADT/StringSet.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace mirl;
using namespace mirl::rl;

// --- helpers -------------------------------------------------------------------------------------


// The symbol of kind `OpT` that `op` names, or null after a diagnostic.
template <typename OpT>
static OpT lookup(Operation *op, FlatSymbolRefAttr name, StringRef what,
                  SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, name);
  if (auto typed = dyn_cast_or_null<OpT>(found))
    return typed;
  InFlightDiagnostic diagnostic = op->emitOpError() << "needs " << what << ", but ";
  if (!found) {
    diagnostic << name << " is not declared";
  } else {
    diagnostic << name << " is a '" << found->getName() << "'";
    diagnostic.attachNote(found->getLoc()) << "declared here";
  }
  return nullptr;
}

static LogicalResult atLeast(Operation *op, StringRef what, int64_t value, int64_t least) {
  if (value >= least)
    return success();
  return op->emitOpError() << what << " must be at least " << least << ", is " << value;
}

static LogicalResult notNegative(Operation *op, StringRef what, double value) {
  if (value >= 0)
    return success();
  return op->emitOpError() << what << " must not be negative, is " << value;
}

static LogicalResult oneOf(Operation *op, StringRef what, StringRef value,
                           ArrayRef<StringRef> allowed) {
  if (llvm::is_contained(allowed, value))
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << what << " must be ";
  for (auto [i, one] : llvm::enumerate(allowed))
    diagnostic << (i == 0 ? "" : i + 1 == allowed.size() ? " or " : ", ") << "'" << one << "'";
  return diagnostic << ", is '" << value << "'";
}

// The body ends in an rl.yield of no values.
static LogicalResult yieldsNothing(Operation *op, Region &body) {
  auto yield = dyn_cast<YieldOp>(body.front().getTerminator());
  if (yield && yield.getValues().empty())
    return success();
  return op->emitOpError() << "must end in an rl.yield without values, yields "
                           << (yield ? yield.getValues().size() : 0);
}

// The settings of rl.verify and rl.evaluate: `kind` is known and has what it needs.
static LogicalResult verifierSettings(Operation *op, StringRef kind, DictionaryAttr settings) {
  if (failed(oneOf(op, "the verifier's kind", kind, {"exact_answer", "regex", "program"})))
    return failure();
  for (NamedAttribute setting : settings) {
    StringRef name = setting.getName();
    bool text = name == "pattern" || name == "field" || name == "command" || name == "kind";
    if (text && !isa<StringAttr>(setting.getValue()))
      return op->emitOpError() << "setting '" << name << "' must be a string, is "
                               << setting.getValue();
    if (name == "timeout" && !isa<FloatAttr, IntegerAttr>(setting.getValue()))
      return op->emitOpError() << "setting 'timeout' must be a number of seconds, is "
                               << setting.getValue();
    if (name == "workers") {
      auto count = dyn_cast<IntegerAttr>(setting.getValue());
      if (!count || count.getInt() < 1)
        return op->emitOpError() << "setting 'workers' must be a number of processes, at least 1, is "
                                 << setting.getValue();
    }
    if (!text && name != "timeout" && name != "workers")
      return op->emitOpError() << "a verifier's settings are pattern, field, command, timeout and workers, "
                               << "found '" << name << "'";
  }
  if (kind == "regex" && !settings.contains("pattern"))
    return op->emitOpError("verifier 'regex' needs a 'pattern', found none");
  if (kind == "program" && !settings.contains("command"))
    return op->emitOpError("verifier 'program' needs a 'command', found none");
  return success();
}

// --- types ---------------------------------------------------------------------------------------

LogicalResult PerType::verify(function_ref<InFlightDiagnostic()> emitError, Scope scope,
                              Type element) {
  if (element.isF32())
    return success();
  return emitError() << "a value per " << stringifyScope(scope) << " must be of f32, is of "
                     << element;
}

// --- declarations --------------------------------------------------------------------------------

// A tensor of `element` with the given dimensions (0: any fixed one), its first on `axis`.
static bool isRows(Type type, nn::Axis axis, int64_t extra, unsigned rank, Type element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto found = nn::axisOf(type);
  if (!tensor || !found || tensor.getRank() != static_cast<int64_t>(rank))
    return false;
  for (unsigned i = 1; i < rank; ++i)
    if (tensor.isDynamicDim(i))
      return false;
  return found->getAxis() == axis && found->getExtra() == extra &&
         (element ? tensor.getElementType() == element : isa<FloatType>(tensor.getElementType()));
}

LogicalResult PolicyOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(oneOf(*this, "the role", getRole(), {"trainable", "frozen"})))
    return failure();
  auto model = lookup<func::FuncOp>(*this, getModelAttr(), "a model", symbols);
  if (!model)
    return failure();
  auto refuse = [&](const Twine &what) {
    InFlightDiagnostic diagnostic = emitOpError() << what;
    diagnostic.attachNote(model.getLoc()) << "model @" << model.getSymName() << " is declared here";
    return diagnostic;
  };
  if (!model->hasAttr(nn::attr::kModel))
    return refuse("needs a model, but @" + Twine(model.getSymName()) +
                  " is a function without nn.model");
  if (!llvm::hasSingleElement(model.getBody()))
    return refuse("needs a model with a body of one block");
  FunctionType type = model.getFunctionType();
  Type i32 = IntegerType::get(getContext(), 32);
  bool inputs = type.getNumInputs() == 3 &&
                isRows(type.getInput(0), nn::Axis::context, 0, 1, i32) &&
                isRows(type.getInput(1), nn::Axis::context, 0, 1, i32) &&
                isRows(type.getInput(2), nn::Axis::sequence, 1, 1, i32);
  if (!inputs)
    return refuse("needs a model of (ids: tensor<?xi32, #nn.axis<context>>, positions: "
                  "tensor<?xi32, #nn.axis<context>>, offsets: tensor<?xi32, #nn.axis<sequence, "
                  "1>>)")
           << ", found " << type;
  auto head = type.getNumResults() == 2 ? dyn_cast<RankedTensorType>(type.getResult(1)) : nullptr;
  if (!head || !isRows(type.getResult(0), nn::Axis::context, 0, 2, Type()) || head.getRank() != 2 ||
      !head.hasStaticShape())
    return refuse("needs a model that returns (hidden: tensor<?xdxf32, #nn.axis<context>>, head: "
                  "tensor<Vxdxf32>)")
           << ", found " << type;
  int64_t width = cast<RankedTensorType>(type.getResult(0)).getDimSize(1);
  if (head.getDimSize(1) != width)
    return refuse("needs a head of as many columns as the hidden state")
           << ": " << width << ", found " << head.getDimSize(1);
  return success();
}

LogicalResult OptimizerOp::verify() {
  auto fraction = [&](StringRef what, const APFloat &value) -> LogicalResult {
    double number = value.convertToFloat();
    if (number >= 0 && number < 1)
      return success();
    return emitOpError() << what << " must be in [0, 1), is " << number;
  };
  if (failed(fraction("beta1", getBeta1())) || failed(fraction("beta2", getBeta2())))
    return failure();
  if (!(getEps().convertToFloat() > 0))
    return emitOpError() << "eps must be positive, is " << getEps().convertToFloat();
  if (failed(notNegative(*this, "weight_decay", getWeightDecay().convertToFloat())) ||
      failed(notNegative(*this, "clip", getClip().convertToFloat())) ||
      failed(oneOf(*this, "reset", getReset(), {"iteration", "never"})))
    return failure();
  auto yield = dyn_cast<YieldOp>(getBody().front().getTerminator());
  Type wanted = PerType::get(getContext(), Scope::batch, Float32Type::get(getContext()));
  if (!yield || yield.getNumOperands() != 1 || yield.getOperand(0).getType() != wanted)
    return emitOpError() << "must yield the learning rate, one " << wanted << ", yields "
                         << (yield ? yield.getNumOperands() : 0) << " values"
                         << (yield && yield.getNumOperands() == 1 ? " of another type" : "");
  return success();
}

LogicalResult OptimizerOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto policy = lookup<PolicyOp>(*this, getPolicyAttr(), "a policy", symbols);
  if (!policy)
    return failure();
  if (policy.getRole() == "trainable")
    return success();
  InFlightDiagnostic diagnostic = emitOpError()
                                  << "needs a trainable policy, but " << getPolicyAttr() << " is "
                                  << policy.getRole();
  diagnostic.attachNote(policy.getLoc()) << "declared here";
  return diagnostic;
}

LogicalResult StepOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != 1 ||
      !isa<PromptsType, TrajectoryType>(body.getArgument(0).getType()))
    return emitOpError() << "must take one argument, !rl.prompts or !rl.trajectory, takes "
                         << body.getNumArguments()
                         << (body.getNumArguments() == 1 ? " of another type" : "");
  if (getPacking() && failed(oneOf(*this, "packing", *getPacking(), {"sequence", "group"})))
    return failure();
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield)
    return emitOpError("must end in an rl.yield");
  bool rollout = isa<PromptsType>(body.getArgument(0).getType());
  if (rollout && (yield.getNumOperands() != 1 ||
                  !isa<TrajectoryType>(yield.getOperand(0).getType())))
    return emitOpError() << "takes prompts, so it must yield one !rl.trajectory, yields "
                         << yield.getNumOperands() << " values";
  if (!rollout && yield.getNumOperands() != 0)
    return emitOpError() << "takes a trajectory, so it trains and must yield nothing, yields "
                         << yield.getNumOperands() << " values";
  return success();
}

LogicalResult EntryOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != getNames().size())
    return emitOpError() << "must name each of its " << body.getNumArguments()
                         << " arguments, names " << getNames().size();
  for (BlockArgument argument : body.getArguments())
    if (!isa<PerType>(argument.getType()))
      return emitOpError() << "argument " << argument.getArgNumber() << " must be an !rl.per, is "
                           << argument.getType();
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  size_t yielded = yield ? yield.getNumOperands() : 0;
  if (yielded != getResults().size() || yielded == 0)
    return emitOpError() << "must yield one value for each of its " << getResults().size()
                         << " named results, at least one; yields " << yielded;
  llvm::StringSet<> seen;
  for (ArrayAttr list : {getNames(), getResults()})
    for (StringAttr name : list.getAsRange<StringAttr>())
      if (!seen.insert(name).second)
        return emitOpError() << "arguments and results must have different names, found '"
                             << name.getValue() << "' twice";
  for (Value value : yield.getValues())
    if (!isa<PerType>(value.getType()))
      return emitOpError() << "must yield values of !rl.per, yields " << value.getType();
  llvm::SmallDenseSet<int64_t> asked;
  for (int64_t gradient : getGradients()) {
    if (gradient < 0 || gradient >= static_cast<int64_t>(body.getNumArguments()))
      return emitOpError() << "a gradient names an argument by its index, 0 to "
                           << static_cast<int64_t>(body.getNumArguments()) - 1 << ", found "
                           << gradient;
    if (!asked.insert(gradient).second)
      return emitOpError() << "asks for the gradient of argument " << gradient << " twice";
  }
  auto first = cast<PerType>(yield.getOperand(0).getType());
  if (!getGradients().empty() && first.getScope() != Scope::batch)
    return emitOpError() << "gradients are of the first result, which must be per batch, is per "
                         << stringifyScope(first.getScope());
  return success();
}

LogicalResult IterationOp::verify() { return yieldsNothing(*this, getBody()); }

// --- the iteration -------------------------------------------------------------------------------

LogicalResult DrawOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(atLeast(*this, "count", getCount(), 1)))
    return failure();
  return success(lookup<DatasetOp>(*this, getDatasetAttr(), "a dataset", symbols) != nullptr);
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto step = lookup<StepOp>(*this, getStepAttr(), "a step", symbols);
  if (!step)
    return failure();
  auto refuse = [&](StringRef what) {
    InFlightDiagnostic diagnostic = emitOpError() << what;
    diagnostic.attachNote(step.getLoc()) << "step @" << step.getSymName() << " is declared here";
    return diagnostic;
  };
  Type wanted = step.getBody().front().getArgument(0).getType();
  if (getArgument().getType() != wanted)
    return refuse("the step takes ") << wanted << ", found " << getArgument().getType();
  bool rollout = isa<PromptsType>(wanted);
  if (rollout != (getResult() != nullptr))
    return refuse(rollout ? "the step returns a trajectory, the call has no result"
                          : "the step returns nothing, the call has a result");
  return success();
}

LogicalResult RepeatOp::verify() {
  if (failed(atLeast(*this, "count", getCount(), 1)))
    return failure();
  return yieldsNothing(*this, getBody());
}

LogicalResult BatchesOp::verify() {
  if (failed(atLeast(*this, "sequences", getSequences(), 1)))
    return failure();
  Block &body = getBody().front();
  if (body.getNumArguments() != 1 || !isa<TrajectoryType>(body.getArgument(0).getType()))
    return emitOpError() << "the body must take one !rl.trajectory, the batch, takes "
                         << body.getNumArguments() << " arguments"
                         << (body.getNumArguments() == 1 ? " of another type" : "");
  return yieldsNothing(*this, getBody());
}

LogicalResult EvaluateOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kind = getVerifier().getAs<StringAttr>("kind");
  if (!kind)
    return emitOpError("needs a verifier with a 'kind', found none");
  if (failed(verifierSettings(*this, kind, getVerifier())) ||
      failed(notNegative(*this, "temperature", getTemperature().convertToDouble())) ||
      failed(atLeast(*this, "max_tokens", getMaxTokens(), 1)) ||
      failed(atLeast(*this, "every", getEvery(), 1)))
    return failure();
  return success(lookup<PolicyOp>(*this, getPolicyAttr(), "a policy", symbols) &&
                 lookup<DatasetOp>(*this, getDatasetAttr(), "a dataset", symbols));
}

// --- rollouts and rewards ------------------------------------------------------------------------

LogicalResult SampleOp::verify() {
  if (failed(atLeast(*this, "n", getN(), 1)) ||
      failed(notNegative(*this, "temperature", getTemperature().convertToDouble())) ||
      failed(atLeast(*this, "top_k", getTopK(), 0)) ||
      failed(atLeast(*this, "max_tokens", getMaxTokens(), 1)))
    return failure();
  double topP = getTopP().convertToDouble();
  if (!(topP > 0 && topP <= 1))
    return emitOpError() << "top_p must be in (0, 1], is " << topP;
  for (auto [name, budget] : {std::pair("budget", getBudgetAttr()), std::pair("total_budget", getTotalBudgetAttr())})
    if (auto number = dyn_cast_or_null<IntegerAttr>(budget))
      if (failed(atLeast(*this, name, number.getInt(), 1)))
        return failure();
  if (getReady() && (getBudgetAttr() || getTotalBudgetAttr()))
    return emitOpError("ready takes the place of budget and total_budget; there are both");
  if (isPartial() && !getMaxAge())
    return emitOpError() << "needs max_age beside " << (getReady() ? "ready" : "a budget")
                         << ": the oldest that a token may be when it is trained on, in updates of the policy";
  if (!isPartial() && (getMaxAge() || getInFlight() || getCache()))
    return emitOpError("max_age, in_flight and cache belong to a budget or ready, and there is none");
  if (auto cache = getCache(); cache && *cache != "keep" && *cache != "recompute")
    return emitOpError() << "cache must be \"keep\" or \"recompute\", is \"" << *cache << "\"";
  if ((getMaxAge() && failed(atLeast(*this, "max_age", *getMaxAge(), 1))) ||
      (getInFlight() && failed(atLeast(*this, "in_flight", *getInFlight(), 1))) ||
      (getReady() && failed(atLeast(*this, "ready", *getReady(), 1))))
    return failure();
  if (auto repeat = getRepeat()) {
    if (repeat->size() != 3)
      return emitOpError("repeat must be three numbers: the tokens of an n-gram, how often it must occur, and in how many "
                         "tokens; there are ") << repeat->size();
    int64_t n = (*repeat)[0], times = (*repeat)[1], window = (*repeat)[2];
    if (failed(atLeast(*this, "the tokens of a repeated n-gram", n, 1)) ||
        failed(atLeast(*this, "the occurrences of a repeated n-gram", times, 2)))
      return failure();
    if (window / n < times)
      return emitOpError() << "the window of a repetition must hold " << times << " n-grams of " << n << " tokens, has "
                           << window;
  }
  return success();
}

LogicalResult SampleOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (Attribute budget : {getBudgetAttr(), getTotalBudgetAttr()})
    if (auto name = dyn_cast_or_null<FlatSymbolRefAttr>(budget))
      if (!lookup<ParamOp>(*this, name, "a param", symbols))
        return failure();
  return success(lookup<PolicyOp>(*this, getPolicyAttr(), "a policy", symbols) != nullptr);
}

LogicalResult RescoreOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(lookup<PolicyOp>(*this, getPolicyAttr(), "a policy", symbols) != nullptr);
}

LogicalResult VerifyOp::verify() { return verifierSettings(*this, getKind(), getSettings()); }

// --- values --------------------------------------------------------------------------------------

LogicalResult FieldOp::verify() {
  StringRef name = getName();
  if (failed(oneOf(*this, "the field", name, {"logprob", "version", "age", "reward", "length", "finished", "ending"})))
    return failure();
  Scope wanted = name == "logprob" || name == "version" || name == "age" ? Scope::token : Scope::sequence;
  Scope found = cast<PerType>(getResult().getType()).getScope();
  if (wanted == found)
    return success();
  return emitOpError() << "field '" << name << "' is per " << stringifyScope(wanted)
                       << ", the result is per " << stringifyScope(found);
}

// rl.logprob and rl.entropy.
template <typename OpT>
static LogicalResult verifyScored(OpT op, SymbolTableCollection &symbols) {
  double temperature = op.getTemperature().convertToDouble();
  if (!(temperature > 0))
    return op.emitOpError() << "temperature must be positive, is " << temperature;
  return success(lookup<PolicyOp>(op, op.getPolicyAttr(), "a policy", symbols) != nullptr);
}
LogicalResult LogprobOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyScored(*this, symbols);
}
LogicalResult EntropyOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyScored(*this, symbols);
}

LogicalResult ReadParamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(lookup<ParamOp>(*this, getParamAttr(), "a param", symbols) != nullptr);
}

LogicalResult ClockOp::verify() {
  return oneOf(*this, "the clock", getWhich(), {"iteration", "iterations"});
}

LogicalResult SpreadOp::verify() {
  Scope from = cast<PerType>(getInput().getType()).getScope();
  Scope to = cast<PerType>(getResult().getType()).getScope();
  if (static_cast<int>(to) < static_cast<int>(from))
    return success();
  return emitOpError() << "a value spreads to a finer scope: the result must be finer than per "
                       << stringifyScope(from) << ", is per " << stringifyScope(to)
                       << "; the way to a coarser one is rl.reduce";
}

LogicalResult ReduceOp::verify() {
  Scope from = cast<PerType>(getInput().getType()).getScope();
  Scope to = cast<PerType>(getResult().getType()).getScope();
  if (static_cast<int>(to) > static_cast<int>(from))
    return success();
  return emitOpError() << "a reduction goes to a coarser scope: the result must be coarser than per "
                       << stringifyScope(from) << ", is per " << stringifyScope(to);
}

// --- effects -------------------------------------------------------------------------------------

LogicalResult MinimizeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(lookup<OptimizerOp>(*this, getOptimizerAttr(), "an optimizer", symbols) !=
                 nullptr);
}
