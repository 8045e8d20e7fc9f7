#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/data/Cursor.h"
#include "runtime/data/Dataset.h"
#include "runtime/rollout/Trajectory.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Dataset, KeepsEveryField) {
  test::TemporaryFolder folder;
  auto data = Dataset::Open(
      folder.Write("d.jsonl", "{\"prompt\": \"p\", \"answer\": 3}\n\n"
                              "{\"prompt\": \"q\", \"response\": \"r\", \"x\": {\"y\": 1}}"));
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_EQ((*data)->size(), 2);
  Record first = (*data)->Get(0), second = (*data)->Get(1);
  EXPECT_EQ(first.prompt, "p");
  EXPECT_FALSE(first.response.has_value());
  EXPECT_EQ(first.fields["answer"], 3);
  EXPECT_THAT(first.where, HasSubstr("d.jsonl:1"));
  EXPECT_EQ(second.response, "r");
  EXPECT_EQ(second.fields["x"]["y"], 1);
  EXPECT_THAT(second.where, HasSubstr("d.jsonl:3"));
}

TEST(Dataset, NamesTheLineThatIsWrong) {
  test::TemporaryFolder folder;
  auto refusal = [&](const std::string &text) {
    auto data = Dataset::Open(folder.Write("bad.jsonl", "{\"prompt\": \"p\"}\n" + text + "\n"));
    EXPECT_FALSE(data.ok()) << text;
    std::string message(data.status().message());
    EXPECT_THAT(message, HasSubstr("bad.jsonl:2: "));
    return message;
  };
  EXPECT_THAT(refusal("nonsense"), HasSubstr("nonsense"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("object"));
  EXPECT_THAT(refusal("{\"question\": \"1\"}"), HasSubstr("prompt"));
  EXPECT_THAT(refusal("{\"prompt\": 1}"), HasSubstr("number"));
  EXPECT_THAT(refusal("{\"prompt\": \"1\", \"response\": 2}"), HasSubstr("response"));
  EXPECT_FALSE(Dataset::Open(folder.Write("empty.jsonl", "\n")).ok());
  EXPECT_THAT(std::string(Dataset::Open(folder.path() + "/none.jsonl").status().message()),
              HasSubstr("none.jsonl"));
}

TEST(Cursor, EveryEpochIsAPermutation) {
  Cursor cursor(7, "d", 10);
  std::vector<int64_t> drawn;
  cursor.Draw(4, drawn);
  cursor.Draw(26, drawn);
  ASSERT_EQ(drawn.size(), 30u);
  std::vector<std::vector<int64_t>> epochs;
  for (size_t e = 0; e < 3; ++e) {
    epochs.emplace_back(drawn.begin() + 10 * e, drawn.begin() + 10 * (e + 1));
    EXPECT_EQ(std::set<int64_t>(epochs[e].begin(), epochs[e].end()).size(), 10u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  EXPECT_FALSE(std::is_sorted(epochs[0].begin(), epochs[0].end()));
}

TEST(Cursor, DependsOnSeedAndNameAndNothingElse) {
  auto draw = [](uint64_t seed, const char *name, int64_t skip) {
    Cursor cursor(seed, name, 100);
    cursor.Seek(skip);
    std::vector<int64_t> drawn;
    cursor.Draw(20, drawn);
    return drawn;
  };
  EXPECT_EQ(draw(1, "a", 0), draw(1, "a", 0));
  EXPECT_NE(draw(1, "a", 0), draw(2, "a", 0));
  EXPECT_NE(draw(1, "a", 0), draw(1, "b", 0));
  // Starting in the middle is the same as having drawn what comes before.
  Cursor cursor(1, "a", 100);
  std::vector<int64_t> drawn;
  cursor.Draw(150, drawn);
  EXPECT_EQ(draw(1, "a", 130), std::vector<int64_t>(drawn.begin() + 130, drawn.begin() + 150));
}

TEST(Shuffle, IsUniformEnough) {
  // Where item 0 of 4 ends up over 4000 seeds: 1000 times at each place, give or take 5 sigma.
  std::vector<int> counts(4);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    std::vector<int64_t> items = {0, 1, 2, 3};
    Shuffle(items, seed, kShuffleStream, 0);
    ++counts[static_cast<size_t>(std::find(items.begin(), items.end(), 0) - items.begin())];
  }
  for (int count : counts)
    EXPECT_NEAR(count, 1000, 140);
}

Record MakeRecord(const std::string &prompt, std::optional<std::string> response = {}) {
  Record record;
  record.where = "f.jsonl:5";
  record.prompt = prompt;
  record.response = std::move(response);
  record.fields = nlohmann::json::object();
  return record;
}

TEST(EncodePrompt, ErrorsNameTheRecord) {
  auto tokenizer = test::ToyTokenizer();
  auto refusal = [&](const std::string &prompt, TextLimits limits) {
    auto result = EncodePrompt(*tokenizer, MakeRecord(prompt), limits);
    EXPECT_FALSE(result.ok()) << prompt;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("f.jsonl:5: "));
    return std::string(result.status().message());
  };
  EXPECT_THAT(refusal("", {8, 32}), HasSubstr("empty"));
  EXPECT_THAT(refusal("abx", {8, 32}), HasSubstr("'x' at character 3"));
  EXPECT_THAT(refusal("abcd", {8, 4}), HasSubstr("context of 4"));
  EXPECT_THAT(refusal("abg", {6, 32}), HasSubstr("vocabulary is 6"));
  EXPECT_TRUE(EncodePrompt(*tokenizer, MakeRecord("abc"), {8, 4}).ok());
}

TEST(EncodeExample, EndsInTheEndToken) {
  auto tokenizer = test::ToyTokenizer();
  auto encode = [&](Record record) {
    auto result = EncodeExample(*tokenizer, std::move(record), {7, 6}, {8, 32});
    EXPECT_TRUE(result.ok()) << result.status();
    return (*result)->response;
  };
  EXPECT_THAT(encode(MakeRecord("a", "bc")), ElementsAre(1, 2, 7));
  EXPECT_THAT(encode(MakeRecord("a", "bc.")), ElementsAre(1, 2, 7));
  EXPECT_THAT(encode(MakeRecord("a", "bg")), ElementsAre(1, 6));
  Record cut = MakeRecord("a", "bc");
  cut.fields["finished"] = false;
  EXPECT_THAT(encode(cut), ElementsAre(1, 2));
  EXPECT_THAT(
      std::string(EncodeExample(*tokenizer, MakeRecord("a"), {7}, {8, 32}).status().message()),
      HasSubstr("response"));
  EXPECT_THAT(
      std::string(
          EncodeExample(*tokenizer, MakeRecord("aaaa", "bb."), {7}, {8, 6}).status().message()),
      HasSubstr("7 tokens"));
}

} // namespace
} // namespace mirl::rt
