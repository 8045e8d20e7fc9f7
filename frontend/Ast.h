// The syntax tree. Nodes live in the pools of their file's tree and point to one another, so that
// freeing a deep tree does not recurse; strings point into the source text or into the tokens.

#ifndef MIRL_FRONTEND_AST_H
#define MIRL_FRONTEND_AST_H

#include <deque>
#include <memory>

#include "frontend/Lexer.h"

namespace mirl::frontend {

struct Expr;

// An argument of a call: `value` or `name = value`.
struct Argument {
  llvm::StringRef name;
  Span nameSpan;
  const Expr *value = nullptr;
};

enum class ExprKind { Int, Float, String, Bool, Name, Field, Negate, Binary, Call, If };
enum class BinaryOp { Add, Sub, Mul, Div, Pow, Eq, Ne, Lt, Le, Gt, Ge };

struct Expr {
  ExprKind kind = ExprKind::Int;
  Span span;
  Span nameSpan;             // of the name of a Field, of the operator of a Binary
  unsigned height = 1;       // of the tree below, bounded by the parser
  int64_t integer = 0;       // Int, Bool
  double number = 0;         // Float
  llvm::StringRef text;      // Name, Field, String
  BinaryOp op = BinaryOp::Add;
  const Expr *a = nullptr;   // operand; callee; object of a field; condition
  const Expr *b = nullptr;   // second operand; on true
  const Expr *c = nullptr;   // on false
  std::vector<Argument> arguments;
};

struct Stmt;
struct Body {
  std::vector<const Stmt *> statements;
  Span close; // the `}`
};

enum class StmtKind { Let, Assign, Return, Expression, For, Repeat, If, Weight };

struct Stmt {
  StmtKind kind = StmtKind::Expression;
  Span span;
  llvm::StringRef name; // Let, Assign, For, Weight
  Span nameSpan;
  const Expr *value = nullptr;           // Let, Assign, Expression; from of For; count; condition; init of Weight
  const Expr *to = nullptr;              // For over a range
  std::vector<const Expr *> values;      // Return; dimensions of a Weight
  const Expr *weightName = nullptr;      // a String
  Body body;                             // For, Repeat, If
  Body otherwise;                        // If
};

// `name: type [= default]` of a function, step or entry, or a result.
struct Parameter {
  llvm::StringRef name;
  Span span;
  llvm::StringRef type;
  Span typeSpan;
  const Expr *value = nullptr;
};

enum class DeclKind { Use, Const, Param, Data, Capacity, Policy, Optimizer, Step, Func, Entry, Model, Iteration };

struct Decl {
  DeclKind kind = DeclKind::Const;
  Span span; // of the declaration's head
  llvm::StringRef name;
  Span nameSpan;
  unsigned file = 0;
  llvm::StringRef type; // Const, Param; "model" of `use model`
  Span typeSpan;
  const Expr *value = nullptr; // Const, Param, Data, Capacity; the call of a Policy or Optimizer
  bool frozen = false;
  std::vector<Parameter> parameters;
  std::vector<Parameter> results;
  std::vector<std::pair<llvm::StringRef, Span>> gradients;
  Body body;
};

// A file's tree.
struct Tree {
  Tokens tokens;
  std::deque<Expr> expressions;
  std::deque<Stmt> statements;
  std::deque<Decl> declarations;
};

// "use", "const", …
llvm::StringRef describe(DeclKind kind);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_AST_H
