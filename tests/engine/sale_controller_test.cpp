// The operator's side, against a real Redis and an SQLite file.
#include "flashsale/sale_controller.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "core/keyspace.hpp"
#include "engine/journal_applier.hpp"
#include "engine/reconcile.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"
#include "support/hand_carried_pool.hpp"
#include "support/private_redis.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};
const ItemId kPhone{"phone"}, kCase{"case"};
constexpr std::int64_t kSomeDay = 4'000'000'000'000;  // 2096: after every run of this test

Sale spring() {
  Sale sale = Sale{kSale}.item(kPhone, 10, 2).item(kCase, 5, 1);
  sale.probe = milliseconds{10};
  return sale;
}

Sale spring_list() {
  Sale sale = spring();
  sale.queue = QueueMode::list;
  return sale;
}

template <class T>
void check_ok(const Result<T>& result) {
  CHECK_MESSAGE(result, (result ? "" : to_string(result.error())));
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

template <class T>
bool says(const Result<T>& result, std::string_view words) {
  return !result && result.error().detail.find(words) != std::string::npos;
}

/// A Redis, a database and a controller over both.
struct Office {
  Office() : pool(make_pool(redis.url()).value()) {
    std::string path = (std::filesystem::temp_directory_path() / "flashsale-control-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
    dir = path;
    sink = database("orders");
  }
  ~Office() {
    sink.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  std::shared_ptr<OrderSink> database(const std::string& stem) const {
    return sinks::make_sqlite_sink(dir + "/" + stem + ".db").value();
  }
  SaleController controller() const { return SaleController(pool, sink); }

  SaleRow row() const {
    auto transaction = sink->begin(OrderSink::Access::read, soon()).value();
    return transaction->lock_sale(kSale).value().value();
  }
  template <class Change>
  void change_row(Change change) const {
    auto transaction = sink->begin(OrderSink::Access::write, soon()).value();
    SaleRow changed = transaction->lock_sale(kSale).value().value();
    change(changed);
    REQUIRE(transaction->put_sale(changed));
    REQUIRE(transaction->commit());
  }
  std::string meta(std::string_view field) { return redis.command({"HGET", keys.meta, field}).text; }
  void lose_redis() { redis.command({"FLUSHALL"}); }
  /// The act in Redis alone: as if its controller had died before the database had it.
  void act_cut_off(const std::string& act) {
    run({"control", {keys.meta, keys.buyers, keys.journal}, {meta("epoch"), meta("uuid"), "", "", act, "", ""}, 2, 3});
  }
  void retire_cut_off() {
    run({"retire",
         {keys.meta, keys.buyers, keys.journal, keys.holds, keys.winners, keys.info, keys.ops, keys.orders,
          keys.consumers},
         {meta("epoch"), meta("uuid"), "", "", to_string(row().watermark)},
         2,
         3});
  }
  void restock_cut_off(const std::string& item, const std::string& units) {
    run({"restock",
         {keys.meta, keys.buyers, keys.journal, keys.ops},
         {meta("epoch"), meta("uuid"), "", "", item, units, "cut-off"},
         2,
         3});
  }
  void run(const engine::ScriptCall& call) const {
    const auto answer = engine::run_script(*pool, kSale.text(), call, soon());
    REQUIRE(answer);
    REQUIRE(answer->verdict() == "ok");
  }
  void carry_journal() const {
    engine::JournalApplier applier(pool, sink, std::string(kSale.text()));
    while (!applier.step(soon()).value().caught_up) {
    }
  }
  Outcome buy(std::string_view buyer) const {
    Call call{kSale, kPhone, BuyerId{buyer}, RequestId{"click"}};
    call.timeout = milliseconds{10'000};
    return StockGate(pool).reserve(call).value().outcome;
  }
  static Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(30); }

  const core::Keys keys{kSale.text()};
  PrivateRedis redis{{"--enable-debug-command", "yes"}};
  std::shared_ptr<ConnectionPool> pool;
  std::string dir;
  std::shared_ptr<OrderSink> sink;
};

}  // namespace

TEST_CASE("create checks every term, and names the field and its bound") {
  SaleController sales(make_pool("redis://127.0.0.1:1").value());
  const auto refused = [&](const Sale& sale, std::string_view words) {
    const auto result = sales.create(sale);
    INFO(words);
    CHECK(code_of(result) == ErrorCode::invalid_argument);
    CHECK(says(result, words));
  };
  const auto with = [](auto change) {
    Sale sale = spring();
    change(sale);
    return sale;
  };
  refused(with([](Sale& s) { s.id = "a b"; }), "sale must consist of");
  refused(with([](Sale& s) { s.items.clear(); }), "items must be 1 to 64, is 0");
  refused(with([](Sale& s) { s.items.resize(65, s.items[0]); }), "items must be 1 to 64, is 65");
  refused(with([](Sale& s) { s.item(kPhone, 1, 1); }), "item phone is there twice");
  refused(with([](Sale& s) { s.item(ItemId{"a:b"}, 1, 1); }), "item must consist of");
  refused(with([](Sale& s) { s.items[0].total = -1; }), "units of item phone must be 0 to 2147483647, is -1");
  refused(with([](Sale& s) { s.items[0].total = kUnitsMax + 1; }), "units of item phone");
  refused(with([](Sale& s) { s.items[1].limit = 0; }), "limit of item case must be 1 to 1000000, is 0");
  refused(with([](Sale& s) { s.items[1].limit = 1'000'001; }), "limit of item case");
  refused(with([](Sale& s) { s.opens_ms = 0; }), "opens_ms must be 1 to");
  refused(with([](Sale& s) { s.closes_ms = -1; }), "closes_ms must be 0 to");
  refused(with([](Sale& s) { s.opens_ms = s.closes_ms = 5; }), "closes_ms must be after opens_ms");
  refused(with([](Sale& s) { s.hold = milliseconds{-1}; }), "hold in ms must be 0 to 2592000000, is -1");
  refused(with([](Sale& s) { s.hold = std::chrono::hours{24 * 30} + milliseconds{1}; }), "hold in ms");
  refused(with([](Sale& s) { s.probe = milliseconds{9}; }), "probe in ms must be 10 to 5000, is 9");
  refused(with([](Sale& s) { s.probe = milliseconds{5001}; }), "probe in ms");
  refused(with([](Sale& s) { s.replicas = 17; }), "replicas must be 0 to 16, is 17");
  refused(with([](Sale& s) { s.buyer_orders_max = 0; }), "buyer_orders_max must be 1 to 64, is 0");
  refused(with([](Sale& s) { s.buyer_orders_max = 65; }), "buyer_orders_max");
  refused(with([](Sale& s) { s.queue = QueueMode::list, s.hold = milliseconds{5}; }), "hold must be 0 ms in list mode");
}

TEST_CASE("create needs a database in journal mode") {
  SaleController sales(make_pool("redis://127.0.0.1:1").value());
  CHECK(code_of(sales.create(spring())) == ErrorCode::unsupported);
}

TEST_CASE("create writes the same sale to the database and to Redis, and the marker is the database's watermark") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const SaleRow row = office.row();
  CHECK(row.state == SaleState::created);
  CHECK(row.uuid == office.meta("uuid"));
  CHECK(row.watermark == Position{1, 0});
  CHECK(row.link == office.meta("link"));
  CHECK(row.fence_epoch == 1);
  CHECK(office.meta("sink") == office.sink->id(Office::soon()).value());
  const auto status = sales.status(kSale).value();
  CHECK(status.phase() == "not_started");
  CHECK(status.items.at(1).item == "case");
  CHECK(status.items.at(1).total == 5);
  CHECK(status.waiting == 0);
  CHECK_FALSE(status.fenced);
}

TEST_CASE("create with equal terms repeats itself, with others it is a conflict") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const auto uuid = office.meta("uuid");
  check_ok(sales.create(spring()));
  Sale other = spring();
  other.items[0].limit = 3;
  CHECK(code_of(sales.create(other)) == ErrorCode::conflict);
  other = spring();
  other.items[0].total = 11;
  CHECK(code_of(sales.create(other)) == ErrorCode::conflict);
  check_ok(sales.open(kSale));
  check_ok(sales.restock(kSale, kPhone, 5, OperationId{"more"}));
  check_ok(sales.create(spring()));
  CHECK(office.meta("uuid") == uuid);
  CHECK(office.meta("total:1") == "15");
}

