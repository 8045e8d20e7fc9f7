// Verifiers of NnModelOps.td.

#include "dialects/nn/VerifyShapes.h"

using namespace mlir;
using namespace mirl::nn;

static bool isInit(StringRef init) {
  double std;
  if (init == "zeros" || init == "ones")
    return true;
  return init.consume_front("normal:") && !init.getAsDouble(std) && std >= 0;
}

static constexpr StringLiteral kInitRule = "init must be zeros, ones or normal:<std>";

LogicalResult VariableOp::verify() {
  static constexpr StringLiteral kinds[] = {"weight", "master", "gradient", "moment1", "moment2", "kv_cache", "kv_table",
                                          "state"};
  auto type = cast<RankedTensorType>(getType());
  return ShapeCheck(*this)
      .that(llvm::is_contained(kinds, getKind()),
            "kind must be weight, master, gradient, moment1, moment2, kv_cache, kv_table or state, is '" + getKind() + "'")
      .that(isInit(getInit()), kInitRule + ", is '" + getInit() + "'")
      .that(type.hasStaticShape(), "a persistent tensor must have fixed dimensions");
}

LogicalResult WeightOp::verify() {
  return ShapeCheck(*this)
      .that(isInit(getInit()), kInitRule + ", is '" + getInit() + "'")
      .fixed({"weight", getResult()});
}

