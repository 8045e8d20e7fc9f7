#include "passes/cuda/SimtKernelBuilder.h"

#include "passes/cuda/InlinePtx.h"
#include "passes/cuda/SpecialFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

#include <numeric>

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
  return emitError(kernel.getLoc()) << describe(kernel) << " needs " << bytes
                                    << " bytes of shared memory; a block has " << kSharedBytes;
}

// As text that touches memory: LLVM takes its intrinsics for calls that read none, past which loads
// may be moved. The next kernel is let in behind the wait: with three kernels in flight a decode
// step of one sequence took 1.45 ms on an H100, with two 1.01 ms, with one 1.11 ms.
void waitForEarlier(ImplicitLocOpBuilder &b) {
  LLVM::InlineAsmOp::create(b, TypeRange(), ValueRange(),
                            "griddepcontrol.wait;\n\tgriddepcontrol.launch_dependents;",
                            "~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
                            LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
}

LLVM::LLVMFunctionType SimtKernelBuilder::kernelType(MLIRContext *context, unsigned buffers,
                                                     bool array) {
  SmallVector<Type> arguments(array ? 1 : buffers, LLVM::LLVMPointerType::get(context));
  arguments.append(7, IntegerType::get(context, 64));
  return LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments);
}

// Threads of a block whose items are warps or single threads. Rows are few in decoding: smaller
// blocks reach more multiprocessors.
static constexpr int64_t kElementThreads = 256, kRowThreads = 128;
// 32-bit registers of a multiprocessor, and of a thread at most.
static constexpr int64_t kRegisters = 65536, kMostRegisters = 255;
// Registers of a thread for a row that is wanted twice; longer ones are read twice, the second time
// from a cache.
static constexpr int64_t kMostKept = 160;

LaneMap::LaneMap(const cpu::Lanes &lanes) {
  int64_t blockThreads = kElementThreads;
  switch (lanes.use) {
  case cpu::Lanes::Use::shared:
    return;
  case cpu::Lanes::Use::elements:
    threads = kWarp;
    values = valuesOfAccess(lanes.narrow);
    chunks = lanes.count / (threads * values);
    break;
  case cpu::Lanes::Use::rows:
    values = std::min(lanes.count, valuesOfAccess(lanes.narrow));
    threads = lanes.count / values;
    assert(threads <= kWarp && "a row is a warp's");
    blockThreads = kRowThreads;
    break;
  case cpu::Lanes::Use::alone:
    threads = 1;
    values = lanes.count;
    break;
  }
  // Several rows share a warp only where they are short sums, of which there are few: a block is as
  // small as can be.
  if (lanes.use == cpu::Lanes::Use::rows && threads < kWarp)
    blockThreads = kWarp;
  barriers = false;
  piece = std::gcd(values, lanes.begin);
  maskedPiece = std::gcd(piece, lanes.masked);
  items = blockThreads / threads;
  // What addresses and intermediate numbers take beside what is kept is an estimate. With 64
  // registers half of the multiprocessor's threads run at a time, which suffices to keep memory
  // busy.
  int64_t words = lanes.words * width(), registers = 64;
  // The fewer threads share a row, the more places of it a thread has the addresses of: of short
  // rows less is kept, and a thread gets all registers there are.
  bool shortRows = lanes.use == cpu::Lanes::Use::rows && threads < kWarp;
  keepsRow = lanes.use == cpu::Lanes::Use::rows && words <= (shortRows ? kMostKept / 2 : kMostKept);
  if (shortRows)
    registers = kMostRegisters;
  else if (lanes.use != cpu::Lanes::Use::rows || keepsRow)
    // Two numbers of bf16 share a word in memory, but not while they are computed with.
    registers = std::clamp<int64_t>(
        llvm::alignTo(words + (lanes.use == cpu::Lanes::Use::elements && lanes.narrow ? 40 : 32), 8), 64,
        kMostRegisters);
  blocks = std::max<int64_t>(1, kRegisters / (blockThreads * registers));
}

