// differentiate: reverse-mode differentiation of an entry.
//
// In: a function of one block of nn ops with `nn.differentiate = {loss = <result>}`; each argument
// that is to get a gradient carries `nn.gradient = <argument of its accumulator>`, or a list of them
// (weights), or `nn.gradient_output = "<port>"` (inputs of plain entries).
// Out: the adjoint stands behind the forward ops. For each accumulator there is one more result, its
// value after this call, with `nn.alias`; for each input one more output port. The three attributes
// are gone.
//
// A value needs a gradient when it depends on an argument that wants one and the loss depends on
// it; nothing is built for other values. Gradients that meet are added; those of weights are not
// added but chained through the accumulators of the ops that make them (Adjoints::accumulate), so
// that the sum over all rows of all micro-batches is one chain. A weight that several ops use needs
// an accumulator for each: in one, the chains of two ops would alternate with the micro-batches. The
// adjoints take them in the order in which they are built; further ones go on in the last.
//
// What nn.select does not choose has no gradient, whatever it holds: in the maths that feeds a
// branch, a gradient of 0 stays 0 where the derivative is infinite or no number. So
// `if n > 0 then x / n else 0` has the gradient 0 at n = 0, and not 0 · ∞.

#include "passes/Passes.h"

namespace mirl::passes {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

constexpr StringLiteral kDifferentiate = "nn.differentiate";
constexpr StringLiteral kGradient = "nn.gradient";
constexpr StringLiteral kGradientOutput = "nn.gradient_output";

class Reverse : public nn::Adjoints {
public:
  Reverse(func::FuncOp function, OpBuilder &builder) : function_(function), builder_(builder) {}

  LogicalResult run();

  bool needed(Value value) const override { return needed_.contains(value); }

  void add(Value value, Value gradient) override {
    if (Type type = gradient.getType(); guarded_ && guarded_ != gradient && guarded_.getType() == type)
      gradient = nn::SelectOp::create(builder_, value.getLoc(), type, guarded_, gradient,
                                      zeros(type, value.getLoc()));
    auto weight = accumulators_.find(value);
    Value &sum = weight != accumulators_.end() ? weight->second.next().value : gradients_[value];
    gradient = as(sum ? sum.getType() : value.getType(), gradient);
    sum = sum ? nn::BinaryOp::create(builder_, value.getLoc(), gradient.getType(), nn::BinaryKind::add, sum, gradient)
                    .getResult()
              : gradient;
  }

  void accumulate(Value value, llvm::function_ref<Value(Value)> build) override {
    auto weight = accumulators_.find(value);
    if (weight != accumulators_.end()) {
      Value &sum = weight->second.next().value;
      sum = build(sum);
      return;
    }
    // Not a weight: one gradient among others.
    Type f32 = cast<RankedTensorType>(value.getType()).clone(builder_.getF32Type());
    Value sum = gradients_.lookup(value);
    gradients_[value] = as(value.getType(), build(sum ? as(f32, sum) : zeros(f32, value.getLoc())));
  }

private:
  Value zeros(Type type, Location loc) { return nn::SplatOp::create(builder_, loc, type, builder_.getF32FloatAttr(0)); }
  // `gradient` with the element type of `type`.
  Value as(Type type, Value gradient) {
    return gradient.getType() == type ? gradient : nn::CastOp::create(builder_, gradient.getLoc(), type, gradient).getResult();
  }
  // Gradients are accumulated in f32, whatever the type of the weight.
  static bool accumulates(Type accumulator, Type weight) {
    auto tensor = cast<RankedTensorType>(weight);
    return accumulator == tensor.clone(Float32Type::get(weight.getContext()));
  }
  LogicalResult findNeeded(Value loss);
  void findBranches();

