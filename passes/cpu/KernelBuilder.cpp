// The implementation of KernelBuilder.h. Structured control flow is `scf`, arithmetic is `arith` and
// `math` without fast-math flags, memory is `llvm`: compile-kernels lowers all of it.

#include "passes/cpu/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace mirl::passes::cpu {

// A pointer is known to be aligned to its element, no better.
static unsigned alignOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    type = vector.getElementType();
  return type.getIntOrFloatBitWidth() / 8;
}

KernelBuilder::KernelBuilder(Location loc, Value buffers, Value dims, Value begin, Value end)
    : ImplicitLocOpBuilder(loc, buffers.getContext()), begin_(begin), end_(end),
      buffers_(buffers), dims_(dims) {
  setInsertionPointToEnd(buffers.getParentBlock());
}

// --- the ABI ---------------------------------------------------------------------------------------

Value KernelBuilder::buffer(unsigned index) {
  if (loadedBuffers_.size() <= index)
    loadedBuffers_.resize(index + 1);
  if (!loadedBuffers_[index]) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(buffers_.getParentBlock());
    auto pointer = LLVM::LLVMPointerType::get(getContext());
    Value slot = LLVM::GEPOp::create(*this, pointer, pointer, buffers_,
                                     ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
    loadedBuffers_[index] = LLVM::LoadOp::create(*this, pointer, slot, 8);
  }
  return loadedBuffers_[index];
}

Value KernelBuilder::bufferAt(Value index) {
  auto pointer = LLVM::LLVMPointerType::get(getContext());
  return LLVM::LoadOp::create(*this, pointer, at(buffers_, index, pointer), 8);
}

Value KernelBuilder::dim(Dim which) {
  auto index = static_cast<unsigned>(which);
  if (loadedDims_.size() <= index)
    loadedDims_.resize(index + 1);
  if (!loadedDims_[index]) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(dims_.getParentBlock());
    Value slot =
        LLVM::GEPOp::create(*this, LLVM::LLVMPointerType::get(getContext()), getI64Type(), dims_,
                            ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
    loadedDims_[index] = LLVM::LoadOp::create(*this, getI64Type(), slot, 8);
  }
  return loadedDims_[index];
}

// --- integers --------------------------------------------------------------------------------------

Value KernelBuilder::c(int64_t value) {
  return arith::ConstantOp::create(*this, getI64IntegerAttr(value));
}
Value KernelBuilder::add(Value a, Value b) { return arith::AddIOp::create(*this, a, b); }
Value KernelBuilder::sub(Value a, Value b) { return arith::SubIOp::create(*this, a, b); }
Value KernelBuilder::mul(Value a, Value b) { return arith::MulIOp::create(*this, a, b); }
Value KernelBuilder::divide(Value a, Value b) { return arith::DivUIOp::create(*this, a, b); }
Value KernelBuilder::rem(Value a, Value b) { return arith::RemUIOp::create(*this, a, b); }
Value KernelBuilder::min(Value a, Value b) { return arith::MinSIOp::create(*this, a, b); }
Value KernelBuilder::max(Value a, Value b) { return arith::MaxSIOp::create(*this, a, b); }
Value KernelBuilder::lt(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, a, b);
}
Value KernelBuilder::eq(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, a, b);
}
Value KernelBuilder::toFloat(Value integer) {
  return arith::SIToFPOp::create(*this, getF32Type(), integer);
}

Value KernelBuilder::toIndex(Value i32) {
  return arith::ExtSIOp::create(*this, getI64Type(), i32);
}

// --- floats ----------------------------------------------------------------------------------------

VectorType KernelBuilder::lanesOf(Type element) { return VectorType::get({width_}, element); }

Value KernelBuilder::f(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(static_cast<float>(value)));
}

Value KernelBuilder::vf(double value) {
  if (width_ == 1)
    return f(value);
  return arith::ConstantOp::create(
      *this, DenseElementsAttr::get(lanesOf(getF32Type()), static_cast<float>(value)));
}

Type KernelBuilder::vectorOf(Type scalar) { return width_ == 1 ? scalar : Type(lanesOf(scalar)); }

