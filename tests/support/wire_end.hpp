/// What the proxies and servers of tests share: a listening port, bytes in and out of a socket, RESP as it travels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/socket.hpp"

namespace flashsale::test {

/// A listening socket at a free port of the loopback interface; -1 if there is none. `flags`: as SOCK_NONBLOCK.
int listen_on_loopback(int flags, std::uint16_t& port);

/// Appends what has come, until `into` holds `most` bytes. False once the peer is gone.
bool take_from(redis::Socket& from, std::string& into, std::size_t most);

/// Sends what can be sent, and removes it. False once the peer is gone.
bool give_to(redis::Socket& to, std::string& held);

/// A command as an array of bulk strings, and how many bytes it is.
struct WireCommand {
  std::vector<std::string> words;
  std::size_t bytes = 0;
};

/// The command that `bytes` begin with; nothing while it is not whole. Throws std::runtime_error where it is no array
/// of bulk strings, or of more than a million words.
std::optional<WireCommand> command_at_front(std::string_view bytes);

/// How many bytes the reply has that `bytes` begin with; nothing while it is not whole. Throws std::runtime_error where
/// it is no RESP2.
std::optional<std::size_t> reply_at_front(std::string_view bytes);

}  // namespace flashsale::test