  func::FuncOp function_;
  OpBuilder &builder_;
  llvm::DenseSet<Value> needed_;
  llvm::DenseMap<Value, Value> gradients_;
  // The accumulators of a weight: their arguments, and their values so far.
  struct Chain {
    BlockArgument argument;
    Value value;
  };
  struct Accumulators {
    SmallVector<Chain, 1> chains;
    unsigned used = 0;
    Chain &next() { return chains[std::min<size_t>(used++, chains.size() - 1)]; }
  };
  llvm::MapVector<Value, Accumulators> accumulators_; // in argument order
  // The maths that feeds the branches of nn.select, as far as an infinite derivative can occur in
  // it; and the gradient of the one whose adjoint is being built.
  llvm::DenseSet<Operation *> branches_;
  Value guarded_;
};

void Reverse::findBranches() {
  llvm::DenseSet<Operation *> seen;
  SmallVector<Value> work;
  for (auto select : function_.front().getOps<nn::SelectOp>())
    work.append({select.getOnTrue(), select.getOnFalse()});
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    // Scalars of losses only: the model's own ops have finite derivatives.
    if (!isa_and_nonnull<nn::UnaryOp, nn::BinaryOp, nn::SelectOp, nn::SpreadOp,
                         nn::SegmentSpreadOp, nn::ReduceOp, nn::SegmentReduceOp>(op) ||
        !seen.insert(op).second)
      continue;
    auto unary = dyn_cast<nn::UnaryOp>(op);
    auto binary = dyn_cast<nn::BinaryOp>(op);
    if ((unary && unary.getKind() != nn::UnaryKind::neg && unary.getKind() != nn::UnaryKind::abs) ||
        (binary && (binary.getKind() == nn::BinaryKind::mul || binary.getKind() == nn::BinaryKind::div)))
      branches_.insert(op);
    work.append(op->operand_begin(), op->operand_end());
  }
}

LogicalResult Reverse::findNeeded(Value loss) {
  for (BlockArgument argument : function_.getArguments()) {
    unsigned i = argument.getArgNumber();
    if (Attribute attribute = function_.getArgAttr(i, kGradient)) {
      SmallVector<int64_t> into;
      if (auto one = dyn_cast<IntegerAttr>(attribute))
        into.push_back(one.getInt());
      else if (auto list = dyn_cast<DenseI64ArrayAttr>(attribute))
        into.assign(list.asArrayRef().begin(), list.asArrayRef().end());
      bool good = !into.empty() && llvm::all_of(into, [&](int64_t n) {
        return n >= 0 && n < function_.getNumArguments() &&
               accumulates(function_.getArgument(n).getType(), argument.getType());
      });
      if (!good)
        return function_.emitOpError() << "argument " << i << ": nn.gradient must name an f32 argument of the same shape";
      for (int64_t n : into)
        accumulators_[argument].chains.push_back({function_.getArgument(n), function_.getArgument(n)});
      needed_.insert(argument);
    } else if (function_.getArgAttr(i, kGradientOutput)) {
      needed_.insert(argument);
    }
  }
  if (needed_.empty())
    return function_.emitOpError("is to be differentiated, but no argument carries nn.gradient or nn.gradient_output");

  // Forward: what depends on an argument that wants a gradient.
  llvm::DenseSet<Value> active = needed_;
  for (Operation &op : function_.front().without_terminator()) {
    if (isa<nn::StopGradientOp, nn::CompareOp>(op))
      continue;
    if (llvm::any_of(op.getOperands(), [&](Value v) { return active.contains(v); }))
      active.insert(op.result_begin(), op.result_end());
  }
  // Backward: what the loss depends on, through values that are active.
  llvm::DenseSet<Value> wanted;
  SmallVector<Value> work;
  auto want = [&](Value value) {
    if (active.contains(value) && wanted.insert(value).second)
      work.push_back(value);
  };
  want(loss);
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (!def)
      continue;
    if (!isa<nn::DifferentiableOpInterface>(def)) {
      auto diagnostic = def->emitOpError("has no derivative, but the loss depends on a weight through it");
      diagnostic.attachNote(loss.getLoc()) << "the loss";
      return failure();
    }
    llvm::for_each(def->getOperands(), want);
  }
  needed_ = std::move(wanted);
  return success();
}

