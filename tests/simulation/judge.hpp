/// Holds what everybody heard of a simulated night against what the database and Redis have in the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flashsale/stock_gate.hpp"
#include "simulation/network.hpp"
#include "support/memory_sink.hpp"

namespace flashsale::simulation {

inline constexpr const char* kSale = "spring";
inline constexpr std::uint32_t kBuyerOrders = 3;  // one less than the requests that a buyer may make

struct ItemTerms {
  std::string item;
  std::int64_t units, limit;
};

/// What was asked and what was heard.
struct Heard {
  Verb verb;
  std::string buyer, request, item;
  std::uint32_t quantity;
  Result<Answer> answer;
  std::int64_t from_ms, until_ms;
  std::size_t gate = 0;
  std::optional<OrderId> written;  // what the database had for it before it was asked

  std::pair<std::string, std::string> key() const { return {buyer, request}; }
  bool is(Outcome outcome) const { return answer && answer->outcome == outcome; }
  /// Certainly nothing was won by this call.
  bool says_no() const {
    if (answer) return !answer->order;
    return answer.error().effect == Effect::none && answer.error().code != ErrorCode::conflict;
  }
};

/// A night that has come to rest. `lasting_receipts`: by gate, whether it kept receipts and its process was never
/// killed.
struct Night {
  const Network& network;
  const std::vector<Heard>& history;
  const std::vector<ItemTerms>& items;
  milliseconds hold{};
  const std::vector<bool>& lasting_receipts;
  bool unheard_restock = false;       ///< units were added, and nobody knows whether the database heard of it
  std::uint64_t receipts_missed = 0;  ///< counted by the library as lost, or as dropped for want of room
};

/// What is wrong with it; empty: every invariant holds.
std::vector<std::string> judge(const Night& night, const test::MemoryRows& rows);

}  // namespace flashsale::simulation
