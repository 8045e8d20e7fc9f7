// What the verifiers of nn ops say about shapes, in one place and in one voice.

#ifndef MIRL_DIALECTS_NN_VERIFYSHAPES_H
#define MIRL_DIALECTS_NN_VERIFYSHAPES_H

#include "dialects/nn/Nn.h"

namespace mirl::nn {

// A tensor of an op with the name its diagnostics use.
struct Named {
  llvm::StringRef name;
  mlir::Value value;
  mlir::RankedTensorType type() const { return mlir::cast<mlir::RankedTensorType>(value.getType()); }
  int64_t rank() const { return type().getRank(); }
  int64_t dim(int64_t i) const { return type().getDimSize(i); }
  int64_t columns() const { return type().getShape().back(); }
};

// Collects the first failure of a chain of checks on one op.
class ShapeCheck {
public:
  explicit ShapeCheck(mlir::Operation *op) : op_(op) {}

  // `tensor` has this rank, and only its first dimension may be dynamic (and then names its axis).
  ShapeCheck &rank(Named tensor, int64_t rank);
  ShapeCheck &fixed(Named tensor); // no dynamic dimension
  ShapeCheck &dim(Named tensor, int64_t index, int64_t wanted, llvm::StringRef why);
  // Both have one row per element of the same axis (or the same fixed number of rows).
  ShapeCheck &sameRows(Named a, Named b);
  ShapeCheck &sameType(Named a, Named b);
  // The same but for the element type.
  ShapeCheck &sameShape(Named a, Named b);
  // `offsets` has one element more than `axis` has rows.
  ShapeCheck &offsetsOf(Named offsets, Named rows);
  ShapeCheck &offsets(Named offsets);
  ShapeCheck &scalar(Named tensor) { return rank(tensor, 0); }
  ShapeCheck &that(bool holds, const llvm::Twine &message);

  operator llvm::LogicalResult() const { return llvm::failure(failed_); }

private:
  mlir::Operation *op_;
  bool failed_ = false;
};

// What nn.linear_logprob keeps for its adjoint: logits of rows of `hidden` for the first entries of the vocabulary, and their
// blocks' maxima.
ShapeCheck &checkKept(ShapeCheck &check, Named logits, Named maxima, Named hidden, Named weight);

} // namespace mirl::nn

#endif // MIRL_DIALECTS_NN_VERIFYSHAPES_H
