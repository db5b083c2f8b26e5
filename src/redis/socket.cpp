#include "redis/socket.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "util/resolve.hpp"
#include "util/stop.hpp"

namespace flashsale::redis {
namespace {

using Clock = Deadline::clock;

tl::unexpected<Error> cannot_connect(const Node& node, int error) {
  return fail(ErrorCode::disconnected,
              fmt::format("cannot connect to {}: {}", to_string(node), std::generic_category().message(error)));
}

void set_tcp_options(int fd) {
  // Neither is needed for a right answer, so a system that refuses them is taken as it is. Keepalive finds a peer that
  // vanished while nobody asked it anything.
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

Result<Socket> connect_to(const Node& node, const util::Address& address, Deadline deadline) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return cannot_connect(node, errno);
  Socket socket(fd);
  if (address.storage.ss_family != AF_UNIX) set_tcp_options(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0) return socket;
  if (errno != EINPROGRESS && errno != EINTR) return cannot_connect(node, errno);
  if (socket.wait(POLLOUT, deadline) == 0) {
    return fail(ErrorCode::timed_out, fmt::format("connecting to {} took too long", to_string(node)));
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return cannot_connect(node, error);
  return socket;
}

util::Address unix_address(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof(name.sun_path) - 1));
  util::Address address;
  std::memcpy(&address.storage, &name, sizeof(name));
  address.size = sizeof(name);
  return address;
}

}  // namespace

Result<Socket> Socket::connect(const Node& node, Deadline deadline) {
  if (!node.path.empty()) return connect_to(node, unix_address(node.path), deadline);
  const auto addresses = util::resolve(node.host, node.port, deadline);
  if (!addresses) return tl::unexpected<Error>(addresses.error());
  Result<Socket> last;
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    // One address that swallows packets must not eat the time of the others.
    const auto now = Clock::now();
    const auto share = now + (deadline - now) / static_cast<std::int64_t>(addresses->size() - i);
    last = connect_to(node, (*addresses)[i], share);
    if (last) break;
  }
  return last;
}

void Socket::close() {
  // Never again on EINTR: the descriptor is gone already, and its number may belong to somebody else.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Moved Socket::send(const char* bytes, std::size_t size) {
  for (;;) {
    const ssize_t sent = ::send(fd_, bytes, size, MSG_NOSIGNAL);
    if (sent >= 0) return {static_cast<std::size_t>(sent), 0};
    if (errno != EINTR) return {0, errno};
  }
}

Moved Socket::receive(char* bytes, std::size_t size) {
  for (;;) {
    const ssize_t received = ::recv(fd_, bytes, size, 0);
    if (received >= 0) return {static_cast<std::size_t>(received), 0};
    if (errno != EINTR) return {0, errno};
  }
}

short Socket::wait(short events, Deadline deadline) const {
  const util::Wait wait(deadline);
  for (;;) {
    // ppoll, because poll's milliseconds would have to be rounded up past the deadline.
    const auto left = std::max(wait.slice() - Clock::now(), Clock::duration::zero());
    const auto seconds = std::min(std::chrono::floor<std::chrono::seconds>(left), std::chrono::seconds{3600});
    const auto rest = std::chrono::nanoseconds(std::min<Clock::duration>(left - seconds, std::chrono::seconds{1}));
    const timespec timeout{seconds.count(), std::min<long>(static_cast<long>(rest.count()), 999'999'999)};
    pollfd entry{fd_, events, 0};
    const int ready = ppoll(&entry, 1, &timeout, nullptr);
    if (ready > 0) return entry.revents;
    if (ready == 0 && wait.is_over()) return 0;
    if (ready < 0 && errno != EINTR) return POLLERR;  // the call that follows will say what is wrong
  }
}

bool Socket::is_quiet() const {
  char byte = 0;
  ssize_t received = 0;
  do {
    received = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace flashsale::redis
