#include "passes/cuda/SimtKernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace mirl::passes::cuda {

using cpu::kLanes;

static constexpr llvm::StringLiteral kSharedSymbol = "mirl_shared_memory";

std::string describe(LLVM::LLVMFuncOp kernel) {
  std::string text = ("kernel " + kernel.getSymName()).str();
  if (auto op = kernel->getAttrOfType<StringAttr>(kOpAttr))
    text += (" of " + op.getValue()).str();
  return text;
}

LogicalResult checkSharedMemory(LLVM::LLVMFuncOp kernel) {
  int64_t bytes = kernel->getAttrOfType<IntegerAttr>(kSharedAttr).getInt();
  if (bytes <= kSharedBytes)
    return success();
  return emitError(kernel.getLoc()) << describe(kernel) << " needs " << bytes << " bytes of shared memory; a block has "
                                    << kSharedBytes;
}

LLVM::LLVMFunctionType SimtKernelBuilder::kernelType(MLIRContext *context, unsigned buffers) {
  SmallVector<Type> arguments(buffers, LLVM::LLVMPointerType::get(context));
  arguments.append(7, IntegerType::get(context, 64));
  return LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments);
}

SimtKernelBuilder::SimtKernelBuilder(Location loc, LLVM::LLVMFuncOp kernel, unsigned buffers)
    : KernelBuilder(loc), kernel_(kernel), buffers_(buffers) {
  setInsertionPointToStart(kernel_.addEntryBlock(*this));
  Type narrow = getI32Type();
  Value thread = NVVM::ThreadIdXOp::create(*this, narrow);
  Value block = NVVM::BlockIdXOp::create(*this, narrow);
  lane32_ = arith::AndIOp::create(*this, thread, i32(kLanes - 1));
  lane_ = arith::ExtUIOp::create(*this, getI64Type(), lane32_);
  // Which half of its warp this one is: 0 or 16 is where its bits of a warp's mask begin.
  mask_ = arith::ShLIOp::create(*this, i32(0xffff), arith::AndIOp::create(*this, thread, i32(kLanes)));
  Value half = arith::ExtUIOp::create(*this, getI64Type(), arith::ShRUIOp::create(*this, thread, i32(4)));
  halves_ = c(0);
  scratchBytes_ = c(0);
  scratchBase_ = mul(half, scratchBytes_);
  begin_ = add(mul(arith::ExtUIOp::create(*this, getI64Type(), block), halves_), half);
  end_ = add(begin_, 1);
  Value items = kernel_.getArgument(buffers_ + 6);
  // Half-warps behind the last item must not even start: a kernel may do more than its loop over items.
  auto guard = scf::IfOp::create(*this, lt(begin_, items), /*withElseRegion=*/false);
  LLVM::ReturnOp::create(*this, ValueRange());
  setInsertionPointToStart(guard.thenBlock());
}

Value SimtKernelBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(static_cast<int32_t>(value)));
}

void SimtKernelBuilder::barrier() { NVVM::SyncWarpOp::create(*this, mask_); }

Value SimtKernelBuilder::exchange(Value vector, int64_t distance) {
  // Segments of 16 lanes: the clamp's upper bits keep the lane's own, its lower ones are the last lane.
  return NVVM::ShflOp::create(*this, vector.getType(), mask_, vector, i32(distance), i32(0x101f),
                              NVVM::ShflKind::bfly, UnitAttr());
}

Value SimtKernelBuilder::laneBit(int64_t bit) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ne,
                               arith::AndIOp::create(*this, lane32_, i32(bit)), i32(0));
}

// ((0+8)+(4+12)) …, in every lane. The lower lane's value is always the first operand: a maximum of +0 and −0
// depends on it, and all lanes must have the same.
Value SimtKernelBuilder::tree(Value v, function_ref<Value(Value, Value)> combine) {
  for (int64_t distance = kLanes / 2; distance >= 1; distance /= 2) {
    Value other = exchange(v, distance), upper = laneBit(distance);
    v = combine(arith::SelectOp::create(*this, upper, other, v), arith::SelectOp::create(*this, upper, v, other));
  }
  return v;
}

Value SimtKernelBuilder::sumLanes(Value v) {
  return tree(v, [&](Value a, Value b) { return fadd(a, b); });
}

Value SimtKernelBuilder::maxLanes(Value v) {
  return tree(v, [&](Value a, Value b) { return fmax(a, b); });
}

