#include "passes/cuda/RegisterProducts.h"

#include "passes/cuda/InlinePtx.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

// `count` outputs, each in the register of an input: "=f,=f,0,1".
std::string tied(size_t count, char kind) {
  std::string outputs, inputs;
  for (size_t i = 0; i < count; ++i) {
    outputs += std::string(i ? ",=" : "=") + kind;
    inputs += "," + std::to_string(i);
  }
  return outputs + inputs;
}

// An instruction that the values pass through.
SmallVector<Value> passThrough(TileKernelBuilder &b, ValueRange values, char kind,
                               const std::string &text) {
  SmallVector<Type> types(values.getTypes());
  auto all = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
  Value result = inlinePtx(b, all, values, text, tied(values.size(), kind) + ",~{memory}",
                          /*sideEffects=*/true);
  SmallVector<Value> passed;
  for (size_t i = 0; i < values.size(); ++i)
    passed.push_back(LLVM::ExtractValueOp::create(b, result, static_cast<int64_t>(i)));
  return passed;
}

// A product, whose `arguments` stand in for its accumulator, A and B; `added`: the accumulator is
// added to. Nothing is negated.
std::string product(int64_t n, bool added, const std::string &arguments,
                    const std::string &majors) {
  return "{\n.reg .pred p;\nsetp.ne.b32 p, " + std::string(added ? "1" : "0") +
         ", 0;\nwgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k16.f32.bf16.bf16 " +
         arguments + ", p, 1, 1, " + majors + ";\n}";
}

std::string bit(Major major) { return major == Major::k ? "0" : "1"; }

int64_t size(Value accumulator) {
  return static_cast<int64_t>(cast<LLVM::LLVMStructType>(accumulator.getType()).getBody().size());
}

} // namespace

SmallVector<Value> elements(TileKernelBuilder &b, Value accumulator) {
  SmallVector<Value> values;
  for (int64_t i = 0; i < size(accumulator); ++i)
    values.push_back(b.element(accumulator, i));
  return values;
}

static Value together(TileKernelBuilder &b, ValueRange elements) {
  Value made = LLVM::PoisonOp::create(b, b.accumulator(2 * static_cast<int64_t>(elements.size())));
  for (auto [i, element] : llvm::enumerate(elements))
    made = LLVM::InsertValueOp::create(b, made, element, static_cast<int64_t>(i));
  return made;
}

Value gather(TileKernelBuilder &b, ValueRange elements) {
  return together(b, passThrough(b, elements, 'f', ""));
}

SmallVector<Value> waitProducts(TileKernelBuilder &b, int64_t pending, ValueRange accumulators) {
  SmallVector<Value> values;
  for (Value accumulator : accumulators)
    values.append(elements(b, accumulator));
  values =
      passThrough(b, values, 'f', "wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";");
  SmallVector<Value> result;
  ValueRange rest = values;
  for (Value accumulator : accumulators) {
    result.push_back(together(b, rest.take_front(size(accumulator))));
    rest = rest.drop_front(size(accumulator));
  }
  return result;
}

SmallVector<Value> beginProducts(TileKernelBuilder &b, ValueRange words) {
  return passThrough(b, words, 'r', "wgmma.fence.sync.aligned;");
}

Value multiplyRegisters(TileKernelBuilder &b, ValueRange a, Value bTile, Major bMajor, int64_t n,
                        Value accumulator) {
  int64_t count = size(accumulator);
  std::string registers, inputs;
  SmallVector<Value> operands;
  for (int64_t i = 0; i < count; ++i) {
    registers += (i ? ", $" : "$") + std::to_string(i);
    operands.push_back(b.element(accumulator, i));
  }
  auto operand = [&](int64_t i) { return "$" + std::to_string(2 * count + i); };
  operands.append(a.begin(), a.end());
  operands.push_back(bTile);
  std::string text = product(n, /*added=*/true,
                             "{" + registers + "}, {" + operand(0) + ", " + operand(1) + ", " +
                                 operand(2) + ", " + operand(3) + "}, " + operand(4),
                             bit(bMajor));
  return inlinePtx(b, accumulator.getType(), operands, text, tied(count, 'f') + ",r,r,r,r,l",
                  /*sideEffects=*/true);
}

Value multiplyFirst(TileKernelBuilder &b, Value a, Major aMajor, Value bTile, Major bMajor,
                    int64_t n) {
  Type type = b.accumulator(n);
  int64_t count = n / 2;
  std::string registers, outputs;
  for (int64_t i = 0; i < count; ++i) {
    registers += (i ? ", $" : "$") + std::to_string(i);
    outputs += "=f,";
  }
  std::string text =
      product(n, /*added=*/false,
              "{" + registers + "}, $" + std::to_string(count) + ", $" + std::to_string(count + 1),
              bit(aMajor) + ", " + bit(bMajor));
  return inlinePtx(b, type, {a, bTile}, text, outputs + "l,l", /*sideEffects=*/true);
}

Value packBf16(TileKernelBuilder &b, Value first, Value second) {
  return inlinePtx(b, b.getI32Type(), {first, second}, "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f",
                  /*sideEffects=*/false);
}

Value opaque(TileKernelBuilder &b, Value x) {
  return inlinePtx(b, b.getI32Type(), {x}, "mov.b32 $0, $1;", "=r,r", /*sideEffects=*/true);
}

} // namespace mirl::passes::cuda
