// What a group is (LaunchGroups.h).

#include "passes/LaunchGroups.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mirl::passes {
namespace {

bool isTensorCoreSum(Operation *op) {
  auto numerics = op->getAttrOfType<nn::NumericsAttr>("numerics");
  return numerics && numerics.getOrder() == "k16";
}

bool isNarrow(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType().isBF16();
}

using Fault = std::optional<GroupFault>;

Fault linearFault(nn::LinearOp op, nn::LinearOp first, bool program) {
  if (!isTensorCoreSum(op) || !isNarrow(op.getResult()))
    return GroupFault{op, "must be a product of the tensor cores with a result of bf16"};
  if (op.getInput() != first.getInput())
    return GroupFault{op, "must have the left operand of the group's first product"};
  if (op.getResidual())
    return GroupFault{op, "must have no residual"};
  if (program && op.getBias())
    return GroupFault{op, "must have no bias, since nn.fused follows in its group"};
  if (!op.getBias() != !first.getBias())
    return GroupFault{op,
                      "must have a bias where the group's first product has one, and nowhere else"};
  return std::nullopt;
}

// The program works on one element of each product.
Fault programFault(nn::FusedOp op, ArrayRef<Operation *> products) {
  Type shape = products.front()->getResult(0).getType();
  bool inputs = llvm::all_of(op.getInputs(), [&](Value input) {
    return llvm::is_contained(products, input.getDefiningOp()) && input.getType() == shape;
  });
  bool read = llvm::all_of(products, [&](Operation *product) {
    return llvm::is_contained(op.getInputs(), product->getResult(0));
  });
  if (!inputs || !read || products.size() > 2)
    return GroupFault{
        op,
        "must have the results of the group's one or two products as operands, and these alone"};
  if (op.getNumResults() == 0 || op.getNumResults() > kMostProgramResults ||
      llvm::any_of(op.getResultTypes(), [&](Type type) { return type != shape; }))
    return GroupFault{op, "must have one to three results, of the type of the group's products"};
  return std::nullopt;
}

Fault weightGradFault(nn::LinearWeightGradOp op, nn::LinearWeightGradOp first) {
  if (!isTensorCoreSum(op))
    return GroupFault{op, "must be a product of the tensor cores"};
  if (op.getInput() != first.getInput())
    return GroupFault{op, "must have the input of the group's first gradient"};
  return std::nullopt;
}

Fault cacheFault(nn::KvAppendOp append, ArrayRef<Operation *> rotaries) {
  int64_t head = cast<RankedTensorType>(append.getKeyCache().getType()).getDimSize(2);
  for (Operation *op : rotaries) {
    auto rotary = dyn_cast<nn::RotaryOp>(op);
    if (!rotary || rotary.getInverse() || rotary.getPositions() != append.getPositions() ||
        rotary.getTable() != rotaries.front()->getOperand(2) ||
        static_cast<int64_t>(rotary.getHeadDim()) != head || head % 32 != 0)
      return GroupFault{op, "must be an nn.rotary of the positions of the group's nn.kv_append, of "
                            "the group's table, with heads of whole 32 numbers"};
  }
  if (rotaries.size() > 2 || !llvm::is_contained(rotaries, append.getKey().getDefiningOp()))
    return GroupFault{append, "must have one of the group's one or two nn.rotary as its key"};
  return std::nullopt;
}

// Products, rotations of two of them, and the append that has the third: each is read within the group
// alone, but for the queries that come of it.
Fault cacheProductsFault(nn::KvAppendOp append, ArrayRef<Operation *> linears,
                         ArrayRef<Operation *> rotaries) {
  auto first = cast<nn::LinearOp>(linears.front());
  if (linears.size() != 3 || rotaries.size() != 2)
    return GroupFault{append, "must have three products and two nn.rotary before it in its group"};
  for (Operation *op : linears) {
    if (Fault fault = linearFault(cast<nn::LinearOp>(op), first, /*program=*/false))
      return fault;
    Operation *user = op->hasOneUse() ? *op->getUsers().begin() : nullptr;
    if (!user || (!llvm::is_contained(rotaries, user) && append.getValue() != op->getResult(0)))
      return GroupFault{op, "must be read once: by an nn.rotary of its group, or as the value of its "
                            "nn.kv_append"};
  }
  if (!isNarrow(append.getKeyCache()) || !append.getKey().hasOneUse() ||
      !llvm::is_contained(linears, append.getValue().getDefiningOp()))
    return GroupFault{append, "must have a cache of bf16, a product of its group as its value, and a "
                              "key that nothing else reads"};
  return std::nullopt;
}

// What stands behind the norm is a group.
Fault rowNormFault(nn::RmsNormOp norm, ArrayRef<Operation *> rest) {
  auto numerics = norm->getAttrOfType<nn::NumericsAttr>("numerics");
  bool narrow = isNarrow(norm.getInput()) && isNarrow(norm.getWeight()) && isNarrow(norm.getResult());
  if (!narrow || !numerics || numerics.getOrder() != "lanes" || numerics.getWidth() != 256)
    return GroupFault{norm, "must be of bf16, with sums in lanes of 256"};
  bool products = isa<nn::LinearOp>(rest.front()) && isa<nn::FusedOp, nn::KvAppendOp>(rest.back());
  if (!products || rest.front()->getOperand(0) != norm.getResult())
    return GroupFault{norm, "must make the left operand of products with a program or with the cache's new rows"};
  auto inGroup = [&](Operation *user) { return llvm::is_contained(rest, user); };
  if (!norm.getRstd().use_empty() || !llvm::all_of(norm.getResult().getUsers(), inGroup))
    return GroupFault{norm, "must have a result that its group alone reads, and an rstd that nobody reads"};
  return std::nullopt;
}

Fault adamwFault(Operation *op, nn::AdamwOp first) {
  auto adamw = dyn_cast<nn::AdamwOp>(op);
  if (!adamw)
    return GroupFault{op, "must be an nn.adamw, as all ops of its group"};
  if (adamw.getLr() != first.getLr() || adamw.getStep() != first.getStep() ||
      adamw.getScale() != first.getScale())
    return GroupFault{op, "must have the rate, the step and the scale of the group's first nn.adamw"};
  if (adamw.getBeta1() != first.getBeta1() || adamw.getBeta2() != first.getBeta2() ||
      adamw.getEps() != first.getEps() || adamw.getWeightDecay() != first.getWeightDecay())
    return GroupFault{op, "must have the coefficients of the group's first nn.adamw"};
  return std::nullopt;
}

Fault squaredNormFault(ArrayRef<Operation *> ops) {
  for (auto [before, op] : llvm::zip(ops, ops.drop_front())) {
    auto norm = dyn_cast<nn::SquaredNormOp>(op);
    if (!norm)
      return GroupFault{op, "must be an nn.squared_norm, as all ops of its group"};
    if (norm.getInto() != before->getResult(0))
      return GroupFault{op, "must be added to the result of the op before it in its group"};
    if (!before->hasOneUse())
      return GroupFault{before, "must have a result that the next op of its group alone adds to"};
  }
  return std::nullopt;
}

// The ops run at the same time, but for a program, rotations of products, and nn.kv_append, which come last.
Fault orderFault(ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    if (!isa<nn::FusedOp, nn::KvAppendOp>(op) &&
        llvm::any_of(op->getOperands(), [&](Value operand) {
          Operation *def = operand.getDefiningOp();
          return llvm::is_contained(ops, def) && !(isa<nn::RotaryOp>(op) && isa<nn::LinearOp>(def));
        }))
      return GroupFault{op, "must not read what another op of its group makes"};
    auto inPlace = dyn_cast<nn::InPlaceOpInterface>(op);
    for (unsigned i = 0; inPlace && i < op->getNumResults(); ++i)
      if (int tied = inPlace.getTiedOperand(i); tied >= 0)
        for (Operation *other : ops)
          if (other != op && llvm::is_contained(other->getOperands(), op->getOperand(tied)))
            return GroupFault{op, "must not overwrite what another op of its group reads"};
  }
  return std::nullopt;
}

} // namespace

