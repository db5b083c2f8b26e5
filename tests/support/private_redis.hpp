/// A Redis or Valkey of a test's own, as server_programs.hpp says: in a fresh folder, on a unix socket, gone when the
/// object is.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/connection_pool.hpp"

namespace flashsale::test {

/// Whether a PrivateRedis also listens on a free port of the loopback interface; replication needs that.
/// With `tls` it speaks TLS alone there, with the certificate that its arguments name. Or on port 6379 of every
/// interface of a network namespace of its own (root only): which interfaces those are is the test's part.
enum class Tcp { no, yes, tls, own_network };

/// Starts on construction and answers PING when that returns. Throws std::runtime_error where the server does not do
/// as it should: a test without its server fails, it is never skipped. One thread at a time.
/// The server also dies with the thread that started it, so that no crash of a test leaves one behind.
class PrivateRedis {
 public:
  /// `preload` is a library that the server is started with; `config` what its configuration file holds at its first
  /// start, if it needs one (sentinels do, and write it anew).
  explicit PrivateRedis(std::vector<std::string> extra_arguments = {}, Tcp tcp = Tcp::no, std::string preload = {},
                        std::string config = {});
  ~PrivateRedis();
  PrivateRedis(const PrivateRedis&) = delete;
  PrivateRedis& operator=(const PrivateRedis&) = delete;

  /// Again, in the same folder and on the same port, with what the last run left there.
  void start();
  /// SIGTERM: Redis saves if it was told to.
  void stop();
  /// SIGKILL.
  void kill_now();
  /// SIGSTOP and SIGCONT: it keeps its connections and says nothing.
  void pause();
  void resume();

  pid_t pid() const { return pid_; }  ///< -1 while it does not run
  std::uint16_t port() const { return port_; }
  const std::string& dir() const { return dir_; }
  std::string socket_path() const { return dir_ + "/redis.sock"; }
  std::string url() const;      ///< redis+unix://
  std::string tcp_url() const;  ///< redis://127.0.0.1:port

  /// One command on a connection of its own. Error replies come back as such; anything else throws.
  Reply command(const std::vector<std::string_view>& arguments);

  /// Follows `primary` (both need TCP) and waits until the link is up.
  void replica_of(const PrivateRedis& primary);
  void wait_linked();

 private:
  void spawn();
  void await_ping();
  void reap();
  std::string log_tail() const;

  std::vector<std::string> extra_arguments_;
  const Tcp tcp_;
  const std::string preload_;
  const std::string config_;
  std::string dir_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  std::shared_ptr<ConnectionPool> admin_;
};

/// A port of the loopback interface that was free just now, at most 55,535: a cluster node takes the one 10,000 above.
std::uint16_t free_port();

/// Looks every millisecond until `holds`, for `at_most`. False if it never did.
bool eventually(const std::function<bool()>& holds, milliseconds at_most = milliseconds{10'000});

}  // namespace flashsale::test
