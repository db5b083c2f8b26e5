// The thread of a gate that answers what expires while its lane is busy connecting.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"
#include "util/stop.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

/// Lends what another pool lends, but while it is stuck nothing: as a connect that its deadline does not end.
struct StickyPool final : ConnectionPool {
  explicit StickyPool(std::shared_ptr<ConnectionPool> its_good) : good(std::move(its_good)) {}
  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline) override {
    ++asked;
    while (stuck && !util::stop_requested()) std::this_thread::sleep_for(milliseconds{1});
    return good->acquire(role, slot, Deadline::clock::now() + std::chrono::seconds(30));
  }
  void report(Connection*, Heard, std::string_view) override {}
  void give_back(Connection*) override {}

  const std::shared_ptr<ConnectionPool> good;
  std::atomic<bool> stuck{false};
  std::atomic<int> asked{0};
};

/// How often our thread of that name has waited so far; nothing: there is no such thread.
std::string waits_of(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string line;
    std::getline(std::ifstream(task.path() / "comm"), line);
    if (line != name) continue;
    for (std::ifstream status(task.path() / "status"); std::getline(status, line);)
      if (line.rfind("voluntary_ctxt_switches", 0) == 0) return line;
  }
  return {};
}

/// The next event; at most half a minute is waited for it.
Event next_event(CompletionQueue& queue) {
  Event event;
  REQUIRE(queue.drain(&event, 1, milliseconds{30'000}) == 1);
  return event;
}

}  // namespace

TEST_CASE("a call ends by its deadline while the lane is stuck in a connect, also after a quiet time") {
  PrivateRedis redis;
  const auto pool = std::make_shared<StickyPool>(make_pool(redis.url()).value());
  make_raw_sale(*pool, Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 5, 2));
  GateOptions options;
  options.lanes = 1;
  StockGate gate(pool, options);
  CompletionQueue queue;
  const auto submit = [&](std::string_view buyer, milliseconds timeout) {
    Call call{SaleId{"spring"}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
    call.timeout = timeout;
    REQUIRE(gate.submit(&call, 1, queue).value() == 1);
  };
  submit("ann", milliseconds{30'000});
  CHECK(next_event(queue).outcome() == Outcome::reserved);
  const auto sleeps = [] {
    const std::string before = waits_of("flashsale-usher");
    std::this_thread::sleep_for(milliseconds{300});  // thirty of its ticks
    return !before.empty() && waits_of("flashsale-usher") == before;
  };
  REQUIRE(eventually(sleeps, milliseconds{30'000}));
  pool->stuck = true;
  const int asked = pool->asked;
  submit("bob", milliseconds{30'000});
  REQUIRE(eventually([&] { return pool->asked > asked; }));
  submit("cid", milliseconds{50});
  const Event cid = next_event(queue);
  CHECK(cid.error() == ErrorCode::timed_out);
  CHECK(cid.effect == Effect::none);
  pool->stuck = false;
  CHECK(next_event(queue).outcome() == Outcome::reserved);
}
