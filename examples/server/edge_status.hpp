/// How many requests the edge in front has had, as nginx' stub_status tells it.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "trouble.hpp"

namespace server {

class EdgeStatus {
 public:
  /// `http://127.0.0.1:PORT/PATH`, or empty: there is no edge. Throws std::runtime_error for anything else.
  explicit EdgeStatus(const std::string& url);

  /// Requests so far, without those of this look-up itself; the last count if the edge does not answer within 200 ms.
  /// Nothing if there is no edge, or it never answered. One thread at a time.
  std::optional<std::uint64_t> requests();
  /// Why the edge has not answered for some seconds now; empty: it has, or there is none.
  std::string trouble() const { return trouble_.lasting(); }

 private:
  std::string fetch() const;
  std::optional<std::uint64_t> look();

  std::uint16_t port_ = 0;
  std::string path_;
  std::uint64_t asked_ = 0;
  std::optional<std::uint64_t> last_;
  Trouble trouble_;
};

}  // namespace server