LogicalResult ConstantOp::verify() {
  return ShapeCheck(*this)
      .fixed({"result", getResult()})
      .that(getValue().getShapedType() == getResult().getType(), "the value must have the result's type");
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

LogicalResult EmbeddingOp::verify() {
  Named table{"table", getTable()}, ids{"ids", getIds()}, result{"result", getResult()};
  ShapeCheck check(*this);
  check.rank(table, 2).fixed(table).rank(ids, 1).rank(result, 2).sameRows(ids, result);
  return check.that(!succeeded(LogicalResult(check)) || result.columns() == table.columns(),
                    "result and table must have the same columns");
}

LogicalResult LinearOp::verify() {
  Named x{"input", getInput()}, w{"weight", getWeight()}, y{"result", getResult()};
  ShapeCheck check(*this);
  check.rank(x, 2).rank(w, 2).fixed(w).rank(y, 2).sameRows(x, y);
  if (failed(LogicalResult(check)))
    return failure();
  check.dim(x, 1, w.dim(1), "the columns of the weight").dim(y, 1, w.dim(0), "the rows of the weight");
  if (getBias())
    check.rank({"bias", getBias()}, 1).dim({"bias", getBias()}, 0, w.dim(0), "the rows of the weight");
  if (getResidual())
    check.sameType({"residual", getResidual()}, y);
  return check;
}

LogicalResult RmsNormOp::verify() {
  Named x{"input", getInput()}, w{"weight", getWeight()}, rstd{"rstd", getRstd()};
  ShapeCheck check(*this);
  check.rank(x, 2).rank(w, 1).sameType({"result", getResult()}, x).rank(rstd, 1).sameRows(x, rstd);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(w, 0, x.columns(), "the columns of the input")
      .that(getEps().convertToFloat() >= 0, "eps must not be negative");
}

LogicalResult RotaryOp::verify() {
  Named x{"input", getInput()}, positions{"positions", getPositions()}, table{"table", getTable()};
  int64_t head = getHeadDim();
  ShapeCheck check(*this);
  check.rank(x, 2).rank(positions, 1).rank(table, 2).fixed(table).sameRows(x, positions);
  check.that(head > 0 && head % 2 == 0, "head_dim must be even and positive, is " + Twine(head));
  if (failed(LogicalResult(check)))
    return failure();
  return check
      .that(x.columns() % head == 0, "input has " + Twine(x.columns()) + " columns, must have a multiple of head_dim = " + Twine(head))
      .dim(table, 1, head, "head_dim")
      .sameType({"result", getResult()}, x);
}

// The rules that attention over packed rows and over a cache share.
static ShapeCheck heads(Operation *op, Named query, Named result, int64_t heads, int64_t kvHeads) {
  ShapeCheck check(op);
  check.rank(query, 2).sameType(result, query);
  check.that(heads > 0 && kvHeads > 0 && heads % kvHeads == 0,
             "heads must be a positive multiple of kv_heads, are " + Twine(heads) + " and " + Twine(kvHeads));
  if (succeeded(LogicalResult(check)))
    check.that(query.columns() % heads == 0, "query has " + Twine(query.columns()) +
                                                 " columns, must have a multiple of heads = " + Twine(heads));
  return check;
}

LogicalResult AttentionOp::verify() {
  Named q{"query", getQuery()}, k{"key", getKey()}, v{"value", getValue()}, lse{"lse", getLse()};
  ShapeCheck check = heads(*this, q, {"result", getResult()}, getHeads(), getKvHeads());
  check.rank(k, 2).sameRows(k, q).sameType(v, k).offsets({"offsets", getOffsets()}).rank(lse, 2).sameRows(lse, q);
  if (failed(LogicalResult(check)))
    return failure();
  if (getLongest() && static_cast<int64_t>(*getLongest()) < 1)
    return emitOpError() << "longest, the rows of the longest sequence, is at least 1, not " << static_cast<int64_t>(*getLongest());
  return check.dim(k, 1, q.columns() / getHeads() * getKvHeads(), "kv_heads times the head dimension of the query")
      .dim(lse, 1, getHeads(), "heads");
}

// A key cache N×kv_heads×hd×16, a value cache N×kv_heads×16×hd and a table that belong together, and the slot and
// position of each row.
static ShapeCheck &caches(ShapeCheck &check, Named k, Named v, Named table, Named slots, Named positions, Named rows) {
  check.rank(k, 4).fixed(k).rank(v, 4).fixed(v).rank(table, 2).fixed(table);
  check.rank(slots, 1).sameRows(slots, rows).rank(positions, 1).sameRows(positions, rows);
  if (failed(LogicalResult(check)))
    return check;
  return check.dim(k, 3, 16, "keys lie in blocks of 16 positions")
      .dim(v, 0, k.dim(0), "the blocks of key_cache")
      .dim(v, 1, k.dim(1), "the heads of key_cache")
      .dim(v, 2, 16, "values lie in blocks of 16 positions")
      .dim(v, 3, k.dim(2), "the head dimension of key_cache");
}

LogicalResult KvAppendOp::verify() {
  Named k{"key", getKey()}, v{"value", getValue()}, kc{"key_cache", getKeyCache()}, vc{"value_cache", getValueCache()};
  ShapeCheck check(*this);
  check.rank(k, 2).sameType(v, k);
  caches(check, kc, vc, {"table", getTable()}, {"slots", getSlots()}, {"positions", getPositions()}, k);
  check.sameType({"new_key_cache", getNewKeyCache()}, kc).sameType({"new_value_cache", getNewValueCache()}, vc);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(k, 1, kc.dim(1) * kc.dim(2), "the cache's heads times its head dimension");
}

int KvAppendOp::getTiedOperand(unsigned result) { return result == 0 ? 2 : 3; }

LogicalResult PagedAttentionOp::verify() {
  Named q{"query", getQuery()}, kc{"key_cache", getKeyCache()}, vc{"value_cache", getValueCache()};
  ShapeCheck check = heads(*this, q, {"result", getResult()}, getHeads(), getKvHeads());
  caches(check, kc, vc, {"table", getTable()}, {"slots", getSlots()}, {"positions", getPositions()}, q);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(kc, 1, getKvHeads(), "kv_heads").dim(q, 1, kc.dim(2) * getHeads(), "heads times the cache's head dimension");
}

LogicalResult GatherRowsOp::verify() {
  Named x{"input", getInput()}, rows{"rows", getRows()}, y{"result", getResult()};
  ShapeCheck check(*this);
  check.rank(x, 2).rank(rows, 1).rank(y, 2).sameRows(y, rows);
  if (failed(LogicalResult(check)))
    return failure();
  return check.dim(y, 1, x.columns(), "the columns of the input");
}

LogicalResult LinearLogprobOp::verify() {
  Named h{"hidden", getHidden()}, w{"weight", getWeight()}, targets{"targets", getTargets()}, logprob{"logprob", getLogprob()};
  ShapeCheck check(*this);
  check.rank(h, 2).rank(w, 2).fixed(w).rank(targets, 1).sameRows(targets, h).rank(logprob, 1).sameRows(logprob, h);
  check.sameType({"lse", getLse()}, logprob);
  size_t more = getMore().size();
  int64_t kept = static_cast<int64_t>(getKept());
  check.that(more == (kept ? 2 : 0) || more == (kept ? 3 : 1),
             kept ? "has kept_logits and maxima as its last results, since it has `kept`"
                  : "has no third result but entropy without `kept`");
  if (failed(LogicalResult(check)))
    return failure();
  if (getEntropy())
    check.sameType({"entropy", getEntropy()}, logprob);
  check.dim(w, 1, h.columns(), "the columns of hidden")
      .that(getTemperature().convertToFloat() > 0, "temperature must be positive");
  if (kept && succeeded(LogicalResult(check)))
    checkKept(check, {"kept_logits", getKeptLogits()}, {"maxima", getMaxima()}, h, w)
        .dim({"kept_logits", getKeptLogits()}, 1, kept, "as many as `kept` says");
  return check;
}

LogicalResult SampleOp::verify() {
  Named z{"logits", getLogits()}, ids{"sequence_ids", getSequenceIds()}, steps{"steps", getSteps()};
  Named token{"token", getToken()}, logprob{"logprob", getLogprob()};
  return ShapeCheck(*this)
      .rank(z, 2)
      .rank(ids, 1)
      .sameRows(ids, z)
      .rank(steps, 1)
      .sameRows(steps, z)
      .scalar({"seed", getSeed()})
      .scalar({"temperature", getTemperature()})
      .scalar({"top_k", getTopK()})
      .scalar({"top_p", getTopP()})
      .rank(token, 1)
      .sameRows(token, z)
      .rank(logprob, 1)
      .sameRows(logprob, z);
}
