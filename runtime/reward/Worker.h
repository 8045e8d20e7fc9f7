// A process of a reward program: a command that reads lines and writes lines, with all that it starts.
// It can be killed at any time, and ends when this process does, however that ends.

#ifndef MIRL_RUNTIME_REWARD_WORKER_H
#define MIRL_RUNTIME_REWARD_WORKER_H

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

class Worker {
public:
  Worker() = default;
  ~Worker() { Stop(/*grace=*/false); }
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;

  // Starts `command` with /bin/sh, in a process group of its own.
  absl::Status Start(const std::string &command);
  // Kills the whole process group; returns how the command ended ("exited with status 3"). `grace`:
  // one that is about to end by itself gets a moment, so that this is told.
  std::string Stop(bool grace);
  bool running() const { return pid_ >= 0; }

  // Its standard input and output, which do not block; for poll.
  int in() const { return in_; }
  int out() const { return out_; }
  // Writes as much of the bytes as there is room for, and returns how much; -1: it closed its input.
  int64_t Write(std::string_view bytes);
  // Adds what is there to `text`; false when it closed its output.
  bool Read(std::string &text);

private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  int alive_ = -1; // closed when this process ends; see kGuard
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REWARD_WORKER_H
