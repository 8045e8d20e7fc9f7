#include "runtime/reward/Worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

// A watcher beside the command, in its process group, reads from a pipe that nobody writes to and
// whose other end only this process has: when it ends, however it does, the watcher kills the group.
// (PR_SET_PDEATHSIG would reach the shell alone, and act on the end of a thread.)
constexpr int kAliveFile = 3;
constexpr const char *kGuard = "(read -r _ <&3; kill -KILL 0) </dev/null >/dev/null & "
                               "exec 3<&-; exec /bin/sh -c \"$1\"";

} // namespace

absl::Status Worker::Start(const std::string &command) {
  // Writing to a program that died must be an error, not the end of this process.
  struct sigaction pipe_action;
  if (sigaction(SIGPIPE, nullptr, &pipe_action) == 0 && pipe_action.sa_handler == SIG_DFL)
    signal(SIGPIPE, SIG_IGN);
  int pipes[3][2]; // to it, from it, alive
  for (int i = 0; i < 3; ++i)
    if (pipe2(pipes[i], O_CLOEXEC) != 0) {
      int error = errno;
      while (i-- > 0) {
        close(pipes[i][0]);
        close(pipes[i][1]);
      }
      return absl::InternalError(Cat("reward program: pipe: ", strerror(error)));
    }
  auto &[to, from, alive] = pipes;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, from[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, alive[0], kAliveFile);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that all it starts can be killed with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  const char *arguments[] = {"sh", "-c", kGuard, "sh", command.c_str(), nullptr};
  int error =
      posix_spawn(&pid_, "/bin/sh", &files, &attributes, const_cast<char **>(arguments), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  close(to[0]);
  close(from[1]);
  close(alive[0]);
  if (error != 0) {
    close(to[1]);
    close(from[0]);
    close(alive[1]);
    pid_ = -1;
    return absl::InternalError(
        Cat("reward program '", command, "' cannot be started: ", strerror(error)));
  }
  in_ = to[1];
  out_ = from[0];
  alive_ = alive[1];
  fcntl(in_, F_SETFL, O_NONBLOCK);
  fcntl(out_, F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

std::string Worker::Stop(bool grace) {
  if (pid_ < 0)
    return "was not running";
  close(in_);
  close(out_);
  // If it has ended by itself its status says how; give it a moment between closing its output and
  // exiting before it is killed.
  int status = 0;
  pid_t ended = 0;
  for (int i = 0; i < (grace ? 50 : 0); ++i) {
    siginfo_t info{};
    // Without reaping it, so that its process group still exists for kill.
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == pid_)
      break;
    usleep(1000);
  }
  kill(-pid_, SIGKILL);
  do
    ended = waitpid(pid_, &status, 0);
  while (ended < 0 && errno == EINTR);
  close(alive_);
  pid_ = in_ = out_ = alive_ = -1;
  if (ended > 0 && WIFEXITED(status))
    return Cat("exited with status ", WEXITSTATUS(status));
  if (ended > 0 && WIFSIGNALED(status))
    return Cat("was ended by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")");
  return "ended";
}

int64_t Worker::Write(std::string_view bytes) {
  ssize_t count = write(in_, bytes.data(), bytes.size());
  if (count >= 0)
    return count;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool Worker::Read(std::string &text) {
  std::vector<char> chunk(64 * 1024);
  ssize_t count = read(out_, chunk.data(), chunk.size());
  if (count < 0)
    return errno == EAGAIN || errno == EINTR;
  text.append(chunk.data(), static_cast<size_t>(count));
  return count > 0;
}

} // namespace mirl::rt
