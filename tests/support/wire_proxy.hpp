/// A proxy between a client and Redis that breaks the conversation at an exact byte. Nothing in it depends on time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "support/private_redis.hpp"

namespace flashsale::test {

/// Listens on a unix socket of its own and carries bytes to and from `upstream`, one upstream connection a client.
/// A mode counts from the moment it is set, over all connections, and holds for bytes not yet carried. Thread-safe.
class WireProxy {
 public:
  /// `upstream`: the path of a unix socket, or `host:port`. With Tcp::yes it listens on a free loopback port instead,
  /// so that a replica can follow its primary through it.
  explicit WireProxy(std::string upstream, Tcp tcp = Tcp::no);
  ~WireProxy();
  WireProxy(const WireProxy&) = delete;
  WireProxy& operator=(const WireProxy&) = delete;

  std::string url() const;     ///< redis+unix://
  std::uint16_t port() const;  ///< with Tcp::yes

  void redirect(std::string upstream);  ///< close every connection; new ones go there
  void lead_to(std::string upstream);   ///< new connections go there, the others stay: a name that moved

  void pass();                                 ///< carry everything; ends every other mode
  void cut_requests_after(std::size_t bytes);  ///< carry so many more bytes to Redis, then close both sides
  void cut_replies_after(std::size_t bytes);   ///< carry so many more bytes to the client, then close both sides
  void cut_now();                              ///< close every connection; new ones are carried
  void stall();                                ///< carry nothing either way, until `pass`
  void duplicate_next_reply();                 ///< the next piece from Redis reaches the client twice
  void replace_next_reply(std::string bytes);  ///< the next piece from Redis is thrown away, these go instead
  void split_bytes();                          ///< to both sides one byte at a time, each in a write of its own

  std::uint64_t accepted() const;        ///< connections so far
  std::uint64_t disturbed() const;       ///< connections cut and replies duplicated or replaced so far
  std::uint64_t request_bytes() const;   ///< carried to Redis so far
  std::uint64_t reply_bytes() const;     ///< carried to the client so far
  std::size_t open_connections() const;  ///< now

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace flashsale::test
