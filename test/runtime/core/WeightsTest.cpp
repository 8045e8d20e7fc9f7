#include "runtime/weights/Weights.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include "runtime/weights/Safetensors.h"
#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

using Values = std::map<std::string, std::vector<float>>;
const char *const kNames[] = {"embed", "norm", "bias", "odd"};

Values All(Session &session) {
  Values values;
  for (const char *name : kNames)
    values[name] = WeightOf(session, name);
  return values;
}

// A model's weights, to be changed by a test before they are written.
struct Model {
  std::vector<float> data = std::vector<float>(75, 0.25f);
  std::map<std::string, TensorView> tensors;
  Model() {
    Add("embed", {16, 4}, 0);
    Add("norm", {4}, 64);
    Add("bias", {4}, 68);
    Add("odd", {3}, 72);
  }
  void Add(const std::string &name, std::vector<int64_t> shape, size_t at) {
    tensors[name] = {name, TensorDType::F32, std::move(shape),
                     reinterpret_cast<const uint8_t *>(data.data() + at)};
  }
  void Write(const std::string &path, const std::vector<std::string> &names) const {
    std::vector<TensorView> list;
    for (const std::string &name : names)
      list.push_back(tensors.at(name));
    ASSERT_TRUE(WriteSafetensors(path, list).ok());
  }
  void Write(const Folder &folder) const {
    std::vector<std::string> names;
    for (const auto &[name, tensor] : tensors)
      names.push_back(name);
    Write(folder / "model.safetensors", names);
  }
};

TEST(InitWeights, ValuesDependOnTheSeedAndTheNameAlone) {
  auto session = CoreSession();
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 7).ok());
  Values first = All(*session);
  EXPECT_EQ(first["norm"], std::vector<float>(4, 1.0f));
  EXPECT_EQ(first["bias"], std::vector<float>(4, 0.0f));
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 7).ok());
  EXPECT_EQ(All(*session), first);

  CoreOptions options;
  options.reversed = true; // Elsewhere in memory, and filled last.
  auto reversed = CoreSession(options);
  ASSERT_TRUE(InitWeights(*reversed, CorePolicy(*reversed), 7).ok());
  EXPECT_EQ(All(*reversed), first);

  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 8).ok());
  EXPECT_NE(All(*session)["embed"], first["embed"]);
  // Other bits of the seed count as well.
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 7 | uint64_t{1} << 40).ok());
  EXPECT_NE(All(*session)["embed"], first["embed"]);
  EXPECT_NE(first["embed"][0] / 0.5f, first["odd"][0] / 2.0f)
      << "weights have streams of their own";
}

TEST(InitWeights, NormalNumbers) {
  auto session = CoreSession();
  double sum = 0, squares = 0, fourth = 0;
  int64_t count = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), seed).ok());
    for (float value : WeightOf(*session, "embed")) {
      double x = value / 0.5;
      ASSERT_TRUE(std::isfinite(x));
      sum += x;
      squares += x * x;
      fourth += x * x * x * x;
      ++count;
    }
  }
  auto n = static_cast<double>(count); // 32000: the bounds are five standard errors
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
}

TEST(LoadWeights, BrainFloatsAndHalvesBecomeFloats) {
  Folder folder;
  Model model;
  const uint16_t brains[] = {0x3F80, 0xC000, 0x3EAB, 0x0000},
                 halves[] = {0x3C00, 0xC000, 0x0001, 0x7BFF};
  model.tensors["norm"] = {
      "norm", TensorDType::BF16, {4}, reinterpret_cast<const uint8_t *>(brains)};
  model.tensors["bias"] = {
      "bias", TensorDType::F16, {4}, reinterpret_cast<const uint8_t *>(halves)};
  model.Add("another model's", {2}, 0); // More than is asked for is no error.
  model.Write(folder);
  auto session = CoreSession();
  absl::Status status = LoadWeights(*session, CorePolicy(*session), folder.path());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(WeightOf(*session, "norm"), testing::ElementsAre(1.0f, -2.0f, 0.333984375f, 0.0f));
  EXPECT_THAT(WeightOf(*session, "bias"), testing::ElementsAre(1.0f, -2.0f, 0x1p-24f, 65504.0f));
  EXPECT_THAT(WeightOf(*session, "odd"), testing::Each(0.25f));
}

// Nothing is written unless all fits.
void Refused(const Model &model, const std::vector<std::string> &said) {
  Folder folder;
  model.Write(folder);
  auto session = CoreSession();
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 1).ok());
  Values before = All(*session);
  absl::Status status = LoadWeights(*session, CorePolicy(*session), folder.path());
  ExpectError(status, folder.path());
  for (const std::string &text : said)
    ExpectError(status, text);
  EXPECT_EQ(All(*session), before);
}

