// rl-to-nn: the algorithm becomes entries of tensor ops and a host program.
//
// In: a module of rl that verify-rl accepted and split-step cut, and model functions (nn.model). Out
// (docs/nn.md): nn.variable symbols; one func.func per entry; plan.policy, plan.optimizer, plan.step,
// plan.dataset, plan.param and plan.program. No rl op is left.
//
//   policy P         P.score, and P.prefill and P.decode where the program samples from it; P.decode.N for at most N sequences
//   training step T  T.batch, T.micro, T.apply
//   rollout step R   R.reward when it scores; its sampling and verifying go to the host program
//   entry E          E
//
// Capacities follow from the program: how many responses can reach a step is known from what the
// iteration draws and samples. What nothing bounds (a step that is never called) gets kUncalled.

#include "passes/RlToNn.h"

namespace mirl::passes {
#define GEN_PASS_DEF_RLTONN
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes::lowering {

Program::Program(ModuleOp module, const Options &options)
    : module_(module), symbols_(module), builder_(OpBuilder::atBlockEnd(module.getBody())),
      options_(options) {
  if (auto declared = module->getAttrOfType<IntegerAttr>("mirl.context"); declared && !options_.context)
    options_.context = declared.getInt();
}

// The frontend compares with the declared length; --context may be less.
LogicalResult Program::checkRoom() {
  WalkResult result = module_.walk([&](Operation *op) -> WalkResult {
    int64_t tokens = 0;
    if (auto sample = dyn_cast<rl::SampleOp>(op))
      tokens = sample.getMaxTokens();
    if (auto evaluate = dyn_cast<rl::EvaluateOp>(op))
      tokens = evaluate.getMaxTokens();
    if (tokens < options_.context || tokens == 0)
      return WalkResult::advance();
    return op->emitOpError() << "samples up to " << tokens << " tokens (max_tokens), which with a "
                             << "prompt needs a context of at least " << tokens + 1
                             << ", but --context is " << options_.context;
  });
  return failure(result.wasInterrupted());
}

LogicalResult Program::run() {
  // The models' tables were made for the declared length.
  if (auto declared = module_->getAttrOfType<IntegerAttr>("mirl.context"); declared && options_.context > declared.getInt())
    return module_.emitError() << "--context " << options_.context << " is more than `capacity context = " << declared.getInt()
                               << "`, which the program declares";
  if (failed(checkRoom()))
    return failure();
  SmallVector<Operation *> source;
  for (Operation &op : *module_.getBody())
    if (isa<rl::RlDialect>(op.getDialect()))
      source.push_back(&op);
  for (auto policy : module_.getOps<rl::PolicyOp>())
    if (failed(makePolicy(policy)))
      return failure();
  makeDeclarations();
  nameVerifiers();
  // Before the entries: it finds how much can reach each step and how much is sampled at a time.
  if (failed(makeHost()))
    return failure();
  for (Operation *op : source) {
    if (auto step = dyn_cast<rl::StepOp>(op)) {
      bool rollout = isa<rl::PromptsType>(step.getBody().front().getArgument(0).getType());
      if (failed(rollout ? makeReward(step) : makeStep(step)))
        return failure();
    } else if (auto entry = dyn_cast<rl::EntryOp>(op)) {
      if (failed(makePlain(entry)))
        return failure();
    }
  }
  for (auto &[op, policy] : policies_) {
    makeScore(policy);
    if (policy.generates()) {
      if (failed(makeCaches(policy)))
        return failure();
      std::string name = policy.op.getSymName().str();
      for (bool prefill : {true, false}) {
        makeGenerate(policy, name + (prefill ? ".prefill" : ".decode"), prefill, rowsOf(policy, prefill));
        for (int64_t rows : fewRowsOf(policy, prefill))
          makeGenerate(policy, fewRowsName(policy, prefill, rows), prefill, rows);
      }
    }
    declarePolicy(policy);
  }
  for (Operation *op : llvm::reverse(source))
    op->erase();
  return success();
}

namespace {

class RlToNn : public impl::RlToNnBase<RlToNn> {
public:
  using RlToNnBase::RlToNnBase;

  void runOnOperation() override {
    Options options;
    options.context = context;
    options.microTokens = microTokens;
    options.slots = slots;
    options.kvBlocks = kvBlocks;
    options.decodeRows.assign(decodeRows.begin(), decodeRows.end());
    options.prefillRows.assign(prefillRows.begin(), prefillRows.end());
    if (failed(Program(getOperation(), options).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace mirl::passes::lowering
