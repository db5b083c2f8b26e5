/// What a sale is made of: checked, written as a row, compared with what is there, and as arguments of create.lua.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/checks.hpp"
#include "core/sale_meta.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/sale_controller.hpp"

namespace flashsale::engine {

inline constexpr std::int64_t kTimeMax = 253'402'300'799'999;  ///< opens_ms, closes_ms: the end of the year 9999

/// The first thing wrong with the terms of `sale`.
core::Defect check_terms(const Sale& sale);
/// The first thing wrong with a schedule; closes_ms 0 is never.
core::Defect check_schedule(std::optional<std::int64_t> opens_ms, std::optional<std::int64_t> closes_ms);

/// The row of a sale that is about to be made, in state `creating`.
SaleRow row_of(const Sale& sale);
/// The terms that Redis has, as such a row.
SaleRow row_of(const core::SaleMeta& meta);

/// True if both have the same items, limits, hold and probe times, replicas and orders a buyer.
bool same_terms(const SaleRow& left, const SaleRow& right);
bool same_totals(const SaleRow& left, const SaleRow& right);
bool same_schedule(const SaleRow& left, const SaleRow& right);

/// The state that a new sale begins in: `open` if it has an opening time, for the schedule then decides.
inline SaleState first_state(const SaleRow& row) { return row.opens_ms > 0 ? SaleState::open : SaleState::created; }

/// ARGV of create.lua. `epoch` "0" lets Redis choose; `sink_id` is empty in list mode.
std::vector<std::string> create_arguments(const SaleRow& row, QueueMode queue, std::string_view epoch,
                                          std::string_view sink_id);

}  // namespace flashsale::engine