Value KernelBuilder::splat(Value scalar) {
  if (width_ == 1)
    return scalar;
  return vector::BroadcastOp::create(*this, lanesOf(scalar.getType()), scalar);
}

std::pair<Value, Value> KernelBuilder::match(Value a, Value b) {
  bool va = isa<VectorType>(a.getType()), vb = isa<VectorType>(b.getType());
  return {vb && !va ? splat(a) : a, va && !vb ? splat(b) : b};
}

Value KernelBuilder::fadd(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::AddFOp::create(*this, a, b);
}
Value KernelBuilder::fsub(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::SubFOp::create(*this, a, b);
}
Value KernelBuilder::fmul(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::MulFOp::create(*this, a, b);
}
Value KernelBuilder::fdiv(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::DivFOp::create(*this, a, b);
}
Value KernelBuilder::fma(Value a, Value b, Value c) {
  std::tie(a, b) = match(a, b);
  std::tie(a, c) = match(a, c);
  std::tie(b, c) = match(b, c);
  return math::FmaOp::create(*this, a, b, c);
}
Value KernelBuilder::fmax(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::SelectOp::create(
      *this, arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, a, b), a, b);
}
Value KernelBuilder::fmin(Value a, Value b) {
  std::tie(a, b) = match(a, b);
  return arith::SelectOp::create(
      *this, arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, a, b), a, b);
}
Value KernelBuilder::sqrt(Value a) { return math::SqrtOp::create(*this, a); }
Value KernelBuilder::fneg(Value a) { return arith::NegFOp::create(*this, a); }
Value KernelBuilder::fabs(Value a) { return math::AbsFOp::create(*this, a); }

Type KernelBuilder::i32Like(Type type) {
  return isa<VectorType>(type) ? Type(lanesOf(getI32Type())) : Type(getI32Type());
}

Value KernelBuilder::intLike(Value a, int64_t value) {
  if (isa<VectorType>(a.getType()))
    return arith::ConstantOp::create(
        *this, DenseElementsAttr::get(lanesOf(getI32Type()), static_cast<int32_t>(value)));
  return arith::ConstantOp::create(*this, getI32IntegerAttr(static_cast<int32_t>(value)));
}

// exp(x) = 2^n · exp(r), n = round(x / ln 2), |r| ≤ ln 2 / 2 (Cody & Waite's two-part reduction; the
// polynomial is that of Moshier's Cephes, expf). The scale 2^n is applied in two halves, so that
// subnormal results round once and results beyond the range become infinite.
Value KernelBuilder::exp(Value x) {
  Type type = x.getType();
  // Written so that a NaN passes through.
  x = fmin(f(89.0), fmax(f(-105.0), x));
  Value magic = f(12582912.0); // 1.5 · 2^23: adding it rounds to an integer, to even
  Value t = fma(x, f(1.44269504088896341), magic);
  Value n = fsub(t, magic);
  Value r = fma(n, f(-0.693359375), x);
  r = fma(n, f(2.12194440e-4), r);
  Value p = fma(r, f(1.9875691500e-4), f(1.3981999507e-3));
  p = fma(p, r, f(8.3334519073e-3));
  p = fma(p, r, f(4.1665795894e-2));
  p = fma(p, r, f(1.6666665459e-1));
  p = fma(p, r, f(5.0000001201e-1));
  p = fadd(fma(p, fmul(r, r), r), f(1.0));
  Value bits = arith::BitcastOp::create(*this, i32Like(type), t);
  Value exponent = arith::SubIOp::create(*this, bits, intLike(t, 0x4B400000));
  Value half = arith::ShRSIOp::create(*this, exponent, intLike(t, 1));
  Value rest = arith::SubIOp::create(*this, exponent, half);
  auto power = [&](Value e) -> Value {
    Value biased = arith::AddIOp::create(*this, e, intLike(t, 127));
    return arith::BitcastOp::create(*this, type,
                                    arith::ShLIOp::create(*this, biased, intLike(t, 23)));
  };
  return fmul(fmul(p, power(half)), power(rest));
}

