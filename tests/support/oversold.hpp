/// A sale that Redis oversold, as its database found.
#pragma once

#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "engine/journal_applier.hpp"
#include "support/served_sale.hpp"

namespace flashsale::test {

/// Three units for sale and five sold: the last two were set aside as OVERSOLD, and the sale was paused.
struct Oversold {
  explicit Oversold(std::int64_t hold_ms = 0) : sale(redis, terms(hold_ms)) {
    redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "5"});
    sale.sell_to_crowd("a", 5, 5);
    REQUIRE(engine::apply_until(sale.pool, sale.sink, sale.id, {1, 1}, soon()));
    redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "3"});
    REQUIRE(sale.dead().size() == 2);
  }
  static ServedTerms terms(std::int64_t hold_ms) {
    ServedTerms terms;
    terms.items = {{"shoe", 3, 5, 0}};
    terms.hold_ms = hold_ms;
    return terms;
  }
  OrderId dead_id(std::size_t i) { return sale.dead().at(i).order.id; }
  std::string record(const std::string& buyer) { return sale.hash(core::Keys(sale.id).buyers)[buyer]; }

  PrivateRedis redis;
  ServedSale sale;
};

}  // namespace flashsale::test
