// What a run has written of itself, when it goes on from an iteration: nothing of that iteration or
// of later ones may stay, since they will be written again.

#ifndef MIRL_RUNTIME_REPORT_HISTORY_H
#define MIRL_RUNTIME_REPORT_HISTORY_H

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/report/Metrics.h"

namespace mirl::rt {

// Cuts a metrics.jsonl behind the last line of the iterations before `iteration`, and returns
// these. A line that is no such object (torn, or written by somebody else) ends them. No file: no
// lines.
absl::StatusOr<std::vector<IterationMetrics>> CutMetrics(const std::string &path,
                                                         int64_t iteration);

// Cuts the TensorBoard event files of a folder behind the last record of the steps before `step`;
// one without any is removed. A damaged record ends a file.
absl::Status CutEvents(const std::string &directory, int64_t step);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REPORT_HISTORY_H
