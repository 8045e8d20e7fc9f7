#include "frontend/ParserImpl.h"

namespace mirl::frontend {

llvm::StringRef describe(DeclKind kind) {
  switch (kind) {
  case DeclKind::Use: return "use";
  case DeclKind::Const: return "const";
  case DeclKind::Param: return "param";
  case DeclKind::Data: return "data";
  case DeclKind::Capacity: return "capacity";
  case DeclKind::Policy: return "policy";
  case DeclKind::Optimizer: return "optimizer";
  case DeclKind::Step: return "step";
  case DeclKind::Func: return "func";
  case DeclKind::Entry: return "entry";
  case DeclKind::Model: return "model";
  case DeclKind::Iteration: return "iteration";
  }
  return "declaration";
}

// --- statements --------------------------------------------------------------------------------

// To behind the end of a statement that went wrong; blocks in it are skipped whole.
void Parser::skipStatement() {
  unsigned open = 0;
  while (!is(Tok::End)) {
    if (token().lineStart && is(Tok::Ident) && startsDeclaration(spelling(token())))
      return;
    if (is(Tok::LBrace))
      ++open;
    if (is(Tok::RBrace)) {
      if (open == 0)
        return;
      --open;
    }
    if (is(Tok::Newline) && open == 0) {
      advance();
      return;
    }
    advance();
  }
}

bool Parser::body(Body &result, llvm::StringRef what) {
  Depth guard(*this);
  if (tooDeep())
    return false;
  Span open = here();
  if (!accept(Tok::LBrace))
    return expected("`{` and the body of the " + what);
  while (true) {
    skipNewlines();
    if (diagnostics.full())
      return false;
    result.close = here();
    if (accept(Tok::RBrace))
      return true;
    bool atDeclaration = token().lineStart && is(Tok::Ident) && startsDeclaration(spelling(token())) &&
                         tokenAfter(1).kind != Tok::Assign && tokenAfter(1).kind != Tok::LParen;
    if (is(Tok::End) || atDeclaration)
      return expectClose(Tok::RBrace, open, "`{`");
    unsigned before = at;
    if (const Stmt *s = statement()) {
      result.statements.push_back(s);
      continue;
    }
    skipStatement();
    if (at == before)
      advance();
  }
}

const Stmt *Parser::statement() {
  if (isWord("for"))
    return forStatement();
  if (isWord("if")) {
    // `if c { … }` or an expression `if c then a else b`.
    return ifStatement();
  }
  if (isWord("weight") && tokenAfter(1).kind == Tok::Ident)
    return weightStatement();
  if (isWord("repeat")) {
    Stmt *s = makeStmt(StmtKind::Repeat);
    advance();
    if (!(s->value = expression()) || !body(s->body, "repetition"))
      return nullptr;
    return endOfStatement() ? s : nullptr;
  }
  if (isWord("let")) {
    Stmt *s = makeStmt(StmtKind::Let);
    advance();
    if (!name(s->name, s->nameSpan, "a name after `let`") || !expect(Tok::Assign, "after the name") ||
        !(s->value = expression()))
      return nullptr;
    s->span = s->span.to(s->value->span);
    return endOfStatement() ? s : nullptr;
  }
  if (isWord("return")) {
    Stmt *s = makeStmt(StmtKind::Return);
    advance();
    if (!is(Tok::Newline) && !is(Tok::RBrace))
      do {
        const Expr *e = expression();
        if (!e)
          return nullptr;
        s->values.push_back(e);
        s->span = s->span.to(e->span);
      } while (accept(Tok::Comma));
    return endOfStatement() ? s : nullptr;
  }
  if (is(Tok::Ident) && tokenAfter(1).kind == Tok::Assign) {
    Stmt *s = makeStmt(StmtKind::Assign);
    if (!name(s->name, s->nameSpan, "a name"))
      return nullptr;
    advance();
    if (!(s->value = expression()))
      return nullptr;
    s->span = s->span.to(s->value->span);
    return endOfStatement() ? s : nullptr;
  }
  Stmt *s = makeStmt(StmtKind::Expression);
  if (!(s->value = expression()))
    return nullptr;
  s->span = s->value->span;
  return endOfStatement() ? s : nullptr;
}

const Stmt *Parser::forStatement() {
  Stmt *s = makeStmt(StmtKind::For);
  advance();
  if (!name(s->name, s->nameSpan, "a name after `for`"))
    return nullptr;
  if (!acceptWord("in"))
    return expected("`in`"), nullptr;
  if (!(s->value = expression()))
    return nullptr;
  if (accept(Tok::DotDot) && !(s->to = expression()))
    return nullptr;
  s->span = s->span.to(previous());
  if (!body(s->body, "loop"))
    return nullptr;
  return endOfStatement() ? s : nullptr;
}

const Stmt *Parser::ifStatement() {
  Stmt *s = makeStmt(StmtKind::If);
  advance();
  if (!(s->value = expression()))
    return nullptr;
  s->span = s->span.to(previous());
  if (acceptWordOnNextLine("then")) {
    diagnostics.error(s->span, "a choice of values is an expression: use it in `let`, `return` or a call; "
                               "a statement is `if condition { … } else { … }`");
    return nullptr;
  }
  if (!body(s->body, "choice"))
    return nullptr;
  if (acceptWordOnNextLine("else")) {
    if (isWord("if")) {
      Depth guard(*this);
      if (tooDeep())
        return nullptr;
      const Stmt *inner = ifStatement();
      if (!inner)
        return nullptr;
      s->otherwise.statements.push_back(inner);
      return s;
    }
    if (!body(s->otherwise, "`else`"))
      return nullptr;
  }
  return endOfStatement() ? s : nullptr;
}

// weight NAME = "hugging.face.{l}.name" [dim, …] init ones
const Stmt *Parser::weightStatement() {
  Stmt *s = makeStmt(StmtKind::Weight);
  advance();
  if (!name(s->name, s->nameSpan, "the weight's name") || !expect(Tok::Assign, "after the weight's name"))
    return nullptr;
  if (!is(Tok::String))
    return expected("the weight's Hugging Face name, a string"), nullptr;
  s->weightName = primary();
  Span open = here();
  if (!expect(Tok::LBracket, "and the weight's dimensions"))
    return nullptr;
  do {
    const Expr *e = expression();
    if (!e)
      return nullptr;
    s->values.push_back(e);
  } while (accept(Tok::Comma));
  if (!expectClose(Tok::RBracket, open, "`[`"))
    return nullptr;
  if (!acceptWord("init"))
    return expected("`init ones`, `init zeros` or `init normal(std)`"), nullptr;
  if (!(s->value = expression()))
    return nullptr;
  s->span = s->span.to(s->value->span);
  return endOfStatement() ? s : nullptr;
}

// --- declarations ------------------------------------------------------------------------------

void Parser::skipDeclaration() {
  while (!is(Tok::End)) {
    if (token().lineStart && is(Tok::Ident) && startsDeclaration(spelling(token())))
      return;
    advance();
  }
}

std::unique_ptr<Tree> Parser::run() {
  while (!diagnostics.full()) {
    skipNewlines();
    if (is(Tok::End))
      break;
    unsigned before = at;
    if (declaration())
      continue;
    if (at == before)
      advance();
    skipDeclaration();
  }
  return std::move(tree);
}

bool Parser::declaration() {
  static const std::pair<llvm::StringLiteral, DeclKind> kinds[] = {
      {"use", DeclKind::Use},         {"const", DeclKind::Const},         {"param", DeclKind::Param},
      {"data", DeclKind::Data},       {"capacity", DeclKind::Capacity},   {"policy", DeclKind::Policy},
      {"optimizer", DeclKind::Optimizer}, {"step", DeclKind::Step},       {"func", DeclKind::Func},
      {"entry", DeclKind::Entry},     {"model", DeclKind::Model},         {"iteration", DeclKind::Iteration}};
  if (!is(Tok::Ident))
    return expected("a declaration (use, const, param, data, capacity, policy, optimizer, step, func, "
                    "entry, model or iteration)");
  llvm::StringRef word = spelling(token());
  std::vector<llvm::StringRef> words;
  for (const auto &[spelled, kind] : kinds) {
    words.push_back(spelled);
    if (word != spelled)
      continue;
    Decl decl;
    decl.kind = kind;
    decl.file = file;
    decl.span = here();
    advance();
    bool good = declarationOf(decl);
    // What could be read is kept: its name is known to the rest of the program.
    if (good || !decl.name.empty())
      tree->declarations.push_back(std::move(decl));
    return good;
  }
  diagnostics.error(here(), "`" + word + "` does not start a declaration" + didYouMean(word, words) +
                                "; a declaration is one of use, const, param, data, capacity, policy, "
                                "optimizer, step, func, entry, model and iteration");
  return false;
}

bool Parser::parameters(std::vector<Parameter> &result, bool typed) {
  Span open = here();
  if (!expect(Tok::LParen, "and the parameters"))
    return false;
  if (accept(Tok::RParen))
    return true;
  do {
    Parameter &p = result.emplace_back();
    if (!name(p.name, p.span, "a parameter's name"))
      return false;
    if (!typed)
      continue;
    if (!expect(Tok::Colon, "and the type of `" + p.name + "`") || !name(p.type, p.typeSpan, "a type"))
      return false;
    if (accept(Tok::Assign) && !(p.value = expression()))
      return false;
  } while (accept(Tok::Comma));
  return expectClose(Tok::RParen, open, "`(`");
}

// (a: T, …) [-> T | -> (name: T, …)]
bool Parser::signature(Decl &decl) {
  if (!parameters(decl.parameters, /*typed=*/true))
    return false;
  if (!accept(Tok::Arrow))
    return true;
  if (is(Tok::LParen))
    return parameters(decl.results, /*typed=*/true);
  Parameter &result = decl.results.emplace_back();
  result.span = here();
  return name(result.type, result.typeSpan, "the type of the result");
}

bool Parser::declarationOf(Decl &decl) {
  llvm::StringRef word = describe(decl.kind);
  if (decl.kind == DeclKind::Use) {
    if (acceptWord("model"))
      decl.type = "model";
    if (!is(Tok::String))
      return expected("the file to use, a string: use \"losses\", use model \"qwen2\"");
    decl.value = primary();
    decl.span = decl.span.to(decl.value->span);
    return endOfStatement();
  }
  if (decl.kind == DeclKind::Iteration) {
    decl.name = "iteration";
    decl.nameSpan = decl.span;
    return body(decl.body, word) && endOfStatement();
  }
  if (!name(decl.name, decl.nameSpan, "a name after `" + word + "`"))
    return false;
  decl.span = decl.span.to(decl.nameSpan);
  switch (decl.kind) {
  case DeclKind::Const:
  case DeclKind::Param:
    if (!expect(Tok::Colon, "and the type of `" + decl.name + "`") ||
        !name(decl.type, decl.typeSpan, "a type"))
      return false;
    [[fallthrough]];
  case DeclKind::Data:
  case DeclKind::Capacity:
  case DeclKind::Policy:
  case DeclKind::Optimizer:
    if (!expect(Tok::Assign, "and the value of `" + decl.name + "`"))
      return false;
    if (decl.kind == DeclKind::Policy && isWord("frozen") && tokenAfter(1).kind == Tok::Ident) {
      decl.frozen = true;
      advance();
    }
    return (decl.value = expression()) && endOfStatement();
  case DeclKind::Model:
    return parameters(decl.parameters, /*typed=*/false) && body(decl.body, word) && endOfStatement();
  default:
    break;
  }
  if (!signature(decl))
    return false;
  if (decl.kind == DeclKind::Entry && acceptWord("gradient"))
    do {
      auto &[gradient, where] = decl.gradients.emplace_back();
      if (!name(gradient, where, "the name of a parameter after `gradient`"))
        return false;
    } while (accept(Tok::Comma));
  return body(decl.body, word) && endOfStatement();
}

std::unique_ptr<Tree> parse(const Sources &sources, unsigned file, Diagnostics &diagnostics) {
  return Parser(sources, file, diagnostics).run();
}

} // namespace mirl::frontend
