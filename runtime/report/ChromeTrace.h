// What ran and when, as a file that Perfetto (ui.perfetto.dev) and chrome://tracing show.
//
// The format is the array form of Chrome's trace events: a process for the plan, a row for entries and one for their
// commands; times and durations in microseconds. A file whose end is missing can be looked at too.

#ifndef MIRL_RUNTIME_REPORT_CHROMETRACE_H
#define MIRL_RUNTIME_REPORT_CHROMETRACE_H

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

class ChromeTrace {
public:
  // Makes the file, or empties it. `process`: what to call the process, `device` the row of commands.
  static absl::StatusOr<std::unique_ptr<ChromeTrace>> Create(const std::string &path, const std::string &process,
                                                             const std::string &device);
  ~ChromeTrace();
  ChromeTrace(const ChromeTrace &) = delete;
  ChromeTrace &operator=(const ChromeTrace &) = delete;

  // An event with its name (the op, or the entry), and as arguments entry, kernel, source ("file:line:column"), FLOP,
  // bytes, and what that is in a second.
  void Add(const TraceEvent &event);
  // Ends the file. An error names it, and says why not all is in it.
  absl::Status Close();

private:
  explicit ChromeTrace(std::string path) : path_(std::move(path)) {}
  void Write(const std::string &text);

  std::string path_;
  std::FILE *file_ = nullptr;
  bool first_ = true;
  int error_ = 0; // errno of the first write that failed
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REPORT_CHROMETRACE_H
