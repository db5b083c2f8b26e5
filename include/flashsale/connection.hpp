/// Redis' plug, first half: one connection that carries commands there and replies back.
///
/// Implement it over the client that your server already has; `tests/redis/connection_conformance.hpp` tells you
/// whether you did it right. `make_pool` (redis.hpp) gives the library's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/error.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// One command: its name and arguments, binary-safe. The views must live until `roundtrip` returns.
using Command = std::vector<std::string_view>;

/// One RESP2 reply. An `error` is a reply too: its text begins with its code, for instance `NOSCRIPT`.
struct Reply {
  /// RESP2's; a status is a text.
  enum class Type : std::uint8_t { nil, integer, text, error, array };
  Type type = Type::nil;        ///< which
  std::int64_t integer = 0;     ///< of integer
  std::string text;             ///< of text (simple or bulk) and error; binary-safe
  std::vector<Reply> elements;  ///< of array
};

/// The replies that arrived, in order, and, if not all did, the error for the rest.
/// Its effect is `none` only if not one byte of the first command without a reply was handed to the kernel.
struct RoundTrip {
  std::vector<Reply> replies;  ///< as many as arrived, one a command
  std::optional<Error> error;  ///< why there are no more
};

/// One connection to one Redis node. Used by one thread at a time, not bound to one.
class Connection {
 public:
  virtual ~Connection() = default;

  /// The engine's own note: how far the node's clock is ahead of the local monotonic one. Implementations leave it be.
  struct Clock {
    bool known = false;         ///< whether anybody asked yet
    std::int64_t ahead_ms = 0;  ///< the node's TIME - ours
  } clock;                      ///< of this connection

  /// Sends `commands` in one write where it can and waits until `deadline` for their replies. Never blocks longer,
  /// never throws. Any error but `timed_out` has closed the connection. After `timed_out` the replies are still
  /// owed: `await` goes on, and `roundtrip` answers `disconnected` (effect none) until nothing is owed.
  virtual RoundTrip roundtrip(const std::vector<Command>& commands, Deadline deadline) = 0;

  /// Goes on waiting for the replies that a timed-out `roundtrip` still owes. A client that cannot do that closes
  /// the connection and answers `disconnected` with effect unknown, which this default does by saying so.
  virtual RoundTrip await(Deadline deadline) {
    (void)deadline;
    return {{}, Error{ErrorCode::disconnected, Effect::unknown, "this connection cannot go on after a timeout"}};
  }
};

}  // namespace flashsale
