/// A server whose answers are in the test's hand: what no Redis would say in time for a test, a lie among it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace flashsale::test {

/// Listens on a port of the loopback interface; answers each command by `answer`, on a thread of its own, one client at
/// a time beside the others. Thread-safe.
class ScriptedServer {
 public:
  /// Bytes as they travel, for one command with its arguments; empty: it stays silent.
  using Answer = std::function<std::string(const std::vector<std::string>& command)>;

  explicit ScriptedServer(Answer answer);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const;
  std::string address() const;  ///< 127.0.0.1:port
  /// The first words of all commands so far.
  std::vector<std::string> heard() const;

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

/// RESP of a bulk string, and of an array of what is RESP already.
std::string bulk(const std::string& text);
std::string array(const std::vector<std::string>& elements);

}  // namespace flashsale::test
