#include "runtime/report/Metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "runtime/report/EventFile.h"
#include "runtime/artifact/Macros.h"

namespace mirl::rt {

void IterationMetrics::Set(std::string_view name, double value) {
  for (auto &[key, old] : values) {
    if (key == name) {
      old = value;
      return;
    }
  }
  values.emplace_back(name, value);
}

double IterationMetrics::Get(std::string_view name) const {
  for (const auto &[key, value] : values)
    if (key == name)
      return value;
  return NAN;
}

std::string ToJsonLine(const IterationMetrics &metrics) {
  std::string line = Cat("{\"iteration\":", metrics.iteration);
  for (const auto &[name, value] : metrics.values) {
    line += ",\"";
    for (char c : name) {
      if (c == '"' || c == '\\')
        line += '\\';
      line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    line += "\":";
    if (!std::isfinite(value)) {
      line += "null";
    } else if (value == std::floor(value) && std::abs(value) < 1e15) {
      line += std::to_string(static_cast<int64_t>(value));
    } else {
      char digits[32];
      auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
      line.append(digits, end);
    }
  }
  return line + "}";
}

absl::StatusOr<std::unique_ptr<MetricsFile>> MetricsFile::Create(const std::string &path) {
  std::unique_ptr<MetricsFile> file(new MetricsFile);
  file->path_ = path;
  file->fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file->fd_ < 0)
    return absl::InternalError(Cat(path, ": cannot create: ", strerror(errno)));
  return file;
}

MetricsFile::~MetricsFile() {
  if (fd_ >= 0)
    close(fd_);
}

absl::Status MetricsFile::Write(const IterationMetrics &metrics) {
  return AppendWhole(fd_, ToJsonLine(metrics) + "\n", path_);
}

absl::Status MetricsFile::Sync() { return SyncFile(fd_, path_); }

} // namespace mirl::rt
