/// What an open sale must answer, in forty lines: the rules of PROTOCOL section 3.4 with none of its machinery.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/reserve_codec.hpp"

namespace flashsale::test {

class SaleModel {
 public:
  struct Item {
    std::int64_t total = 0, limit = 0, booked = 0;
  };
  struct Won {
    std::string item;
    std::uint32_t quantity = 0;
    std::string payload;
    OrderId order;
  };

  SaleModel(std::map<std::string, Item> given, std::size_t orders_max_given)
      : items(std::move(given)), orders_max(orders_max_given) {}

  /// The letter of lua/reserve.lua for one request, which becomes `order` if it wins.
  char decide(const core::Asked& asked, OrderId order) {
    const std::string buyer(asked.buyer), item(asked.item);
    const std::pair<std::string, std::string> key{buyer, std::string(asked.request)};
    if (!is_id(asked.buyer) || !is_id(asked.request) || asked.quantity < 1 || asked.quantity > 1'000'000) return 'i';
    if (items.count(item) == 0) return 'n';
    if (const auto found = won.find(key); found != won.end())
      return found->second.item == item && found->second.quantity == asked.quantity ? 'R' : 'c';
    Item& stock = items[item];
    if (held[{buyer, item}] + asked.quantity > stock.limit || orders[buyer] >= orders_max) return 'l';
    if (stock.booked + asked.quantity > stock.total) return 's';
    stock.booked += asked.quantity;
    held[{buyer, item}] += asked.quantity;
    ++orders[buyer];
    won[key] = {item, asked.quantity, std::string(asked.payload), order};
    return 'a';
  }

  static bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
             std::string_view("_.:@-").find(static_cast<char>(c)) != std::string_view::npos;
    });
  }

  std::map<std::string, Item> items;
  std::size_t orders_max;
  std::map<std::pair<std::string, std::string>, Won> won;            ///< by buyer and request
  std::map<std::pair<std::string, std::string>, std::int64_t> held;  ///< by buyer and item
  std::map<std::string, std::size_t> orders;                         ///< by buyer
};

}  // namespace flashsale::test
