/// One connection to an SQLite file, and statements on it. Fails by throwing Failure.
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "flashsale/order_sink.hpp"
#include "sinks/failure.hpp"

namespace flashsale::sinks {

/// Bytes that are bound as they are, not as text.
struct Blob {
  std::string_view bytes;
};

/// Owns its handle and its prepared statements. Used by one thread at a time; in a forked child it only leaks.
class Connection {
 public:
  /// Opens `path`, making the file and its schema if needed; `deadline` bounds the wait for locks.
  Connection(const std::string& path, Deadline deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Until when the following statements may wait for a lock.
  void wait_until(Deadline deadline) { deadline_ = deadline; }
  Deadline deadline() const { return deadline_; }

  /// Runs statements that give nothing back; their text is not kept.
  void execute(const char* sql);
  /// The statement for `sql`, prepared at its first use; `sql` must have static storage.
  sqlite3_stmt* prepare(std::string_view sql);

  /// True if the last statement failed for want of room.
  bool is_full() const { return sqlite3_errcode(handle_) == SQLITE_FULL; }
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  bool is_forked() const;
  /// True if the file was removed or replaced: what is written through this connection is lost.
  bool is_stale() const;
  const std::string& path() const { return path_; }
  std::int64_t changes() const { return sqlite3_changes(handle_); }

  /// Throws what `code` means to a caller of the plug.
  [[noreturn]] void raise(int code) const;

 private:
  void open();
  void close();

  const std::string path_;
  const pid_t pid_;
  Deadline deadline_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<std::string_view, sqlite3_stmt*> statements_;
};

/// One use of a prepared statement; bound values must live as long as it is stepped. Only one use of the same text at
/// a time.
class Query {
 public:
  template <class... Values>
  Query(Connection& connection, std::string_view sql, const Values&... values)
      : connection_(connection), statement_(connection.prepare(sql)) {
    bind_all(values...);
  }
  ~Query() { sqlite3_reset(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// The next row; false after the last.
  bool next();
  /// For statements that give no row.
  void run() { next(); }
  /// Runs it once more with other values; false if a constraint, or the size of a value, forbids it.
  template <class... Values>
  bool try_run(const Values&... values) {
    bind_all(values...);
    return try_step();
  }

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::uint32_t word(int column) const { return static_cast<std::uint32_t>(integer(column)); }
  /// Text or blob; valid until the next step.
  std::string_view bytes(int column) const;

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    sqlite3_reset(statement_);
    int index = 0;
    (bind(++index, values), ...);
  }
  template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  void bind(int index, Integer value) {
    check(sqlite3_bind_int64(statement_, index, static_cast<std::int64_t>(value)));
  }
  void bind(int index, std::string_view text);
  void bind(int index, Blob blob);
  void check(int code) const;
  bool try_step();

  Connection& connection_;
  sqlite3_stmt* statement_;
};

}  // namespace flashsale::sinks
