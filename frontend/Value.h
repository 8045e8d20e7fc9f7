// What an expression evaluates to, in algorithms and in models.

#ifndef MIRL_FRONTEND_VALUE_H
#define MIRL_FRONTEND_VALUE_H

#include <string>

#include "frontend/Ast.h"
#include "mlir/IR/Value.h"

namespace mirl::frontend {

enum class ValKind {
  Error,      // was reported; absorbs what follows
  None,       // a statement's nothing
  Int, Float, Bool, String, // known at compile time
  Scoped,     // a number per token, sequence, group or batch (!rl.per)
  Prompts, Trajectory,
  Drawn,      // records of a dataset: prompts or a trajectory, by first use
  Policy, Optimizer, Dataset,
  Tensor,     // in a model
  Config,     // the config of a model
};

struct Val {
  ValKind kind = ValKind::Error;
  int64_t integer = 0; // Int, Bool
  double number = 0;   // Float
  std::string text;    // String
  mlir::Value value;   // Scoped, Prompts, Trajectory, Drawn, Tensor
  const Decl *decl = nullptr; // Policy, Optimizer, Dataset

  static Val error() { return {}; }
  static Val of(ValKind kind, mlir::Value value = {}) {
    Val v;
    v.kind = kind;
    v.value = value;
    return v;
  }
  static Val of(ValKind kind, const Decl *decl) {
    Val v;
    v.kind = kind;
    v.decl = decl;
    return v;
  }
  static Val none() { return of(ValKind::None); }
  static Val ofInt(int64_t i) {
    Val v = of(ValKind::Int);
    v.integer = i;
    return v;
  }
  static Val ofBool(bool b) {
    Val v = of(ValKind::Bool);
    v.integer = b;
    return v;
  }
  static Val ofFloat(double f) {
    Val v = of(ValKind::Float);
    v.number = f;
    return v;
  }
  static Val ofString(llvm::StringRef s) {
    Val v = of(ValKind::String);
    v.text = s.str();
    return v;
  }

  bool isError() const { return kind == ValKind::Error; }
  bool isNumber() const { return kind == ValKind::Int || kind == ValKind::Float; }
  bool isConstant() const { return isNumber() || kind == ValKind::Bool || kind == ValKind::String; }
  double asDouble() const { return kind == ValKind::Float ? number : static_cast<double>(integer); }
  // "the whole number 3", "a value per token", "a policy"
  std::string describe() const;
};

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_VALUE_H
