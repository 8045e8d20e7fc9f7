// The shape of a result in one evaluation.

#ifndef MIRL_DIALECTS_NN_REFERENCE_SHAPES_H
#define MIRL_DIALECTS_NN_REFERENCE_SHAPES_H

#include "dialects/nn/Nn.h"

namespace mirl::nn::reference {

inline int64_t extentOf(Axis axis, const Extents &extents) {
  switch (axis) {
  case Axis::context:
    return extents.context;
  case Axis::token:
    return extents.token;
  case Axis::sequence:
    return extents.sequence;
  case Axis::group:
    return extents.group;
  }
  return 0;
}

// A tensor of this type at these extents, filled with one number.
inline Tensor filled(mlir::Type type, const Extents &extents, double value = 0) {
  Tensor out;
  int64_t n = 1;
  for (int64_t size : mlir::cast<mlir::RankedTensorType>(type).getShape()) {
    if (mlir::ShapedType::isDynamic(size)) {
      AxisAttr axis = *axisOf(type);
      size = extentOf(axis.getAxis(), extents) + axis.getExtra();
    }
    out.shape.push_back(size);
    n *= size;
  }
  out.data.assign(n, value);
  return out;
}

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_SHAPES_H
