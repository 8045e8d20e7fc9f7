// A verifier that is a program of the user's: a command that stays running and speaks JSON lines.
//
// It reads {"id": 7, "prompt": "…", "response": "…", "record": {…}} and writes, in any order,
// {"id": 7, "reward": 0.5}. A program that does not answer within the timeout is killed with all
// the processes it started; one that was killed or died is started again and asked again, once for
// the same question. A line that is not such an answer is an error at once. When this process ends,
// however it does, the program and all that it started (and did not leave its process group) ends.

#ifndef MIRL_RUNTIME_REWARD_PROGRAM_H
#define MIRL_RUNTIME_REWARD_PROGRAM_H

#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/reward/Verifier.h"

namespace mirl::rt {

class ProgramVerifier : public Verifier {
public:
  // `timeout`: seconds from when a question is the oldest one asked to when some answer comes.
  ProgramVerifier(std::string command, double timeout);
  ~ProgramVerifier() override;

  absl::Status Verify(std::span<const Answer> answers, std::vector<float> &results) override;

private:
  struct Question {
    std::string line;
    bool answered = false;
    int attempts = 0; // how often the program failed while this was the oldest question
  };
  absl::Status Start();
  // Kills the whole process group; returns how the program ended ("exited with status 3").
  std::string Stop();
  absl::Status Exchange(std::vector<Question> &questions, int64_t first_id, size_t &answered,
                        std::vector<float> &results, std::string &failure);
  absl::Status TakeLine(std::string_view line, std::vector<Question> &questions, int64_t first_id,
                        size_t &answered, std::vector<float> &results);

  std::string command_;
  double timeout_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1; // the program's standard input and output
  int alive_ = -1;         // closed when this process ends; see kGuard
  int64_t next_id_ = 0;
  std::string received_; // an unfinished line
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REWARD_PROGRAM_H
