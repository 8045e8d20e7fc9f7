// Verifiers of the plan dialect's ops. What needs more than one op is checked by verify-plan.

#include "dialects/plan/Plan.h"

using namespace mlir;
using namespace mirl;
using namespace mirl::plan;

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
  if (getGrain() < 1)
    return emitOpError("grain must be at least 1, is ") << getGrain();
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
static constexpr StringLiteral kScore[] = {"entry"};
static constexpr StringLiteral kBatches[] = {"sequences", "shuffle"};
static constexpr StringLiteral kRepeat[] = {"count"};
static constexpr StringLiteral kStep[] = {"step"};
static constexpr StringLiteral kEvaluate[] = {"policy", "dataset", "name", "temperature", "max_tokens", "every"};
static const Instruction kInstructions[] = {
    {"draw", 0, 1, kDraw, false},       {"sample", 1, 1, kSample, false}, {"verify", 1, 1, kVerify, false},
    {"score", 1, 0, kScore, false},     {"batches", 1, 1, kBatches, true}, {"repeat", 0, 0, kRepeat, true},
    {"step", 1, 0, kStep, false},       {"evaluate", 0, 0, kEvaluate, false},
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
