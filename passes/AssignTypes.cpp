// assign-types: which tensors are bf16.
//
// In: entries of nn ops before differentiate, in f32. With dtype=f32 nothing changes. Out, with dtype=bf16:
//  - weights and key/value caches are bf16, and so are the activations that are computed from them: results of
//    embeddings, products, norms, rotary, attention, and of elementwise maths on those;
//  - everything else stays f32: gradients of weights, moments, log-probs and what is computed from them, numbers per
//    row (rstd, log-sum-exp), logits that are sampled from (linear_logprob has them in f32 too), constants, ports;
//  - a weight that an optimizer updates gets an f32 original, the variable `NAME.master` of kind `master`: nn.adamw
//    updates that and makes the bf16 weight as its copy. Who fills a weight fills its master too.
//
// Rounding is explicit: a value of bf16 type is rounded to nearest even, once, by the op that makes it, and every op
// computes in f32. Where an f32 meets bf16 an nn.cast stands between: products, norms and attention take all operands in
// bf16; elementwise maths on both is done in f32 and rounded at the end when its result is an activation (rank 2).
// It stands before differentiate, so that gradients of activations are of their types.

#include "passes/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mirl::passes {
#define GEN_PASS_DEF_ASSIGNTYPES
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isNarrow(Value value) { return typeOf(value).getElementType().isBF16(); }
bool isFloat(Value value) { return isa<FloatType>(typeOf(value).getElementType()); }

class EntryTypes {
public:
  EntryTypes(func::FuncOp function, SymbolTable &symbols) : function_(function), symbols_(symbols), builder_(function.getContext()) {}
  LogicalResult run();

private:
  LogicalResult visit(Operation &op);
  LogicalResult update(nn::AdamwOp op);
  void finish(func::ReturnOp op);
  bool anyNarrow(ValueRange values) {
    return llvm::any_of(values, [](Value value) { return value && isFloat(value) && isNarrow(value); });
  }
  Type narrow() { return builder_.getBF16Type(); }
  Type wide() { return builder_.getF32Type(); }
  // `value` with this element type, by a cast before the op that uses it.
  Value as(Value value, Type element) {
    RankedTensorType type = typeOf(value).clone(element);
    return value.getType() == type ? value : nn::CastOp::create(builder_, value.getLoc(), type, value).getResult();
  }
  void castOperands(Operation &op, ArrayRef<unsigned> which, Type element) {
    for (unsigned i : which)
      op.setOperand(i, as(op.getOperand(i), element));
  }
  void setElement(Value value, Type element) { value.setType(typeOf(value).clone(element)); }

  func::FuncOp function_;
  SymbolTable &symbols_;
  OpBuilder builder_;
  // Results to be added: a value, and the argument it becomes the new value of.
  SmallVector<std::pair<Value, int64_t>> added_;
};

// Whether a product's result is logits that are sampled from and nothing else.
bool isSampled(nn::LinearOp op) {
  return !op->use_empty() && llvm::all_of(op->getUsers(), [](Operation *user) { return isa<nn::SampleOp>(user); });
}

LogicalResult EntryTypes::update(nn::AdamwOp op) {
  auto weight = dyn_cast<BlockArgument>(op.getWeight());
  if (!weight || !isNarrow(weight))
    return success();
  auto symbol = function_.getArgAttrOfType<FlatSymbolRefAttr>(weight.getArgNumber(), nn::attr::kVariable);
  if (!symbol)
    return op.emitOpError("must update a weight that is a variable");
  auto variable = symbols_.lookup<nn::VariableOp>(symbol.getValue());
  std::string name = (variable.getSymName() + ".master").str();
  if (!symbols_.lookup(name)) {
    OpBuilder at(variable.getContext());
    at.setInsertionPointAfter(variable);
    symbols_.insert(nn::VariableOp::create(at, variable.getLoc(), name, "master", variable.getOwner(), variable.getWeight(),
                                           variable.getInit(), typeOf(weight).clone(wide())));
  }
  unsigned place = function_.getNumArguments();
  NamedAttrList attributes;
  attributes.append(nn::attr::kVariable, FlatSymbolRefAttr::get(op.getContext(), name));
  if (failed(function_.insertArgument(place, typeOf(weight).clone(wide()), attributes.getDictionary(op.getContext()), weight.getLoc())))
    return failure();
  Value master = function_.getArgument(place);
  SmallVector<Type> types(op->getResultTypes());
  types[0] = master.getType();
  types.push_back(weight.getType());
  auto made = nn::AdamwOp::create(builder_, op.getLoc(), types, master, op.getGradient(), op.getMoment1(), op.getMoment2(), op.getLr(),
                                  op.getStep(), op.getScale(), op.getBeta1Attr(), op.getBeta2Attr(), op.getEpsAttr(),
                                  op.getWeightDecayAttr());
  // What became the weight becomes the master, and the copy the weight.
  op.getNewWeight().replaceAllUsesWith(made.getCopy());
  op.getNewMoment1().replaceAllUsesWith(made.getNewMoment1());
  op.getNewMoment2().replaceAllUsesWith(made.getNewMoment2());
  added_.push_back({made.getNewWeight(), place});
  op.erase();
  return success();
}