Fault groupFault(ArrayRef<Operation *> ops) {
  if (auto norm = dyn_cast<nn::RmsNormOp>(ops.front()); norm && ops.size() > 1) {
    Fault fault = rowNormFault(norm, ops.drop_front());
    return fault ? fault : groupFault(ops.drop_front());
  }
  if (auto append = dyn_cast<nn::KvAppendOp>(ops.back()); append && ops.size() > 1) {
    ArrayRef<Operation *> linears = ops.take_while(llvm::IsaPred<nn::LinearOp>);
    ArrayRef<Operation *> rotaries = ops.drop_front(linears.size()).drop_back();
    Fault fault = cacheFault(append, rotaries);
    if (!fault && !linears.empty())
      fault = cacheProductsFault(append, linears, rotaries);
    return fault ? fault : orderFault(ops);
  }
  if (isa<nn::AdamwOp, nn::SquaredNormOp>(ops.front())) {
    if (ops.size() < 2)
      return GroupFault{ops.front(), "must not be alone in its group"};
    if (isa<nn::SquaredNormOp>(ops.front()))
      return squaredNormFault(ops);
    for (Operation *op : ops)
      if (Fault fault = adamwFault(op, cast<nn::AdamwOp>(ops.front())))
        return fault;
    return orderFault(ops);
  }
  bool program = isa<nn::FusedOp>(ops.back());
  ArrayRef<Operation *> products = program ? ops.drop_back() : ops;
  if (products.empty() || (ops.size() < 2))
    return GroupFault{ops.front(), "must have a product before it in its group, or behind it"};
  if (products.size() > kMostProducts)
    return GroupFault{ops[kMostProducts], "is one too many: a group has at most " +
                                              llvm::utostr(kMostProducts) + " products"};
  for (Operation *op : products) {
    Fault fault;
    if (auto linear = dyn_cast<nn::LinearOp>(op); linear && isa<nn::LinearOp>(products.front()))
      fault = linearFault(linear, cast<nn::LinearOp>(products.front()), program);
    else if (auto grad = dyn_cast<nn::LinearWeightGradOp>(op);
             grad && !program && isa<nn::LinearWeightGradOp>(products.front()))
      fault = weightGradFault(grad, cast<nn::LinearWeightGradOp>(products.front()));
    else
      fault = GroupFault{
          op, "must be an nn.linear or an nn.linear_weight_grad, as all products of its group"};
    if (fault)
      return fault;
  }
  if (program)
    if (Fault fault = programFault(cast<nn::FusedOp>(ops.back()), products))
      return fault;
  return orderFault(ops);
}

} // namespace mirl::passes
