// group-launches: ops that one launch serves stand behind each other and say so.
//
// In: nn ops after assign-numerics, for a GPU. Out: the ops of a group (LaunchGroups.h) follow each
// other and carry its number, nn.group. Nothing else changes: an op that joins a group moves up to
// the group's first op, and only when all that it reads is there by then. Here, because only now is
// it known which sums are the tensor cores'; it is on nn because decode, prefill, score and train
// have the same ops.
//
// A launch costs microseconds however small, and products that are too small for the machine fill
// it together.
//
// So that no value lives much longer than before:
//  - a product joins only when no sum but products of the same operand stands between it and the
//    group: within one stage of a layer;
//  - a weight's gradient, which is added to memory that is there anyway, joins from anywhere; so do
//    the updates and the norms of a step, all of which are of memory that is there anyway.

#include "dialects/plan/Plan.h"
#include "passes/LaunchGroups.h"
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"

namespace mirl::passes {
#define GEN_PASS_DEF_GROUPLAUNCHES
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

class Grouping {
public:
  explicit Grouping(func::FuncOp function) : function_(function), block_(function.front()) {}
  void run();

private:
  using Ops = SmallVector<Operation *>;
  bool isFree(Operation *op) { return !op->hasAttr(kGroupAttr); }
  bool isGroup(ArrayRef<Operation *> ops) { return !groupFault(ops); }
  bool canRise(Operation *op, const Ops &group);
  bool endsStage(Operation *op, Value operand);
  void programs(nn::FusedOp fused);
  void products(nn::LinearOp first);
  void weightGrads(nn::LinearWeightGradOp first);
  Ops rotations(nn::KvAppendOp append);
  void cacheProducts(nn::KvAppendOp append);
  void cache(nn::KvAppendOp append);
  void updates(nn::AdamwOp first);
  void norms(nn::SquaredNormOp first);
  void rowNorm(nn::RmsNormOp norm);
  void join(const Ops &group);
  void joinBehindFirst(const Ops &group); // where they are one, and can

  func::FuncOp function_;
  Block &block_;
  int64_t groups_ = 0;
};

// Whether all that `op` reads is there before the group's first op, or made by the group.
bool Grouping::canRise(Operation *op, const Ops &group) {
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    Operation *def = operand.getDefiningOp();
    return !def || llvm::is_contained(group, def) || def->isBeforeInBlock(group.front());
  });
}

// Whether `op` is a sum, other than a product of `operand`.
bool Grouping::endsStage(Operation *op, Value operand) {
  auto linear = dyn_cast<nn::LinearOp>(op);
  return op->hasAttr("numerics") && !(linear && linear.getInput() == operand);
}

void Grouping::joinBehindFirst(const Ops &group) {
  if (isGroup(group) &&
      llvm::all_of(group, [&](Operation *op) { return op == group.front() || canRise(op, group); }))
    join(group);
}

void Grouping::join(const Ops &group) {
  auto number = IntegerAttr::get(IntegerType::get(group.front()->getContext(), 64), groups_++);
  Operation *last = group.front();
  for (Operation *op : group) {
    if (op != group.front())
      op->moveAfter(last);
    last = op;
    op->setAttr(kGroupAttr, number);
  }
}

