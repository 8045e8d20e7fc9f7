// `mirl call` and `mirl inspect` as they are used: a plan and tensors in files, an exit code, one
// clear error.

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include <nlohmann/json.hpp>

#include "runtime/artifact/ContentHash.h"
#include "runtime/weights/Safetensors.h"
#include "runtime/weights/Weights.h"
#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

struct Done {
  int code = -1; // the exit code; -1: killed
  std::string out, error;
};

class Commands : public testing::Test {
protected:
  void SetUp() override { WritePlan(CorePlanBytes()); }

  void WritePlan(const std::vector<uint8_t> &bytes) {
    plan_ = folder_.Write("core.plan", {bytes.begin(), bytes.end()});
  }

  Done Tool(const std::string &arguments) {
    std::string command = std::string(MIRL_TOOL) + " " + arguments + " 2>" + folder_ / "stderr";
    Done done;
    FILE *pipe = popen(command.c_str(), "r");
    if (!pipe) {
      ADD_FAILURE() << command;
      return done;
    }
    char piece[4096];
    while (size_t n = fread(piece, 1, sizeof(piece), pipe))
      done.out.append(piece, n);
    int status = pclose(pipe);
    done.code = WIFEXITED(status) && WEXITSTATUS(status) < 128 ? WEXITSTATUS(status) : -1;
    done.error = ReadText(folder_ / "stderr");
    return done;
  }

  void Floats(const char *name, std::vector<int64_t> shape, std::vector<float> values) {
    Keep(name, TensorDType::F32, std::move(shape), values);
  }
  void Ints(const char *name, std::vector<int32_t> values) {
    Keep(name, TensorDType::I32, {static_cast<int64_t>(values.size())}, values);
  }
  void Longs(const char *name, std::vector<int64_t> values) {
    Keep(name, TensorDType::I64, {static_cast<int64_t>(values.size())}, values);
  }

  Done Call(const std::string &entry, const std::string &options = "") {
    std::vector<TensorView> tensors;
    for (auto &[name, kept] : kept_) {
      kept.view.data = kept.bytes.data();
      tensors.push_back(kept.view);
    }
    EXPECT_TRUE(WriteSafetensors(folder_ / "in", tensors).ok());
    return Tool("call " + plan_ + " " + entry + " --in " + folder_ / "in" + " --out " +
                folder_ / "out" + " " + options);
  }

  std::vector<float> Result(const char *name) {
    auto file = SafetensorsFile::Open(folder_ / "out");
    const TensorView *tensor = file.ok() ? (*file)->Find(name) : nullptr;
    if (!tensor) {
      ADD_FAILURE() << file.status() << ": " << name;
      return {};
    }
    std::vector<float> values(static_cast<size_t>(tensor->elements()));
    EXPECT_TRUE(ConvertToF32(*tensor, values.data()).ok());
    return values;
  }

  void Refused(const Done &done, const std::vector<std::string> &said) {
    EXPECT_EQ(done.code, 1) << done.error;
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
    for (const std::string &text : said)
      EXPECT_THAT(done.error, testing::HasSubstr(text));
    EXPECT_EQ(ReadText(folder_ / "out"), "");
  }

  // What `sums` asks for: three sequences in two groups.
  void Sums() {
    kept_.clear();
    Floats("x", {5}, {1, 2, 3, 4, 5});
    Ints("token_offsets", {0, 2, 2, 5});
    Longs("group_offsets", {0, 1, 3});
    Floats("field:reward", {3}, {10, 20, 30});
  }

  Folder folder_;
  std::string plan_;

private:
  struct Kept {
    TensorView view;
    std::vector<uint8_t> bytes;
  };
  template <typename T>
  void Keep(const char *name, TensorDType dtype, std::vector<int64_t> shape,
            const std::vector<T> &values) {
    Kept &kept = kept_[name];
    kept.view = {name, dtype, std::move(shape), nullptr};
    kept.bytes.resize(values.size() * sizeof(T));
    if (!values.empty())
      std::memcpy(kept.bytes.data(), values.data(), kept.bytes.size());
  }

protected:
  std::map<std::string, Kept> kept_;
};

