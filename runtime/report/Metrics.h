// The numbers of an iteration, and metrics.jsonl: one object a line, flushed, an object an
// iteration.

#ifndef MIRL_RUNTIME_REPORT_METRICS_H
#define MIRL_RUNTIME_REPORT_METRICS_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

struct IterationMetrics {
  int64_t iteration = 0;
  std::vector<std::pair<std::string, double>> values; // in order; NaN: there is none

  void Set(std::string_view name, double value);
  double Get(std::string_view name) const; // NaN when there is none
};

// {"iteration":0,"loss":0.5,"accuracy":null,…} without a line end. Whole numbers are written as
// such, others with the digits that give the same double again; NaN and infinities are null.
std::string ToJsonLine(const IterationMetrics &metrics);

class MetricsFile {
public:
  static absl::StatusOr<std::unique_ptr<MetricsFile>> Create(const std::string &path);
  ~MetricsFile();
  absl::Status Write(const IterationMetrics &metrics);
  // Puts what was written on the disk.
  absl::Status Sync();

private:
  MetricsFile() = default;
  std::string path_;
  int fd_ = -1;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REPORT_METRICS_H
