/// Certificates of a test's own, made by OpenSSL in a fresh folder, gone when the object is.
#pragma once

#include <string>
#include <vector>

namespace flashsale::test {

/// A certificate with its key, as PEM files.
struct Certificate {
  std::string certificate;
  std::string key;
};

/// An authority of its own, and what it signs. One thread at a time.
class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  /// Its own certificate, which signs all others.
  std::string file() const { return own_.certificate; }
  /// For `names`, as OpenSSL writes them: `DNS:localhost,IP:127.0.0.1`. Valid for a day from `from_now_s` on.
  Certificate issue(const std::string& names, long from_now_s = -3600);

 private:
  std::string dir_;
  Certificate own_;
  int count_ = 0;
};

/// What a redis-server needs to speak TLS with `certificate`, to clients, replicas and nodes of its cluster.
std::vector<std::string> tls_arguments(const Authority& authority, const Certificate& certificate);

}  // namespace flashsale::test
