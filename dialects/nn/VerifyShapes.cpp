// The shape checks shared by the verifiers.

#include "dialects/nn/VerifyShapes.h"

using namespace mlir;
using namespace mirl::nn;

ShapeCheck &ShapeCheck::that(bool holds, const Twine &message) {
  if (!failed_ && !holds) {
    op_->emitOpError(message);
    failed_ = true;
  }
  return *this;
}

ShapeCheck &ShapeCheck::rank(Named tensor, int64_t rank) {
  that(tensor.rank() == rank, Twine(tensor.name) + " must have rank " + Twine(rank) + ", has rank " +
                                  Twine(tensor.rank()));
  if (failed_)
    return *this;
  for (int64_t i = 1; i < rank; ++i)
    that(!tensor.type().isDynamicDim(i),
         Twine(tensor.name) + ": only the first dimension may be dynamic, dimension " + Twine(i) + " is");
  if (rank > 0 && tensor.type().isDynamicDim(0))
    that(axisOf(tensor.type()).has_value(),
         Twine(tensor.name) + ": a dynamic first dimension needs an #nn.axis encoding");
  return *this;
}

ShapeCheck &ShapeCheck::fixed(Named tensor) {
  return that(tensor.type().hasStaticShape(), Twine(tensor.name) + " must have fixed dimensions");
}

ShapeCheck &ShapeCheck::dim(Named tensor, int64_t index, int64_t wanted, StringRef why) {
  if (failed_)
    return *this;
  return that(tensor.dim(index) == wanted, Twine(tensor.name) + " has " + Twine(tensor.dim(index)) +
                                               " in dimension " + Twine(index) + ", must have " +
                                               Twine(wanted) + ": " + why);
}

ShapeCheck &ShapeCheck::sameRows(Named a, Named b) {
  if (failed_)
    return *this;
  bool same = a.dim(0) == b.dim(0) && axisOf(a.type()) == axisOf(b.type());
  return that(same, Twine(a.name) + " and " + b.name + " must have the same rows");
}

ShapeCheck &ShapeCheck::sameType(Named a, Named b) {
  return that(a.type() == b.type(), Twine(a.name) + " and " + b.name + " must have the same type");
}

ShapeCheck &ShapeCheck::sameShape(Named a, Named b) {
  return that(a.type().clone(b.type().getElementType()) == b.type(), Twine(a.name) + " and " + b.name + " must have the same shape");
}

ShapeCheck &mirl::nn::checkKept(ShapeCheck &check, Named logits, Named maxima, Named hidden, Named weight) {
  check.rank(logits, 2).rank(maxima, 2).sameRows(logits, hidden).sameRows(maxima, hidden);
  if (failed(LogicalResult(check)))
    return check;
  int64_t kept = logits.dim(1), all = weight.dim(0);
  return check
      .that(logits.type().getElementType().isBF16() && maxima.type().getElementType().isF32(), "kept_logits must be of bf16, maxima of f32")
      .that(kept == all || (kept > 0 && kept < all && kept % LinearLogprobOp::kBlock == 0),
            "kept_logits must have a multiple of 256 columns, or all of the vocabulary's")
      .dim(maxima, 1, LinearLogprobOp::blocksOf(kept), "a maximum for each block of kept_logits");
}

ShapeCheck &ShapeCheck::offsets(Named offsets) {
  rank(offsets, 1);
  if (failed_)
    return *this;
  auto axis = axisOf(offsets.type());
  return that(!axis || axis->getExtra() == 1,
              Twine(offsets.name) + " must have one element more than its axis, as in #nn.axis<sequence, 1>");
}

ShapeCheck &ShapeCheck::offsetsOf(Named offsets, Named rows) {
  this->offsets(offsets);
  if (failed_)
    return *this;
  auto coarse = axisOf(offsets.type()), axis = axisOf(rows.type());
  bool same = coarse && axis ? coarse->getAxis() == axis->getAxis() && axis->getExtra() == 0
                             : offsets.dim(0) == rows.dim(0) + 1;
  return that(same, Twine(offsets.name) + " must have one element more than " + rows.name + " has rows");
}
