#include "redis/dial.hpp"

namespace flashsale::redis {

Result<Channel> dial(const Node& node, Tls* tls, Deadline deadline) {
  auto socket = Socket::connect(node, deadline);
  if (!socket) return tl::unexpected<Error>(std::move(socket.error()));
  if (tls == nullptr) return Channel(std::move(*socket));
  return tls->shake_hands(std::move(*socket), node, deadline);
}

Result<Login> login_as(const User& user) {
  auto password = user.password.read();
  if (!password) return tl::unexpected<Error>(std::move(password.error()));
  Login login;
  login.user = user.name;
  login.password = std::move(*password);
  return login;
}

}  // namespace flashsale::redis
