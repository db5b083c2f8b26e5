#include "sinks/sqlite/connection.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "sinks/sqlite/open_files.hpp"
#include "sinks/sqlite/schema.hpp"

namespace flashsale::sinks {
namespace {

/// SQLite's own busy_timeout sleeps up to 100 ms between tries and knows no deadline across statements.
int wait_for_lock(void* connection, int tries) {
  const auto left = static_cast<Connection*>(connection)->deadline() - std::chrono::steady_clock::now();
  if (left <= left.zero()) return 0;
  const auto pause = std::chrono::microseconds(std::min(100 * (tries + 1), 5'000));
  std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(pause, left));
  return 1;
}

ErrorCode meaning_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::busy;
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return ErrorCode::refused;
    default:
      return ErrorCode::internal;
  }
}

bool is_constraint(int code) { return (code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_TOOBIG; }

}  // namespace

Connection::Connection(const std::string& path, Deadline deadline) : path_(path), pid_(getpid()), deadline_(deadline) {
  if (!claim_file(path_)) fail_with(ErrorCode::forked, path_ + " was open before the fork");
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

Connection::~Connection() {
  // Closing in a child would drop or rewrite what the parent's connection still uses.
  if (!is_forked()) close();
}

void Connection::open() {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (const int code = sqlite3_open_v2(path_.c_str(), &handle_, flags, nullptr); code != SQLITE_OK) raise(code);
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_handler(handle_, wait_for_lock, this);
  prepare_schema(*this);
  // The database is the authority: a commit that was answered must outlive the machine's power.
  // The log may grow to 64 MiB: buyers are random keys, so a batch touches about two pages an order, and the usual
  // checkpoint at 4 MiB would write and sync them all again after each commit.
  execute("pragma synchronous = full; pragma cache_size = -32768; pragma wal_autocheckpoint = 16384");
}

void Connection::close() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
  release_file(path_);
}

bool Connection::is_forked() const { return pid_ != getpid(); }

bool Connection::is_stale() const {
  int moved = 0;
  return sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

void Connection::execute(const char* sql) {
  if (const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK) raise(code);
}

sqlite3_stmt* Connection::prepare(std::string_view sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement != nullptr) return statement;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) raise(code);
  return statement;
}

void Connection::raise(int code) const {
  const char* reason = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  fail_with(meaning_of(code), fmt::format("{}: {}", path_, reason));
}

bool Query::next() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) connection_.raise(code);
  return code == SQLITE_ROW;
}

bool Query::try_step() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_DONE && !is_constraint(code)) connection_.raise(code);
  sqlite3_reset(statement_);
  return code == SQLITE_DONE;
}

std::string_view Query::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

// A null pointer would bind NULL, and an empty view may have one.
void Query::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_, index, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
}

void Query::bind(int index, Blob blob) {
  const std::string_view bytes = blob.bytes;
  check(
      sqlite3_bind_blob64(statement_, index, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC));
}

void Query::check(int code) const {
  if (code != SQLITE_OK) connection_.raise(code);
}

}  // namespace flashsale::sinks
