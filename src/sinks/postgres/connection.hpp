/// One connection to a PostgreSQL server, every wait on it bounded. Fails by throwing Failure.
///
/// Always in pipeline mode: the statements of one `run` cost one round trip. It leaves nothing in the session, so a
/// pooler between us and the server may give each transaction another one.
#pragma once

#include <libpq-fe.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "sinks/failure.hpp"
#include "sinks/postgres/values.hpp"

namespace flashsale::sinks::postgres {

class Target;

/// The server refused a statement; the connection is as good as before, the transaction is not.
struct Refusal : Failure {
  std::string state;       ///< SQLSTATE
  std::string constraint;  ///< which one was violated, if one was
};

struct Statement {
  const char* sql;
  Values values{};
};

/// How long past its deadline a statement's own verdict is waited for: the server stops it at the deadline, and what
/// it then says is worth more than our silence.
inline constexpr milliseconds kVerdictGrace{500};

/// Used by one thread at a time; in a forked child it only closes its descriptor.
class Connection {
 public:
  /// Connects and brings the schema up to date.
  Connection(const Target& target, Deadline deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Until when the following statements may take.
  void wait_until(Deadline deadline) { deadline_ = deadline; }
  Deadline deadline() const { return deadline_; }
  /// True once an exchange was cut off, or the server hung up.
  bool is_stale() const;

  /// Runs one statement.
  Rows run(Statement statement) { return std::move(run_all(std::move(statement)).front()); }
  /// Runs the statements in one round trip; the rows of each. The first that is refused stops those behind it.
  template <class... Statements>
  std::vector<Rows> run_all(Statements... statements) {
    std::vector<Statement> all;
    (all.push_back(std::move(statements)), ...);
    send(all);
    return receive(all.size());
  }

  /// Begins a transaction in which the server itself holds every statement to the deadline.
  void begin(OrderSink::Access access);

  const std::string& name() const { return name_; }

 private:
  void connect(const Target& target);
  void connect(PGconn* handle, Deadline until);
  void send(const std::vector<Statement>& statements);
  std::vector<Rows> receive(std::size_t count);
  PGresult* next_result();
  void wait(short events, Deadline until);
  [[noreturn]] void lose(ErrorCode code, std::string why);
  Refusal refusal_of(const PGresult* result);

  const std::string name_;
  const pid_t pid_;
  Deadline deadline_;
  PGconn* handle_ = nullptr;
  bool lost_ = false;
};

}  // namespace flashsale::sinks::postgres