TEST_CASE("create that was cut off before Redis is finished by the next with equal terms") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const auto uuid = office.row().uuid;
  office.lose_redis();
  office.change_row([](SaleRow& row) { row.state = SaleState::creating, row.watermark = {}, row.link.clear(); });
  Sale other = spring();
  other.opens_ms = kSomeDay;
  CHECK(code_of(sales.create(other)) == ErrorCode::conflict);
  CHECK(code_of(sales.open(kSale)) == ErrorCode::not_found);
  check_ok(sales.create(spring()));
  CHECK(office.row().uuid == uuid);
  CHECK(office.meta("uuid") == uuid);
  CHECK(office.row().state == SaleState::created);
  check_ok(sales.open(kSale));
}

TEST_CASE("create that was cut off behind Redis is finished too; until then the sale takes no act") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const auto link = office.row().link;
  // And somebody without this check opened it, so that Redis' link is not the marker's any more.
  office.change_row([](SaleRow& row) { row.state = SaleState::creating, row.watermark = {}, row.link.clear(); });
  office.act_cut_off("open");
  const auto refused = sales.pause(kSale);
  CHECK(code_of(refused) == ErrorCode::conflict);
  CHECK(says(refused, "create it again"));
  check_ok(sales.create(spring()));
  CHECK(office.row().watermark == Position{1, 0});
  CHECK(office.row().link == link);
  check_ok(sales.pause(kSale));
  CHECK(office.row().state == SaleState::paused);
}

