/// A crowd of a few buyers that does whatever can be done to orders, at random, and knows what it must hear. Each actor
/// has buyers of its own, so that what it was told about them is all that ever happened to them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"

namespace flashsale::test {

/// What an actor knows of an order. `open`: reserved, unless its hold has run out.
enum class Life : char { open = 'r', confirmed = 'c', released = 'd', expired = 'e' };

struct LivedOrder {
  std::string item;
  std::uint32_t quantity = 0;
  Life life = Life::open;
};

/// By order id, buyer and request.
using Lives = std::map<std::string, std::pair<std::string, LivedOrder>>;

struct LifePlan {
  std::string sale = "spring";
  std::string name;  ///< its buyers are `<name>-<n>`
  std::uint64_t seed = 0;
  std::size_t acts = 1000;
  std::int64_t limit = 3;  ///< of each buyer and item, as the sale has it
  bool holds = true;       ///< a reserved order may be expired at any time
};

struct LifeReport {
  Lives lives;
  std::vector<std::string> complaints;  ///< what it heard and must not have
};

/// Acts until `plan.acts` were answered. Thread-safe: many actors share a pool.
LifeReport live(const std::shared_ptr<ConnectionPool>& pool, const LifePlan& plan);

/// One line an order: `<order> <buyer> <item> <quantity> <life>`; a complaint is a line that begins with `!`.
std::string to_lines(const LifeReport& report);
LifeReport from_lines(std::string_view lines);

}  // namespace flashsale::test
