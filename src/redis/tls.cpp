#include "redis/tls.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <string>
#include <system_error>

#include "redis/node_metrics.hpp"

namespace flashsale::redis {
namespace {

constexpr std::size_t kEncryptBytesMax = 256u << 10;  // at a time: what is encrypted can no longer be taken back
constexpr std::size_t kReadBytes = 32u << 10;
constexpr std::size_t kSessionsMax = 1024;

template <auto function>
struct Free {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;

/// OpenSSL's own words for what failed on this thread, the cause rather than its consequences; empty: it has none.
std::string last_reason() {
  const unsigned long code = ERR_peek_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "";
  if (code != 0 && text.empty()) text = std::generic_category().message(ERR_GET_REASON(code));  // a system error
  ERR_clear_error();
  return text;
}

tl::unexpected<Error> refused(std::string detail) { return fail(ErrorCode::refused, std::move(detail)); }

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

class Sessions {
 public:
  SessionPtr find(const std::string& peer) {
    std::lock_guard lock(mutex_);
    const auto found = by_peer_.find(peer);
    if (found == by_peer_.end()) return nullptr;
    SSL_SESSION_up_ref(found->second.get());
    return SessionPtr(found->second.get());
  }
  void keep(const std::string& peer, SessionPtr session) {
    std::lock_guard lock(mutex_);
    if (by_peer_.size() >= kSessionsMax) by_peer_.clear();
    by_peer_[peer] = std::move(session);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, SessionPtr> by_peer_;  // guarded by mutex_
};

/// Encrypts into memory and sends that itself: one system call a batch instead of one a record, and it is known what
/// the kernel has.
class OpensslCipher final : public Cipher {
 public:
  OpensslCipher(SSL_CTX& context, Sessions& sessions, std::string peer)
      : sessions_(sessions), peer_(std::move(peer)), ssl_(SSL_new(&context)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    if (!ssl_ || in_ == nullptr || out_ == nullptr) {
      BIO_free(in_);
      BIO_free(out_);
      throw std::bad_alloc();
    }
    BIO_set_mem_eof_return(in_, -1);  // "nothing yet" is no end
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_app_data(ssl_.get(), this);
  }

  SSL* ssl() { return ssl_.get(); }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto& self = *static_cast<OpensslCipher*>(SSL_get_app_data(ssl));
    try {
      self.sessions_.keep(self.peer_, SessionPtr(session));
      return 1;  // it is ours now
    } catch (const std::bad_alloc&) {
      return 1;  // SessionPtr freed it
    }
  }

  Moved send(Socket& socket, const char* bytes, std::size_t size) override {
    if (const int error = flush(socket); error != 0) return {0, error};
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), bytes, std::min(size, kEncryptBytesMax), &written) != 1) {
      complaint_ = last_reason();
      return {0, EPROTO};
    }
    const int error = flush(socket);
    return {written, error == EAGAIN ? 0 : error};
  }

  Moved receive(Socket& socket, char* bytes, std::size_t size) override {
    for (;;) {
      std::size_t got = 0;
      ERR_clear_error();
      const int status = SSL_read_ex(ssl_.get(), bytes, size, &got);
      if (status == 1) return {got, 0};
      const int why = SSL_get_error(ssl_.get(), status);
      if (why == SSL_ERROR_ZERO_RETURN) return {0, 0};
      if (why != SSL_ERROR_WANT_READ) {
        complaint_ = last_reason();
        return {0, EPROTO};
      }
      flush(socket);  // what it owes the peer; a peer that is gone may have left its reason, to be read first
      const Moved moved = fill(socket);
      if (moved.bytes == 0) return moved;
    }
  }

  bool has_unsent() const override { return BIO_ctrl_pending(out_) > sent_; }
  bool has_unread() const override { return SSL_pending(ssl_.get()) > 0 || BIO_ctrl_pending(in_) > 0; }
  std::string complaint() const override { return complaint_; }

  /// Hands what is encrypted to the kernel; an errno if not all of it went.
  int flush(Socket& socket) {
    char* bytes = nullptr;
    const long held = BIO_get_mem_data(out_, &bytes);
    const auto size = static_cast<std::size_t>(std::max(held, 0L));
    while (sent_ < size) {
      const Moved moved = socket.send(bytes + sent_, size - sent_);
      sent_ += moved.bytes;
      if (moved.error != 0) return moved.error;
    }
    sent_ = 0;
    static_cast<void>(BIO_reset(out_));
    return 0;
  }

  /// Takes what the kernel has.
  Moved fill(Socket& socket) {
    char chunk[kReadBytes];
    const Moved moved = socket.receive(chunk, sizeof(chunk));
    if (moved.bytes > 0) BIO_write(in_, chunk, static_cast<int>(moved.bytes));
    return moved;
  }

 private:
  Sessions& sessions_;
  const std::string peer_;
  SslPtr ssl_;
  BIO* in_ = nullptr;   // owned by ssl_
  BIO* out_ = nullptr;  // owned by ssl_
  std::size_t sent_ = 0;
  std::string complaint_;
};

