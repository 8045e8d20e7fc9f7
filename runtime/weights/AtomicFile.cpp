#include "runtime/weights/AtomicFile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mirl::rt {

namespace fs = std::filesystem;

namespace {

absl::Status Failure(const char *what, const std::string &path, int error) {
  std::string text = absl::StrCat("cannot ", what, " ", path, ": ", strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::InternalError(text);
}

std::string Parent(const std::string &path) {
  std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

} // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(absl::StrCat(path_, ".tmp.", getpid())) {
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0)
    status_ = Failure("create", temporary_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0)
    return;
  close(fd_);
  unlink(temporary_.c_str());
}

absl::Status AtomicFile::Failed(const char *what) {
  status_ = Failure(what, path_, errno);
  return status_;
}

absl::Status AtomicFile::Write(const void *data, size_t bytes) {
  const char *from = static_cast<const char *>(data);
  while (status_.ok() && bytes > 0) {
    ssize_t written = write(fd_, from, bytes);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return Failed("write");
    from += written;
    bytes -= static_cast<size_t>(written);
  }
  return status_;
}

absl::Status AtomicFile::Commit() {
  if (!status_.ok())
    return status_;
  // The contents must be on the disk before the name points at them.
  if (fsync(fd_) != 0)
    return Failed("write");
  int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    Failed("write").IgnoreError();
    unlink(temporary_.c_str());
    return status_;
  }
  SyncFolder(Parent(path_)); // And the name itself.
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string &path, std::string_view contents) {
  AtomicFile file(path);
  if (absl::Status status = file.Write(contents); !status.ok())
    return status;
  return file.Commit();
}

absl::Status WriteFolderAtomically(const std::string &path,
                                   const std::function<absl::Status(const std::string &)> &write) {
  std::string temporary = absl::StrCat(path, ".tmp.", getpid()),
              old = absl::StrCat(path, ".old.", getpid());
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  absl::Status status = MakeDirectories(temporary);
  if (status.ok())
    status = write(temporary);
  if (status.ok()) {
    SyncFolder(temporary);
    // A folder with files in it cannot be replaced by a rename.
    bool replaced = rename(path.c_str(), old.c_str()) == 0;
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      status = Failure("write", path, errno);
      if (replaced)
        rename(old.c_str(), path.c_str());
    }
    SyncFolder(Parent(path));
    fs::remove_all(old, ignored);
  }
  if (!status.ok())
    fs::remove_all(temporary, ignored);
  return status;
}

void RemoveFolder(const std::string &path) {
  std::string old = absl::StrCat(path, ".old.", getpid());
  std::error_code ignored;
  if (rename(path.c_str(), old.c_str()) == 0)
    fs::remove_all(old, ignored);
}

void RemoveLeftovers(const std::string &folder, std::string_view name) {
  std::error_code ignored;
  std::vector<fs::path> leftovers;
  for (const auto &entry : fs::directory_iterator(folder, ignored)) {
    std::string found = entry.path().filename().string();
    size_t end = found.find_last_not_of("0123456789") + 1;
    std::string_view stem = std::string_view(found).substr(0, end);
    if (end == found.size() || !(stem.ends_with(".tmp.") || stem.ends_with(".old.")))
      continue;
    stem.remove_suffix(5);
    if (name.empty() || stem == name)
      leftovers.push_back(entry.path());
  }
  for (const fs::path &path : leftovers)
    fs::remove_all(path, ignored);
}

void SyncFolder(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync(fd);
  close(fd);
}

absl::Status ReadFile(const std::string &path, std::string &contents, int64_t most) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Failure("read", path, errno);
  struct stat info;
  absl::Status status;
  if (fstat(fd, &info) != 0) {
    status = Failure("read", path, errno);
  } else if (!S_ISREG(info.st_mode)) {
    status = absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": it is not a file"));
  } else if (info.st_size > most) {
    status = absl::InvalidArgumentError(absl::StrCat(
        path, ": has ", info.st_size >> 20, " MiB; such a file has at most ", most >> 20, " MiB"));
  } else {
    contents.resize(static_cast<size_t>(info.st_size));
    size_t have = 0;
    while (status.ok() && have < contents.size()) {
      ssize_t got = read(fd, contents.data() + have, contents.size() - have);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        status = Failure("read", path, errno);
      else if (got == 0)
        contents.resize(have); // It became shorter meanwhile.
      else
        have += static_cast<size_t>(got);
    }
  }
  close(fd);
  return status;
}

absl::Status MakeDirectories(const std::string &path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error) && !error)
    error = std::make_error_code(std::errc::not_a_directory);
  if (error)
    return absl::InternalError(absl::StrCat("cannot make the folder ", path, ": ", error.message()));
  return absl::OkStatus();
}

} // namespace mirl::rt
