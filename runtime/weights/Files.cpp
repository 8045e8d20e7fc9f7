#include "runtime/weights/Files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_format.h"
#include "runtime/artifact/Macros.h"

namespace mirl::rt {

uint64_t HashBytes(const void *data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

std::string HashText(uint64_t hash) { return absl::StrFormat("%016x", hash); }

absl::StatusOr<FileContents> HashFile(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    std::string text = Cat("cannot read ", path, ": ", strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(text) : absl::InternalError(text);
  }
  FileContents contents;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  std::vector<uint8_t> piece(size_t{1} << 20);
  absl::Status status;
  while (true) {
    ssize_t got = read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      status = absl::InternalError(Cat("cannot read ", path, ": ", strerror(errno)));
    if (got <= 0)
      break;
    XXH3_64bits_update(&state, piece.data(), static_cast<size_t>(got));
    contents.bytes += got;
  }
  close(fd);
  MIRL_TRY(status);
  contents.hash = XXH3_64bits_digest(&state);
  return contents;
}

std::optional<pid_t> LockHolder(const std::string &path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0)
    return std::nullopt;
  // "1: POSIX  ADVISORY  WRITE 708 08:01:1234 0 EOF"; lines of those that wait have a "->".
  std::string wanted = absl::StrFormat("%02x:%02x:%d", major(info.st_dev), minor(info.st_dev),
                                       static_cast<uint64_t>(info.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, access, file;
    int64_t pid = 0;
    words >> number >> kind >> advisory >> access >> pid >> file;
    if (words && file == wanted && pid > 0 && pid != getpid())
      return static_cast<pid_t>(pid);
  }
  return std::nullopt;
}

} // namespace mirl::rt
