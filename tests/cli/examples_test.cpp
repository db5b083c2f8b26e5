// The programs of one idea each do what their first line says.
#include <doctest/doctest.h>

#include "program.hpp"

namespace flashsale::test {
namespace {

TEST_CASE("hello_sale, retry_after_unknown and epoll_loop share a sale of a hundred units") {
  const Desk desk;
  CHECK(desk.run("hello_sale", {desk.redis.url(), desk.db()}).out == "1-2.0\n");
  CHECK(desk.run("hello_sale", {desk.redis.url(), desk.db()}).out == "1-2.0\n");  // the same click, the same order
  const Ended retried = desk.run("retry_after_unknown", {desk.redis.url()});
  CHECK(retried.code == 0);
  CHECK(retried.out.find("reserved 1-") != std::string::npos);
  const Ended looped = desk.run("epoll_loop", {desk.redis.url()});
  CHECK(looped.code == 0);
  CHECK(looped.out == "98 won, 902 refused, 0 failed\n");
  desk.json({"work", "--drain"});
  CHECK(desk.orders("spring").size() == 100);
}

TEST_CASE("list_consumer.py gets every order of a sale in list mode, payload byte for byte") {
  const Desk desk;
  desk.json({"create", "spring", "--item", "shoe=2:1", "--queue", "list", "--opens-at", "+0s"});
  for (const std::string buyer : {"ann", "bob"})
    desk.json(
        {"reserve", "spring", "shoe", "--buyer", buyer, "--request", "r", "--payload", "two  spaces \" for " + buyer});
  const std::string script = std::string(FLASHSALE_SOURCE_DIR) + "/examples/list_consumer.py";
  const Ended consumed = desk.run("/usr/bin/python3", {script, "spring", desk.redis.url(), "2"});
  CAPTURE(consumed.err);
  CHECK(consumed.code == 0);
  CHECK(consumed.out.find(" ann shoe 1 r b'two  spaces \" for ann'\n") != std::string::npos);
  CHECK(consumed.out.find(" bob shoe 1 r b'two  spaces \" for bob'\n") != std::string::npos);
  CHECK(desk.json({"status", "spring"})["waiting"] == 0);
}

}  // namespace
}  // namespace flashsale::test
