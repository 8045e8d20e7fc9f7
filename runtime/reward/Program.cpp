#include "runtime/reward/Program.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

using Json = nlohmann::json;

namespace {

constexpr size_t kLongestLine = size_t{1} << 20;
constexpr int kMaxAttempts = 2;

std::string Shorten(std::string_view line) {
  return line.size() <= 200 ? std::string(line) : Cat(line.substr(0, 200), "…");
}

} // namespace

ProgramVerifier::ProgramVerifier(std::string command, double timeout, int workers)
    : command_(std::move(command)), timeout_seconds_(timeout > 0 ? timeout : 10),
      processes_(static_cast<size_t>(std::max(workers, 1))) {
  timeout_ = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(timeout_seconds_));
}

int64_t ProgramVerifier::Ask(const Answer &answer) {
  int64_t id = next_id_++;
  Question &question = questions_[id];
  question.key = answer.key;
  question.record = answer.record;
  question.response = answer.response;
  Json line = {{"id", id},
               {"prompt", answer.record->prompt},
               {"response", answer.response},
               {"record", answer.record->fields}};
  question.line = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  waiting_.push_back(id);
  return id;
}

void ProgramVerifier::Submit(const Answer &answer) {
  submitted_[answer.key] = Ask(answer);
  Poll();
}

void ProgramVerifier::Poll() {
  // As often as a process may have taken a question and answered it.
  for (size_t i = 0; i < 4 && failure_.ok(); ++i) {
    absl::StatusOr<bool> moved = Pump(/*wait=*/false);
    failure_ = moved.status();
    if (!moved.ok() || !*moved)
      break;
  }
}

absl::Status ProgramVerifier::Verify(std::span<const Answer> answers, std::vector<float> &results) {
  MIRL_TRY(failure_);
  std::vector<int64_t> ids;
  for (const Answer &answer : answers) {
    auto early = answer.key < 0 ? submitted_.end() : submitted_.find(answer.key);
    if (early != submitted_.end()) {
      int64_t id = early->second;
      submitted_.erase(early);
      const Question &question = questions_.at(id);
      if (question.record == answer.record && question.response == answer.response) {
        ids.push_back(id);
        continue;
      }
    }
    ids.push_back(Ask(answer));
  }
  results.clear();
  for (int64_t id : ids) {
    while (!questions_.at(id).done)
      MIRL_TRY(Pump(/*wait=*/true).status());
    results.push_back(questions_.at(id).result);
  }
  for (int64_t id : ids)
    questions_.erase(id);
  return absl::OkStatus();
}

