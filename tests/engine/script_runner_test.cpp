#include "engine/script_runner.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "core/keyspace.hpp"
#include "engine/settle.hpp"
#include "support/hand_carried_pool.hpp"
#include "support/private_redis.hpp"
#include "support/served_sale.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {
namespace {

/// A wire that answers a call with the replies to the call before, once.
class RepeatingWire {
 public:
  explicit RepeatingWire(test::PrivateRedis& server) : server_(server) {}
  RoundTrip operator()(const std::vector<Command>& commands) {
    RoundTrip trip = test::carry_to(server_, commands);
    std::swap(trip.replies, before_);
    if (!repeats) trip.replies = before_;
    repeats = false;
    return trip;
  }

  bool repeats = false;

 private:
  test::PrivateRedis& server_;
  std::vector<Reply> before_;
};

/// A sale whose scripts are loaded, and control.lua's `pause` for it.
struct Pausable {
  Pausable() { REQUIRE(load_scripts(*sale.pool, sale.id, test::soon())); }
  Result<ScriptAnswer> pause_through(ConnectionPool& pool) {
    ScriptCall call{"control", {keys.meta, keys.buyers, keys.journal}, {}, 2, 3};
    call.arguments = {sale.meta("epoch"), sale.meta("uuid"), "", "", "pause", "", ""};
    return run_script(pool, sale.id, std::move(call), test::soon());
  }

  test::PrivateRedis server;
  test::ServedSale sale{server};
  const core::Keys keys{sale.id};
};

TEST_CASE("a reply that was repeated on the way is not taken for another call's, also of plain commands") {
  Pausable pausable;
  RepeatingWire wire(pausable.server);
  test::HandCarriedPool pool(std::ref(wire));
  const auto ask = [&](std::string_view text) {
    return run_commands(pool, Role::primary, "sale", {{"ECHO", text}}, test::soon());
  };
  REQUIRE(ask("first")->at(0).text == "first");
  wire.repeats = true;
  const auto second = ask("second");
  REQUIRE(second);
  REQUIRE(second->size() == 1);
  CHECK(second->at(0).text == "second");
  CHECK(pool.leases == 3);
  CHECK(pool.broken == 1);

  const auto done = pausable.pause_through(pool);
  REQUIRE(done);
  CHECK(done->verdict() == "ok");
  wire.repeats = true;
  const auto paused = pausable.pause_through(pool);
  REQUIRE_FALSE(paused);
  CHECK(paused.error().code == ErrorCode::protocol);
  CHECK(paused.error().effect == Effect::unknown);
  CHECK(pool.broken == 2);  // every later reply on that connection would be another call's as well
}

TEST_CASE("a copy that Redis may have run is remembered where Redis has no time for any later one") {
  for (const bool lost : {true, false}) {
    CAPTURE(lost);
    Pausable pausable;
    util::StopSource stop;
    int copies = 0;
    test::HandCarriedPool pool([&](const std::vector<Command>& commands) {
      if (!test::runs(commands, "control")) return test::carry_to(pausable.server, commands);
      if (++copies == 1 && lost) {
        test::carry_to(pausable.server, commands);
        return test::lost_reply();
      }
      std::vector<Command> held_up = commands;
      held_up[0].at(8) = "1";  // not_after_ms, behind EVALSHA, the sha1, the number of keys, three keys, epoch and uuid
      RoundTrip late = test::carry_to(pausable.server, held_up);
      stop.request();  // so that nothing is tried again
      return late;
    });
    const auto paused = [&] {
      const util::StopScope scope(stop);
      return pausable.pause_through(pool);
    }();
    REQUIRE_FALSE(paused);
    CHECK(copies == (lost ? 2 : 1));
    CHECK(paused.error().code == ErrorCode::timed_out);
    CHECK(paused.error().effect == (lost ? Effect::unknown : Effect::none));
    CHECK(pausable.sale.meta("state") == (lost ? "paused" : "open"));
  }
}

TEST_CASE("a node whose clock was set ahead is asked in its own time, also on a connection from before") {
  test::PrivateRedis server;
  test::ServedSale sale(server);
  const Deadline soon = Deadline::clock::now() + milliseconds{10'000};
  REQUIRE(settle(*sale.pool, *sale.sink, sale.id, soon));
  {
    auto lease = sale.pool->acquire(Role::primary, 0, soon);
    REQUIRE(lease);
    (*lease)->clock = {true, (*lease)->clock.ahead_ms - 3'600'000};
  }
  // Whatever connection it is lent: by then no other is idle.
  CHECK(settle(*sale.pool, *sale.sink, sale.id, soon));
}

}  // namespace
}  // namespace flashsale::engine
