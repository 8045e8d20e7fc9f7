// The interpreter of a plan's host program: what one iteration does.

#ifndef MIRL_RUNTIME_TRAIN_TRAINER_H
#define MIRL_RUNTIME_TRAIN_TRAINER_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/data/Cursor.h"
#include "runtime/data/Dataset.h"
#include "runtime/executor/Session.h"
#include "runtime/report/Metrics.h"
#include "runtime/reward/Verifier.h"
#include "runtime/rollout/Roller.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/train/Program.h"
#include "runtime/train/Stepper.h"
#include "runtime/weights/StateDict.h"

namespace mirl::rt {

// NOLINTBEGIN(readability-redundant-member-init): so that an initialiser may leave them out.
struct TrainerOptions {
  uint64_t seed = 0;
  int64_t iterations = 1;
  Params params = {}; // every parameter of the plan
  std::map<std::string, std::string> data =
      {}; // data sets that come from another file than the plan says
  bool check_parity = false;
  RollerOptions engine = {};
};
// NOLINTEND(readability-redundant-member-init)

class Trainer {
public:
  static constexpr int64_t kSamplingsPerIteration = 64; // streams of sequence ids; see Roller.h

  using Counts = std::map<std::string, int64_t, std::less<>>;

  // Opens and checks everything the program will need: data (every record is tokenized), verifiers,
  // samplers. Weights are the caller's business. `session` and `tokenizer` must outlive the
  // Trainer.
  static absl::StatusOr<std::unique_ptr<Trainer>>
  Create(Session &session, const Tokenizer &tokenizer, TrainerOptions options);

  // Runs the program once. `iteration` counts from 0.
  absl::StatusOr<IterationMetrics> RunIteration(int64_t iteration);

  // What the iterations to come depend on beside the session's buffers. Import wants the plan,
  // seed, parameters and data that the state comes from, and names a data set whose file is
  // another; it changes nothing when it fails.
  absl::StatusOr<StateDict> Export() const;
  absl::Status Import(const StateDict &state);

  // What the last iteration handed to training, sampled or drawn as examples, and whether it has
  // rewards.
  const std::vector<std::shared_ptr<Batch>> &sampled() const { return sampled_; }
  // The groups that wait to be continued; none without a budget.
  Batch unfinished() const;
  bool rewarded() const { return rewarded_; }
  // What of the engine the run depends on; "" when nothing of it does. Which responses a total budget
  // stops depends on which run together; which keep their older keys, on the room in the pool.
  std::string schedule() const;
  // How often each policy was updated so far; how many records were drawn of each data set.
  const Counts &versions() const { return versions_; }
  Counts cursors() const;

  // Over all iterations, with check_parity.
  int64_t parity_tokens() const { return parity_tokens_; }
  int64_t parity_mismatches() const { return parity_mismatches_; }

private:
  struct Source {
    std::unique_ptr<Dataset> data;
    std::unique_ptr<Cursor> cursor;
  };
  // A `sample` of the program, and the groups that it has begun and not handed over.
  struct Sampling {
    const fb::Instruction *instruction = nullptr;
    Budgets budgets;
    bool keep = false; // what waits keeps its blocks of the KV cache
    Batch waiting = {};
  };
  struct Totals; // of one iteration
  using Instructions = flatbuffers::Vector<flatbuffers::Offset<fb::Instruction>>;
  using Values = std::map<std::string, std::shared_ptr<Batch>, std::less<>>;

  Trainer(Session &session, const Tokenizer &tokenizer, TrainerOptions options)
      : session_(session), tokenizer_(tokenizer), options_(std::move(options)),
        stepper_(session, options_.params) {}

  absl::Status Prepare(const Instructions *program);
  absl::Status Execute(const Instructions *program, Values &values, Totals &totals);
  absl::Status PrepareSampling(const fb::Instruction &instruction);
  absl::Status CheckReady(const fb::Instruction &sample, const Budgets &budgets, int64_t updates) const;
  int64_t Due(const fb::Instruction &sample, const Budgets &budgets, const Batch &batch, int64_t version) const;
  absl::Status Draw(const fb::Instruction &instruction, Values &values, Totals &totals);
  absl::Status Sample(const fb::Instruction &instruction, Values &values, Totals &totals);
  bool Keeps(std::string_view policy) const; // one of its samplings does
  absl::Status Rescore(const fb::Instruction &instruction, Batch &batch);
  void SetPartial(const Totals &totals, IterationMetrics &metrics) const;
  // Has the verifiers work while the rollout goes on.
  void AskEarly(std::vector<Verifier *> verifiers, SampleOptions &options) const;
  absl::Status Verify(const fb::Instruction &instruction, Batch &batch, Totals &totals);
  absl::Status Score(const fb::Instruction &instruction, Batch &batch, Totals &totals);
  absl::Status Batches(const fb::Instruction &instruction, Values &values, Totals &totals);
  absl::Status Step(const fb::Instruction &instruction, const Batch &batch, Totals &totals);
  absl::Status Evaluate(const fb::Instruction &instruction, Totals &totals);
  absl::StatusOr<std::vector<float>> AskVerifier(const fb::Instruction &instruction,
                                                 const Batch &batch);
  void ResetOptimizers();
  TextLimits Limits() const;

  Session &session_;
  const Tokenizer &tokenizer_;
  TrainerOptions options_;
  Stepper stepper_;
  std::vector<int32_t> eos_;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, std::unique_ptr<Roller>, std::less<>> rollers_; // by policy
  std::map<const fb::Instruction *, std::unique_ptr<Verifier>> verifiers_;
  std::vector<Sampling> samplings_; // in the order of the program
  Counts versions_;                 // by policy: updates so far
  int64_t parity_tokens_ = 0, parity_mismatches_ = 0;
  std::vector<std::shared_ptr<Batch>> sampled_;
  bool rewarded_ = false;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TRAIN_TRAINER_H
