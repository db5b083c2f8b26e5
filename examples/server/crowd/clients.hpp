/// Many HTTP clients at once on one thread, each from an address of its own in 127.0.0.0/8, so that limits for each
/// client are met as a real crowd meets them. Talks to loopback alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crowd {

using Clock = std::chrono::steady_clock;

struct Heard {
  int status = 0;  ///< 0: no answer
  std::string head, body;
};

/// One client: what it sends, and what it does with each answer.
struct Client {
  std::uint32_t number = 0;  ///< which address it has
  std::string request;       ///< the first one
  /// Called with each answer: the next request, or nothing: the client goes. `pause`, if set, comes before it.
  std::function<std::optional<std::string>(const Heard&, std::chrono::milliseconds& pause)> heard;
};

/// How long answers took.
struct Times {
  std::vector<std::uint32_t> us;
  double quantile_ms(double share);
};

/// Runs clients, at most `at_once` of them, as `next` gives them, until it gives no more and all have gone, or until
/// `deadline`. A client that cannot connect or is cut off hears status 0.
void run(std::uint16_t port, std::size_t at_once, const std::function<std::optional<Client>()>& next,
         Clock::time_point deadline, Times& times);

/// A request as text.
std::string to_request(std::string_view method, std::string_view path, std::string_view token = {},
                       std::string_view key = {}, std::string_view body = {});

}  // namespace crowd
