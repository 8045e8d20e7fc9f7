// What the tests of nn share: programs of nn ops as text, run by the float64 reference interpreter, and derivatives by
// differences to hold adjoints against.

#ifndef MIRL_TEST_UNIT_UNIT_H
#define MIRL_TEST_UNIT_UNIT_H

#include "dialects/nn/Nn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace mirl::test {

using nn::reference::Extents;
using nn::reference::Tensor;

// --- tensors -----------------------------------------------------------------------------------------

Tensor number(double value);
Tensor row(std::vector<double> values); // rank 1
Tensor tensor(std::vector<int64_t> shape, std::vector<double> values);
Tensor filled(std::vector<int64_t> shape, double value);
// Uniform in [low, high), from a seed.
Tensor random(std::vector<int64_t> shape, unsigned seed, double low = -1, double high = 1);
// The extents at which `type`'s dynamic dimension is as long as its axis.
std::vector<int64_t> shapeOf(mlir::RankedTensorType type, const Extents &extents);

// The same shape, and every element within tolerance · max(1, |expected|); infinities must be equal.
void expectNear(const Tensor &actual, const Tensor &expected, double tolerance = 1e-12, const std::string &what = "");

// --- modules -----------------------------------------------------------------------------------------

// One context with every dialect.
mlir::MLIRContext &context();
// Parses and verifies; the test fails when it cannot. Type aliases stand before the text: !f a number; !t !s !g !c
// f32 per token, sequence, group, context row; !ti !ci i32; !t4 !c4 (1 to 16) f32 rows of so many columns; !so !go the
// offsets of sequences and groups.
mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text);
// Runs a pipeline on a module or a function. With `errors` a failure is not the test's: the diagnostics are put there.
bool run(mlir::Operation *op, const std::string &pipeline, std::string *errors = nullptr);
// The function of this name, or the only one.
mlir::func::FuncOp functionOf(mlir::ModuleOp module, llvm::StringRef name = "");
// The results by the reference definitions of the function's ops; empty (and the test fails) when there is none.
std::vector<Tensor> interpret(mlir::func::FuncOp function, const std::vector<Tensor> &arguments, const Extents &extents);
// Ops of a kind in a function.
template <typename Op> unsigned count(mlir::func::FuncOp function) {
  auto ops = function.front().getOps<Op>();
  return static_cast<unsigned>(std::distance(ops.begin(), ops.end()));
}

// --- differences ---------------------------------------------------------------------------------------

// The derivative of f at x by central differences of fourth order: (8(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h. At
// h = 1e-3 the truncation error is h⁴/30 · f⁽⁵⁾ ≈ 3e-14 · f⁽⁵⁾ and the rounding error about 1e-16/h = 1e-13 · f, so the
// tests ask for 1e-8 · max(1, |derivative|). Values must stay further than 2h from where f has a kink.
inline constexpr double kStep = 1e-3, kDerivativeTolerance = 1e-8;
double difference(const std::function<double(double)> &f, double x);

// --- programs ------------------------------------------------------------------------------------------

// A function of nn ops with the values of its arguments.
class Program {
public:
  explicit Program(const Extents &extents = {}) : extents_(extents) {}

  // %name: type. With `wrt` its gradient is asked for as an output; with `weight` it is added into an accumulator, the
  // argument %name_grad, that starts from numbers of its own.
  Program &in(const std::string &name, const std::string &type, Tensor value);
  Program &wrt(const std::string &name, const std::string &type, Tensor value);
  Program &weight(const std::string &name, const std::string &type, Tensor value);
  // Lines of nn ops.
  Program &ops(const std::string &lines);

  // The values of `results`, "%y : !t, %z : !f".
  std::vector<Tensor> run(const std::string &results) const;
  // Every gradient of the loss %name (rank 0), as `differentiate` builds it, in the order of the arguments. An
  // accumulator's start is subtracted.
  std::vector<Tensor> gradients(const std::string &loss) const;
  // The same by differences of the reference.
  std::vector<Tensor> differences(const std::string &loss) const;
  // Expects both to agree.
  void checkGradients(const std::string &loss) const;

  // The function as text; with `loss` it asks for the gradients.
  std::string text(const std::string &results, bool loss) const;
  const std::vector<Tensor> &values() const { return values_; }
  const Extents &extents() const { return extents_; }

private:
  enum class Ask { None, Output, Accumulator };
  struct Argument {
    std::string name, type;
    Ask ask;
  };
  Program &add(const std::string &name, const std::string &type, Tensor value, Ask ask);

  Extents extents_;
  std::vector<Argument> arguments_;
  std::vector<Tensor> values_;
  std::string ops_;
};

// Fails for each op of nn that implements `Interface` and has no test `suite`.Name, where Name is the op's mnemonic in
// CamelCase.
void expectTestOfEveryOp(const std::string &suite, const std::function<bool(mlir::RegisteredOperationName)> &wanted);

} // namespace mirl::test

#endif // MIRL_TEST_UNIT_UNIT_H