SimtKernelBuilder::SimtKernelBuilder(Location loc, LLVM::LLVMFuncOp kernel, unsigned buffers,
                                     bool array, const LaneMap &map)
    : KernelBuilder(loc), kernel_(kernel), array_(array), addresses_(array ? 1 : buffers),
      map_(map) {
  if (array_) {
    assert(buffers <= rt::kMaxBuffersInArray && "the array must fit the parameters of a kernel");
    auto type = LLVM::LLVMArrayType::get(LLVM::LLVMPointerType::get(getContext()), buffers);
    kernel.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(type));
    kernel.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(), getI64IntegerAttr(8));
    kernel.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(), getUnitAttr());
  }
  width_ = map.width();
  lanes_ = width_ * map.threads;
  setInsertionPointToStart(kernel_.addEntryBlock(*this));
  waitForEarlier(*this);
  Type narrow = getI32Type();
  Value thread = NVVM::ThreadIdXOp::create(*this, narrow);
  Value block = NVVM::BlockIdXOp::create(*this, narrow);
  lane32_ = arith::AndIOp::create(*this, thread, i32(map.threads - 1));
  lane_ = arith::ExtUIOp::create(*this, getI64Type(),
                                 arith::MulIOp::create(*this, lane32_, i32(map.values)));
  // Where this item's bits of a warp's mask begin.
  Value first = arith::AndIOp::create(*this, thread, i32(kWarp - map.threads));
  mask_ = arith::ShLIOp::create(*this, i32((int64_t{1} << map.threads) - 1), first);
  Value item = arith::ExtUIOp::create(
      *this, getI64Type(), arith::ShRUIOp::create(*this, thread, i32(llvm::Log2_64(map.threads))));
  items_ = c(0);
  scratchBytes_ = c(0);
  scratchBase_ = mul(item, scratchBytes_);
  begin_ = add(mul(arith::ExtUIOp::create(*this, getI64Type(), block), items_), item);
  end_ = add(begin_, 1);
  Value items = kernel_.getArgument(addresses_ + 6);
  // Threads behind the last item must not even start: a kernel may do more than its loop over
  // items.
  auto guard = scf::IfOp::create(*this, lt(begin_, items), /*withElseRegion=*/false);
  LLVM::ReturnOp::create(*this, ValueRange());
  setInsertionPointToStart(guard.thenBlock());
}

Value SimtKernelBuilder::bufferAt(Value index) {
  auto pointer = LLVM::LLVMPointerType::get(getContext());
  return LLVM::LoadOp::create(*this, pointer, at(kernel_.getArgument(0), index, pointer), 8);
}

Value SimtKernelBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(static_cast<int32_t>(value)));
}

void SimtKernelBuilder::barrier() {
  if (map_.barriers)
    NVVM::SyncWarpOp::create(*this, mask_);
}

// --- lanes of a thread
// -----------------------------------------------------------------------------

SimtKernelBuilder::Values SimtKernelBuilder::split(Value vector) {
  Values numbers;
  if (!isa<VectorType>(vector.getType()))
    return {vector};
  for (int64_t i = 0; i < width_; ++i)
    numbers.push_back(vector::ExtractOp::create(*this, vector, i));
  return numbers;
}

Value SimtKernelBuilder::join(Values numbers) {
  if (width_ == 1)
    return numbers.front();
  return vector::FromElementsOp::create(*this, vectorOf(numbers.front().getType()), numbers);
}

Value SimtKernelBuilder::chunkStart(int64_t chunk) {
  return add(lane_, chunk * map_.threads * map_.values);
}

void SimtKernelBuilder::forPieces(int64_t size,
                                  function_ref<void(int64_t value, Value lane)> body) {
  for (int64_t chunk = 0; chunk < map_.chunks; ++chunk)
    for (int64_t i = 0; i < map_.values; i += size)
      body(chunk * map_.values + i, add(chunkStart(chunk), i));
}

