#include "http.hpp"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "visits.hpp"

namespace server {
namespace {

constexpr std::size_t kStreamBytesMax = 256 * 1024;
constexpr std::size_t kDroppedBytesMax = 64 * 1024;  // of a body that is too large: read and dropped, to be answered
constexpr std::size_t kConnectionBytes = 12 * 1024;  // head of the request, 8 KiB of it, and of the answer

std::string to_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address != nullptr && address->sa_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  if (address != nullptr && address->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  return text;
}

/// Decodes %XX in place, but for %00 and what is no escape: a byte that no id may have then stands where it stood.
std::size_t unescape(void*, MHD_Connection*, char* text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  char* to = text;
  for (const char* from = text; *from != '\0'; ++from) {
    if (from[0] == '%' && digit(from[1]) >= 0 && digit(from[2]) >= 0 && (from[1] != '0' || from[2] != '0')) {
      *to++ = static_cast<char>(digit(from[1]) * 16 + digit(from[2]));
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = '\0';
  return static_cast<std::size_t>(to - text);
}

/// What one lookup in headers or parameters found.
struct Found {
  const char* name;
  std::optional<std::string_view> value{};
  int times = 0;
};

MHD_Result find(void* to, MHD_ValueKind, const char* key, const char* value) {
  auto& found = *static_cast<Found*>(to);
  if (strcasecmp(key, found.name) != 0) return MHD_YES;
  if (++found.times == 1) found.value = value == nullptr ? std::string_view{} : std::string_view(value);
  return MHD_YES;
}

std::optional<std::string_view> look_up(MHD_Connection* connection, MHD_ValueKind kind, const char* name, int* times) {
  Found found{name};
  MHD_get_connection_values(connection, kind, find, &found);
  if (times != nullptr) *times = found.times;
  return found.value;
}

}  // namespace

// Stream

bool Stream::push(std::string_view bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return false;
  if (pending_.size() + bytes.size() > kStreamBytesMax) {
    ended_ = true;
    pending_.clear();
    // Else libmicrohttpd would keep the connection until the client takes what was written to it already: for ever.
    if (fd_ >= 0) shutdown(fd_, SHUT_RDWR);
  } else {
    pending_.append(bytes);
  }
  wake();
  return !ended_;
}

void Stream::end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  wake();
}

void Stream::wake() {
  if (!waiting_) return;
  waiting_ = false;
  MHD_resume_connection(connection_);
}

ssize_t Stream::read(void* self, std::uint64_t, char* buffer, std::size_t capacity) {
  Stream& stream = **static_cast<std::shared_ptr<Stream>*>(self);
  const std::lock_guard<std::mutex> lock(stream.mutex_);
  if (stream.pending_.empty()) {
    if (stream.ended_) return MHD_CONTENT_READER_END_OF_STREAM;
    stream.waiting_ = true;
    MHD_suspend_connection(stream.connection_);
    return 0;
  }
  const auto count = std::min(capacity, stream.pending_.size());
  std::memcpy(buffer, stream.pending_.data(), count);
  stream.pending_.erase(0, count);
  return static_cast<ssize_t>(count);
}

void Stream::let_go(void* self) {
  auto* const owner = static_cast<std::shared_ptr<Stream>*>(self);
  {
    const std::lock_guard<std::mutex> lock((*owner)->mutex_);
    (*owner)->ended_ = true;
    (*owner)->waiting_ = false;
    (*owner)->fd_ = -1;  // closed after this, and then anybody's
  }
  delete owner;
}

// Exchange

std::optional<std::string_view> Exchange::header(const char* name, int* times) const {
  return look_up(connection_, MHD_HEADER_KIND, name, times);
}

std::optional<std::string_view> Exchange::parameter(const char* name, int* times) const {
  return look_up(connection_, MHD_GET_ARGUMENT_KIND, name, times);
}

std::optional<std::string> Exchange::parameter_other_than(std::string_view known) const {
  struct Search {
    std::string_view known;
    std::optional<std::string> other;
  } search{known, std::nullopt};
  MHD_get_connection_values(
      connection_, MHD_GET_ARGUMENT_KIND,
      [](void* to, MHD_ValueKind, const char* key, const char*) {
        auto& s = *static_cast<Search*>(to);
        if (!s.other && key != s.known) s.other = key;
        return MHD_YES;
      },
      &search);
  return search.other;
}

void Exchange::hold() {
  held_ = true;
  MHD_suspend_connection(connection_);
}

void Exchange::answer(Response response) {
  response_ = std::move(response);
  if (held_) MHD_resume_connection(connection_);
}

// HttpServer

class HttpServer::Body {
 public:
  Body(HttpOptions options, Handler handler, Finish finish)
      : options_(std::move(options)), handler_(std::move(handler)), finish_(std::move(finish)) {
    listen_on_port();
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
                               &on_access, this, MHD_OPTION_LISTEN_SOCKET, listener_, MHD_OPTION_THREAD_POOL_SIZE,
                               options_.threads, MHD_OPTION_CONNECTION_LIMIT, options_.connections_max,
                               MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                               MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this, MHD_OPTION_URI_LOG_CALLBACK,
                               &on_first_line, this, MHD_OPTION_NOTIFY_COMPLETED, &on_completed, this,
                               MHD_OPTION_UNESCAPE_CALLBACK, &unescape, nullptr, MHD_OPTION_END);
    if (daemon_ == nullptr) {
      close(listener_);
      throw std::runtime_error("the HTTP server does not start");
    }
  }

  ~Body() { MHD_stop_daemon(daemon_); }  // closes the listening socket too