LogicalResult Reverse::run() {
  auto request = function_->getAttrOfType<DictionaryAttr>(kDifferentiate);
  auto index = request.getAs<IntegerAttr>("loss");
  auto terminator = cast<func::ReturnOp>(function_.front().getTerminator());
  if (!index || index.getInt() < 0 || index.getInt() >= terminator.getNumOperands())
    return function_.emitOpError("nn.differentiate must name a result of the function as its loss");
  Value loss = terminator.getOperand(index.getInt());
  if (auto type = dyn_cast<RankedTensorType>(loss.getType()); !type || type.getRank() != 0)
    return function_.emitOpError() << "the loss must have rank 0, has type " << loss.getType();
  if (failed(findNeeded(loss)))
    return failure();
  findBranches();

  SmallVector<Operation *> forward;
  for (Operation &op : function_.front().without_terminator())
    forward.push_back(&op);
  builder_.setInsertionPoint(terminator);
  if (needed(loss))
    gradients_[loss] =
        nn::SplatOp::create(builder_, loss.getLoc(), loss.getType(), builder_.getF32FloatAttr(1));
  for (Operation *op : llvm::reverse(forward)) {
    SmallVector<Value> gradients;
    for (Value result : op->getResults())
      gradients.push_back(gradients_.lookup(result));
    if (llvm::none_of(gradients, [](Value v) { return static_cast<bool>(v); }))
      continue;
    guarded_ = branches_.contains(op) ? gradients[0] : Value();
    if (failed(cast<nn::DifferentiableOpInterface>(op).buildAdjoint(builder_, gradients, *this)))
      return failure();
  }

  // The new results.
  SmallVector<Value> operands(terminator.getOperands());
  SmallVector<Type> types(function_.getResultTypes());
  SmallVector<DictionaryAttr> attributes;
  for (unsigned i = 0; i < types.size(); ++i)
    attributes.push_back(function_.getResultAttrDict(i) ? function_.getResultAttrDict(i) : builder_.getDictionaryAttr({}));
  auto addResult = [&](Value value, ArrayRef<NamedAttribute> named) {
    operands.push_back(value);
    types.push_back(value.getType());
    attributes.push_back(builder_.getDictionaryAttr(named));
  };
  for (BlockArgument argument : function_.getArguments()) {
    unsigned i = argument.getArgNumber();
    if (function_.getArgAttr(i, kGradient)) {
      // An accumulator that the loss does not reach stays as it is.
      for (Chain &chain : accumulators_[argument].chains)
        if (chain.value != chain.argument)
          addResult(chain.value, {builder_.getNamedAttr(nn::attr::kAlias, builder_.getI64IntegerAttr(
                                                                              chain.argument.getArgNumber()))});
    } else if (auto port = function_.getArgAttrOfType<StringAttr>(i, kGradientOutput)) {
      Value gradient = gradients_.lookup(argument);
      addResult(gradient ? gradient : zeros(argument.getType(), argument.getLoc()),
                {builder_.getNamedAttr(nn::attr::kName, port),
                 builder_.getNamedAttr(nn::attr::kSource, builder_.getStringAttr("output:" + port.getValue()))});
    }
    function_.removeArgAttr(i, kGradient);
    function_.removeArgAttr(i, kGradientOutput);
  }
  terminator.getOperandsMutable().assign(operands);
  function_.setType(builder_.getFunctionType(function_.getArgumentTypes(), types));
  for (auto [i, dictionary] : llvm::enumerate(attributes))
    function_.setResultAttrs(i, dictionary);
  function_->removeAttr(kDifferentiate);
  return success();
}

struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(kDifferentiate))
      return;
    if (!llvm::hasSingleElement(function.getBody())) {
      function.emitOpError("must have one block to be differentiated");
      return signalPassFailure();
    }
    OpBuilder builder(function.getContext());
    if (failed(Reverse(function, builder).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace mirl::passes