// By pairs: two numbers of bf16 are rounded by one instruction.
SmallVector<Value> SimtKernelBuilder::piecewise(ValueRange vectors,
                                                function_ref<SmallVector<Value>(ValueRange)> body) {
  constexpr int64_t pair = 2;
  if (width_ <= pair)
    return body(vectors);
  SmallVector<Values> operands, results;
  for (Value vector : vectors)
    operands.push_back(split(vector));
  for (int64_t begin = 0, whole = width_; begin < whole; begin += pair) {
    llvm::SaveAndRestore narrowed(width_, pair);
    Values pieces;
    for (Values &numbers : operands)
      pieces.push_back(join(Values(ArrayRef(numbers).slice(begin, pair))));
    Values made = body(pieces);
    results.resize(made.size());
    for (auto [numbers, piece] : llvm::zip(results, made))
      llvm::append_range(numbers, split(piece));
  }
  SmallVector<Value> joined;
  for (Values &numbers : results)
    joined.push_back(join(numbers));
  return joined;
}

// --- exchange
// ----------------------------------------------------------------------------------------

Value SimtKernelBuilder::exchange(Value number, int64_t distance) {
  // Segments of an item's threads: the clamp's upper bits keep the thread's own, its lower ones are
  // the last lane.
  return NVVM::ShflOp::create(*this, number.getType(), mask_, number, i32(distance),
                              i32((kWarp - map_.threads) << 8 | 0x1f), NVVM::ShflKind::bfly,
                              UnitAttr());
}

Value SimtKernelBuilder::laneBit(int64_t bit) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ne,
                               arith::AndIOp::create(*this, lane32_, i32(bit)), i32(0));
}

// ((0+8)+(4+12)) …, in every thread. The lower lane's value is the first operand where that
// matters: a maximum of +0 and −0 depends on it, and all threads must have the same.
Value SimtKernelBuilder::tree(Value v, bool ordered, function_ref<Value(Value, Value)> combine) {
  Values numbers = split(v);
  auto halve = [&] { // the distance of numbers within the thread
    size_t half = numbers.size() / 2;
    for (size_t i = 0; i < half; ++i)
      numbers[i] = combine(numbers[i], numbers[i + half]);
    numbers.resize(half);
  };
  while (static_cast<int64_t>(numbers.size()) > map_.values)
    halve();
  for (int64_t distance = map_.threads / 2; distance >= 1; distance /= 2)
    for (Value &number : numbers) {
      Value other = exchange(number, distance);
      if (!ordered) {
        number = combine(number, other);
        continue;
      }
      Value upper = laneBit(distance);
      number = combine(arith::SelectOp::create(*this, upper, other, number),
                       arith::SelectOp::create(*this, upper, number, other));
    }
  while (numbers.size() > 1)
    halve();
  return numbers.front();
}

Value SimtKernelBuilder::sumLanes(Value v) {
  return tree(v, /*ordered=*/false, [&](Value a, Value b) { return fadd(a, b); });
}

Value SimtKernelBuilder::maxLanes(Value v) {
  return tree(v, /*ordered=*/true, [&](Value a, Value b) { return fmax(a, b); });
}

Value SimtKernelBuilder::any(Value mask) {
  Value one;
  for (Value here : split(mask))
    one = one ? Value(arith::OrIOp::create(*this, one, here)) : here;
  return NVVM::VoteSyncOp::create(*this, getI1Type(), mask_, one, NVVM::VoteSyncKind::any);
}

// --- bf16
// --------------------------------------------------------------------------------------------

Value narrowed(ImplicitLocOpBuilder &b, Value value) {
  Type bf16 = b.getBF16Type(), i16 = b.getI16Type();
  if (auto vector = dyn_cast<VectorType>(value.getType())) {
    bf16 = vector.clone(bf16);
    i16 = vector.clone(i16);
  }
  return arith::BitcastOp::create(b, i16, arith::TruncFOp::create(b, bf16, value));
}

Value roundedToBf16(ImplicitLocOpBuilder &b, Value number) {
  Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
  return inlinePtx(b, b.getF32Type(), {number, zero}, "cvt.rn.bf16x2.f32 $0, $1, $2;", "=f,f,f");
}