// log(x) = e·ln 2 + log(m), m in [√½, √2) (the polynomial is that of Cephes, logf).
Value KernelBuilder::log(Value x) {
  Type type = x.getType();
  auto compare = [&](arith::CmpFPredicate predicate, Value a, Value b) -> Value {
    std::tie(a, b) = match(a, b);
    return arith::CmpFOp::create(*this, predicate, a, b);
  };
  auto pick = [&](Value condition, Value a, Value b) -> Value {
    std::tie(a, b) = match(a, b);
    return arith::SelectOp::create(*this, condition, a, b);
  };
  auto like = [&](double v) { return isa<VectorType>(type) ? vf(v) : f(v); };
  Value tiny = compare(arith::CmpFPredicate::OLT, x, like(1.17549435e-38));
  Value scaled = pick(tiny, fmul(x, like(8388608.0)), x);
  Value bits = arith::BitcastOp::create(*this, i32Like(type), scaled);
  // Subtracting the bits of √½ puts the exponent's border at √½ rather than at a power of two.
  Value shifted = arith::SubIOp::create(*this, bits, intLike(x, 0x3F3504F3));
  Value e = arith::ShRSIOp::create(*this, shifted, intLike(x, 23));
  Value mantissa = arith::SubIOp::create(
      *this, bits, arith::ShLIOp::create(*this, e, intLike(x, 23)));
  Value m = fsub(arith::BitcastOp::create(*this, type, mantissa), like(1.0));
  Value ef = arith::SIToFPOp::create(*this, type, e);
  ef = pick(tiny, fsub(ef, like(23.0)), ef);
  Value z = fmul(m, m);
  Value p = like(7.0376836292e-2);
  for (double k : {-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                   -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1})
    p = fma(p, m, like(k));
  Value y = fmul(fmul(p, m), z);
  y = fma(ef, like(-2.12194440e-4), y);
  y = fma(like(-0.5), z, y);
  Value result = fma(ef, like(0.693359375), fadd(m, y));
  constexpr double inf = std::numeric_limits<double>::infinity();
  result = pick(compare(arith::CmpFPredicate::OEQ, x, like(inf)), like(inf), result);
  result = pick(compare(arith::CmpFPredicate::OEQ, x, like(0.0)), like(-inf), result);
  // Negative numbers and NaN.
  return pick(compare(arith::CmpFPredicate::OGE, x, like(0.0)), result,
              like(std::numeric_limits<double>::quiet_NaN()));
}

// log(1 + a) with the rounding error of 1 + a put back: log(w) + (a − (w − 1)) / w.
Value KernelBuilder::log1p(Value a) {
  Value w = fadd(a, f(1.0));
  Value lost = fsub(a, fsub(w, f(1.0)));
  Value result = fadd(log(w), fdiv(lost, w));
  // At infinity `lost` is not a number, and so is its quotient; log(w) is right there.
  Value finite = arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, fabs(lost),
                                       isa<VectorType>(a.getType()) ? vf(1e30) : f(1e30));
  return arith::SelectOp::create(*this, finite, result, log(w));
}

// Below 0.625 Cephes' odd polynomial, above 1 − 2 / (exp(2|a|) + 1).
Value KernelBuilder::tanh(Value a) {
  bool isVector = isa<VectorType>(a.getType());
  Value x = fabs(a);
  Value z = fmul(a, a);
  Value p = isVector ? vf(-5.70498872745e-3) : f(-5.70498872745e-3);
  for (double k : {2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1})
    p = fma(p, z, f(k));
  Value small = fma(fmul(p, z), a, a);
  Value large = fsub(f(1.0), fdiv(f(2.0), fadd(exp(fadd(x, x)), f(1.0))));
  large = math::CopySignOp::create(*this, large, a);
  Value below = arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, x,
                                      isVector ? vf(0.625) : f(0.625));
  return arith::SelectOp::create(*this, below, small, large);
}

static Value upperLanes(KernelBuilder &b, Value v, int64_t count) {
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < kLanes; ++i)
    lanes.push_back((i + count) % kLanes);
  return vector::ShuffleOp::create(b, v, v, lanes);
}

Value KernelBuilder::sumLanes(Value v) {
  for (int64_t count = kLanes / 2; count >= 1; count /= 2)
    v = fadd(v, upperLanes(*this, v, count));
  return vector::ExtractOp::create(*this, v, 0);
}

