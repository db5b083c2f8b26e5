// One server alone: what is sold while it is stopped, killed and disturbed.
#include <doctest/doctest.h>

#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

// With `appendfsync always` an answer at level primary is on the disk before it is given.
TEST_CASE("a sale at a single server outlives flushes, cut clients, pauses, restarts and kills, at both levels") {
  PrivateRedis redis({"--appendonly", "yes", "--appendfsync", "always"}, Tcp::yes);
  Shop shop(redis.tcp_url(), "spring", {Level::database, Level::primary});
  shop.sell_on();
  shop.outlive_small_faults(redis);
  redis.stop();
  redis.start();
  shop.sell_on();
  redis.kill_now();
  redis.start();
  shop.sell_on();
  shop.finish();
}

}  // namespace
}  // namespace flashsale::test
