#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/report/ChromeTrace.h"
#include "runtime/report/EventFile.h"
#include "runtime/report/Metrics.h"
#include "runtime/report/Progress.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Crc32c, KnownValues) {
  // RFC 3720, B.4, and the check value of the catalogue of CRCs.
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

// Reads one field of a protocol buffer message; false at its end.
struct Field {
  uint32_t number = 0, wire = 0;
  uint64_t integer = 0;
  std::string_view bytes;
};
bool Next(std::string_view &message, Field &field) {
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; !message.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (!(byte & 0x80))
        break;
    }
    return value;
  };
  if (message.empty())
    return false;
  uint64_t key = varint();
  field.number = static_cast<uint32_t>(key >> 3);
  field.wire = key & 7;
  size_t fixed = field.wire == 1 ? 8 : field.wire == 5 ? 4 : 0;
  if (field.wire == 0) {
    field.integer = varint();
  } else {
    size_t size = fixed ? fixed : varint();
    field.bytes = message.substr(0, size);
    field.integer = 0;
    if (fixed)
      std::memcpy(&field.integer, field.bytes.data(), fixed);
    message.remove_prefix(size);
  }
  return true;
}

std::vector<std::string> Records(const std::string &file) {
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    uint64_t length;
    uint32_t length_crc, data_crc;
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&length_crc, file.data() + at + 8, 4);
    EXPECT_EQ(length_crc, MaskedCrc32c(std::string_view(file).substr(at, 8)));
    std::string data = file.substr(at + 12, length);
    std::memcpy(&data_crc, file.data() + at + 12 + length, 4);
    EXPECT_EQ(data_crc, MaskedCrc32c(data));
    records.push_back(data);
    at += 16 + length;
  }
  return records;
}

TEST(EventFile, CanBeReadBack) {
  test::TemporaryFolder folder;
  auto file = EventFile::Create(folder.path());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT((*file)->path(), HasSubstr("/events.out.tfevents."));
  std::vector<std::pair<std::string, double>> scalars = {{"loss", 0.5}, {"reward_mean", -2}};
  ASSERT_TRUE((*file)->Add(300, scalars).ok());
  std::vector<std::string> records = Records(test::ReadText((*file)->path()));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[0], HasSubstr("brain.Event:2"));

  std::string_view event = records[1];
  Field field;
  std::vector<std::pair<std::string, float>> read;
  bool time = false;
  int64_t step = -1;
  while (Next(event, field)) {
    if (field.number == 1) {
      double seconds;
      std::memcpy(&seconds, &field.integer, 8);
      time = seconds > 1.6e9;
    } else if (field.number == 2) {
      step = static_cast<int64_t>(field.integer);
    } else if (field.number == 5) {
      std::string_view summary = field.bytes;
      Field value;
      while (Next(summary, value)) {
        ASSERT_EQ(value.number, 1u);
        std::string_view content = value.bytes;
        Field part;
        read.emplace_back();
        while (Next(content, part)) {
          if (part.number == 1)
            read.back().first = part.bytes;
          if (part.number == 2)
            std::memcpy(&read.back().second, &part.integer, 4);
        }
      }
    }
  }
  EXPECT_TRUE(time);
  EXPECT_EQ(step, 300);
  EXPECT_THAT(read, ElementsAre(std::pair<std::string, float>("loss", 0.5f),
                                std::pair<std::string, float>("reward_mean", -2.0f)));
}

TEST(AppendWhole, AFullDiskLeavesWhatWasThere) {
  test::TemporaryFolder folder;
  std::string path = folder.Write("log", "first\n");
  // In a process of its own: the limit stays.
  auto child = [&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit;
    limit.rlim_cur = limit.rlim_max = 10;
    setrlimit(RLIMIT_FSIZE, &limit);
    int fd = open(path.c_str(), O_WRONLY | O_APPEND);
    absl::Status status = AppendWhole(fd, "0123456789", path);
    bool good = !status.ok() && std::string(status.message()).find(path) != std::string::npos;
    _exit(good ? 7 : 8);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(7), "");
  EXPECT_EQ(test::ReadText(path), "first\n");
}

