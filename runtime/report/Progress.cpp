#include "runtime/report/Progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace mirl::rt {

std::string FormatDuration(double seconds) {
  auto whole = static_cast<int64_t>(std::max(0.0, std::round(seconds)));
  if (whole < 60)
    return absl::StrFormat("%d s", whole);
  if (whole < 3600)
    return absl::StrFormat("%d min %d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %d min", whole / 3600, whole % 3600 / 60);
}

std::string FormatCount(double value) {
  if (!std::isfinite(value))
    return "-";
  if (std::abs(value) < 1000)
    return absl::StrFormat("%.0f", value);
  if (std::abs(value) < 1e6)
    return absl::StrFormat("%.1fk", value / 1e3);
  return absl::StrFormat("%.2fM", value / 1e6);
}

std::string FormatProgress(const IterationMetrics &metrics, int64_t done, int64_t total,
                           double elapsed) {
  std::string line = absl::StrFormat("iteration %d/%d", done, total);
  auto add = [&](const char *label, const char *name, int digits) {
    if (double value = metrics.Get(name); std::isfinite(value))
      line += absl::StrFormat("  %s %.*f", label, digits, value);
  };
  add("loss", "loss", 4);
  add("reward", "reward_mean", 3);
  add("accuracy", "accuracy", 3);
  add("length", "response_length_mean", 1);
  // Groups that wait to be trained on, and the age of the oldest token that was.
  add("waiting", "unfinished_groups", 0);
  add("age", "staleness_max", 0);
  auto speed = [&](const char *label, const char *name) {
    if (double value = metrics.Get(name); std::isfinite(value))
      line += absl::StrFormat("  %s %s tok/s", label, FormatCount(value));
  };
  speed("rollout", "rollout_tokens_per_s");
  speed("train", "train_tokens_per_s");
  if (done > 0 && done < total)
    line +=
        "  " +
        FormatDuration(elapsed / static_cast<double>(done) * static_cast<double>(total - done)) +
        " left";
  else if (done >= total)
    line += "  done in " + FormatDuration(elapsed);
  return line;
}

Progress::Progress(std::FILE *out, int64_t total, int64_t done)
    : out_(out), terminal_(isatty(fileno(out)) == 1), total_(total), first_(done), done_(done),
      started_(Clock::now()) {}

Progress::~Progress() { Finish(); }

void Progress::Update(const IterationMetrics &metrics) {
  ++done_;
  auto now = Clock::now();
  double elapsed = std::chrono::duration<double>(now - started_).count();
  // A terminal is redrawn at most 10 times a second; a log gets a line every 5 seconds; and both
  // the first and the last.
  double pause = terminal_ ? 0.1 : 5;
  if (done_ > first_ + 1 && done_ < total_ && std::chrono::duration<double>(now - shown_).count() < pause)
    return;
  shown_ = now;
  // What is left is estimated from this start's iterations, not from those it did not run.
  if (done_ < total_)
    elapsed *= static_cast<double>(done_) / static_cast<double>(done_ - first_);
  std::string line = FormatProgress(metrics, done_, total_, elapsed);
  if (!terminal_) {
    std::fprintf(out_, "%s\n", line.c_str());
  } else {
    std::fprintf(out_, "\r%-*s", static_cast<int>(width_), line.c_str());
    width_ = line.size();
    open_ = true;
  }
  std::fflush(out_);
}

void Progress::Finish() {
  if (open_)
    std::fputc('\n', out_);
  open_ = false;
  std::fflush(out_);
}

namespace {
constexpr size_t kSummarized = 10; // iterations at either end, at most
} // namespace

void Summary::Add(IterationMetrics metrics) {
  ++iterations_;
  if (first_.size() < kSummarized)
    first_.push_back(metrics);
  if (last_.size() == kSummarized)
    last_.pop_front();
  last_.push_back(std::move(metrics));
}

std::string Summary::Format() const {
  if (iterations_ == 0)
    return "";
  // A tenth of the run at either end: single iterations are noisy.
  size_t count = std::clamp<size_t>(iterations_ / 10, 1, kSummarized);
  auto mean = [&](const auto &list, size_t begin, const char *name) {
    double sum = 0;
    for (size_t i = begin; i < begin + count; ++i)
      sum += list[i].Get(name);
    return sum / static_cast<double>(count);
  };
  std::string table = absl::StrFormat("%-22s%12s%12s\n", "", "first", "last");
  auto row = [&](const char *label, const char *name, int digits) {
    double first = mean(first_, 0, name), last = mean(last_, last_.size() - count, name);
    if (!std::isfinite(first) && !std::isfinite(last))
      return;
    auto show = [&](double value) {
      return std::isfinite(value) ? absl::StrFormat("%.*f", digits, value) : std::string("-");
    };
    table += absl::StrFormat("%-22s%12s%12s\n", label, show(first), show(last));
  };
  row("loss", "loss", 4);
  row("reward", "reward_mean", 4);
  row("accuracy", "accuracy", 4);
  row("response length", "response_length_mean", 1);
  row("finished fraction", "finished_fraction", 4);
  row("groups that wait", "unfinished_groups", 1);
  row("age of a token", "staleness_mean", 2);
  row("rollout tokens/s", "rollout_tokens_per_s", 0);
  row("training tokens/s", "train_tokens_per_s", 0);
  return table;
}

} // namespace mirl::rt