Value SimtKernelBuilder::narrow(Value value) { return narrowed(*this, value); }

Value SimtKernelBuilder::roundTo(Type element, Value value) {
  return element.isBF16() ? widen(narrow(value)) : value;
}

Value SimtKernelBuilder::ofEach(Value x, Value (*function)(ImplicitLocOpBuilder &b, Value x)) {
  Values numbers = split(x);
  for (Value &number : numbers)
    number = function(*this, number);
  return isa<VectorType>(x.getType()) ? join(numbers) : numbers.front();
}

Value SimtKernelBuilder::nearExp(Value a) { return ofEach(a, specialExp); }
Value SimtKernelBuilder::nearQuotient(Value a, Value b) {
  return fmul(a, ofEach(b, specialReciprocal));
}

// --- memory
// ------------------------------------------------------------------------------------------

SimtKernelBuilder::Values SimtKernelBuilder::loadPiece(Value pointer, Value index, int64_t count) {
  if (count == 1)
    return {loadf(pointer, index)};
  Values numbers;
  Value from = at(pointer, index, storedType(pointer));
  auto load = [&](int64_t begin, Type type, int64_t words) -> Value {
    auto vector = VectorType::get({words}, type);
    return LLVM::LoadOp::create(*this, vector, at(from, c(begin), type), words * 4);
  };
  auto number = [&](Value bits) {
    return arith::BitcastOp::create(*this, getF32Type(), bits).getResult();
  };
  if (isNarrow(pointer)) {
    // A word is two numbers, each the upper half of an f32.
    Value words = load(0, getI32Type(), count / 2);
    for (int64_t i = 0; i < count / 2; ++i) {
      Value word = vector::ExtractOp::create(*this, words, i);
      numbers.push_back(number(arith::ShLIOp::create(*this, word, i32(16))));
      numbers.push_back(number(arith::AndIOp::create(*this, word, i32(0xffff0000))));
    }
    return numbers;
  }
  int64_t step = std::min<int64_t>(count, kAccessBytes / 4);
  for (int64_t i = 0; i < count; i += step) {
    Value some = load(i, getF32Type(), step);
    for (int64_t k = 0; k < step; ++k)
      numbers.push_back(vector::ExtractOp::create(*this, some, k));
  }
  return numbers;
}

void SimtKernelBuilder::storePiece(Values numbers, Value pointer, Value index) {
  int64_t count = numbers.size();
  if (count == 1)
    return KernelBuilder::store(numbers.front(), pointer, index);
  Value to = at(pointer, index, storedType(pointer));
  auto store = [&](ArrayRef<Value> words, int64_t begin) {
    Type type = words.front().getType();
    Value vector = vector::FromElementsOp::create(
        *this, VectorType::get({static_cast<int64_t>(words.size())}, type), words);
    LLVM::StoreOp::create(*this, vector, at(to, c(begin), type), words.size() * 4);
  };
  if (isNarrow(pointer)) {
    Values words;
    for (int64_t i = 0; i < count; i += 2) {
      Value pair = vector::FromElementsOp::create(*this, VectorType::get({2}, getF32Type()),
                                                  ValueRange{numbers[i], numbers[i + 1]});
      words.push_back(LLVM::BitcastOp::create(*this, getI32Type(), narrow(pair)));
    }
    return store(words, 0);
  }
  int64_t step = std::min<int64_t>(count, kAccessBytes / 4);
  for (int64_t i = 0; i < count; i += step)
    store(ArrayRef(numbers).slice(i, step), i);
}

void SimtKernelBuilder::store(Value value, Value pointer, Value index) {
  // Nobody may still have to read what is overwritten, nor read the new value too early.
  barrier();
  KernelBuilder::store(value, pointer, index);
  barrier();
}

Value SimtKernelBuilder::loadv(Value pointer, Value index) {
  Values numbers;
  forPieces(map_.piece, [&](int64_t, Value lane) {
    llvm::append_range(numbers, loadPiece(pointer, add(index, lane), map_.piece));
  });
  return join(numbers);
}

