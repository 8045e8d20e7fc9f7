// A verifier that is a program of the user's: a command that stays running and speaks JSON lines.
//
// It reads {"id": 7, "prompt": "…", "response": "…", "record": {…}} and writes, in any order,
// {"id": 7, "reward": 0.5}. It must not wait for further questions before it answers, and its answer
// must be a function of prompt, response and record: which of the processes gets a question, and
// when, depends on when the response ended.
//
// A pool of processes works through the questions. One process gets them all at once; of several,
// each has one at a time. Nothing here waits but Verify: Submit and Poll do what can be done at once.
//
// A process that does not answer within the timeout is killed with all the processes it started, and
// the question that it failed at is not scored. The same holds of one that died at a question twice.
// The other questions that it had are asked again. After kUnansweredInRow questions without an answer
// there is an error, and at once at a line that is not an answer. When this process ends, however it
// does, the program and all that it started (and did not leave its process group) ends.

#ifndef MIRL_RUNTIME_REWARD_PROGRAM_H
#define MIRL_RUNTIME_REWARD_PROGRAM_H

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "runtime/reward/Verifier.h"
#include "runtime/reward/Worker.h"

namespace mirl::rt {

class ProgramVerifier : public Verifier {
public:
  static constexpr int kUnansweredInRow = 16;

  // `timeout`: seconds from when a question is the oldest one that a process has to when some answer
  // of it comes. `workers`: processes, started when there is something to do for them.
  ProgramVerifier(std::string command, double timeout, int workers);

  absl::Status Verify(std::span<const Answer> answers, std::vector<float> &results) override;
  bool early() const override { return true; }
  void Submit(const Answer &answer) override;
  void Poll() override;
  std::string last_failure() const override { return last_failure_; }

private:
  using Clock = std::chrono::steady_clock;
  struct Question {
    int64_t key = -1;
    const Record *record = nullptr;
    std::string response, line;
    bool done = false;
    float result = 0;
    int attempts = 0; // how often a process died while this was its oldest question
  };
  struct Process {
    Worker worker;
    std::deque<int64_t> asked; // and not answered, the oldest first
    std::deque<int64_t> unsent; // those of them of which not all bytes are written
    size_t sent_bytes = 0;      // of the first of them
    std::string received;       // an unfinished line
    Clock::time_point deadline; // for an answer, when something is asked
  };

  int64_t Ask(const Answer &answer);
  absl::Status Deal();
  // Moves bytes and judges who is late. `wait`: for something to happen, until the next deadline.
  // Returns whether something did.
  absl::StatusOr<bool> Pump(bool wait);
  absl::Status Receive(Process &process);
  void Send(Process &process);
  absl::Status TakeLine(std::string_view line, Process &process);
  // The process was stopped (`failure` says how) and is dealt questions again.
  absl::Status Fail(Process &process, const std::string &failure, bool late);

  std::string command_;
  Clock::duration timeout_;
  double timeout_seconds_;
  std::vector<Process> processes_;
  std::map<int64_t, Question> questions_; // that are not collected, by id
  std::map<int64_t, int64_t> submitted_;  // ids by key
  std::deque<int64_t> waiting_;           // for a process
  int64_t next_id_ = 0;
  int unanswered_ = 0; // in a row
  std::string last_failure_;
  absl::Status failure_; // that Poll found; Verify tells it
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REWARD_PROGRAM_H
