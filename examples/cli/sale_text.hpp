/// A sale's status, for people and as JSON.
#pragma once

#include "session.hpp"

namespace cli {

Json to_json(const flashsale::SaleStatus& status);
std::string describe(const flashsale::SaleStatus& status);

/// `####------` of `width` characters; full only if `part` is all of `whole`.
std::string bar(std::int64_t part, std::int64_t whole, std::size_t width);

/// One line an item: its name, its bar, booked of total.
std::string item_line(const flashsale::SaleStatus::Item& item, std::size_t name_width);

/// Width that the names of `items` need.
std::size_t name_width(const std::vector<flashsale::SaleStatus::Item>& items);

}  // namespace cli
