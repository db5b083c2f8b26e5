/// Tells Redis what the database has. PROTOCOL section 5.
#pragma once

#include <string_view>

#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// Reads the watermark and every order set aside whose fate Redis was not told in one transaction; tells Redis of
/// those, then of the watermark, which trims the journal; then marks the dead as told. Whoever waits for the watermark
/// thus finds the dead. Repeating it is harmless. Success where somebody was faster or the fence is closed: the next
/// look at the sale finds out. Errors: the pool's and the sink's, and unsupported.
Result<Done> settle(ConnectionPool& pool, OrderSink& sink, std::string_view sale, Deadline deadline);

}  // namespace flashsale::engine