// Ranges for NVIDIA's tools, or the advice how to build a mirl that has them.
TEST_F(Commands, CallWithRanges) {
  Sums();
  std::string ranges = folder_ / "ranges";
  setenv("NVTX_INJECTION64_PATH", MIRL_NVTX_LISTENER, 1);
  setenv("MIRL_NVTX_RANGES", ranges.c_str(), 1);
  Done without = Call("sums");
  EXPECT_EQ(without.code, 0) << without.error;
  EXPECT_EQ(ReadText(ranges), "");
  std::filesystem::remove(folder_ / "out");
  Done done = Call("sums", "--nvtx");
  unsetenv("NVTX_INJECTION64_PATH");
  if (*MIRL_NVTX_LISTENER) {
    EXPECT_EQ(done.code, 0) << done.error;
    EXPECT_EQ(ReadText(ranges), "sums\n  core\n");
  } else {
    Refused(done, {"this mirl was built without NVTX", "pip install nvidia-nvtx"});
  }
}

TEST_F(Commands, CallWithOffsets) {
  Sums();
  Done done = Call("sums");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_THAT(Result("sums"),
              testing::ElementsAre(8, 10, 27)); // tau is the plan's 0.5, iteration 0
  EXPECT_THAT(Result("best"), testing::ElementsAre(8, 27));
}

TEST_F(Commands, CallWithIds) {
  Sums();
  kept_.erase("token_offsets");
  kept_.erase("group_offsets");
  kept_.erase("field:reward");
  Ints("sequence_ids", {0, 0, 1, 1, 2});
  Longs("group_ids", {0, 1, 1});
  Floats("reward", {3}, {0, 0, 0}); // a field by its bare name
  Done done = Call("sums");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_THAT(Result("sums"), testing::ElementsAre(3, 7, 5));
  EXPECT_THAT(Result("best"), testing::ElementsAre(3, 7));
}

TEST_F(Commands, CallWithSettings) {
  Sums();
  ASSERT_EQ(Call("sums", "--set tau=2 --set iteration=100").code, 0);
  EXPECT_THAT(Result("sums"), testing::ElementsAre(123, 140, 172));
  Floats("tau", {}, {1});
  Floats("iteration", {}, {1000});
  ASSERT_EQ(Call("sums").code, 0);
  EXPECT_THAT(Result("sums"), testing::ElementsAre(1013, 1020, 1042));
  std::remove((folder_ / "out").c_str());
  Refused(Call("sums", "--set tau=2"), {"'tau'", "--set"});
  kept_.erase("tau");
  Refused(Call("sums", "--set iteration=2"), {"'iteration'", "--set"});
  kept_.erase("iteration");
  Refused(Call("sums", "--set sigma=2"), {"sigma", "tau"});
  Refused(Call("sums", "--set tau=two"), {"tau=two", "number"});
  Refused(Call("sums", "--set iteration=two"), {"iteration=two", "number"});
  Refused(Call("sums", "--set iteration"), {"name=value"});
}

TEST_F(Commands, CallWithNothingAtAll) {
  kept_.clear();
  Floats("x", {0}, {});
  Ints("token_offsets", {0});
  Ints("group_offsets", {0});
  Floats("reward", {0}, {});
  Done done = Call("sums");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_TRUE(Result("sums").empty());
}