LogicalResult EntryTypes::visit(Operation &op) {
  builder_.setInsertionPoint(&op);
  if (auto adamw = dyn_cast<nn::AdamwOp>(op))
    return update(adamw);
  if (!anyNarrow(op.getOperands()))
    return success();
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](nn::LinearOp linear) {
        for (unsigned i = 0; i < op.getNumOperands(); ++i)
          castOperands(op, {i}, narrow());
        if (!isSampled(linear))
          setElement(linear.getResult(), narrow());
        return success();
      })
      .Case<nn::EmbeddingOp, nn::GatherRowsOp, nn::RotaryOp>([&](Operation *) {
        castOperands(op, {0}, narrow());
        setElement(op.getResult(0), narrow());
        return success();
      })
      .Case([&](nn::RmsNormOp norm) {
        castOperands(op, {0, 1}, narrow());
        setElement(norm.getResult(), narrow());
        return success();
      })
      .Case([&](nn::AttentionOp attention) {
        castOperands(op, {0, 1, 2}, narrow());
        setElement(attention.getResult(), narrow());
        return success();
      })
      .Case([&](nn::KvAppendOp append) {
        castOperands(op, {0, 1}, narrow());
        for (Value result : append.getResults())
          setElement(result, narrow());
        return success();
      })
      .Case([&](nn::PagedAttentionOp attention) {
        castOperands(op, {0}, narrow());
        setElement(attention.getResult(), narrow());
        return success();
      })
      .Case([&](nn::LinearLogprobOp) {
        castOperands(op, {0, 1}, narrow());
        return success();
      })
      .Case<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::StopGradientOp>([&](Operation *) {
        Value result = op.getResult(0);
        if (llvm::all_of(op.getOperands(), isNarrow)) {
          setElement(result, narrow());
          return success();
        }
        for (unsigned i = 0; i < op.getNumOperands(); ++i)
          castOperands(op, {i}, wide());
        if (typeOf(result).getRank() < 2)
          return success();
        builder_.setInsertionPointAfter(&op);
        auto cast = nn::CastOp::create(builder_, op.getLoc(), typeOf(result).clone(narrow()), result);
        result.replaceAllUsesExcept(cast.getResult(), cast);
        return success();
      })
      .Case([&](nn::CastOp) { return success(); })
      // Numbers per row, and sums of them.
      .Case<nn::SpreadOp, nn::SegmentSpreadOp, nn::SegmentReduceOp, nn::ReduceOp, nn::SampleOp, nn::SquaredNormOp>([&](Operation *) {
        for (unsigned i = 0; i < op.getNumOperands(); ++i)
          if (isFloat(op.getOperand(i)))
            castOperands(op, {i}, wide());
        return success();
      })
      .Default([&](Operation *) { return op.emitOpError("has no rule for bf16 operands; assign-types comes before differentiate and fuse"); });
}

// Variables keep their types, ports are f32.
void EntryTypes::finish(func::ReturnOp op) {
  builder_.setInsertionPoint(op);
  for (unsigned i = 0; i < op.getNumOperands(); ++i) {
    Value value = op.getOperand(i);
    if (!isFloat(value))
      continue;
    auto alias = function_.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias);
    op.setOperand(i, as(value, alias ? typeOf(function_.getArgument(alias.getInt())).getElementType() : wide()));
  }
  SmallVector<DictionaryAttr> attributes;
  for (unsigned i = 0; i < op.getNumOperands(); ++i) {
    DictionaryAttr given = function_.getResultAttrDict(i);
    attributes.push_back(given ? given : builder_.getDictionaryAttr({}));
  }
  for (auto [value, argument] : added_) {
    op->insertOperands(op.getNumOperands(), value);
    attributes.push_back(
        builder_.getDictionaryAttr(builder_.getNamedAttr(nn::attr::kAlias, builder_.getI64IntegerAttr(argument))));
  }
  function_.setType(builder_.getFunctionType(function_.front().getArgumentTypes(), op.getOperandTypes()));
  function_.setAllResultAttrs(attributes);
}

LogicalResult EntryTypes::run() {
  if (!llvm::hasSingleElement(function_.getBody()))
    return function_.emitOpError("must have one block to be given types");
  for (BlockArgument argument : function_.getArguments())
    if (auto variable = function_.getArgAttrOfType<FlatSymbolRefAttr>(argument.getArgNumber(), nn::attr::kVariable))
      if (auto op = symbols_.lookup<nn::VariableOp>(variable.getValue()))
        argument.setType(op.getType());
  for (Operation &op : llvm::make_early_inc_range(function_.front().without_terminator()))
    if (failed(visit(op)))
      return failure();
  finish(cast<func::ReturnOp>(function_.front().getTerminator()));
  return success();
}

class AssignTypes : public impl::AssignTypesBase<AssignTypes> {
public:
  using AssignTypesBase::AssignTypesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (dtype != "f32" && dtype != "bf16") {
      module.emitError() << "option dtype must be f32 or bf16, is '" << dtype << "'";
      return signalPassFailure();
    }
    if (dtype == "f32")
      return;
    SymbolTable symbols(module);
    for (auto variable : module.getOps<nn::VariableOp>()) {
      auto type = cast<RankedTensorType>(variable.getType());
      if ((variable.getKind() == "weight" || variable.getKind() == "kv_cache") && type.getElementType().isF32())
        variable.setType(type.clone(BFloat16Type::get(&getContext())));
    }
    for (auto function : module.getOps<func::FuncOp>())
      if (function->hasAttr(nn::attr::kKind) && failed(EntryTypes(function, symbols).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace mirl::passes