TEST_CASE("create answers lost where the database has the sale and Redis has not; so does every act") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  office.lose_redis();
  CHECK(code_of(sales.create(spring())) == ErrorCode::lost);
  CHECK(code_of(sales.open(kSale)) == ErrorCode::lost);
  CHECK(code_of(sales.status(kSale)) == ErrorCode::lost);
  CHECK(code_of(sales.restock(kSale, kPhone, 1, OperationId{"a"})) == ErrorCode::lost);
  check_ok(sales.reconcile(kSale, Office::soon()));
  check_ok(sales.open(kSale));
  CHECK(sales.status(kSale).value().at.epoch == 2);
}

TEST_CASE("create finds a sale of another database in Redis, and leaves it alone") {
  Office office;
  check_ok(office.controller().create(spring()));
  const auto uuid = office.meta("uuid");
  SaleController other(office.pool, office.database("other"));
  CHECK(code_of(other.create(spring())) == ErrorCode::conflict);
  CHECK(code_of(other.open(kSale)) == ErrorCode::conflict);
  CHECK(office.meta("uuid") == uuid);
  CHECK(office.meta("state") == "created");
}

TEST_CASE("create with an opening time opens by itself") {
  Office office;
  auto sales = office.controller();
  Sale sale = spring();
  sale.opens_ms = kSomeDay;
  sale.closes_ms = kSomeDay + 1;
  check_ok(sales.create(sale));
  CHECK(office.row().state == SaleState::open);
  CHECK(sales.status(kSale).value().phase() == "not_started");
  check_ok(sales.schedule(kSale, 1, std::nullopt));
  CHECK(sales.status(kSale).value().phase() == "open");
  check_ok(sales.schedule(kSale, std::nullopt, 2));
  CHECK(sales.status(kSale).value().phase() == "ended");
}

TEST_CASE("acts are in the database when they return, and tell from which states they come") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const auto early = sales.pause(kSale);
  CHECK(code_of(early) == ErrorCode::conflict);
  CHECK(says(early, "sale spring is created; pause needs it open or draining"));
  const auto expect = [&](Result<Done> result, SaleState state) {
    check_ok(result);
    CHECK(office.row().state == state);
    CHECK(office.row().watermark == sales.status(kSale).value().at);
  };
  expect(sales.open(kSale), SaleState::open);
  expect(sales.pause(kSale), SaleState::paused);
  expect(sales.pause(kSale), SaleState::paused);
  CHECK(office.row().watermark == Position{1, 2});
  CHECK(code_of(sales.open(kSale)) == ErrorCode::conflict);
  expect(sales.resume(kSale), SaleState::open);
  expect(sales.drain(kSale), SaleState::draining);
  CHECK(sales.status(kSale).value().phase() == "draining");
  expect(sales.resume(kSale), SaleState::open);
  expect(sales.close(kSale), SaleState::closed);
  CHECK(code_of(sales.resume(kSale)) == ErrorCode::conflict);
}

TEST_CASE("an act that found the sale already so carries the journal up to the act that made it so") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  CHECK(office.buy("ann") == Outcome::reserved);
  office.act_cut_off("pause");
  CHECK(office.row().state == SaleState::open);
  check_ok(sales.pause(kSale));
  CHECK(office.row().state == SaleState::paused);
  CHECK(office.row().watermark == Position{1, 3});
}