Value KernelBuilder::maxLanes(Value v) {
  for (int64_t count = kLanes / 2; count >= 1; count /= 2)
    v = fmax(v, upperLanes(*this, v, count));
  return vector::ExtractOp::create(*this, v, 0);
}

Value KernelBuilder::any(Value mask) {
  return vector::ReductionOp::create(*this, vector::CombiningKind::OR, mask);
}

// --- memory ----------------------------------------------------------------------------------------

Value KernelBuilder::at(Value pointer, Value index, Type element) {
  return LLVM::GEPOp::create(*this, LLVM::LLVMPointerType::get(getContext()), element, pointer,
                             ArrayRef<LLVM::GEPArg>{index});
}

Type KernelBuilder::elementOf(Value pointer) {
  auto it = elements_.find(pointer);
  return it == elements_.end() ? Type(getF32Type()) : it->second;
}

void KernelBuilder::setElement(Value pointer, Type element) {
  if (element.isBF16())
    elements_[pointer] = element;
}

Type KernelBuilder::storedType(Value pointer) {
  return isNarrow(pointer) ? Type(getI16Type()) : Type(getF32Type());
}

Value KernelBuilder::offset(Value pointer, Value elements) {
  Value moved = at(pointer, elements, storedType(pointer));
  setElement(moved, elementOf(pointer));
  return moved;
}

Value KernelBuilder::offset(Value pointer, int64_t elements) {
  Value moved = LLVM::GEPOp::create(*this, LLVM::LLVMPointerType::get(getContext()), storedType(pointer), pointer,
                                    ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(elements)});
  setElement(moved, elementOf(pointer));
  return moved;
}

// A bf16 is the upper half of an f32.
Value KernelBuilder::widen(Value bits) {
  bool lanes = isa<VectorType>(bits.getType());
  Value wide = arith::ExtUIOp::create(*this, lanes ? Type(lanesOf(getI32Type())) : Type(getI32Type()), bits);
  wide = arith::ShLIOp::create(*this, wide, intLike(wide, 16));
  return arith::BitcastOp::create(*this, lanes ? Type(lanesOf(getF32Type())) : Type(getF32Type()), wide);
}

Value KernelBuilder::shortBits(Value value) {
  Value bits = arith::BitcastOp::create(*this, i32Like(value.getType()), value);
  Value upper = arith::ShRUIOp::create(*this, bits, intLike(bits, 16));
  // Half of the last place, less one where the number is even: a carry rounds to nearest, ties to even. It runs into
  // the exponent where it must, and beyond the largest number to infinity.
  Value odd = arith::AndIOp::create(*this, upper, intLike(bits, 1));
  Value rounded = arith::AddIOp::create(*this, bits, arith::AddIOp::create(*this, odd, intLike(bits, 0x7fff)));
  rounded = arith::ShRUIOp::create(*this, rounded, intLike(bits, 16));
  Value isNan = arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, value, value);
  return arith::SelectOp::create(*this, isNan, arith::OrIOp::create(*this, upper, intLike(bits, 0x40)), rounded);
}

Value KernelBuilder::narrow(Value value) {
  bool lanes = isa<VectorType>(value.getType());
  return arith::TruncIOp::create(*this, lanes ? Type(lanesOf(getI16Type())) : Type(getI16Type()), shortBits(value));
}

Value KernelBuilder::roundTo(Type element, Value value) {
  if (!element.isBF16())
    return value;
  Value bits = shortBits(value);
  return arith::BitcastOp::create(*this, value.getType(), arith::ShLIOp::create(*this, bits, intLike(bits, 16)));
}

Value KernelBuilder::load(Type element, Value pointer, Value index) {
  return LLVM::LoadOp::create(*this, element, at(pointer, index, element), alignOf(element));
}

Value KernelBuilder::loadf(Value pointer, Value index) {
  Value stored = load(storedType(pointer), pointer, index);
  return isNarrow(pointer) ? widen(stored) : stored;
}

void KernelBuilder::store(Value value, Value pointer, Value index) {
  if (isNarrow(pointer) && value.getType().isF32())
    value = narrow(value);
  Type type = value.getType();
  LLVM::StoreOp::create(*this, value, at(pointer, index, type), alignOf(type));
}

