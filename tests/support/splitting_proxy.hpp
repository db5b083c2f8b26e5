/// What managed services put before a primary and its replicas: one address, whose proxy sends reads to the replicas.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace flashsale::test {

/// In which ways such proxies differ.
struct ProxyHabits {
  bool at_random = true;            ///< which replica is read; else they are read in turn
  std::uint64_t seed = 1;           ///< of that
  bool primary_reads_too = false;   ///< the primary is one of those that are read
  bool anyone_tells_state = false;  ///< INFO, TIME and ROLE are answered as reads are; else by the primary
  bool scripts_everywhere = true;   ///< SCRIPT LOAD and SCRIPT FLUSH go to all servers; else to the primary
};

/// Listens on a port of the loopback interface. What the primary's COMMAND calls readonly goes to a replica, all else
/// to the primary; each client has its own connection to each server, made when it is first needed. Pipelines are kept:
/// nothing waits for another's reply, and replies come in the order of their commands. A server that cannot be reached
/// is passed over; the loss of one that owes a client a reply closes the client's connection, any other is mended
/// without its knowing, as those proxies do. It knows no AUTH, SELECT or MULTI. Thread-safe.
class SplittingProxy {
 public:
  /// `host:port` of each.
  struct Servers {
    std::string primary;
    std::vector<std::string> replicas;
  };

  /// Asks the primary for its commands. Throws std::runtime_error where it does not answer.
  explicit SplittingProxy(Servers servers, ProxyHabits habits = {});
  ~SplittingProxy();
  SplittingProxy(const SplittingProxy&) = delete;
  SplittingProxy& operator=(const SplittingProxy&) = delete;

  std::uint16_t port() const;
  std::string address() const;  ///< 127.0.0.1:port
  std::string url() const;      ///< redis://

  /// As after a failover: clients that wait for nothing keep their connections and are told nothing.
  void repoint(Servers servers);

  /// How often each command was sent to a replica so far, by its name in capitals and, behind a space, its second word.
  std::map<std::string, std::uint64_t> reads() const;
  std::uint64_t writes() const;  ///< commands sent to the primary so far

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace flashsale::test
