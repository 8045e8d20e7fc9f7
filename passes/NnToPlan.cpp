// nn-to-plan: entries of nn ops become plan.entry ops, and their kernels.
//
// In: nn.variable symbols and func.func entries (attribute nn.kind; docs/nn.md), every op of which is
// an nn op with fixed dimensions but for the first. Model functions (nn.model) may be left over.
// Out: for each entry a plan.entry with plan.buffer, plan.input, plan.alloc and commands, and a nested
// module @kernels with one llvm.func per distinct kernel (docs/plan.md, "Kernel ABI"). nn.variable
// symbols stay, since the plan's list of weights is made from them; functions are erased. nn.constant
// becomes a plan.constant, one for each distinct value.
//
// Which slice a value has:
//  - an argument bound to a variable: the variable's buffer; a port: its input;
//  - a result tied to an operand (InPlaceOpInterface): that operand's slice, when nobody reads the
//    operand later and its storage may be overwritten, else a fresh slice that is copied into first.
//    A variable may be overwritten when the value ends as the new value of that variable, an input
//    or a constant never;
//  - a result that becomes the new value of variable v (nn.alias), when v is no longer read: the
//    buffer of v itself, so zeroing gradients or storing a scalar costs no temporary;
//  - a value that only its own group reads (LaunchGroups.h): none;
//  - any other result: a fresh plan.alloc.
// With target=cuda the same schedules write their kernels through a SimtKernelBuilder; some ops have schedules of their
// own there (passes/cuda/TileSchedules.h).
//
// What is left of nn.alias after that are plan.copy ops at the end of the entry; sources that are
// variables themselves are staged first, so that two variables can be exchanged. One zero may become the value of
// many variables (all gradients are zeroed at once): each is filled.

#include "passes/LaunchGroups.h"
#include "passes/LibraryProducts.h"
#include "passes/Passes.h"
#include "passes/cpu/Schedules.h"
#include "passes/cuda/SimtKernelBuilder.h"
#include "passes/cuda/TileKernelBuilder.h"
#include "passes/cuda/TileSchedules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace mirl::passes {
#define GEN_PASS_DEF_NNTOPLAN
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

// Shared by the entries of a module: kernels and constants.
struct ModuleState {
  ModuleOp module;
  ModuleOp kernels;
  llvm::DenseMap<Attribute, FlatSymbolRefAttr> constants;
  llvm::StringSet<> kernelNames;
  bool cuda = false;
};

class EntryLowering : public cuda::Lowering {
public:
  EntryLowering(func::FuncOp function, ModuleState &state)
      : function_(function), state_(state), builder_(function.getContext()) {}

  LogicalResult run();

  MLIRContext *context() override { return function_.getContext(); }
  Value slice(Value tensor) override { return slices_.lookup(tensor); }
  Value scratch(RankedTensorType type, StringRef name) override { return alloc(type, name); }
  Value constant(ElementsAttr value) override;
  void launch(const cpu::LaunchSpec &spec,
              llvm::function_ref<void(cpu::KernelBuilder &)> body) override;
  void launchTiles(const cpu::LaunchSpec &spec, llvm::function_ref<void(LLVM::LLVMFuncOp)> body) override;
  Value &companion(Value tensor) override { return companions_[tensor]; }
  int64_t capacity(RankedTensorType type) override;
  bool stays(Value tensor) override;
  Value zeros(RankedTensorType type, StringRef name) override;
  bool threaded() const override { return state_.cuda; }
  int64_t itemElements(int64_t operands, bool narrow) const override {
    return state_.cuda ? cuda::elementsOfWarp(operands, narrow) : cpu::Lowering::itemElements(operands, narrow);
  }
  void fill(Value slice) override { plan::FillOp::create(builder_, loc_, slice); }
  void copy(Value from, Value to) override { plan::CopyOp::create(builder_, loc_, from, to); }
  void loop(plan::WorkAttr count, int64_t index, llvm::function_ref<void()> body) override;

private:
  LogicalResult lowerArguments();
  LogicalResult lowerOp(Operation *op);
  LogicalResult lowerGroup(ArrayRef<Operation *> ops);
  LogicalResult lowerReturn(func::ReturnOp op);
  void createLaunch(const cpu::LaunchSpec &spec, StringRef kernel);
  void finishCuda(LLVM::LLVMFuncOp kernel);
  void assignResults(Operation *op, ArrayRef<Operation *> group = {});
  void findForwarding(func::ReturnOp op);
  bool readAfter(Value value, Operation *op);
  Value alloc(RankedTensorType type, StringRef name);
  Operation *topLevel(Operation *op);

