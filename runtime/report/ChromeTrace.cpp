#include "runtime/report/ChromeTrace.h"

#include <cerrno>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kProcess = 1, kEntries = 1, kCommands = 2; // "threads" are rows

// To the nanosecond: what is behind it is noise.
double Microseconds(double seconds) { return std::round(seconds * 1e9) / 1e3; }

} // namespace

absl::StatusOr<std::unique_ptr<ChromeTrace>> ChromeTrace::Create(const std::string &path, const std::string &process,
                                                                 const std::string &device) {
  std::unique_ptr<ChromeTrace> trace(new ChromeTrace(path));
  trace->file_ = std::fopen(path.c_str(), "we");
  if (!trace->file_)
    return Invalid(path, ": cannot be written: ", strerror(errno));
  auto name = [&](const char *what, int row, const std::string &value) {
    Json event = {{"name", what}, {"ph", "M"}, {"pid", kProcess}, {"tid", row}, {"args", {{"name", value}}}};
    trace->Write(event.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  name("process_name", kEntries, process);
  name("thread_name", kEntries, "entries");
  name("thread_name", kCommands, device);
  return trace;
}

ChromeTrace::~ChromeTrace() {
  if (file_)
    std::fclose(file_);
}

void ChromeTrace::Write(const std::string &text) {
  if (error_ || !file_)
    return;
  if (std::fputs(first_ ? "[\n" : ",\n", file_) < 0 || std::fputs(text.c_str(), file_) < 0)
    error_ = errno;
  first_ = false;
}

void ChromeTrace::Add(const TraceEvent &event) {
  bool whole = event.op.empty();
  Json arguments = Json::object();
  if (!whole)
    arguments["entry"] = event.entry;
  if (!event.kernel.empty())
    arguments["kernel"] = event.kernel;
  if (event.source && event.source->line())
    arguments["source"] = Cat(View(event.source->file()), ":", event.source->line(), ":", event.source->column());
  arguments["FLOP"] = event.flops;
  arguments["bytes"] = event.bytes;
  if (event.seconds > 0) {
    arguments["GFLOP/s"] = event.flops / event.seconds * 1e-9;
    arguments["GB/s"] = event.bytes / event.seconds * 1e-9;
  }
  Json json = {{"name", whole ? event.entry : event.op},
               {"cat", whole ? "entry" : "command"},
               {"ph", "X"},
               {"ts", Microseconds(event.start)},
               {"dur", Microseconds(event.seconds)},
               {"pid", kProcess},
               {"tid", whole ? kEntries : kCommands},
               {"args", std::move(arguments)}};
  Write(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

absl::Status ChromeTrace::Close() {
  if (!file_)
    return absl::OkStatus();
  if (!error_ && std::fputs("\n]\n", file_) < 0)
    error_ = errno;
  if (std::fclose(file_) != 0 && !error_)
    error_ = errno;
  file_ = nullptr;
  if (error_)
    return absl::DataLossError(Cat(path_, ": the trace is not whole: ", strerror(error_)));
  return absl::OkStatus();
}

} // namespace mirl::rt
