// Expressions of algorithms: names, fields, maths with scopes, and the functions of the language.

#include "frontend/LowerRl.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

namespace mirl::frontend {

using rl::BinaryKind;
using rl::Scope;
using rl::UnaryKind;

static constexpr llvm::StringLiteral kFields[] = {"logprob", "version", "age", "reward", "length", "finished", "ending"};

// --- values ------------------------------------------------------------------------------------

mlir::Value RlLowering::materialise(const Val &v, Span span) {
  if (v.kind == ValKind::Scoped)
    return v.value;
  if (!v.isNumber())
    return {};
  return rl::ConstantOp::create(b, loc(span), per(Scope::batch), b.getF64FloatAttr(v.asDouble()));
}

mlir::Value RlLowering::spread(mlir::Value v, Scope to, Span span) {
  return scopeOf(v) == to ? v : rl::SpreadOp::create(b, loc(span), per(to), v).getResult();
}

mlir::Value RlLowering::at(const Expr &e, Val v, Scope scope, const llvm::Twine &what) {
  if (v.isError())
    return {};
  mlir::Value value = materialise(v, e.span);
  if (!value) {
    error(e.span, what + " must be a number per " + rl::stringifyScope(scope) + ", found " + v.describe());
    return {};
  }
  if (scopeOf(value) < scope) {
    error(e.span, what + " must be a number per " + rl::stringifyScope(scope) + "; " + quote(e) + " is per " +
                      rl::stringifyScope(scopeOf(value)) + ", a finer value: reduce it with sum, mean, max, min or count (over = " +
                      rl::stringifyScope(scope) + ")");
    return {};
  }
  return spread(value, scope, e.span);
}

bool RlLowering::same(llvm::MutableArrayRef<mlir::Value> values, Span span) {
  Scope finest = Scope::batch;
  for (mlir::Value v : values)
    finest = std::min(finest, scopeOf(v));
  for (mlir::Value &v : values)
    v = spread(v, finest, span);
  return true;
}

mlir::Value RlLowering::unary(UnaryKind kind, mlir::Value a, Span span) {
  return rl::UnaryOp::create(b, loc(span), a.getType(), kind, a);
}

mlir::Value RlLowering::binaryOp(BinaryKind kind, mlir::Value a, mlir::Value c, Span span) {
  mlir::Value v[] = {a, c};
  same(v, span);
  return rl::BinaryOp::create(b, loc(span), v[0].getType(), kind, v[0], v[1]);
}

bool RlLowering::decide(Val &v, ValKind kind, Span span) {
  if (v.kind != ValKind::Drawn)
    return true;
  auto [it, added] = decided.try_emplace(v.value.getDefiningOp(), kind);
  if (!added && it->second != kind) {
    error(span, "these records were used as " + Val::of(it->second).describe() + " before, and cannot be " +
                    Val::of(kind).describe() + " as well: draw again");
    return false;
  }
  if (kind == ValKind::Trajectory)
    v.value.setType(rl::TrajectoryType::get(b.getContext()));
  v.kind = kind;
  return true;
}

Val RlLowering::evalKind(const Expr &e, ValKind kind, const llvm::Twine &what) {
  Val v = eval(e);
  if (v.isError())
    return v;
  if ((kind == ValKind::Trajectory || kind == ValKind::Prompts) && !decide(v, kind, e.span))
    return Val::error();
  if (v.kind != kind)
    return error(e.span, what + " must be " + Val::of(kind).describe() + ", found " + v.describe());
  return v;
}

Val RlLowering::evalTrajectory(const Expr &e, const llvm::Twine &what) {
  return evalKind(e, ValKind::Trajectory, what);
}

Val RlLowering::evalName(const Expr &e) {
  for (size_t i = scopes.size(); i-- > 0;)
    if (auto it = scopes[i].find(e.text); it != scopes[i].end())
      return it->second.value;
  if (e.text == "iteration" || e.text == "iterations") {
    if (room == Room::Iteration)
      return error(e.span, "`" + e.text + "` is a number for steps and learning rates; the iteration itself counts at compile time");
    return scoped(rl::ClockOp::create(b, loc(e), per(Scope::batch), b.getStringAttr(e.text)));
  }
  const Decl *decl = program.lookup(e.span.file, e.text);
  if (decl) {
    switch (decl->kind) {
    case DeclKind::Param:
      if (room == Room::Iteration)
        break;
      return scoped(rl::ReadParamOp::create(b, loc(e), per(Scope::batch), e.text));
    case DeclKind::Policy: return Val::of(ValKind::Policy, decl);
    case DeclKind::Optimizer: return Val::of(ValKind::Optimizer, decl);
    case DeclKind::Data: return Val::of(ValKind::Dataset, decl);
    case DeclKind::Step:
    case DeclKind::Func:
      return error(e.span, "`" + e.text + "` is a " + describe(decl->kind) + ": call it with arguments in parentheses");
    default: break;
    }
  }
  std::vector<llvm::StringRef> names = {"iteration", "iterations"};
  for (const auto &scope : scopes)
    for (const auto &entry : scope)
      names.push_back(entry.getKey());
  return constantOrUnknown(e, names);
}

Val RlLowering::evalField(const Expr &e) {
  Val a = eval(*e.a);
  if (a.isError())
    return a;
  if (a.kind == ValKind::Prompts)
    return error(e.nameSpan, "prompts have no fields; a verifier reads the record's field by its name: exact_answer(y, field = \"" + e.text + "\")");
  if (a.kind == ValKind::Drawn && !decide(a, ValKind::Trajectory, e.span))
    return Val::error();
  if (a.kind != ValKind::Trajectory)
    return error(e.nameSpan, "only a trajectory has fields; " + quote(*e.a) + " is " + a.describe());
  std::vector<llvm::StringRef> fields(std::begin(kFields), std::end(kFields));
  if (!llvm::is_contained(fields, e.text))
    return error(e.nameSpan, "a trajectory has no field `" + e.text + "`" + didYouMean(e.text, fields) + "; it has " + listOf(fields));
  if (room == Room::Iteration)
    return error(e.span, "fields are read in steps, not in the iteration");
  bool token = e.text == "logprob" || e.text == "version" || e.text == "age";
  return scoped(rl::FieldOp::create(b, loc(e), per(token ? Scope::token : Scope::sequence), a.value, b.getStringAttr(e.text)));
}

Val RlLowering::negate(const Expr &e, Val a) {
  return a.kind == ValKind::Scoped ? scoped(unary(UnaryKind::neg, a.value, e.span)) : Evaluator::negate(e, a);
}

Val RlLowering::binary(const Expr &e, Val a, Val c) {
  if (e.op == BinaryOp::Pow) {
    if (a.kind != ValKind::Scoped || (!c.isNumber() && c.kind != ValKind::Scoped))
      return operatorNeeds(e, a, c, "a number and a constant whole number");
    if (c.kind != ValKind::Int || c.integer < -64 || c.integer > 64)
      return error(e.b->span, "an exponent is a constant whole number from -64 to 64, found " + c.describe() +
                                  "; the square root is sqrt(x), other powers are exp(p * log(x))");
    if (c.integer == 2)
      return scoped(unary(UnaryKind::square, a.value, e.span));
    mlir::Value result, power = a.value;
    for (uint64_t n = std::abs(c.integer); n != 0; n >>= 1) {
      if (n & 1)
        result = result ? binaryOp(BinaryKind::mul, result, power, e.span) : power;
      if (n > 1)
        power = binaryOp(BinaryKind::mul, power, power, e.span);
    }
    mlir::Value one = materialise(Val::ofInt(1), e.span);
    if (!result)
      return scoped(spread(one, scopeOf(a.value), e.span));
    return scoped(c.integer < 0 ? binaryOp(BinaryKind::div, one, result, e.span) : result);
  }
  mlir::Value v[] = {materialise(a, e.a->span), materialise(c, e.b->span)};
  if (!v[0] || !v[1])
    return operatorNeeds(e, a, c, "numbers");
  if (e.op < BinaryOp::Eq) {
    BinaryKind kind = e.op == BinaryOp::Add   ? BinaryKind::add
                      : e.op == BinaryOp::Sub ? BinaryKind::sub
                      : e.op == BinaryOp::Mul ? BinaryKind::mul
                                              : BinaryKind::div;
    return scoped(binaryOp(kind, v[0], v[1], e.span));
  }
  same(v, e.span);
  auto kind = static_cast<rl::CompareKind>(static_cast<int>(e.op) - static_cast<int>(BinaryOp::Eq));
  return scoped(rl::CompareOp::create(b, loc(e), v[0].getType(), kind, v[0], v[1]));
}

Val RlLowering::select(const Expr &e, Val condition) {
  if (condition.kind != ValKind::Scoped)
    return error(e.a->span, "a condition is a comparison; found " + condition.describe());
  Val onTrue = eval(*e.b), onFalse = eval(*e.c);
  if (onTrue.isError() || onFalse.isError())
    return Val::error();
  mlir::Value v[] = {condition.value, materialise(onTrue, e.b->span), materialise(onFalse, e.c->span)};
  for (int i : {1, 2})
    if (!v[i])
      return error((i == 1 ? e.b : e.c)->span, "a choice is between two numbers, found " + (i == 1 ? onTrue : onFalse).describe());
  same(v, e.span);
  return scoped(rl::SelectOp::create(b, loc(e), v[0].getType(), v[0], v[1], v[2]));
}

// --- calls -------------------------------------------------------------------------------------

Val RlLowering::evalCall(const Expr &e) {
  if (e.a->kind != ExprKind::Name)
    return error(e.a->span, "only a function can be called");
  llvm::StringRef name = e.a->text;
  if (name == "sum")
    return callReduction(e, rl::ReduceKind::sum);
  if (name == "mean")
    return callReduction(e, rl::ReduceKind::mean);
  if (name == "count")
    return callReduction(e, rl::ReduceKind::count);
  if (name == "max" || name == "min") {
    // Of two values elementwise; of one with `over` a reduction.
    if (e.arguments.size() == 2 && llvm::all_of(e.arguments, [](const Argument &a) { return a.name.empty(); }))
      return callMaths(e);
    return callReduction(e, name == "max" ? rl::ReduceKind::max : rl::ReduceKind::min);
  }
  using Handler = Val (RlLowering::*)(const Expr &);
  Handler handler = llvm::StringSwitch<Handler>(name)
                        .Cases({"exp", "log", "sqrt", "abs", "sigmoid", "tanh"}, &RlLowering::callMaths)
                        .Cases({"log_sigmoid", "square", "clamp", "stop_gradient"}, &RlLowering::callMaths)
                        .Cases({"exact_answer", "regex", "program"}, &RlLowering::callVerifier)
                        .Case("sample", &RlLowering::callSample)
                        .Case("score", &RlLowering::callScore)
                        .Case("rescore", &RlLowering::callRescore)
                        .Case("minimize", &RlLowering::callMinimize)
                        .Case("metric", &RlLowering::callMetric)
                        .Case("draw", &RlLowering::callDraw)
                        .Case("evaluate", &RlLowering::callEvaluate)
                        .Default(nullptr);
  if (handler)
    return (this->*handler)(e);
  if (name == "logprob" || name == "entropy")
    return callLogprob(e, name == "entropy");
  if (name == "batches")
    return error(e.span, "`batches` stands in a loop of the iteration: for b in batches(y, sequences) { … }");
  if (name == "adamw")
    return error(e.span, "an optimizer is declared at the top of the program: optimizer opt = adamw(pi, lr = …)");
  const Decl *decl = program.lookup(e.span.file, name);
  if (decl && decl->kind == DeclKind::Func)
    return callFunction(e, *decl);
  if (decl && decl->kind == DeclKind::Step)
    return callStep(e, *decl);
  if (decl)
    return error(e.a->span, "`" + name + "` is declared as " + describe(decl->kind) + ", and cannot be called here");
  std::vector<llvm::StringRef> names = program.visible(e.span.file, {DeclKind::Func, DeclKind::Step});
  names.insert(names.end(), {"sum", "mean", "max", "min", "count", "exp", "log", "sqrt", "abs", "sigmoid", "tanh", "log_sigmoid",
                             "square", "clamp", "stop_gradient", "logprob", "entropy", "sample", "score", "rescore", "exact_answer",
                             "regex", "program", "draw", "evaluate", "metric", "minimize"});
  return error(e.a->span, "unknown function `" + name + "`" + didYouMean(name, names));
}

bool RlLowering::onlyIn(const Expr &e, Room where, llvm::StringRef what) {
  if (room == where)
    return true;
  error(e.span, "`" + e.a->text + "` stands in " + what);
  return false;
}

Val RlLowering::callFunction(const Expr &e, const Decl &decl) {
  if (room == Room::Iteration)
    return error(e.span, "functions compute values in steps; the iteration calls steps");
  if (!checkFunction(decl, e.span))
    return Val::error();
  if (inlineDepth >= 64)
    return error(e.span, "functions call functions more than 64 deep");
  llvm::SmallVector<Formal> formals;
  for (const Parameter &p : decl.parameters)
    formals.push_back({p.name, !p.value});
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, decl.name, formals, args))
    return Val::error();
  Scopes own(1);
  bool good = true;
  for (auto [p, arg] : llvm::zip(decl.parameters, args)) {
    std::string what = ("the argument `" + p.name + "` of `" + decl.name + "`").str();
    mlir::Type type = typeOf(p.type, p.typeSpan, true, true);
    Val v;
    if (!llvm::isa<rl::PerType>(type)) {
      v = evalTrajectory(*arg, what);
    } else if (arg) {
      mlir::Value value = at(*arg, eval(*arg), llvm::cast<rl::PerType>(type).getScope(), what);
      v = value ? scoped(value) : Val::error();
    } else {
      // A default sees the declarations, not the caller's names.
      llvm::SaveAndRestore callee(scopes, own);
      mlir::Value value = at(*p.value, eval(*p.value), llvm::cast<rl::PerType>(type).getScope(), what);
      v = value ? scoped(value) : Val::error();
    }
    good &= !v.isError();
    own[0][p.name] = {v, p.span};
  }
  if (!good)
    return Val::error();
  llvm::SaveAndRestore inside(scopes, std::move(own));
  llvm::SaveAndRestore inRoom(room, Room::Function);
  llvm::SaveAndRestore savedReturns(returned, std::vector<Val>());
  llvm::SaveAndRestore savedSpans(returnedSpans, std::vector<Span>());
  llvm::SaveAndRestore savedFlag(hasReturned, false);
  ++inlineDepth;
  runBody(decl.body);
  --inlineDepth;
  if (returned.size() != 1)
    return Val::error();
  Expr where;
  where.span = returnedSpans[0];
  Scope scope = *rl::symbolizeScope(decl.results[0].type);
  mlir::Value v = at(where, returned[0], scope, "the result of `" + decl.name + "`");
  return v ? scoped(v) : Val::error();
}