  func::FuncOp function_;
  ModuleState &state_;
  OpBuilder builder_;
  Location loc_ = builder_.getUnknownLoc();
  plan::EntryOp entry_;
  Operation *current_ = nullptr;
  llvm::DenseMap<Value, Value> slices_, companions_;
  llvm::DenseMap<std::pair<Type, StringRef>, Value> zeros_;
  // Values whose storage is a variable's that they may overwrite, or fresh.
  llvm::DenseSet<Value> overwritable_;
  // Value → the argument whose buffer it is computed into.
  llvm::DenseMap<Value, BlockArgument> forwarded_;
  bool kernelFailed_ = false;
  // Arguments at the root of an in-place chain that ends as their own new value.
  llvm::DenseSet<Value> updated_;
  SmallVector<Attribute> fused_;
};

// Walks from a result up the tied operands to where its storage began.
Value chainRoot(Value value) {
  while (auto inPlace = value.getDefiningOp<nn::InPlaceOpInterface>()) {
    int tied = inPlace.getTiedOperand(cast<OpResult>(value).getResultNumber());
    if (tied < 0)
      break;
    value = inPlace->getOperand(tied);
  }
  return value;
}

bool EntryLowering::readAfter(Value value, Operation *op) {
  return llvm::any_of(value.getUsers(),
                      [&](Operation *user) { return user != op && op->isBeforeInBlock(user); });
}

Operation *EntryLowering::topLevel(Operation *op) {
  while (op->getParentOp() != entry_)
    op = op->getParentOp();
  return op;
}

Value EntryLowering::zeros(RankedTensorType type, StringRef name) {
  Value &slice = zeros_[{type, name}];
  if (!slice) {
    slice = alloc(type, name);
    fill(slice);
  }
  return slice;
}

Value EntryLowering::alloc(RankedTensorType type, StringRef name) {
  OpBuilder::InsertionGuard guard(builder_);
  // Inside a plan.loop: before it, since slices belong to the entry.
  if (Operation *parent = builder_.getInsertionBlock()->getParentOp(); parent != entry_)
    builder_.setInsertionPoint(topLevel(parent));
  return plan::AllocOp::create(builder_, loc_, plan::SliceType::get(context(), type), name,
                               IntegerAttr());
}

LogicalResult EntryLowering::lowerArguments() {
  for (BlockArgument argument : function_.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto tensor = dyn_cast<RankedTensorType>(argument.getType());
    if (!tensor)
      return function_.emitOpError() << "argument " << i << " must be a ranked tensor, is "
                                     << argument.getType();
    auto type = plan::SliceType::get(context(), tensor);
    if (auto variable = function_.getArgAttrOfType<FlatSymbolRefAttr>(i, nn::attr::kVariable)) {
      slices_[argument] =
          plan::BufferOp::create(builder_, loc_, type, variable, IntegerAttr());
      continue;
    }
    auto name = function_.getArgAttrOfType<StringAttr>(i, nn::attr::kName);
    auto source = function_.getArgAttrOfType<StringAttr>(i, nn::attr::kSource);
    if (!name || !source)
      return function_.emitOpError()
             << "argument " << i << " must carry nn.variable, or nn.name and nn.source";
    slices_[argument] =
        plan::InputOp::create(builder_, loc_, type, name, source, IntegerAttr());
  }
  return success();
}

