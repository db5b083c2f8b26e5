/// Programs of this folder that are killed at a named point while they work on a sale.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "flashsale/order_worker.hpp"
#include "support/process.hpp"
#include "support/served_sale.hpp"

namespace flashsale::test {

enum class End { killed, succeeded, failed };

/// Runs `program REDIS_URL DATABASE ARGUMENTS...` to its end, which is at `point` if it comes there.
inline End end_of(const std::string& program, ServedSale& sale, std::vector<std::string> arguments,
                  const std::string& point) {
  arguments.insert(arguments.begin(), {sale.redis().url(), sale.db_url()});
  Process process(std::string(FLASHSALE_BIN_DIR) + "/" + program, std::move(arguments),
                  {"FLASHSALE_CRASH_AT=" + point});
  REQUIRE(process.await_end(milliseconds{120'000}));
  return process.was_killed() ? End::killed : process.status() == 0 ? End::succeeded : End::failed;
}

/// A worker drains the sale, reconciling it first where that must be, and is killed at `point`.
inline bool is_worker_killed(ServedSale& sale, const std::string& point) {
  return end_of("crash_worker", sale, {sale.id}, point) == End::killed;
}

/// A healthy one does.
inline void finish_with_a_healthy_worker(ServedSale& sale) {
  OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
  const auto drained = worker.drain(soon());
  CHECK_MESSAGE(drained, (drained ? std::string() : to_string(drained.error())));
  CHECK(sale.watermark_in_redis() == sale.row().watermark);
  CHECK(sale.row().rec_uuid.empty());
}

}  // namespace flashsale::test