class OpensslTls final : public Tls {
 public:
  explicit OpensslTls(TlsTerms terms) : terms_(std::move(terms)) {}

  Result<Channel> shake_hands(Socket socket, const Node& node, Deadline deadline) override {
    SSL_CTX* context = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (!context_) {
        auto made = make_context();
        if (!made) return tl::unexpected<Error>(std::move(made.error()));
        context_ = std::move(*made);
      }
      context = context_.get();  // from here on it stays
    }
    const std::string peer = to_string(node);
    auto cipher = std::make_unique<OpensslCipher>(*context, sessions_, peer);
    if (auto named = expect_name(*cipher->ssl(), node.host); !named) {
      return tl::unexpected<Error>(std::move(named.error()));
    }
    if (const auto known = sessions_.find(peer)) SSL_set_session(cipher->ssl(), known.get());
    if (auto done = shake(*cipher, socket, peer, deadline); !done) {
      return tl::unexpected<Error>(std::move(done.error()));
    }
    note_handshake(SSL_session_reused(cipher->ssl()) == 1);
    return Channel(std::move(socket), std::move(cipher));
  }

 private:
  Result<ContextPtr> make_context() const {
    ERR_clear_error();
    ContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(context.get(), terms_.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context.get(), OpensslCipher::keep_session);
    const char* const authorities = terms_.authorities.c_str();
    if (terms_.authorities.empty()) {
      SSL_CTX_set_default_verify_paths(context.get());
    } else if (SSL_CTX_load_verify_file(context.get(), authorities) != 1) {
      return refused(fmt::format("tls_ca {}: {}", terms_.authorities, last_reason()));
    }
    if (terms_.certificate.empty()) return context;
    if (SSL_CTX_use_certificate_chain_file(context.get(), terms_.certificate.c_str()) != 1)
      return refused(fmt::format("tls_cert {}: {}", terms_.certificate, last_reason()));
    if (SSL_CTX_use_PrivateKey_file(context.get(), terms_.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1)
      return refused(fmt::format("tls_key {}: {}", terms_.key, last_reason()));
    return context;
  }

  /// An address is looked for among the certificate's addresses and is no name to indicate (RFC 6066).
  Result<Done> expect_name(SSL& ssl, const std::string& host) const {
    const std::string& name = terms_.name.empty() ? host : terms_.name;
    int status = 1;
    if (is_address(name)) {
      status = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&ssl), name.c_str());
    } else {
      SSL_set_hostflags(&ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      const bool set = SSL_set1_host(&ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(&ssl, name.c_str()) == 1;
      status = set ? 1 : 0;
    }
    if (status == 1) return {};
    return refused(fmt::format("no certificate can be for {}: {}", name, last_reason()));
  }

  Result<Done> shake(OpensslCipher& cipher, Socket& socket, const std::string& peer, Deadline deadline) const {
    for (;;) {
      ERR_clear_error();
      const int status = SSL_connect(cipher.ssl());
      const int why = status == 1 ? SSL_ERROR_NONE : SSL_get_error(cipher.ssl(), status);
      if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ) {
        const std::string reason = last_reason();
        cipher.flush(socket);  // the alert that says why
        return failed(*cipher.ssl(), peer, reason);
      }
      const int error = cipher.flush(socket);
      if (error != 0 && error != EAGAIN) return broken(peer, std::generic_category().message(error));
      if (why == SSL_ERROR_NONE && error == 0) return {};
      if (error == 0) {
        const Moved moved = cipher.fill(socket);
        if (moved.bytes > 0) continue;
        if (moved.error == 0) return broken(peer, "it closed the connection");
        if (moved.error != EAGAIN) return broken(peer, std::generic_category().message(moved.error));
      }
      if (socket.wait(error == 0 ? POLLIN : POLLOUT, deadline) == 0) {
        return fail(ErrorCode::timed_out, fmt::format("the TLS handshake with {} took too long; if it does not speak "
                                                      "TLS, the URL's scheme must be redis",
                                                      peer));
      }
    }
  }

  static tl::unexpected<Error> broken(const std::string& peer, std::string_view why) {
    return fail(ErrorCode::disconnected, fmt::format("the TLS handshake with {} broke off: {}", peer, why));
  }

  tl::unexpected<Error> failed(SSL& ssl, const std::string& peer, const std::string& reason) const {
    const long verdict = SSL_get_verify_result(&ssl);
    if (terms_.verify && verdict != X509_V_OK) {
      return refused(
          fmt::format("the certificate of {} is not trusted: {}", peer, X509_verify_cert_error_string(verdict)));
    }
    if (reason == "wrong version number") return refused(fmt::format("{} does not speak TLS", peer));
    return refused(fmt::format("the TLS handshake with {} failed: {}", peer, reason));
  }

  const TlsTerms terms_;
  std::mutex mutex_;
  ContextPtr context_;  // guarded by mutex_ until it is made
  Sessions sessions_;
};

}  // namespace

bool has_tls() { return true; }

std::unique_ptr<Tls> make_tls(const TlsTerms& terms) { return std::make_unique<OpensslTls>(terms); }

}  // namespace flashsale::redis
