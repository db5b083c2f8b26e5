// What the dashboard says of the database: whole counts, however large the sale and however short the look.
#include "written.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/memory_sink.hpp"

using namespace flashsale;
using namespace server;

namespace {

constexpr std::size_t kOrders = 41, kPage = 4;  // of the sink in memory

/// A database with one sale.
class Base {
 public:
  Base() { write({1, 0}); }

  std::shared_ptr<OrderSink> sink() { return sink_; }

  /// The sale at this watermark, with `change` in the same transaction.
  template <class Change>
  void write(Position watermark, Change change) {
    auto writing = sink_->begin(OrderSink::Access::write, Deadline::clock::now() + std::chrono::seconds{30});
    REQUIRE(writing);
    SaleRow row;
    row.sale = "spring";
    row.state = SaleState::open;
    row.watermark = watermark;
    row.items = {{"shoe", 1'000'000, 1'000'000, 0}};
    REQUIRE((*writing)->put_sale(row));
    change(**writing);
    REQUIRE((*writing)->commit());
  }
  void write(Position watermark) {
    write(watermark, [](SinkTransaction&) {});
  }

 private:
  std::shared_ptr<test::MemorySink> sink_ = std::make_shared<test::MemorySink>();
};

Order order(std::uint64_t seq) {
  Order order;
  order.id = {{1, seq}, 0};
  order.buyer = "buyer-" + std::to_string(seq);
  order.item = "shoe";
  order.quantity = 2;
  order.request = "r1";
  return order;
}

std::vector<Order> orders(std::uint64_t from, std::uint64_t to) {
  std::vector<Order> all;
  for (auto seq = from; seq <= to; ++seq) all.push_back(order(seq));
  return all;
}

void insert(SinkTransaction& writing, const std::vector<Order>& all) {
  const auto verdicts = writing.insert_orders(SaleId{"spring"}, all.data(), all.size());
  REQUIRE(verdicts);
  REQUIRE(std::count(verdicts->begin(), verdicts->end(), Insert::inserted) == static_cast<std::ptrdiff_t>(all.size()));
}

void confirm(SinkTransaction& writing, const std::vector<Order>& all) {
  REQUIRE(writing.move_orders(SaleId{"spring"}, OrderState::confirmed, all.data(), all.size()));
}

/// A database that can be away.
class Away : public OrderSink {
 public:
  explicit Away(std::shared_ptr<OrderSink> inner) : inner_(std::move(inner)) {}
  bool is_away = false;

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (is_away) return tl::unexpected(Error{ErrorCode::disconnected, {}, "the database is away"});
    return inner_->begin(access, deadline);
  }
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

 private:
  std::shared_ptr<OrderSink> inner_;
};

}  // namespace

TEST_SUITE("written") {
  TEST_CASE("a sale too large for one look is counted within some, and counts are whole or the last ones") {
    Base base;
    base.write({1, kOrders}, [](SinkTransaction& writing) {
      insert(writing, orders(1, kOrders));
      confirm(writing, orders(1, 10));
    });
    WrittenDown written(base.sink(), std::chrono::milliseconds{0});  // a page a look
    std::size_t looks = 1;
    while (written.look("spring", {1, 1}).orders == 0 && looks < 100) ++looks;
    CHECK(looks == kOrders / kPage + 2);  // full pages, the rest, and the empty one
    CHECK(written.look("spring", {1, 1}).orders == kOrders);
    CHECK(written.look("spring", {1, 1}).confirmed.at("shoe") == 20);

    // What comes while it counts is in the next count.
    base.write({1, kOrders + 1}, [](SinkTransaction& writing) { confirm(writing, orders(11, 20)); });
    CHECK(written.look("spring", {1, 1}).confirmed.at("shoe") == 20);
    base.write({1, kOrders + 2}, [](SinkTransaction& writing) {
      insert(writing, orders(kOrders + 1, kOrders + 1));
      confirm(writing, orders(21, 30));
    });
    for (looks = 0; looks < 40; ++looks) static_cast<void>(written.look("spring", {1, 1}));
    CHECK(written.look("spring", {1, 1}).orders == kOrders + 1);
    CHECK(written.look("spring", {1, 1}).confirmed.at("shoe") == 60);
  }

  TEST_CASE("orders are counted from a position on, and units of the whole sale") {
    Base base;
    base.write({1, 9}, [](SinkTransaction& writing) {
      insert(writing, orders(1, 9));
      confirm(writing, orders(1, 9));
    });
    WrittenDown written(base.sink());
    CHECK(written.look("spring", {1, 7}).orders == 3);
    CHECK(written.look("spring", {1, 7}).confirmed.at("shoe") == 18);
    CHECK(WrittenDown(base.sink()).look("spring", {}).orders == 0);
  }

  TEST_CASE("while the database is away the last count stays, and that is told once it has lasted") {
    Base base;
    base.write({1, 9}, [](SinkTransaction& writing) { insert(writing, orders(1, 9)); });
    const auto sink = std::make_shared<Away>(base.sink());
    WrittenDown written(sink);
    CHECK(written.look("spring", {1, 1}).orders == 9);
    sink->is_away = true;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    CHECK(written.look("spring", {1, 1}).orders == 9);
    while (written.trouble("spring").empty() && std::chrono::steady_clock::now() < until)
      static_cast<void>(written.look("spring", {1, 1}));
    CHECK(written.trouble("spring").find("the database is away") != std::string::npos);
    CHECK(written.look("spring", {1, 1}).orders == 9);
    sink->is_away = false;
    static_cast<void>(written.look("spring", {1, 1}));
    CHECK(written.trouble("spring") == "");
  }

  TEST_CASE("orders set aside are counted until somebody decides, and a sale that is not there is told") {
    Base base;
    WrittenDown written(base.sink());
    CHECK(written.look("spring", {}).dead == 0);
    CHECK_FALSE(written.look("spring", {}).is_unknown);
    CHECK(written.look("autumn", {}).is_unknown);
    DeadRow dead;
    dead.order = order(3);
    dead.reason = "OVERSOLD";
    dead.at = dead.order.id.at;
    base.write({1, 3}, [&](SinkTransaction& writing) { REQUIRE(writing.set_aside(SaleId{"spring"}, dead)); });
    CHECK(written.look("spring", {}).dead == 1);
    dead.fate = DeadFate::dropped;
    base.write({1, 3}, [&](SinkTransaction& writing) { REQUIRE(writing.decide_dead(SaleId{"spring"}, dead)); });
    CHECK(written.look("spring", {}).dead == 0);
  }
}
