#include "runtime/reward/Program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kLongestLine = size_t{1} << 20;
constexpr int kMaxAttempts = 2;

// A watcher beside the command, in its process group, reads from a pipe that nobody writes to and
// whose other end only this process has: when it ends, however it does, the watcher kills the group.
// (PR_SET_PDEATHSIG would reach the shell alone, and act on the end of a thread.)
constexpr int kAliveFile = 3;
constexpr const char *kGuard = "(read -r _ <&3; kill -KILL 0) </dev/null >/dev/null & "
                               "exec 3<&-; exec /bin/sh -c \"$1\"";

std::string Shorten(std::string_view line) {
  return line.size() <= 200 ? std::string(line) : Cat(line.substr(0, 200), "…");
}

} // namespace

ProgramVerifier::ProgramVerifier(std::string command, double timeout)
    : command_(std::move(command)), timeout_(timeout > 0 ? timeout : 10) {}

ProgramVerifier::~ProgramVerifier() { Stop(); }

absl::Status ProgramVerifier::Start() {
  // Writing to a program that died must be an error, not the end of this process.
  struct sigaction pipe_action;
  if (sigaction(SIGPIPE, nullptr, &pipe_action) == 0 && pipe_action.sa_handler == SIG_DFL)
    signal(SIGPIPE, SIG_IGN);
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0)
    return absl::InternalError(Cat("reward program: pipe: ", strerror(errno)));
  int alive[2];
  if (pipe2(from, O_CLOEXEC) != 0) {
    int error = errno;
    close(to[0]);
    close(to[1]);
    return absl::InternalError(Cat("reward program: pipe: ", strerror(error)));
  }
  if (pipe2(alive, O_CLOEXEC) != 0) {
    int error = errno;
    for (int file : {to[0], to[1], from[0], from[1]})
      close(file);
    return absl::InternalError(Cat("reward program: pipe: ", strerror(error)));
  }
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
  const char *arguments[] = {"sh", "-c", kGuard, "sh", command_.c_str(), nullptr};
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
        Cat("reward program '", command_, "' cannot be started: ", strerror(error)));
  }
  in_ = to[1];
  out_ = from[0];
  alive_ = alive[1];
  fcntl(in_, F_SETFL, O_NONBLOCK);
  fcntl(out_, F_SETFL, O_NONBLOCK);
  received_.clear();
  return absl::OkStatus();
}

