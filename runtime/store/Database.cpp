#include "runtime/store/Database.h"

#include <sqlite3.h>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Files.h"

namespace mirl::rt {

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string &path, int busy_ms) {
  std::unique_ptr<Database> database(new Database(path, busy_ms));
  int code = sqlite3_open_v2(path.c_str(), &database->handle_,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (code != SQLITE_OK)
    return database->handle_ ? database->Failure()
                             : absl::ResourceExhaustedError(Cat(path, ": there is no memory"));
  sqlite3_busy_timeout(database->handle_, busy_ms);
  // A file that may not be written is opened for reading without a word.
  if (sqlite3_db_readonly(database->handle_, "main") == 1)
    return absl::PermissionDeniedError(Cat(path, ": is read-only"));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

absl::Status Database::Failure() {
  switch (sqlite3_errcode(handle_) & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED: {
    // In WAL mode the locks are on the index of the log.
    auto holder = LockHolder(path_ + "-shm");
    if (!holder)
      holder = LockHolder(path_);
    return absl::UnavailableError(
        Cat(path_, ": is locked by another process", holder ? Cat(" (", *holder, ")") : "",
            ", waited ", busy_ms_ / 1000.0, " s"));
  }
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return absl::PermissionDeniedError(Cat(path_, ": is read-only"));
  case SQLITE_FULL:
    return absl::ResourceExhaustedError(Cat(path_, ": the disk is full"));
  case SQLITE_NOTADB:
    return Invalid(path_, ": is not an SQLite file");
  case SQLITE_CORRUPT:
    return absl::DataLossError(Cat(path_, ": is damaged (", sqlite3_errmsg(handle_), ")"));
  case SQLITE_CANTOPEN:
    return absl::NotFoundError(Cat(path_, ": cannot be opened or made"));
  default:
    return absl::InternalError(Cat(path_, ": ", sqlite3_errmsg(handle_)));
  }
}

absl::Status Database::Execute(const std::string &sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return Failure();
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Database::Integer(const std::string &sql) {
  sqlite3_stmt *statement = nullptr;
  if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
    return Failure();
  int code = sqlite3_step(statement);
  int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  absl::Status status = code == SQLITE_ROW || code == SQLITE_DONE ? absl::OkStatus() : Failure();
  sqlite3_finalize(statement);
  MIRL_TRY(status);
  return value;
}

int64_t Database::last_id() const { return sqlite3_last_insert_rowid(handle_); }

absl::StatusOr<Statement> Statement::Make(Database &database, const char *sql) {
  sqlite3_stmt *handle = nullptr;
  if (sqlite3_prepare_v2(database.handle_, sql, -1, &handle, nullptr) != SQLITE_OK)
    return database.Failure();
  return Statement(database, handle);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

// Binding fails for an index that does not exist or without memory; Step then fails as well, since
// a column that must not be NULL is.
void Statement::Bind(int index, int64_t value) { sqlite3_bind_int64(handle_, index, value); }
void Statement::Bind(int index, double value) { sqlite3_bind_double(handle_, index, value); }
void Statement::Bind(int index, std::string_view value) {
  sqlite3_bind_text64(handle_, index, value.data() ? value.data() : "", value.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}
void Statement::Bind(int index, const Blob &value) {
  // A null pointer would bind NULL.
  sqlite3_bind_blob64(handle_, index, value.data ? value.data : "", value.bytes, SQLITE_STATIC);
}
void Statement::BindNull(int index) { sqlite3_bind_null(handle_, index); }

absl::Status Statement::Step() {
  int code = sqlite3_step(handle_);
  absl::Status status = code == SQLITE_DONE || code == SQLITE_ROW ? absl::OkStatus()
                                                                  : database_.Failure();
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  return status;
}

} // namespace mirl::rt
