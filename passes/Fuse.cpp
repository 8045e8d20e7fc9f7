// fuse: fewer passes over memory, the same bits.
//
// In: nn ops after differentiate. Out:
//  - `add(linear(x, w), r)` is `linear(x, w) residual(r)` where the product has no other use: the
//    schedule adds bias, then residual to the finished sum, as the separate op did;
//  - `add(rms_norm_data_grad(…), r)` likewise takes the gradient that flows past the norm;
//  - the remaining elementwise ops (unary, binary, compare, select, splat, spread of a number,
//    stop_gradient, cast) are nn.fused: ops of one shape that follow each other, with nothing in between
//    that depends on them, become one loop; a loop moves up into the one whose results it uses where it can, and what a
//    loop can make from what it reads anyway is made in it once more instead of being read. Gradients that the entry
//    returns move down behind the loops that follow them. Codegen sees no elementwise op outside nn.fused (splats
//    that are results or initial accumulators aside).
// `nn.fused_from` on the results says what was fused.

#include "dialects/nn/ScalarExpansion.h"
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

namespace mirl::passes {
#define GEN_PASS_DEF_FUSE
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// A short name for reports: "silu", "mul", "linear".
StringRef shortName(Operation *op) {
  if (auto unary = dyn_cast<nn::UnaryOp>(op))
    return nn::stringifyUnaryKind(unary.getKind());
  if (auto binary = dyn_cast<nn::BinaryOp>(op))
    return nn::stringifyBinaryKind(binary.getKind());
  if (auto compare = dyn_cast<nn::CompareOp>(op))
    return nn::stringifyCompareKind(compare.getKind());
  return op->getName().stripDialect();
}

bool isElementwise(Operation *op) {
  return isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::StopGradientOp, nn::CastOp>(op);
}

// What ops of one loop have in common: the shape and what the rows are. Elements may be f32 or bf16.
Type loopType(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.clone(Float32Type::get(value.getContext()));
}

// Whether the result of an op is a bf16 that its expansion in f32 need not be.
bool rounds(Operation *op) {
  if (!cast<RankedTensorType>(op->getResult(0).getType()).getElementType().isBF16())
    return false;
  // These give one of their operands, its negative, or 0 or 1.
  if (auto unary = dyn_cast<nn::UnaryOp>(op))
    return unary.getKind() != nn::UnaryKind::neg && unary.getKind() != nn::UnaryKind::abs;
  if (auto binary = dyn_cast<nn::BinaryOp>(op))
    return binary.getKind() != nn::BinaryKind::min && binary.getKind() != nn::BinaryKind::max;
  return !isa<nn::CompareOp, nn::SelectOp, nn::StopGradientOp>(op);
}

// One element of an op in f32, rounded where the op's result is bf16.
Value expand(OpBuilder &builder, Operation *op, ValueRange operands) {
  Value value = nn::expandScalar(builder, op, operands);
  if (!rounds(op))
    return value;
  value = arith::TruncFOp::create(builder, op->getLoc(), builder.getBF16Type(), value);
  return arith::ExtFOp::create(builder, op->getLoc(), builder.getF32Type(), value);
}

// Free inside a loop: repeated in every group that wants it.
bool isFree(Operation *op) { return op && isa<nn::SplatOp, nn::SpreadOp>(op); }

// --- sums into the op before -------------------------------------------------------------------

// Moves the sum into `producer` when it is the sum's only user and takes a residual.
template <typename Op>
bool absorbInto(nn::BinaryOp sum, unsigned side) {
  auto producer = sum->getOperand(side).getDefiningOp<Op>();
  Value other = sum->getOperand(1 - side);
  if (!producer || producer.getResidual() || !producer.getResult().hasOneUse() || other == producer.getResult())
    return false;
  // The residual must exist where the producer runs: run it where the sum is.
  producer->moveBefore(sum);
  producer.getResidualMutable().assign(other);
  producer->setAttr("nn.fused_from", StringAttr::get(sum.getContext(), (shortName(producer) + " + residual").str()));
  sum.getResult().replaceAllUsesWith(producer.getResult());
  sum.erase();
  return true;
}

void absorbSums(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    if (auto sum = dyn_cast<nn::BinaryOp>(op); sum && sum.getKind() == nn::BinaryKind::add)
      for (unsigned side : {1u, 0u})
        if (absorbInto<nn::LinearOp>(sum, side) || absorbInto<nn::RmsNormDataGradOp>(sum, side))
          break;
}

// --- elementwise loops ---------------------------------------------------------------------------

// What is added to memory and read by the return alone (gradients) stands between loops that read the same tensors: it
// moves down behind the elementwise ops that follow it.
void sinkGradients(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block.without_terminator()))) {
    auto isReturn = [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); };
    if (!isa<nn::InPlaceOpInterface>(op) || !llvm::all_of(op.getUsers(), isReturn))
      continue;
    Operation *after = &op;
    for (Operation *next = op.getNextNode(); isElementwise(next) || isFree(next); next = next->getNextNode())
      after = next;
    if (after != &op)
      op.moveAfter(after);
  }
}

