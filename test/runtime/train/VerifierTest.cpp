#include "runtime/reward/Verifier.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/reward/Program.h"
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
  VerifierOptions Make(const std::string &body, double timeout = 20, int workers = 1) {
    std::string path = folder_.Write("worker.py", "import json, os, sys, time\n" + body);
    return {.kind = "program",
            .command = "exec python3 -u " + path,
            .timeout = timeout,
            .workers = workers};
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

// A process that answers with the response's length, but for what `body` does at some.
std::string Lengths(const std::string &body) {
  return "for line in sys.stdin:\n    q = json.loads(line)\n    r = q['response']\n    " + body +
         "\n    print(json.dumps({'id': q['id'], 'reward': len(r)}), flush=True)\n";
}

TEST_F(Program, WhatItFailsAtIsNotScoredAndTheOthersAre) {
  // The time that a program takes to start is in its timeout, and on a busy machine that is seconds.
  struct Fault {
    const char *body;
    double timeout;
    int rounds; // it is started again
  };
  for (int workers : {1, 3})
    for (auto [body, timeout, rounds] : {Fault{"if r == 'bad': time.sleep(600)", 4, 1},
                                         Fault{"if r == 'bad': os._exit(3)", 20, 2}}) {
      auto verifier = Verifier::Create(Make(Lengths(body), timeout, workers));
      ASSERT_TRUE(verifier.ok());
      for (int round = 0; round < rounds; ++round) {
        std::vector<Answer> answers;
        for (const char *response : {"a", "bad", "bb", "bad", "ccc", ""})
          answers.push_back({&record_, response});
        std::vector<float> results;
        absl::Status status = (*verifier)->Verify(answers, results);
        ASSERT_TRUE(status.ok()) << status;
        using testing::IsNan;
        EXPECT_THAT(results, ElementsAre(1, IsNan(), 2, IsNan(), 3, 0)) << workers << body;
        EXPECT_THAT((*verifier)->last_failure(), HasSubstr("worker.py"));
      }
    }
}

TEST_F(Program, OneThatNeverAnswersIsAnError) {
  std::vector<std::string> many(ProgramVerifier::kUnansweredInRow, "a"), fewer(many);
  fewer.pop_back();
  auto shell = [](const std::string &command, double timeout = 20, int workers = 1) {
    return VerifierOptions{
        .kind = "program", .command = command, .timeout = timeout, .workers = workers};
  };
  std::string message = Failure(Ask(shell("read -r line; exit 3"), record_, many));
  EXPECT_THAT(message, HasSubstr("exited with status 3"));
  EXPECT_THAT(message, HasSubstr("none of 16 questions"));
  EXPECT_THAT(message, HasSubstr("read -r line"));
  EXPECT_THAT(Failure(Ask(shell("kill -KILL $$"), record_, many)), HasSubstr("signal 9"));
  EXPECT_THAT(Failure(Ask(shell("/no/such/program"), record_, many)), HasSubstr("status 127"));
  EXPECT_THAT(Failure(Ask(shell("sleep 600", 0.1, 4), record_, many)),
              HasSubstr("no answer within its timeout of 0.1 s"));
  // One less says nothing yet; and an answer in between begins the count again.
  EXPECT_TRUE(Ask(shell("exit 3"), record_, fewer).ok());
  std::vector<std::string> mixed(fewer);
  mixed.push_back("good");
  mixed.insert(mixed.end(), fewer.begin(), fewer.end());
  auto result = Ask(shell(R"(while read -r line; do
    case $line in *good*) ;; *) exit 3;; esac
    id=${line#*:}
    echo "{\"id\": ${id%%,*}, \"reward\": 4}"
  done)"),
                    record_, mixed);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)[fewer.size()], 4);
}

TEST_F(Program, OneThatHangsIsKilledWithItsChildren) {
  std::string pids = folder_.path() + "/pids";
  auto started = std::chrono::steady_clock::now();
  auto result = Ask(Make("import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nopen('" + pids +
                             "', 'a').write(f'{os.getpid()} {child.pid}\\n')\ntime.sleep(600)\n",
                         3.0),
                    record_, {"a", "b"});
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(seconds, 5.9) << "each is given its time";
  EXPECT_LT(seconds, 60);
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

TEST_F(Program, WorkersShareTheQuestions) {
  std::vector<std::string> responses;
  for (int i = 0; i < 24; ++i)
    responses.push_back(std::string(static_cast<size_t>(i), 'a'));
  // None answers before all eight were asked. How long it takes is no function of the place: those behind overtake.
  std::string asked = folder_.path() + "/asked";
  std::filesystem::create_directory(asked);
  auto result = Ask(Make(Lengths("open(f'" + asked + R"(/{os.getpid()}', 'w').close()
    while len(os.listdir(')" + asked + R"(')) < 8: time.sleep(0.01)
    time.sleep(0.01 if len(r) % 3 else 0.03))"), 20, 8), record_, responses);
  ASSERT_TRUE(result.ok()) << result.status();
  for (size_t i = 0; i < responses.size(); ++i)
    EXPECT_EQ((*result)[i], static_cast<float>(i)) << "NaN: it waited for a process that was asked nothing";
}

TEST_F(Program, WhatWasSubmittedIsNotAskedAgain) {
  std::string log = folder_.path() + "/log";
  for (int workers : {1, 2}) {
    auto verifier = Verifier::Create(
        Make(Lengths("open('" + log + "', 'a').write(r + '\\n')"), 20, workers));
    ASSERT_TRUE(verifier.ok());
    EXPECT_TRUE((*verifier)->early());
    (*verifier)->Submit({&record_, "ccc", 3});
    (*verifier)->Submit({&record_, "a", 1});
    (*verifier)->Submit({&record_, "other", 4}); // for later
    // Done while nobody waits.
    std::string text;
    for (int i = 0; i < 1000 && text.size() < 12; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      (*verifier)->Poll();
      text = test::ReadText(log);
    }
    EXPECT_EQ(text.size(), 12u) << text;
    std::vector<float> results;
    std::vector<Answer> answers = {{&record_, "a", 1}, {&record_, "bb", 2}, {&record_, "ccc", 3}};
    ASSERT_TRUE((*verifier)->Verify(answers, results).ok());
    EXPECT_THAT(results, ElementsAre(1, 2, 3));
    EXPECT_EQ(test::ReadText(log).size(), 15u) << "the one that was not submitted";
    // Another text under the same key is another question.
    answers = {{&record_, "changed", 4}};
    ASSERT_TRUE((*verifier)->Verify(answers, results).ok());
    EXPECT_THAT(results, ElementsAre(7));
    unlink(log.c_str());
  }
}

TEST_F(Program, AnErrorThatNobodyWaitedForIsTold) {
  std::string mark = folder_.path() + "/mark";
  auto verifier = Verifier::Create(Make("print('nonsense', flush=True)\nopen('" + mark + "', 'w').close()\ntime.sleep(600)"));
  ASSERT_TRUE(verifier.ok());
  // It is written while nobody reads; the file says when.
  (*verifier)->Submit({&record_, "a", 1});
  for (int i = 0; i < 2000 && !std::filesystem::exists(mark); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_TRUE(std::filesystem::exists(mark));
  (*verifier)->Poll();
  std::vector<float> results;
  Answer answer{&record_, "a", 1};
  EXPECT_THAT(std::string((*verifier)->Verify({&answer, 1}, results).message()),
              HasSubstr("nonsense"));
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
