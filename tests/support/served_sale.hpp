/// A sale that is in a private Redis and in a database of its own, sold by reserve.lua itself: what applier, worker and
/// reconcile tests start from. It remembers every order that was won. The database is an SQLite file, or, with
/// FLASHSALE_TEST_DB=postgres, one of a private server: every such test runs over both.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {

/// 30 s from now: no test waits for it.
Deadline soon();

struct ServedTerms {
  std::vector<ItemRow> items{{"shoe", 100, 5, 0}};
  SaleState state = SaleState::open;
  std::int64_t hold_ms = 0;
  std::int64_t probe_ms = 1;  ///< so that a reopened sale sells at once
  std::string db_url{};       ///< empty: a database of its own
};

/// A purchase: buyer, request, item's index from 1, quantity.
struct Wish {
  std::string buyer;
  std::string request;
  std::size_t item = 1;
  std::uint32_t quantity = 1;
};

class ServedSale {
 public:
  explicit ServedSale(PrivateRedis& redis, ServedTerms terms = {}, std::string id = "spring");
  ~ServedSale();

  /// Looks for the sale at another server from now on.
  void move_to(PrivateRedis& redis);

  /// One batch through reserve.lua: a letter for each wish, or the verdict if it is not `ok`.
  std::string sell(const std::vector<Wish>& wishes);
  /// `count` buyers `<prefix><n>`, one unit each, in batches of `batch`.
  void sell_to_crowd(std::string_view prefix, std::size_t count, std::size_t batch = 7);
  /// control.lua with this act; its verdict.
  std::string act(std::string_view name, std::string_view opens_ms = "", std::string_view closes_ms = "");
  std::string restock(std::string_view operation, std::int64_t units);

  std::string meta(std::string_view field);
  std::map<std::string, std::string> hash(const std::string& key);
  Position watermark_in_redis();

  SaleRow row();
  std::vector<OrderRow> orders();
  std::vector<DeadRow> dead();
  /// Writes the row as `change` leaves it.
  template <class Change>
  void change_row(Change change) {
    SaleRow row_now = row();
    change(row_now);
    put_row(row_now);
  }

  /// The database has exactly what was won, but for `lost` orders of it: none twice, none that nobody won.
  /// Its counts agree with its orders.
  void check_database(std::size_t lost = 0);

  PrivateRedis& redis() { return *redis_; }
  const std::string& db_url() const { return db_url_; }
  /// Another database of the same kind, empty.
  std::string other_database();

  const std::string id;
  std::shared_ptr<ConnectionPool> pool;
  std::shared_ptr<OrderSink> sink;
  std::map<std::string, Wish> won;  ///< by order id

 private:
  void create(const ServedTerms& terms);
  void put_row(const SaleRow& row);

  PrivateRedis* redis_;
  const ServedTerms terms_;  // as created: selling needs no database
  std::string dir_;
  std::string db_url_;
};

/// A sink on the same database that another process or thread would open.
std::shared_ptr<OrderSink> open_sink(const std::string& url);

}  // namespace flashsale::test
