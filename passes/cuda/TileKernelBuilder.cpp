#include "passes/cuda/TileKernelBuilder.h"

#include "passes/cuda/SimtKernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace mirl::passes::cuda {

// Its size is given at the launch; the swizzle repeats every 1024 bytes.
static constexpr llvm::StringLiteral kTileMemory = "mirl_tile_memory";
static constexpr int64_t kTensorMapBytes = 128;
// How long a thread that waits sleeps at a time, in nanoseconds.
static constexpr int64_t kWaitHint = 10000000;

LLVM::LLVMFunctionType TileKernelBuilder::kernelType(MLIRContext *context, unsigned maps, unsigned buffers) {
  SmallVector<Type> arguments(maps + buffers, LLVM::LLVMPointerType::get(context));
  arguments.append(7, IntegerType::get(context, 64));
  return LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments);
}

TileKernelBuilder::TileKernelBuilder(Location loc, LLVM::LLVMFuncOp kernel, unsigned maps, unsigned buffers,
                                     bool waits)
    : ImplicitLocOpBuilder(loc, kernel.getContext()), kernel_(kernel), maps_(maps), buffers_(buffers) {
  auto mapType = LLVM::LLVMArrayType::get(getI8Type(), kTensorMapBytes);
  for (unsigned i = 0; i < maps; ++i) {
    kernel.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(mapType));
    kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(), getI64IntegerAttr(64));
    kernel.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(), getUnitAttr());
  }
  auto module = kernel->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(kTileMemory)) {
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(builder, loc, LLVM::LLVMArrayType::get(getI8Type(), 0), /*isConstant=*/false,
                           LLVM::Linkage::External, kTileMemory, Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
  }
  setInsertionPointToStart(kernel_.addEntryBlock(*this));
  if (!waits)
    waitForEarlier(*this);
  Type i32 = getI32Type();
  shared_ = LLVM::AddressOfOp::create(*this, LLVM::LLVMPointerType::get(getContext(), 3), kTileMemory);
  thread_ = NVVM::ThreadIdXOp::create(*this, i32);
  block_ = NVVM::BlockIdXOp::create(*this, i32);
  blocks_ = NVVM::GridDimXOp::create(*this, i32);
  inGroup_ = rem(thread_, kWarpgroup);
  warpgroup_ = uniform(divide(thread_, kWarpgroup));
}

void TileKernelBuilder::finish(int64_t warpgroups, int64_t sharedBytes, int64_t blocks) {
  LLVM::ReturnOp::create(*this, ValueRange());
  int64_t threads = warpgroups * kWarpgroup;
  kernel_->setAttr(kThreadsAttr, getI64IntegerAttr(threads));
  kernel_->setAttr(kItemsAttr, getI64IntegerAttr(1));
  kernel_->setAttr(kSharedAttr, getI64IntegerAttr(sharedBytes));
  kernel_->setAttr(kBlocksAttr, getI64IntegerAttr(blocks));
  kernel_->setAttr(kMapsAttr, getI64IntegerAttr(maps_));
  kernel_->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), getUnitAttr());
  kernel_->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  // Without it ptxas has no number of registers to start from and ignores setmaxregister.
  kernel_->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), getI32IntegerAttr(static_cast<int32_t>(blocks)));
}

Value TileKernelBuilder::buffer(unsigned index) {
  return LLVM::AddrSpaceCastOp::create(*this, LLVM::LLVMPointerType::get(getContext(), 1), kernel_.getArgument(maps_ + index));
}

Value TileKernelBuilder::dim(unsigned index) {
  return arith::TruncIOp::create(*this, getI32Type(), kernel_.getArgument(maps_ + buffers_ + index));
}

Value TileKernelBuilder::items() { return dim(6); }

// --- integers

Value TileKernelBuilder::c(int64_t value) {
  Value &known = constants_[value];
  if (!known) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(&kernel_.getBody().front());
    known = arith::ConstantOp::create(*this, getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  return known;
}

Value TileKernelBuilder::c64(int64_t value) { return arith::ConstantOp::create(*this, getI64IntegerAttr(value)); }
Value TileKernelBuilder::add(Value a, Value b) { return arith::AddIOp::create(*this, a, b); }
Value TileKernelBuilder::sub(Value a, Value b) { return arith::SubIOp::create(*this, a, b); }
Value TileKernelBuilder::mul(Value a, Value b) { return arith::MulIOp::create(*this, a, b); }
Value TileKernelBuilder::divide(Value a, Value b) { return arith::DivUIOp::create(*this, a, b); }
Value TileKernelBuilder::rem(Value a, Value b) { return arith::RemUIOp::create(*this, a, b); }
Value TileKernelBuilder::min(Value a, Value b) { return arith::MinUIOp::create(*this, a, b); }
Value TileKernelBuilder::max(Value a, Value b) { return arith::MaxUIOp::create(*this, a, b); }
Value TileKernelBuilder::exclusiveOr(Value a, Value b) { return arith::XOrIOp::create(*this, a, b); }
Value TileKernelBuilder::eq(Value a, Value b) { return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, a, b); }
Value TileKernelBuilder::lt(Value a, Value b) { return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, a, b); }
Value TileKernelBuilder::both(Value a, Value b) { return arith::AndIOp::create(*this, a, b); }
Value TileKernelBuilder::either(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }
Value TileKernelBuilder::select(Value condition, Value a, Value b) { return arith::SelectOp::create(*this, condition, a, b); }
Value TileKernelBuilder::wide(Value narrow) { return arith::ExtUIOp::create(*this, getI64Type(), narrow); }