// Decides which results are computed straight into a variable's buffer.
void EntryLowering::findForwarding(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto alias = function_.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias);
    if (!alias)
      continue;
    BlockArgument argument = function_.getArgument(alias.getInt());
    Value root = chainRoot(value);
    if (root == argument) {
      updated_.insert(argument);
      continue;
    }
    Operation *def = root.getDefiningOp();
    if (!def || isa<nn::ConstantOp>(def) || root.getType() != argument.getType() ||
        forwarded_.contains(root))
      continue;
    if (llvm::any_of(forwarded_, [&](auto &entry) { return entry.second == argument; }))
      continue;
    // An elementwise op may read the old value of an element just before it writes the new one.
    bool sameElement = isa<nn::FusedOp>(def) || def->hasTrait<OpTrait::Elementwise>();
    bool free = llvm::all_of(argument.getUsers(), [&](Operation *user) {
      return user->isBeforeInBlock(def) || (user == def && sameElement);
    });
    if (free)
      forwarded_[root] = argument;
  }
}

// A value that only its own group reads has no slice.
void EntryLowering::assignResults(Operation *op, ArrayRef<Operation *> group) {
  auto inPlace = dyn_cast<nn::InPlaceOpInterface>(op);
  for (OpResult result : op->getResults()) {
    bool inGroup = llvm::all_of(result.getUsers(), [&](Operation *user) { return llvm::is_contained(group, user); });
    // Nobody reads the rstd of a group's norm.
    if (inGroup && (!result.use_empty() || (isa<nn::RmsNormOp>(op) && !group.empty())))
      continue;
    auto type = cast<RankedTensorType>(result.getType());
    int tied = inPlace ? inPlace.getTiedOperand(result.getResultNumber()) : -1;
    if (tied >= 0) {
      Value operand = op->getOperand(tied);
      bool mayOverwrite = overwritable_.contains(operand) || updated_.contains(operand);
      // The same value as another operand of this op counts as a later read.
      bool readHere = llvm::count(op->getOperands(), operand) > 1;
      if (mayOverwrite && !readHere && !readAfter(operand, op)) {
        slices_[result] = slices_.lookup(operand);
      } else {
        Value fresh = alloc(type, op->getName().getStringRef());
        copy(slices_[operand], fresh);
        slices_[result] = fresh;
      }
    } else if (auto it = forwarded_.find(result); it != forwarded_.end()) {
      slices_[result] = slices_.lookup(it->second);
    } else {
      slices_[result] = alloc(type, op->getName().getStringRef());
    }
    overwritable_.insert(result);
  }
}

Value EntryLowering::constant(ElementsAttr value) {
  auto &symbol = state_.constants[value];
  if (!symbol) {
    OpBuilder at(context());
    at.setInsertionPoint(state_.kernels);
    std::string name;
    for (unsigned i = state_.constants.size() - 1;; ++i) {
      name = "constant." + std::to_string(i);
      if (!state_.module.lookupSymbol(name))
        break;
    }
    plan::ConstantOp::create(at, loc_, name, value);
    symbol = FlatSymbolRefAttr::get(context(), name);
  }
  auto type = plan::SliceType::get(context(), cast<RankedTensorType>(value.getShapedType()));
  return plan::BufferOp::create(builder_, loc_, type, symbol, IntegerAttr());
}

LogicalResult EntryLowering::lowerOp(Operation *op) {
  if (auto known = dyn_cast<nn::ConstantOp>(op)) {
    slices_[known.getResult()] = constant(known.getValue());
    return success();
  }
  cpu::Schedule schedule = cpu::findSchedule(op->getName().getStringRef());
  cuda::TileSchedule tiles = state_.cuda ? cuda::findTileSchedule(op) : nullptr;
  if (!schedule && !tiles)
    return op->emitOpError("has no schedule for the CPU; an entry can only be lowered when every op "
                           "in it has one");
  if (auto fused = op->getAttrOfType<StringAttr>("nn.fused_from"))
    fused_.push_back(fused);
  current_ = op;
  assignResults(op);
  LogicalResult lowered = tiles ? tiles(op, *this) : schedule(op, *this);
  return success(succeeded(lowered) && !kernelFailed_);
}