TEST(LoadWeights, MissingWeightsAreListed) {
  Model model;
  model.tensors.erase("embed");
  model.tensors.erase("odd");
  Refused(model, {"embed", "odd", "pi"});
}

TEST(LoadWeights, OtherShapesAreSaid) {
  Model model;
  model.tensors["odd"].shape = {3, 1};
  Refused(model, {"model.safetensors", "odd", "[3]", "[3, 1]"});
  model.tensors["odd"].shape = {};
  Refused(model, {"odd", "[3]", "[]"});
  model.tensors["odd"].shape = {3};
  model.tensors["embed"].shape = {4, 16};
  Refused(model, {"embed", "[16, 4]", "[4, 16]"});
}

TEST(LoadWeights, OtherTypesAreSaid) {
  Model model;
  model.tensors["odd"].dtype = TensorDType::I32;
  Refused(model, {"model.safetensors", "odd", "I32", "BF16"});
}

TEST(LoadWeights, FoldersWithoutAModel) {
  Folder folder;
  auto session = CoreSession();
  ExpectError(LoadWeights(*session, CorePolicy(*session), folder / "none"), "none");
  ExpectError(LoadWeights(*session, CorePolicy(*session), folder.path()), folder.path(),
              "model.safetensors");
  ExpectError(LoadWeights(*session, CorePolicy(*session), folder.Write("file", "x")), "file");
  folder.Write("model.safetensors", "nonsense that is longer than eight bytes");
  ExpectError(LoadWeights(*session, CorePolicy(*session), folder.path()), "model.safetensors",
              "not a valid");
}

TEST(LoadWeights, AShardedModel) {
  Folder folder;
  Model model;
  for (size_t i = 0; i < model.data.size(); ++i)
    model.data[i] = static_cast<float>(i);
  model.Write(folder / "model-1.safetensors", {"embed", "odd"});
  model.Write(folder / "model-2.safetensors", {"norm", "bias"});
  folder.Write(
      "model.safetensors.index.json",
      R"({"metadata": {"total_size": 300}, "weight_map": {"embed": "model-1.safetensors", "odd": "model-1.safetensors",
                   "norm": "model-2.safetensors", "bias": "model-2.safetensors"}})");
  auto session = CoreSession();
  absl::Status status = LoadWeights(*session, CorePolicy(*session), folder.path());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(WeightOf(*session, "odd"), testing::ElementsAre(72, 73, 74));
  EXPECT_THAT(WeightOf(*session, "norm"), testing::ElementsAre(64, 65, 66, 67));
  auto files = ModelFiles::Open(folder.path());
  ASSERT_TRUE(files.ok());
  EXPECT_EQ((*files)->files().size(), 2u);
  EXPECT_EQ((*files)->Find("bias").second->path(), folder / "model-2.safetensors");
  EXPECT_EQ((*files)->Find("none").first, nullptr);
}

TEST(LoadWeights, HostileIndices) {
  Folder folder;
  auto session = CoreSession();
  auto load = [&](const std::string &index) {
    folder.Write("model.safetensors.index.json", index);
    return LoadWeights(*session, CorePolicy(*session), folder.path());
  };
  for (const char *index :
       {"", "{", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {"embed": 1}})",
        R"({"weight_map": {"embed": "../elsewhere.safetensors"}})",
        R"({"weight_map": {"embed": "/etc/passwd"}})"})
    ExpectError(load(index), "model.safetensors.index.json");
  ExpectError(load(std::string(100000, '[')), "model.safetensors.index.json");
  ExpectError(load(R"({"weight_map": {"embed": "gone.safetensors"}})"), "gone.safetensors",
              "No such file");
  ExpectError(load(R"({"weight_map": {}})"), "embed");
}

TEST(SaveModel, RoundTrip) {
  Folder folder, tokenizer;
  tokenizer.Write("tokenizer.json", "{\"a tokenizer\": 1}");
  tokenizer.Write("generation_config.json", "{}");
  tokenizer.Write("README.md", "not copied");
  auto session = CoreSession();
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 3).ok());
  absl::Status status =
      SaveModel(*session, CorePolicy(*session), folder / "a/model", tokenizer.path());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadText(folder / "a/model/config.json"), "{\"model_type\": \"core\"}");
  EXPECT_EQ(ReadText(folder / "a/model/tokenizer.json"), "{\"a tokenizer\": 1}");
  EXPECT_EQ(ReadText(folder / "a/model/generation_config.json"), "{}");
  EXPECT_EQ(ReadText(folder / "a/model/README.md"), "");
  CoreOptions options;
  options.reversed = true;
  auto other = CoreSession(options);
  status = LoadWeights(*other, CorePolicy(*other), folder / "a/model");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(All(*other), All(*session));
  // Onto itself, and without a tokenizer.
  ASSERT_TRUE(
      SaveModel(*session, CorePolicy(*session), folder / "a/model", folder / "a/model").ok());
  ASSERT_TRUE(SaveModel(*session, CorePolicy(*session), folder / "b", "").ok());
  EXPECT_EQ(ReadText(folder / "b/model.safetensors"),
            ReadText(folder / "a/model/model.safetensors"));
}