// --- control flow

SmallVector<Value> TileKernelBuilder::loop(Value from, Value to, Value step, ValueRange init, Body body) {
  auto loop = scf::ForOp::create(*this, from, to, step, init);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  // Without carried values the terminator is already there.
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(*this, next);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> TileKernelBuilder::repeat(ValueRange init, function_ref<SmallVector<Value>(ValueRange)> body) {
  auto loop = scf::WhileOp::create(*this, init.getTypes(), init);
  OpBuilder::InsertionGuard guard(*this);
  SmallVector<Location> places(init.size(), getLoc());
  Block *before = createBlock(&loop.getBefore(), {}, init.getTypes(), places);
  SmallVector<Value> next = body(before->getArguments());
  scf::ConditionOp::create(*this, next.front(), ValueRange(next).drop_front());
  Block *after = createBlock(&loop.getAfter(), {}, init.getTypes(), places);
  scf::YieldOp::create(*this, after->getArguments());
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> TileKernelBuilder::choose(Value condition, function_ref<SmallVector<Value>()> then, ValueRange otherwise) {
  auto branch = scf::IfOp::create(*this, otherwise.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(*this, then());
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this, otherwise);
  return SmallVector<Value>(branch.getResults());
}

void TileKernelBuilder::ifThen(Value condition, function_ref<void()> then) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  then();
}

void TileKernelBuilder::ifElse(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  then();
  setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

void TileKernelBuilder::byOneThread(function_ref<void()> body) {
  ifThen(eq(uniform(divide(inGroup_, 32)), c(0)), [&] { ifThen(NVVM::ElectSyncOp::create(*this, getI1Type(), Value()), body); });
}

// --- shared memory

Value TileKernelBuilder::shared(Value byteOffset) { return at(shared_, byteOffset, getI8Type()); }

Value TileKernelBuilder::sharedAddress() { return LLVM::PtrToIntOp::create(*this, getI32Type(), shared_); }

Value TileKernelBuilder::at(Value pointer, Value index, Type element) {
  return LLVM::GEPOp::create(*this, pointer.getType(), element, pointer, ArrayRef<LLVM::GEPArg>{index});
}

Value TileKernelBuilder::at(Value pointer, int64_t index, Type element) {
  if (index == 0)
    return pointer;
  return LLVM::GEPOp::create(*this, pointer.getType(), element, pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
}

// --- barriers

void TileKernelBuilder::initBarriers(Value first, int64_t count, int64_t arrivals) {
  for (int64_t i = 0; i < count; ++i)
    NVVM::MBarrierInitOp::create(*this, at(first, i, getI64Type()), c(arrivals), Value());
}

void TileKernelBuilder::publishBarriers() { NVVM::FenceMbarrierInitOp::create(*this); }

void TileKernelBuilder::meet() { NVVM::Barrier0Op::create(*this); }

void TileKernelBuilder::meetSome(Value id, int64_t threads) {
  NVVM::BarrierOp::create(*this, Type(), id, c(threads), NVVM::BarrierReductionAttr(), Value());
}

void TileKernelBuilder::wait(Value barrier, Value parity) {
  NVVM::MBarrierTryWaitParityOp::create(*this, barrier, parity, c(kWaitHint));
}

void TileKernelBuilder::arrive(Value barrier) { NVVM::MBarrierArriveOp::create(*this, Type(), barrier, Value()); }

void TileKernelBuilder::expect(Value barrier, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(*this, Type(), barrier, c(bytes), NVVM::MemScopeKind::CTA, /*relaxed=*/false,
                                         Value());
}

// --- copies

void TileKernelBuilder::prefetchMap(Value map) {
  NVVM::PrefetchOp::create(*this, NVVM::PrefetchCacheLevelAttr(), NVVM::CacheEvictionPriorityAttr(), map, Value(),
                           /*tensormap=*/true);
}

void TileKernelBuilder::load(Value target, Value map, ValueRange coordinates, Value barrier) {
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(*this, target, map, coordinates, barrier,
                                                         /*im2colOffsets=*/ValueRange(), /*multicastMask=*/Value(),
                                                         /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE,
                                                         /*isCTAOnly=*/true, NVVM::CTAGroupKindAttr(), Value());
}

void TileKernelBuilder::publishTile() {
  NVVM::FenceProxyOp::create(*this, NVVM::ProxyKind::async_shared,
                             NVVM::SharedSpaceAttr::get(getContext(), NVVM::SharedSpace::shared_cta));
}

void TileKernelBuilder::store(Value map, Value source, ValueRange coordinates) {
  NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp::create(*this, map, source, coordinates, /*l2CacheHint=*/Value(),
                                                     NVVM::TMAStoreMode::TILE, /*predicate=*/Value());
}

void TileKernelBuilder::addTile(Value map, Value source, ValueRange coordinates) {
  NVVM::CpAsyncBulkTensorReduceOp::create(*this, map, source, NVVM::TMAReduxKind::ADD, NVVM::TMAStoreMode::TILE, coordinates,
                                          /*l2CacheHint=*/Value());
}

void TileKernelBuilder::commitStores() { NVVM::CpAsyncBulkCommitGroupOp::create(*this); }

void TileKernelBuilder::waitStores(int64_t pending) {
  NVVM::CpAsyncBulkWaitGroupOp::create(*this, static_cast<uint32_t>(pending), /*read=*/getUnitAttr());
}

void TileKernelBuilder::storeMatrices(Value row, ValueRange words) {
  NVVM::StMatrixOp::create(*this, row, words, NVVM::MMALayout::row, NVVM::LdStMatrixShapeAttr::get(getContext(), 8, 8),
                           NVVM::LdStMatrixEltType::B16);
}

// --- products

Type TileKernelBuilder::accumulator(int64_t n) {
  SmallVector<Type> elements(n / 2, getF32Type());
  return LLVM::LLVMStructType::getLiteral(getContext(), elements);
}

Value TileKernelBuilder::zero(Type type) { return LLVM::ZeroOp::create(*this, type); }

Value TileKernelBuilder::element(Value accumulator, int64_t index) {
  return LLVM::ExtractValueOp::create(*this, accumulator, index);
}

// PTX ISA, "Matrix Descriptor Format": bits 0-13 the address, 16-29 the leading and 32-45 the stride byte offset, all in
// units of 16 bytes; bits 62-63 = 1 is the 128-byte swizzle. Eight rows of 128 bytes are one period of the swizzle: the
// stride offset leads from one to the next. The leading offset leads to the next chunk of 64 columns of a Major::mn tile.
Value TileKernelBuilder::descriptor(Value address, Major major, int64_t chunkBytes) {
  int64_t leading = major == Major::k ? 1 : chunkBytes / 16;
  int64_t high = (int64_t{1} << 62) | (int64_t{8 * kTileRowBytes / 16} << 32) | (leading << 16);
  Value low = arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, address, c(4)), c(0x3fff));
  return arith::OrIOp::create(*this, wide(low), c64(high));
}

Value TileKernelBuilder::nextK(Value descriptor, Major major, int64_t steps) {
  if (steps == 0)
    return descriptor;
  // 16 values of k: 32 bytes of a row, or 16 rows.
  int64_t bytes = major == Major::k ? 32 : 16 * kTileRowBytes;
  return arith::AddIOp::create(*this, descriptor, c64(steps * bytes / 16));
}

Value TileKernelBuilder::multiply(Value a, Major aMajor, Value b, Major bMajor, int64_t n, Value accumulator) {
  using namespace NVVM;
  return WgmmaMmaAsyncOp::create(*this, accumulator.getType(), accumulator, a, b,
                                 MMAShapeAttr::get(getContext(), 64, static_cast<int>(n), 16), WGMMATypes::bf16,
                                 WGMMATypes::bf16, WGMMATypes::f32, WGMMAScaleOut::one, WGMMAScaleIn::one,
                                 WGMMAScaleIn::one, aMajor == Major::k ? MMALayout::row : MMALayout::col,
                                 bMajor == Major::k ? MMALayout::col : MMALayout::row, MMAIntOverflowAttr());
}

void TileKernelBuilder::beginProducts() { NVVM::WgmmaFenceAlignedOp::create(*this); }
void TileKernelBuilder::commitProducts() { NVVM::WgmmaGroupSyncAlignedOp::create(*this); }
void TileKernelBuilder::waitProducts(int64_t pending) { NVVM::WgmmaWaitGroupSyncOp::create(*this, pending); }

void TileKernelBuilder::setRegisters(int64_t count, bool more) {
  NVVM::SetMaxRegisterOp::create(*this, static_cast<uint32_t>(count),
                                 more ? NVVM::SetMaxRegisterAction::increase : NVVM::SetMaxRegisterAction::decrease);
}

Value TileKernelBuilder::exchange(Value value, int64_t distance) {
  return NVVM::ShflOp::create(*this, value.getType(), c(-1), value, c(distance), c(31), NVVM::ShflKind::bfly, UnitAttr());
}

std::pair<Value, Value> TileKernelBuilder::unpack(Value word) {
  Value low = arith::ShLIOp::create(*this, word, c(16)),
        high = arith::AndIOp::create(*this, word, c(-65536));
  return {LLVM::BitcastOp::create(*this, getF32Type(), low),
          LLVM::BitcastOp::create(*this, getF32Type(), high)};
}

Value TileKernelBuilder::fromLane(Value value, Value lane) {
  return NVVM::ShflOp::create(*this, value.getType(), c(-1), value, lane, c(31), NVVM::ShflKind::idx, UnitAttr());
}

Value TileKernelBuilder::uniform(Value value) { return fromLane(value, c(0)); }

} // namespace mirl::passes::cuda
