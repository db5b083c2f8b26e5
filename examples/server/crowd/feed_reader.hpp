/// One look at the operator's feed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace crowd {

/// The next frame of the sale's feed, from the origin at `port`. Throws std::runtime_error if none comes within 5 s.
nlohmann::json read_feed(std::uint16_t port, const std::string& sale);

}  // namespace crowd
