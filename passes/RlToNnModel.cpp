// rl-to-nn: policies. A policy is a model with variables of its own; its model is cloned into every
// entry that runs it, so that rollout and training are one definition.

#include "passes/RlToNn.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mirl::passes::lowering {

nn::VariableOp Program::makeVariable(Location loc, const Twine &name, StringRef kind, StringRef owner,
                                     StringRef weight, StringRef init, RankedTensorType type) {
  return nn::VariableOp::create(builder_, loc, name.str(), kind, owner, weight, init, type);
}

LogicalResult Program::makePolicy(rl::PolicyOp op) {
  Policy policy;
  policy.op = op;
  policy.model = symbol<func::FuncOp>(op.getModelAttr());
  auto head = cast<RankedTensorType>(policy.model.getFunctionType().getResult(1));
  policy.vocabulary = head.getDimSize(0);
  StringRef name = op.getSymName();
  for (auto weight : policy.model.getOps<nn::WeightOp>()) {
    nn::VariableOp &variable = policy.weights[weight.getNameAttr()];
    auto type = cast<RankedTensorType>(weight.getType());
    if (variable) {
      if (variable.getType() == type)
        continue;
      InFlightDiagnostic diagnostic = weight.emitOpError() << "must have the shape that the weight of this name has elsewhere in the model, "
                                                           << variable.getType() << ", has " << type;
      diagnostic.attachNote(variable.getLoc()) << "the other one is here";
      return diagnostic;
    }
    variable = makeVariable(weight.getLoc(), name + "/" + weight.getName(), "weight", name, weight.getName(),
                            weight.getInit(), type);
  }
  policies_.insert({op, std::move(policy)});
  return success();
}

nn::VariableOp Program::gradientOf(Policy &policy, Attribute name, unsigned n) {
  nn::VariableOp weight = policy.weights[name];
  auto &gradients = policy.gradients[name];
  while (gradients.size() <= n) {
    std::string number = gradients.empty() ? "" : "." + std::to_string(gradients.size());
    gradients.push_back(makeVariable(weight.getLoc(), weight.getSymName() + ".grad" + number, "gradient",
                                     weight.getOwner(), weight.getWeight(), "zeros",
                                     cast<RankedTensorType>(weight.getType())));
  }
  return gradients[n];
}

int64_t Program::tokensOfCall() const {
  return std::max(options_.context, options_.microTokens ? options_.microTokens : kTokensOfCall);
}

int64_t Program::slotsOf(const Policy &policy) const {
  // A wide batch feeds the matrix products; beyond this width the KV cache falls out of the
  // last-level cache and nothing is gained.
  constexpr int64_t kWide = 512;
  return options_.slots ? options_.slots : std::min(policy.sampled, kWide);
}

int64_t Program::blocksOfSequence() const { return llvm::divideCeil(options_.context, 16); }

int64_t Program::poolOf(const Policy &policy) const {
  return options_.kvBlocks ? options_.kvBlocks : slotsOf(policy) * blocksOfSequence();
}

LogicalResult Program::makeCaches(Policy &policy) {
  int64_t blocks = poolOf(policy);
  if (blocks < blocksOfSequence())
    return policy.op.emitError() << "--kv-blocks " << blocks << " cannot hold a sequence of the longest length: "
                                 << options_.context << " tokens need " << blocksOfSequence() << " blocks of 16";
  Type f32 = builder_.getF32Type();
  StringRef name = policy.op.getSymName();
  unsigned layer = 0;
  for (auto attention : policy.model.getOps<nn::AttentionOp>()) {
    int64_t heads = attention.getKvHeads();
    int64_t width = cast<RankedTensorType>(attention.getKey().getType()).getDimSize(1) / heads;
    auto make = [&](StringRef which, ArrayRef<int64_t> shape) {
      return makeVariable(attention.getLoc(), name + "/kv." + Twine(layer) + "." + which, "kv_cache", name, "", "zeros",
                          RankedTensorType::get(shape, f32));
    };
    nn::VariableOp keys = make("k", {blocks, heads, width, 16});
    policy.caches.push_back({keys, make("v", {blocks, heads, 16, width})});
    ++layer;
  }
  policy.table = makeVariable(policy.op.getLoc(), name + "/kv.table", "kv_table", name, "", "zeros",
                              RankedTensorType::get({slotsOf(policy), blocksOfSequence()}, builder_.getI32Type()));
  return success();
}