void SimtKernelBuilder::storev(Value vector, Value pointer, Value index) {
  barrier();
  Values numbers = split(vector);
  forPieces(map_.piece, [&](int64_t value, Value lane) {
    storePiece(Values(ArrayRef(numbers).slice(value, map_.piece)), pointer, add(index, lane));
  });
  barrier();
}

Value SimtKernelBuilder::mask(Value count) {
  Values here;
  forPieces(1, [&](int64_t, Value lane) { here.push_back(lt(lane, count)); });
  return join(here);
}

Value SimtKernelBuilder::loadvMasked(Value pointer, Value index, Value count, double other) {
  Values numbers;
  forPieces(map_.maskedPiece, [&](int64_t, Value lane) {
    llvm::append_range(numbers,
                       ifElse(
                           lt(lane, count),
                           [&] { return loadPiece(pointer, add(index, lane), map_.maskedPiece); },
                           [&] { return Values(map_.maskedPiece, f(other)); }));
  });
  return join(numbers);
}

void SimtKernelBuilder::storevMasked(Value vector, Value pointer, Value index, Value count) {
  barrier();
  Values numbers = split(vector);
  forPieces(map_.maskedPiece, [&](int64_t value, Value lane) {
    ifThen(lt(lane, count), [&] {
      storePiece(Values(ArrayRef(numbers).slice(value, map_.maskedPiece)), pointer,
                 add(index, lane));
    });
  });
  barrier();
}

Value SimtKernelBuilder::scratch(int64_t elements) {
  assert(map_.barriers && "what lanes exchange through memory needs barriers");
  OpBuilder::InsertionGuard guard(*this);
  auto module = kernel_->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(kSharedSymbol)) {
    OpBuilder at = OpBuilder::atBlockBegin(module.getBody());
    // Its size is given at the launch.
    LLVM::GlobalOp::create(at, getLoc(), LLVM::LLVMArrayType::get(getI8Type(), 0),
                           /*isConstant=*/false, LLVM::Linkage::External, kSharedSymbol,
                           Attribute(), /*alignment=*/64, /*addrSpace=*/3);
  }
  setInsertionPointAfterValue(scratchBase_);
  Value shared =
      LLVM::AddressOfOp::create(*this, LLVM::LLVMPointerType::get(getContext(), 3), kSharedSymbol);
  Value generic =
      LLVM::AddrSpaceCastOp::create(*this, LLVM::LLVMPointerType::get(getContext()), shared);
  Value memory = at(generic, add(scratchBase_, scratch_), getI8Type());
  scratch_ += (elements * 4 + 63) / 64 * 64;
  return memory;
}

// Four exchanges: in the one of distance d, rows i and i + d swap what lies in the lanes with bit d
// of row i and in those without it of row i + d.
void SimtKernelBuilder::transpose(MutableArrayRef<Value> v) {
  assert(v.size() == 16 && width_ == 1 && "a transpose takes 16 vectors of 16 lanes");
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
  int64_t items = map_.items;
  while (items > 1 && items * scratch_ > kSharedBytes / 2)
    items /= 2;
  int64_t threads = items * map_.threads;
  auto set = [&](Value constant, int64_t value) {
    cast<arith::ConstantOp>(constant.getDefiningOp()).setValueAttr(getI64IntegerAttr(value));
  };
  set(items_, items);
  set(scratchBytes_, scratch_);
  kernel_->setAttr(kThreadsAttr, getI64IntegerAttr(threads));
  kernel_->setAttr(kItemsAttr, getI64IntegerAttr(items));
  kernel_->setAttr(kSharedAttr, getI64IntegerAttr(items * scratch_));
  if (array_)
    kernel_->setAttr(kArrayAttr, getI64IntegerAttr(1));
  kernel_->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), getUnitAttr());
  kernel_->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                   getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  // Else ptxas takes it that more should, and spills registers that are there for so many.
  kernel_->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), getI32IntegerAttr(map_.blocks));
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
