// The parser: a recursive descent over one file's tokens. Expressions are in ParseExpressions.cpp, statements and
// declarations in Parser.cpp.

#ifndef MIRL_FRONTEND_PARSERIMPL_H
#define MIRL_FRONTEND_PARSERIMPL_H

#include "frontend/Parser.h"

#include "llvm/ADT/StringSwitch.h"

namespace mirl::frontend {

// Words that cannot be names.
inline bool isReserved(llvm::StringRef word) {
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

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_PARSERIMPL_H
