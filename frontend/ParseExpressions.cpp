#include "frontend/ParserImpl.h"

namespace mirl::frontend {

// --- expressions -------------------------------------------------------------------------------

bool Parser::tall(Expr &e) {
  for (const Expr *child : {e.a, e.b, e.c})
    if (child)
      e.height = std::max(e.height, child->height + 1);
  if (e.height <= kMaxHeight)
    return false;
  diagnostics.error(e.span, "an expression has at most " + llvm::Twine(kMaxHeight) +
                                " levels: name parts of it with `let`");
  return true;
}

const Expr *Parser::binary(BinaryOp op, const Expr *a, Span opSpan, const Expr *b) {
  Expr *e = make(ExprKind::Binary, a->span.to(b->span));
  e->op = op;
  e->nameSpan = opSpan;
  e->a = a;
  e->b = b;
  return tall(*e) ? nullptr : e;
}

const Expr *Parser::expression() {
  Depth guard(*this);
  if (tooDeep())
    return nullptr;
  if (!isWord("if"))
    return comparison();
  Expr *e = make(ExprKind::If, here());
  advance();
  if (!(e->a = expression()))
    return nullptr;
  if (!acceptWordOnNextLine("then"))
    return expected("`then` (a choice is `if condition then a else b`)"), nullptr;
  if (!(e->b = expression()))
    return nullptr;
  if (!acceptWordOnNextLine("else"))
    return expected("`else` (a choice is `if condition then a else b`)"), nullptr;
  if (!(e->c = expression()))
    return nullptr;
  e->span = e->span.to(e->c->span);
  return tall(*e) ? nullptr : e;
}

static bool comparisonOp(Tok kind, BinaryOp &op) {
  switch (kind) {
  case Tok::Eq: op = BinaryOp::Eq; return true;
  case Tok::Ne: op = BinaryOp::Ne; return true;
  case Tok::Lt: op = BinaryOp::Lt; return true;
  case Tok::Le: op = BinaryOp::Le; return true;
  case Tok::Gt: op = BinaryOp::Gt; return true;
  case Tok::Ge: op = BinaryOp::Ge; return true;
  default: return false;
  }
}

const Expr *Parser::comparison() {
  const Expr *a = sum();
  BinaryOp op;
  if (!a || !comparisonOp(token().kind, op))
    return a;
  Span opSpan = here();
  advance();
  const Expr *b = sum();
  if (!b)
    return nullptr;
  BinaryOp second;
  if (comparisonOp(token().kind, second)) {
    diagnostics.error(here(), "comparisons do not chain: write `(a < b) * (b < c)`");
    return nullptr;
  }
  return binary(op, a, opSpan, b);
}

const Expr *Parser::sum() {
  const Expr *a = product();
  while (a && (is(Tok::Plus) || is(Tok::Minus))) {
    BinaryOp op = is(Tok::Plus) ? BinaryOp::Add : BinaryOp::Sub;
    Span opSpan = here();
    advance();
    const Expr *b = product();
    a = b ? binary(op, a, opSpan, b) : nullptr;
  }
  return a;
}

const Expr *Parser::product() {
  const Expr *a = unary();
  while (a && (is(Tok::Star) || is(Tok::Slash))) {
    BinaryOp op = is(Tok::Star) ? BinaryOp::Mul : BinaryOp::Div;
    Span opSpan = here();
    advance();
    const Expr *b = unary();
    a = b ? binary(op, a, opSpan, b) : nullptr;
  }
  return a;
}

const Expr *Parser::unary() {
  if (!is(Tok::Minus))
    return power();
  Depth guard(*this);
  if (tooDeep())
    return nullptr;
  Expr *e = make(ExprKind::Negate, here());
  advance();
  if (!(e->a = unary()))
    return nullptr;
  e->span = e->span.to(e->a->span);
  return tall(*e) ? nullptr : e;
}

const Expr *Parser::power() {
  Depth guard(*this);
  if (tooDeep())
    return nullptr;
  const Expr *a = postfix();
  if (!a || !is(Tok::Caret))
    return a;
  Span opSpan = here();
  advance();
  const Expr *b = unary();
  return b ? binary(BinaryOp::Pow, a, opSpan, b) : nullptr;
}

const Expr *Parser::postfix() {
  const Expr *a = primary();
  while (a) {
    if (is(Tok::Dot)) {
      advance();
      Expr *e = make(ExprKind::Field, a->span);
      if (!name(e->text, e->nameSpan, "a field's name after `.`"))
        return nullptr;
      e->a = a;
      e->span = a->span.to(e->nameSpan);
      a = tall(*e) ? nullptr : e;
    } else if (is(Tok::LParen)) {
      Span open = here();
      Expr *e = make(ExprKind::Call, a->span);
      e->a = a;
      advance();
      unsigned height = 0;
      if (!arguments(e->arguments, open, height))
        return nullptr;
      e->span = a->span.to(previous());
      e->height = height + 1;
      a = tall(*e) ? nullptr : e;
    } else {
      break;
    }
  }
  return a;
}

bool Parser::arguments(std::vector<Argument> &result, Span open, unsigned &height) {
  if (accept(Tok::RParen))
    return true;
  while (true) {
    Argument &argument = result.emplace_back();
    if (is(Tok::Ident) && tokenAfter(1).kind == Tok::Assign) {
      if (!name(argument.name, argument.nameSpan, "an argument's name"))
        return false;
      advance();
    }
    if (!(argument.value = expression()))
      return false;
    height = std::max(height, argument.value->height);
    if (accept(Tok::Comma)) {
      if (accept(Tok::RParen))
        return true;
      continue;
    }
    return expectClose(Tok::RParen, open, "`(`");
  }
}

const Expr *Parser::primary() {
  const Token t = token();
  Span where = here();
  switch (t.kind) {
  case Tok::Int: {
    Expr *e = make(ExprKind::Int, where);
    e->integer = tree->tokens.integers[t.payload];
    advance();
    return e;
  }
  case Tok::Float: {
    Expr *e = make(ExprKind::Float, where);
    e->number = tree->tokens.floats[t.payload];
    advance();
    return e;
  }
  case Tok::String: {
    Expr *e = make(ExprKind::String, where);
    e->text = tree->tokens.strings[t.payload];
    advance();
    return e;
  }
  case Tok::LParen: {
    advance();
    const Expr *e = expression();
    return e && expectClose(Tok::RParen, where, "`(`") ? e : nullptr;
  }
  case Tok::Ident: {
    llvm::StringRef word = spelling(t);
    if (word == "true" || word == "false") {
      Expr *e = make(ExprKind::Bool, where);
      e->integer = word == "true";
      advance();
      return e;
    }
    Expr *e = make(ExprKind::Name, where);
    return name(e->text, e->nameSpan, "a value") ? e : nullptr;
  }
  default:
    expected("a value");
    return nullptr;
  }
}

} // namespace mirl::frontend
