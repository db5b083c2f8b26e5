// A worker to be killed at a named point: crash_worker REDIS_URL DATABASE SALE. FLASHSALE_CRASH_AT names the point.
// Drains the sale, reconciling it first where its fence has fired. Exit status: 0 done, 1 not.
#include <chrono>

#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "support/served_sale.hpp"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto pool = flashsale::make_pool(argv[1]);
  if (!pool) return 2;
  flashsale::OrderWorker worker(*pool, flashsale::test::open_sink(argv[2]), {}, {argv[3]});
  return worker.drain(flashsale::Deadline::clock::now() + std::chrono::seconds(30)) ? 0 : 1;
}
