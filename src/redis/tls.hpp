/// TLS by OpenSSL over our own socket: peer and host name verified, TLS 1.2 at least, sessions resumed.
/// Without FLASHSALE_TLS nothing needs libssl, and a URL that asks for TLS is refused.
#pragma once

#include <memory>

#include "flashsale/error.hpp"
#include "flashsale/types.hpp"
#include "redis/channel.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// Whom one pool believes and who it is, and the sessions it may resume. Thread-safe.
class Tls {
 public:
  virtual ~Tls() = default;
  /// Shakes hands over `socket` with `node`, whose certificate must be for the host that was connected to, or for
  /// TlsTerms::name. Every connection verifies, whoever named the node.
  /// Errors, all with effect none: refused (a file of ours, the peer's certificate, the peer's refusal of ours, a peer
  /// that speaks no TLS), disconnected, timed_out.
  virtual Result<Channel> shake_hands(Socket socket, const Node& node, Deadline deadline) = 0;
};

/// False if the library was built without it.
bool has_tls();

/// Does no I/O: the files are read by the first handshake.
std::unique_ptr<Tls> make_tls(const TlsTerms& terms);

}  // namespace flashsale::redis