TEST_F(Commands, CallWithWrongOffsets) {
  struct Case {
    std::vector<int32_t> tokens, groups;
    std::vector<std::string> said;
  };
  const Case cases[] = {
      {{1, 2, 2, 5}, {0, 1, 3}, {"'token_offsets'", "element 0 is 1"}},
      {{0, 4, 2, 5}, {0, 1, 3}, {"'token_offsets'", "element 2 is 2 after 4"}},
      {{0, 2, 2, 4}, {0, 1, 3}, {"'x'", "[token = 4]", "token_offsets", "[5]"}},
      {{0, 2, 2, 6000}, {0, 1, 3}, {"'x'", "[token = 6000]", "[5]"}},
      {{0, -1, 2, 5}, {0, 1, 3}, {"'token_offsets'", "element 1 is -1"}},
      {{0, 2, 5}, {0, 1, 3}, {"sequence", "'group_offsets'", "3", "'token_offsets'", "2"}},
      {{0, 2, 2, 5}, {0, 1, 2}, {"sequence", "'group_offsets'"}},
      {{0, 2, 2, 5}, {}, {"'group_offsets'", "group + 1", "[0]"}},
  };
  for (const Case &one : cases) {
    Sums();
    Ints("token_offsets", one.tokens);
    Ints("group_offsets", one.groups);
    Refused(Call("sums"), one.said);
  }
}

TEST_F(Commands, CallWithWrongTensors) {
  Sums();
  kept_.erase("x");
  kept_.erase("token_offsets");
  Refused(Call("sums"),
          {"sums", "'x' f32 [token]", "'token_offsets' i32 [sequence + 1 = 4]", "'sequence_ids'"});
  Sums();
  Floats("y", {1}, {1});
  Refused(Call("sums"), {"'y'", "token_offsets"});
  Sums();
  Floats("x", {5, 1}, {1, 2, 3, 4, 5});
  Refused(Call("sums"), {"'x'", "f32 [token = 5]", "[5, 1]"});
  Sums();
  Ints("x", {1, 2, 3, 4, 5});
  Refused(Call("sums"), {"'x'", "f32 [token = 5]", "I32 [5]"});
  Sums();
  Floats("token_offsets", {4}, {0, 2, 2, 5});
  Refused(Call("sums"), {"'token_offsets'", "F32"});
  Sums();
  Longs("token_offsets", {0, 2, 2, int64_t{1} << 33});
  Refused(Call("sums"), {"'token_offsets'", "element 3", "8589934592"});
  Sums();
  Ints("sequence_ids", {0, 0, 1, 1, 2});
  Refused(Call("sums"), {"'token_offsets'", "'sequence_ids'"});
  Sums();
  Floats("param:tau", {1}, {1});
  Refused(Call("sums"), {"'param:tau'", "f32 []", "[1]"});
  Sums();
  Floats("reward", {3}, {1, 2, 3});
  Refused(Call("sums"), {"'reward'"}); // beside field:reward
}

TEST_F(Commands, CallBeyondTheCapacity) {
  kept_.clear();
  Floats("x", {kTokenRows + 1, 8}, std::vector<float>((kTokenRows + 1) * 8));
  Refused(Call("rows"), {"'x'", "token", "4001", "4000"});
  Sums();
  Ints("token_offsets", {0, 1, 1, 1, 1, 1, 1, 1, 1, 5});
  Floats("field:reward", {9}, std::vector<float>(9));
  Ints("group_offsets", {0, 9});
  Refused(Call("sums"), {"sequence", "9", "8"});
}

TEST_F(Commands, CallWithAPolicy) {
  auto session = CoreSession();
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 3).ok());
  ASSERT_TRUE(SaveModel(*session, CorePolicy(*session), folder_ / "model", "").ok());
  std::vector<float> embed = WeightOf(*session, "embed");
  Ints("ids", {15, 0});
  Refused(Call("lookup"), {"policy pi", "--model"});
  Refused(Call("lookup", "--model " + folder_ / "nowhere"), {"nowhere"});
  Done done = Call("lookup", "--model " + folder_ / "model");
  ASSERT_EQ(done.code, 0) << done.error;
  std::vector<float> y = Result("y");
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4),
            std::vector<float>(embed.end() - 4, embed.end()));
  EXPECT_EQ(std::vector<float>(y.begin() + 4, y.end()),
            std::vector<float>(embed.begin(), embed.begin() + 4));
  std::remove((folder_ / "out").c_str());
  for (int32_t id : {-1, 16, 1 << 30}) {
    Ints("ids", {3, id});
    Refused(Call("lookup", "--model " + folder_ / "model"),
            {"'ids'", "element 1", std::to_string(id), "0 … 15"});
  }
}