LogicalResult EntryLowering::lowerGroup(ArrayRef<Operation *> ops) {
  if (std::optional<GroupFault> fault = groupFault(ops))
    return fault->op->emitOpError() << fault->requirement << " (" << kGroupAttr << " = " << ops.front()->getAttr(kGroupAttr)
                                    << " is one launch)";
  // A result that is computed into the buffer of a variable must not meet its readers in one launch.
  bool apart = llvm::all_of(ops, [&](Operation *op) {
    return llvm::all_of(op->getResults(), [&](Value result) {
      auto it = forwarded_.find(result);
      return it == forwarded_.end() || llvm::none_of(it->second.getUsers(), [&](Operation *user) {
               return llvm::is_contained(ops, user);
             });
    });
  });
  if (!state_.cuda || !apart || !cuda::isFasterTogether(ops, *this)) {
    for (Operation *op : ops) {
      loc_ = op->getLoc();
      if (failed(lowerOp(op)))
        return failure();
    }
    return success();
  }
  std::string names;
  for (Operation *op : ops) {
    auto from = op->getAttrOfType<StringAttr>("nn.fused_from");
    names += (names.empty() ? "" : ", ") + (from ? from.getValue() : op->getName().stripDialect()).str();
  }
  fused_.push_back(builder_.getStringAttr(names));
  // A norm in front of products is a part of their launch.
  current_ = isa<nn::RmsNormOp>(ops.front()) ? ops[1] : ops.front();
  loc_ = current_->getLoc();
  for (Operation *op : ops)
    assignResults(op, ops);
  return success(succeeded(cuda::lowerGroup(ops, *this)) && !kernelFailed_);
}

LogicalResult EntryLowering::lowerReturn(func::ReturnOp op) {
  struct Pending {
    Value from, to;
  };
  SmallVector<Pending> copies;
  SmallVector<Value> zeros;
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    if (auto alias = function_.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias)) {
      Value target = slices_[function_.getArgument(alias.getInt())];
      auto splat = value.getDefiningOp<nn::SplatOp>();
      if (slices_[value] == target)
        continue;
      if (splat && splat.getValue().isPosZero())
        zeros.push_back(target);
      else
        copies.push_back({slices_[value], target});
    }
  }
  auto stage = [&](Value from) {
    Value fresh = alloc(cast<plan::SliceType>(from.getType()).getTensor(), "staged");
    copy(from, fresh);
    return fresh;
  };
  // A port must not show a variable or an input that is not its own value at the end.
  struct Port {
    StringAttr name, source;
    Value slice;
  };
  SmallVector<Port> ports;
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto name = function_.getResultAttrOfType<StringAttr>(i, nn::attr::kName);
    auto source = function_.getResultAttrOfType<StringAttr>(i, nn::attr::kSource);
    if (!name || !source) {
      if (!function_.getResultAttr(i, nn::attr::kAlias))
        return function_.emitOpError()
               << "result " << i << " must carry nn.alias, or nn.name and nn.source";
      continue;
    }
    Value slice = slices_[value];
    if (isa<BlockArgument>(value) || value.getDefiningOp<nn::ConstantOp>())
      slice = stage(slice);
    ports.push_back({name, source, slice});
  }
  for (Pending &pending : copies)
    if (pending.from.getDefiningOp<plan::BufferOp>())
      pending.from = stage(pending.from);
  for (Pending &pending : copies)
    copy(pending.from, pending.to);
  for (Value target : zeros)
    fill(target);
  for (Port &port : ports)
    plan::OutputOp::create(builder_, loc_, port.name, port.source, port.slice);
  return success();
}

LogicalResult EntryLowering::run() {
  auto kind = function_->getAttrOfType<StringAttr>(nn::attr::kKind);
  auto capacities = function_->getAttrOfType<DictionaryAttr>(nn::attr::kCapacities);
  if (!capacities)
    capacities = builder_.getDictionaryAttr({});
  if (!llvm::hasSingleElement(function_.getBody()))
    return function_.emitOpError("must have one block to become an entry of a plan");
  loc_ = function_.getLoc();
  builder_.setInsertionPoint(state_.kernels);
  entry_ = plan::EntryOp::create(builder_, loc_, function_.getSymNameAttr(), kind, capacities,
                                 IntegerAttr(), ArrayAttr());
  builder_.createBlock(&entry_.getBody());
  if (failed(lowerArguments()))
    return failure();
  auto terminator = cast<func::ReturnOp>(function_.front().getTerminator());
  for (unsigned i = 0; i < terminator.getNumOperands(); ++i) {
    auto alias = function_.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias);
    if (alias && (alias.getInt() < 0 || alias.getInt() >= function_.getNumArguments()))
      return function_.emitOpError() << "result " << i << ": nn.alias must name one of the " << function_.getNumArguments()
                                     << " arguments, names " << alias.getInt();
  }
  findForwarding(terminator);
  Operation *end = terminator;
  for (Operation *op = &function_.front().front(); op != end;) {
    SmallVector<Operation *> ops = {op};
    Attribute group = op->getAttr(kGroupAttr);
    for (op = op->getNextNode(); group && op->getAttr(kGroupAttr) == group; op = op->getNextNode())
      ops.push_back(op);
    loc_ = ops.front()->getLoc();
    if (std::optional<GroupFault> fault = libraryFault(ops, state_.cuda))
      return fault->op->emitOpError() << fault->requirement << " (" << kLibraryAttr << ": a library may compute it)";
    if (failed(group ? lowerGroup(ops) : lowerOp(ops.front())))
      return failure();
  }
  loc_ = terminator.getLoc();
  if (failed(lowerReturn(terminator)))
    return failure();
  if (!fused_.empty())
    entry_.setFusedAttr(builder_.getArrayAttr(fused_));
  return success();
}

