// What a run asks of files beside reading and writing them: what they contain, who holds them.

#ifndef MIRL_RUNTIME_WEIGHTS_FILES_H
#define MIRL_RUNTIME_WEIGHTS_FILES_H

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

// XXH3-64; `seed` chains the hashes of several pieces.
uint64_t HashBytes(const void *data, size_t bytes, uint64_t seed = 0);
inline uint64_t HashBytes(std::string_view text, uint64_t seed = 0) {
  return HashBytes(text.data(), text.size(), seed);
}
// 16 hexadecimal digits.
std::string HashText(uint64_t hash);

struct FileContents {
  int64_t bytes = 0;
  uint64_t hash = 0; // XXH3-64
};
// Reads the file piece by piece, so that one larger than memory can be checked.
absl::StatusOr<FileContents> HashFile(const std::string &path);

// A process that holds a lock on the file or folder, of whatever kind; nothing when there is none
// or the system does not say. Does not open the file: closing it would drop this process's own
// POSIX locks on it.
std::optional<pid_t> LockHolder(const std::string &path);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_FILES_H
