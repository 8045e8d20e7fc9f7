// Verifiers of the plan dialect: what one op and the symbols it names decide. What needs a whole entry
// or the memory plan is checked by verify-plan.

#include "dialects/plan/Plan.h"

using namespace mlir;
using namespace mirl;
using namespace mirl::plan;

// --- symbols -------------------------------------------------------------------------------------

// The op that `op` names, or null after a diagnostic that says what it must be.
template <typename OpT>
static OpT lookup(Operation *op, StringRef name, StringRef what, SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, StringAttr::get(op->getContext(), name));
  if (auto typed = dyn_cast_or_null<OpT>(found))
    return typed;
  InFlightDiagnostic diagnostic = op->emitOpError() << "needs " << what << ", but '" << name << "' is ";
  if (!found) {
    diagnostic << "not declared";
  } else {
    diagnostic << "a '" << found->getName() << "'";
    diagnostic.attachNote(found->getLoc()) << "declared here";
  }
  return nullptr;
}

// `name` is an entry of this kind: a function (nn.kind) before nn-to-plan, a plan.entry after it.
static LogicalResult needEntry(Operation *op, StringRef name, StringRef kind, SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, StringAttr::get(op->getContext(), name));
  StringRef actual;
  if (auto entry = dyn_cast_or_null<EntryOp>(found))
    actual = entry.getKind();
  else if (auto attribute = found ? found->getAttrOfType<StringAttr>(nn::attr::kKind) : nullptr)
    actual = attribute.getValue();
  if (actual == kind)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << "needs an entry of kind " << kind << ", but '" << name << "' is ";
  if (!found)
    return diagnostic << "not declared";
  if (actual.empty())
    diagnostic << "a '" << found->getName() << "'";
  else
    diagnostic << "of kind " << actual;
  diagnostic.attachNote(found->getLoc()) << "declared here";
  return diagnostic;
}

LogicalResult BufferOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // The entry is a symbol too, but no symbol table: this looks in the module.
  Operation *found = symbols.lookupNearestSymbolFrom(*this, getVariableAttr());
  Type type;
  if (auto variable = dyn_cast_or_null<nn::VariableOp>(found))
    type = variable.getType();
  else if (auto constant = dyn_cast_or_null<ConstantOp>(found))
    type = constant.getValue().getShapedType();
  else
    return emitOpError() << "needs an nn.variable or a plan.constant, but '" << getVariable() << "' is "
                         << (found ? "neither" : "not declared");
  RankedTensorType tensor = getSlice().getType().getTensor();
  if (type == tensor)
    return success();
  InFlightDiagnostic diagnostic = emitOpError() << "must have the type of '" << getVariable() << "', " << type << ", has " << tensor;
  diagnostic.attachNote(found->getLoc()) << "declared here";
  return diagnostic;
}

LogicalResult PolicyOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (auto [name, kind] : {std::pair(getPrefill(), "prefill"), std::pair(getDecode(), "decode"), std::pair(getScore(), "score")})
    if (name && failed(needEntry(*this, *name, kind, symbols)))
      return failure();
  for (auto [name, kind, few] : {std::tuple(getPrefill(), "prefill", getPrefillFew()), std::tuple(getDecode(), "decode", getDecodeFew())}) {
    if (few && !name)
      return emitOpError() << "has " << kind << "_few, but no " << kind;
    for (Attribute entry : few.value_or(ArrayAttr::get(getContext(), {})))
      if (failed(needEntry(*this, cast<FlatSymbolRefAttr>(entry).getValue(), kind, symbols)))
        return failure();
  }
  return success();
}

LogicalResult OptimizerOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(lookup<PolicyOp>(*this, getPolicy(), "a plan.policy", symbols) != nullptr);
}

LogicalResult StepOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(needEntry(*this, getBatch(), "batch", symbols)) || failed(needEntry(*this, getMicro(), "micro", symbols)) ||
      failed(needEntry(*this, getApply(), "apply", symbols)))
    return failure();
  return success(lookup<OptimizerOp>(*this, getOptimizer(), "a plan.optimizer", symbols) != nullptr);
}

LogicalResult HostOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto named = [&](StringRef key) {
    auto name = getSettings().getAs<StringAttr>(key);
    return name ? name.getValue() : StringRef();
  };
  StringRef policy = named("policy"), dataset = named("dataset"), step = named("step"), entry = named("entry");
  if ((!policy.empty() && !lookup<PolicyOp>(*this, policy, "a plan.policy", symbols)) ||
      (!dataset.empty() && !lookup<DatasetOp>(*this, dataset, "a plan.dataset", symbols)) ||
      (!step.empty() && !lookup<StepOp>(*this, step, "a plan.step", symbols)))
    return failure();
  for (StringRef key : {"budget", "total_budget"})
    if (StringRef param = named(key); !param.empty() && !lookup<ParamOp>(*this, param, "a plan.param", symbols))
      return failure();
  return entry.empty() ? success() : needEntry(*this, entry, "reward", symbols);
}

