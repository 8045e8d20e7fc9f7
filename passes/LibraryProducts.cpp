// Which products a library may compute (LibraryProducts.h).

#include "passes/LibraryProducts.h"

using namespace mlir;

namespace mirl::passes {
namespace {

using Fault = std::optional<GroupFault>;

// The tensor that has the weight's shape, N×K.
Value matrixOf(Operation *op) {
  if (auto linear = dyn_cast<nn::LinearOp>(op))
    return linear.getWeight();
  if (auto grad = dyn_cast<nn::LinearDataGradOp>(op))
    return grad.getWeight();
  if (auto grad = dyn_cast<nn::LinearWeightGradOp>(op))
    return grad.getResult();
  return {};
}

Fault productFault(Operation *op, bool anyBits) {
  auto numerics = op->getAttrOfType<nn::NumericsAttr>("numerics");
  if (!matrixOf(op) || !numerics || numerics.getOrder() != "k16")
    return GroupFault{op,
                      "must be a product of the tensor cores, of bf16 with rows of whole 16 bytes"};
  auto linear = dyn_cast<nn::LinearOp>(op);
  if (!linear)
    return std::nullopt;
  if (linear.getResidual() && !anyBits)
    return GroupFault{op, "must have no residual: it is added to a result that was rounded, which "
                          "a library does not do"};
  if (llvm::any_of(linear.getResult().getUsers(), llvm::IsaPred<nn::SampleOp>))
    return GroupFault{op, "must not make logits that are sampled from: its kernel makes the "
                          "sampler's sums along with them"};
  return std::nullopt;
}

} // namespace

std::string productName(Operation *op) {
  Value matrix = matrixOf(op);
  if (!matrix)
    return "";
  ArrayRef<int64_t> shape = cast<RankedTensorType>(matrix.getType()).getShape();
  StringRef kind = isa<nn::LinearOp>(op)           ? "linear"
                   : isa<nn::LinearDataGradOp>(op) ? "data_grad"
                                                   : "weight_grad";
  return (kind + "/" + Twine(shape[0]) + "x" + Twine(shape[1])).str();
}

Fault serviceFault(ArrayRef<Operation *> ops, bool anyBits) {
  if (ops.size() > 1 && isa<nn::LinearOp>(ops.front()) && isa<nn::KvAppendOp>(ops.back()))
    return GroupFault{ops.front(), "must not be one launch with the rows of the KV cache that are made of it"};
  if (ops.size() > 1 && isa<nn::RmsNormOp>(ops.front()))
    return GroupFault{ops[1], "must not be one launch with the norm of its rows"};
  for (Operation *op : ops) {
    if (ops.size() > 1 && isa<nn::FusedOp>(op))
      return GroupFault{ops.front(), "must not be fused with an elementwise program"};
    if (Fault fault = productFault(op, anyBits))
      return fault;
  }
  return std::nullopt;
}

Fault libraryFault(ArrayRef<Operation *> ops, bool cuda) {
  if (llvm::none_of(ops, [](Operation *op) { return op->hasAttr(kLibraryAttr); }))
    return std::nullopt;
  Operation *first = ops.front();
  if (!cuda)
    return GroupFault{first, "must be compiled for a GPU"};
  for (Operation *op : ops) {
    auto library = op->getAttrOfType<StringAttr>(kLibraryAttr);
    if (!library || library.getValue() != kCublasLt ||
        op->hasAttr(kAnyBitsAttr) != first->hasAttr(kAnyBitsAttr))
      return GroupFault{
          op, "must name the library cublaslt, and the same bits, as all ops of its group"};
  }
  return serviceFault(ops, first->hasAttr(kAnyBitsAttr));
}

} // namespace mirl::passes
