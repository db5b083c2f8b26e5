#include "sinks/postgres/connection.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "sinks/postgres/schema.hpp"
#include "sinks/postgres/sql_state.hpp"
#include "sinks/postgres/target.hpp"
#include "util/deadline.hpp"

namespace flashsale::sinks::postgres {
namespace {

/// Settings of the transaction alone. The lock's patience ends a little before the statement's, so that who waits for
/// a lock hears that; a transaction left open by a process that hangs must not keep the others out for ever; and a
/// commit that was answered outlives the server's power, whatever the server's default is.
constexpr char kLimits[] =
    "select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true), "
    "set_config('search_path', 'flashsale, pg_temp', true), "
    "set_config('idle_in_transaction_session_timeout', '10000', true), "
    "set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' "
    "else current_setting('synchronous_commit') end, true)";

/// libpq's messages have several lines, the last one empty.
std::string one_line(const char* text) {
  std::string line(text == nullptr ? "" : text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

const char* field_of(const PGresult* result, int code) {
  const char* field = PQresultErrorField(result, code);
  return field == nullptr ? "" : field;
}

}  // namespace

Connection::Connection(const Target& target, Deadline deadline)
    : name_(target.name()), pid_(getpid()), deadline_(deadline) {
  try {
    connect(target);
    prepare_schema(*this);
  } catch (...) {
    PQfinish(handle_);
    throw;
  }
}

Connection::~Connection() {
  // In a child, PQfinish would say good-bye on the parent's behalf.
  if (pid_ == getpid()) {
    PQfinish(handle_);
  } else if (PQsocket(handle_) >= 0) {
    close(PQsocket(handle_));
  }
}

/// Each place gets its share of the time, so that one which swallows packets leaves some for the next.
void Connection::connect(const Target& target) {
  const auto places = target.places(deadline_);
  std::string troubles;
  for (std::size_t left = places.size(); left > 0; --left) {
    const auto now = Deadline::clock::now();
    const Deadline share = now + (deadline_ - now) / static_cast<std::int64_t>(left);
    const Target::Place& place = places[places.size() - left];
    try {
      return connect(target.start(place), left == 1 ? deadline_ + kVerdictGrace : share);
    } catch (Failure& failure) {
      std::string& trouble = failure.error.detail;
      if (failure.error.code == ErrorCode::timed_out) trouble += fmt::format(" from {} {}", place.host, place.address);
      // What is the same from each is said once: libpq found the URL at fault.
      if (troubles.find(trouble) == std::string::npos) troubles += (troubles.empty() ? "" : "; ") + trouble;
      trouble = troubles;
      if (left == 1) throw;
      PQfinish(std::exchange(handle_, nullptr));
      lost_ = false;
    }
  }
}

void Connection::connect(PGconn* handle, Deadline until) {
  handle_ = handle;
  if (handle_ == nullptr) throw std::bad_alloc();
  PQsetNoticeReceiver(
      handle_, [](void*, const PGresult*) {}, nullptr);  // it would print them
  if (PQstatus(handle_) == CONNECTION_BAD) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
  for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(handle_)) {
    if (next == PGRES_POLLING_FAILED) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
    wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
  }
  if (PQsetnonblocking(handle_, 1) != 0 || PQenterPipelineMode(handle_) != 1) {
    lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
  }
}

/// A connection at rest has nothing to read but the server's good-bye.
bool Connection::is_stale() const {
  if (lost_ || PQstatus(handle_) != CONNECTION_OK) return true;
  pollfd socket{PQsocket(handle_), POLLIN, 0};
  return poll(&socket, 1, 0) != 0;
}

void Connection::send(const std::vector<Statement>& statements) {
  for (const Statement& statement : statements) {
    const Values& values = statement.values;
    const auto pointers = values.pointers();
    if (PQsendQueryParams(handle_, statement.sql, values.size(), values.types(), pointers.data(), values.lengths(),
                          values.formats(), /*resultFormat=*/1) != 1) {
      lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
    }
  }
  if (PQpipelineSync(handle_) != 1) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
  for (;;) {
    const int left = PQflush(handle_);
    if (left == 0) return;
    if (left < 0) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
    // It may first want to get rid of answers; and whoever only writes then waits for ever.
    wait(POLLIN | POLLOUT, deadline_ + kVerdictGrace);
    if (PQconsumeInput(handle_) != 1) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
  }
}

/// One result a statement, each followed by a null, then the sync's. Read to the end also after a refusal.
std::vector<Rows> Connection::receive(std::size_t count) {
  std::vector<Rows> all;
  std::optional<Refusal> refused;
  for (;;) {
    PGresult* const result = next_result();
    if (result == nullptr) {
      if (PQstatus(handle_) != CONNECTION_OK) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
      continue;
    }
    Rows rows(result);
    switch (PQresultStatus(result)) {
      case PGRES_PIPELINE_SYNC:
        if (refused) throw *refused;
        if (all.size() != count) lose(ErrorCode::protocol, "the server answered another number of statements");
        return all;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        all.push_back(std::move(rows));
        break;
      case PGRES_PIPELINE_ABORTED:
        break;
      default:
        if (!refused) refused = refusal_of(result);
        if (ends_session(refused->state) || PQstatus(handle_) != CONNECTION_OK) {
          lost_ = true;
          throw static_cast<const Failure&>(*refused);
        }
    }
  }
}

PGresult* Connection::next_result() {
  while (PQisBusy(handle_) != 0) {
    wait(POLLIN, deadline_ + kVerdictGrace);
    if (PQconsumeInput(handle_) != 1) lose(ErrorCode::disconnected, one_line(PQerrorMessage(handle_)));
  }
  return PQgetResult(handle_);
}

void Connection::wait(short events, Deadline until) {
  for (;;) {
    pollfd socket{PQsocket(handle_), events, 0};
    const int ready = poll(&socket, 1, util::ms_left(until));
    if (ready > 0) return;
    if (ready == 0) lose(ErrorCode::timed_out, "no answer in time");
    if (errno != EINTR) lose(ErrorCode::disconnected, std::strerror(errno));
  }
}

/// What is left on the wire belongs to nobody any more.
void Connection::lose(ErrorCode code, std::string why) {
  lost_ = true;
  fail_with(code, fmt::format("{}: {}", name_, why));
}

Refusal Connection::refusal_of(const PGresult* result) {
  Refusal refusal;
  refusal.state = field_of(result, PG_DIAG_SQLSTATE);
  refusal.constraint = field_of(result, PG_DIAG_CONSTRAINT_NAME);
  std::string message = one_line(field_of(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = one_line(PQresultErrorMessage(result));
  refusal.error = {meaning_of(refusal.state), Effect::none, fmt::format("{}: {}", name_, message)};
  // Another server may be the primary by now, and only a new connection looks for it.
  if (refusal.state == kReadOnly) lost_ = true;
  return refusal;
}

void Connection::begin(OrderSink::Access access) {
  const auto left = util::ms_left(deadline_);
  const std::string lock_ms = std::to_string(std::max(1, left - std::min(left / 10, 15)));
  const std::string statement_ms = std::to_string(std::max(1, left));
  const bool writes = access == OrderSink::Access::write;
  run_all(
      Statement{writes ? "begin isolation level read committed" : "begin isolation level repeatable read read only"},
      Statement{kLimits, Values(std::string_view(lock_ms), std::string_view(statement_ms))});
}

}  // namespace flashsale::sinks::postgres
