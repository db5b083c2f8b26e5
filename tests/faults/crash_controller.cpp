// An operator's act to be killed at a named point: crash_controller REDIS_URL DATABASE SALE ACT, ACT one of create,
// retire, drop and retry (of the order that was set aside last). FLASHSALE_CRASH_AT names the point.
// Exit status: 0 done, 1 not.
#include <cstdio>
#include <string>

#include "flashsale/redis.hpp"
#include "flashsale/sale_controller.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;

namespace {

Result<Done> perform(SaleController& sales, SaleId sale, const std::string& act) {
  if (act == "create") {
    Sale terms = Sale{sale}.item(ItemId{"shoe"}, 3, 1);
    terms.probe = milliseconds{10};
    return sales.create(terms);
  }
  if (act == "retire") return sales.retire(sale);
  const auto dead = sales.dead(sale);
  if (!dead) return tl::unexpected<Error>(dead.error());
  if (dead->empty()) return fail(ErrorCode::not_found, "nothing was set aside");
  const OrderId order = dead->back().order.id;
  return act == "retry" ? sales.dead_retry(sale, order) : sales.dead_drop(sale, order);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto pool = make_pool(argv[1]);
  if (!pool) return 2;
  SaleController sales(*pool, test::open_sink(argv[2]));
  const auto done = perform(sales, SaleId{argv[3]}, argv[4]);
  if (!done) std::fprintf(stderr, "%s: %s\n", argv[4], to_string(done.error()).c_str());
  return done ? 0 : 1;
}
