// Groups: ops that stand behind each other in an entry, carry the same number as `nn.group`, and
// are one launch on a GPU, or a few. group-launches forms them, nn-to-plan lowers them. A group
// changes no bit: what its launch computes is what the ops compute one by one.
//
//  - products: nn.linear ops of bf16 with one left operand, in the order k16; all of them have a
//    bias or none has;
//  - products and their elementwise program: the same without biases, of one shape, then the
//    nn.fused all of whose operands are their results. What nobody else reads is not stored;
//  - a norm and what reads it: the nn.rms_norm of bf16 that makes the left operand of a group of products with a
//    program, or with the cache's new rows, before that group. Nobody else reads its result, and nobody its rstd. Where
//    there are few rows (kFewestRows): every block of the product makes all of them;
//  - gradients of weights: nn.linear_weight_grad ops of one input, in the order k16;
//  - the cache's new rows: one or two nn.rotary ops of one table and the same positions, then the
//    nn.kv_append at these positions whose key is one of their results;
//  - the same with the products before them: three nn.linear ops as above, two nn.rotary ops of two
//    of them, then the nn.kv_append of one of these and the third product, all of bf16. Nothing but
//    the other rotation is read by others;
//  - updates: nn.adamw ops with the same rate, step, scale and coefficients: a launch for each
//    shape of tensors;
//  - norms: nn.squared_norm ops each of which adds to the one before: a launch for each shape, one
//    for the sums of the tensors, one for the chain over them. Only the last result is stored.

#ifndef MIRL_PASSES_LAUNCHGROUPS_H
#define MIRL_PASSES_LAUNCHGROUPS_H

#include "dialects/nn/Nn.h"

#include <optional>
#include <string>

namespace mirl::passes {

inline constexpr llvm::StringLiteral kGroupAttr = "nn.group";

// Products of a group, and results of its program: a launch has at most 8 tensor maps, one for the
// common operand, and one for each weight and result.
inline constexpr size_t kMostProducts = 3;
inline constexpr size_t kMostProgramResults = 3;

// So few rows may be the columns of a product's tile, with the weights as its rows.
inline constexpr int64_t kFewRows = 256;
// So few may be normalised by every block of a product; and so many bytes, for which a thread has registers.
inline constexpr int64_t kFewestRows = 16, kMostNormBytes = 64 << 10;
inline bool normalisedByBlocks(int64_t rows, int64_t rowBytes) {
  return rows <= kFewestRows && kFewestRows * rowBytes <= kMostNormBytes;
}

struct GroupFault {
  mlir::Operation *op;
  std::string requirement; // "must …"
};

// Why these ops, in this order, are no group; nothing when they are one.
std::optional<GroupFault> groupFault(llvm::ArrayRef<mlir::Operation *> ops);

} // namespace mirl::passes

#endif // MIRL_PASSES_LAUNCHGROUPS_H