TEST_CASE("open, resume and restock return once a gate sells") {
  Office office;
  auto sales = office.controller();
  Sale sale = spring();
  sale.items[0].total = 1;
  check_ok(sales.create(sale));
  check_ok(sales.open(kSale));
  CHECK(office.buy("ann") == Outcome::reserved);
  check_ok(sales.pause(kSale));
  CHECK(office.buy("bob") == Outcome::paused);
  check_ok(sales.resume(kSale));
  CHECK(office.buy("bob") == Outcome::sold_out);
  check_ok(sales.restock(kSale, kPhone, 1, OperationId{"more"}));
  CHECK(office.buy("bob") == Outcome::reserved);
}

TEST_CASE("restock counts once for each operation, in Redis and in the database") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.restock(kSale, kCase, 5, OperationId{"more"}));
  check_ok(sales.restock(kSale, kCase, 5, OperationId{"more"}));
  CHECK(office.row().items.at(1).total == 10);
  CHECK(code_of(sales.restock(kSale, kCase, 6, OperationId{"more"})) == ErrorCode::conflict);
  CHECK(code_of(sales.restock(kSale, kPhone, 5, OperationId{"more"})) == ErrorCode::conflict);
  check_ok(sales.restock(kSale, kCase, -10, OperationId{"all"}));
  CHECK(code_of(sales.restock(kSale, kCase, -1, OperationId{"below"})) == ErrorCode::conflict);
  CHECK(office.row().items.at(1).total == 0);
  CHECK(sales.status(kSale).value().items.at(1).total == 0);
}

TEST_CASE("restock, schedule and preload name what is out of bounds") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  const auto units = [&](std::int64_t count) { return sales.restock(kSale, kPhone, count, OperationId{"a"}); };
  CHECK(code_of(units(0)) == ErrorCode::invalid_argument);
  CHECK(says(units(kUnitsMax + 1), "units must be -2147483647 to 2147483647 and not 0, is 2147483648"));
  CHECK(code_of(units(-kUnitsMax - 1)) == ErrorCode::invalid_argument);
  CHECK(code_of(units(kUnitsMax)) == ErrorCode::conflict);
  CHECK(code_of(sales.restock(kSale, kPhone, 1, OperationId{"a b"})) == ErrorCode::invalid_argument);
  CHECK(code_of(sales.restock(kSale, ItemId{"none"}, 1, OperationId{"a"})) == ErrorCode::not_found);
  CHECK(code_of(sales.restock(SaleId{"none"}, kPhone, 1, OperationId{"a"})) == ErrorCode::not_found);
  CHECK(code_of(sales.schedule(kSale, -1, std::nullopt)) == ErrorCode::invalid_argument);
  CHECK(code_of(sales.schedule(kSale, 9, 8)) == ErrorCode::invalid_argument);
  CHECK(code_of(sales.preload(kSale, kPhone, std::string(kInfoBytesMax + 1, 'x'))) == ErrorCode::invalid_argument);
  CHECK(code_of(sales.preload(kSale, ItemId{"none"}, "x")) == ErrorCode::not_found);
  CHECK(code_of(sales.open(SaleId{""})) == ErrorCode::invalid_argument);
}

TEST_CASE("preload stores facts that info gives back, in the order of the sale's items") {
  Office office;
  auto sales = office.controller();
  CHECK(code_of(sales.info(kSale)) == ErrorCode::not_found);
  check_ok(sales.create(spring()));
  CHECK(sales.info(kSale).value().empty());
  const std::string facts("{\"price\": 1}\0\n", 14);
  check_ok(sales.preload(kSale, kCase, "old"));
  check_ok(sales.preload(kSale, kCase, facts));
  check_ok(sales.preload(kSale, kPhone, std::string(kInfoBytesMax, 'x')));
  const auto infos = sales.info(kSale).value();
  REQUIRE(infos.size() == 2);
  CHECK(infos[0].first == "phone");
  CHECK(infos[1] == std::pair<std::string, std::string>{"case", facts});
}

TEST_CASE("acts need the database of a journal mode sale, and say so") {
  Office office;
  check_ok(office.controller().create(spring()));
  SaleController blind(office.pool);
  CHECK(code_of(blind.open(kSale)) == ErrorCode::unsupported);
  CHECK(code_of(blind.retire(kSale)) == ErrorCode::unsupported);
  CHECK(code_of(blind.reconcile(kSale, Office::soon())) == ErrorCode::unsupported);
  CHECK(code_of(blind.reopen_accepting_loss(kSale, Office::soon())) == ErrorCode::unsupported);
  CHECK(office.meta("state") == "created");
  check_ok(blind.status(kSale));
  check_ok(blind.preload(kSale, kPhone, "facts"));
}