Value SimtKernelBuilder::any(Value mask) {
  return NVVM::VoteSyncOp::create(*this, getI1Type(), mask_, mask, NVVM::VoteSyncKind::any);
}

void SimtKernelBuilder::store(Value value, Value pointer, Value index) {
  // Nobody may still have to read what is overwritten, nor read the new value too early.
  barrier();
  KernelBuilder::store(value, pointer, index);
  barrier();
}

Value SimtKernelBuilder::loadvMasked(Value pointer, Value index, Value count, double other) {
  auto read = scf::IfOp::create(*this, TypeRange(getF32Type()), mask(count), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(read.thenBlock());
  scf::YieldOp::create(*this, loadv(pointer, index));
  setInsertionPointToStart(read.elseBlock());
  scf::YieldOp::create(*this, f(other));
  return read.getResult(0);
}

void SimtKernelBuilder::storevMasked(Value vector, Value pointer, Value index, Value count) {
  barrier();
  {
    auto write = scf::IfOp::create(*this, mask(count), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(write.thenBlock());
    KernelBuilder::store(vector, pointer, add(index, lane_));
  }
  barrier();
}

Value SimtKernelBuilder::scratch(int64_t elements) {
  OpBuilder::InsertionGuard guard(*this);
  auto module = kernel_->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(kSharedSymbol)) {
    OpBuilder at = OpBuilder::atBlockBegin(module.getBody());
    // Its size is given at the launch.
    LLVM::GlobalOp::create(at, getLoc(), LLVM::LLVMArrayType::get(getI8Type(), 0), /*isConstant=*/false,
                           LLVM::Linkage::External, kSharedSymbol, Attribute(), /*alignment=*/64, /*addrSpace=*/3);
  }
  setInsertionPointAfterValue(scratchBase_);
  Value shared =
      LLVM::AddressOfOp::create(*this, LLVM::LLVMPointerType::get(getContext(), 3), kSharedSymbol);
  Value generic = LLVM::AddrSpaceCastOp::create(*this, LLVM::LLVMPointerType::get(getContext()), shared);
  Value memory = at(generic, add(scratchBase_, scratch_), getI8Type());
  scratch_ += (elements * 4 + 63) / 64 * 64;
  return memory;
}

// Four exchanges: in the one of distance d, rows i and i + d swap what lies in the lanes with bit d of row i and
// in those without it of row i + d.
void SimtKernelBuilder::transpose(MutableArrayRef<Value> v) {
  assert(v.size() == 16 && "a transpose takes 16 vectors");
  for (int64_t distance = 1; distance < kLanes; distance *= 2) {
    Value upper = laneBit(distance);
    for (int64_t i = 0; i < kLanes; ++i) {
      if (i & distance)
        continue;
      Value &a = v[i], &b = v[i + distance];
      Value given = exchange(select(upper, a, b), distance);
      a = select(upper, given, a);
      b = select(upper, b, given);
    }
  }
}

void SimtKernelBuilder::finish() {
  // Two blocks at least should fit on a multiprocessor.
  int64_t halves = kItemsPerBlock;
  while (halves > 1 && halves * scratch_ > kSharedBytes / 2)
    halves /= 2;
  auto set = [&](Value constant, int64_t value) {
    cast<arith::ConstantOp>(constant.getDefiningOp()).setValueAttr(getI64IntegerAttr(value));
  };
  set(halves_, halves);
  set(scratchBytes_, scratch_);
  kernel_->setAttr(kThreadsAttr, getI64IntegerAttr(halves * kLanes));
  kernel_->setAttr(kItemsAttr, getI64IntegerAttr(halves));
  kernel_->setAttr(kSharedAttr, getI64IntegerAttr(halves * scratch_));
  kernel_->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), getUnitAttr());
  kernel_->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                   getDenseI32ArrayAttr({static_cast<int32_t>(halves * kLanes), 1, 1}));
  // Else ptxas takes it that three should, and spills registers that are there for two.
  kernel_->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), getI32IntegerAttr(2));
  // A barrier that follows another with no memory access between them orders nothing new.
  kernel_.walk([](Block *block) {
    bool ordered = false;
    for (Operation &op : llvm::make_early_inc_range(*block)) {
      if (isa<NVVM::SyncWarpOp>(op)) {
        if (ordered)
          op.erase();
        ordered = true;
      } else if (isa<LLVM::LoadOp, LLVM::StoreOp>(op) || op.getNumRegions()) {
        ordered = false;
      }
    }
  });
}

} // namespace mirl::passes::cuda
