#include "runtime/text/Tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/Regex.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> Make(const std::string &json) {
  auto tokenizer = Tokenizer::Parse(json, "t.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> Encode(const Tokenizer &tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  absl::Status status = tokenizer.Encode(text, ids);
  EXPECT_TRUE(status.ok()) << status;
  return ids;
}

std::string Refusal(const std::string &json) {
  auto tokenizer = Tokenizer::Parse(json, "t.json");
  EXPECT_FALSE(tokenizer.ok()) << json;
  std::string message(tokenizer.status().message());
  EXPECT_THAT(message, HasSubstr("t.json: "));
  return message;
}

constexpr const char *kCharacters =
    R"_("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?s:.)"}, "behavior": "Isolated", "invert": false})_";

TEST(Tokenizer, ExampleOfTheChainTask) {
  auto tokenizer = Tokenizer::Load(MIRL_SOURCE_DIR "/examples/chain/model/tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 20);
  EXPECT_THAT(Encode(**tokenizer, "3+2*="), ElementsAre(3, 10, 2, 12, 13));
  std::string text = "*4=0-5=5!5.";
  EXPECT_EQ((*tokenizer)->Decode(Encode(**tokenizer, text)), text);
}

TEST(Tokenizer, NamesTheUnknownCharacterAndWhereItIs) {
  auto tokenizer = Make(
      std::string("{") + kCharacters +
      R"(, "model": {"type": "WordLevel", "vocab": {"1": 0, "é": 1, "<unk>": 2}, "unk_token": "<unk>"}})");
  std::vector<int32_t> ids;
  absl::Status status = tokenizer->Encode("1éx1", ids);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'x' at character 3"));
  ids.clear();
  ASSERT_TRUE(tokenizer->Encode("1éx1", ids, /*allow_unknown=*/true).ok());
  EXPECT_THAT(ids, ElementsAre(0, 1, 2, 0));
}

TEST(Tokenizer, RefusesWhatIsNotUtf8) {
  auto tokenizer = Make(std::string("{") + kCharacters +
                        R"(, "model": {"type": "WordLevel", "vocab": {"1": 0}}})");
  std::vector<int32_t> ids;
  EXPECT_THAT(std::string(tokenizer->Encode("1\xC3", ids).message()), HasSubstr("byte 2"));
}

TEST(Tokenizer, Words) {
  auto tokenizer = Make(R"({"pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "vocab": {"the": 0, "cat": 1, ".": 2, "<eos>": 3}},
    "added_tokens": [{"id": 3, "content": "<eos>", "special": true}]})");
  EXPECT_THAT(Encode(*tokenizer, "  the\ncat. <eos>the"), ElementsAre(0, 1, 2, 3, 0));
  std::vector<int32_t> ids = {0, 1, 2, 3};
  EXPECT_EQ(tokenizer->Decode(ids), "the cat .");
  EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), "the cat . <eos>");
}

TEST(Tokenizer, LongestAddedTokenFirst) {
  auto tokenizer = Make(std::string("{") + kCharacters + R"(, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "merges": [], "vocab": {"<": 0, "a": 1, ">": 2}},
    "added_tokens": [{"id": 3, "content": "<a"}, {"id": 4, "content": "<a>"}]})");
  EXPECT_THAT(Encode(*tokenizer, "a<a><a<"), ElementsAre(1, 4, 3, 0));
}

TEST(Tokenizer, BpeWithoutMergesIsCharacters) {
  auto tokenizer = Make(R"({"model": {"type": "BPE", "merges": [], "vocab": {"a": 0, "ü": 1}}})");
  EXPECT_THAT(Encode(*tokenizer, "aüa"), ElementsAre(0, 1, 0));
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{1, 0}), "üa");
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{9}), "\xEF\xBF\xBD");
}

TEST(Tokenizer, NamesWhatItDoesNotSupport) {
  std::string model = R"("model": {"type": "WordLevel", "vocab": {"a": 0}})";
  EXPECT_THAT(Refusal("nonsense"), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal("{}"), HasSubstr("'model'"));
  EXPECT_THAT(Refusal(R"({"model": {"type": "Unigram", "vocab": []}})"), HasSubstr("Unigram"));
  EXPECT_THAT(Refusal(R"({"model": {"type": "BPE", "merges": ["a b"], "vocab": {"a": 0}}})"),
              HasSubstr("1 merges"));
  EXPECT_THAT(Refusal("{" + model + R"(, "normalizer": {"type": "NFKC"}})"), HasSubstr("NFKC"));
  EXPECT_THAT(Refusal("{" + model + R"(, "pre_tokenizer": {"type": "ByteLevel"}})"),
              HasSubstr("ByteLevel"));
  EXPECT_THAT(Refusal("{" + model + R"(, "decoder": {"type": "WordPiece"}})"),
              HasSubstr("WordPiece"));
  EXPECT_THAT(Refusal("{" + model + R"(, "post_processor": {"type": "TemplateProcessing"}})"),
              HasSubstr("TemplateProcessing"));
  EXPECT_THAT(Refusal(R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 0}}})"),
              HasSubstr("same id 0"));
  EXPECT_THAT(Refusal(R"({"model": {"type": "WordLevel", "vocab": {"a": -1}}})"), HasSubstr("-1"));
  EXPECT_THAT(Refusal(R"({"model": {"type": "WordLevel", "vocab": {"a": 99999999999}}})"),
              HasSubstr("99999999999"));
}

TEST(Regex, FindsTheLastMatch) {
  auto regex = Regex::Compile("!([^!.]*)\\.");
  ASSERT_TRUE(regex.ok());
  auto match = regex->FindLast("a!1.b!23.c");
  ASSERT_TRUE(match.ok() && *match);
  EXPECT_EQ((*match)->group_begin, 6u);
  EXPECT_EQ((*match)->group_end, 8u);
  auto none = regex->FindLast("none");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST(Regex, EmptyMatchesEnd) {
  auto regex = Regex::Compile("x*");
  ASSERT_TRUE(regex.ok());
  auto match = regex->FindLast("éa");
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_EQ((*match)->begin, 3u);
}

TEST(Regex, SaysWhatIsWrong) {
  EXPECT_THAT(std::string(Regex::Compile("a(b").status().message()), HasSubstr("a(b"));
}

TEST(Regex, IsBounded) {
  auto regex = Regex::Compile("(a+)+$");
  ASSERT_TRUE(regex.ok());
  EXPECT_FALSE(regex->Find(std::string(60, 'a') + "b").ok());
}

} // namespace
} // namespace mirl::rt
