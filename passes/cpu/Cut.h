// How elementwise schedules cut tensors into work items and vectors.

#ifndef MIRL_PASSES_CPU_CUT_H
#define MIRL_PASSES_CPU_CUT_H

#include "passes/cpu/Schedules.h"

#include <numeric>

namespace mirl::passes::cpu {

// How the elements of tensors of one shape are cut into items, in memory order.
struct Cut {
  mlir::RankedTensorType type;
  int64_t columns, item, operands;
  bool narrow;

  // `streams`: the tensors of that shape that are read or written.
  Cut(const Lowering &lowering, mlir::RankedTensorType type,
      llvm::ArrayRef<mlir::RankedTensorType> streams)
      : type(type), columns(type.hasStaticShape() ? type.getNumElements() : columnsOf(type)),
        operands(streams.size()), narrow(llvm::all_of(streams, [](mlir::RankedTensorType t) {
          return t.getElementType().isBF16();
        })) {
    item = lowering.itemElements(operands, narrow);
  }

  // Items of a tensor of fixed shape.
  int64_t items() const { return (columns + item - 1) / item; }

  // `tensors`: how many of fixed shape the launch is of, one behind the other.
  void describe(Lowering &lowering, LaunchSpec &spec, int64_t tensors = 1) const {
    if (type.hasStaticShape()) {
      spec.work = plan::WorkAttr::get(lowering.context(), std::nullopt, columns, item, tensors);
    } else {
      // The fewest rows that are whole items.
      int64_t together = std::gcd(columns, item);
      spec.work = lowering.rows(type, item / together, std::max<int64_t>(1, columns / together));
    }
    spec.lanes = {Lanes::Use::elements,    item,   item,
                  std::gcd(columns, item), narrow, operands / (narrow ? 2.0 : 1.0)};
  }

  // Calls body(first element, elements) for each full vector and for the masked rest of items
  // [begin, end), or of one item.
  void elements(KernelBuilder &b,
                llvm::function_ref<void(mlir::Value index, mlir::Value countOrNull)> body,
                mlir::Value one = {}) const {
    mlir::Value total = type.hasStaticShape() ? b.c(columns) : b.mul(rowsOf(b, type), columns);
    mlir::Value from = b.mul(one ? one : b.begin(), item);
    if (b.lanes() == item) { // an item is a vector
      mlir::Value rest = b.sub(total, from);
      b.ifThen(b.lt(b.c(item - 1), rest), [&] { body(from, nullptr); });
      if (columns % item)
        b.ifThen(b.lt(rest, b.c(item)), [&] { body(from, rest); });
      return;
    }
    mlir::Value to = b.min(b.mul(one ? b.add(one, 1) : b.end(), item), total);
    mlir::Value full =
        b.add(from, b.mul(b.divide(b.max(b.sub(to, from), b.c(0)), b.c(b.lanes())), b.lanes()));
    b.loop(from, full, b.lanes(), [&](mlir::Value i) { body(i, nullptr); });
    b.ifThen(b.lt(full, to), [&] { body(full, b.sub(to, full)); });
  }
};

inline mlir::Value loadLanes(KernelBuilder &b, mlir::Value pointer, mlir::Value index,
                             mlir::Value count, double other = 0) {
  return count ? b.loadvMasked(pointer, index, count, other) : b.loadv(pointer, index);
}

inline void storeLanes(KernelBuilder &b, mlir::Value vector, mlir::Value pointer, mlir::Value index,
                       mlir::Value count) {
  if (count)
    b.storevMasked(vector, pointer, index, count);
  else
    b.storev(vector, pointer, index);
}

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_CUT_H
