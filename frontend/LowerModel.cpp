#include "frontend/LowerModel.h"

#include "frontend/LowerRl.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Format.h"

namespace mirl::frontend {

mlir::Location ModelLowering::loc(Span span) { return locationOf(program, b.getContext(), span); }

std::string ModelLowering::shape(mlir::Value v) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (auto [i, extent] : llvm::enumerate(typeOf(v).getShape())) {
    out << (i ? " x " : "");
    if (mlir::ShapedType::isDynamic(extent))
      out << "context";
    else
      out << extent;
  }
  return text;
}

void ModelLowering::run(const Decl &model) {
  if (model.parameters.size() != 1) {
    diagnostics.error(model.nameSpan, "a model takes one argument, its config: model " + model.name + "(config) { … }");
    return;
  }
  configName = model.parameters[0].name;
  unsigned errors = diagnostics.errors();
  auto ids = nn::rowsType(nn::Axis::context, {}, b.getI32Type());
  auto offsets = nn::rowsType(nn::Axis::sequence, {}, b.getI32Type(), 1);
  b.setInsertionPointToEnd(module.getBody());
  function = mlir::func::FuncOp::create(b, loc(model.nameSpan), model.name,
                                        b.getFunctionType({ids, ids, offsets}, mlir::TypeRange()));
  function.setPrivate();
  function->setAttr(nn::attr::kModel, b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
  scopes.assign(1, {});
  scopes.back()[configName] = {Val::of(ValKind::Config), model.parameters[0].span};
  runBody(model.body);
  if (diagnostics.errors() == errors && !headSpan.valid())
    diagnostics.error(model.body.close, "the model `" + model.name + "` must end with head(hidden, weight): the hidden states and the "
                                        "matrix that makes logits of them");
  // What no later value uses, such as a projection that was assigned anew; weights stay.
  if (diagnostics.errors() == errors)
    for (mlir::Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (!llvm::isa<nn::WeightOp>(op) && mlir::isOpTriviallyDead(&op))
        op.erase();
}

// --- statements --------------------------------------------------------------------------------

ModelLowering::Binding *ModelLowering::find(llvm::StringRef name) {
  for (size_t i = scopes.size(); i-- > 0;)
    if (auto it = scopes[i].find(name); it != scopes[i].end())
      return &it->second;
  return nullptr;
}

bool ModelLowering::bindName(llvm::StringRef name, Span span, Val value) {
  if (Binding *known = find(name)) {
    diagnostics.error(span, "`" + name + "` has a value already: a new one is assigned with `" + name + " = …`");
    diagnostics.note(known->span, "it was given here");
    return false;
  }
  scopes.back()[name] = {std::move(value), span};
  return true;
}

void ModelLowering::runBody(const Body &body) {
  scopes.emplace_back();
  for (const Stmt *s : body.statements) {
    if (diagnostics.full() || !step(s->span))
      break;
    if (headSpan.valid()) {
      diagnostics.error(s->span, "the model ends with `head`: nothing may follow it");
      diagnostics.note(headSpan, "it is here");
      break;
    }
    runStatement(*s);
  }
  scopes.pop_back();
}

void ModelLowering::runStatement(const Stmt &s) {
  switch (s.kind) {
  case StmtKind::Let: {
    Val v = eval(*s.value);
    if (v.kind == ValKind::None || v.kind == ValKind::Config)
      v = error(s.value->span, "`let` names a tensor, a number, a boolean or a string; found " + v.describe());
    bindName(s.name, s.nameSpan, std::move(v));
    return;
  }
  case StmtKind::Assign: {
    Val v = eval(*s.value);
    Binding *binding = find(s.name);
    if (!binding) {
      std::vector<llvm::StringRef> names;
      for (const auto &scope : scopes)
        for (const auto &entry : scope)
          names.push_back(entry.getKey());
      error(s.nameSpan, "unknown name `" + s.name + "`" + didYouMean(s.name, names) + "; a first value is given with `let`");
      return;
    }
    if (v.isError() || binding->value.isError()) {
      binding->value = Val::error();
      return;
    }
    bool numbers = v.isNumber() && binding->value.isNumber();
    if (v.kind != binding->value.kind && !numbers) {
      error(s.value->span, "`" + s.name + "` is " + binding->value.describe() + " and cannot become " + v.describe());
      return;
    }
    binding->value = std::move(v);
    return;
  }
  case StmtKind::Expression: {
    Val v = eval(*s.value);
    if (!v.isError() && v.kind != ValKind::None)
      error(s.span, "nothing is done with this value: name it with `let`");
    return;
  }
  case StmtKind::For: return runFor(s);
  case StmtKind::Weight: return runWeight(s);
  case StmtKind::If: {
    Val condition = eval(*s.value);
    if (condition.isError())
      return;
    if (condition.kind != ValKind::Bool) {
      error(s.value->span, "a condition is a comparison, `true` or `false`; found " + condition.describe());
      return;
    }
    runBody(condition.integer ? s.body : s.otherwise);
    return;
  }
  case StmtKind::Repeat:
    error(s.span, "a loop of a model is `for l in 0 .. n { … }`");
    return;
  case StmtKind::Return:
    error(s.span, "a model ends with head(hidden, weight)");
    return;
  }
}

void ModelLowering::runFor(const Stmt &s) {
  if (!s.to) {
    error(s.value->span, "a loop of a model is `for l in 0 .. n { … }`");
    return;
  }
  constexpr int64_t kBound = 100'000;
  auto from = whole(*s.value, "the first number of a loop", -kBound, kBound);
  auto to = whole(*s.to, "the end of a loop", -kBound, kBound);
  if (!from || !to)
    return;
  unsigned errors = diagnostics.errors();
  for (int64_t i = *from; i < *to && diagnostics.errors() == errors && step(s.span); ++i) {
    scopes.emplace_back();
    bindName(s.name, s.nameSpan, Val::ofInt(i));
    runBody(s.body);
    scopes.pop_back();
  }
}

// "model.layers.{l}.mlp.up_proj.weight" with the values of the names in braces.
std::optional<std::string> ModelLowering::weightName(const Stmt &s) {
  std::string result;
  llvm::StringRef rest = s.weightName->text;
  if (rest.empty()) {
    error(s.weightName->span, "a weight has a name");
    return std::nullopt;
  }
  while (!rest.empty()) {
    size_t open = rest.find('{');
    result += rest.take_front(open);
    if (open == llvm::StringRef::npos)
      return result;
    size_t close = rest.find('}', open);
    llvm::StringRef name = rest.slice(open + 1, close);
    Binding *binding = close == llvm::StringRef::npos ? nullptr : find(name);
    if (!binding || binding->value.kind != ValKind::Int) {
      error(s.weightName->span, "`{…}` in a weight's name holds the name of a whole number, such as the loop's: \"layers.{l}\"; found `" +
                                    rest.slice(open, close == llvm::StringRef::npos ? close : close + 1) + "`");
      return std::nullopt;
    }
    result += std::to_string(binding->value.integer);
    rest = rest.substr(close + 1);
  }
  return result;
}

std::optional<std::string> ModelLowering::weightInit(const Stmt &s) {
  const Expr &e = *s.value;
  if (e.kind == ExprKind::Name && (e.text == "ones" || e.text == "zeros"))
    return e.text.str();
  if (e.kind == ExprKind::Call && e.a->kind == ExprKind::Name && e.a->text == "normal") {
    llvm::SmallVector<const Expr *> args;
    if (!bind(e, "normal", {{"std"}}, args))
      return std::nullopt;
    auto std = real(*args[0], "a standard deviation");
    if (!std)
      return std::nullopt;
    if (*std < 0 || *std > 1e6) {
      error(args[0]->span, "a standard deviation is at least 0 and at most 1e6");
      return std::nullopt;
    }
    if (*std == 0)
      return "zeros";
    std::string text;
    llvm::raw_string_ostream(text) << "normal:" << llvm::format("%.9g", *std);
    return text;
  }
  error(e.span, "a weight starts as `ones`, `zeros` or normal(std)");
  return std::nullopt;
}

void ModelLowering::runWeight(const Stmt &s) {
  auto name = weightName(s);
  llvm::SmallVector<int64_t> dims;
  double elements = 1;
  for (const Expr *e : s.values) {
    auto extent = whole(*e, "a dimension of a weight", 1, int64_t(1) << 31);
    if (!extent)
      break;
    dims.push_back(*extent);
    elements *= *extent;
  }
  auto init = weightInit(s);
  Val value;
  if (name && init && dims.size() == s.values.size()) {
    if (dims.size() > 2)
      error(s.span, "a weight has one or two dimensions, found " + llvm::Twine(dims.size()));
    else if (elements > double(int64_t(1) << 36))
      error(s.span, "a weight has at most 2^36 elements");
    else if (auto [it, added] = weights.try_emplace(*name, s.nameSpan); !added) {
      error(s.weightName->span, "the weight \"" + *name + "\" is declared twice");
      diagnostics.note(it->second, "it was declared here");
    } else {
      auto type = mlir::RankedTensorType::get(dims, b.getF32Type());
      value = of(nn::WeightOp::create(b, loc(s.span), type, b.getStringAttr(*name), b.getStringAttr(*init)));
    }
  }
  bindName(s.name, s.nameSpan, value);
}

// --- expressions -------------------------------------------------------------------------------

Val ModelLowering::evalName(const Expr &e) {
  if (Binding *binding = find(e.text))
    return binding->value;
  std::vector<llvm::StringRef> names;
  for (const auto &scope : scopes)
    for (const auto &entry : scope)
      names.push_back(entry.getKey());
  return constantOrUnknown(e, names);
}

Val ModelLowering::configGet(const Expr &e, llvm::StringRef key, const Expr *otherwise) {
  std::string found;
  std::optional<Val> value = config.get(key, found);
  if (value)
    return *value;
  if (!found.empty())
    return error(e.span, "the model needs a number, a boolean or a string at the key \"" + key + "\" of " + config.path + ", found " + found);
  if (otherwise)
    return eval(*otherwise);
  return error(e.span, "the model needs the key \"" + key + "\", which " + config.path + " does not have" +
                           didYouMean(key, config.keys()));
}

Val ModelLowering::evalField(const Expr &e) {
  Val object = eval(*e.a);
  if (object.isError())
    return object;
  if (object.kind != ValKind::Config)
    return error(e.nameSpan, "only `" + configName + "` has fields; " + quote(*e.a) + " is " + object.describe());
  return configGet(e, e.text, nullptr);
}

Val ModelLowering::negate(const Expr &e, Val a) {
  if (a.kind != ValKind::Tensor)
    return Evaluator::negate(e, a);
  return of(nn::UnaryOp::create(b, loc(e.span), a.value.getType(), nn::UnaryKind::neg, a.value));
}

Val ModelLowering::binary(const Expr &e, Val a, Val c) {
  if (e.op >= BinaryOp::Pow)
    return operatorNeeds(e, a, c, "numbers known at compile time");
  auto usable = [](const Val &v) { return v.kind == ValKind::Tensor || v.isNumber(); };
  if (!usable(a) || !usable(c))
    return operatorNeeds(e, a, c, "tensors or numbers");
  mlir::Type type = (a.kind == ValKind::Tensor ? a : c).value.getType();
  for (Val *v : {&a, &c})
    if (v->isNumber())
      v->value = nn::SplatOp::create(b, loc(e.span), type, b.getF32FloatAttr(v->asDouble()));
  if (a.value.getType() != c.value.getType())
    return error(e.span, "elementwise maths needs tensors of one shape: the left side is " + shape(a.value) +
                             ", the right side is " + shape(c.value));
  nn::BinaryKind kind = e.op == BinaryOp::Add   ? nn::BinaryKind::add
                        : e.op == BinaryOp::Sub ? nn::BinaryKind::sub
                        : e.op == BinaryOp::Mul ? nn::BinaryKind::mul
                                                : nn::BinaryKind::div;
  return of(nn::BinaryOp::create(b, loc(e.span), type, kind, a.value, c.value));
}

// --- arguments ---------------------------------------------------------------------------------

mlir::Value ModelLowering::tensor(const Expr &e, const llvm::Twine &what) {
  Val v = eval(e);
  if (v.isError())
    return {};
  if (v.kind != ValKind::Tensor) {
    error(e.span, what + " must be a tensor, found " + v.describe());
    return {};
  }
  return v.value;
}

mlir::Value ModelLowering::activations(const Expr &e, const llvm::Twine &what) {
  mlir::Value v = tensor(e, what);
  if (v && (typeOf(v).getRank() != 2 || typeOf(v).hasStaticShape())) {
    error(e.span, what + " must have a row per token (context x columns), found " + shape(v));
    return {};
  }
  return v;
}

mlir::Value ModelLowering::weight(const Expr &e, unsigned rank, const llvm::Twine &what) {
  mlir::Value v = tensor(e, what);
  if (v && (!v.getDefiningOp<nn::WeightOp>() || typeOf(v).getRank() != rank)) {
    error(e.span, what + " must be a weight with " + (rank == 1 ? "one dimension" : "two dimensions") + ", found " +
                      (v.getDefiningOp<nn::WeightOp>() ? "a weight of " : "a tensor of ") + shape(v));
    return {};
  }
  return v;
}

std::optional<int64_t> ModelLowering::whole(const Expr &e, const llvm::Twine &what, int64_t from, int64_t to) {
  Val v = eval(e);
  if (v.isError())
    return std::nullopt;
  if (v.kind != ValKind::Int || v.integer < from || v.integer > to) {
    error(e.span, what + " must be a whole number from " + llvm::Twine(from) + " to " + llvm::Twine(to) + ", found " + v.describe());
    return std::nullopt;
  }
  return v.integer;
}

std::optional<double> ModelLowering::real(const Expr &e, const llvm::Twine &what) {
  Val v = eval(e);
  if (v.isError())
    return std::nullopt;
  if (!v.isNumber()) {
    error(e.span, what + " must be a number, found " + v.describe());
    return std::nullopt;
  }
  return v.asDouble();
}

} // namespace mirl::frontend
