// What the extents of a call make of a plan's sizes and formulas.

#include <algorithm>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/Validate.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

std::string_view AxisName(fb::Axis axis) { return fb::EnumNameAxis(axis); }

double Evaluate(const fb::Affine *affine, const Extents &e) {
  if (!affine)
    return 0;
  return affine->constant() + affine->context() * static_cast<double>(e.context) +
         affine->token() * static_cast<double>(e.token) +
         affine->sequence() * static_cast<double>(e.sequence) +
         affine->group() * static_cast<double>(e.group);
}

int64_t AxisExtent(fb::Axis axis, const Extents &extents) {
  switch (axis) {
  case fb::Axis::fixed:
    return 0;
  case fb::Axis::context:
    return extents.context;
  case fb::Axis::token:
    return extents.token;
  case fb::Axis::sequence:
    return extents.sequence;
  case fb::Axis::group:
    return extents.group;
  }
  return 0;
}

int64_t ElementCount(const fb::TensorType &type, const Extents &extents) {
  int64_t count = 1;
  for (uint32_t i = 0; i < Length(type.dims()); ++i) {
    const fb::Dim &dim = *type.dims()->Get(i);
    count *= std::max<int64_t>(0, AxisExtent(dim.axis(), extents) + dim.size());
  }
  return count;
}

int64_t ByteSize(const fb::TensorType &type, const Extents &extents) {
  return ElementCount(type, extents) * ElementBytes(type.dtype());
}

} // namespace mirl::rt
