#include "support/served_sale.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "core/keyspace.hpp"
#include "core/positions.hpp"
#include "core/reserve_codec.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/linked_sinks.hpp"
#include "flashsale/redis.hpp"
#include "support/private_postgres.hpp"
#include "util/deadline.hpp"

namespace flashsale::test {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string fresh_dir() {
  std::string path = (std::filesystem::temp_directory_path() / "flashsale-sale-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return path;
}

bool uses_postgres() {
  const char* database = std::getenv("FLASHSALE_TEST_DB");
  return database != nullptr && std::string_view(database) == "postgres";
}

}  // namespace

Deadline soon() { return util::Clock::now() + std::chrono::seconds(30); }

std::shared_ptr<OrderSink> open_sink(const std::string& url) {
  const bool is_postgres = url.rfind("postgresql:", 0) == 0;
  return std::shared_ptr<OrderSink>(must(is_postgres ? sinks::make_postgres_sink(url) : sinks::make_sqlite_sink(url)));
}

ServedSale::ServedSale(PrivateRedis& redis, ServedTerms terms, std::string sale_id)
    : id(std::move(sale_id)), redis_(&redis), terms_(std::move(terms)), dir_(fresh_dir()) {
  pool = must(make_pool(redis.url()));
  db_url_ = !terms_.db_url.empty() ? terms_.db_url
            : uses_postgres()      ? shared_postgres().fresh_database()
                                   : dir_ + "/orders.db";
  sink = open_sink(db_url_);
  create(terms_);
}

std::string ServedSale::other_database() {
  return uses_postgres() ? shared_postgres().fresh_database() : dir_ + "/other.db";
}

ServedSale::~ServedSale() {
  sink.reset();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void ServedSale::move_to(PrivateRedis& redis) {
  redis_ = &redis;
  pool = must(make_pool(redis.url()));
}

void ServedSale::create(const ServedTerms& terms) {
  const core::Keys keys(id);
  engine::ScriptCall call;
  call.script = "create";
  call.keys = {keys.meta, keys.buyers, keys.journal, keys.holds, keys.ops};
  call.arguments = {"1",
                    "u-" + id,
                    "",
                    "",
                    std::string(name(terms.state)),
                    "0",
                    "0",
                    std::to_string(terms.hold_ms),
                    std::to_string(terms.probe_ms),
                    "0",
                    "16",
                    "journal",
                    must(sink->id(soon()))};
  for (const ItemRow& item : terms.items)
    call.arguments.insert(call.arguments.end(), {item.item, std::to_string(item.total), std::to_string(item.limit)});
  call.not_after_at = 2;
  call.nonce_at = 3;
  const auto answer = must(engine::run_script(*pool, id, call, soon()));
  if (answer.verdict() != "ok") throw std::runtime_error("create.lua: " + std::string(answer.verdict()));
  SaleRow made;
  made.sale = id;
  made.state = terms.state;
  made.uuid = "u-" + id;
  made.hold_ms = terms.hold_ms;
  made.probe_ms = terms.probe_ms;
  made.buyer_orders_max = 16;
  made.fence_epoch = 1;
  made.watermark = {1, 0};
  made.link = answer.text(4);
  made.items = terms.items;
  put_row(made);
}

std::string ServedSale::sell(const std::vector<Wish>& wishes) {
  core::SaleTerms terms(id);
  terms.epoch = meta("epoch");
  terms.uuid = "u-" + id;
  terms.holds = terms_.hold_ms > 0;
  for (const ItemRow& item : terms_.items) terms.items.push_back(item.item);
  std::vector<core::Asked> asked;
  for (const Wish& wish : wishes)
    asked.push_back({wish.buyer, wish.request, terms.items[wish.item - 1], "payload", wish.quantity});
  must(engine::load_scripts(*pool, id, soon()));
  core::BatchEncoder encoder;
  const std::string nonce = "0123456789abcdef" + std::to_string(won.size());
  const auto replies = must(engine::run_commands(*pool, Role::primary, id,
                                                 {encoder.reserve(terms, asked, 9'999'999'999'999, nonce)}, soon()));
  const auto& fields = replies[0].elements;
  if (fields[1].text != "ok") return fields[1].text;
  for (std::size_t i = 0; i < wishes.size(); ++i)
    if (fields[4].text[i] == 'a') won[fmt::format("{}-{}.{}", terms.epoch, fields[3].text, i)] = wishes[i];
  return fields[4].text;
}

void ServedSale::sell_to_crowd(std::string_view prefix, std::size_t count, std::size_t batch) {
  for (std::size_t first = 0; first < count; first += batch) {
    std::vector<Wish> wishes;
    for (std::size_t i = first; i < std::min(count, first + batch); ++i)
      wishes.push_back({fmt::format("{}{}", prefix, i), "click"});
    const std::string letters = sell(wishes);
    REQUIRE(letters == std::string(wishes.size(), 'a'));
  }
}

std::string ServedSale::act(std::string_view act_name, std::string_view opens_ms, std::string_view closes_ms) {
  const core::Keys keys(id);
  engine::ScriptCall call{"control", {keys.meta, keys.buyers, keys.journal}, {}, 2, 3};
  call.arguments = {meta("epoch"),         "u-" + id, "", "", std::string(act_name), std::string(opens_ms),
                    std::string(closes_ms)};
  return std::string(must(engine::run_script(*pool, id, call, soon())).verdict());
}

std::string ServedSale::restock(std::string_view operation, std::int64_t units) {
  const core::Keys keys(id);
  engine::ScriptCall call{"restock", {keys.meta, keys.buyers, keys.journal, keys.ops}, {}, 2, 3};
  call.arguments = {meta("epoch"), "u-" + id, "", "", "1", std::to_string(units), std::string(operation)};
  return std::string(must(engine::run_script(*pool, id, call, soon())).verdict());
}

std::string ServedSale::meta(std::string_view field) {
  return redis_->command({"HGET", core::Keys(id).meta, field}).text;
}

std::map<std::string, std::string> ServedSale::hash(const std::string& key) {
  std::map<std::string, std::string> fields;
  const Reply reply = redis_->command({"HGETALL", key});
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2)
    fields[reply.elements[i].text] = reply.elements[i + 1].text;
  return fields;
}

Position ServedSale::watermark_in_redis() { return core::to_position(meta("watermark")).value_or(Position{}); }

SaleRow ServedSale::row() {
  auto transaction = must(sink->begin(OrderSink::Access::read, soon()));
  return must(transaction->lock_sale(SaleId{id})).value();
}

void ServedSale::put_row(const SaleRow& changed) {
  auto transaction = must(sink->begin(OrderSink::Access::write, soon()));
  must(transaction->put_sale(changed));
  must(transaction->commit());
}

std::vector<OrderRow> ServedSale::orders() {
  auto transaction = must(sink->begin(OrderSink::Access::read, soon()));
  return must(transaction->orders_by_buyer(SaleId{id}, "", 1'000'000));
}

std::vector<DeadRow> ServedSale::dead() {
  auto transaction = must(sink->begin(OrderSink::Access::read, soon()));
  return must(transaction->dead(SaleId{id}, false));
}

void ServedSale::check_database(std::size_t lost) {
  const auto rows = orders();
  std::map<std::string, std::int64_t> sold;
  std::size_t unknown = 0;
  for (const OrderRow& stored : rows) {
    const auto wish = won.find(to_string(stored.order.id));
    const bool same = wish != won.end() && wish->second.buyer == stored.order.buyer &&
                      wish->second.request == stored.order.request && wish->second.quantity == stored.order.quantity;
    unknown += same ? 0 : 1;
    sold[stored.order.item] += stored.order.quantity;
  }
  CHECK(unknown == 0);
  CHECK(rows.size() + dead().size() + lost == won.size());
  for (const ItemRow& item : row().items) {
    CHECK(item.sold == sold[item.item]);
    CHECK(item.sold <= item.total);
  }
}

}  // namespace flashsale::test