// --- types and ops -----------------------------------------------------------------------------------

LogicalResult SliceType::verify(function_ref<InFlightDiagnostic()> emitError, RankedTensorType tensor) {
  for (int64_t i = 1; i < tensor.getRank(); ++i)
    if (tensor.isDynamicDim(i))
      return emitError() << "only the first dimension of a slice may be dynamic, dimension " << i << " of " << tensor << " is";
  if (tensor.getRank() > 0 && tensor.isDynamicDim(0) && !nn::axisOf(tensor))
    return emitError() << "a dynamic first dimension needs an #nn.axis encoding, " << tensor << " has none";
  return success();
}

LogicalResult ConstantOp::verify() {
  if (isa<DenseElementsAttr>(getValue()) && isa<RankedTensorType>(getValue().getShapedType()))
    return success();
  return emitOpError("must hold dense elements of a ranked tensor");
}

LogicalResult ProgramOp::verify() {
  for (Operation &op : getBody().front())
    if (!isa<HostOp>(op))
      return op.emitOpError("does not belong into a program: plan.host ops do");
  return success();
}

LogicalResult EntryOp::verify() {
  static constexpr StringLiteral kinds[] = {"plain", "batch", "micro", "apply", "score", "prefill", "decode", "reward"};
  if (!llvm::is_contained(kinds, getKind()))
    return emitOpError("kind must be plain, batch, micro, apply, score, prefill, decode or reward, is '") << getKind() << "'";
  for (NamedAttribute capacity : getCapacities()) {
    if (!nn::symbolizeAxis(capacity.getName()))
      return emitOpError("capacities must name context, token, sequence or group, not '") << capacity.getName().getValue() << "'";
    auto extent = dyn_cast<IntegerAttr>(capacity.getValue());
    if (!extent || extent.getInt() < 1)
      return emitOpError("the capacity of ") << capacity.getName().getValue() << " must be an integer of at least 1";
  }
  llvm::SmallDenseSet<Attribute> inputs, outputs;
  for (Operation &op : getBody().front()) {
    if (!isa<BufferOp, InputOp, AllocOp, OutputOp, LaunchOp, FillOp, CopyOp, LoopOp>(op))
      return op.emitOpError("does not belong into an entry");
    if (auto input = dyn_cast<InputOp>(op); input && !inputs.insert(input.getNameAttr()).second)
      return input.emitOpError("the input port '") << input.getName() << "' occurs twice";
    if (auto output = dyn_cast<OutputOp>(op); output && !outputs.insert(output.getNameAttr()).second)
      return output.emitOpError("the output port '") << output.getName() << "' occurs twice";
    for (Value result : op.getResults()) {
      RankedTensorType type = cast<SliceType>(result.getType()).getTensor();
      if (!bytesAtCapacity(type, getCapacities()))
        return op.emitOpError("has a dynamic dimension whose axis has no capacity in the entry: ") << type;
    }
  }
  return success();
}

LogicalResult LaunchOp::verify() {
  for (int64_t index : getUpdates())
    if (index < 0 || index >= static_cast<int64_t>(getWrites().size()))
      return emitOpError("updates must be indices into the ") << getWrites().size() << " written slices, has " << index;
  for (int64_t index : getEarly().value_or(ArrayRef<int64_t>()))
    if (index < 0 || index >= static_cast<int64_t>(getReads().size()))
      return emitOpError("early must be indices into the ") << getReads().size() << " read slices, has " << index;
  if (getGrain() < 1)
    return emitOpError("grain must be at least 1, is ") << getGrain();
  int64_t arguments = getReads().size() + getWrites().size();
  if (getMaps())
    for (auto map : getMapsAttr().getAsRange<TensorMapAttr>())
      if (map.getArgument() >= arguments)
        return emitOpError("a tensor map must be of one of the ") << arguments << " arguments, is of number " << map.getArgument();
  if (!getProducts() != !getWorkspace() || (getProducts() && getProductsAttr().empty()))
    return emitOpError("has both, products and a workspace for them, or neither");
  if (getAnyBits() && !getProducts())
    return emitOpError("has bits of its own without products: a kernel always has the same");
  int64_t reads = getReads().size();
  if (getProducts())
    for (auto product : getProductsAttr().getAsRange<ProductAttr>()) {
      for (int64_t argument : {product.getLeft(), product.getRight(), product.getBias(), product.getResidual()})
        if (argument >= reads)
          return emitOpError("a product must read one of the ") << reads << " reads, but reads argument " << argument;
      if (product.getResult() < reads || product.getResult() >= arguments)
        return emitOpError("a product must write one of the arguments ") << reads << " to " << arguments - 1 << ", but writes "
                                                                         << product.getResult();
    }
  return success();
}

