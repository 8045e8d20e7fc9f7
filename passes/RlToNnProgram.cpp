// rl-to-nn: the iteration becomes the host program, and tells how much can reach each step.

#include "passes/RlToNn.h"

using namespace mlir;

namespace mirl::passes::lowering {

std::string Program::fresh(StringRef base) {
  unsigned n = used_[base]++;
  return n == 0 ? base.str() : (base + "." + Twine(n)).str();
}

void Program::makeDeclarations() {
  for (auto param : module_.getOps<rl::ParamOp>())
    plan::ParamOp::create(builder_, param.getLoc(), param.getSymNameAttr(), param.getValueAttr());
  for (auto dataset : module_.getOps<rl::DatasetOp>())
    plan::DatasetOp::create(builder_, dataset.getLoc(), dataset.getSymNameAttr(), dataset.getPathAttr());
}

// A verifier's results are a field of the trajectory, named after its kind.
void Program::nameVerifiers() {
  llvm::StringMap<unsigned> kinds;
  module_.walk([&](rl::VerifyOp verify) {
    unsigned n = kinds[verify.getKind()]++;
    verifiers_[verify] = n == 0 ? verify.getKind().str() : (verify.getKind() + "." + Twine(n)).str();
  });
}

plan::HostOp Program::host(Location loc, StringRef instruction, ArrayRef<std::string> operands,
                           ArrayRef<std::string> results, NamedAttrList settings) {
  auto strings = [&](ArrayRef<std::string> list) {
    SmallVector<StringRef> refs(list.begin(), list.end());
    return builder_.getStrArrayAttr(refs);
  };
  return plan::HostOp::create(builder_, loc, builder_.getStringAttr(instruction), strings(operands), strings(results),
                              settings.getDictionary(builder_.getContext()));
}

// A verifier's settings as the host program wants them: strings and f64.
static void addVerifier(NamedAttrList &settings, DictionaryAttr verifier, Builder &b) {
  for (NamedAttribute setting : verifier) {
    Attribute value = setting.getValue();
    if (auto number = dyn_cast<FloatAttr>(value))
      value = b.getF64FloatAttr(number.getValueAsDouble());
    else if (auto whole = dyn_cast<IntegerAttr>(value))
      value = b.getF64FloatAttr(static_cast<double>(whole.getInt()));
    settings.set(setting.getName(), value);
  }
}

// Budgets and the detector of repetitions, as far as they are asked for. A parameter is named.
static void addBudget(NamedAttrList &settings, rl::SampleOp sample, Builder &b) {
  auto number = [&](int64_t value) { return b.getF64FloatAttr(static_cast<double>(value)); };
  for (auto [key, budget] : {std::pair("budget", sample.getBudgetAttr()), std::pair("total_budget", sample.getTotalBudgetAttr())}) {
    if (auto count = dyn_cast_or_null<IntegerAttr>(budget))
      settings.set(key, number(count.getInt()));
    else if (auto param = dyn_cast_or_null<FlatSymbolRefAttr>(budget))
      settings.set(key, b.getStringAttr(param.getValue()));
  }
  if (sample.isPartial()) {
    settings.set("max_age", number(*sample.getMaxAge()));
    settings.set("in_flight", number(sample.groupsInFlight()));
    if (auto cache = sample.getCacheAttr())
      settings.set("cache", cache);
    if (auto ready = sample.getReady())
      settings.set("ready", number(*ready));
  }
  if (auto repeat = sample.getRepeat())
    for (auto [key, value] : llvm::zip(ArrayRef<StringRef>{"repeat_ngram", "repeat_times", "repeat_window"}, *repeat))
      settings.set(key, number(value));
}

// Remembers the most that can reach a step.
void Program::reach(rl::StepOp step, const Extents &extents) {
  Extents &most = stepExtents_[step];
  most.sequences = std::max(most.sequences, extents.sequences);
  most.groups = std::max(most.groups, extents.groups);
  most.group = std::max(most.group, extents.group);
  most.tokens = std::max(most.tokens, extents.tokens);
}

LogicalResult Program::hostCall(rl::CallOp call) {
  auto step = symbol<rl::StepOp>(call.getStepAttr());
  Block &body = step.getBody().front();
  auto number = [&](double value) { return builder_.getF64FloatAttr(value); };
  std::string input = names_[call.getArgument()];
  Extents arriving = extents_[call.getArgument()];
  NamedAttrList settings;
  if (isa<rl::TrajectoryType>(body.getArgument(0).getType())) {
    reach(step, arriving);
    settings.set("step", step.getSymNameAttr());
    host(call.getLoc(), "step", {input}, {}, settings);
    return success();
  }
  // A rollout step is spelled out. Its trajectories are one value of the host program each,
  // however often they are scored.
  names_[body.getArgument(0)] = input;
  for (Operation &op : body) {
    if (auto sample = dyn_cast<rl::SampleOp>(op)) {
      if (auto ready = sample.getReady(); ready && static_cast<int64_t>(*ready) >= arriving.groups) {
        auto error = sample.emitOpError() << "ready is " << *ready << " groups, but " << arriving.groups
                                          << " are drawn in an iteration; it must be fewer, or it waits for all of them";
        return error.attachNote(call.getLoc()) << "called here";
      }
      // A budget lets groups of several iterations end in one.
      auto n = static_cast<int64_t>(sample.getN());
      int64_t groups = sample.groupsHandedOver(arriving.groups), sequences = groups * n;
      extents_[sample.getResult()] = {sequences, groups, n, sequences * options_.context};
      Policy &policy = policies_.find(symbol<rl::PolicyOp>(sample.getPolicyAttr()))->second;
      policy.sampled = std::max(policy.sampled, arriving.groups * sample.groupsInFlight() * n);
      reach(step, extents_[sample.getResult()]);
      NamedAttrList how;
      how.set("policy", builder_.getStringAttr(sample.getPolicy()));
      how.set("n", number(static_cast<double>(sample.getN())));
      how.set("temperature", sample.getTemperatureAttr());
      how.set("top_k", number(static_cast<double>(sample.getTopK())));
      how.set("top_p", sample.getTopPAttr());
      how.set("max_tokens", number(static_cast<double>(sample.getMaxTokens())));
      addBudget(how, sample, builder_);
      names_[sample.getResult()] = fresh("y");
      host(op.getLoc(), "sample", {input}, {names_[sample.getResult()]}, how);
    } else if (auto verify = dyn_cast<rl::VerifyOp>(op)) {
      NamedAttrList how;
      addVerifier(how, verify.getSettings(), builder_);
      how.set("kind", verify.getKindAttr());
      host(op.getLoc(), "verify", {names_[verify.getTrajectory()]}, {verifiers_[verify]}, how);
    } else if (auto rescore = dyn_cast<rl::RescoreOp>(op)) {
      NamedAttrList how;
      how.set("policy", builder_.getStringAttr(rescore.getPolicy()));
      host(op.getLoc(), "rescore", {names_[rescore.getTrajectory()]}, {}, how);
      names_[rescore.getResult()] = names_.lookup(rescore.getTrajectory());
      extents_[rescore.getResult()] = extents_.lookup(rescore.getTrajectory());
    } else if (auto score = dyn_cast<rl::ScoreOp>(op)) {
      NamedAttrList how;
      how.set("entry", builder_.getStringAttr(step.getSymName() + ".reward"));
      host(op.getLoc(), "score", {names_[score.getTrajectory()]}, {}, how);
      names_[score.getResult()] = names_.lookup(score.getTrajectory());
      extents_[score.getResult()] = extents_.lookup(score.getTrajectory());
    }
  }
  Value result = body.getTerminator()->getOperand(0);
  names_[call.getResult()] = names_.lookup(result);
  extents_[call.getResult()] = extents_.lookup(result);
  return success();
}

void Program::hostEvaluate(rl::EvaluateOp evaluate) {
  auto number = [&](int64_t value) { return builder_.getF64FloatAttr(static_cast<double>(value)); };
  NamedAttrList settings;
  addVerifier(settings, evaluate.getVerifier(), builder_);
  settings.set("policy", builder_.getStringAttr(evaluate.getPolicy()));
  settings.set("dataset", builder_.getStringAttr(evaluate.getDataset()));
  settings.set("name", evaluate.getNameAttr());
  settings.set("temperature", evaluate.getTemperatureAttr());
  settings.set("max_tokens", number(evaluate.getMaxTokens()));
  settings.set("every", number(evaluate.getEvery()));
  // How many records the dataset has is known only when it is read.
  Policy &policy = policies_.find(symbol<rl::PolicyOp>(evaluate.getPolicyAttr()))->second;
  policy.sampled = std::max(policy.sampled, kUncalled);
  host(evaluate.getLoc(), "evaluate", {}, {}, settings);
}

LogicalResult Program::hostBlock(Block &block) {
  auto number = [&](int64_t value) { return builder_.getF64FloatAttr(static_cast<double>(value)); };
  for (Operation &op : block) {
    NamedAttrList settings;
    if (auto draw = dyn_cast<rl::DrawOp>(op)) {
      int64_t count = draw.getCount();
      bool examples = isa<rl::TrajectoryType>(draw.getResult().getType());
      std::string name = fresh(examples ? "y" : "x");
      names_[draw.getResult()] = name;
      extents_[draw.getResult()] = {count, count, 1, count * options_.context};
      settings.set("dataset", builder_.getStringAttr(draw.getDataset()));
      settings.set("count", number(count));
      settings.set("kind", builder_.getStringAttr(examples ? "examples" : "prompts"));
      host(op.getLoc(), "draw", {}, {name}, settings);
    } else if (auto call = dyn_cast<rl::CallOp>(op)) {
      if (failed(hostCall(call)))
        return failure();
    } else if (auto evaluate = dyn_cast<rl::EvaluateOp>(op)) {
      hostEvaluate(evaluate);
    } else if (isa<rl::RepeatOp, rl::BatchesOp>(op)) {
      plan::HostOp loop;
      if (auto batches = dyn_cast<rl::BatchesOp>(op)) {
        std::string name = fresh("b");
        Value part = batches.getBody().front().getArgument(0);
        Extents whole = extents_[batches.getTrajectory()];
        names_[part] = name;
        // Whole groups: one that is larger than the batch is a batch.
        int64_t sequences = std::min(whole.sequences, std::max<int64_t>(batches.getSequences(), whole.group));
        extents_[part] = {sequences, std::min(whole.groups, sequences), whole.group, sequences * options_.context};
        settings.set("sequences", number(batches.getSequences()));
        settings.set("shuffle", number(batches.getShuffle()));
        loop = host(op.getLoc(), "batches", {names_[batches.getTrajectory()]}, {name}, settings);
      } else {
        settings.set("count", number(cast<rl::RepeatOp>(op).getCount()));
        loop = host(op.getLoc(), "repeat", {}, {}, settings);
      }
      OpBuilder::InsertionGuard guard(builder_);
      builder_.createBlock(&loop.getBody());
      if (failed(hostBlock(op.getRegion(0).front())))
        return failure();
    }
  }
  return success();
}

LogicalResult Program::makeHost() {
  for (auto iteration : module_.getOps<rl::IterationOp>()) {
    auto program = plan::ProgramOp::create(builder_, iteration.getLoc());
    OpBuilder::InsertionGuard guard(builder_);
    builder_.createBlock(&program.getBody());
    if (failed(hostBlock(iteration.getBody().front())))
      return failure();
  }
  return success();
}

} // namespace mirl::passes::lowering