// Elementwise ops of one type that will be one loop, placed where the last of them stands.
struct Group {
  llvm::SetVector<Operation *> ops;
  Operation *last() const { return ops.back(); }
};

// Whether `group` can grow by `op`, the next op of its type in the block: no op of the group may be used by an op
// outside the group that stands before `op`, since the whole group moves down to `op`.
bool canJoin(const Group &group, Operation *op) {
  for (Operation *member : group.ops)
    for (Operation *user : member->getUsers())
      if (!group.ops.contains(user) && user != op && user->getBlock() == op->getBlock() && user->isBeforeInBlock(op))
        return false;
  return true;
}

// Whether two ops are worth one loop: one feeds the other, or they read a common tensor.
bool related(const Group &group, Operation *op) {
  for (Value operand : op->getOperands()) {
    if (isFree(operand.getDefiningOp()))
      continue;
    for (Operation *member : group.ops)
      if (operand.getDefiningOp() == member || llvm::is_contained(member->getOperands(), operand))
        return true;
  }
  return false;
}

SmallVector<Group> findGroups(Block &block) {
  SmallVector<Group> groups;
  for (Operation &op : block.without_terminator()) {
    if (!isElementwise(&op))
      continue;
    Group *home = nullptr;
    for (Group &group : llvm::reverse(groups))
      if (loopType(group.last()->getResult(0)) == loopType(op.getResult(0)) && related(group, &op) && canJoin(group, &op)) {
        home = &group;
        break;
      }
    if (!home)
      home = &groups.emplace_back();
    home->ops.insert(&op);
  }
  return groups;
}

// Moves the whole of `later` up to `group`, whose results it uses, when all else that it reads is there by then.
bool rise(Group &later, Group &group) {
  if (later.ops.empty() || group.ops.empty() || loopType(later.last()->getResult(0)) != loopType(group.last()->getResult(0)))
    return false;
  bool uses = false;
  for (Operation *op : later.ops)
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      uses |= def && group.ops.contains(def);
      if (def && !later.ops.contains(def) && !group.ops.contains(def) && !def->isBeforeInBlock(group.last()))
        return false;
    }
  if (!uses)
    return false;
  for (Operation *op : later.ops) {
    op->moveAfter(group.last());
    group.ops.insert(op);
  }
  later.ops.clear();
  return true;
}

