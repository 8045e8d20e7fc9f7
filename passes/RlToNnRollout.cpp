// rl-to-nn: rewards of rollout steps, and plain entries for `mirl call`.

#include "passes/RlToNn.h"

using namespace mlir;

namespace mirl::passes::lowering {

// A rollout step that scores gets an entry that computes the reward from what the verifiers said.
LogicalResult Program::makeReward(rl::StepOp step) {
  Block &body = step.getBody().front();
  if (body.getOps<rl::ScoreOp>().empty())
    return success();
  rl::ScoreOp score = *body.getOps<rl::ScoreOp>().begin();
  Entry entry(module_, (step.getSymName() + ".reward").str(), "reward", step.getLoc());
  Maths maths(entry, /*gradients=*/false, [&](Value value) -> Value {
    auto verify = value.getDefiningOp<rl::VerifyOp>();
    if (!verify)
      return Value();
    return entry.port("field:" + verifiers_[verify], tensorOf(entry.context(), rl::Scope::sequence), verify.getLoc());
  });
  FailureOr<Value> reward = maths.lower(score.getReward());
  if (failed(reward))
    return failure();
  entry.output(*reward, "field:reward");
  entry.finish(batchCapacities(step));
  return success();
}

LogicalResult Program::makePlain(rl::EntryOp op) {
  // What `mirl call` may give at most. Values are numbers, so room for many costs little.
  constexpr int64_t kTokens = 1 << 16, kSequences = 1 << 14;
  Block &body = op.getBody().front();
  bool gradients = !op.getGradients().empty();
  Entry entry(module_, op.getSymName(), "plain", op.getLoc());
  Maths maths(entry, gradients, [](Value) { return Value(); });
  SmallVector<Value> arguments;
  for (auto [argument, name] : llvm::zip(body.getArguments(), op.getNames().getAsRange<StringAttr>())) {
    Value tensor = entry.port(("input:" + name.getValue()).str(), tensorOf(entry.context(), scopeOf(argument)), argument.getLoc());
    maths.bind(argument, tensor);
    arguments.push_back(tensor);
  }
  for (auto [value, name] : llvm::zip(body.getTerminator()->getOperands(), op.getResults().getAsRange<StringAttr>())) {
    FailureOr<Value> tensor = maths.lower(value);
    if (failed(tensor))
      return failure();
    entry.output(*tensor, ("output:" + name.getValue()).str());
  }
  if (gradients)
    entry.differentiate(0);
  for (int64_t gradient : op.getGradients()) {
    auto name = cast<StringAttr>(op.getNames()[gradient]);
    entry.annotate(arguments[gradient], "nn.gradient_output", builder_.getStringAttr("grad." + name.getValue()));
  }
  entry.finish({kTokens, kTokens, kSequences, kSequences});
  return success();
}

} // namespace mirl::passes::lowering
