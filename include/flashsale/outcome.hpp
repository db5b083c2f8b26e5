/// What a healthy sale answers every day.
#pragma once

#include <cstdint>
#include <string_view>

#include "flashsale/types.hpp"

namespace flashsale {

/// An answer. Every value is > 0, so zeroed memory never says "yours"; frozen once released and never reused.
enum class Outcome : std::int32_t {
  reserved = 1,           ///< of reserve: won just now
  already_reserved = 2,   ///< of reserve, resolve, status: this request won before; same order
  confirmed = 3,          ///< of confirm
  already_confirmed = 4,  ///< of confirm, release, reserve, resolve, status
  released = 5,           ///< of release
  already_released = 6,   ///< of release, confirm, reserve, resolve, status
  expired = 7,            ///< of every verb: the hold ran out; the units go back
  pending = 8,            ///< decided, but below the level asked for yet; has the order
  not_reserved = 9,       ///< of resolve, status, confirm, release: this request holds nothing
  dead = 10,              ///< the worker set this order aside, with a reason, for an operator
  not_started = 11,       ///< of reserve: see retry_after_ms
  paused = 12,            ///< of reserve: see reason and retry_after_ms
  ended = 13,             ///< of reserve
  limit_reached = 14,     ///< of reserve: the buyer would hold more than the item's limit, or too many orders
  sold_out = 15,          ///< of reserve: fewer units are left than asked for
};
std::string_view name(Outcome outcome);  ///< for instance "sold_out"

/// True if the buyer holds units by this outcome: reserved, already_reserved, confirmed, already_confirmed.
bool holds_stock(Outcome outcome);

/// Why a sale is paused.
enum class PauseReason : std::int32_t {
  none = 0,             ///< it is not
  operator_paused = 1,  ///< SaleController::pause
  fenced = 2,           ///< Redis lost its history: the worker reconciles
  draining = 3,         ///< SaleController::drain
};
std::string_view name(PauseReason reason);  ///< for instance "fenced"

/// The answer to one call. Plain data, owns all of it.
struct Answer {
  Outcome outcome{};                       ///< what was decided
  OrderId order{};                         ///< of every outcome that speaks of an order
  std::int64_t remaining = -1;             ///< units of the item left after the batch; -1 not told
  std::int64_t hold_until_ms = 0;          ///< Unix time in ms by Redis' clock; 0: no hold
  std::int64_t retry_after_ms = 0;         ///< not before that many ms can asking again help; 0: at will
  Level level = Level::primary;            ///< the level that this answer has reached
  PauseReason reason = PauseReason::none;  ///< of `paused`

  bool holds_stock() const { return flashsale::holds_stock(outcome); }  ///< whether the buyer holds units by it
};

}  // namespace flashsale
