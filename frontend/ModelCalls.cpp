// The functions of models: each checks shapes, so that what reaches nn is well-formed.

#include <cmath>

#include "frontend/LowerModel.h"
#include "llvm/ADT/StringSwitch.h"

namespace mirl::frontend {

Val ModelLowering::evalCall(const Expr &e) {
  // config.get("key"[, default])
  if (e.a->kind == ExprKind::Field) {
    Val object = eval(*e.a->a);
    if (object.isError())
      return object;
    if (object.kind != ValKind::Config || e.a->text != "get")
      return error(e.a->span, "unknown method; a model's config has get(\"key\", default)");
    llvm::SmallVector<const Expr *> args;
    if (!bind(e, "get", {{"key"}, {"default", false}}, args))
      return Val::error();
    if (args[0]->kind != ExprKind::String)
      return error(args[0]->span, "a key is a string");
    return configGet(e, args[0]->text, args[1]);
  }
  if (e.a->kind != ExprKind::Name)
    return error(e.a->span, "only a function can be called");
  using Handler = Val (ModelLowering::*)(const Expr &);
  llvm::StringRef name = e.a->text;
  Handler handler = llvm::StringSwitch<Handler>(name)
                        .Case("embedding", &ModelLowering::callEmbedding)
                        .Case("linear", &ModelLowering::callLinear)
                        .Case("rms_norm", &ModelLowering::callRmsNorm)
                        .Case("rotary", &ModelLowering::callRotary)
                        .Case("attention", &ModelLowering::callAttention)
                        .Cases({"silu", "sigmoid", "exp", "tanh"}, &ModelLowering::callUnary)
                        .Case("head", &ModelLowering::callHead)
                        .Default(nullptr);
  if (handler)
    return (this->*handler)(e);
  static constexpr llvm::StringLiteral names[] = {"embedding", "linear", "rms_norm", "rotary", "attention",
                                                  "silu", "sigmoid", "exp", "tanh", "head"};
  std::vector<llvm::StringRef> known(std::begin(names), std::end(names));
  return error(e.a->span, "unknown function `" + name + "` in a model" + didYouMean(name, known) + "; there are " + listOf(known));
}

Val ModelLowering::callEmbedding(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "embedding", {{"table"}}, args))
    return Val::error();
  mlir::Value table = weight(*args[0], 2, "the table of `embedding`");
  if (!table)
    return Val::error();
  return of(nn::EmbeddingOp::create(b, loc(e.span), rows(columns(table)), table, function.getArgument(0)));
}

Val ModelLowering::callLinear(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "linear", {{"x"}, {"w"}, {"bias", false}}, args))
    return Val::error();
  mlir::Value x = activations(*args[0], "the input of `linear`");
  mlir::Value w = weight(*args[1], 2, "the weight of `linear`");
  mlir::Value bias = args[2] ? weight(*args[2], 1, "the bias of `linear`") : mlir::Value();
  if (!x || !w || (args[2] && !bias))
    return Val::error();
  if (columns(x) != columns(w))
    return error(e.span, "`linear` multiplies rows with rows: the input has " + llvm::Twine(columns(x)) +
                             " columns, the weight (" + shape(w) + ") wants " + llvm::Twine(columns(w)));
  int64_t out = typeOf(w).getShape()[0];
  if (bias && columns(bias) != out)
    return error(args[2]->span, "the bias has " + llvm::Twine(columns(bias)) + " elements, the weight (" + shape(w) +
                                    ") gives " + llvm::Twine(out) + " columns");
  return of(nn::LinearOp::create(b, loc(e.span), rows(out), x, w, bias, mlir::Value(), nn::NumericsAttr()));
}

Val ModelLowering::callRmsNorm(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "rms_norm", {{"x"}, {"w"}, {"eps"}}, args))
    return Val::error();
  mlir::Value x = activations(*args[0], "the input of `rms_norm`");
  mlir::Value w = weight(*args[1], 1, "the weight of `rms_norm`");
  auto eps = real(*args[2], "eps");
  if (!x || !w || !eps)
    return Val::error();
  if (columns(x) != columns(w))
    return error(e.span, "the input of `rms_norm` has " + llvm::Twine(columns(x)) + " columns, its weight " + llvm::Twine(columns(w)) + " elements");
  if (*eps < 0)
    return error(args[2]->span, "eps must not be negative");
  auto op = nn::RmsNormOp::create(b, loc(e.span), x.getType(), nn::rowsType(nn::Axis::context, {}, b.getF32Type()), x, w,
                                  b.getF32FloatAttr(*eps), nn::NumericsAttr());
  return of(op.getResult());
}

// Row p: cos(p · theta^(−2i/hd)) for i < hd/2, then the sines; computed in double, rounded once.
mlir::Value ModelLowering::rotaryTable(int64_t headDim, double theta, mlir::Location location) {
  mlir::Value &known = tables[{headDim, theta}];
  if (known)
    return known;
  int64_t half = headDim / 2;
  std::vector<float> values(context * headDim);
  for (int64_t i = 0; i < half; ++i) {
    double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(headDim));
    for (int64_t p = 0; p < context; ++p) {
      values[p * headDim + i] = static_cast<float>(std::cos(static_cast<double>(p) * frequency));
      values[p * headDim + half + i] = static_cast<float>(std::sin(static_cast<double>(p) * frequency));
    }
  }
  auto type = mlir::RankedTensorType::get({context, headDim}, b.getF32Type());
  mlir::OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  known = nn::ConstantOp::create(b, location, type, mlir::DenseElementsAttr::get(type, llvm::ArrayRef<float>(values)));
  return known;
}

