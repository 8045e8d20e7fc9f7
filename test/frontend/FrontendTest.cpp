// Limits, locations and files of the frontend.

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "dialects/nn/Nn.h"
#include "dialects/rl/Rl.h"
#include "frontend/Compile.h"
#include "gtest/gtest.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"

using namespace mirl::frontend;

namespace {

class Frontend : public testing::Test {
protected:
  Frontend() : folder(std::filesystem::path(testing::TempDir()) / ("frontend" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder);
    options.libraryDir = std::string(MIRL_REPOSITORY) + "/frontend";
    options.modelDir = std::string(MIRL_REPOSITORY) + "/test/frontend/model";
  }
  ~Frontend() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  }
  // Errors are in `errors`.
  mlir::OwningOpRef<mlir::ModuleOp> compileText(const std::string &text) {
    options.file = write("main.mirl", text);
    return compileOptions();
  }
  mlir::OwningOpRef<mlir::ModuleOp> compileOptions() {
    errors.clear();
    llvm::raw_string_ostream out(errors);
    return compile(context, options, nullptr, out);
  }
  static size_t count(const std::string &text, const std::string &what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++n;
    return n;
  }

  std::filesystem::path folder;
  mlir::MLIRContext context;
  FrontendOptions options;
  std::string errors;
};

TEST_F(Frontend, RefusesHugeFilesBySizeAlone) {
  options.file = write("huge.mirl", "");
  std::filesystem::resize_file(options.file, 100u << 20);
  auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(compileOptions());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_NE(errors.find("huge.mirl: error: is 100 MiB; a .mirl file is at most 16 MiB"), std::string::npos) << errors;
  EXPECT_EQ(count(errors, "error:"), 1u);
}