Val RlLowering::callStep(const Expr &e, const Decl &decl) {
  if (!onlyIn(e, Room::Iteration, "`iteration`: steps are called there"))
    return Val::error();
  if (decl.parameters.size() != 1)
    return Val::error(); // was reported
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, decl.name, {{decl.parameters[0].name}}, args))
    return Val::error();
  bool prompts = decl.parameters[0].type == "prompts";
  Val v = evalKind(*args[0], prompts ? ValKind::Prompts : ValKind::Trajectory,
                   "the argument of the step `" + decl.name + "`");
  if (v.isError())
    return v;
  mlir::SmallVector<mlir::Type> results;
  if (!decl.results.empty())
    results.push_back(rl::TrajectoryType::get(b.getContext()));
  auto op = rl::CallOp::create(b, loc(e), results, decl.name, v.value);
  return results.empty() ? Val::none() : Val::of(ValKind::Trajectory, op.getResult());
}

Val RlLowering::callReduction(const Expr &e, rl::ReduceKind kind) {
  llvm::StringRef name = e.a->text;
  if (e.arguments.size() == 1 && e.arguments[0].name.empty())
    return error(e.span, "`" + name + "` needs to know over what: " + name + "(x, over = sequence), group or batch");
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, name, {{"x"}, {"over"}}, args))
    return Val::error();
  llvm::StringRef word = args[1]->kind == ExprKind::Name ? args[1]->text : llvm::StringRef();
  std::optional<Scope> over = rl::symbolizeScope(word);
  if (word == "token")
    return error(args[1]->span, "nothing is finer than a token: over is sequence, group or batch");
  if (!over)
    return error(args[1]->span, "over is sequence, group or batch, found " + quote(*args[1]) +
                                    didYouMean(word, {"sequence", "group", "batch"}));
  Val v = eval(*args[0]);
  if (v.isError())
    return v;
  mlir::Value value = materialise(v, args[0]->span);
  if (!value)
    return error(args[0]->span, "`" + name + "` needs a number per token, sequence or group, found " + v.describe());
  if (scopeOf(value) == *over)
    return error(e.span, quote(*args[0]) + " is per " + word + " already: there is nothing to reduce over a " + word);
  if (scopeOf(value) > *over)
    return error(e.span, quote(*args[0]) + " is per " + rl::stringifyScope(scopeOf(value)) + ", a coarser value than " + word +
                             ": it spreads by itself, and has nothing to reduce");
  return scoped(rl::ReduceOp::create(b, loc(e), per(*over), kind, value));
}

