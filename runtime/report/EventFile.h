// TensorBoard event files, written without TensorFlow: TFRecords of Event messages with scalars.

#ifndef MIRL_RUNTIME_REPORT_EVENTFILE_H
#define MIRL_RUNTIME_REPORT_EVENTFILE_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

// CRC-32C (Castagnoli).
uint32_t Crc32c(std::string_view bytes);
// ((crc >> 15) | (crc << 17)) + 0xa282ead8: the CRC as TFRecord stores it.
uint32_t MaskedCrc32c(std::string_view bytes);
// Length, masked CRC of the length, data, masked CRC of the data; little-endian.
std::string FrameRecord(std::string_view data);
// The Event message {wall_time = 1, step = 2, summary = 5 {value = 1 {tag = 1, simple_value = 2}}}.
std::string EncodeScalars(double wall_time, int64_t step,
                          std::span<const std::pair<std::string, double>> scalars);
// The first message of a file: {wall_time = 1, file_version = 3 "brain.Event:2"}.
std::string EncodeFileVersion(double wall_time);

// The message of a run that goes on from `step`: {wall_time = 1, step = 2, session_log = 7 {status =
// 1 START}}. TensorBoard forgets what it has read of this step and later ones.
std::string EncodeRestart(double wall_time, int64_t step);

class EventFile {
public:
  // Makes `directory`/events.out.tfevents.<seconds>.<host>; a file that is there is left alone, and
  // the new one gets a number behind its name. `resumed_at`: the step that the run goes on with; 0:
  // it starts.
  static absl::StatusOr<std::unique_ptr<EventFile>> Create(const std::string &directory,
                                                           int64_t resumed_at = 0);
  ~EventFile();
  // Complete records only: one that cannot be written whole is taken back.
  absl::Status Add(int64_t step, std::span<const std::pair<std::string, double>> scalars);
  // Puts what was written on the disk.
  absl::Status Sync();
  const std::string &path() const { return path_; }

private:
  EventFile() = default;
  std::string path_;
  int fd_ = -1;
};

// Appends all of `data` to a file, or nothing: after a short write (a full disk) the file is cut
// back to what it was. `path` is for the error.
absl::Status AppendWhole(int fd, std::string_view data, const std::string &path);

// Puts what was written to a file on the disk. `path` is for the error.
absl::Status SyncFile(int fd, const std::string &path);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_REPORT_EVENTFILE_H