// A tensor that another loop made from tensors which this loop reads anyway is made here once more: arithmetic is cheaper
// than memory, and often (silu in the adjoint of a gated MLP) nobody reads the other one then.
void recompute(Group &group, OpBuilder &builder) {
  llvm::SetVector<Value> read;
  for (Operation *op : group.ops)
    for (Value operand : op->getOperands())
      if (!group.ops.contains(operand.getDefiningOp()))
        read.insert(operand);
  for (Value value : read) {
    Operation *def = value.getDefiningOp();
    bool here = def && isElementwise(def) && llvm::all_of(def->getOperands(), [&](Value operand) {
      return loopType(operand) == loopType(value) && (read.contains(operand) || isFree(operand.getDefiningOp()));
    });
    if (!here)
      continue;
    Operation *first = *llvm::min_element(group.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    builder.setInsertionPoint(first);
    Operation *copy = builder.clone(*def);
    value.replaceUsesWithIf(copy->getResult(0), [&](OpOperand &use) { return group.ops.contains(use.getOwner()); });
    llvm::SetVector<Operation *> ops;
    ops.insert(copy);
    ops.insert(group.ops.begin(), group.ops.end());
    group.ops = std::move(ops);
  }
}

void buildFused(Group &group, OpBuilder &builder) {
  SmallVector<Value> inputs, results;
  std::string names;
  for (Operation *op : group.ops) {
    names += (names.empty() ? "" : ", ") + shortName(op).str();
    bool outside = llvm::any_of(op->getUsers(), [&](Operation *user) { return !group.ops.contains(user); });
    if (outside)
      results.push_back(op->getResult(0));
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def && group.ops.contains(def))
        continue;
      if (def && isa<nn::SplatOp>(def))
        continue;
      // A spread number enters as the number itself.
      Value input = def && isa<nn::SpreadOp>(def) ? def->getOperand(0) : operand;
      if (!llvm::is_contained(inputs, input))
        inputs.push_back(input);
    }
  }
  builder.setInsertionPoint(group.last());
  SmallVector<Type> types(llvm::map_range(results, [](Value v) { return v.getType(); }));
  SmallVector<Location> locs(llvm::map_range(group.ops, [](Operation *op) { return op->getLoc(); }));
  auto fused = nn::FusedOp::create(builder, group.last()->getLoc(), types, inputs);
  fused->setAttr("nn.fused_from", builder.getStringAttr(names));
  Block *body = builder.createBlock(&fused.getBody());
  IRMapping map;
  for (Value input : inputs)
    map.map(input, body->addArgument(builder.getF32Type(), input.getLoc()));
  for (Operation *op : group.ops) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def && isa<nn::SplatOp>(def))
        operands.push_back(expand(builder, def, {}));
      else if (def && isa<nn::SpreadOp>(def))
        operands.push_back(map.lookup(def->getOperand(0)));
      else
        operands.push_back(map.lookup(operand));
    }
    map.map(op->getResult(0), expand(builder, op, operands));
  }
  SmallVector<Value> yielded(llvm::map_range(results, [&](Value v) { return map.lookup(v); }));
  nn::YieldOp::create(builder, fused.getLoc(), yielded);
  for (auto [old, now] : llvm::zip(results, fused.getResults()))
    old.replaceAllUsesWith(now);
  for (Operation *op : llvm::reverse(group.ops))
    op->erase();
}

struct Fuse : impl::FuseBase<Fuse> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function->hasAttr(nn::attr::kModel) || !llvm::hasSingleElement(function.getBody()))
      return;
    Block &block = function.front();
    // A loop without results is no op.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
    absorbSums(block);
    sinkGradients(block);
    OpBuilder builder(function.getContext());
    SmallVector<Group> groups = findGroups(block);
    for (size_t later = 1; later < groups.size(); ++later)
      for (size_t group = later; group-- > 0;)
        if (rise(groups[later], groups[group]))
          break;
    llvm::erase_if(groups, [](Group &group) { return group.ops.empty(); });
    for (Group &group : groups)
      recompute(group, builder);
    // Ops whose results are made elsewhere now.
    for (Group &group : groups)
      group.ops.remove_if([](Operation *op) {
        if (!op->use_empty())
          return false;
        op->erase();
        return true;
      });
    for (Group &group : groups)
      if (!group.ops.empty())
        buildFused(group, builder);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isFree(&op) && op.use_empty())
        op.erase();
  }
};

} // namespace
} // namespace mirl::passes
