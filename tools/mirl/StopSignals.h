// SIGINT and SIGTERM as a wish: the first is remembered, the second ends the process as ever.

#ifndef MIRL_TOOLS_MIRL_STOPSIGNALS_H
#define MIRL_TOOLS_MIRL_STOPSIGNALS_H

#include <csignal>

namespace mirl::tools {

// While one lives. A signal that was ignored (nohup) stays ignored.
class StopSignals {
public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals &) = delete;
  StopSignals &operator=(const StopSignals &) = delete;

  // The signal that came first; 0: none.
  static int Caught();

private:
  struct sigaction old_[2];
};

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_STOPSIGNALS_H