TEST(Metrics, Lines) {
  test::TemporaryFolder folder;
  std::string path = folder.path() + "/metrics.jsonl";
  auto file = MetricsFile::Create(path);
  ASSERT_TRUE(file.ok());
  IterationMetrics metrics;
  metrics.iteration = 2;
  metrics.Set("loss", 0.1);
  metrics.Set("accuracy", NAN);
  metrics.Set("big", std::numeric_limits<double>::infinity());
  metrics.Set("tokens", 123456);
  metrics.Set("a \"name\"", 1e-300);
  metrics.Set("loss", 0.2);
  ASSERT_TRUE((*file)->Write(metrics).ok());
  // Readable before the file is closed.
  std::string text = test::ReadText(path);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_THAT(text, HasSubstr("{\"iteration\":2,\"loss\":0.2,\"accuracy\":null,"));
  auto json = nlohmann::json::parse(text, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << text;
  EXPECT_EQ(json["tokens"], 123456);
  EXPECT_TRUE(json["big"].is_null());
  EXPECT_EQ(json["a \"name\""], 1e-300);
}

TEST(Progress, SaysWhatIsLeft) {
  IterationMetrics metrics;
  metrics.Set("loss", 0.25);
  metrics.Set("reward_mean", NAN);
  metrics.Set("train_tokens_per_s", 31400);
  std::string line = FormatProgress(metrics, 10, 40, 20);
  EXPECT_THAT(line, HasSubstr("iteration 10/40"));
  EXPECT_THAT(line, HasSubstr("loss 0.2500"));
  EXPECT_THAT(line, HasSubstr("31.4k tok/s"));
  EXPECT_THAT(line, HasSubstr("1 min 0 s left"));
  EXPECT_THAT(line, Not(HasSubstr("reward")));
  EXPECT_THAT(FormatProgress(metrics, 40, 40, 3725), HasSubstr("done in 1 h 2 min"));
}

TEST(Progress, WhatWaits) {
  IterationMetrics metrics;
  metrics.Set("unfinished_groups", 18);
  metrics.Set("staleness_max", 3);
  metrics.Set("staleness_mean", 1.25);
  EXPECT_THAT(FormatProgress(metrics, 10, 40, 20), HasSubstr("  waiting 18  age 3"));
  Summary summary;
  summary.Add(metrics);
  EXPECT_THAT(summary.Format(), ::testing::ContainsRegex("groups that wait +18.0 +18.0\nage of a token +1.25 +1.25\n"));
}

TEST(Progress, Summary) {
  Summary summary;
  EXPECT_EQ(summary.Format(), "");
  auto add = [&](int i) {
    IterationMetrics metrics;
    metrics.Set("accuracy", static_cast<double>(i));
    metrics.Set("loss", NAN);
    summary.Add(std::move(metrics));
  };
  for (int i = 0; i < 30; ++i)
    add(i);
  std::string table = summary.Format();
  EXPECT_THAT(table, HasSubstr("1.0000"));  // the mean of 0, 1, 2
  EXPECT_THAT(table, HasSubstr("28.0000")); // of 27, 28, 29
  EXPECT_THAT(table, Not(HasSubstr("loss")));
  for (int i = 30; i < 1000; ++i)
    add(i);
  EXPECT_THAT(summary.Format(), HasSubstr("4.5000"));   // of 0 to 9
  EXPECT_THAT(summary.Format(), HasSubstr("994.5000")); // of 990 to 999
}

TEST(ChromeTrace, EntriesAndCommands) {
  std::string path = testing::TempDir() + "chrome_trace.json";
  auto trace = ChromeTrace::Create(path, "toy.plan", "GPU");
  ASSERT_TRUE(trace.ok()) << trace.status();
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::CreateSource(builder, builder.CreateString("a \"b\".mirl"), 12, 3));
  TraceEvent event;
  event.entry = "train.micro";
  event.op = "nn.linear";
  event.kernel = "linear_n64";
  event.source = flatbuffers::GetRoot<fb::Source>(builder.GetBufferPointer());
  event.start = 0.25;
  event.seconds = 2e-6;
  event.flops = 4e6;
  event.bytes = 1e3;
  (*trace)->Add(event);
  TraceEvent whole;
  whole.entry = "train.micro";
  whole.start = 0.2;
  (*trace)->Add(whole);
  ASSERT_TRUE((*trace)->Close().ok());
  std::ifstream file(path);
  auto json = nlohmann::json::parse(file, nullptr, false);
  ASSERT_TRUE(json.is_array());
  ASSERT_EQ(json.size(), 5u);
  EXPECT_EQ(json[0]["args"]["name"], "toy.plan");
  EXPECT_EQ(json[2]["args"]["name"], "GPU");
  const auto &command = json[3];
  EXPECT_EQ(command["name"], "nn.linear");
  EXPECT_EQ(command["ph"], "X");
  EXPECT_NEAR(command["ts"].get<double>(), 250000, 1e-6);
  EXPECT_NEAR(command["dur"].get<double>(), 2, 1e-6);
  EXPECT_EQ(command["tid"], json[2]["tid"]);
  EXPECT_EQ(command["args"]["entry"], "train.micro");
  EXPECT_EQ(command["args"]["kernel"], "linear_n64");
  EXPECT_EQ(command["args"]["source"], "a \"b\".mirl:12:3");
  EXPECT_NEAR(command["args"]["GFLOP/s"].get<double>(), 2000, 1e-6);
  EXPECT_NEAR(command["args"]["GB/s"].get<double>(), 0.5, 1e-9);
  EXPECT_EQ(json[4]["name"], "train.micro");
  EXPECT_EQ(json[4]["tid"], json[1]["tid"]);
  EXPECT_FALSE(json[4]["args"].contains("GFLOP/s")); // it took no time
}

TEST(ChromeTrace, WhatCannotBeWritten) {
  auto nowhere = ChromeTrace::Create(testing::TempDir() + "no/such/folder/t.json", "p", "CPU");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_THAT(std::string(nowhere.status().message()), HasSubstr("no/such/folder/t.json: cannot be written: No such file"));
  auto full = ChromeTrace::Create("/dev/full", "p", "CPU");
  ASSERT_TRUE(full.ok()) << full.status();
  TraceEvent event;
  event.entry = "e";
  for (int i = 0; i < 1000; ++i)
    (*full)->Add(event);
  absl::Status status = (*full)->Close();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full: the trace is not whole: No space left on device"));
}

} // namespace
} // namespace mirl::rt
