// An actor in a process of its own: life_actor REDIS_URL NAME SEED ACTS. Prints what it knows at its end.
#include "support/life_actor.hpp"

#include <cstdio>
#include <cstdlib>

#include "flashsale/redis.hpp"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  auto pool = flashsale::make_pool(argv[1]);
  if (!pool) return 2;
  flashsale::test::LifePlan plan;
  plan.name = argv[2];
  plan.seed = std::strtoull(argv[3], nullptr, 10);
  plan.acts = std::strtoull(argv[4], nullptr, 10);
  const std::string lines = to_lines(live(*pool, plan));
  return std::fwrite(lines.data(), 1, lines.size(), stdout) == lines.size() ? 0 : 1;
}
