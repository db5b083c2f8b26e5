/// One HTTP request and its answer over libmicrohttpd, without a thread a request.
///
///   headers -> body (4 KiB at most) -> handler --answer--------------------------> sent
///                                         |                                          ^
///                                         +--hold--> connection suspended ... answer-+   (from any thread)
///
/// While a connection is held it costs its memory and nothing else: no thread waits for it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct MHD_Connection;
struct MHD_Response;

namespace server {

inline constexpr std::size_t kBodyBytesMax = 4096;

/// Bytes to one client that come over time, for server-sent events. Thread-safe.
class Stream {
 public:
  /// False: the client is gone, or so slow that 256 KiB wait for it; then it is let go.
  bool push(std::string_view bytes);
  void end();

 private:
  friend class HttpServer;
  static ssize_t read(void* self, std::uint64_t position, char* buffer, std::size_t capacity);
  static void let_go(void* self);
  void wake();  // mutex_ is held

  std::mutex mutex_;
  std::string pending_;                   // guarded by mutex_
  bool waiting_ = false;                  // guarded by mutex_: the connection is suspended until there is something
  bool ended_ = false;                    // guarded by mutex_
  MHD_Connection* connection_ = nullptr;  // guarded by mutex_
  int fd_ = -1;                           // guarded by mutex_: the connection's, while it is open
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  /// Instead of `body`: bytes that outlive the server, and are not copied.
  std::string_view kept_body{};
  /// Instead of both: a body that comes over time.
  std::shared_ptr<Stream> stream{};
};

/// A request, from its first line until its answer is sent.
class Exchange {
 public:
  std::string_view method() const { return method_; }
  std::string_view path() const { return path_; }        ///< decoded; %00 is left as it is
  std::string_view address() const { return address_; }  ///< who asks, as text
  std::string_view body() const { return body_; }
  bool body_is_too_large() const { return too_large_; }

  /// A header's or a query parameter's value; `times`, if asked for, is how often it came.
  std::optional<std::string_view> header(const char* name, int* times = nullptr) const;
  std::optional<std::string_view> parameter(const char* name, int* times = nullptr) const;
  /// The first query parameter whose name is none of `known`.
  std::optional<std::string> parameter_other_than(std::string_view known) const;

  /// Keeps the request for an answer from another thread. Call it before that thread can hear of the request, and do
  /// not touch the exchange after it was handed over.
  void hold();
  /// Exactly once. If the exchange was held it may be gone when this returns.
  void answer(Response response);

 private:
  friend class HttpServer;
  MHD_Connection* connection_ = nullptr;
  std::string method_, path_, address_, body_;
  bool begun_ = false, held_ = false, handled_ = false, too_large_ = false;
  std::size_t dropped_bytes_ = 0;
  std::optional<Response> response_;
};

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0: any free one
  unsigned threads = 2;
  unsigned connections_max = 20'000;
  int idle_ms = 75'000;      ///< a connection on which no request is under way is closed after so long
  int request_ms = 10'000;   ///< a request that has begun has so long to arrive, its answer so long to leave
  std::string edge_address;  ///< who may say `X-Real-IP`: the edge in front; empty: nobody
};

/// Listens from construction to destruction. `handler` runs on the server's threads, must not block, and must have
/// answered or held the exchange when it returns; what it throws becomes a plain 500.
class HttpServer {
 public:
  using Handler = std::function<void(Exchange&)>;
  /// Adds the headers that every answer bears.
  using Finish = std::function<void(Response&)>;

  /// Throws std::runtime_error if it cannot listen.
  HttpServer(HttpOptions options, Handler handler, Finish finish);
  /// Every held exchange must have been answered, every stream ended.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  /// Takes no more connections; those that are there are still served.
  void stop_listening();

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace server
