// Verifiers of NnAdjointOps.td, and which operands their results take over.

#include "dialects/nn/VerifyShapes.h"

using namespace mlir;
using namespace mirl::nn;

LogicalResult EmbeddingGradOp::verify() {
  Named g{"gradient", getGradient()}, ids{"ids", getIds()}, into{"into", getInto()};
  ShapeCheck check(*this);
  check.rank(g, 2).rank(ids, 1).sameRows(ids, g).rank(into, 2).fixed(into).sameType({"result", getResult()}, into);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(into, 1, g.columns(), "the columns of the gradient");
}
int EmbeddingGradOp::getTiedOperand(unsigned) { return 2; }

LogicalResult LinearDataGradOp::verify() {
  Named g{"gradient", getGradient()}, w{"weight", getWeight()}, y{"result", getResult()};
  ShapeCheck check(*this);
  check.rank(g, 2).rank(w, 2).fixed(w).rank(y, 2).sameRows(y, g);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(g, 1, w.dim(0), "the rows of the weight").dim(y, 1, w.dim(1), "the columns of the weight");
}

LogicalResult LinearWeightGradOp::verify() {
  Named g{"gradient", getGradient()}, x{"input", getInput()}, into{"into", getInto()};
  ShapeCheck check(*this);
  check.rank(g, 2).rank(x, 2).sameRows(x, g).rank(into, 2).fixed(into).sameType({"result", getResult()}, into);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(into, 0, g.columns(), "the columns of the gradient").dim(into, 1, x.columns(), "the columns of the input");
}
int LinearWeightGradOp::getTiedOperand(unsigned) { return 2; }

LogicalResult ColumnSumOp::verify() {
  Named x{"input", getInput()}, into{"into", getInto()};
  ShapeCheck check(*this);
  check.rank(x, 2).rank(into, 1).fixed(into).sameType({"result", getResult()}, into);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(into, 0, x.columns(), "the columns of the input");
}
int ColumnSumOp::getTiedOperand(unsigned) { return 1; }

LogicalResult RmsNormDataGradOp::verify() {
  Named g{"gradient", getGradient()}, x{"input", getInput()}, w{"weight", getWeight()}, rstd{"rstd", getRstd()};
  ShapeCheck check(*this);
  check.rank(g, 2).sameType(x, g).sameType({"result", getResult()}, g).rank(w, 1).rank(rstd, 1).sameRows(rstd, g);
  if (getResidual())
    check.sameType({"residual", getResidual()}, g);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(w, 0, g.columns(), "the columns of the gradient");
}

LogicalResult RmsNormWeightGradOp::verify() {
  Named g{"gradient", getGradient()}, x{"input", getInput()}, rstd{"rstd", getRstd()}, into{"into", getInto()};
  ShapeCheck check(*this);
  check.rank(g, 2).sameType(x, g).rank(rstd, 1).sameRows(rstd, g).rank(into, 1).fixed(into).sameType({"result", getResult()}, into);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(into, 0, g.columns(), "the columns of the gradient");
}
int RmsNormWeightGradOp::getTiedOperand(unsigned) { return 3; }

LogicalResult AttentionGradOp::verify() {
  Named g{"gradient", getGradient()}, q{"query", getQuery()}, k{"key", getKey()}, v{"value", getValue()}, lse{"lse", getLse()};
  ShapeCheck check(*this);
  check.rank(q, 2).sameType(g, q).sameType({"result", getResult()}, q).rank(k, 2).sameRows(k, q).sameType(v, k);
  check.rank(lse, 2).sameRows(lse, q).offsets({"offsets", getOffsets()});
  check.sameType({"query_gradient", getQueryGradient()}, q).sameType({"key_gradient", getKeyGradient()}, k);
  check.sameType({"value_gradient", getValueGradient()}, v);
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  check.that(heads > 0 && kvHeads > 0 && heads % kvHeads == 0,
             "heads must be a positive multiple of kv_heads, are " + Twine(heads) + " and " + Twine(kvHeads));
  if (failed(LogicalResult(check)))
    return failure();
  return check.that(q.columns() % heads == 0, "query must have a multiple of heads columns")
      .dim(k, 1, q.columns() / heads * kvHeads, "kv_heads times the head dimension of the query")
      .dim(lse, 1, heads, "heads");
}

LogicalResult ScatterRowsOp::verify() {
  Named x{"input", getInput()}, rows{"rows", getRows()}, y{"result", getResult()};
  ShapeCheck check(*this);
  check.rank(x, 2).rank(rows, 1).sameRows(rows, x).rank(y, 2);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(y, 1, x.columns(), "the columns of the input");
}

LogicalResult LinearLogprobGradOp::verify() {
  Named g{"logprob_gradient", getLogprobGradient()}, h{"hidden", getHidden()}, w{"weight", getWeight()}, into{"into", getInto()};
  ShapeCheck check(*this);
  check.rank(g, 1).rank(h, 2).sameRows(g, h).rank(w, 2).fixed(w).sameShape(into, w).rank({"targets", getTargets()}, 1);
  check.sameRows({"targets", getTargets()}, h).sameType({"lse", getLse()}, g);
  check.that(!getEntropyGradient() == !getEntropy(), "entropy_gradient and entropy come together");
  if (getEntropy())
    check.sameType({"entropy", getEntropy()}, g).sameType({"entropy_gradient", getEntropyGradient()}, g);
  check.sameType({"hidden_gradient", getHiddenGradient()}, h).sameType({"weight_gradient", getWeightGradient()}, into);
  check.that(!getKeptLogits() == !getMaxima(), "kept_logits and maxima come together");
  if (failed(LogicalResult(check)))
    return failure();
  check.dim(w, 1, h.columns(), "the columns of hidden")
      .that(getTemperature().convertToFloat() > 0, "temperature must be positive");
  if (getKeptLogits() && succeeded(LogicalResult(check)))
    checkKept(check, {"kept_logits", getKeptLogits()}, {"maxima", getMaxima()}, h, w);
  return check;
}
int LinearLogprobGradOp::getTiedOperand(unsigned result) { return result == 1 ? 5 : -1; }

LogicalResult SquaredNormOp::verify() {
  return ShapeCheck(*this)
      .fixed({"input", getInput()})
      .scalar({"into", getInto()})
      .scalar({"result", getResult()});
}

LogicalResult AdamwOp::verify() {
  Named w{"weight", getWeight()};
  ShapeCheck check(*this);
  if (getCopy())
    check.sameShape({"copy", getCopy()}, w);
  return check.fixed(w)
      .that(w.type().getElementType().isF32(), "updates a weight in f32; a bf16 one is its `copy`")
      .sameType({"gradient", getGradient()}, w)
      .sameType({"moment1", getMoment1()}, w)
      .sameType({"moment2", getMoment2()}, w)
      .sameType({"new_weight", getNewWeight()}, w)
      .sameType({"new_moment1", getNewMoment1()}, w)
      .sameType({"new_moment2", getNewMoment2()}, w)
      .scalar({"lr", getLr()})
      .scalar({"step", getStep()})
      .scalar({"scale", getScale()});
}
int AdamwOp::getTiedOperand(unsigned result) { return result == 0 ? 0 : result < 3 ? static_cast<int>(result) + 1 : -1; }
