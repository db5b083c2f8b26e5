#include "support/wire_end.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>

namespace flashsale::test {
namespace {

constexpr std::int64_t kWordsMax = 1'000'000;
constexpr std::int64_t kBytesMax = 512ll << 20;  // Redis' own bound of a string

/// The number of a line like `*3\r\n` that begins at `at`, which moves behind it; nothing while the line is not whole.
std::optional<std::int64_t> number_of_line(std::string_view bytes, std::size_t& at, std::int64_t most) {
  const auto end = bytes.find("\r\n", at);
  if (end == std::string_view::npos) return std::nullopt;
  std::int64_t number = 0;
  const auto read = std::from_chars(bytes.data() + at + 1, bytes.data() + end, number);
  if (read.ec != std::errc{} || read.ptr != bytes.data() + end || number < -1 || number > most)
    throw std::runtime_error("no RESP: " + std::string(bytes.substr(at, end - at)));
  at = end + 2;
  return number;
}

}  // namespace

int listen_on_loopback(int flags, std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  sockaddr_in name{};
  socklen_t size = sizeof(name);
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&name);
  const bool listens = fd >= 0 && bind(fd, any, size) == 0 && listen(fd, 128) == 0 && getsockname(fd, any, &size) == 0;
  if (listens) port = ntohs(name.sin_port);
  redis::Socket unused(listens ? -1 : fd);
  return listens ? fd : -1;
}

bool take_from(redis::Socket& from, std::string& into, std::size_t most) {
  char chunk[65'536];
  while (into.size() < most) {
    const auto moved = from.receive(chunk, sizeof(chunk));
    if (moved.bytes == 0) return moved.error == EAGAIN;
    into.append(chunk, moved.bytes);
  }
  return true;
}

bool give_to(redis::Socket& to, std::string& held) {
  std::size_t done = 0;
  bool is_there = true;
  while (done < held.size()) {
    const auto moved = to.send(held.data() + done, held.size() - done);
    is_there = moved.error == 0 || moved.error == EAGAIN;
    if (moved.error != 0) break;
    done += moved.bytes;
  }
  held.erase(0, done);
  return is_there;
}

std::optional<WireCommand> command_at_front(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (bytes[0] != '*') throw std::runtime_error("no command in RESP");
  WireCommand command;
  const auto count = number_of_line(bytes, command.bytes, kWordsMax);
  if (!count) return std::nullopt;
  for (std::int64_t i = 0; i < *count; ++i) {
    if (command.bytes >= bytes.size()) return std::nullopt;
    if (bytes[command.bytes] != '$') throw std::runtime_error("a command's word that is no bulk string");
    const auto size = number_of_line(bytes, command.bytes, kBytesMax);
    if (!size) return std::nullopt;
    const auto length = static_cast<std::size_t>(*size < 0 ? 0 : *size);
    if (bytes.size() < command.bytes + length + 2) return std::nullopt;
    command.words.emplace_back(bytes.substr(command.bytes, length));
    command.bytes += length + 2;
  }
  return command;
}

std::optional<std::size_t> reply_at_front(std::string_view bytes) {
  std::size_t at = 0;
  for (std::int64_t wanted = 1; wanted > 0; --wanted) {
    if (at >= bytes.size()) return std::nullopt;
    const char type = bytes[at];
    if (type == '+' || type == '-' || type == ':') {
      const auto end = bytes.find("\r\n", at);
      if (end == std::string_view::npos) return std::nullopt;
      at = end + 2;
      continue;
    }
    if (type != '$' && type != '*') throw std::runtime_error("no reply in RESP2");
    const auto number = number_of_line(bytes, at, kBytesMax);
    if (!number) return std::nullopt;
    if (type == '*' && *number > 0) wanted += *number;
    if (type == '$' && *number >= 0) at += static_cast<std::size_t>(*number) + 2;
  }
  if (at > bytes.size()) return std::nullopt;
  return at;
}

}  // namespace flashsale::test
