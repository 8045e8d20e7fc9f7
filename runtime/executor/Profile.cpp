#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

std::string FormatProfile(const std::vector<ProfileRow> &rows) {
  double total = 0;
  for (const ProfileRow &row : rows)
    total += row.seconds;
  std::string text = absl::StrFormat("%10s %6s %8s %10s %9s %9s  %s\n", "ms", "%", "calls", "us/call",
                                     "GFLOP/s", "GB/s", "entry: op (kernel)");
  for (const ProfileRow &row : rows) {
    if (row.calls == 0)
      continue;
    double seconds = std::max(row.seconds, 1e-12);
    absl::StrAppendFormat(&text, "%10.3f %6.1f %8d %10.2f %9.2f %9.2f  %s: %s (%s)\n", row.seconds * 1e3,
                          100 * row.seconds / std::max(total, 1e-12), row.calls,
                          row.seconds * 1e6 / static_cast<double>(row.calls), row.flops / seconds * 1e-9,
                          row.bytes / seconds * 1e-9, row.entry, row.op, row.kernel);
  }
  absl::StrAppendFormat(&text, "%10.3f  total\n", total * 1e3);
  return text;
}

} // namespace mirl::rt
