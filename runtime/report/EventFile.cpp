#include "runtime/report/EventFile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
    table[i] = crc;
  }
  return table;
}();

template <typename T> void PutLittle(std::string &out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(value >> 8 * i);
}

void PutVarint(std::string &out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// Protocol buffer fields: the key is field << 3 | wire type.
void PutDouble(std::string &out, uint32_t field, double value) {
  PutVarint(out, field << 3 | 1);
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  PutLittle(out, bits);
}
void PutFloat(std::string &out, uint32_t field, float value) {
  PutVarint(out, field << 3 | 5);
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  PutLittle(out, bits);
}
void PutInteger(std::string &out, uint32_t field, int64_t value) {
  PutVarint(out, field << 3 | 0);
  PutVarint(out, static_cast<uint64_t>(value));
}
void PutBytes(std::string &out, uint32_t field, std::string_view bytes) {
  PutVarint(out, field << 3 | 2);
  PutVarint(out, bytes.size());
  out += bytes;
}

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (char byte : bytes)
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

uint32_t MaskedCrc32c(std::string_view bytes) {
  uint32_t crc = Crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

std::string FrameRecord(std::string_view data) {
  std::string length, out;
  PutLittle(length, static_cast<uint64_t>(data.size()));
  out = length;
  PutLittle(out, MaskedCrc32c(length));
  out += data;
  PutLittle(out, MaskedCrc32c(data));
  return out;
}

std::string EncodeScalars(double wall_time, int64_t step,
                          std::span<const std::pair<std::string, double>> scalars) {
  std::string event, summary;
  PutDouble(event, 1, wall_time);
  PutInteger(event, 2, step);
  for (const auto &[tag, number] : scalars) {
    std::string value;
    PutBytes(value, 1, tag);
    PutFloat(value, 2, static_cast<float>(number));
    PutBytes(summary, 1, value);
  }
  PutBytes(event, 5, summary);
  return event;
}

std::string EncodeFileVersion(double wall_time) {
  std::string event;
  PutDouble(event, 1, wall_time);
  PutBytes(event, 3, "brain.Event:2");
  return event;
}

std::string EncodeRestart(double wall_time, int64_t step) {
  std::string event, log;
  PutInteger(log, 1, 1);
  PutDouble(event, 1, wall_time);
  PutInteger(event, 2, step);
  PutBytes(event, 7, log);
  return event;
}

absl::Status AppendWhole(int fd, std::string_view data, const std::string &path) {
  struct stat before;
  if (fstat(fd, &before) != 0)
    return absl::InternalError(Cat(path, ": cannot write: ", strerror(errno)));
  for (size_t done = 0; done < data.size();) {
    ssize_t count = write(fd, data.data() + done, data.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      int error = errno;
      bool cut = S_ISREG(before.st_mode) && ftruncate(fd, before.st_size) == 0;
      return absl::ResourceExhaustedError(Cat(path, ": cannot write: ", strerror(error),
                                              cut || done == 0 ? "" : " (its end is damaged)"));
    }
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::Status SyncFile(int fd, const std::string &path) {
  if (fsync(fd) != 0)
    return absl::InternalError(Cat(path, ": cannot write: ", strerror(errno)));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<EventFile>> EventFile::Create(const std::string &directory,
                                                             int64_t resumed_at) {
  std::unique_ptr<EventFile> file(new EventFile);
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  std::string name =
      Cat(directory, "/events.out.tfevents.", static_cast<int64_t>(Now()), ".", host);
  for (int number = 0; file->fd_ < 0; ++number) {
    file->path_ = number == 0 ? name : Cat(name, ".", number);
    file->fd_ = open(file->path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (file->fd_ < 0 && errno != EEXIST)
      return absl::InternalError(Cat(file->path_, ": cannot create: ", strerror(errno)));
  }
  MIRL_TRY(AppendWhole(file->fd_, FrameRecord(EncodeFileVersion(Now())), file->path_));
  if (resumed_at > 0)
    MIRL_TRY(AppendWhole(file->fd_, FrameRecord(EncodeRestart(Now(), resumed_at)), file->path_));
  return file;
}

EventFile::~EventFile() {
  if (fd_ >= 0)
    close(fd_);
}

absl::Status EventFile::Add(int64_t step, std::span<const std::pair<std::string, double>> scalars) {
  return AppendWhole(fd_, FrameRecord(EncodeScalars(Now(), step, scalars)), path_);
}

absl::Status EventFile::Sync() { return SyncFile(fd_, path_); }

} // namespace mirl::rt
