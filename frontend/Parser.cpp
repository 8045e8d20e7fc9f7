#include "frontend/Parser.h"

#include "llvm/ADT/StringSwitch.h"

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

namespace {

// Words that cannot be names.
bool isReserved(llvm::StringRef word) {
  return llvm::StringSwitch<bool>(word)
      .Cases({"let", "return", "for", "in", "repeat", "if", "then", "else", "true", "false"}, true)
      .Default(false);
}

class Parser {
public:
  Parser(const Sources &sources, unsigned file, Diagnostics &diagnostics)
      : text(sources.text(file)), file(file), diagnostics(diagnostics), tree(std::make_unique<Tree>()) {
    tree->tokens = lex(sources, file, diagnostics);
  }

  std::unique_ptr<Tree> run();

private:
  // --- tokens ---
  const Token &token() const { return tree->tokens.tokens[at]; }
  const Token &tokenAfter(unsigned n) const {
    size_t last = tree->tokens.tokens.size() - 1;
    return tree->tokens.tokens[std::min<size_t>(at + n, last)];
  }
  Span span(const Token &t) const { return {file, t.begin, t.end}; }
  Span here() const { return span(token()); }
  Span previous() const { return span(tree->tokens.tokens[at == 0 ? 0 : at - 1]); }
  llvm::StringRef spelling(const Token &t) const { return text.slice(t.begin, t.end); }
  bool is(Tok kind) const { return token().kind == kind; }
  bool isWord(llvm::StringRef word) const { return is(Tok::Ident) && spelling(token()) == word; }
  void advance() {
    if (!is(Tok::End))
      ++at;
  }
  bool accept(Tok kind) {
    if (!is(kind))
      return false;
    advance();
    return true;
  }
  bool acceptWord(llvm::StringRef word) {
    if (!isWord(word))
      return false;
    advance();
    return true;
  }
  void skipNewlines() {
    while (is(Tok::Newline))
      advance();
  }
  // The word `word`, on this line or after line ends.
  bool acceptWordOnNextLine(llvm::StringRef word) {
    unsigned start = at;
    skipNewlines();
    if (acceptWord(word))
      return true;
    at = start;
    return false;
  }

  // --- errors: each parse function returns false or null after it has reported one ---
  std::string found() const {
    const Token &t = token();
    if (t.kind == Tok::Ident)
      return ("`" + spelling(t) + "`").str();
    if (t.kind == Tok::Newline && spelling(t) == ";")
      return "`;`";
    return describe(t.kind).str();
  }
  bool expected(const llvm::Twine &what) {
    diagnostics.error(here(), "expected " + what + ", found " + found());
    return false;
  }
  bool expect(Tok kind, const llvm::Twine &where) {
    if (accept(kind))
      return true;
    return expected(describe(kind) + " " + where);
  }
  bool expectClose(Tok kind, Span open, llvm::StringRef opener) {
    if (accept(kind))
      return true;
    expected(describe(kind));
    diagnostics.note(open, "to match this " + opener);
    return false;
  }
  bool name(llvm::StringRef &result, Span &where, const llvm::Twine &what) {
    if (!is(Tok::Ident))
      return expected(what);
    if (isReserved(spelling(token()))) {
      diagnostics.error(here(), "expected " + what + "; `" + spelling(token()) + "` is a word of the language");
      return false;
    }
    result = spelling(token());
    where = here();
    advance();
    return true;
  }
  bool endOfStatement() {
    if (accept(Tok::Newline) || is(Tok::RBrace) || is(Tok::End))
      return true;
    return expected("the end of the statement");
  }
  void skipStatement();
  void skipDeclaration();

  // --- expressions ---
  Expr *make(ExprKind kind, Span where) {
    Expr &e = tree->expressions.emplace_back();
    e.kind = kind;
    e.span = where;
    return &e;
  }
  bool tall(Expr &e);
  const Expr *expression();
  const Expr *comparison();
  const Expr *sum();
  const Expr *product();
  const Expr *unary();
  const Expr *power();
  const Expr *postfix();
  const Expr *primary();
  const Expr *binary(BinaryOp op, const Expr *a, Span opSpan, const Expr *b);
  bool arguments(std::vector<Argument> &result, Span open, unsigned &height);

  // --- statements and declarations ---
  Stmt *makeStmt(StmtKind kind) {
    Stmt &s = tree->statements.emplace_back();
    s.kind = kind;
    s.span = here();
    return &s;
  }
  bool body(Body &result, llvm::StringRef what);
  const Stmt *statement();
  const Stmt *forStatement();
  const Stmt *ifStatement();
  const Stmt *weightStatement();
  bool declaration();
  bool declarationOf(Decl &decl);
  bool parameters(std::vector<Parameter> &result, bool typed);
  bool signature(Decl &decl);

  static constexpr unsigned kMaxHeight = 300;
  static constexpr unsigned kMaxDepth = 100;
  struct Depth {
    explicit Depth(Parser &p) : parser(p) { ++parser.depth; }
    ~Depth() { --parser.depth; }
    Parser &parser;
  };
  bool tooDeep() {
    if (depth < kMaxDepth)
      return false;
    diagnostics.error(here(), "nested too deeply: at most " + llvm::Twine(kMaxDepth) + " levels");
    return true;
  }

  llvm::StringRef text;
  unsigned file;
  Diagnostics &diagnostics;
  std::unique_ptr<Tree> tree;
  unsigned at = 0;
  unsigned depth = 0;
};

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

} // namespace

std::unique_ptr<Tree> parse(const Sources &sources, unsigned file, Diagnostics &diagnostics) {
  return Parser(sources, file, diagnostics).run();
}

} // namespace mirl::frontend
