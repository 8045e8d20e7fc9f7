#include "tools/mirl/StopSignals.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace mirl::tools {

namespace {

constexpr int kSignals[2] = {SIGINT, SIGTERM};
volatile std::sig_atomic_t caught = 0;

// Only what may be called at any instant.
void Remember(int signal_number) {
  int error = errno;
  caught = signal_number;
  for (int number : kSignals)
    std::signal(number, SIG_DFL);
  constexpr std::string_view text = "\nmirl: stops when this iteration is done and its checkpoint "
                                    "written; a second signal stops at once\n";
  if (write(STDERR_FILENO, text.data(), text.size()) < 0)
    errno = 0; // There is nobody to tell.
  errno = error;
}

} // namespace

StopSignals::StopSignals() {
  caught = 0;
  for (int i = 0; i < 2; ++i) {
    struct sigaction action = {};
    action.sa_handler = Remember;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], nullptr, &old_[i]);
    if (old_[i].sa_handler != SIG_IGN)
      sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (int i = 0; i < 2; ++i)
    sigaction(kSignals[i], &old_[i], nullptr);
}

int StopSignals::Caught() { return caught; }

} // namespace mirl::tools