Value KernelBuilder::loadi(Value pointer, Value index) {
  return toIndex(load(getI32Type(), pointer, index));
}

Value KernelBuilder::loadv(Value pointer, Value index) {
  Type stored = storedType(pointer);
  Value lanes = LLVM::LoadOp::create(*this, lanesOf(stored), at(pointer, index, stored), alignOf(stored));
  return isNarrow(pointer) ? widen(lanes) : lanes;
}

void KernelBuilder::storev(Value vector, Value pointer, Value index) {
  Type stored = storedType(pointer);
  LLVM::StoreOp::create(*this, isNarrow(pointer) ? narrow(vector) : vector, at(pointer, index, stored), alignOf(stored));
}

Value KernelBuilder::mask(Value count) {
  SmallVector<int32_t> lanes;
  for (int32_t i = 0; i < kLanes; ++i)
    lanes.push_back(i);
  Value iota = arith::ConstantOp::create(
      *this, DenseElementsAttr::get(lanesOf(getI32Type()), ArrayRef<int32_t>(lanes)));
  Value clamped = max(c(0), min(count, c(kLanes)));
  Value narrow = arith::TruncIOp::create(*this, getI32Type(), clamped);
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, iota, splat(narrow));
}

Value KernelBuilder::loadvMasked(Value pointer, Value index, Value count, double other) {
  Type stored = storedType(pointer);
  Value here = mask(count);
  auto masked = [&](Value otherwise) {
    return LLVM::MaskedLoadOp::create(*this, lanesOf(stored), at(pointer, index, stored), here, otherwise, alignOf(stored));
  };
  if (!isNarrow(pointer))
    return masked(vf(other));
  Value lanes = widen(masked(arith::ConstantOp::create(*this, getZeroAttr(lanesOf(stored)))));
  // +0 is what is there already.
  return other == 0 ? lanes : select(here, lanes, vf(other));
}

void KernelBuilder::storevMasked(Value vector, Value pointer, Value index, Value count) {
  Type stored = storedType(pointer);
  auto masked = [&](Value lanes) {
    LLVM::MaskedStoreOp::create(*this, lanes, at(pointer, index, stored), mask(count), alignOf(stored));
  };
  if (!isNarrow(pointer))
    return masked(vector);
  // LLVM 22 makes one lane that is rounded and stored, where it knows the mask, a store of all 32 bits (X86's truncating
  // masked store): one lane is a scalar.
  auto one = scf::IfOp::create(*this, eq(count, c(1)), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(one.thenBlock());
  store(vector::ExtractOp::create(*this, vector, int64_t{0}), pointer, index);
  setInsertionPointToStart(one.elseBlock());
  masked(narrow(vector));
}

Value KernelBuilder::scratch(int64_t elements) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(buffers_.getParentBlock());
  return LLVM::AllocaOp::create(*this, LLVM::LLVMPointerType::get(getContext()), getF32Type(),
                                c(elements), 64);
}

void KernelBuilder::prefetch(Value pointer, Value index) {
  // Read, into every level, data.
  LLVM::Prefetch::create(*this, at(pointer, index, storedType(pointer)), 0, 3, 1);
}

