#include "runtime/reward/Verifier.h"

#include <signal.h>

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Record MakeRecord(nlohmann::json fields) {
  Record record;
  record.where = "d.jsonl:4";
  record.prompt = "q";
  record.fields = std::move(fields);
  return record;
}

absl::StatusOr<std::vector<float>> Ask(const VerifierOptions &options, const Record &record,
                                       const std::vector<std::string> &responses) {
  auto verifier = Verifier::Create(options);
  if (!verifier.ok())
    return verifier.status();
  std::vector<Answer> answers;
  for (const std::string &response : responses)
    answers.push_back({&record, response});
  std::vector<float> results;
  if (absl::Status status = (*verifier)->Verify(answers, results); !status.ok())
    return status;
  return results;
}

std::string Failure(const absl::StatusOr<std::vector<float>> &result) {
  EXPECT_FALSE(result.ok());
  return std::string(result.status().message());
}

TEST(ExactAnswer, TheLastMatchCounts) {
  VerifierOptions options{.kind = "exact_answer", .pattern = "!([^!.]*)\\.$"};
  auto result =
      Ask(options, MakeRecord({{"answer", "5"}}), {"*4=0!5.", "!5.!6.", "!6.! 5 .", "5", "!5"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(*result, ElementsAre(1, 0, 1, 0, 0));
}

TEST(ExactAnswer, WholeResponseWithoutPatternAndNumbers) {
  VerifierOptions options{.kind = "exact_answer", .field = "n"};
  auto result = Ask(options, MakeRecord({{"n", 12}}), {" 12\n", "12.", ""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(*result, ElementsAre(1, 0, 0));
}

TEST(ExactAnswer, AMissingFieldIsAnErrorNotAWrongAnswer) {
  VerifierOptions options{.kind = "exact_answer", .field = "gold"};
  std::string message = Failure(Ask(options, MakeRecord({{"answer", "5"}}), {"5"}));
  EXPECT_THAT(message, HasSubstr("d.jsonl:4"));
  EXPECT_THAT(message, HasSubstr("gold"));
  EXPECT_THAT(Failure(Ask(options, MakeRecord({{"gold", {1, 2}}}), {"5"})), HasSubstr("array"));
}

TEST(RegexVerifier, Matches) {
  auto result = Ask({.kind = "regex", .pattern = "^[0-9]+$"}, MakeRecord({}), {"12", "1a", ""});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(*result, ElementsAre(1, 0, 0));
}

TEST(RegexVerifier, ARunawayPatternIsAnError) {
  EXPECT_THAT(Failure(Ask({.kind = "regex", .pattern = "(a+)+$"}, MakeRecord({}),
                          {std::string(60, 'a') + "b"})),
              HasSubstr("d.jsonl:4"));
  EXPECT_THAT(Failure(Ask({.kind = "regex", .pattern = "("}, MakeRecord({}), {"a"})),
              HasSubstr("("));
}

TEST(Verifier, UnknownKind) {
  EXPECT_THAT(Failure(Ask({.kind = "oracle"}, MakeRecord({}), {})), HasSubstr("oracle"));
}

// A program in Python; the test's worker.
class Program : public ::testing::Test {
protected:
  VerifierOptions Make(const std::string &body, double timeout = 20) {
    std::string path = folder_.Write("worker.py", "import json, os, sys, time\n" + body);
    return {.kind = "program", .command = "exec python3 -u " + path, .timeout = timeout};
  }
  test::TemporaryFolder folder_;
  Record record_ = MakeRecord({{"answer", "ü"}});
};

constexpr const char *kGood = R"(
for line in sys.stdin:
    q = json.loads(line)
    assert q["prompt"] == "q" and q["record"]["answer"] == "ü"
    print(json.dumps({"id": q["id"], "reward": len(q["response"]) / 2}), flush=True)
)";

TEST_F(Program, Answers) {
  auto result = Ask(Make(kGood), record_, {"a", "", "abc"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(*result, ElementsAre(0.5f, 0, 1.5f));
}

TEST_F(Program, StaysRunning) {
  auto verifier = Verifier::Create(Make(R"(
n = 0
for line in sys.stdin:
    n += 1
    print(json.dumps({"id": json.loads(line)["id"], "reward": n}), flush=True)
)"));
  Answer answer{&record_, "a"};
  std::vector<float> results;
  for (int n = 1; n <= 3; ++n) {
    ASSERT_TRUE((*verifier)->Verify({&answer, 1}, results).ok());
    EXPECT_EQ(results[0], n);
  }
}

TEST_F(Program, MayAnswerInAnyOrderAndManyQuestionsDoNotBlock) {
  // It reads everything before it answers: more than a pipe holds either way.
  std::vector<std::string> responses(3000, std::string(200, 'a'));
  responses[17] = "b";
  auto result = Ask(Make(R"(
lines = [json.loads(sys.stdin.readline()) for _ in range(3000)]
for q in reversed(lines):
    print(json.dumps({"id": q["id"], "reward": len(q["response"]), "why": "x" * 100}), flush=False)
sys.stdout.flush()
time.sleep(60)
)"),
                    record_, responses);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)[17], 1);
  EXPECT_EQ((*result)[2999], 200);
}

TEST_F(Program, OneThatDiesIsStartedAgainOnce) {
  std::string mark = folder_.path() + "/mark";
  auto result = Ask(Make("mark = '" + mark + R"('
for line in sys.stdin:
    q = json.loads(line)
    if q["response"] == "fatal" and not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(3)
    print(json.dumps({"id": q["id"], "reward": len(q["response"])}), flush=True)
)"),
                    record_, {"a", "fatal", "bb"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(*result, ElementsAre(1, 5, 2));
}

TEST_F(Program, OneThatDiesAgainIsAnError) {
  std::string message =
      Failure(Ask(Make("sys.stdin.readline()\nraise SystemExit(3)"), record_, {"a"}));
  EXPECT_THAT(message, HasSubstr("exited with status 3"));
  EXPECT_THAT(message, HasSubstr("worker.py"));
  message = Failure(Ask(Make("os.kill(os.getpid(), 9)"), record_, {"a"}));
  EXPECT_THAT(message, HasSubstr("signal 9"));
  EXPECT_THAT(Failure(Ask({.kind = "program", .command = "/no/such/program"}, record_, {"a"})),
              HasSubstr("status 127"));
}

TEST_F(Program, OneThatHangsIsKilledWithItsChildren) {
  std::string pids = folder_.path() + "/pids";
  auto started = std::chrono::steady_clock::now();
  std::string message = Failure(
      Ask(Make("import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nopen('" + pids +
                   "', 'a').write(f'{os.getpid()} {child.pid}\\n')\ntime.sleep(600)\n",
               1.0),
          record_, {"a"}));
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  EXPECT_THAT(message, HasSubstr("timeout of 1 s"));
  EXPECT_GE(seconds, 1.9) << "it is given its time, twice";
  EXPECT_LT(seconds, 20);
  std::istringstream list(test::ReadText(pids));
  int count = 0;
  for (pid_t pid; list >> pid; ++count) {
    // Gone, or a zombie that its new parent has not reaped yet.
    bool gone = false;
    for (int i = 0; i < 200 && !gone; ++i) {
      std::string stat = test::ReadText("/proc/" + std::to_string(pid) + "/stat");
      gone = stat.empty() || stat.find(") Z") != std::string::npos;
      if (!gone)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(gone) << pid;
  }
  EXPECT_EQ(count, 4);
}

TEST_F(Program, NonsenseIsAnErrorThatShowsTheLine) {
  auto says = [&](const std::string &line) {
    return Failure(Ask(Make("for line in sys.stdin:\n    print('" + line + "', flush=True)\n"),
                       record_, {"a"}));
  };
  EXPECT_THAT(says("nonsense"), HasSubstr("nonsense"));
  EXPECT_THAT(says(R"({"id": 0})"), HasSubstr("reward is not a number"));
  EXPECT_THAT(says(R"({"id": 0, "reward": "1"})"), HasSubstr("reward is not a number"));
  EXPECT_THAT(says(R"({"id": 0, "reward": 1e99})"), HasSubstr("1e99"));
  EXPECT_THAT(says(R"({"reward": 1})"), HasSubstr("no id"));
  EXPECT_THAT(says(R"({"id": 5, "reward": 1})"), HasSubstr("nothing with this id"));
  EXPECT_THAT(Failure(Ask(Make("print('x' * 3000000, end='', flush=True)\ntime.sleep(60)"), record_,
                          {"a"})),
              HasSubstr("a line of more than"));
}

} // namespace
} // namespace mirl::rt
