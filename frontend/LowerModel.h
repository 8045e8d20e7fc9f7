// A model's source and its config.json to a function of nn ops. Loops and choices run here.

#ifndef MIRL_FRONTEND_LOWERMODEL_H
#define MIRL_FRONTEND_LOWERMODEL_H

#include "dialects/nn/Nn.h"
#include "frontend/Config.h"
#include "frontend/Evaluator.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace mirl::frontend {

class ModelLowering : public Evaluator {
public:
  // `context` is the number of positions that the rotary table holds.
  ModelLowering(Program &program, const Config &config, mlir::ModuleOp module, int64_t context)
      : Evaluator(program), config(config), module(module), b(module.getContext()), context(context) {}

  // func.func private @NAME(ids, positions, offsets) -> (hidden, head) at the end of the module.
  void run(const Decl &model);

protected:
  Val evalName(const Expr &e) override;
  Val evalField(const Expr &e) override;
  Val evalCall(const Expr &e) override;
  Val negate(const Expr &e, Val a) override;
  Val binary(const Expr &e, Val a, Val b) override;

private:
  struct Binding {
    Val value;
    Span span;
  };

  void runBody(const Body &body);
  void runStatement(const Stmt &s);
  void runFor(const Stmt &s);
  void runWeight(const Stmt &s);
  std::optional<std::string> weightName(const Stmt &s);
  std::optional<std::string> weightInit(const Stmt &s);
  bool bindName(llvm::StringRef name, Span span, Val value);
  Binding *find(llvm::StringRef name);

  Val configGet(const Expr &e, llvm::StringRef key, const Expr *otherwise);
  Val callEmbedding(const Expr &e);
  Val callLinear(const Expr &e);
  Val callRmsNorm(const Expr &e);
  Val callRotary(const Expr &e);
  Val callAttention(const Expr &e);
  Val callUnary(const Expr &e);
  Val callHead(const Expr &e);

  // Arguments: null or nullopt after an error.
  mlir::Value tensor(const Expr &e, const llvm::Twine &what);
  mlir::Value activations(const Expr &e, const llvm::Twine &what);
  mlir::Value weight(const Expr &e, unsigned rank, const llvm::Twine &what);
  std::optional<int64_t> whole(const Expr &e, const llvm::Twine &what, int64_t from, int64_t to);
  std::optional<double> real(const Expr &e, const llvm::Twine &what);
  mlir::Value rotaryTable(int64_t headDim, double theta, mlir::Location location);

  mlir::RankedTensorType rows(int64_t columns) {
    return nn::rowsType(nn::Axis::context, columns, b.getF32Type());
  }
  static mlir::RankedTensorType typeOf(mlir::Value v) { return llvm::cast<mlir::RankedTensorType>(v.getType()); }
  static int64_t columns(mlir::Value v) { return typeOf(v).getShape().back(); }
  static std::string shape(mlir::Value v);
  mlir::Location loc(Span span);
  Val of(mlir::Value v) { return Val::of(ValKind::Tensor, v); }

  const Config &config;
  mlir::ModuleOp module;
  mlir::OpBuilder b;
  int64_t context;
  mlir::func::FuncOp function;
  llvm::StringRef configName;
  std::vector<llvm::StringMap<Binding>> scopes;
  llvm::StringMap<Span> weights;
  std::map<std::pair<int64_t, double>, mlir::Value> tables;
  Span headSpan;
};

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_LOWERMODEL_H
