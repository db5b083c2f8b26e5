/// A PostgreSQL server of a test's own: in a fresh folder, on a unix socket alone, gone when the object is.
#pragma once

#include <sys/types.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace flashsale::test {

/// Starts on construction and takes connections when that returns; as an unprivileged user where we are root, since
/// the server refuses that. Throws std::runtime_error where it does not do as it should: a test without its server
/// fails, it is never skipped. One thread at a time. The server also ends with the thread that started it.
class PrivatePostgres {
 public:
  /// `settings` are "name=value"; without others nothing is synced to the disk. `data`: an empty folder for what it
  /// stores; else it makes one of its own. Its log is elsewhere.
  explicit PrivatePostgres(std::vector<std::string> settings = {"fsync=off"}, std::string data = {});
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  /// Again, with what the last run left.
  void start();
  /// Ends every session and shuts down.
  void stop();
  /// Ends as in a power failure: what was not in the log is lost.
  void kill_now();

  pid_t pid() const { return pid_; }  ///< -1 while it does not run
  /// False also where it ended by itself.
  bool runs() { return !ended(); }
  /// How often its log says so.
  std::size_t said(std::string_view words) const;
  const std::string& dir() const { return dir_; }
  /// postgresql:///database?host=...
  std::string url(std::string_view database = "postgres") const;
  /// A database of its own, new; its URL.
  std::string fresh_database();

  /// Runs SQL as the superuser; the first column of the first row, if there is one.
  std::string execute(const std::string& sql, std::string_view database = "postgres") const;

 private:
  void make_cluster();
  pid_t spawn(std::vector<std::string> arguments) const;
  void await_connection();
  bool ended();
  std::string log_text() const;
  std::string log_tail() const;

  std::vector<std::string> settings_;
  std::string dir_, data_;
  std::string bin_;
  pid_t pid_ = -1;
  int databases_ = 0;
};

/// One server for all tests of a program that do not harm it.
PrivatePostgres& shared_postgres();

}  // namespace flashsale::test
