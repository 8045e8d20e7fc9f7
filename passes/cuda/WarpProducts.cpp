#include "passes/cuda/WarpProducts.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace mirl::passes::cuda {

void multiplyWarp(TileKernelBuilder &b, ValueRange a, ValueRange bWords,
                  MutableArrayRef<Value> sums) {
  using namespace NVVM;
  Value product =
      MmaOp::create(b, b.accumulator(8), a, bWords, ValueRange(sums), ArrayRef<int64_t>{16, 8, 16},
                    std::nullopt, std::nullopt, std::array{MMATypes::bf16, MMATypes::bf16},
                    std::array{MMALayout::row, MMALayout::col});
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = b.element(product, static_cast<int64_t>(i));
}

SmallVector<Value> loadMatrices(TileKernelBuilder &b, Value offset, bool transposed) {
  auto words =
      LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, b.getI32Type()));
  Value all = NVVM::LdMatrixOp::create(
      b, words, b.shared(offset), b.getI32IntegerAttr(4),
      NVVM::MMALayoutAttr::get(b.getContext(), transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row),
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltTypeAttr::get(b.getContext(), NVVM::LdStMatrixEltType::B16));
  SmallVector<Value> result;
  for (int64_t i = 0; i < 4; ++i)
    result.push_back(b.element(all, i));
  return result;
}

void copyPiece(TileKernelBuilder &b, Value offset, Value source, Value there) {
  NVVM::CpAsyncOp::create(b, b.shared(offset), source, 16, NVVM::LoadCacheModifierKind::CG,
                          b.select(there, b.c(16), b.c(0)));
}

void commitPieces(TileKernelBuilder &b) { NVVM::CpAsyncCommitGroupOp::create(b); }
void waitPieces(TileKernelBuilder &b, int64_t pending) {
  NVVM::CpAsyncWaitGroupOp::create(b, static_cast<uint32_t>(pending));
}

Value ballot(TileKernelBuilder &b, Value condition) {
  return NVVM::VoteSyncOp::create(b, b.getI32Type(), b.c(-1), condition,
                                  NVVM::VoteSyncKind::ballot);
}

} // namespace mirl::passes::cuda
