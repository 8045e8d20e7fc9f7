#include "runtime/report/History.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/report/EventFile.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

namespace {

absl::Status CutFile(const std::string &path, size_t bytes) {
  if (truncate(path.c_str(), static_cast<off_t>(bytes)) != 0)
    return absl::InternalError(Cat(path, ": cannot cut it to ", bytes, " bytes: ", strerror(errno)));
  return absl::OkStatus();
}

template <typename T> T Little(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<unsigned char>(bytes[i])) << 8 * i;
  return value;
}

// The data of the record that `bytes` begin with; nothing when it is not whole.
std::optional<std::string_view> FirstRecord(std::string_view bytes) {
  if (bytes.size() < 16 || MaskedCrc32c(bytes.substr(0, 8)) != Little<uint32_t>(bytes.substr(8)))
    return std::nullopt;
  auto length = Little<uint64_t>(bytes);
  if (length > bytes.size() - 16)
    return std::nullopt;
  std::string_view data = bytes.substr(12, length);
  if (MaskedCrc32c(data) != Little<uint32_t>(bytes.substr(12 + length)))
    return std::nullopt;
  return data;
}

// Field 2 of an Event, which comes behind its wall time, a double; nothing in the first message of a
// file, which has none.
std::optional<int64_t> StepOf(std::string_view event) {
  if (event.size() < 11 || event[0] != 0x09 || event[9] != 0x10)
    return std::nullopt;
  uint64_t step = 0;
  for (size_t i = 10, shift = 0; i < event.size() && shift < 64; ++i, shift += 7) {
    step |= static_cast<uint64_t>(event[i] & 0x7f) << shift;
    if (!(event[i] & 0x80))
      return static_cast<int64_t>(step);
  }
  return std::nullopt;
}

absl::Status CutEventFile(const std::string &path, int64_t step) {
  std::string text;
  MIRL_TRY(ReadFile(path, text));
  size_t kept = 0;
  bool any = false;
  while (auto data = FirstRecord(std::string_view(text).substr(kept))) {
    std::optional<int64_t> its = StepOf(*data);
    if (its && *its >= step)
      break;
    any = any || its;
    kept += data->size() + 16;
  }
  if (!any) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    return absl::OkStatus();
  }
  return kept < text.size() ? CutFile(path, kept) : absl::OkStatus();
}

} // namespace

absl::StatusOr<std::vector<IterationMetrics>> CutMetrics(const std::string &path,
                                                         int64_t iteration) {
  std::vector<IterationMetrics> history;
  std::string text;
  absl::Status status = ReadFile(path, text);
  if (absl::IsNotFound(status))
    return history;
  MIRL_TRY(status);
  size_t kept = 0;
  for (size_t end; (end = text.find('\n', kept)) != std::string::npos; kept = end + 1) {
    auto line = ParseJson<nlohmann::ordered_json>(std::string_view(text).substr(kept, end - kept));
    if (!line.is_object() || !line.contains("iteration") ||
        !line["iteration"].is_number_integer() || line["iteration"].get<int64_t>() >= iteration)
      break;
    IterationMetrics metrics;
    metrics.iteration = line["iteration"].get<int64_t>();
    for (const auto &[name, value] : line.items())
      if (name != "iteration")
        metrics.values.emplace_back(name, value.is_number() ? value.get<double>() : NAN);
    history.push_back(std::move(metrics));
  }
  if (kept < text.size())
    MIRL_TRY(CutFile(path, kept));
  return history;
}

absl::Status CutEvents(const std::string &directory, int64_t step) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(directory, error))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      paths.push_back(entry.path());
  for (const std::string &path : paths)
    MIRL_TRY(CutEventFile(path, step));
  return absl::OkStatus();
}

} // namespace mirl::rt
