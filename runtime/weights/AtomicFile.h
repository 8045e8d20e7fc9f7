// Writing files and folders so that a reader sees the old contents or the new, never a part.

#ifndef MIRL_RUNTIME_WEIGHTS_ATOMICFILE_H
#define MIRL_RUNTIME_WEIGHTS_ATOMICFILE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mirl::rt {

// A file that appears under its name when Commit succeeds and not before: it is written beside its
// place as `<path>.tmp.<pid>`, synced, and renamed. Without Commit the destructor removes it.
// Errors name the file and the reason ("No space left on device").
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  absl::Status Write(const void *data, size_t bytes);
  absl::Status Write(std::string_view text) { return Write(text.data(), text.size()); }
  absl::Status Commit();

private:
  absl::Status Failed(const char *what);
  std::string path_, temporary_;
  int fd_ = -1;
  absl::Status status_;
};

absl::Status WriteFileAtomically(const std::string &path, std::string_view contents);

// A folder that appears under its name when all of it is written: `write` gets a temporary one
// beside it, `<path>.tmp.<pid>`, which is synced and renamed. A folder that is there is replaced; a
// process that ends between the two renames leaves it as `<path>.old.<pid>`. After an error of
// `write` all is as it was.
absl::Status WriteFolderAtomically(const std::string &path,
                                   const std::function<absl::Status(const std::string &)> &write);

// Removes a folder, first its name: a part of it is never seen under it.
void RemoveFolder(const std::string &path);

// Removes what these left in a folder when their process was killed: `….tmp.<pid>`, `….old.<pid>`; with `name`, of that file alone.
void RemoveLeftovers(const std::string &folder, std::string_view name = {});

// Puts the names of a folder on the disk. A folder that cannot be synced (some network file
// systems) is no error.
void SyncFolder(const std::string &path);

// The whole of a (regular, readable) file; an error when it has more than `most` bytes.
absl::Status ReadFile(const std::string &path, std::string &contents, int64_t most = INT64_MAX);

// mkdir -p.
absl::Status MakeDirectories(const std::string &path);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_ATOMICFILE_H