void EntryLowering::createLaunch(const cpu::LaunchSpec &spec, StringRef kernel) {
  auto zero = plan::AffineAttr::get(context(), 0.0, 0.0, 0.0, 0.0, 0.0);
  Value workspace;
  if (!spec.products.empty())
    workspace = alloc(RankedTensorType::get({kLibraryWorkspace}, builder_.getI8Type()), "workspace");
  plan::LaunchOp::create(builder_, loc_, FlatSymbolRefAttr::get(context(), kernel), spec.reads, spec.writes, workspace, spec.work,
                         builder_.getI64IntegerAttr(spec.grain), current_->getName().getIdentifier(),
                         builder_.getDenseI64ArrayAttr(spec.updates), spec.flops ? spec.flops : zero,
                         spec.bytes ? spec.bytes : zero, spec.maps.empty() ? ArrayAttr() : builder_.getArrayAttr(spec.maps),
                         spec.products.empty() ? ArrayAttr() : builder_.getArrayAttr(spec.products),
                         spec.anyBits ? builder_.getUnitAttr() : UnitAttr(),
                         spec.early.empty() ? DenseI64ArrayAttr() : builder_.getDenseI64ArrayAttr(spec.early),
                         spec.pointwise ? builder_.getUnitAttr() : UnitAttr());
}

void EntryLowering::launch(const cpu::LaunchSpec &spec,
                           llvm::function_ref<void(cpu::KernelBuilder &)> body) {
  // The types of the buffers are part of a kernel: "linear_…_bf3" has bf16 in buffers 0 and 1.
  SmallVector<Type> elements;
  uint64_t narrow = 0;
  for (ValueRange slices : {ValueRange(spec.reads), ValueRange(spec.writes)})
    for (Value slice : spec.array ? ValueRange() : slices) {
      elements.push_back(cast<plan::SliceType>(slice.getType()).getTensor().getElementType());
      narrow |= uint64_t(elements.back().isBF16()) << (elements.size() - 1);
    }
  std::string name = spec.kernel + (narrow ? "_bf" + llvm::utohexstr(narrow, /*LowerCase=*/true) : "");
  createLaunch(spec, name);
  if (!state_.kernelNames.insert(name).second)
    return;
  auto setElements = [&](cpu::KernelBuilder &b) {
    for (auto [i, element] : llvm::enumerate(elements))
      if (element.isBF16())
        b.setElement(b.buffer(i), element);
  };
  OpBuilder::InsertionGuard guard(builder_);
  builder_.setInsertionPointToEnd(state_.kernels.getBody());
  if (state_.cuda) {
    unsigned buffers = spec.reads.size() + spec.writes.size();
    auto kernel = LLVM::LLVMFuncOp::create(builder_, loc_, name,
                                           cuda::SimtKernelBuilder::kernelType(context(), buffers, spec.array));
    cuda::SimtKernelBuilder kernelBuilder(loc_, kernel, buffers, spec.array, cuda::LaneMap(spec.lanes));
    setElements(kernelBuilder);
    body(kernelBuilder);
    kernelBuilder.finish();
    finishCuda(kernel);
    return;
  }
  auto pointer = LLVM::LLVMPointerType::get(context());
  Type i64 = builder_.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context()),
                                          ArrayRef<Type>{pointer, pointer, i64, i64});
  auto kernel = LLVM::LLVMFuncOp::create(builder_, loc_, name, type);
  Block *block = kernel.addEntryBlock(builder_);
  cpu::KernelBuilder kernelBuilder(loc_, block->getArgument(0), block->getArgument(1),
                                   block->getArgument(2), block->getArgument(3));
  setElements(kernelBuilder);
  body(kernelBuilder);
  LLVM::ReturnOp::create(kernelBuilder, ValueRange());
}

