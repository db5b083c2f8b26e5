/// How many requests the edge in front has had, as nginx' stub_status tells it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace server {

class EdgeStatus {
 public:
  /// `http://127.0.0.1:PORT/PATH`, or empty: there is no edge. Throws std::runtime_error for anything else.
  explicit EdgeStatus(const std::string& url);

  /// Requests so far, without those of this look-up itself. Nothing if there is no edge or it does not answer within
  /// 200 ms. One thread at a time.
  std::optional<std::uint64_t> requests();

 private:
  std::optional<std::string> fetch() const;

  std::uint16_t port_ = 0;
  std::string path_;
  std::uint64_t asked_ = 0;
};

}  // namespace server