// The products that an elementwise program reads, in the order of the block, and the program.
void Grouping::programs(nn::FusedOp fused) {
  llvm::SetVector<Operation *> read;
  for (Value input : fused.getInputs()) {
    Operation *def = input.getDefiningOp();
    if (!def || !isFree(def))
      return;
    read.insert(def);
  }
  Ops group(read.begin(), read.end());
  llvm::sort(group, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  group.push_back(fused);
  if (!isGroup(group))
    return;
  Value operand = group.front()->getOperand(0);
  for (Operation *op = group.front()->getNextNode(); op != fused.getOperation();
       op = op->getNextNode())
    if (endsStage(op, operand))
      return;
  joinBehindFirst(group);
}

void Grouping::products(nn::LinearOp first) {
  Ops group = {first};
  for (Operation *op = first->getNextNode(); op && group.size() < kMostProducts;
       op = op->getNextNode()) {
    auto linear = dyn_cast<nn::LinearOp>(op);
    Ops larger = group;
    larger.push_back(op);
    if (linear && isFree(op) && canRise(op, group) && isGroup(larger))
      group = std::move(larger);
    else if (endsStage(op, first.getInput()))
      break;
  }
  if (group.size() > 1)
    join(group);
}

void Grouping::weightGrads(nn::LinearWeightGradOp first) {
  Ops group = {first}, users(first.getInput().getUsers());
  llvm::sort(users, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : users) {
    if (op == group.back()) // it reads the input twice
      continue;
    Ops larger = group;
    larger.push_back(op);
    if (group.size() < kMostProducts && first->isBeforeInBlock(op) && isFree(op) &&
        canRise(op, group) && isGroup(larger))
      group = std::move(larger);
  }
  if (group.size() > 1)
    join(group);
}

// The rotations since the last sum that nn.kv_append may follow in one launch.
Grouping::Ops Grouping::rotations(nn::KvAppendOp append) {
  Ops found;
  for (Operation *op = append->getPrevNode(); op && !op->hasAttr("numerics");
       op = op->getPrevNode())
    if (isa<nn::RotaryOp>(op) && isFree(op))
      found.insert(found.begin(), op);
  return found;
}

// With the products that are rotated or appended, where these have few rows: the weights are the rows
// of a tile then, in an order in which a thread has both numbers that are rotated with each other.
void Grouping::cacheProducts(nn::KvAppendOp append) {
  Ops rotated = rotations(append), group;
  auto addProduct = [&](Value value) {
    if (auto linear = value.getDefiningOp<nn::LinearOp>(); linear && isFree(linear))
      group.push_back(linear);
  };
  for (Operation *op : rotated)
    addProduct(op->getOperand(0));
  addProduct(append.getValue());
  auto indices = cast<RankedTensorType>(append.getPositions().getType());
  std::optional<int64_t> bytes = plan::bytesAtCapacity(
      indices, function_->getAttrOfType<DictionaryAttr>(nn::attr::kCapacities));
  if (group.size() != 3 || !bytes || *bytes > kFewRows * indices.getElementTypeBitWidth() / 8)
    return;
  llvm::sort(group, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  group.append(rotated);
  group.push_back(append);
  joinBehindFirst(group);
}

void Grouping::cache(nn::KvAppendOp append) {
  Ops group = rotations(append);
  group.push_back(append);
  joinBehindFirst(group);
}

void Grouping::updates(nn::AdamwOp first) {
  Ops group = {first};
  for (Operation *op = first->getNextNode(); op; op = op->getNextNode()) {
    // Only against the first: the whole group is looked at once.
    if (isa<nn::AdamwOp>(op) && isFree(op) && canRise(op, {first}) && isGroup({first, op}))
      group.push_back(op);
  }
  if (group.size() > 1 && isGroup(group))
    join(group);
}

// The chain that begins with `first`.
void Grouping::norms(nn::SquaredNormOp first) {
  Ops group = {first};
  while (group.back()->hasOneUse()) {
    auto next = dyn_cast<nn::SquaredNormOp>(*group.back()->getUsers().begin());
    if (!next || next.getInto() != group.back()->getResult(0) || !isFree(next) || !canRise(next, group))
      break;
    group.push_back(next);
  }
  if (group.size() > 1 && isGroup(group))
    join(group);
}

// In front of the group that reads it, where there are few rows.
void Grouping::rowNorm(nn::RmsNormOp norm) {
  auto rows = cast<RankedTensorType>(norm.getInput().getType());
  std::optional<int64_t> bytes =
      plan::bytesAtCapacity(rows, function_->getAttrOfType<DictionaryAttr>(nn::attr::kCapacities));
  int64_t rowBytes = rows.getDimSize(1) * rows.getElementTypeBitWidth() / 8;
  if (!bytes || !normalisedByBlocks(llvm::divideCeil(*bytes, rowBytes), rowBytes) || norm.getResult().use_empty())
    return;
  Operation *user = *norm.getResult().user_begin();
  Attribute number = user->getAttr(kGroupAttr);
  if (!number)
    return;
  Ops group = {norm};
  for (Operation &op : block_)
    if (op.getAttr(kGroupAttr) == number)
      group.push_back(&op);
  if (!isGroup(group))
    return;
  norm->moveBefore(group[1]);
  norm->setAttr(kGroupAttr, number);
}

void Grouping::run() {
  // Programs and the cache's rows first: what they take is not to be had for a group of products alone.
  for (auto fused : llvm::to_vector(block_.getOps<nn::FusedOp>()))
    programs(fused);
  for (auto append : llvm::to_vector(block_.getOps<nn::KvAppendOp>()))
    cacheProducts(append);
  for (auto norm : llvm::to_vector(block_.getOps<nn::RmsNormOp>()))
    rowNorm(norm);
  for (auto linear : llvm::to_vector(block_.getOps<nn::LinearOp>()))
    if (isFree(linear))
      products(linear);
  for (auto append : llvm::to_vector(block_.getOps<nn::KvAppendOp>()))
    if (isFree(append))
      cache(append);
  for (auto grad : llvm::to_vector(block_.getOps<nn::LinearWeightGradOp>()))
    if (isFree(grad))
      weightGrads(grad);
  for (auto norm : llvm::to_vector(block_.getOps<nn::SquaredNormOp>()))
    if (isFree(norm))
      norms(norm);
  for (auto adamw : llvm::to_vector(block_.getOps<nn::AdamwOp>()))
    if (isFree(adamw))
      updates(adamw);
}

struct GroupLaunches : impl::GroupLaunchesBase<GroupLaunches> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(nn::attr::kModel) && llvm::hasSingleElement(function.getBody()))
      Grouping(function).run();
  }
};

} // namespace
} // namespace mirl::passes
