#include <doctest/doctest.h>

#include "served.hpp"

using namespace server;
using test::has;
using test::Served;

TEST_CASE("a listener that reads nothing is let go, and its connection is another's") {
  HttpOptions one;
  one.threads = 1;
  one.connections_max = 1;
  const auto stream = std::make_shared<Stream>();
  const Served served(
      [&](Exchange& exchange) {
        Response response;
        if (exchange.path() == "/feed") response.stream = stream;
        exchange.answer(std::move(response));
      },
      one);
  const int listener = served.begin("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n");
  char first = 0;
  REQUIRE(recv(listener, &first, 1, 0) == 1);
  while (stream->push(std::string(64 * 1024, 'x'))) continue;
  CHECK(has(served.get("/"), " 200 "));
  close(listener);
}