Program::Hidden Program::instantiate(Entry &entry, Policy &policy, bool cached) {
  OpBuilder &b = entry.builder();
  Location loc = policy.op.getLoc();
  Block &body = policy.model.getBody().front();
  IRMapping map;
  map.map(body.getArgument(0), entry.stream("ids", loc));
  map.map(body.getArgument(1), entry.stream("positions", loc));
  if (!cached)
    map.map(body.getArgument(2), entry.stream("sequence_offsets", loc));
  size_t layer = 0;
  for (Operation &op : body.without_terminator()) {
    if (auto weight = dyn_cast<nn::WeightOp>(op)) {
      map.map(weight.getResult(), entry.variable(policy.weights[weight.getNameAttr()]));
      continue;
    }
    auto attention = dyn_cast<nn::AttentionOp>(op);
    if (!attention || !cached) {
      Operation *copy = b.clone(op, map);
      if (attention && options_.context > 0)
        cast<nn::AttentionOp>(copy).setLongest(options_.context);
      continue;
    }
    auto [keys, values] = policy.caches[layer++];
    Value k = entry.variable(keys), v = entry.variable(values);
    Value table = entry.variable(policy.table);
    Value slots = entry.stream("slots", loc), positions = map.lookup(body.getArgument(1));
    auto append = nn::KvAppendOp::create(b, op.getLoc(), TypeRange{k.getType(), v.getType()},
                                         ValueRange{map.lookup(attention.getKey()), map.lookup(attention.getValue()), k,
                                                    v, table, slots, positions});
    auto attend = nn::PagedAttentionOp::create(
        b, op.getLoc(), attention.getResult().getType(), map.lookup(attention.getQuery()), append.getNewKeyCache(),
        append.getNewValueCache(), table, slots, positions, attention.getHeadsAttr(), attention.getKvHeadsAttr(),
        attention.getScaleAttr(), nn::NumericsAttr());
    entry.update(k, append.getNewKeyCache());
    entry.update(v, append.getNewValueCache());
    map.map(attention.getResult(), attend.getResult());
  }
  Operation *end = body.getTerminator();
  return {map.lookup(end->getOperand(0)), map.lookup(end->getOperand(1))};
}

// The hidden states that predict response tokens.
static Value gather(Entry &entry, Value hidden, Location loc) {
  auto type = cast<RankedTensorType>(hidden.getType());
  return nn::GatherRowsOp::create(entry.builder(), loc,
                                  nn::rowsType(nn::Axis::token, {type.getDimSize(1)}, type.getElementType()), hidden,
                                  entry.stream("rows", loc));
}

nn::LinearLogprobOp Program::logprobs(Entry &entry, const Hidden &hidden, Location loc, double temperature,
                                      bool entropy) {
  Type scalar = tensorOf(entry.context(), rl::Scope::token);
  return nn::LinearLogprobOp::create(entry.builder(), loc, scalar, scalar, entropy ? scalar : Type(),
                                     gather(entry, hidden.hidden, loc), hidden.head, entry.stream("targets", loc),
                                     entry.builder().getF32FloatAttr(static_cast<float>(temperature)));
}

// A call of prefill has room for a row of every slot, beside the rows of prompts.
int64_t Program::rowsOf(const Policy &policy, bool prefill) const {
  int64_t slots = slotsOf(policy);
  return prefill ? std::max(tokensOfCall(), 2 * slots) : slots;
}