TEST_F(Commands, CallOfWhatIsNotThere) {
  Refused(Call("nothing"), {"nothing", "rows, loops, lookup, sums"});
  Refused(Tool("call " + plan_ + " rows --out " + folder_ / "out"), {"--in", "'x' f32 [token, 8]"});
  Refused(Tool("call " + plan_ + " rows --in " + folder_ / "gone" + " --out " + folder_ / "out"),
          {"gone"});
  Done done = Tool("call " + plan_ + " loops --out " + folder_ / "out");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(Tool("call " + plan_ + " loops").code, 2);
  EXPECT_EQ(Tool("call " + plan_ + " loops --out " + folder_ / "none/out").code, 1);
}

// A plan for a GPU gets the same weights as one for the CPU, and no GPU is asked for them.
TEST_F(Commands, InitNeedsNoGpu) {
  std::string models[2];
  for (bool cuda : {false, true}) {
    WritePlan(CorePlanBytes({.cuda = cuda}));
    std::string out = folder_ / (cuda ? "gpu" : "cpu");
    Done done = Tool("init " + plan_ + " --seed 5 --out " + out);
    ASSERT_EQ(done.code, 0) << done.error;
    models[cuda] = ReadText(out + "/model.safetensors");
  }
  EXPECT_GT(models[0].size(), 300u);
  EXPECT_TRUE(models[0] == models[1]);
}

TEST_F(Commands, Inspect) {
  Done done = Tool("inspect " + plan_ + " --json");
  ASSERT_EQ(done.code, 0) << done.error;
  auto json = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["memory"]["arena_bytes"], CorePlan()->root().arena_bytes());
  EXPECT_EQ(json["memory"]["persistent_bytes"], 512);
  EXPECT_EQ(json["memory"]["persistent"]["weight"], 256 + 16 + 16 + 12);
  ASSERT_EQ(json["entries"].size(), 5u);
  const auto &rows = json["entries"][0];
  EXPECT_EQ(rows["name"], "rows");
  EXPECT_EQ(rows["kind"], "plain");
  EXPECT_EQ(rows["capacities"]["token"], kTokenRows);
  EXPECT_EQ(rows["peak_bytes"], CorePlan()->FindEntry("rows")->peak_bytes());
  EXPECT_EQ(rows["flops"], 1 + 2 * kTokenRows);
  EXPECT_EQ(rows["bytes"], 4 * kTokenRows + 8);
  EXPECT_EQ(rows["inputs"][0]["shape"], nlohmann::json::parse("[\"token\", 8]"));
  EXPECT_EQ(rows["fused"][0], "rows, sum");
  EXPECT_EQ(json["entries"][1]["launches"], 7);
  EXPECT_EQ(json["entries"][3]["inputs"][1]["shape"][0], "sequence + 1");
  EXPECT_EQ(json["policies"][0]["parameters"], 75);
  EXPECT_EQ(json["params"][0]["value"], 0.5);
  EXPECT_EQ(json["datasets"][0]["path"], "/data/prompts.jsonl");
  EXPECT_EQ(json["program"][0]["body"][0]["attributes"]["dataset"], "prompts");
  EXPECT_EQ(json["weights"].size(), 4u);
  EXPECT_EQ(json["kernels"].size(), 4u);

  done = Tool("inspect " + plan_);
  ASSERT_EQ(done.code, 0) << done.error;
  for (const char *text : {"rows", "peak", "core_trace", "token=4000", "tau", "prompts", "embed",
                           "repeat", "rows, sum"})
    EXPECT_THAT(done.out, testing::HasSubstr(text));
  EXPECT_EQ(Tool("inspect").code, 2);
  EXPECT_EQ(Tool("inspect --help").code, 0);
}

