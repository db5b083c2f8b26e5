/// Redis' plug over a foreign client: hiredis' own synchronous context. `tests/redis/foreign_client_test.cpp` runs the
/// conformance suite on it; copy it, and put your server's client in the place of hiredis.
///
/// hiredis 0.14 writes by write(2): a host that uses it ignores SIGPIPE.
#pragma once

#include <hiredis/hiredis.h>
#include <poll.h>
#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"

namespace hiredis_plug {

using namespace flashsale;

inline milliseconds time_left(Deadline deadline) {
  return std::chrono::ceil<milliseconds>(std::max(deadline - Deadline::clock::now(), Deadline::duration::zero()));
}

inline timeval to_timeval(milliseconds time) { return {time.count() / 1000, (time.count() % 1000) * 1000}; }

inline Reply to_reply(const redisReply& from) {
  Reply reply;
  reply.integer = from.integer;
  if (from.str != nullptr) reply.text.assign(from.str, static_cast<std::size_t>(from.len));
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.type = Reply::Type::integer;
      break;
    case REDIS_REPLY_ERROR:
      reply.type = Reply::Type::error;
      break;
    case REDIS_REPLY_ARRAY:
      reply.type = Reply::Type::array;
      for (std::size_t i = 0; i < from.elements; ++i) reply.elements.push_back(to_reply(*from.element[i]));
      break;
    case REDIS_REPLY_NIL:
      break;
    default:
      reply.type = Reply::Type::text;
  }
  return reply;
}

class HiredisConnection final : public Connection {
 public:
  explicit HiredisConnection(redisContext* context) : context_(context) {}

  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline deadline) override {
    RoundTrip trip;
    if (!context_) return failed(trip, ErrorCode::disconnected, Effect::none, "the connection is closed");
    if (time_left(deadline).count() == 0) {
      trip.error = Error{ErrorCode::timed_out, Effect::none, "the deadline has passed"};
      return trip;
    }
    for (const Command& command : commands) append(command);
    redisSetTimeout(context_.get(), to_timeval(time_left(deadline)));
    for (int done = 0; done == 0;)
      if (redisBufferWrite(context_.get(), &done) != REDIS_OK) {
        // The peer may have answered before it left. Whether a byte went, hiredis does not tell: so, unknown.
        break;
      }
    while (trip.replies.size() < commands.size()) {
      void* reply = nullptr;
      if (redisGetReplyFromReader(context_.get(), &reply) != REDIS_OK)
        return failed(trip, ErrorCode::protocol, Effect::unknown, context_->errstr);
      if (reply != nullptr) {
        trip.replies.push_back(to_reply(*static_cast<redisReply*>(reply)));
        freeReplyObject(reply);
        continue;
      }
      pollfd readable{context_->fd, POLLIN, 0};
      if (poll(&readable, 1, static_cast<int>(time_left(deadline).count())) == 0)
        return failed(trip, ErrorCode::timed_out, Effect::unknown, "no reply within the deadline");
      if (redisBufferRead(context_.get()) != REDIS_OK)
        return failed(trip, ErrorCode::disconnected, Effect::unknown, context_->errstr);
    }
    return trip;
  }

  bool is_open() const { return context_ != nullptr; }
  bool spoiled = false;  ///< reported; for the pool

 private:
  struct Close {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  void append(const Command& command) {
    std::vector<const char*> bytes;
    std::vector<std::size_t> sizes;
    for (const auto argument : command) {
      bytes.push_back(argument.data());
      sizes.push_back(argument.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(bytes.size()), bytes.data(), sizes.data());
  }

  /// hiredis cannot go on after an error, nor wait for a reply that is late: the connection ends here.
  RoundTrip failed(RoundTrip& trip, ErrorCode code, Effect effect, std::string detail) {
    trip.error = Error{code, effect, std::move(detail)};
    context_.reset();
    return std::move(trip);
  }

  std::unique_ptr<redisContext, Close> context_;
};

/// Connections to one server, at most `most`. Thread-safe.
class HiredisPool final : public ConnectionPool {
 public:
  HiredisPool(std::string socket_path, std::size_t most) : path_(std::move(socket_path)), most_(most) {}

  Result<Lease> acquire(Role, std::uint16_t, Deadline deadline) override {
    std::unique_lock lock(mutex_);
    if (owner_ == 0) owner_ = getpid();
    if (owner_ != getpid()) return fail(ErrorCode::forked, "this pool belongs to the parent process");
    if (!returned_.wait_until(lock, deadline, [&] { return !idle_.empty() || open_ < most_; }))
      return fail(ErrorCode::timed_out, "all connections are lent");
    if (!idle_.empty()) {
      Lease lease(this, idle_.back().release());
      idle_.pop_back();
      return lease;
    }
    ++open_;
    lock.unlock();
    redisContext* const context = redisConnectUnixWithTimeout(path_.c_str(), to_timeval(time_left(deadline)));
    if (context != nullptr && context->err == 0) return Lease(this, new HiredisConnection(context));
    const std::string why = context != nullptr ? context->errstr : "out of memory";
    redisFree(context);
    lock.lock();
    --open_;
    returned_.notify_one();
    return fail(ErrorCode::disconnected, path_ + ": " + why);
  }

  void report(Connection* connection, Heard heard, std::string_view) override {
    if (heard != Heard::ask) static_cast<HiredisConnection*>(connection)->spoiled = true;
  }

  void give_back(Connection* connection) override {
    std::unique_ptr<HiredisConnection> back(static_cast<HiredisConnection*>(connection));
    const std::lock_guard lock(mutex_);
    if (back->spoiled || !back->is_open()) {
      --open_;
    } else {
      idle_.push_back(std::move(back));
    }
    returned_.notify_one();
  }

 private:
  const std::string path_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<HiredisConnection>> idle_;  // guarded by mutex_
  std::size_t open_ = 0;                                  // guarded by mutex_
  pid_t owner_ = 0;                                       // guarded by mutex_
};

}  // namespace hiredis_plug