SmallVector<int64_t> Program::fewRowsOf(const Policy &policy, bool prefill) const {
  SmallVector<int64_t> rows;
  for (int64_t most : prefill ? options_.prefillRows : options_.decodeRows)
    if (most > 0 && most < rowsOf(policy, prefill))
      rows.push_back(most);
  llvm::sort(rows);
  rows.erase(llvm::unique(rows), rows.end());
  return rows;
}

std::string Program::fewRowsName(const Policy &policy, bool prefill, int64_t rows) {
  rl::PolicyOp op = policy.op;
  return (op.getSymName() + (prefill ? ".prefill." : ".decode.") + Twine(rows)).str();
}

void Program::makeGenerate(Policy &policy, StringRef name, bool prefill, int64_t rows) {
  Location loc = policy.op.getLoc();
  Entry entry(module_, name.str(), prefill ? "prefill" : "decode", loc);
  OpBuilder &b = entry.builder();
  Hidden hidden = instantiate(entry, policy, /*cached=*/true);
  Type f32 = b.getF32Type(), i32 = b.getI32Type(), i64 = b.getI64Type();
  Value logits = nn::LinearOp::create(b, loc, nn::rowsType(nn::Axis::token, {policy.vocabulary}, f32),
                                      gather(entry, hidden.hidden, loc), hidden.head, Value(), Value(),
                                      nn::NumericsAttr());
  auto scalar = [&](StringRef source, Type type) { return entry.port(source, RankedTensorType::get({}, type), loc); };
  auto sample = nn::SampleOp::create(
      b, loc, nn::rowsType(nn::Axis::token, {}, i32), tensorOf(b.getContext(), rl::Scope::token), logits,
      entry.port("sequence_ids", nn::rowsType(nn::Axis::token, {}, i64), loc),
      entry.port("steps", nn::rowsType(nn::Axis::token, {}, i32), loc), scalar("seed", i64), scalar("temperature", f32),
      scalar("top_k", i32), scalar("top_p", f32), nn::NumericsAttr());
  entry.output(sample.getToken(), "token");
  entry.output(sample.getLogprob(), "logprob");
  int64_t sequences = std::min(rows, slotsOf(policy));
  entry.finish({rows, sequences, sequences, sequences});
}

void Program::makeScore(Policy &policy) {
  Location loc = policy.op.getLoc();
  Entry entry(module_, (policy.op.getSymName() + ".score").str(), "score", loc);
  auto op = logprobs(entry, instantiate(entry, policy, /*cached=*/false), loc, 1.0, /*entropy=*/true);
  entry.output(op.getLogprob(), "logprob");
  entry.output(op.getEntropy(), "entropy");
  int64_t tokens = tokensOfCall();
  entry.finish({tokens, tokens, tokens, tokens});
}

void Program::declarePolicy(Policy &policy) {
  MLIRContext *context = builder_.getContext();
  StringRef name = policy.op.getSymName();
  auto entry = [&](StringRef kind) { return FlatSymbolRefAttr::get(context, (name + "." + kind).str()); };
  bool generates = policy.generates();
  auto few = [&](bool prefill) {
    SmallVector<Attribute> names;
    for (int64_t rows : generates ? fewRowsOf(policy, prefill) : SmallVector<int64_t>())
      names.push_back(FlatSymbolRefAttr::get(context, fewRowsName(policy, prefill, rows)));
    return names.empty() ? ArrayAttr() : builder_.getArrayAttr(names);
  };
  plan::PolicyOp::create(builder_, policy.op.getLoc(), name, policy.op.getModel(), policy.op.getRole(),
                         generates ? entry("prefill") : FlatSymbolRefAttr(), generates ? entry("decode") : FlatSymbolRefAttr(),
                         few(/*prefill=*/true), few(/*prefill=*/false), entry("score"), policy.vocabulary, options_.context,
                         generates ? slotsOf(policy) : 0, generates ? poolOf(policy) : 0);
}

} // namespace mirl::passes::lowering