Val RlLowering::callMaths(const Expr &e) {
  llvm::StringRef name = e.a->text;
  llvm::SmallVector<Formal> formals = {{"x"}};
  if (name == "clamp")
    formals.append({{"lo"}, {"hi"}});
  if (name == "max" || name == "min")
    formals = {{"a"}, {"b"}};
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, name, formals, args))
    return Val::error();
  llvm::SmallVector<mlir::Value> v;
  for (const Expr *arg : args) {
    Val value = eval(*arg);
    if (value.isError())
      return value;
    v.push_back(materialise(value, arg->span));
    if (!v.back())
      return error(arg->span, "`" + name + "` needs a number, found " + value.describe());
  }
  if (name == "max" || name == "min")
    return scoped(binaryOp(name == "max" ? BinaryKind::max : BinaryKind::min, v[0], v[1], e.span));
  if (name == "clamp")
    return scoped(binaryOp(BinaryKind::min, binaryOp(BinaryKind::max, v[0], v[1], e.span), v[2], e.span));
  if (name == "stop_gradient")
    return scoped(rl::StopGradientOp::create(b, loc(e), v[0].getType(), v[0]));
  return scoped(unary(*rl::symbolizeUnaryKind(name), v[0], e.span));
}

Val RlLowering::callLogprob(const Expr &e, bool entropy) {
  if (room == Room::Iteration || room == Room::Optimizer)
    return error(e.span, "`" + e.a->text + "` stands in a step");
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, e.a->text, {{"policy"}, {"trajectory"}, {"temperature", false}}, args))
    return Val::error();
  Val policy = evalKind(*args[0], ValKind::Policy, "the first argument of `" + e.a->text + "`");
  Val y = evalTrajectory(*args[1], "the second argument of `" + e.a->text + "`");
  auto temperature = floatArgument(args[2], "temperature", 1e-6, 1e6, 1.0);
  if (policy.isError() || y.isError() || !temperature)
    return Val::error();
  auto symbol = mlir::FlatSymbolRefAttr::get(b.getContext(), policy.decl->name);
  auto t = b.getF64FloatAttr(*temperature);
  mlir::Type type = per(Scope::token);
  if (entropy)
    return scoped(rl::EntropyOp::create(b, loc(e), type, symbol, y.value, t));
  return scoped(rl::LogprobOp::create(b, loc(e), type, symbol, y.value, t));
}

Val RlLowering::callMinimize(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "minimize", {{"loss"}, {"optimizer"}}, args))
    return Val::error();
  mlir::Value loss = at(*args[0], eval(*args[0]), Scope::batch, "a loss");
  Val optimizer = evalKind(*args[1], ValKind::Optimizer, "the second argument of `minimize`");
  if (!loss || optimizer.isError())
    return Val::error();
  rl::MinimizeOp::create(b, loc(e), loss, optimizer.decl->name);
  return Val::none();
}

Val RlLowering::callMetric(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "metric", {{"name"}, {"value"}}, args))
    return Val::error();
  auto name = stringArgument(args[0], "the name of a metric");
  mlir::Value value = at(*args[1], eval(*args[1]), Scope::batch, "a metric");
  if (!name || !value)
    return Val::error();
  rl::MetricOp::create(b, loc(e), b.getStringAttr(*name), value);
  return Val::none();
}

} // namespace mirl::frontend
