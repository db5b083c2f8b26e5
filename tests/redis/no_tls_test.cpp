// In place of tls_test.cpp where FLASHSALE_TLS is off.
#include <doctest/doctest.h>

#include "flashsale/redis.hpp"
#include "redis/tls.hpp"

namespace flashsale::test {

TEST_CASE("a library built without TLS refuses a URL that asks for it, and says why") {
  CHECK_FALSE(redis::has_tls());
  for (const char* url : {"rediss://127.0.0.1:6379", "rediss+cluster://127.0.0.1:7000"}) {
    const auto pool = make_pool(url);
    REQUIRE_FALSE(pool);
    CHECK(pool.error().code == ErrorCode::unsupported);
    CHECK(pool.error().effect == Effect::none);
    CHECK(pool.error().detail.find("without TLS") != std::string::npos);
  }
  CHECK(make_pool("redis://127.0.0.1:6379"));
}

}  // namespace flashsale::test
