// The table of CPU schedules, and the work attributes they share.

#include "passes/cpu/Schedules.h"

using namespace mlir;

namespace mirl::passes::cpu {

plan::WorkAttr Lowering::rows(RankedTensorType type, int64_t tile, int64_t factor) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type))
    return plan::WorkAttr::get(context(), axis->getAxis(), axis->getExtra(), tile, factor);
  int64_t size = type.getRank() == 0 ? 1 : type.getDimSize(0);
  return plan::WorkAttr::get(context(), std::nullopt, size, tile, factor);
}

plan::WorkAttr Lowering::items(int64_t count) {
  return plan::WorkAttr::get(context(), std::nullopt, count, 1, 1);
}

Schedule findSchedule(StringRef opName) {
  static const llvm::StringMap<Schedule> table = [] {
    llvm::StringMap<Schedule> schedules;
    registerMatmulSchedules(schedules);
    registerElementwiseSchedules(schedules);
    registerUpdateSchedules(schedules);
    registerRowSchedules(schedules);
    registerSegmentSchedules(schedules);
    registerAttentionSchedules(schedules);
    registerLogprobSchedules(schedules);
    return schedules;
  }();
  auto it = table.find(opName);
  return it == table.end() ? nullptr : it->second;
}

Value rowsOf(KernelBuilder &b, RankedTensorType type) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type)) {
    Value extent = b.dim(static_cast<Dim>(static_cast<int>(axis->getAxis()) - 1));
    return axis->getExtra() ? b.add(extent, axis->getExtra()) : extent;
  }
  return b.c(type.getRank() == 0 ? 1 : type.getDimSize(0));
}

int64_t columnsOf(RankedTensorType type) {
  int64_t columns = 1;
  for (int64_t i = 1; i < type.getRank(); ++i)
    columns *= type.getDimSize(i);
  return columns;
}

std::string axisName(RankedTensorType type) {
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type)) {
    std::string name = nn::stringifyAxis(axis->getAxis()).str();
    if (axis->getExtra())
      name += std::to_string(axis->getExtra());
    return name;
  }
  return "r" + std::to_string(type.getRank() == 0 ? 1 : type.getDimSize(0));
}

Value chainOf(KernelBuilder &b, Value from, Value to, int64_t together, Value start,
              function_ref<SmallVector<Value>(Value i)> load, function_ref<Value(Value sum, ValueRange loaded)> add) {
  auto steps = [&](Value first, Value last, int64_t count, Value sum) {
    return b.loopCarry(first, last, count, sum, [&](Value i, ValueRange carried) {
      SmallVector<SmallVector<Value>> loaded;
      for (int64_t k = 0; k < count; ++k)
        loaded.push_back(load(k ? b.add(i, k) : i));
      Value sum = carried[0];
      for (ArrayRef<Value> numbers : loaded)
        sum = add(sum, numbers);
      return SmallVector<Value>{sum};
    })[0];
  };
  if (together == 1)
    return steps(from, to, 1, start);
  Value count = b.max(b.sub(to, from), b.c(0));
  Value whole = b.add(from, b.mul(b.divide(count, b.c(together)), together));
  return steps(whole, to, 1, steps(from, whole, together, start));
}

} // namespace mirl::passes::cpu
