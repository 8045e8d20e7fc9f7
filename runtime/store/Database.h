// An SQLite file with errors as statuses that name the file, the reason and, for a lock, the process
// that holds it.

#ifndef MIRL_RUNTIME_STORE_DATABASE_H
#define MIRL_RUNTIME_STORE_DATABASE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mirl::rt {

class Database {
public:
  // Opens or makes the file, for reading and writing. A lock of another connection is waited for
  // `busy_ms` at every statement.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string &path, int busy_ms);
  ~Database();

  // Runs statements whose rows nobody wants.
  absl::Status Execute(const std::string &sql);
  // The first column of the first row; 0 without a row.
  absl::StatusOr<int64_t> Integer(const std::string &sql);
  int64_t last_id() const;
  const std::string &path() const { return path_; }

  // What the last error of the connection means for a run.
  absl::Status Failure();

private:
  friend class Statement;
  Database(std::string path, int busy_ms) : path_(std::move(path)), busy_ms_(busy_ms) {}
  std::string path_;
  int busy_ms_;
  sqlite3 *handle_ = nullptr;
};

// A statement without results, prepared once and run with parameters any number of times.
class Statement {
public:
  static absl::StatusOr<Statement> Make(Database &database, const char *sql);
  Statement(Statement &&other) noexcept
      : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}
  ~Statement();

  struct Blob {
    const void *data;
    size_t bytes;
  };
  // The parameters in order; their memory must last as long as the call. An optional without a
  // value is NULL.
  template <typename... Values> absl::Status Run(const Values &...values) {
    int index = 0;
    (Bind(++index, values), ...);
    return Step();
  }

private:
  Statement(Database &database, sqlite3_stmt *handle) : database_(database), handle_(handle) {}
  void Bind(int index, int64_t value);
  void Bind(int index, double value);
  void Bind(int index, std::string_view value);
  void Bind(int index, const Blob &value);
  void BindNull(int index);
  template <typename T> void Bind(int index, const std::optional<T> &value) {
    if (value)
      Bind(index, *value);
    else
      BindNull(index);
  }
  absl::Status Step();

  Database &database_;
  sqlite3_stmt *handle_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_STORE_DATABASE_H