void EntryLowering::launchTiles(const cpu::LaunchSpec &spec, llvm::function_ref<void(LLVM::LLVMFuncOp)> body) {
  createLaunch(spec, spec.kernel);
  if (!state_.kernelNames.insert(spec.kernel).second)
    return;
  OpBuilder::InsertionGuard guard(builder_);
  builder_.setInsertionPointToEnd(state_.kernels.getBody());
  auto type = cuda::TileKernelBuilder::kernelType(context(), spec.maps.size(), spec.reads.size() + spec.writes.size());
  auto kernel = LLVM::LLVMFuncOp::create(builder_, loc_, spec.kernel, type);
  body(kernel);
  finishCuda(kernel);
}

void EntryLowering::finishCuda(LLVM::LLVMFuncOp kernel) {
  kernel->setAttr(cuda::kOpAttr, current_->getName().getIdentifier());
  kernelFailed_ |= failed(cuda::checkSharedMemory(kernel));
}

bool EntryLowering::stays(Value tensor) {
  if (tensor.getDefiningOp<nn::ConstantOp>())
    return true;
  auto argument = dyn_cast<BlockArgument>(tensor);
  auto variable = [&](BlockArgument of) {
    return function_.getArgAttrOfType<FlatSymbolRefAttr>(of.getArgNumber(), nn::attr::kVariable);
  };
  if (!argument)
    return false;
  // An input is written by nobody; its bytes are another value's only after it was read last.
  if (!variable(argument))
    return true;
  // A variable is written where it gets a new value, whatever argument names it.
  for (unsigned i = 0; i < function_.getNumResults(); ++i)
    if (auto alias = function_.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias))
      if (variable(function_.getArgument(alias.getInt())) == variable(argument))
        return false;
  return true;
}

int64_t EntryLowering::capacity(RankedTensorType type) {
  std::optional<nn::AxisAttr> axis = nn::axisOf(type);
  if (!axis)
    return type.getRank() ? type.getDimSize(0) : 1;
  auto extent = entry_.getCapacities().getAs<IntegerAttr>(nn::stringifyAxis(axis->getAxis()));
  return (extent ? extent.getInt() : 0) + axis->getExtra();
}

void EntryLowering::loop(plan::WorkAttr count, int64_t index, llvm::function_ref<void()> body) {
  auto loop = plan::LoopOp::create(builder_, loc_, count, builder_.getI64IntegerAttr(index));
  OpBuilder::InsertionGuard guard(builder_);
  builder_.createBlock(&loop.getBody());
  body();
}

class NnToPlan : public impl::NnToPlanBase<NnToPlan> {
public:
  using NnToPlanBase::NnToPlanBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (target != "cpu" && target != "cuda") {
      module.emitError() << "option target must be cpu or cuda, is '" << target << "'";
      return signalPassFailure();
    }
    ModuleState state;
    state.module = module;
    state.cuda = target == "cuda";
    state.kernels = module.lookupSymbol<ModuleOp>("kernels");
    if (!state.kernels) {
      OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
      state.kernels = ModuleOp::create(builder, module.getLoc(), "kernels");
    }
    for (auto kernel : state.kernels.getOps<LLVM::LLVMFuncOp>())
      state.kernelNames.insert(kernel.getSymName());
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (function->hasAttr(nn::attr::kKind)) {
        // The function gives its name to the entry.
        std::string name = function.getSymName().str();
        if (failed(EntryLowering(function, state).run()))
          return signalPassFailure();
      } else if (!function->hasAttr(nn::attr::kModel)) {
        continue;
      }
      function.erase();
    }
  }
};

} // namespace
} // namespace mirl::passes