  std::uint16_t port() const { return options_.port; }
  void stop_listening() {
    if (quiet_) return;
    quiet_ = true;
    MHD_quiesce_daemon(daemon_);  // hands the socket back
    close(listener_);
  }

 private:
  void listen_on_port() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    if (inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) != 1)
      throw std::runtime_error("'" + options_.address + "' is no IPv4 address");
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 4096) != 0) {
      const std::string why = std::strerror(errno);
      close(listener_);
      throw std::runtime_error("cannot listen on " + options_.address + ":" + std::to_string(options_.port) + ": " +
                               why);
    }
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    options_.port = ntohs(address.sin_port);
  }

  static Visit& visit_of(MHD_Connection* connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return *static_cast<Visit*>(info->socket_context);
  }

  static void on_connection(void* self, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code) {
    Body& server = *static_cast<Body*>(self);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      *context = server.visits_.arrive(info->connect_fd, server.options_.idle_ms);
    } else {
      server.visits_.leave(static_cast<Visit*>(*context));
    }
  }

  static void* on_first_line(void* self, const char*, MHD_Connection* connection) {
    Visits::expect(visit_of(connection), static_cast<Body*>(self)->options_.request_ms);
    return new Exchange;
  }

  static void on_completed(void* self, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
    Visits::expect(visit_of(connection), static_cast<Body*>(self)->options_.idle_ms);
    delete static_cast<Exchange*>(*context);
    *context = nullptr;
  }

  static MHD_Result on_access(void* self, MHD_Connection* connection, const char* path, const char* method, const char*,
                              const char* upload, std::size_t* upload_bytes, void** context) {
    Body& server = *static_cast<Body*>(self);
    Exchange& exchange = *static_cast<Exchange*>(*context);
    if (!exchange.begun_) return server.begin(exchange, connection, path, method);
    if (*upload_bytes > 0) return take_body(exchange, upload, upload_bytes);
    if (!exchange.handled_) {
      exchange.handled_ = true;
      Visits::expect(visit_of(connection), 0);
      server.handle(exchange);
      if (exchange.held_) return MHD_YES;  // another thread has it, or had it: it is called again once resumed
    }
    return server.send(exchange);
  }

  MHD_Result begin(Exchange& exchange, MHD_Connection* connection, const char* path, const char* method) {
    exchange.begun_ = true;
    exchange.connection_ = connection;
    exchange.method_ = method;
    exchange.path_ = path;
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    exchange.address_ = to_text(info == nullptr ? nullptr : info->client_addr);
    if (exchange.address_ == options_.edge_address)
      if (const auto real = exchange.header("X-Real-IP"); real && real->size() <= 64) exchange.address_ = *real;
    const auto length = exchange.header("Content-Length");
    exchange.too_large_ = length && (length->size() > 9 ||
                                     std::atoll(std::string(*length).c_str()) > static_cast<long long>(kBodyBytesMax));
    if (!exchange.too_large_) return MHD_YES;
    exchange.handled_ = true;
    handle(exchange);  // before any of it is read: an answer now closes the connection
    return exchange.held_ ? MHD_YES : send(exchange);
  }

  static MHD_Result take_body(Exchange& exchange, const char* upload, std::size_t* upload_bytes) {
    const std::size_t count = std::exchange(*upload_bytes, 0);
    if (exchange.body_.size() + count <= kBodyBytesMax && !exchange.too_large_) {
      exchange.body_.append(upload, count);
      return MHD_YES;
    }
    exchange.too_large_ = true;
    exchange.dropped_bytes_ += count;
    return exchange.dropped_bytes_ <= kDroppedBytesMax ? MHD_YES : MHD_NO;
  }

  void handle(Exchange& exchange) {
    try {
      handler_(exchange);
    } catch (const std::exception&) {
      if (!exchange.held_) exchange.response_ = Response{500};
    }
  }

  MHD_Result send(Exchange& exchange) {
    Response response = exchange.response_ ? std::move(*exchange.response_) : Response{500};
    finish_(response);
    MHD_Response* const raw = to_raw(response, exchange.connection_);
    if (raw == nullptr) return MHD_NO;
    MHD_add_response_header(raw, "Content-Type", response.content_type.c_str());
    for (const auto& [name, value] : response.headers) MHD_add_response_header(raw, name.c_str(), value.c_str());
    Visits::expect(visit_of(exchange.connection_), response.stream ? 0 : options_.request_ms);
    const auto queued = MHD_queue_response(exchange.connection_, static_cast<unsigned>(response.status), raw);
    MHD_destroy_response(raw);
    return queued;
  }

  static MHD_Response* to_raw(const Response& response, MHD_Connection* connection) {
    if (response.stream) {
      const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      {
        const std::lock_guard<std::mutex> lock(response.stream->mutex_);
        response.stream->connection_ = connection;
        response.stream->fd_ = info == nullptr ? -1 : info->connect_fd;
      }
      auto* const owner = new std::shared_ptr<Stream>(response.stream);
      return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, &Stream::read, owner, &Stream::let_go);
    }
    const bool keeps = !response.kept_body.empty();
    const std::string_view bytes = keeps ? response.kept_body : std::string_view(response.body);
    return MHD_create_response_from_buffer(bytes.size(), const_cast<char*>(bytes.data()),
                                           keeps ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);
  }

  HttpOptions options_;
  Handler handler_;
  Finish finish_;
  Visits visits_;
  int listener_ = -1;
  bool quiet_ = false;
  MHD_Daemon* daemon_ = nullptr;
};

HttpServer::HttpServer(HttpOptions options, Handler handler, Finish finish)
    : body_(std::make_unique<Body>(std::move(options), std::move(handler), std::move(finish))) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return body_->port(); }
void HttpServer::stop_listening() { body_->stop_listening(); }

}  // namespace server