// The bytes of a buffer of this name.
template <typename T> std::vector<T> Bytes(Session &session, const std::string &name) {
  for (const fb::Buffer *buffer : *session.plan().root().buffers())
    if (buffer->name()->str() == name) {
      std::vector<T> values(static_cast<size_t>(session.BufferBytes(*buffer)) / sizeof(T));
      EXPECT_TRUE(session.ReadBuffer(*buffer, values.data()).ok());
      return values;
    }
  ADD_FAILURE() << "no buffer " << name;
  return {};
}

// A bf16 weight is read rounded to nearest even, its master as the file has it.
TEST(BrainWeights, FromFloats) {
  Folder folder;
  Model model;
  // Ties go to the even neighbour: 1 + 2^-8 down, 1 + 3 * 2^-8 up.
  const float floats[] = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1.8p-8f, -3.0f};
  model.tensors["norm"] = {"norm", TensorDType::F32, {4}, reinterpret_cast<const uint8_t *>(floats)};
  model.Write(folder);
  auto session = CoreSession({.bf16 = true});
  std::string note;
  absl::Status status = LoadWeights(*session, CorePolicy(*session), folder.path(), &note);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Bytes<uint16_t>(*session, "pi/norm"), testing::ElementsAre(0x3F80, 0x3F82, 0x3F81, 0xC040));
  EXPECT_THAT(Bytes<float>(*session, "pi/norm.master"), testing::ElementsAreArray(floats));
  EXPECT_THAT(Bytes<uint16_t>(*session, "pi/bias"), testing::Each(0x3E80)); // 0.25, without a master
  EXPECT_THAT(note, testing::HasSubstr("3 of the 4 weights of policy pi are rounded to BF16"));
}

TEST(BrainWeights, InitAndRoundTrip) {
  Folder folder;
  auto session = CoreSession({.bf16 = true});
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 7).ok());
  std::vector<float> master = Bytes<float>(*session, "pi/odd.master");
  std::vector<uint16_t> weight = Bytes<uint16_t>(*session, "pi/odd"), rounded(master.size());
  RoundToBf16(master, rounded.data());
  EXPECT_EQ(weight, rounded);
  // The same numbers as a plan in f32 gets.
  auto f32 = CoreSession();
  ASSERT_TRUE(InitWeights(*f32, CorePolicy(*f32), 7).ok());
  EXPECT_EQ(master, WeightOf(*f32, "odd"));

  // A file has the weight; read again, that is the master too.
  ASSERT_TRUE(SaveModel(*session, CorePolicy(*session), folder / "model", "").ok());
  auto file = SafetensorsFile::Open(folder / "model/model.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  const TensorView *odd = (*file)->Find("odd");
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(odd->dtype, TensorDType::BF16);
  EXPECT_EQ(std::memcmp(odd->data, weight.data(), 6), 0);
  EXPECT_EQ((*file)->Find("embed")->dtype, TensorDType::F32);
  EXPECT_EQ((*file)->Find("odd.master"), nullptr);
  auto other = CoreSession({.bf16 = true});
  std::string note;
  ASSERT_TRUE(LoadWeights(*other, CorePolicy(*other), folder / "model", &note).ok());
  EXPECT_EQ(note, "");
  EXPECT_EQ(Bytes<uint16_t>(*other, "pi/odd"), weight);
  std::vector<float> extended = Bytes<float>(*other, "pi/odd.master");
  for (size_t i = 0; i < weight.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(extended[i]), static_cast<uint32_t>(weight[i]) << 16);
}

TEST(SaveModel, AFullDiskLeavesTheOldModel) {
  Folder folder;
  auto session = CoreSession();
  ASSERT_TRUE(SaveModel(*session, CorePolicy(*session), folder.path(), "").ok());
  std::string before = ReadText(folder / "model.safetensors");
  ASSERT_TRUE(InitWeights(*session, CorePolicy(*session), 3).ok());
  {
    FullDisk full(100);
    ExpectError(SaveModel(*session, CorePolicy(*session), folder.path(), ""), "model.safetensors");
  }
  EXPECT_EQ(ReadText(folder / "model.safetensors"), before);
  EXPECT_THAT(folder.Names(), testing::ElementsAre("config.json", "model.safetensors"));
}

TEST(SaveModel, PlacesThatCannotBeWritten) {
  Folder folder;
  auto session = CoreSession();
  std::string file = folder.Write("file", "x");
  ExpectError(SaveModel(*session, CorePolicy(*session), file, ""), file);
  ExpectError(SaveModel(*session, CorePolicy(*session), file + "/below", ""), file);
}

} // namespace
} // namespace mirl::rt::test