void KernelBuilder::transpose(MutableArrayRef<Value> v) {
  assert(v.size() == 16 && "a transpose takes 16 vectors");
  auto shuffle = [&](Value a, Value b, ArrayRef<int64_t> quad) {
    // The same pattern within each 128-bit quarter.
    SmallVector<int64_t> lanes;
    for (int64_t q = 0; q < 4; ++q)
      for (int64_t i : quad)
        lanes.push_back((i % 4) + 4 * q + (i >= 4 ? 16 : 0));
    return vector::ShuffleOp::create(*this, a, b, lanes).getResult();
  };
  auto quarters = [&](Value a, Value b, ArrayRef<int64_t> which) {
    SmallVector<int64_t> lanes;
    for (int64_t w : which)
      for (int64_t i = 0; i < 4; ++i)
        lanes.push_back(4 * (w % 4) + i + (w >= 4 ? 16 : 0));
    return vector::ShuffleOp::create(*this, a, b, lanes).getResult();
  };
  Value t[16], u[16];
  // 4×4 transposes within quarters of four rows each: u[4g + j] quarter q = column 4q + j of rows 4g…
  for (int g = 0; g < 4; ++g) {
    for (int h = 0; h < 2; ++h) {
      t[4 * g + 2 * h] = shuffle(v[4 * g + 2 * h], v[4 * g + 2 * h + 1], {0, 4, 1, 5});
      t[4 * g + 2 * h + 1] = shuffle(v[4 * g + 2 * h], v[4 * g + 2 * h + 1], {2, 6, 3, 7});
    }
    u[4 * g + 0] = shuffle(t[4 * g], t[4 * g + 2], {0, 1, 4, 5});
    u[4 * g + 1] = shuffle(t[4 * g], t[4 * g + 2], {2, 3, 6, 7});
    u[4 * g + 2] = shuffle(t[4 * g + 1], t[4 * g + 3], {0, 1, 4, 5});
    u[4 * g + 3] = shuffle(t[4 * g + 1], t[4 * g + 3], {2, 3, 6, 7});
  }
  // Then a 4×4 transpose of quarters.
  for (int j = 0; j < 4; ++j) {
    Value a = quarters(u[j], u[4 + j], {0, 2, 4, 6}), b = quarters(u[8 + j], u[12 + j], {0, 2, 4, 6});
    Value d = quarters(u[j], u[4 + j], {1, 3, 5, 7}), e = quarters(u[8 + j], u[12 + j], {1, 3, 5, 7});
    v[j] = quarters(a, b, {0, 2, 4, 6});
    v[8 + j] = quarters(a, b, {1, 3, 5, 7});
    v[4 + j] = quarters(d, e, {0, 2, 4, 6});
    v[12 + j] = quarters(d, e, {1, 3, 5, 7});
  }
}

// --- control flow ----------------------------------------------------------------------------------

void KernelBuilder::loop(Value from, Value to, int64_t step, Body body) {
  auto loop = scf::ForOp::create(*this, from, to, c(step));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void KernelBuilder::loop(int64_t from, int64_t to, int64_t step, Body body) {
  loop(c(from), c(to), step, body);
}

SmallVector<Value> KernelBuilder::loopCarry(Value from, Value to, int64_t step, ValueRange init,
                                            CarryBody body) {
  auto loop = scf::ForOp::create(*this, from, to, c(step), init);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  // With nothing carried the loop already has its terminator.
  if (!init.empty())
    scf::YieldOp::create(*this, next);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> KernelBuilder::unrolledCarry(int64_t count, ValueRange init, CarryBody body) {
  if (!unrolls())
    return loopCarry(c(0), c(count), 1, init, body);
  SmallVector<Value> carried(init);
  for (int64_t i = 0; i < count; ++i)
    carried = body(c(i), carried);
  return carried;
}

void KernelBuilder::ifThen(Value condition, function_ref<void()> then) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  then();
}

SmallVector<Value> KernelBuilder::ifElse(Value condition, function_ref<SmallVector<Value>()> then,
                                         function_ref<SmallVector<Value>()> otherwise) {
  // The result types are known once the first branch is built: build it aside and move it in.
  Block *aside = new Block();
  SmallVector<Value> results;
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(aside);
    results = then();
    scf::YieldOp::create(*this, results);
  }
  SmallVector<Type> types;
  for (Value value : results)
    types.push_back(value.getType());
  auto op = scf::IfOp::create(*this, TypeRange(types), condition, /*addThenBlock=*/false,
                              /*addElseBlock=*/true);
  op.getThenRegion().push_back(aside);
  OpBuilder::InsertionGuard guard(*this);
  if (!op.elseBlock()->empty()) // a default terminator, when there are no results
    op.elseBlock()->back().erase();
  setInsertionPointToStart(op.elseBlock());
  SmallVector<Value> other = otherwise();
  scf::YieldOp::create(*this, other);
  return SmallVector<Value>(op.getResults());
}

Value KernelBuilder::select(Value condition, Value a, Value b) {
  if (!isa<IntegerType>(condition.getType()) || isa<FloatType>(a.getType()))
    std::tie(a, b) = match(a, b);
  return arith::SelectOp::create(*this, condition, a, b);
}

} // namespace mirl::passes::cpu
