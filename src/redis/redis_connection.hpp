/// Connection over our own socket, with hiredis as the codec.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "flashsale/connection.hpp"
#include "redis/channel.hpp"
#include "redis/resp.hpp"

namespace flashsale::redis {

/// A round trip is one send, one poll and one recv where it fits; larger ones read while they write, so that neither
/// side can wait for the other with full buffers. Used by one thread at a time.
class RedisConnection : public Connection {
 public:
  explicit RedisConnection(Channel channel) : channel_(std::move(channel)) {}

  /// A timeout before the first byte of an unanswered command takes the rest back: effect none, nothing owed.
  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline deadline) override;
  RoundTrip await(Deadline deadline) override;

  bool is_open() const { return channel_.is_open(); }
  /// Open, owing nothing.
  bool is_usable() const { return is_open() && answered_ == ends_.size(); }
  /// Usable, and nothing has come unasked, not even the end.
  bool is_quiet() const { return is_usable() && channel_.is_quiet(); }
  void close() { channel_.close(); }

 private:
  bool encode_all(const std::vector<Command>& commands);
  RoundTrip exchange(Deadline deadline);
  bool step(Deadline deadline, RoundTrip& trip);
  bool read_some(RoundTrip& trip);
  bool take_replies(RoundTrip& trip);
  bool refuse_early(const Reply& reply, RoundTrip& trip);
  void time_out(RoundTrip& trip);
  void break_off(RoundTrip& trip, ErrorCode code, std::string detail);
  std::string describe(int error) const;
  Effect effect() const;
  void forget();

  Channel channel_;
  ReplyDecoder decoder_;
  std::string bytes_;              ///< the commands under way, kept so that `await` can go on sending
  std::vector<std::size_t> ends_;  ///< where each of them ends in `bytes_`
  std::size_t sent_ = 0;           ///< bytes handed to the kernel
  std::size_t answered_ = 0;       ///< commands whose reply has come
};

}  // namespace flashsale::redis
