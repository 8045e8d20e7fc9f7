// rl-to-nn: a function under construction.

#include "passes/RlToNn.h"

using namespace mlir;

namespace mirl::passes::lowering {

RankedTensorType tensorOf(MLIRContext *context, rl::Scope scope) {
  Type f32 = Float32Type::get(context);
  switch (scope) {
  case rl::Scope::token:
    return nn::rowsType(nn::Axis::token, {}, f32);
  case rl::Scope::sequence:
    return nn::rowsType(nn::Axis::sequence, {}, f32);
  case rl::Scope::group:
    return nn::rowsType(nn::Axis::group, {}, f32);
  case rl::Scope::batch:
    break;
  }
  return RankedTensorType::get({}, f32);
}

Entry::Entry(ModuleOp module, StringRef name, StringRef kind, Location loc)
    : builder_(OpBuilder::atBlockEnd(module.getBody())) {
  function_ = func::FuncOp::create(builder_, loc, name, builder_.getFunctionType({}, {}));
  function_->setAttr(nn::attr::kKind, builder_.getStringAttr(kind));
  builder_.createBlock(&function_.getBody());
}

Value Entry::add(Type type, Location loc, NamedAttrList attributes) {
  argumentAttributes_.push_back(std::move(attributes));
  return function_.getBody().front().addArgument(type, loc);
}

// What `mirl call` names a tensor of this source: a caller's tensor by its own name.
static StringRef portName(StringRef source) {
  if (!source.consume_front("input:"))
    source.consume_front("output:");
  return source;
}

Value Entry::port(StringRef source, RankedTensorType type, Location loc) {
  Value &argument = ports_[source];
  if (!argument) {
    NamedAttrList attributes;
    attributes.append(nn::attr::kName, builder_.getStringAttr(portName(source)));
    attributes.append(nn::attr::kSource, builder_.getStringAttr(source));
    argument = add(type, loc, attributes);
  }
  return argument;
}

Value Entry::stream(StringRef source, Location loc) {
  Type i32 = builder_.getI32Type();
  RankedTensorType type;
  if (source == "sequence_offsets" || source == "token_offsets")
    type = nn::rowsType(nn::Axis::sequence, {}, i32, 1);
  else if (source == "group_offsets")
    type = nn::rowsType(nn::Axis::group, {}, i32, 1);
  else if (source == "rows" || source == "targets")
    type = nn::rowsType(nn::Axis::token, {}, i32);
  else
    type = nn::rowsType(nn::Axis::context, {}, i32);
  return port(source, type, loc);
}

Value Entry::variable(nn::VariableOp variable) {
  Value &argument = variables_[variable];
  if (!argument) {
    NamedAttrList attributes;
    attributes.append(nn::attr::kVariable, FlatSymbolRefAttr::get(variable.getSymNameAttr()));
    argument = add(variable.getType(), variable.getLoc(), attributes);
  }
  return argument;
}

void Entry::annotate(Value argument, StringRef name, Attribute value) {
  argumentAttributes_[cast<BlockArgument>(argument).getArgNumber()].set(name, value);
}

unsigned Entry::output(Value value, StringRef source) {
  NamedAttrList attributes;
  attributes.append(nn::attr::kName, builder_.getStringAttr(portName(source)));
  attributes.append(nn::attr::kSource, builder_.getStringAttr(source));
  results_.push_back(value);
  resultAttributes_.push_back(attributes.getDictionary(context()));
  return results_.size() - 1;
}

void Entry::update(Value argument, Value value) {
  int64_t index = cast<BlockArgument>(argument).getArgNumber();
  NamedAttrList attributes;
  attributes.append(nn::attr::kAlias, builder_.getI64IntegerAttr(index));
  results_.push_back(value);
  resultAttributes_.push_back(attributes.getDictionary(context()));
}

void Entry::differentiate(unsigned result) {
  function_->setAttr("nn.differentiate",
                     builder_.getDictionaryAttr(builder_.getNamedAttr(
                         "loss", builder_.getI64IntegerAttr(result))));
}

func::FuncOp Entry::finish(const Capacities &capacities) {
  func::ReturnOp::create(builder_, function_.getLoc(), results_);
  Block &body = function_.getBody().front();
  SmallVector<DictionaryAttr> arguments;
  for (NamedAttrList &list : argumentAttributes_)
    arguments.push_back(list.getDictionary(context()));
  function_.setFunctionType(
      builder_.getFunctionType(body.getArgumentTypes(), ValueRange(results_).getTypes()));
  function_.setAllArgAttrs(arguments);
  function_.setAllResultAttrs(resultAttributes_);
  NamedAttrList extents;
  auto declare = [&](StringRef axis, int64_t extent) {
    if (extent > 0)
      extents.append(axis, builder_.getI64IntegerAttr(extent));
  };
  declare("context", capacities.context);
  declare("token", capacities.token);
  declare("sequence", capacities.sequence);
  declare("group", capacities.group);
  function_->setAttr(nn::attr::kCapacities, extents.getDictionary(context()));
  return function_;
}

} // namespace mirl::passes::lowering