LogicalResult CopyOp::verify() {
  if (getFrom().getType() != getTo().getType())
    return emitOpError("both slices must have the same type: ") << getFrom().getType() << " and " << getTo().getType();
  return success();
}

LogicalResult LoopOp::verify() {
  if (getIndex() != 0 && getIndex() != 1)
    return emitOpError("the loop variable must be number 0 or 1, is ") << getIndex();
  if (auto outer = (*this)->getParentOfType<LoopOp>()) {
    if (outer->getParentOfType<LoopOp>())
      return emitOpError("loops nest two deep at most");
    if (outer.getIndex() == getIndex())
      return emitOpError("must have another loop variable than the loop around it: both are number ") << getIndex();
  }
  for (Operation &op : getBody().front())
    if (!isa<LaunchOp, FillOp, CopyOp, LoopOp>(op))
      return op.emitOpError("does not belong into a loop: launches, fills, copies and loops do");
  return success();
}

namespace {
// An instruction of the host program: how many operands and results it has, and what it must say.
struct Instruction {
  StringLiteral name;
  unsigned operands, results;
  ArrayRef<StringLiteral> required;
  bool body;
};
} // namespace

static constexpr StringLiteral kDraw[] = {"dataset", "count", "kind"};
static constexpr StringLiteral kSample[] = {"policy", "n", "temperature", "top_k", "top_p", "max_tokens"};
static constexpr StringLiteral kVerify[] = {"kind"};
static constexpr StringLiteral kRescore[] = {"policy"};
static constexpr StringLiteral kScore[] = {"entry"};
static constexpr StringLiteral kBatches[] = {"sequences", "shuffle"};
static constexpr StringLiteral kRepeat[] = {"count"};
static constexpr StringLiteral kStep[] = {"step"};
static constexpr StringLiteral kEvaluate[] = {"policy", "dataset", "name", "temperature", "max_tokens", "every"};
static const Instruction kInstructions[] = {
    {"draw", 0, 1, kDraw, false},       {"sample", 1, 1, kSample, false}, {"verify", 1, 1, kVerify, false},
    {"score", 1, 0, kScore, false},     {"batches", 1, 1, kBatches, true}, {"repeat", 0, 0, kRepeat, true},
    {"step", 1, 0, kStep, false},       {"evaluate", 0, 0, kEvaluate, false}, {"rescore", 1, 0, kRescore, false},
};

LogicalResult HostOp::verify() {
  const auto *it = llvm::find_if(kInstructions, [&](const Instruction &i) { return i.name == getInstruction(); });
  if (it == std::end(kInstructions))
    return emitOpError("'") << getInstruction() << "' is not an instruction of the host program (docs/plan.md lists them)";
  if (getOperandNames().size() != it->operands || getResultNames().size() != it->results)
    return emitOpError() << it->name << " takes " << it->operands << " and gives " << it->results << " values, has "
                         << getOperandNames().size() << " and " << getResultNames().size();
  for (StringRef key : it->required)
    if (!getSettings().get(key))
      return emitOpError() << it->name << " needs the setting '" << key << "'";
  for (NamedAttribute setting : getSettings())
    if (!isa<StringAttr>(setting.getValue()) &&
        !(isa<FloatAttr>(setting.getValue()) && cast<FloatAttr>(setting.getValue()).getType().isF64()))
      return emitOpError("the setting '") << setting.getName().getValue() << "' must be a string or an f64";
  if (it->body == getBody().empty())
    return emitOpError() << it->name << (it->body ? " needs a body" : " has no body");
  return success();
}

LogicalResult StepOp::verify() {
  if (getPacking() != "sequence" && getPacking() != "group")
    return emitOpError("packing must be sequence or group, is '") << getPacking() << "'";
  return success();
}

LogicalResult OptimizerOp::verify() {
  if (getReset() != "iteration" && getReset() != "never")
    return emitOpError("reset must be iteration or never, is '") << getReset() << "'";
  return success();
}

LogicalResult PolicyOp::verify() {
  if (getRole() != "trainable" && getRole() != "frozen")
    return emitOpError("role must be trainable or frozen, is '") << getRole() << "'";
  return success();
}