TEST_CASE("acts are refused while Redis' history is another one, and work again once reconciled") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  office.redis.command({"DEBUG", "CHANGE-REPL-ID"});
  const auto refused = sales.pause(kSale);
  CHECK(code_of(refused) == ErrorCode::refused);
  CHECK(says(refused, "reconcile first"));
  auto status = sales.status(kSale).value();
  CHECK(status.fenced);
  CHECK(status.state == SaleState::open);
  CHECK(status.phase() == "paused");
  check_ok(sales.reconcile(kSale, Office::soon()));
  status = sales.status(kSale).value();
  CHECK_FALSE(status.fenced);
  CHECK(status.phase() == "open");
  check_ok(sales.pause(kSale));
}

TEST_CASE("half a sale is fenced, never unknown") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  office.redis.command({"DEL", office.keys.meta});
  CHECK(code_of(sales.open(kSale)) == ErrorCode::refused);
  CHECK(code_of(sales.status(kSale)) == ErrorCode::refused);
}

TEST_CASE("status answers while a reconcile is under way, and calls the sale fenced") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  office.redis.command({"HSET", office.keys.meta, "rec", "2 somebody", "hist", "-"});
  CHECK(sales.status(kSale).value().fenced);
  CHECK(code_of(sales.open(kSale)) == ErrorCode::refused);
  check_ok(sales.info(kSale));
}

TEST_CASE("status counts what waits for the database") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  office.buy("ann");
  office.buy("bob");
  auto status = sales.status(kSale).value();
  CHECK(status.at == Position{1, 3});
  CHECK(status.watermark == Position{1, 1});
  CHECK(status.waiting == 2);
  CHECK(status.items.at(0).booked == 2);
  office.carry_journal();
  CHECK(sales.status(kSale).value().waiting == 0);
}

TEST_CASE("retire waits for the close and for the last order, then the id is never used again") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  CHECK(says(sales.retire(kSale), "open, not closed"));
  check_ok(sales.close(kSale));
  office.restock_cut_off("1", "1");
  CHECK(code_of(sales.retire(kSale)) == ErrorCode::conflict);
  office.carry_journal();
  check_ok(sales.retire(kSale));
  CHECK(office.row().state == SaleState::retired);
  CHECK(office.redis.command({"DBSIZE"}).integer == 0);
  check_ok(sales.retire(kSale));
  CHECK(code_of(sales.create(spring())) == ErrorCode::conflict);
  CHECK(code_of(sales.open(kSale)) == ErrorCode::not_found);
}

TEST_CASE("retire that was cut off behind the database is finished by the next") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.close(kSale));
  office.change_row([](SaleRow& row) { row.state = SaleState::retired; });
  office.redis.command({"DEBUG", "CHANGE-REPL-ID"});
  check_ok(sales.retire(kSale));
  CHECK(office.redis.command({"DBSIZE"}).integer == 0);
}

TEST_CASE("a sale that is being reconciled is not retired") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.close(kSale));
  SUBCASE("the database says so") {
    office.change_row([](SaleRow& row) { row.rec_uuid = "somebody"; });
    CHECK(code_of(sales.retire(kSale)) == ErrorCode::conflict);
  }
  SUBCASE("Redis says so") {
    office.redis.command({"HSET", office.keys.meta, "rec", "2 somebody"});
    CHECK(code_of(sales.retire(kSale)) == ErrorCode::refused);
  }
  CHECK(office.row().state == SaleState::closed);
  CHECK(office.redis.command({"EXISTS", office.keys.meta, office.keys.buyers, office.keys.journal}).integer == 3);
}

TEST_CASE("retire that was cut off before the database is undone by a reconcile, and confirms go on") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  CHECK(office.buy("ann") == Outcome::reserved);
  check_ok(sales.close(kSale));
  office.carry_journal();
  office.retire_cut_off();
  StockGate gate(office.pool);
  const OrderKey ann{kSale, BuyerId{"ann"}, RequestId{"click"}};
  CHECK(gate.confirm(ann, {milliseconds{0}, Level::primary})->outcome == Outcome::paused);
  REQUIRE(engine::reconcile(office.pool, office.sink, "spring", Office::soon()));
  CHECK(sales.status(kSale)->state == SaleState::closed);
  CHECK(gate.confirm(ann, {milliseconds{0}, Level::primary})->outcome == Outcome::confirmed);
  CHECK(code_of(sales.retire(kSale)) == ErrorCode::conflict);
  office.carry_journal();
  check_ok(sales.retire(kSale));
}

