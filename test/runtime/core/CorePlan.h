// A plan made by hand, with a policy of three weights and entries for the executor's every kind of
// command, and what tests of files need: a folder, faults, the text of an error.

#ifndef MIRL_TEST_RUNTIME_CORE_COREPLAN_H
#define MIRL_TEST_RUNTIME_CORE_COREPLAN_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "runtime/executor/Session.h"

namespace mirl::rt::test {

// Capacities of the axes in every entry that has them.
inline constexpr int64_t kContextRows = 32, kTokenRows = 4000, kSequenceRows = 8, kGroupRows = 4;

struct CoreOptions {
  std::string embed_init = "normal:0.5";
  std::vector<std::string> isa = {};
  std::string config = "{\"model_type\": \"core\"}";
  std::string model_dir = {};
  // Another order of the weights in memory and in the policy.
  bool reversed = false;
  // For a GPU, and the kernel of "rows" gets a tensor map of x. Such a plan is looked at, never run.
  bool cuda = false;
  // For a GPU, with the entry "product", whose launch cuBLASLt may compute; with bits of its own if any will do.
  bool library = false, any_bits = false;
  // Launches of the kernel of "rows", one behind the other.
  int launches = 1;
  // The kernel of "sums", which has 8 buffers, gets their addresses as an array; and the first one again, until it has so many.
  bool array = false;
  size_t sums_buffers = 8;
  // All weights but "embed" are bf16, and "norm" and "odd", which are trained, have f32 masters.
  bool bf16 = false;
};

// Weights of the policy "pi": "embed" [16, 4], "norm" [4] ones, "bias" [4] zeros, and one of an odd
// number of elements, "odd" [3].
//   rows     x f32[token, 8], scale f32[] (a constant is copied) -> y
//   loops    -> trace i32[64], count i32[1]: two nested loops
//   lookup   ids i32[context] -> y f32[context, 4]
//   product  left bf16[context, 64] -> result bf16[context, 8] (CoreOptions::library)
//   sums     x, token_offsets, group_offsets, reward, tau, iteration -> sums, best
//   fills    -> a, b, c, d, e: all but b are filled with zeros; c and d lie side by side
std::vector<uint8_t> CorePlanBytes(const CoreOptions &options = {});
std::shared_ptr<const Plan> CorePlan(const CoreOptions &options = {});
std::unique_ptr<Session> CoreSession(const CoreOptions &options = {}, int threads = 1);
inline const fb::Policy &CorePolicy(Session &session) { return *session.plan().FindPolicy("pi"); }
// The values of a weight of the policy.
std::vector<float> WeightOf(Session &session, const std::string &weight);

// Where the machine code lies in a plan's bytes: damage there is the loader's business.
struct Range {
  size_t begin = 0, end = 0;
};
Range CodeRange(const std::vector<uint8_t> &plan);

// A folder that is removed at the end.
class Folder {
public:
  Folder();
  ~Folder();
  std::string operator/(const std::string &name) const { return path_ + "/" + name; }
  const std::string &path() const { return path_; }
  std::string Write(const std::string &name, const std::string &text) const;
  std::vector<std::string> Names() const; // of the files in it, sorted

private:
  std::string path_;
};

std::string ReadText(const std::string &path);

// While it lives, no file can grow beyond `bytes`: a full disk, as far as writers can tell.
class FullDisk {
public:
  explicit FullDisk(uint64_t bytes);
  ~FullDisk();
  FullDisk(const FullDisk &) = delete;
  FullDisk &operator=(const FullDisk &) = delete;

private:
  uint64_t before_;
};

// An error whose message has every one of these texts in it.
template <typename Status, typename... Texts>
void ExpectError(const Status &status, const Texts &...texts) {
  ASSERT_FALSE(status.ok());
  std::string message;
  if constexpr (requires { status.message(); })
    message = std::string(status.message());
  else
    message = std::string(status.status().message());
  for (const std::string &text : {std::string(texts)...})
    EXPECT_THAT(message, testing::HasSubstr(text));
}

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_CORE_COREPLAN_H
