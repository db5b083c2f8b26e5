/// Was the sale right? Every answer given, compared with every row in the database.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demo_crowd.hpp"

namespace cli {

struct Verdict {
  std::map<std::string, std::int64_t> booked;  ///< units by item, of the orders that were answered
  std::uint64_t persisted = 0;                 ///< rows
  std::int64_t oversold = 0;                   ///< units in the database beyond an item's total
  std::uint64_t lost = 0;         ///< orders answered that the database does not have as they were answered
  std::uint64_t doubled = 0;      ///< requests with a second order, in the answers or in the database
  std::uint64_t over_limit = 0;   ///< buyers with more units of an item than its limit
  std::uint64_t unexplained = 0;  ///< rows that no answer speaks of, though every one of their attempts was answered
  std::uint64_t set_aside = 0;    ///< orders that the worker could not place
  std::int64_t adrift = 0;        ///< units by which Redis' own count differs from the database's
  bool right() const {
    return oversold == 0 && lost == 0 && doubled == 0 && over_limit == 0 && unexplained == 0 && set_aside == 0 &&
           adrift == 0;
  }
};

/// `status` is the sale as Redis has it after the worker was drained.
Verdict check(const DemoSize& size, const std::vector<DemoAttempt>& attempts, const flashsale::SaleStatus& status,
              flashsale::OrderSink& sink);

}  // namespace cli