TEST_CASE("list mode sales live in Redis alone, with the same acts") {
  Office office;
  SaleController sales(office.pool);
  check_ok(sales.create(spring_list()));
  const auto epoch = office.meta("epoch");
  check_ok(sales.create(spring_list()));
  CHECK(office.meta("epoch") == epoch);
  Sale other = spring_list();
  other.items[0].total = 11;
  CHECK(code_of(sales.create(other)) == ErrorCode::conflict);
  check_ok(sales.open(kSale));
  CHECK(office.buy("ann") == Outcome::reserved);
  check_ok(sales.restock(kSale, kPhone, 1, OperationId{"more"}));
  check_ok(sales.create(spring_list()));
  const auto status = sales.status(kSale).value();
  CHECK(status.waiting == 1);
  CHECK(status.watermark == Position{});
  CHECK(status.items.at(0).total == 11);
  check_ok(sales.close(kSale));
  CHECK(code_of(sales.retire(kSale)) == ErrorCode::conflict);
  office.redis.command({"DEL", office.keys.orders});
  check_ok(sales.retire(kSale));
  CHECK(code_of(sales.open(kSale)) == ErrorCode::not_found);
  check_ok(sales.create(spring_list()));
}

TEST_CASE("a list mode sale that lost its history goes on where the operator accepts the loss") {
  Office office;
  SaleController sales(office.pool);
  check_ok(sales.create(spring_list()));
  check_ok(sales.open(kSale));
  CHECK(office.buy("ann") == Outcome::reserved);
  const auto epoch = sales.status(kSale).value().at.epoch;
  office.redis.command({"DEBUG", "CHANGE-REPL-ID"});
  CHECK(code_of(sales.pause(kSale)) == ErrorCode::refused);
  check_ok(sales.reopen_accepting_loss(kSale, Office::soon()));
  CHECK(sales.status(kSale).value().at.epoch > epoch);
  check_ok(sales.pause(kSale));
}

TEST_CASE("acts on a Redis that is not there end at the controller's timeout, with effect none") {
  ControllerOptions options;
  options.timeout = milliseconds{30};
  SaleController sales(make_pool("redis://127.0.0.1:1").value(), nullptr, options);
  for (const auto& result : {sales.open(kSale), sales.close(kSale), sales.create(spring_list())}) {
    REQUIRE_FALSE(result);
    CHECK(result.error().effect == Effect::none);
    CHECK(result.error().retryable());
  }
}

TEST_CASE("an act whose first copy may have been run says unknown, also where Redis refuses the copy after it") {
  Office office;
  auto sales = office.controller();
  check_ok(sales.create(spring()));
  check_ok(sales.open(kSale));
  bool lost = false;
  const auto pool = std::make_shared<HandCarriedPool>([&](const std::vector<Command>& commands) {
    RoundTrip trip = carry_to(office.redis, commands);
    if (lost || !runs(commands, "control")) return trip;
    lost = true;
    office.act_cut_off("close");  // by somebody else, between the two
    return lost_reply();
  });
  SaleController unlucky(pool, office.sink);
  const auto paused = unlucky.pause(kSale);
  CHECK(code_of(paused) == ErrorCode::conflict);
  CHECK(paused.error().effect == Effect::unknown);
  const auto again = unlucky.pause(kSale);
  CHECK(code_of(again) == ErrorCode::conflict);
  CHECK(again.error().effect == Effect::none);
}

TEST_CASE("a status is phased as the gate answers") {
  SaleStatus status;
  status.now_ms = 100;
  const auto phase = [&](SaleState state, std::int64_t opens, std::int64_t closes) {
    status.state = state, status.opens_ms = opens, status.closes_ms = closes;
    return status.phase();
  };
  CHECK(phase(SaleState::created, 0, 0) == "not_started");
  CHECK(phase(SaleState::open, 101, 0) == "not_started");
  CHECK(phase(SaleState::open, 100, 0) == "open");
  CHECK(phase(SaleState::open, 0, 101) == "open");
  CHECK(phase(SaleState::open, 0, 100) == "ended");
  CHECK(phase(SaleState::paused, 0, 100) == "ended");
  CHECK(phase(SaleState::paused, 101, 0) == "paused");
  CHECK(phase(SaleState::draining, 0, 0) == "draining");
  CHECK(phase(SaleState::closed, 0, 0) == "ended");
}
