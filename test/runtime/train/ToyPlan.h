// A plan with a toy model, made by hand: a language model over the characters a…g and '.', the end,
// whose next token depends on all of the history through the KV cache. It has prefill, decode and
// reward entries and a training step that knows advantages, so that the host side of a run can be
// tested without the compiler.

#ifndef MIRL_TEST_RUNTIME_TRAIN_TOYPLAN_H
#define MIRL_TEST_RUNTIME_TRAIN_TOYPLAN_H

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/executor/Session.h"
#include "runtime/rollout/Trajectory.h"
#include "runtime/text/Tokenizer.h"

namespace mirl::rt::test {

inline constexpr int kVocabulary = 8, kContext = 32, kEos = 7;

struct Instr {
  std::string op;
  std::vector<std::string> results = {}, operands = {};
  std::vector<std::pair<std::string, std::string>> texts = {};
  std::vector<std::pair<std::string, double>> numbers = {};
  std::vector<Instr> body = {};
};

struct ToyOptions {
  int64_t slots = 4;
  std::vector<int64_t> decode_few = {}; // rows of further decode entries, "pi.decode.N"
  std::string decode_few_kind = "decode";
  std::vector<std::pair<int64_t, int64_t>> prefill_few = {}; // rows and tokens of further prefill entries, "pi.prefill.ROWS"
  int64_t kv_blocks = 0; // 0: as many as all slots need
  int64_t prefill_context = 64, prefill_tokens = 64, prefill_sequences = 16;
  int64_t micro_context = 4096, micro_sequences = 1024;
  int64_t batch_sequences = 1024;
  std::string packing = "sequence", reset = "iteration";
  bool micro_logprob = true;
  std::string eos = "7"; // eos_token_id in config.json; "": none
  std::vector<Instr> program = {};
  std::vector<std::pair<std::string, std::string>> datasets = {}; // name, path
  std::string model_dir = {};
};

// The plan's bytes, checksum included.
std::vector<uint8_t> ToyPlanBytes(const ToyOptions &options);
std::shared_ptr<const Plan> ToyPlan(const ToyOptions &options);
std::unique_ptr<Session> ToySession(const ToyOptions &options);
std::unique_ptr<Tokenizer> ToyTokenizer();
inline const fb::Policy &ToyPolicy(Session &session) { return *session.plan().FindPolicy("pi"); }

// The response to a prompt, computed without KV cache, slots or batches.
struct Expected {
  std::vector<int32_t> tokens;
  std::vector<float> logprob;
  bool finished = false;
};
Expected Reference(const std::vector<int32_t> &prompt, uint64_t seed, int64_t sequence_id,
                   int64_t max_tokens, float temperature = 1, const float *w = nullptr);

// A prompt without a tokenizer.
Prompt MakePrompt(std::vector<int32_t> ids, std::string where = "test:1");
std::shared_ptr<Trajectory> MakeTrajectory(std::vector<int32_t> prompt,
                                           std::vector<int32_t> response,
                                           std::vector<float> logprob = {}, float reward = 0);

// A folder that is removed at the end.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string &path() const { return path_; }
  // Writes a file in it and returns its path.
  std::string Write(const std::string &name, const std::string &text) const;

private:
  std::string path_;
};

std::string ReadText(const std::string &path);

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_TRAIN_TOYPLAN_H
