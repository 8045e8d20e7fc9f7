// Writing one CPU kernel: a thin layer over arith, math, scf, vector and llvm that knows the kernel
// ABI (docs/plan.md).
//
// The virtual functions are those that depend on how lanes are made: here 16 of them are a vector, on CUDA
// they are threads, each with one or several (passes/cuda/SimtKernelBuilder.h). Schedules are written once for both.
//
// Everything a kernel computes is on scalars and on vectors of 16 f32 (`vector<16xf32>`), or on a GPU of as many
// lanes as the schedule asks for: their number is part of the numerics, LLVM splits it where the machine's registers are narrower, so
// AVX2 and AVX-512 give the same bits. Memory holds f32 or bf16: a pointer knows which (elementOf), loads
// extend and stores round to nearest even, so that a schedule is written once for both. Nothing here contracts or reassociates: a fused
// multiply-add is written `fma`, and nothing else becomes one.

#ifndef MIRL_PASSES_CPU_KERNELBUILDER_H
#define MIRL_PASSES_CPU_KERNELBUILDER_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mirl::passes::cpu {

inline constexpr int64_t kLanes = 16;

// Positions in the kernel's `dims` argument.
enum class Dim { context = 0, token = 1, sequence = 2, group = 3, loop0 = 4, loop1 = 5 };

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using Range = llvm::ArrayRef<Value>;
  using Body = llvm::function_ref<void(Value iv)>;
  using CarryBody = llvm::function_ref<llvm::SmallVector<Value>(Value iv, mlir::ValueRange carried)>;

  // Builder positioned at the end of the entry block of a function with the arguments
  // (buffers: !llvm.ptr, dims: !llvm.ptr, begin: i64, end: i64).
  KernelBuilder(mlir::Location loc, mlir::Value buffers, mlir::Value dims, mlir::Value begin,
                mlir::Value end);
  virtual ~KernelBuilder() = default;

  // --- the ABI
  virtual Value buffer(unsigned index); // !llvm.ptr of the launch's i-th slice (loaded once, at the top)
  virtual Value bufferAt(Value index);  // the same, by a number that is computed; of launches with LaunchSpec::array
  virtual Value dim(Dim which);         // i64 (loaded once, at the top)
  Value begin() const { return begin_; }
  Value end() const { return end_; }

  // --- integers (i64 unless said)
  Value c(int64_t value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value divide(Value a, Value b); // unsigned
  Value rem(Value a, Value b);    // unsigned
  Value min(Value a, Value b);    // signed
  Value max(Value a, Value b);    // signed
  Value lt(Value a, Value b);     // i1, signed
  Value eq(Value a, Value b);     // i1
  Value add(Value a, int64_t b) { return add(a, c(b)); }
  Value mul(Value a, int64_t b) { return mul(a, c(b)); }
  Value toIndex(Value i32); // sign-extend an i32 to i64
  Value toFloat(Value integer); // i64 to f32, rounded to nearest

  // --- floats: f32 or vector<16xf32>; a scalar operand beside a vector is splatted
  // Lanes of a vector: 16 but for kernels whose schedule says that it serves other numbers (Schedules.h, Lanes).
  int64_t lanes() const { return lanes_; }
  Value f(double value);
  Value vf(double value); // splat
  Value splat(Value scalar);
  mlir::Type vectorOf(mlir::Type scalar); // the type of a vector of it, or what one thread holds of that
  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  Value fdiv(Value a, Value b);
  Value fma(Value a, Value b, Value c); // a·b + c, rounded once
  Value fmax(Value a, Value b);         // a > b ? a : b
  Value fmin(Value a, Value b);
  // Polynomials in explicit fused multiply-adds: the same bits in a lane as in a scalar. At most
  // 1.5 ulp from the true value; subnormals, infinities and NaN as in C's expf, logf, tanhf, log1pf.
  Value exp(Value a);
  // Near e^a and a / b, for what is rounded to bf16 afterwards: as near as the target has it cheaply, here the same.
  virtual Value nearExp(Value a) { return exp(a); }
  virtual Value nearQuotient(Value a, Value b) { return fdiv(a, b); }
  Value log(Value a);
  Value log1p(Value a); // 3 ulp; made for arguments ≥ 0, right for > −1
  Value tanh(Value a);  // 2 ulp
  Value sqrt(Value a);  // correctly rounded
  Value fneg(Value a);
  Value fabs(Value a);
  // The pairwise tree over 16 lanes: ((0+8)+(4+12)) …; the only horizontal sum there is.
  virtual Value sumLanes(Value vector);
  virtual Value maxLanes(Value vector);
  virtual Value any(Value mask); // i1: whether one of the 16 lanes is set

  // --- memory: `index` counts elements of the accessed element type from `pointer`
  Value at(Value pointer, Value index, mlir::Type element); // !llvm.ptr
  // The float type that lies behind a pointer: bf16 where setElement said so, else f32. `offset` is a pointer that
  // many of these further on, which knows the same.
  mlir::Type elementOf(Value pointer);
  void setElement(Value pointer, mlir::Type element);
  Value offset(Value pointer, Value elements);
  Value offset(Value pointer, int64_t elements);
  // What storing an f32 (or lanes of it) as `element` and loading it again gives.
  virtual Value roundTo(mlir::Type element, Value value);
  Value load(mlir::Type element, Value pointer, Value index);
  // An f32 is stored as the pointer's element; anything else as it is.
  virtual void store(Value value, Value pointer, Value index);
  Value loadf(Value pointer, Value index); // as f32
  Value loadi(Value pointer, Value index); // i32 element, as i64
  virtual Value loadv(Value pointer, Value index); // 16 consecutive f32
  virtual void storev(Value vector, Value pointer, Value index);
  // The first `count` (i64, may exceed 16 or be ≤ 0) lanes only; others read as `other` and are not written.
  virtual Value loadvMasked(Value pointer, Value index, Value count, double other = 0);
  virtual void storevMasked(Value vector, Value pointer, Value index, Value count);
  virtual Value mask(Value count); // lanes of i1
  // Stack memory of `elements` f32, 64-byte aligned, allocated once at the kernel's entry.
  virtual Value scratch(int64_t elements);
  virtual void prefetch(Value pointer, Value index); // of an f32 element, for reading
  // In place: 16 vectors of 16 f32, row i in vectors[i], become columns: a 16×16 transpose.
  virtual void transpose(llvm::MutableArrayRef<Value> vectors);

  // --- control flow
  void loop(Value from, Value to, int64_t step, Body body);
  void loop(int64_t from, int64_t to, int64_t step, Body body);
  // Iterations [0, count): one behind the other, or a loop where that would take too many registers (unrolls).
  llvm::SmallVector<Value> unrolledCarry(int64_t count, mlir::ValueRange init, CarryBody body);
  llvm::SmallVector<Value> loopCarry(Value from, Value to, int64_t step, mlir::ValueRange init,
                                     CarryBody body);
  void ifThen(Value condition, llvm::function_ref<void()> then);
  llvm::SmallVector<Value> ifElse(Value condition, llvm::function_ref<llvm::SmallVector<Value>()> then,
                                  llvm::function_ref<llvm::SmallVector<Value>()> otherwise);
  Value select(Value condition, Value a, Value b);

  // The results of body(vectors). Where one thread holds many lanes, body is called for a few of them at a time, which
  // are vectors to it: fewer intermediate numbers are alive.
  virtual llvm::SmallVector<Value> piecewise(mlir::ValueRange vectors,
                                             llvm::function_ref<llvm::SmallVector<Value>(mlir::ValueRange)> body) {
    return body(vectors);
  }
  // Whether a thread should keep what it has of a row in registers between two passes over it.
  virtual bool keepsRow() const { return false; }

protected:
  virtual bool unrolls() const { return true; }
  // bf16, whose bits lie in an integer of 16 bits, to f32 and back (to nearest even; a NaN stays one). Scalars and
  // lanes alike.
  Value widen(Value bits);
  virtual Value narrow(Value value);
  bool isNarrow(Value pointer) { return elementOf(pointer).isBF16(); }
  // How the element behind a pointer lies in memory.
  mlir::Type storedType(Value pointer);

  // For a kernel with another signature.
  explicit KernelBuilder(mlir::Location loc) : ImplicitLocOpBuilder(loc, loc.getContext()) {}
  // A vector of `element`, of the numbers that one thread holds.
  mlir::VectorType lanesOf(mlir::Type element);
  Value begin_, end_;
  // Lanes of a vector, and how many of them one thread holds; of one lane it holds a scalar.
  int64_t lanes_ = kLanes, width_ = kLanes;

private:
  std::pair<Value, Value> match(Value a, Value b); // splats the scalar one when the other is a vector
  Value intLike(Value a, int64_t value);           // i32 constant of the shape of `a`
  Value shortBits(Value value);                    // i32, in whose lower half are the bits of a bf16
  mlir::Type i32Like(mlir::Type type);

  Value buffers_, dims_;
  llvm::SmallVector<Value> loadedBuffers_, loadedDims_;
  llvm::DenseMap<Value, mlir::Type> elements_; // of pointers to something else than f32
};

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_KERNELBUILDER_H
