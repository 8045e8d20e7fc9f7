// Declarations, steps, functions and entries to rl ops; scope inference and inlining on the way.

#ifndef MIRL_FRONTEND_LOWERRL_H
#define MIRL_FRONTEND_LOWERRL_H

#include "dialects/rl/Rl.h"
#include "frontend/Evaluator.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace mirl::frontend {

// The place of a span, as `file:line:col`.
mlir::Location locationOf(Program &program, mlir::MLIRContext *context, Span span);

// Where statements stand: what may be said there.
enum class Room { Function, Entry, Step, Iteration, Optimizer };

class RlLowering : public Evaluator {
public:
  RlLowering(Program &program, mlir::ModuleOp module)
      : Evaluator(program), module(module), b(module.getContext()) {}

  // Everything but the models. Errors go to the diagnostics.
  void run();
  // The models that policies use, each with the policy that did so first.
  std::vector<std::pair<const Decl *, const Decl *>> models;
  // The capacity `context`, where it was declared.
  std::optional<int64_t> context;

protected:
  Val evalName(const Expr &e) override;
  Val evalField(const Expr &e) override;
  Val evalCall(const Expr &e) override;
  Val negate(const Expr &e, Val a) override;
  Val binary(const Expr &e, Val a, Val b) override;
  Val select(const Expr &e, Val condition) override;

private:
  struct Binding {
    Val value;
    Span span;
  };
  using Scopes = std::vector<llvm::StringMap<Binding>>;

  // --- LowerRl.cpp: declarations and statements ---
  void declare(const Decl &decl);
  void declareCapacity(const Decl &decl);
  void declareData(const Decl &decl);
  void declarePolicy(const Decl &decl);
  void declareOptimizer(const Decl &decl);
  void declareStep(const Decl &decl);
  void declareEntry(const Decl &decl);
  void declareIteration(const Decl &decl);
  bool symbol(const Decl &decl);
  // Checks a function by itself, once; false when it has errors.
  bool checkFunction(const Decl &decl, Span caller);
  // The type that a word means; nullopt after an error. Scopes become !rl.per.
  mlir::Type typeOf(llvm::StringRef word, Span span, bool records, bool scopes);
  bool bindName(llvm::StringRef name, Span span, Val value);
  // Runs a body in a scope of its own. What `return` gave is in `returned`.
  void runBody(const Body &body);
  void runStatement(const Stmt &s);
  void runLoop(const Stmt &s);
  void runReturn(const Stmt &s);

  // --- LowerCalls.cpp: calls ---
  Val callFunction(const Expr &e, const Decl &decl);
  Val callStep(const Expr &e, const Decl &decl);
  Val callReduction(const Expr &e, rl::ReduceKind kind);
  Val callMaths(const Expr &e);
  Val callLogprob(const Expr &e, bool entropy);
  Val callMinimize(const Expr &e);
  Val callMetric(const Expr &e);

  // --- LowerRollouts.cpp: draw, sample, verify, score ---
  Val callVerifier(const Expr &e);
  Val callSample(const Expr &e);
  bool sampleOptions(const Expr &e, llvm::ArrayRef<const Expr *> args, mlir::NamedAttrList &more);
  mlir::Attribute countArgument(const Expr &e, llvm::StringRef what);
  Val callRescore(const Expr &e);
  Val callScore(const Expr &e);
  Val callDraw(const Expr &e);
  Val callEvaluate(const Expr &e);
  // The settings of a verifier; null after an error.
  mlir::DictionaryAttr verifierSettings(const Expr &e, bool withTrajectory, const Expr *&trajectory);
  bool onlyIn(const Expr &e, Room where, llvm::StringRef what);

  // --- values ---
  mlir::Type per(rl::Scope scope) { return rl::PerType::get(b.getContext(), scope, b.getF32Type()); }
  static rl::Scope scopeOf(mlir::Value v) { return llvm::cast<rl::PerType>(v.getType()).getScope(); }
  mlir::Location loc(Span span) { return locationOf(program, b.getContext(), span); }
  mlir::Location loc(const Expr &e) { return loc(e.span); }
  Val scoped(mlir::Value v) { return Val::of(ValKind::Scoped, v); }
  // A number as a scoped value; null when it is none.
  mlir::Value materialise(const Val &v, Span span);
  mlir::Value spread(mlir::Value v, rl::Scope to, Span span);
  // A value at a scope, for the use that `what` names ("the loss"): spread, or an error and null.
  mlir::Value at(const Expr &e, Val v, rl::Scope scope, const llvm::Twine &what);
  // The scoped operands of an elementwise op, at the finest of their scopes.
  bool same(llvm::MutableArrayRef<mlir::Value> values, Span span);
  mlir::Value unary(rl::UnaryKind kind, mlir::Value a, Span span);
  mlir::Value binaryOp(rl::BinaryKind kind, mlir::Value a, mlir::Value c, Span span);
  Val evalTrajectory(const Expr &e, const llvm::Twine &what);
  Val evalKind(const Expr &e, ValKind kind, const llvm::Twine &what);
  // Fixes what a draw gives: prompts or a trajectory.
  bool decide(Val &v, ValKind kind, Span span);

  mlir::ModuleOp module;
  mlir::OpBuilder b;
  Scopes scopes;
  Room room = Room::Function;
  std::vector<Val> returned;
  std::vector<Span> returnedSpans;
  bool hasReturned = false;
  bool mayReturn = true;
  unsigned inlineDepth = 0;
  enum class Check { Running, Good, Bad };
  std::map<const Decl *, Check> checked;
  llvm::StringMap<const Decl *> symbols;
  std::map<mlir::Operation *, ValKind> decided;
};

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_LOWERRL_H