TEST_F(Commands, InspectRoofline) {
  const std::string command = "inspect " + plan_ + " --roofline --peak-tflops 0.001 ";
  auto kernel = [&](const std::string &options, size_t entry, const char *name) {
    Done done = Tool(command + options + " --json");
    EXPECT_EQ(done.code, 0) << done.error;
    auto json = nlohmann::json::parse(done.out, nullptr, false);
    double sum = 0;
    nlohmann::json found;
    for (const auto &one : json["roofline"]["entries"][entry]["kernels"]) {
      sum += one["seconds"].get<double>();
      if (one["name"] == name)
        found = one;
    }
    EXPECT_NEAR(json["roofline"]["entries"][entry]["seconds"].get<double>(), sum, 1e-12);
    return found;
  };
  // 8001 FLOP at 1e9 a second against 16000 bytes at 2e9: both 8 us, but for one operation.
  auto rows = kernel("--peak-gbs 2", 0, "core_rows");
  EXPECT_NEAR(rows["seconds"].get<double>(), 8.001e-6, 1e-12);
  EXPECT_EQ(rows["bound"], "compute");
  rows = kernel("--peak-gbs 1", 0, "core_rows");
  EXPECT_NEAR(rows["seconds"].get<double>(), 16e-6, 1e-12);
  EXPECT_EQ(rows["bound"], "memory");
  // Seven launches.
  auto loops = kernel("--peak-gbs 2 --launch-us 3", 1, "core_trace");
  EXPECT_NEAR(loops["seconds"].get<double>(), 21e-6, 1e-12);
  EXPECT_EQ(loops["bound"], "launch");
  // For a GPU the kernels with tensor maps have a peak of their own.
  WritePlan(CorePlanBytes({.cuda = true}));
  rows = kernel("--launch-us 0 --peak-gbs 1e6 --peak-tensor-tflops 0.002", 0, "core_rows");
  EXPECT_NEAR(rows["seconds"].get<double>(), 8001 / 2e9, 1e-12);
  Done done = Tool("inspect " + plan_ + " --roofline");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_NE(done.out.find("(an H200, measured; 60 TFLOP/s"), std::string::npos);
  EXPECT_NE(done.out.find("core_rows"), std::string::npos);
  EXPECT_EQ(Tool("inspect " + plan_ + " --peak-gbs 1").code, 2); // without --roofline
  EXPECT_EQ(Tool("inspect " + plan_ + " --roofline --peak-gbs -1").code, 2);
}

// What the reader lets through, the printer must stand, as text and as JSON.
TEST_F(Commands, InspectOfDamagedPlans) {
  const std::vector<uint8_t> good = CorePlanBytes();
  const Range code = CodeRange(good);
  std::mt19937 random(11);
  int accepted = 0;
  for (int i = 0; i < 150; ++i) {
    std::vector<uint8_t> bytes = good;
    size_t at = random() % (bytes.size() - (code.end - code.begin));
    bytes[at < code.begin ? at : at + (code.end - code.begin)] ^=
        static_cast<uint8_t>(1u << random() % 8);
    StoreContentHash(bytes.data(), bytes.size());
    WritePlan(bytes);
    Done done = Tool("inspect " + plan_ + (i % 2 ? " --json" : ""));
    EXPECT_TRUE(done.code == 0 || done.code == 1)
        << "byte " << at << ": " << done.code << " " << done.error;
    accepted += done.code == 0;
  }
  EXPECT_GT(accepted, 0);
}

} // namespace
} // namespace mirl::rt::test
