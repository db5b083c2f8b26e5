#include "redis/redis_connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace flashsale::redis {
namespace {

constexpr std::size_t kReadBytes = 32u << 10;
constexpr std::size_t kKeptBytes = 1u << 20;  // room for commands kept between round trips

RoundTrip failed(ErrorCode code, Effect effect, std::string detail) {
  return {{}, Error{code, effect, std::move(detail)}};
}

}  // namespace

RoundTrip RedisConnection::roundtrip(const std::vector<Command>& commands, Deadline deadline) {
  if (!is_open()) return failed(ErrorCode::disconnected, Effect::none, "the connection is closed");
  if (!is_usable()) return failed(ErrorCode::disconnected, Effect::none, "replies to earlier commands are still owed");
  if (commands.empty()) return {};
  RoundTrip trip;
  try {
    if (!encode_all(commands)) {
      break_off(trip, ErrorCode::invalid_argument, "a command has no name");
    } else if (Deadline::clock::now() >= deadline) {
      time_out(trip);
    } else {
      trip.replies.reserve(commands.size());
      return exchange(deadline);
    }
  } catch (const std::bad_alloc&) {
    break_off(trip, ErrorCode::internal, "out of memory");
  }
  return trip;
}

RoundTrip RedisConnection::await(Deadline deadline) {
  if (!is_open()) return failed(ErrorCode::disconnected, Effect::unknown, "the connection is closed");
  if (is_usable()) return {};
  return exchange(deadline);
}

// Redis answers no command without a name, and its reply would be waited for in vain.
bool RedisConnection::encode_all(const std::vector<Command>& commands) {
  forget();
  for (const Command& command : commands) {
    if (command.empty()) return false;
    encode(command, bytes_);
    ends_.push_back(bytes_.size());
  }
  return true;
}

RoundTrip RedisConnection::exchange(Deadline deadline) {
  RoundTrip trip;
  try {
    trip.replies.reserve(ends_.size() - answered_);
    while (step(deadline, trip)) {
    }
    if (!trip.error && answered_ == ends_.size()) forget();
  } catch (const std::bad_alloc&) {
    break_off(trip, ErrorCode::internal, "out of memory");
  }
  return trip;
}

/// Sends what the kernel takes, waits, reads what is there. False once there is no more to do.
bool RedisConnection::step(Deadline deadline, RoundTrip& trip) {
  if (sent_ < bytes_.size() || channel_.has_unsent()) {
    const Moved moved = channel_.send(bytes_.data() + sent_, bytes_.size() - sent_);
    sent_ += moved.bytes;
    if (moved.error != 0 && moved.error != EAGAIN) {
      // The peer may have answered, or said why it leaves, before it left.
      while (read_some(trip)) {
      }
      if (!trip.error) {
        break_off(trip, ErrorCode::disconnected, "sending: " + describe(moved.error));
      }
      return false;
    }
  }
  const bool all_sent = sent_ == bytes_.size() && !channel_.has_unsent();
  const short ready = channel_.wait(static_cast<short>(all_sent ? POLLIN : POLLIN | POLLOUT), deadline);
  if (ready == 0) {
    time_out(trip);
    return false;
  }
  if ((ready & ~POLLOUT) != 0) {
    // Of what is decrypted already, poll would not tell again.
    while (read_some(trip) && channel_.has_unread()) {
    }
  }
  return !trip.error && answered_ < ends_.size();
}

/// False if nothing was there, or the connection is of no more use.
bool RedisConnection::read_some(RoundTrip& trip) {
  char chunk[kReadBytes];
  const Moved moved = channel_.receive(chunk, sizeof(chunk));
  if (moved.error == EAGAIN) return false;
  if (moved.bytes == 0) {
    break_off(trip, ErrorCode::disconnected,
              moved.error == 0 ? "Redis closed the connection" : "receiving: " + describe(moved.error));
    return false;
  }
  decoder_.feed(chunk, moved.bytes);
  return take_replies(trip);
}

bool RedisConnection::take_replies(RoundTrip& trip) {
  while (answered_ < ends_.size()) {
    Reply reply;
    const auto next = decoder_.next(reply);
    if (next == ReplyDecoder::Step::more) return true;
    if (next == ReplyDecoder::Step::nonsense) {
      break_off(trip, ErrorCode::protocol, "not a reply: " + decoder_.complaint());
      return false;
    }
    if (sent_ < ends_[answered_]) return refuse_early(reply, trip);
    trip.replies.push_back(std::move(reply));
    ++answered_;
  }
  if (decoder_.is_empty()) return true;
  // One reply too many: which of them belongs to which command is no longer known, so none is handed out.
  trip.replies.clear();
  answered_ = 0;
  break_off(trip, ErrorCode::protocol, "more replies came than commands were sent");
  return false;
}

/// Redis speaks before it was asked to say why it leaves (too many clients, a request that is too large); anything else
/// shows that replies and commands no longer match.
bool RedisConnection::refuse_early(const Reply& reply, RoundTrip& trip) {
  if (reply.type == Reply::Type::error) {
    break_off(trip, ErrorCode::disconnected, "Redis turned the connection away: " + reply.text.substr(0, 200));
  } else {
    break_off(trip, ErrorCode::protocol, "a reply came before its command was sent");
  }
  return false;
}

void RedisConnection::time_out(RoundTrip& trip) {
  trip.error = Error{ErrorCode::timed_out, effect(), "no reply within the deadline"};
  if (trip.error->effect == Effect::none) forget();
}

void RedisConnection::break_off(RoundTrip& trip, ErrorCode code, std::string detail) {
  trip.error = Error{code, effect(), std::move(detail)};
  channel_.close();
  forget();
}

std::string RedisConnection::describe(int error) const {
  const std::string complaint = channel_.complaint();
  return complaint.empty() ? std::generic_category().message(error) : complaint;
}

/// What is known of the first command without a reply.
Effect RedisConnection::effect() const {
  const std::size_t start = answered_ == 0 ? 0 : ends_[answered_ - 1];
  return sent_ > start ? Effect::unknown : Effect::none;
}

void RedisConnection::forget() {
  if (bytes_.capacity() > kKeptBytes) bytes_ = std::string();
  bytes_.clear();
  ends_.clear();
  sent_ = 0;
  answered_ = 0;
}

}  // namespace flashsale::redis
