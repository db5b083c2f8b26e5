/// What SaleController::audit finds: Redis beside the database, by one sum an item.
///
///   total = available + held + confirmed + dead + returning
///
/// `total` is the database's and `available` is Redis'; what is held, confirmed, set aside or on its way back is the
/// database's again. Where the right side is more, units are promised that there are not: OVERSOLD. Where it is less,
/// units are neither for sale nor anybody's: LEAKED.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flashsale/types.hpp"

namespace flashsale {

/// What one order contributes to a difference, or what is wrong with it beside the units.
struct AuditOrder {
  OrderId order;                ///< which
  std::string buyer;            ///< whose
  std::string request;          ///< by which request
  std::string item;             ///< what
  std::int64_t difference = 0;  ///< units: more than 0 OVERSOLD, less LEAKED, 0: only its state differs
  std::string why;              ///< both sides, in a line for a person
};

/// One item's sum. All in units.
struct AuditItem {
  std::string item;            ///< which
  std::int64_t total = 0;      ///< as the database has it
  std::int64_t available = 0;  ///< Redis' total less what it has booked; below 0 while it owes units
  std::int64_t held = 0;       ///< reserved
  std::int64_t confirmed = 0;  ///< bought
  std::int64_t dead = 0;       ///< set aside, and nothing decided
  std::int64_t returning = 0;  ///< given back in the database, not yet for sale in Redis
  /// More than 0: OVERSOLD by so much; less: LEAKED.
  std::int64_t difference() const { return available + held + confirmed + dead + returning - total; }
};

/// What an audit found.
struct AuditReport {
  std::string sale;                ///< which
  Position at;                     ///< where both sides stood
  std::vector<AuditItem> items;    ///< in the order of create
  std::vector<AuditOrder> orders;  ///< those that differ, by buyer; at most kAuditOrdersMax
  std::uint64_t differing = 0;     ///< how many differ
  bool repaired = false;           ///< differences were found before, and Redis was rebuilt from the database

  /// True if nothing differs.
  bool is_sound() const {
    for (const AuditItem& item : items)
      if (item.difference() != 0) return false;
    return differing == 0;
  }
};

inline constexpr std::size_t kAuditOrdersMax = 1000;  ///< orders that one report names

}  // namespace flashsale