std::string ProgramVerifier::Stop() {
  if (pid_ < 0)
    return "was not running";
  close(in_);
  close(out_);
  // If it has ended by itself its status says how; give it a moment between closing its output and
  // exiting before it is killed.
  int status = 0;
  pid_t ended = 0;
  for (int i = 0; i < 50 && ended == 0; ++i) {
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

absl::Status ProgramVerifier::Verify(std::span<const Answer> answers, std::vector<float> &results) {
  int64_t first_id = next_id_;
  next_id_ += static_cast<int64_t>(answers.size());
  std::vector<Question> questions(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    Json line = {{"id", first_id + static_cast<int64_t>(i)},
                 {"prompt", answers[i].record->prompt},
                 {"response", answers[i].response},
                 {"record", answers[i].record->fields}};
    questions[i].line = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  results.assign(answers.size(), 0.0f);
  size_t answered = 0;
  while (answered < questions.size()) {
    if (pid_ < 0)
      MIRL_TRY(Start());
    std::string failure;
    MIRL_TRY(Exchange(questions, first_id, answered, results, failure));
    if (failure.empty())
      continue;
    // The oldest question is the one it failed at; the same one twice is enough.
    auto oldest = std::find_if(questions.begin(), questions.end(),
                               [](const Question &q) { return !q.answered; });
    if (++oldest->attempts >= kMaxAttempts)
      return Invalid("reward program '", command_, "' ", failure, ", twice, at the question ",
                     Shorten(std::string_view(oldest->line).substr(0, oldest->line.size() - 1)));
  }
  return absl::OkStatus();
}

// Asks what is not answered yet and reads answers until all are there, or the program fails (then
// it is stopped and `failure` says how), or it says something that is no answer.
absl::Status ProgramVerifier::Exchange(std::vector<Question> &questions, int64_t first_id,
                                       size_t &answered, std::vector<float> &results,
                                       std::string &failure) {
  size_t to_send = 0, sent_bytes = 0;
  auto skip_answered = [&] {
    while (to_send < questions.size() && sent_bytes == 0 && questions[to_send].answered)
      ++to_send;
  };
  skip_answered();
  auto wait = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_));
  Clock::time_point deadline = Clock::now() + wait;
  std::vector<char> chunk(64 * 1024);
  while (answered < questions.size()) {
    pollfd files[2] = {{out_, POLLIN, 0}, {in_, POLLOUT, 0}};
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      Stop();
      failure = Cat("gave no answer within its timeout of ", timeout_, " s and was killed");
      return absl::OkStatus();
    }
    int ready = poll(files, to_send < questions.size() ? 2 : 1,
                     static_cast<int>(std::min<int64_t>(left + 1, 3'600'000)));
    if (ready < 0 && errno != EINTR)
      return absl::InternalError(Cat("reward program: poll: ", strerror(errno)));
    if (ready <= 0)
      continue;
    if (files[0].revents) {
      ssize_t count = read(out_, chunk.data(), chunk.size());
      if (count < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (count <= 0) {
        failure = Cat(Stop(), " before it had answered");
        return absl::OkStatus();
      }
      received_.append(chunk.data(), static_cast<size_t>(count));
      size_t begin = 0;
      for (size_t end; (end = received_.find('\n', begin)) != std::string::npos; begin = end + 1) {
        absl::Status status = TakeLine(std::string_view(received_).substr(begin, end - begin),
                                       questions, first_id, answered, results);
        if (!status.ok()) {
          Stop();
          return status;
        }
        deadline = Clock::now() + wait;
      }
      received_.erase(0, begin);
      if (received_.size() > kLongestLine) {
        Stop();
        return Invalid("reward program '", command_, "' wrote a line of more than ", kLongestLine,
                       " bytes: ", Shorten(received_));
      }
    }
    if (to_send < questions.size() && (files[1].revents & (POLLOUT | POLLERR | POLLHUP))) {
      const std::string &line = questions[to_send].line;
      ssize_t count = write(in_, line.data() + sent_bytes, line.size() - sent_bytes);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        // It closed its input. What it still says, or its end, is read before judging: stop
        // sending.
        to_send = questions.size();
        continue;
      }
      sent_bytes += static_cast<size_t>(std::max<ssize_t>(count, 0));
      if (sent_bytes == line.size()) {
        sent_bytes = 0;
        ++to_send;
        skip_answered();
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ProgramVerifier::TakeLine(std::string_view line, std::vector<Question> &questions,
                                       int64_t first_id, size_t &answered,
                                       std::vector<float> &results) {
  auto bad = [&](std::string_view why) {
    return Invalid("reward program '", command_, "' wrote a line that is not an answer (", why,
                   R"(; wanted {"id": …, "reward": …}): )", Shorten(line));
  };
  Json answer = ParseJson(line);
  if (answer.is_discarded() || !answer.is_object())
    return bad("it is not a JSON object");
  auto id = answer.find("id"), reward = answer.find("reward");
  if (id == answer.end() || !id->is_number_integer())
    return bad("it has no id");
  int64_t index = id->get<int64_t>() - first_id;
  if (index < 0 || index >= static_cast<int64_t>(questions.size()))
    return bad("nothing with this id was asked");
  Question &question = questions[static_cast<size_t>(index)];
  if (question.answered)
    return bad("it was answered before");
  if (reward == answer.end() || !reward->is_number() || !std::isfinite(reward->get<float>()))
    return bad("the reward is not a number");
  question.answered = true;
  ++answered;
  results[static_cast<size_t>(index)] = reward->get<float>();
  return absl::OkStatus();
}

} // namespace mirl::rt
