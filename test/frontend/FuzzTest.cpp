// Mutations of real programs: the frontend must return, with a module or with errors, whatever the bytes.
// The mutations come from a fixed seed, so a failure is seen again; its text is in the failure's message.

#include <fstream>
#include <iterator>
#include <random>

#include "frontend/Compile.h"
#include "gtest/gtest.h"
#include "mlir/IR/MLIRContext.h"

using namespace mirl::frontend;

namespace {

const std::string kRepository = MIRL_REPOSITORY;

std::string read(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Pieces that tend to be where they should not.
const char *const kWords[] = {"(", ")", "{", "}", "[", "]", ",", "=", "->", "..", "^", "-", "\"", "\\", "#", ";", "\n",
                              "if", "then", "else", "let", "return", "for", "in", "over = group", "iteration", "step",
                              "func f(x: batch) -> batch {", "mean(", "9223372036854775807", "1e308", "0", "-1", "\xff", "\x01",
                              "weight w = \"w\" [1] init ones", "model", "policy", "use \"losses\"", "x", "true", "%s%n"};

std::string mutate(std::string text, const std::string &other, std::mt19937 &random) {
  auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (unsigned count = 1 + below(4); count > 0; --count) {
    size_t at = below(text.size() + 1), length = below(40);
    switch (below(7)) {
    case 0: // flip bits of a byte
      if (at < text.size())
        text[at] = static_cast<char>(text[at] ^ (1u << below(8)));
      break;
    case 1: text.erase(at, length); break;
    case 2: text.resize(at); break;
    case 3: text.insert(at, kWords[below(std::size(kWords))]); break;
    case 4: text.insert(at, text.substr(below(text.size() + 1), length)); break;
    case 5: text.insert(at, other.substr(below(other.size() + 1), length * 4)); break;
    case 6: { // swap two words
      auto word = [&](size_t from, size_t &begin, size_t &end) {
        begin = text.find_first_of("abcdefghijklmnopqrstuvwxyz0123456789", from);
        end = begin == std::string::npos ? begin : text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", begin);
        return begin != std::string::npos && end != std::string::npos;
      };
      size_t b1, e1, b2, e2;
      if (word(at, b1, e1) && word(e1 + below(200), b2, e2) && e1 <= b2) {
        std::string first = text.substr(b1, e1 - b1), second = text.substr(b2, e2 - b2);
        text.replace(b2, e2 - b2, first);
        text.replace(b1, e1 - b1, second);
      }
      break;
    }
    }
  }
  return text;
}

class Fuzz : public testing::TestWithParam<const char *> {};

TEST_P(Fuzz, ReturnsWhateverTheBytes) {
  const std::string path = kRepository + "/" + GetParam();
  const std::string original = read(path);
  ASSERT_FALSE(original.empty()) << path;
  const std::string other = read(kRepository + "/frontend/lib/losses.mirl");
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  FrontendOptions options;
  options.file = kRepository + "/examples/chain/fuzzed.mirl"; // not on disk: only a name and a folder
  options.modelDir = kRepository + "/test/frontend/model";
  options.libraryDir = kRepository + "/frontend";
  std::mt19937 random(20260101);
  unsigned good = 0, bad = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text = mutate(original, other, random);
    SCOPED_TRACE(text);
    std::string errors;
    llvm::raw_string_ostream out(errors);
    auto module = compile(context, options, &text, out);
    // A module without errors, or errors without a module.
    ASSERT_EQ(static_cast<bool>(module), errors.empty()) << errors;
    ASSERT_LT(errors.size(), 200'000u);
    ++(module ? good : bad);
  }
  // The mutations reach both sides.
  EXPECT_GT(good, 10u);
  EXPECT_GT(bad, 100u);
}

INSTANTIATE_TEST_SUITE_P(Programs, Fuzz,
                         testing::Values("examples/chain/mirror_descent.mirl", "examples/chain/sft.mirl",
                                         "test/frontend/everything.mirl", "frontend/models/qwen2.mirl",
                                         "frontend/lib/losses.mirl"));

} // namespace
