/// The promises of order_sink.hpp, for any sink: call `check_sink_conformance` in a doctest TEST_CASE.
///
/// Every claim makes its own sale in the database that `make` gives, so that one database can serve all of them.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <tuple>

#include "sinks/sink_fixture.hpp"

namespace flashsale::sink_test {

inline void check_sales(const MakeSink& make) {
  SUBCASE("a sale comes back with every column") {
    SaleBed bed(make());
    SaleRow row{std::string(bed.id().text()),
                SaleState::draining,
                "uuid-1",
                1'700'000'000'123,
                1'700'000'000'456,
                789,
                51,
                2,
                17,
                5'000'000'000,
                {5'000'000'001, 6'000'000'002},
                "nonce",
                "claim",
                1'700'000'000'789,
                {}};
    row.items = {{"shoe", 2'147'483'647, 3, 0}, {"hat", 0, 1'000'000, 0}};
    bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
    const SaleRow back = bed.row();
    CHECK(back.sale == row.sale);
    CHECK(back.state == row.state);
    CHECK(back.uuid == row.uuid);
    CHECK(back.opens_ms == row.opens_ms);
    CHECK(back.closes_ms == row.closes_ms);
    CHECK(back.hold_ms == row.hold_ms);
    CHECK(back.probe_ms == row.probe_ms);
    CHECK(back.replicas == row.replicas);
    CHECK(back.buyer_orders_max == row.buyer_orders_max);
    CHECK(back.fence_epoch == row.fence_epoch);
    CHECK(back.watermark == row.watermark);
    CHECK(back.link == row.link);
    CHECK(back.rec_uuid == row.rec_uuid);
    CHECK(back.rec_beat_ms == row.rec_beat_ms);
    REQUIRE(back.items.size() == 2);
    CHECK(back.items[0].total == 2'147'483'647);
    CHECK(back.items[1].limit == 1'000'000);
  }
  SUBCASE("items keep their order and what was sold of them") {
    SaleBed bed(make());
    bed.insert({order_at(1, 0, "ann", 2)});
    SaleRow row = bed.row();
    row.items[0].total = 20;
    row.items[0].sold = 19;
    bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
    row = bed.row();
    REQUIRE(row.items.size() == 2);
    CHECK(row.items[0].item == "shoe");
    CHECK(row.items[0].total == 20);
    CHECK(row.items[0].sold == 2);
    CHECK(row.items[1].item == "hat");
  }
  SUBCASE("a sale has 64 items of 64 bytes each") {
    SaleBed bed(make());
    SaleRow row;
    row.sale = fresh_name("wide");
    for (int i = 63; i >= 0; --i) row.items.push_back({std::string(62, 'x') + std::to_string(10 + i), i, 1, 0});
    bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
    const auto back = bed.read([&](SinkTransaction& t) { return must(t.lock_sale(SaleId{row.sale})); });
    REQUIRE(back->items.size() == 64);
    for (std::size_t i = 0; i < 64; ++i) CHECK(back->items[i].item == row.items[i].item);
  }
  SUBCASE("an item that is new to its sale begins with the units sold that it brings") {
    SaleBed bed(make());
    SaleRow row = bed.row();
    row.items.push_back({"sock", 9, 1, 4});
    bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
    CHECK(bed.sold("sock") == 4);
  }
}

inline void check_lists_of_sales(const MakeSink& make) {
  SUBCASE("an absent sale is nothing, not a failure") {
    SaleBed bed(make());
    const SaleId nowhere{"no-such-sale"};
    auto t = must(bed.sink().begin(Access::write, soon()));
    const Order order = order_at(1, 0, "ann");
    CHECK_FALSE(must(t->lock_sale(nowhere)).has_value());
    CHECK(must(t->insert_orders(nowhere, &order, 1)) == std::vector<Insert>{Insert::oversold});
    CHECK(must(t->move_orders(nowhere, OrderState::confirmed, &order, 1)) == std::vector<bool>{false});
    CHECK(must(t->orders_by_buyer(nowhere, "", 10)).empty());
    CHECK(must(t->uncredited(nowhere, 10)).empty());
    CHECK(must(t->dead(nowhere, false)).empty());
    CHECK(must(t->operations(nowhere)).empty());
  }
  SUBCASE("sales are listed by name, the retired ones on request") {
    SaleBed first(make());
    SaleBed second(make());
    SaleRow row = first.row();
    row.state = SaleState::retired;
    first.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
    const auto names = [&](bool with_retired) {
      std::vector<std::string> found;
      for (const SaleRow& sale : first.read([&](SinkTransaction& t) { return must(t.sales(with_retired)); })) {
        CHECK((found.empty() || found.back() < sale.sale));
        if (sale.sale == second.id().text()) CHECK(sale.items.size() == 2);
        found.push_back(sale.sale);
      }
      return found;
    };
    const auto has = [](const std::vector<std::string>& all, SaleId sale) {
      return std::find(all.begin(), all.end(), sale.text()) != all.end();
    };
    CHECK_FALSE(has(names(false), first.id()));
    CHECK(has(names(true), first.id()));
  }
  SUBCASE("sales do not mix") {
    const auto sink = make();
    SaleBed first(sink);
    SaleBed second(sink);
    first.insert({order_at(1, 0, "ann", 3)});
    CHECK(second.insert({order_at(1, 0, "ann", 3)}) == std::vector<Insert>{Insert::inserted});
    first.move(OrderState::released, {order_at(1, 0, "ann", 3)});
    CHECK(first.sold() == 0);
    CHECK(second.sold() == 3);
    CHECK(second.by_buyer("", 10).size() == 1);
    CHECK(second.uncredited().empty());
  }
}

inline void check_transactions(const MakeSink& make) {
  SUBCASE("a transaction destroyed without commit leaves nothing") {
    SaleBed bed(make());
    {
      auto t = must(bed.sink().begin(Access::write, soon()));
      const Order order = order_at(1, 0, "ann");
      SaleRow row = bed.row();
      row.watermark = {1, 1};
      must(t->put_sale(row));
      must(t->insert_orders(bed.id(), &order, 1));
      must(t->set_aside(bed.id(), {order_at(2, 0, "bob"), "OVERSOLD", {1, 2}, false}));
      must(t->put_operation(bed.id(), OperationId{"op"}, ItemId{"shoe"}, 5));
    }
    CHECK(bed.row().watermark == Position{});
    CHECK(bed.sold() == 0);
    CHECK(bed.by_buyer("", 10).empty());
    CHECK(bed.read([&](SinkTransaction& t) { return must(t.dead(bed.id(), false)); }).empty());
    CHECK(bed.read([&](SinkTransaction& t) { return must(t.operations(bed.id())); }).empty());
  }
  SUBCASE("a locked sale keeps other writers out until their deadline, which they hear as busy") {
    SaleBed bed(make());
    auto holder = must(bed.sink().begin(Access::write, soon()));
    must(holder->lock_sale(bed.id()));
    const auto started = std::chrono::steady_clock::now();
    const auto blocked = [&]() -> Result<Done> {
      auto other = bed.sink().begin(Access::write, in_ms(100));
      if (!other) return tl::unexpected<Error>(other.error());
      auto row = (*other)->lock_sale(bed.id());
      if (!row) return tl::unexpected<Error>(row.error());
      return {};
    }();
    const auto waited = std::chrono::steady_clock::now() - started;
    REQUIRE_FALSE(blocked.has_value());
    CHECK(blocked.error().code == ErrorCode::busy);
    CHECK(blocked.error().effect == Effect::none);
    CHECK(waited >= milliseconds(80));
    CHECK(waited < milliseconds(3'000));
    must(holder->commit());
    bed.insert({order_at(1, 0, "ann")});
  }
  SUBCASE("a reader sees the state before an open transaction, and waits for nobody") {
    SaleBed bed(make());
    auto writer = must(bed.sink().begin(Access::write, soon()));
    const Order order = order_at(1, 0, "ann");
    must(writer->insert_orders(bed.id(), &order, 1));
    CHECK_FALSE(bed.find(order).has_value());
    must(writer->commit());
    writer.reset();
    CHECK(bed.find(order).has_value());
  }
}

inline void check_database(const MakeSink& make) {
  SUBCASE("a transaction outlives its sink") {
    auto sink = make();
    SaleBed bed(make());
    auto t = must(sink->begin(Access::write, soon()));
    sink.reset();
    must(t->lock_sale(bed.id()));
    must(t->commit());
  }
  SUBCASE("the database has a name of its own, which stays") {
    const auto sink = make();
    const std::string id = must(sink->id(soon()));
    CHECK(id.size() >= 16);
    CHECK(must(sink->id(soon())) == id);
    CHECK_FALSE(sink->describe().empty());
  }
  SUBCASE("the database's clock is in milliseconds since 1970") {
    SaleBed bed(make());
    const auto now = bed.read([](SinkTransaction& t) { return must(t.now_ms()); });
    CHECK(std::abs(now - static_cast<std::int64_t>(std::time(nullptr)) * 1'000) < 60'000);
  }
}

inline void check_verdicts(const MakeSink& make) {
  SaleBed bed(make());
  using Verdicts = std::vector<Insert>;
  SUBCASE("an order is stored byte for byte, reserved, with its units counted") {
    Order order = order_at(7, 511, "ann.b@example:1-x_", 3);
    order.payload = std::string("\0\xff\xfe;'--", 7) + std::string(60'000, '\xc3');
    order.hold_until_ms = 1'700'000'000'123;
    Order bare = make_order({{1, 8}, 0}, std::string(64, 'b'), std::string(64, 'r'), "hat", 5, "");
    CHECK(bed.insert({order, bare}) == Verdicts{Insert::inserted, Insert::inserted});
    const auto row = bed.find(order);
    REQUIRE(row.has_value());
    CHECK(same_bytes(row->order, order));
    CHECK(row->state == OrderState::reserved);
    CHECK(row->credited);
    CHECK(same_bytes(bed.find(bare)->order, bare));
    CHECK(bed.sold("shoe") == 3);
    CHECK(bed.sold("hat") == 5);
  }
  SUBCASE("the very same order again is `same`, also when its item is sold out") {
    const Order order = order_at(1, 0, "ann", 3);
    bed.insert({order, order_at(1, 1, "bob", 3), order_at(1, 2, "cid", 3), order_at(1, 3, "dan", 1)});
    CHECK(bed.insert({order, order}) == Verdicts{Insert::same, Insert::same});
    CHECK(bed.sold() == 10);
  }
  SUBCASE("another order with the id, or with the buyer's request, is a conflict") {
    const Order order = order_at(1, 0, "ann");
    bed.insert({order});
    Order other_item = order;
    other_item.item = "hat";
    Order other_quantity = order;
    other_quantity.quantity = 2;
    Order other_id = order;
    other_id.id.index = 9;
    const Order other_buyer = make_order(order.id, "bob", order.request);
    CHECK(bed.insert({other_item, other_quantity, other_id, other_buyer}) == Verdicts(4, Insert::conflict));
    CHECK(bed.sold() == 1);
    CHECK(bed.insert({make_order({{1, 2}, 0}, "bob", order.request)}) == Verdicts{Insert::inserted});
  }
  SUBCASE("the last unit is sold and not one more") {
    CHECK(bed.insert({order_at(1, 0, "ann", 3), order_at(1, 1, "bob", 3), order_at(1, 2, "cid", 3)}) ==
          Verdicts(3, Insert::inserted));
    CHECK(bed.insert({order_at(2, 0, "dan", 2), order_at(2, 1, "dan", 1), order_at(2, 2, "eve", 1)}) ==
          Verdicts{Insert::oversold, Insert::inserted, Insert::oversold});
    CHECK(bed.sold() == 10);
    CHECK(bed.insert({make_order({{1, 3}, 0}, "eve", "r", "no-such-item")}) == Verdicts{Insert::oversold});
  }
  SUBCASE("a buyer holds the limit of an item and not one more") {
    CHECK(bed.insert({order_at(1, 0, "ann", 2), order_at(1, 1, "ann", 2), order_at(1, 2, "ann", 1)}) ==
          Verdicts{Insert::inserted, Insert::over_limit, Insert::inserted});
    CHECK(bed.insert({order_at(2, 0, "ann", 1), order_at(2, 1, "bob", 4)}) == Verdicts(2, Insert::over_limit));
    CHECK(bed.insert({make_order({{1, 3}, 0}, "ann", "hats", "hat", 5)}) == Verdicts{Insert::inserted});
    CHECK(bed.sold() == 3);
    CHECK_FALSE(bed.find(order_at(1, 1, "ann")).has_value());
  }
}

inline void check_mixtures(const MakeSink& make) {
  SaleBed bed(make());
  SUBCASE("bytes outside the bounds of ids are poison and disturb nobody") {
    Order order = order_at(1, 0, "ann");
    std::vector<Order> orders(7, order);
    orders[0].buyer = std::string("a\0n", 3);
    orders[1].request = "\xff";
    orders[2].buyer = std::string(65, 'a');
    orders[3].item.clear();
    orders[4].quantity = 0;
    orders[5].payload = std::string(kPayloadBytesMax + 1, 'x');
    orders[6].id = {};
    CHECK(bed.insert(orders) == std::vector<Insert>(7, Insert::poison));
    CHECK(bed.insert({orders[0], order}) == std::vector<Insert>{Insert::poison, Insert::inserted});
    CHECK(bed.sold() == 1);
  }
  SUBCASE("in a batch each order has its own verdict, and the earlier one wins") {
    bed.insert({order_at(1, 0, "ann")});
    Order clash = order_at(2, 1, "ann");
    clash.request = order_at(1, 0, "ann").request;
    Order poison = order_at(2, 2, "bob");
    poison.buyer = "b b";
    const std::vector<Order> batch = {order_at(1, 0, "ann"),
                                      clash,
                                      poison,
                                      order_at(2, 3, "bob", 3),
                                      order_at(2, 4, "bob"),
                                      order_at(2, 5, "cid", 3),
                                      order_at(2, 6, "dan", 3),
                                      order_at(2, 7, "eve")};
    CHECK(bed.insert(batch) == std::vector<Insert>{Insert::same, Insert::conflict, Insert::poison, Insert::inserted,
                                                   Insert::over_limit, Insert::inserted, Insert::inserted,
                                                   Insert::oversold});
    CHECK(bed.sold() == 10);
    CHECK(bed.by_buyer("", 100).size() == 4);
  }
  SUBCASE("no orders are no work") {
    CHECK(bed.insert({}).empty());
    CHECK(bed.move(OrderState::released, {}).empty());
  }
}

inline void check_moves(const MakeSink& make) {
  SaleBed bed(make());
  const Order ann = order_at(1, 0, "ann", 3);
  const Order bob = order_at(1, 1, "bob", 2);
  bed.insert({ann, bob});
  SUBCASE("released and expired orders give their units back and wait for their credit") {
    CHECK(bed.move(OrderState::released, {ann}) == std::vector<bool>{true});
    CHECK(bed.move(OrderState::expired, {bob}) == std::vector<bool>{true});
    CHECK(bed.sold() == 0);
    CHECK(bed.find(ann)->state == OrderState::released);
    CHECK(bed.find(bob)->state == OrderState::expired);
    CHECK_FALSE(bed.find(ann)->credited);
    CHECK(bed.insert({order_at(2, 0, "ann", 3)}) == std::vector<Insert>{Insert::inserted});
  }
  SUBCASE("a confirmed order keeps its units and can be moved no more") {
    CHECK(bed.move(OrderState::confirmed, {ann}) == std::vector<bool>{true});
    CHECK(bed.move(OrderState::expired, {ann, bob}) == std::vector<bool>{false, true});
    CHECK(bed.find(ann)->state == OrderState::confirmed);
    CHECK(bed.find(ann)->credited);
    CHECK(bed.sold() == 3);
  }
  SUBCASE("an order moves once, and only under its own id and buyer") {
    Order stranger = ann;
    stranger.buyer = "bob";
    Order elsewhere = ann;
    elsewhere.id.index = 5;
    CHECK(bed.move(OrderState::released, {stranger, elsewhere, ann, ann}) ==
          std::vector<bool>{false, false, true, false});
    CHECK(bed.sold() == 2);
  }
  SUBCASE("orders not credited come oldest first, until they are marked") {
    const Order old = make_order({{1, 0}, 7}, "zoe", "z");
    const Order later = make_order({{2, 0}, 0}, "aaa", "z");
    bed.insert({later, old});
    bed.move(OrderState::released, {later, bob, old, ann});
    CHECK(ids_of(bed.uncredited()) == std::vector<OrderId>{old.id, ann.id, bob.id, later.id});
    CHECK(ids_of(bed.uncredited(2)) == std::vector<OrderId>{old.id, ann.id});
    const std::vector<OrderId> credited = {old.id, bob.id, {{9, 9}, 9}};
    bed.write([&](SinkTransaction& t) { must(t.mark_credited(bed.id(), credited.data(), credited.size())); });
    CHECK(ids_of(bed.uncredited()) == std::vector<OrderId>{ann.id, later.id});
    CHECK(bed.find(old)->credited);
    CHECK(bed.find(old)->state == OrderState::released);
  }
}

inline void check_reading(const MakeSink& make) {
  SUBCASE("pages hold whole buyers, by buyer then id, each order once") {
    SaleBed bed(make());
    SaleRow row = bed.row();
    row.items = {{"shoe", 1'000, 64, 0}};
    row.sale = fresh_name("pages");
    std::vector<Order> orders;
    for (std::uint32_t i = 0; i < 60; ++i) {
      const std::string buyer = "buyer" + std::to_string(10 + i * 7 % 13);
      orders.push_back(make_order({{1 + i % 2, i}, i}, buyer, "r" + std::to_string(99 - i)));
    }
    const SaleId sale{row.sale};
    bed.write([&](SinkTransaction& t) {
      must(t.put_sale(row));
      must(t.insert_orders(sale, orders.data(), orders.size()));
    });
    std::sort(orders.begin(), orders.end(), [](const Order& left, const Order& right) {
      return left.buyer != right.buyer ? left.buyer < right.buyer : left.id < right.id;
    });
    for (const std::size_t count : {0, 1, 7, 59, 60, 1'000}) {
      CAPTURE(count);
      std::vector<OrderRow> all;
      for (std::string after;; after = all.back().order.buyer) {
        const auto page = bed.read([&](SinkTransaction& t) { return must(t.orders_by_buyer(sale, after, count)); });
        if (page.empty()) break;
        CHECK(page.size() <= count + 6);
        all.insert(all.end(), page.begin(), page.end());
      }
      REQUIRE(all.size() == orders.size());
      for (std::size_t i = 0; i < all.size(); ++i) CHECK(same_bytes(all[i].order, orders[i]));
    }
  }
  SUBCASE("pages by id hold every order once, by id, whatever became of it, and no payload") {
    SaleBed bed(make());
    const std::vector<Order> orders = {order_at(1, 0, "eve"), order_at(1, 1, "ann"), order_at(2, 0, "dan"),
                                       make_order({{2, 1}, 7}, "bob", "r"), make_order({{2, 1}, 9}, "cid", "r")};
    bed.insert(orders);
    bed.move(OrderState::released, {orders[1]});
    bed.move(OrderState::confirmed, {orders[3]});
    const auto page = [&](OrderId after, std::size_t count) {
      return bed.read([&](SinkTransaction& t) { return must(t.orders_by_id(bed.id(), after, count)); });
    };
    for (const std::size_t count : {1, 2, 5, 1'000}) {
      CAPTURE(count);
      std::vector<OrderRow> all;
      for (OrderId after;; after = all.back().order.id) {
        const auto some = page(after, count);
        if (some.empty()) break;
        CHECK(some.size() <= count);
        all.insert(all.end(), some.begin(), some.end());
      }
      REQUIRE(all.size() == orders.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        Order expected = orders[i];
        expected.payload.clear();
        CHECK(same_bytes(all[i].order, expected));
        CHECK(all[i].state == bed.find(orders[i])->state);
        CHECK(all[i].credited == bed.find(orders[i])->credited);
      }
    }
    CHECK(page(orders.back().id, 10).empty());
    CHECK(bed.read([&](SinkTransaction& t) { return must(t.orders_by_id(SaleId{"nowhere"}, {}, 10)); }).empty());
  }
  SUBCASE("an order is found by its buyer and request alone") {
    SaleBed bed(make());
    const Order order = order_at(1, 0, "ann");
    bed.insert({order});
    CHECK(bed.find(order)->order.id == order.id);
    CHECK_FALSE(bed.find(make_order({}, "ann", "other")).has_value());
    CHECK_FALSE(bed.find(make_order({}, "bob", order.request)).has_value());
  }
}

inline void check_repairs(const MakeSink& make) {
  SaleBed bed(make());
  const auto all = [&] { return bed.read([&](SinkTransaction& t) { return must(t.repairs(bed.id())); }); };
  const auto put = [&](const std::vector<RepairRow>& rows) {
    bed.write([&](SinkTransaction& t) { must(t.put_repair(bed.id(), rows.data(), rows.size())); });
  };
  std::vector<RepairRow> later(2), earlier(1);
  for (RepairRow& row : later) row.repair = "b", row.by = "ops", row.at_ms = 2'000;
  later[0].item = "shoe", later[0].difference = -7;
  later[1].order = {{3, 4}, 4'000'000'000}, later[1].buyer = std::string("\xff\0", 2), later[1].request = "\xfe";
  later[1].why = "Redis has it as '\x80'", later[1].difference = 1'000'000;
  earlier[0].repair = "a", earlier[0].at_ms = 1'000;
  SUBCASE("a repair keeps its rows byte for byte in their order, once, the oldest repair first") {
    CHECK(all().empty());
    put(later);
    put(earlier);
    put(later);
    put({});
    const auto rows = all();
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].repair == "a");
    for (std::size_t i = 0; i < 2; ++i) {
      const RepairRow &kept = rows[i + 1], &row = later[i];
      CHECK(std::tie(kept.repair, kept.by, kept.at_ms, kept.item, kept.difference, kept.order) ==
            std::tie(row.repair, row.by, row.at_ms, row.item, row.difference, row.order));
      CHECK(std::tie(kept.buyer, kept.request, kept.why, kept.done_epoch) ==
            std::tie(row.buyer, row.request, row.why, row.done_epoch));
    }
    CHECK(bed.read([&](SinkTransaction& t) { return must(t.repairs(SaleId{"nowhere"})); }).empty());
  }
  SUBCASE("what is done keeps its epoch when a later repair is done") {
    put(earlier);
    bed.write([&](SinkTransaction& t) { must(t.finish_repairs(bed.id(), 5)); });
    put(later);
    CHECK(all()[2].done_epoch == 0);
    bed.write([&](SinkTransaction& t) { must(t.finish_repairs(bed.id(), 6)); });
    CHECK(all()[0].done_epoch == 5);
    CHECK(all()[1].done_epoch == 6);
    CHECK(all()[2].done_epoch == 6);
  }
}

inline void check_aside(const MakeSink& make) {
  SaleBed bed(make());
  const auto dead = [&](bool only_untold) {
    return bed.read([&](SinkTransaction& t) { return must(t.dead(bed.id(), only_untold)); });
  };
  SUBCASE("an order set aside keeps its bytes and reason, once, whatever they are") {
    DeadRow row{order_at(3, 4, std::string("\0\xff", 2), 7), "OVERSOLD", {1, 9}, false};
    row.order.item.clear();
    row.order.payload = std::string(kPayloadBytesMax, '\0');
    const DeadRow first{order_at(2, 9, "ann"), "OVER_LIMIT", {1, 2}, false};
    for (int i = 0; i < 2; ++i) {
      bed.write([&](SinkTransaction& t) {
        must(t.set_aside(bed.id(), row));
        must(t.set_aside(bed.id(), first));
      });
    }
    const auto back = dead(false);
    REQUIRE(back.size() == 2);
    CHECK(same_bytes(back[0].order, first.order));
    CHECK(same_bytes(back[1].order, row.order));
    CHECK(back[1].reason == "OVERSOLD");
    CHECK(back[1].at == Position{1, 9});
    CHECK_FALSE(back[1].told);
  }
  SUBCASE("what was told is not told again") {
    const DeadRow row{order_at(3, 4, "ann"), "OVERSOLD", {1, 3}, false};
    const DeadRow other{order_at(3, 5, "bob"), "OVERSOLD", {1, 3}, false};
    bed.write([&](SinkTransaction& t) {
      must(t.set_aside(bed.id(), row));
      must(t.set_aside(bed.id(), other));
      must(t.mark_told(bed.id(), &row, 1));
    });
    bed.write([&](SinkTransaction& t) { must(t.set_aside(bed.id(), row)); });
    REQUIRE(dead(true).size() == 1);
    CHECK(dead(true)[0].order.id == other.order.id);
    REQUIRE(dead(false).size() == 2);
    CHECK(dead(false)[0].told);
  }
  SUBCASE("what becomes of an order set aside is decided once, and told anew") {
    DeadRow row{order_at(3, 4, "ann"), "OVERSOLD", {1, 3}, false};
    const auto decide = [&](DeadFate fate) {
      row.fate = fate;
      return bed.write([&](SinkTransaction& t) { return must(t.decide_dead(bed.id(), row)); });
    };
    const auto tell = [&] { bed.write([&](SinkTransaction& t) { must(t.mark_told(bed.id(), &row, 1)); }); };
    CHECK_FALSE(decide(DeadFate::dropped));  // it is not there yet
    row.fate = DeadFate::dead;
    bed.write([&](SinkTransaction& t) { must(t.set_aside(bed.id(), row)); });
    tell();
    CHECK(dead(true).empty());
    const DeadRow as_dead = row;
    row.order.hold_until_ms = 1'700'000'000'123;
    CHECK(decide(DeadFate::retried));
    CHECK_FALSE(decide(DeadFate::dropped));
    REQUIRE(dead(true).size() == 1);
    CHECK(dead(true)[0].fate == DeadFate::retried);
    CHECK(dead(true)[0].order.hold_until_ms == 1'700'000'000'123);
    bed.write([&](SinkTransaction& t) { must(t.mark_told(bed.id(), &as_dead, 1)); });
    CHECK(dead(true).size() == 1);  // it was told something else
    row.fate = DeadFate::retried;
    tell();
    CHECK(dead(true).empty());
    bed.write([&](SinkTransaction& t) { must(t.mark_told(bed.id(), &as_dead, 1)); });
    CHECK(dead(true).size() == 1);  // and somebody told it something else again
  }
  SUBCASE("a restock counts once") {
    const auto put = [&](const char* operation) {
      return bed.write([&](SinkTransaction& t) {
        return must(t.put_operation(bed.id(), OperationId{operation}, ItemId{"shoe"}, -5));
      });
    };
    CHECK(put("second"));
    CHECK(put("first"));
    CHECK_FALSE(put("second"));
    const auto rows = bed.read([&](SinkTransaction& t) { return must(t.operations(bed.id())); });
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].operation == "first");
    CHECK(rows[1].operation == "second");
    CHECK(rows[1].item == "shoe");
    CHECK(rows[1].units == -5);
  }
}

inline void check_receipts(const MakeSink& make) {
  SaleBed bed(make());
  const auto put = [&](const std::vector<Receipt>& receipts) {
    bed.write([&](SinkTransaction& t) { must(t.put_receipts(bed.id(), receipts.data(), receipts.size())); });
  };
  const auto page = [&](Verb act, OrderId after = {}, std::size_t count = 100) {
    return bed.read([&](SinkTransaction& t) { return must(t.receipts(bed.id(), act, after, count)); });
  };
  const auto drop = [&](Position until) {
    return bed.write([&](SinkTransaction& t) { return must(t.drop_receipts(bed.id(), until)); });
  };
  SUBCASE("a receipt comes back byte for byte, and is there once for each act") {
    Receipt won{Verb::reserve, {2, 9}, order_at(9, 511, "ann", 3)};
    won.order.payload = std::string("\0\xff;'--", 6) + std::string(60'000, '\xc3');
    won.order.hold_until_ms = 1'700'000'000'123;
    Receipt paid{Verb::confirm, {2, 12}, {}};
    paid.order.id = won.order.id;
    paid.order.buyer = "ann";
    paid.order.request = "r9.511";
    put({won, paid});
    Receipt other = won;
    other.order.payload = "another";
    put({other, other, paid});
    REQUIRE(page(Verb::reserve).size() == 1);
    CHECK(same_bytes(page(Verb::reserve)[0].order, won.order));
    CHECK(page(Verb::reserve)[0].at == Position{2, 9});
    REQUIRE(page(Verb::confirm).size() == 1);
    CHECK(same_bytes(page(Verb::confirm)[0].order, paid.order));
    CHECK(page(Verb::confirm)[0].act == Verb::confirm);
    CHECK(page(Verb::release).empty());
    SaleBed stranger(make());
    CHECK(stranger.read([&](SinkTransaction& t) { return must(t.receipts(stranger.id(), Verb::reserve, {}, 9)); })
              .empty());
  }
  SUBCASE("pages are by order id, and receipts up to a position are dropped and counted") {
    std::vector<Receipt> receipts;
    for (std::uint64_t seq = 12; seq > 0; --seq) receipts.push_back({Verb::reserve, {1, seq}, order_at(seq, 3, "ann")});
    receipts.push_back({Verb::reserve, {2, 1}, make_order({{2, 1}, 0}, "ann", "r")});
    put(receipts);
    std::vector<OrderId> seen;
    for (auto rows = page(Verb::reserve, {}, 5); !rows.empty(); rows = page(Verb::reserve, seen.back(), 5))
      for (const Receipt& row : rows) seen.push_back(row.order.id);
    REQUIRE(seen.size() == 13);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK(drop({1, 5}) == 5);
    CHECK(drop({1, 5}) == 0);
    CHECK(page(Verb::reserve).front().at == Position{1, 6});
    CHECK(drop({2, 0}) == 7);
    CHECK(page(Verb::reserve).size() == 1);
  }
  SUBCASE("many receipts at once are no matter") {
    std::vector<Receipt> receipts;
    for (std::uint32_t i = 0; i < 2500; ++i) receipts.push_back({Verb::release, {1, 7}, order_at(7, i, "ann")});
    put(receipts);
    CHECK(page(Verb::release, {}, 9999).size() == 2500);
    put({});
    CHECK(drop({1, 7}) == 2500);
  }
  SUBCASE("a holder has one row, which the silent lose") {
    const auto write = [&](const ReceiptHolder& holder) {
      bed.write([&](SinkTransaction& t) { must(t.put_receipt_holder(bed.id(), holder)); });
    };
    const auto holders = [&] {
      return bed.read([&](SinkTransaction& t) { return must(t.receipt_holders(bed.id())); });
    };
    CHECK(holders().empty());
    write({"b", 1'700'000'000'100, 0});
    write({"a", 1'700'000'000'200, 5'000'000'000});
    write({"b", 1'700'000'000'300, 7});
    REQUIRE(holders().size() == 2);
    CHECK(holders()[0].holder == "a");
    CHECK(holders()[0].handed_epoch == 5'000'000'000);
    CHECK(holders()[1].beat_ms == 1'700'000'000'300);
    CHECK(holders()[1].handed_epoch == 7);
    bed.write([&](SinkTransaction& t) { must(t.drop_receipt_holders(bed.id(), 1'700'000'000'300)); });
    REQUIRE(holders().size() == 1);
    CHECK(holders()[0].holder == "b");
  }
}

/// Every promise of OrderSink that can be seen from outside.
inline void check_sink_conformance(const MakeSink& make) {
  check_sales(make);
  check_lists_of_sales(make);
  check_transactions(make);
  check_database(make);
  SUBCASE("each order gets the verdict that it deserves") { check_verdicts(make); }
  SUBCASE("a batch is as good as its orders one by one") { check_mixtures(make); }
  SUBCASE("an order leaves `reserved` once") { check_moves(make); }
  check_reading(make);
  SUBCASE("what is recorded is recorded once") { check_aside(make); }
  SUBCASE("what was repaired stays known") { check_repairs(make); }
  SUBCASE("what was told is kept until it is dropped") { check_receipts(make); }
}

}  // namespace flashsale::sink_test