TEST_F(Frontend, StopsEarlyInGarbage) {
  std::string garbage(8u << 20, '\0');
  unsigned state = 1;
  for (char &c : garbage)
    c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(compileText(garbage));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_LE(count(errors, "error:"), 20u);
  EXPECT_NE(errors.find("too many errors: stopping after 20"), std::string::npos);
  EXPECT_LT(errors.size(), 100'000u);
}

TEST_F(Frontend, SurvivesDeepNesting) {
  for (const char *piece : {"(", "[", "{", "-", "if ", "f(", "x.", "1^", "1+", "if 1 {\n", "a then b else "})
    for (const char *start : {"const n: int = ", "entry e(x: token) -> (l: batch) {\n", "model m(c) {\n", ""}) {
      std::string text = start;
      for (int i = 0; i < 100'000; ++i)
        text += piece;
      EXPECT_FALSE(compileText(text + "1\n")) << start << piece;
      EXPECT_GE(count(errors, "error:"), 1u);
    }
}

TEST_F(Frontend, BoundsWhatInliningMakes) {
  // Each function calls the one before it twice: 2^40 calls.
  std::string text = "func f0(x: batch) -> batch {\n  return x + 1\n}\n";
  for (int i = 1; i < 40; ++i)
    text += "func f" + std::to_string(i) + "(x: batch) -> batch {\n  return f" + std::to_string(i - 1) + "(x) + f" +
            std::to_string(i - 1) + "(x)\n}\n";
  EXPECT_FALSE(compileText(text));
  EXPECT_NE(errors.find("the program is too large"), std::string::npos) << errors;
  EXPECT_EQ(count(errors, "error:"), 1u) << errors;
}

TEST_F(Frontend, BoundsLoops) {
  EXPECT_FALSE(compileText("capacity context = 4\nmodel m(c) {\n  for i in 0 .. 100000 { for j in 0 .. 100000 { for k in 0 .. 0 { } } }\n}\n"
                           "policy p = m()\n"));
  EXPECT_NE(errors.find("the program is too large"), std::string::npos) << errors;
}

TEST_F(Frontend, BytesThatAreNotText) {
  EXPECT_FALSE(compileText("# a comment \xff\n"));
  EXPECT_NE(errors.find("main.mirl:1:13: error: a source file is UTF-8 text without control bytes; found the byte 0xFF"), std::string::npos) << errors;
  EXPECT_FALSE(compileText(std::string("data d = \"a\0b\"\n", 15)));
  EXPECT_NE(errors.find("found the byte 0x00"), std::string::npos) << errors;
  EXPECT_FALSE(compileText("const \xc3\xa4: int = 1\n"));
  EXPECT_NE(errors.find("only strings and comments may hold characters beyond ASCII"), std::string::npos) << errors;
  EXPECT_TRUE(compileText("# \xc3\xa4\ndata d = \"\xc3\xa4.jsonl\"\n")) << errors;
}

TEST_F(Frontend, MissingFileAndFolder) {
  options.file = (folder / "none.mirl").string();
  EXPECT_FALSE(compileOptions());
  EXPECT_NE(errors.find("none.mirl: error: cannot be read"), std::string::npos) << errors;
  options.file = folder.string();
  EXPECT_FALSE(compileOptions());
  EXPECT_NE(errors.find("is a directory"), std::string::npos) << errors;
}

TEST_F(Frontend, OpsKnowTheirPlace) {
  auto module = compileText("param tau: f32 = 0.5\n"
                            "entry e(r: sequence) -> (l: batch) {\n"
                            "  return mean(r * tau, over = batch)\n"
                            "}\n");
  ASSERT_TRUE(module) << errors;
  auto expectPlace = [&](mlir::Operation *op, unsigned line, unsigned column) {
    auto place = llvm::dyn_cast<mlir::FileLineColLoc>(op->getLoc());
    ASSERT_TRUE(place);
    EXPECT_EQ(place.getFilename().getValue(), options.file);
    EXPECT_EQ(place.getLine(), line);
    EXPECT_EQ(place.getColumn(), column);
  };
  bool sawReduce = false;
  module->walk([&](mlir::Operation *op) {
    if (llvm::isa<mirl::rl::ReduceOp>(op)) {
      sawReduce = true;
      expectPlace(op, 3, 10);
    } else if (llvm::isa<mirl::rl::BinaryOp>(op)) {
      expectPlace(op, 3, 15);
    } else if (llvm::isa<mirl::rl::ReadParamOp>(op)) {
      expectPlace(op, 3, 19);
    } else if (llvm::isa<mirl::rl::ParamOp>(op)) {
      expectPlace(op, 1, 7);
    }
  });
  EXPECT_TRUE(sawReduce);
}

TEST_F(Frontend, FilesThatUseOneAnother) {
  // A cycle is one program; the own folder comes before the library.
  write("a.mirl", "use \"b\"\nfunc fa(x: batch) -> batch {\n  return x + 1\n}\n");
  write("b.mirl", "use \"a\"\nfunc fb(x: batch) -> batch {\n  return fa(x) * 2\n}\n");
  write("losses.mirl", "func sft(logp: token) -> batch {\n  return max(logp, over = batch)\n}\n");
  EXPECT_TRUE(compileText("use \"a\"\nuse \"losses\"\nentry e(l: token) -> (r: batch) {\n  return fb(sft(l))\n}\n")) << errors;
  // An error in a file that is used is shown there, with the way to it.
  write("c.mirl", "func fc(x: batch) -> batch {\n  return y\n}\n");
  EXPECT_FALSE(compileText("use \"c\"\nentry e(x: batch) -> (r: batch) {\n  return fc(x)\n}\n"));
  EXPECT_NE(errors.find("c.mirl:2:10: error: unknown name `y`"), std::string::npos) << errors;
  EXPECT_NE(errors.find("main.mirl:1:1: note: the file with the error is used here"), std::string::npos) << errors;
  EXPECT_EQ(count(errors, "error:"), 1u) << errors;
}

TEST_F(Frontend, LibraryDirectoryOfTheEnvironment) {
  options.libraryDir.clear();
  std::filesystem::create_directories(folder / "elsewhere" / "lib");
  write("elsewhere/lib/mine.mirl", "func f(x: batch) -> batch {\n  return x\n}\n");
  ::setenv("MIRL_LIBRARY", (folder / "elsewhere").c_str(), 1);
  EXPECT_TRUE(compileText("use \"mine\"\nentry e(x: batch) -> (r: batch) {\n  return f(x)\n}\n")) << errors;
  ::unsetenv("MIRL_LIBRARY");
  EXPECT_TRUE(compileText("use \"losses\"\n")) << errors; // the compiled-in place
}

TEST_F(Frontend, RotaryTableIsRoundedOnce) {
  auto module = compileText("capacity context = 3\nmodel m(c) {\n  weight w = \"w\" [5, 4] init ones\n"
                            "  head(rotary(embedding(w), 4, 100.0), w)\n}\npolicy p = m()\n");
  ASSERT_TRUE(module) << errors;
  std::vector<float> table;
  module->walk([&](mirl::nn::ConstantOp op) {
    auto values = llvm::cast<mlir::DenseElementsAttr>(op.getValue()).getValues<float>();
    table.assign(values.begin(), values.end());
  });
  // Rows p: cos(p), cos(p / 10), sin(p), sin(p / 10).
  ASSERT_EQ(table.size(), 12u);
  for (int p = 0; p < 3; ++p)
    for (int i = 0; i < 2; ++i) {
      double angle = p * std::pow(100.0, -2.0 * i / 4.0);
      EXPECT_EQ(table[p * 4 + i], static_cast<float>(std::cos(angle)));
      EXPECT_EQ(table[p * 4 + 2 + i], static_cast<float>(std::sin(angle)));
    }
}

} // namespace