// Hands out what waits: to the only process all, of several to each one.
absl::Status ProgramVerifier::Deal() {
  for (Process &process : processes_) {
    while (!waiting_.empty() && (processes_.size() == 1 || process.asked.empty())) {
      if (!process.worker.running())
        MIRL_TRY(process.worker.Start(command_));
      if (process.asked.empty())
        process.deadline = Clock::now() + timeout_;
      process.asked.push_back(waiting_.front());
      process.unsent.push_back(waiting_.front());
      waiting_.pop_front();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ProgramVerifier::Pump(bool wait) {
  MIRL_TRY(Deal());
  std::vector<pollfd> files;
  Clock::time_point first = Clock::time_point::max();
  for (Process &process : processes_) {
    Send(process);
    if (process.asked.empty())
      continue;
    files.push_back({process.worker.out(), POLLIN, 0});
    if (!process.unsent.empty())
      files.push_back({process.worker.in(), POLLOUT, 0});
    first = std::min(first, process.deadline);
  }
  if (files.empty())
    return false;
  int64_t left = 0;
  if (wait)
    left = std::clamp<int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(first - Clock::now()).count() + 1, 0,
        3'600'000);
  int ready = poll(files.data(), files.size(), static_cast<int>(left));
  if (ready < 0 && errno != EINTR)
    return absl::InternalError(Cat("reward program: poll: ", strerror(errno)));
  if (ready < 0)
    return true; // A signal; nothing is known.
  bool moved = false;
  size_t file = 0;
  for (Process &process : processes_) {
    if (process.asked.empty() || file >= files.size() || files[file].fd != process.worker.out())
      continue;
    bool readable = files[file++].revents != 0;
    if (file < files.size() && files[file].fd == process.worker.in())
      moved |= files[file++].revents != 0;
    if (readable) {
      moved = true;
      MIRL_TRY(Receive(process));
    } else if (Clock::now() >= process.deadline) { // Judged when there is nothing to read.
      process.worker.Stop(/*grace=*/false);
      MIRL_TRY(Fail(process,
                    Cat("gave no answer within its timeout of ", timeout_seconds_,
                        " s and was killed"),
                    /*late=*/true));
      moved = true;
    }
  }
  return moved;
}

void ProgramVerifier::Send(Process &process) {
  while (!process.unsent.empty()) {
    std::string_view line = questions_.at(process.unsent.front()).line;
    int64_t count = process.worker.Write(line.substr(process.sent_bytes));
    if (count < 0) {
      // It closed its input. What it still says, or its end, is read before judging: send no more.
      process.unsent.clear();
      process.sent_bytes = 0;
      return;
    }
    process.sent_bytes += static_cast<size_t>(count);
    if (process.sent_bytes < line.size())
      return;
    process.sent_bytes = 0;
    process.unsent.pop_front();
  }
}

absl::Status ProgramVerifier::Receive(Process &process) {
  if (!process.worker.Read(process.received))
    return Fail(process, Cat(process.worker.Stop(/*grace=*/true), " before it had answered"),
                /*late=*/false);
  size_t begin = 0;
  for (size_t end; (end = process.received.find('\n', begin)) != std::string::npos; begin = end + 1)
    MIRL_TRY(TakeLine(std::string_view(process.received).substr(begin, end - begin), process));
  process.received.erase(0, begin);
  if (process.received.size() > kLongestLine)
    return Invalid("reward program '", command_, "' wrote a line of more than ", kLongestLine,
                   " bytes: ", Shorten(process.received));
  return absl::OkStatus();
}

absl::Status ProgramVerifier::Fail(Process &process, const std::string &failure, bool late) {
  std::deque<int64_t> asked = std::exchange(process.asked, {});
  process.unsent.clear();
  process.sent_bytes = 0;
  process.received.clear();
  // The oldest question is the one it failed at. One that a process was given its time for is not
  // asked again; at one where it died, once.
  Question &oldest = questions_.at(asked.front());
  if (late || ++oldest.attempts >= kMaxAttempts) {
    oldest.done = true;
    oldest.result = std::numeric_limits<float>::quiet_NaN();
    last_failure_ = Cat("reward program '", command_, "' ", failure);
    asked.pop_front();
    if (++unanswered_ >= kUnansweredInRow)
      return Invalid("reward program '", command_, "' answered none of ", unanswered_,
                     " questions in a row; the last time it ", failure, ", at the question ",
                     Shorten(std::string_view(oldest.line).substr(0, oldest.line.size() - 1)));
  }
  waiting_.insert(waiting_.begin(), asked.begin(), asked.end());
  return absl::OkStatus();
}

absl::Status ProgramVerifier::TakeLine(std::string_view line, Process &process) {
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
  auto asked = std::find(process.asked.begin(), process.asked.end(), id->get<int64_t>());
  if (asked == process.asked.end())
    return bad("nothing with this id was asked, or it was answered before");
  if (reward == answer.end() || !reward->is_number() || !std::isfinite(reward->get<float>()))
    return bad("the reward is not a number");
  Question &question = questions_.at(*asked);
  question.done = true;
  question.result = reward->get<float>();
  process.asked.erase(asked);
  process.deadline = Clock::now() + timeout_;
  unanswered_ = 0;
  return absl::OkStatus();
}

} // namespace mirl::rt
