#include "frontend/Evaluator.h"

#include <cmath>

#include "dialects/rl/Rl.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"

namespace mirl::frontend {

static std::string number(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

std::string Val::describe() const {
  switch (kind) {
  case ValKind::Error: return "an error";
  case ValKind::None: return "no value";
  case ValKind::Int: return "the whole number " + std::to_string(integer);
  case ValKind::Float: return "the number " + frontend::number(number);
  case ValKind::Bool: return integer ? "the boolean true" : "the boolean false";
  case ValKind::String: return "a string";
  case ValKind::Scoped:
    return ("a number per " + rl::stringifyScope(llvm::cast<rl::PerType>(value.getType()).getScope())).str();
  case ValKind::Prompts: return "prompts";
  case ValKind::Trajectory: return "a trajectory";
  case ValKind::Drawn: return "records of a dataset";
  case ValKind::Policy: return "a policy";
  case ValKind::Optimizer: return "an optimizer";
  case ValKind::Dataset: return "a dataset";
  case ValKind::Tensor: return "a tensor";
  case ValKind::Config: return "the model's config";
  }
  return "a value";
}

static llvm::StringRef verb(BinaryOp op) {
  switch (op) {
  case BinaryOp::Add: return "adding";
  case BinaryOp::Sub: return "subtracting";
  case BinaryOp::Mul: return "multiplying";
  case BinaryOp::Div: return "dividing";
  case BinaryOp::Pow: return "raising to a power";
  default: return "comparing";
  }
}

bool Evaluator::step(Span span) {
  constexpr uint64_t kMaxSteps = 4'000'000;
  if (steps > kMaxSteps)
    return false;
  if (++steps <= kMaxSteps)
    return true;
  diagnostics.error(span, "the program is too large: more than 4,000,000 values when loops are unrolled and "
                          "functions inlined");
  return false;
}

Val Evaluator::eval(const Expr &e) {
  constexpr unsigned kMaxDepth = 900;
  if (diagnostics.full() || !step(e.span))
    return Val::error();
  if (depth >= kMaxDepth)
    return error(e.span, "nested too deeply: at most 900 levels of expressions and functions");
  ++depth;
  Val result = [&]() -> Val {
    switch (e.kind) {
    case ExprKind::Int: return Val::ofInt(e.integer);
    case ExprKind::Float: return Val::ofFloat(e.number);
    case ExprKind::String: return Val::ofString(e.text);
    case ExprKind::Bool: return Val::ofBool(e.integer);
    case ExprKind::Name: return evalName(e);
    case ExprKind::Field: return evalField(e);
    case ExprKind::Call: return evalCall(e);
    case ExprKind::Negate: {
      Val a = eval(*e.a);
      if (a.isError())
        return a;
      return a.isConstant() ? foldNegate(e, a) : negate(e, a);
    }
    case ExprKind::Binary: {
      Val a = eval(*e.a);
      Val b = eval(*e.b);
      if (a.isError() || b.isError())
        return Val::error();
      return a.isConstant() && b.isConstant() ? foldBinary(e, a, b) : binary(e, a, b);
    }
    case ExprKind::If: {
      Val condition = eval(*e.a);
      if (condition.isError())
        return condition;
      if (condition.kind == ValKind::Bool)
        return eval(condition.integer ? *e.b : *e.c);
      if (condition.isConstant())
        return error(e.a->span, "a condition is a comparison, `true` or `false`; found " + condition.describe());
      return select(e, condition);
    }
    }
    return Val::error();
  }();
  --depth;
  return result;
}

Val Evaluator::evalField(const Expr &e) {
  Val a = eval(*e.a);
  return a.isError() ? a : error(e.nameSpan, a.describe() + " has no field `" + e.text + "`");
}

Val Evaluator::evalCall(const Expr &e) {
  return error(e.span, "a function cannot be called here: this must be a number, a string or a const");
}

Val Evaluator::negate(const Expr &e, Val a) {
  return error(e.a->span, "`-` needs a number, found " + a.describe());
}

Val Evaluator::binary(const Expr &e, Val a, Val b) { return operatorNeeds(e, a, b, "numbers"); }

Val Evaluator::select(const Expr &e, Val condition) {
  return error(e.a->span, "a condition must be known at compile time here; found " + condition.describe());
}

Val Evaluator::operatorNeeds(const Expr &e, const Val &a, const Val &b, llvm::StringRef what) {
  return error(e.nameSpan, verb(e.op) + " needs " + what + ": the left side is " + a.describe() +
                               ", the right side is " + b.describe());
}

Val Evaluator::foldNegate(const Expr &e, Val a) {
  if (a.kind == ValKind::Int) {
    if (a.integer == INT64_MIN)
      return error(e.span, "this whole number does not fit into 64 bits");
    return Val::ofInt(-a.integer);
  }
  return a.kind == ValKind::Float ? Val::ofFloat(-a.number) : Evaluator::negate(e, a);
}

Val Evaluator::foldBinary(const Expr &e, Val a, Val b) {
  bool compares = e.op >= BinaryOp::Eq;
  if (a.kind == b.kind && (a.kind == ValKind::String || a.kind == ValKind::Bool)) {
    bool equal = a.text == b.text && a.integer == b.integer;
    if (e.op == BinaryOp::Eq)
      return Val::ofBool(equal);
    if (e.op == BinaryOp::Ne)
      return Val::ofBool(!equal);
  }
  if (!a.isNumber() || !b.isNumber())
    return operatorNeeds(e, a, b, compares ? "two numbers (== and != also two strings or two booleans)" : "numbers");
  bool ints = a.kind == ValKind::Int && b.kind == ValKind::Int;
  double x = a.asDouble(), y = b.asDouble();
  int64_t r = 0;
  bool overflow = false;
  switch (e.op) {
  case BinaryOp::Eq: return Val::ofBool(ints ? a.integer == b.integer : x == y);
  case BinaryOp::Ne: return Val::ofBool(ints ? a.integer != b.integer : x != y);
  case BinaryOp::Lt: return Val::ofBool(ints ? a.integer < b.integer : x < y);
  case BinaryOp::Le: return Val::ofBool(ints ? a.integer <= b.integer : x <= y);
  case BinaryOp::Gt: return Val::ofBool(ints ? a.integer > b.integer : x > y);
  case BinaryOp::Ge: return Val::ofBool(ints ? a.integer >= b.integer : x >= y);
  case BinaryOp::Add:
    overflow = ints && llvm::AddOverflow(a.integer, b.integer, r);
    x += y;
    break;
  case BinaryOp::Sub:
    overflow = ints && llvm::SubOverflow(a.integer, b.integer, r);
    x -= y;
    break;
  case BinaryOp::Mul:
    overflow = ints && llvm::MulOverflow(a.integer, b.integer, r);
    x *= y;
    break;
  case BinaryOp::Div:
    if (y == 0)
      return error(e.span, "division by zero");
    if (ints && !(a.integer == INT64_MIN && b.integer == -1) && a.integer % b.integer == 0)
      return Val::ofInt(a.integer / b.integer);
    ints = false;
    x /= y;
    break;
  case BinaryOp::Pow:
    if (ints && b.integer >= 0) {
      r = 1;
      // |a| > 1 overflows within 64 steps.
      int64_t count = a.integer >= -1 && a.integer <= 1 ? std::min<int64_t>(b.integer, 2 + b.integer % 2) : b.integer;
      for (int64_t i = 0; i < count && !overflow; ++i)
        overflow = llvm::MulOverflow(r, a.integer, r);
    } else {
      ints = false;
    }
    x = std::pow(x, y);
    break;
  }
  if (overflow)
    return error(e.span, "this whole number does not fit into 64 bits");
  if (ints)
    return Val::ofInt(r);
  if (!std::isfinite(x))
    return error(e.span, "this computes to " + number(x) + ", not to a finite number");
  return Val::ofFloat(x);
}

Val Evaluator::constantOrUnknown(const Expr &e, llvm::ArrayRef<llvm::StringRef> more) {
  const Decl *decl = program.lookup(e.span.file, e.text);
  if (decl && decl->kind == DeclKind::Const)
    return program.constant(*decl);
  if (decl && decl->kind == DeclKind::Param)
    return error(e.span, "`" + e.text + "` is a param, known at run time only; this must be known at compile "
                                        "time: a number or a const");
  if (decl)
    return error(e.span, "`" + e.text + "` is declared as " + describe(decl->kind) + ": it is not a value here");
  std::vector<llvm::StringRef> names = program.visible(e.span.file);
  names.insert(names.end(), more.begin(), more.end());
  return error(e.span, "unknown name `" + e.text + "`" + didYouMean(e.text, names));
}

std::string Evaluator::quote(const Expr &e) const {
  llvm::StringRef text = program.sources.text(e.span.file).slice(e.span.begin, e.span.end);
  return text.size() <= 32 && !text.contains('\n') ? ("`" + text + "`").str() : "this value";
}

bool Evaluator::bind(const Expr &call, llvm::StringRef callee, llvm::ArrayRef<Formal> formals,
                     llvm::SmallVectorImpl<const Expr *> &result) {
  result.assign(formals.size(), nullptr);
  std::vector<llvm::StringRef> names;
  for (const Formal &formal : formals)
    names.push_back(formal.name);
  bool good = true;
  size_t position = 0;
  for (const Argument &argument : call.arguments) {
    size_t index;
    if (argument.name.empty()) {
      index = position++;
      if (index >= formals.size()) {
        diagnostics.error(argument.value->span,
                          "`" + callee + "` takes " + (formals.empty() ? "no arguments" : "at most " + llvm::Twine(formals.size()) + (formals.size() == 1 ? " argument" : " arguments") + ": " + listOf(names)));
        return false;
      }
    } else {
      index = llvm::find(names, argument.name) - names.begin();
      if (index == names.size()) {
        diagnostics.error(argument.nameSpan, "`" + callee + "` has no argument `" + argument.name + "`" +
                                                 didYouMean(argument.name, names) +
                                                 (names.empty() ? "" : "; it takes " + listOf(names)));
        good = false;
        continue;
      }
    }
    if (result[index]) {
      diagnostics.error(argument.name.empty() ? argument.value->span : argument.nameSpan,
                        "the argument `" + names[index] + "` of `" + callee + "` is given twice");
      good = false;
      continue;
    }
    result[index] = argument.value;
  }
  for (size_t i = 0; good && i < formals.size(); ++i)
    if (formals[i].required && !result[i]) {
      diagnostics.error(call.span, "`" + callee + "` needs the argument `" + names[i] + "`; it takes " + listOf(names));
      good = false;
    }
  return good;
}

std::optional<int64_t> Evaluator::intArgument(const Expr *e, llvm::StringRef what, int64_t from, int64_t to,
                                              int64_t otherwise) {
  if (!e)
    return otherwise;
  ConstantEvaluator constants(program);
  Val v = constants.eval(*e);
  if (v.isError())
    return std::nullopt;
  if (v.kind != ValKind::Int || v.integer < from || v.integer > to) {
    diagnostics.error(e->span, what + " must be a whole number from " + llvm::Twine(from) + " to " + llvm::Twine(to) +
                                   ", found " + v.describe());
    return std::nullopt;
  }
  return v.integer;
}

std::optional<double> Evaluator::floatArgument(const Expr *e, llvm::StringRef what, double from, double to,
                                               double otherwise) {
  if (!e)
    return otherwise;
  ConstantEvaluator constants(program);
  Val v = constants.eval(*e);
  if (v.isError())
    return std::nullopt;
  if (!v.isNumber() || v.asDouble() < from || v.asDouble() > to) {
    diagnostics.error(e->span, what + " must be a number from " + number(from) + " to " + number(to) + ", found " +
                                   v.describe());
    return std::nullopt;
  }
  return v.asDouble();
}

std::optional<std::string> Evaluator::stringArgument(const Expr *e, llvm::StringRef what) {
  ConstantEvaluator constants(program);
  Val v = constants.eval(*e);
  if (v.isError())
    return std::nullopt;
  if (v.kind != ValKind::String) {
    diagnostics.error(e->span, what + " must be a string, found " + v.describe());
    return std::nullopt;
  }
  return v.text;
}

} // namespace mirl::frontend
