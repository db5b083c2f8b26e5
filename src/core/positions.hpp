/// Positions and order ids, read.
#pragma once

#include <optional>
#include <string_view>

#include "core/numbers.hpp"
#include "flashsale/types.hpp"

namespace flashsale::core {

/// `<epoch>-<seq>`
inline std::optional<Position> to_position(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto epoch = to_number<std::uint64_t>(text.substr(0, dash));
  const auto seq = to_number<std::uint64_t>(text.substr(dash + 1));
  if (!epoch || !seq) return std::nullopt;
  return Position{*epoch, *seq};
}

/// `<epoch>-<seq>.<index>`
inline std::optional<OrderId> to_order_id(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto at = to_position(text.substr(0, dot));
  const auto index = to_number<std::uint32_t>(text.substr(dot + 1));
  if (!at || at->epoch == 0 || !index) return std::nullopt;
  return OrderId{*at, *index};
}

}  // namespace flashsale::core
