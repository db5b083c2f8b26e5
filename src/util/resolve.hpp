/// Name look-ups that end by a deadline. Thread-safe.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "flashsale/error.hpp"
#include "flashsale/types.hpp"

namespace flashsale::util {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  /// Without its port: `127.0.0.1`, `::1`.
  std::string numeric() const;
};

/// The addresses of `host`, in the order in which they should be tried; never empty. A numeric host costs no look-up.
/// Errors: disconnected (the name is not known), timed_out.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Deadline deadline);

}  // namespace flashsale::util