Val ModelLowering::callRotary(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "rotary", {{"x"}, {"head_dim"}, {"theta", false}}, args))
    return Val::error();
  mlir::Value x = activations(*args[0], "the input of `rotary`");
  auto headDim = whole(*args[1], "the head dimension of `rotary`", 2, 65536);
  auto theta = args[2] ? real(*args[2], "theta") : std::optional<double>(10000.0);
  if (!x || !headDim || !theta)
    return Val::error();
  if (*headDim % 2 != 0)
    return error(args[1]->span, "`rotary` turns pairs of columns: the head dimension must be even, found " + llvm::Twine(*headDim));
  if (columns(x) % *headDim != 0)
    return error(e.span, "the input of `rotary` has " + llvm::Twine(columns(x)) + " columns, which is not a multiple of the head dimension " + llvm::Twine(*headDim));
  if (!(*theta >= 1 && *theta <= 1e12))
    return error(args[2] ? args[2]->span : e.span, "theta must be a number from 1 to 1e12");
  if (context * *headDim > (int64_t(1) << 28))
    return error(e.span, "the rotary table would have " + llvm::Twine(context) + " x " + llvm::Twine(*headDim) + " elements: declare a smaller `capacity context`");
  mlir::Value table = rotaryTable(*headDim, *theta, loc(e.span));
  return of(nn::RotaryOp::create(b, loc(e.span), x.getType(), x, function.getArgument(1), table, b.getI64IntegerAttr(*headDim), mlir::UnitAttr()));
}

Val ModelLowering::callAttention(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "attention", {{"q"}, {"k"}, {"v"}, {"heads"}, {"kv_heads", false}, {"scale", false}}, args))
    return Val::error();
  mlir::Value q = activations(*args[0], "the query of `attention`");
  mlir::Value k = activations(*args[1], "the key of `attention`");
  mlir::Value v = activations(*args[2], "the value of `attention`");
  auto heads = whole(*args[3], "the heads of `attention`", 1, 65536);
  auto kvHeads = args[4] ? whole(*args[4], "the key/value heads of `attention`", 1, 65536) : heads;
  if (!q || !k || !v || !heads || !kvHeads)
    return Val::error();
  if (*heads % *kvHeads != 0)
    return error(e.span, llvm::Twine(*heads) + " heads cannot share " + llvm::Twine(*kvHeads) + " key/value heads evenly");
  if (columns(q) % *heads != 0)
    return error(args[0]->span, "the query has " + llvm::Twine(columns(q)) + " columns, which is not a multiple of " + llvm::Twine(*heads) + " heads");
  int64_t headDim = columns(q) / *heads;
  for (auto [value, arg, word] : {std::make_tuple(k, args[1], "key"), std::make_tuple(v, args[2], "value")})
    if (columns(value) != *kvHeads * headDim)
      return error(arg->span, llvm::Twine("the ") + word + " has " + llvm::Twine(columns(value)) + " columns, but " + llvm::Twine(*kvHeads) +
                                  " heads of " + llvm::Twine(headDim) + " are " + llvm::Twine(*kvHeads * headDim));
  auto scale = args[5] ? real(*args[5], "the scale of `attention`") : std::optional<double>(1.0 / std::sqrt(static_cast<double>(headDim)));
  if (!scale)
    return Val::error();
  auto op = nn::AttentionOp::create(b, loc(e.span), q.getType(), rows(*heads), q, k, v, function.getArgument(2),
                                    b.getI64IntegerAttr(*heads), b.getI64IntegerAttr(*kvHeads), b.getF32FloatAttr(*scale), nn::NumericsAttr(), mlir::IntegerAttr());
  return of(op.getResult());
}

Val ModelLowering::callUnary(const Expr &e) {
  llvm::StringRef name = e.a->text;
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, name, {{"x"}}, args))
    return Val::error();
  mlir::Value x = tensor(*args[0], "the argument of `" + name + "`");
  return x ? of(nn::UnaryOp::create(b, loc(e.span), x.getType(), *nn::symbolizeUnaryKind(name), x)) : Val::error();
}

Val ModelLowering::callHead(const Expr &e) {
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "head", {{"hidden"}, {"weight"}}, args))
    return Val::error();
  mlir::Value hidden = activations(*args[0], "the hidden states of `head`");
  mlir::Value w = weight(*args[1], 2, "the weight of `head`");
  if (!hidden || !w)
    return Val::error();
  if (columns(hidden) != columns(w))
    return error(e.span, "the hidden states have " + llvm::Twine(columns(hidden)) + " columns, the head's weight (" + shape(w) + ") wants " + llvm::Twine(columns(w)));
  headSpan = e.span;
  mlir::func::ReturnOp::create(b, loc(e.span), mlir::ValueRange{hidden, w});
  function.setFunctionType(b.getFunctionType(function.getArgumentTypes(), {hidden.getType(), w.getType()}));
  return Val::none();
}

} // namespace mirl::frontend
