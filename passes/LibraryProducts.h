// Products that cuBLASLt may compute: nn.linear, nn.linear_data_grad and nn.linear_weight_grad ops
// of the order k16, alone or as a group of products (LaunchGroups.h), that carry `nn.library`.
// select-library marks them; nn-to-plan writes both into their launch, the kernel and the library's
// products. Which of the two computes it is for the runtime to choose (docs/cuda.md, "cuBLASLt").

#ifndef MIRL_PASSES_LIBRARYPRODUCTS_H
#define MIRL_PASSES_LIBRARYPRODUCTS_H

#include "passes/LaunchGroups.h"

namespace mirl::passes {

// "cublaslt", and with it, as a unit: the library's bits are taken as they are.
inline constexpr llvm::StringLiteral kLibraryAttr = "nn.library";
inline constexpr llvm::StringLiteral kAnyBitsAttr = "nn.any_bits";
inline constexpr llvm::StringLiteral kCublasLt = "cublaslt";

// Bytes of the library's workspace in a launch: what NVIDIA recommends for Hopper.
inline constexpr int64_t kLibraryWorkspace = 32 << 20;

// "linear/896x4864", "data_grad/…" or "weight_grad/…", with the weight's N and K; "" of another op.
std::string productName(mlir::Operation *op);

// Why no library computes what one launch does, an op or a group; nothing when one may. With
// `anyBits` it need not have the bits of the op.
std::optional<GroupFault> serviceFault(llvm::ArrayRef<mlir::Operation *> ops, bool anyBits);

// Why the marks of an op or a group are wrong; nothing when they are not, or there are none.
std::optional<GroupFault> libraryFault(llvm::ArrayRef<mlir::Operation *> ops, bool cuda);

} // namespace mirl::passes

#endif // MIRL_PASSES_LIBRARYPRODUCTS_H
