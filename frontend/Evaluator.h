// Walks expressions: folds what is known at compile time, and leaves scoped values and tensors to
// the two lowerings.

#ifndef MIRL_FRONTEND_EVALUATOR_H
#define MIRL_FRONTEND_EVALUATOR_H

#include "frontend/Program.h"
#include "llvm/ADT/SmallVector.h"

namespace mirl::frontend {

// A parameter of a function or of a builtin, for matching arguments.
struct Formal {
  llvm::StringRef name;
  bool required = true;
};

class Evaluator {
public:
  explicit Evaluator(Program &program) : program(program), diagnostics(program.diagnostics) {}
  virtual ~Evaluator() = default;

  Val eval(const Expr &e);

protected:
  // The parts of an expression that are not known at compile time.
  virtual Val evalName(const Expr &e) = 0;
  virtual Val evalField(const Expr &e);
  virtual Val evalCall(const Expr &e);
  virtual Val negate(const Expr &e, Val a);
  virtual Val binary(const Expr &e, Val a, Val b);
  virtual Val select(const Expr &e, Val condition);

  // A name that is a constant, or an error that names what there is.
  Val constantOrUnknown(const Expr &e, llvm::ArrayRef<llvm::StringRef> more);
  Val error(Span span, const llvm::Twine &message) {
    diagnostics.error(span, message);
    return Val::error();
  }
  // "adding needs numbers, found a string".
  Val operatorNeeds(const Expr &e, const Val &a, const Val &b, llvm::StringRef what);

  // Matches a call's arguments to parameters, by position and by name: null where none was given.
  // Reports unknown, double, missing and surplus ones.
  bool bind(const Expr &call, llvm::StringRef callee, llvm::ArrayRef<Formal> formals,
            llvm::SmallVectorImpl<const Expr *> &result);
  // Compile-time arguments. `what` completes "… must be …".
  std::optional<int64_t> intArgument(const Expr *e, llvm::StringRef what, int64_t from, int64_t to,
                                     int64_t otherwise);
  std::optional<double> floatArgument(const Expr *e, llvm::StringRef what, double from, double to,
                                      double otherwise);
  std::optional<std::string> stringArgument(const Expr *e, llvm::StringRef what);
  // The text of an expression when it is short, in backquotes; else "the value".
  std::string quote(const Expr &e) const;
  // False, after one error, when too much was evaluated.
  bool step(Span span);

  Program &program;
  Diagnostics &diagnostics;

private:
  Val foldNegate(const Expr &e, Val a);
  Val foldBinary(const Expr &e, Val a, Val b);

  unsigned depth = 0;
  uint64_t steps = 0;
};

// Evaluates compile-time constants: numbers, booleans, strings and names of `const`s.
class ConstantEvaluator : public Evaluator {
public:
  using Evaluator::Evaluator;

protected:
  Val evalName(const Expr &e) override { return constantOrUnknown(e, {}); }
};

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_EVALUATOR_H
