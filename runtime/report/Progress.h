// What a person sees while a run goes on, on standard error: on a terminal one line that is
// rewritten, elsewhere a line every few seconds.

#ifndef MIRL_RUNTIME_REPORT_PROGRESS_H
#define MIRL_RUNTIME_REPORT_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#include "runtime/report/Metrics.h"

namespace mirl::rt {

// "42 s", "3 min 5 s", "2 h 7 min".
std::string FormatDuration(double seconds);
// "980", "31.4k", "2.10M".
std::string FormatCount(double value);
// "iteration 3/40  loss 0.123  reward 0.50  …  1 min 5 s left"; `iteration` is the number finished.
std::string FormatProgress(const IterationMetrics &metrics, int64_t done, int64_t total,
                           double elapsed);

class Progress {
public:
  // `done`: iterations that were finished before, of a run that goes on.
  Progress(std::FILE *out, int64_t total, int64_t done = 0);
  ~Progress();
  void Update(const IterationMetrics &metrics);
  // Ends the rewritten line.
  void Finish();

private:
  using Clock = std::chrono::steady_clock;
  std::FILE *out_;
  bool terminal_, open_ = false;
  int64_t total_, first_, done_;
  size_t width_ = 0;
  Clock::time_point started_, shown_;
};

// The table at the end of a run: its first and its last iterations' means, side by side. It keeps what
// these need and no more, however long the run is.
class Summary {
public:
  void Add(IterationMetrics metrics);
  std::string Format() const;

private:
  std::vector<IterationMetrics> first_;
  std::deque<IterationMetrics> last_;
  size_t iterations_ = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REPORT_PROGRESS_H
