#include "core/sale_meta.hpp"

#include <doctest/doctest.h>

using namespace flashsale::core;

TEST_SUITE("core/sale_meta") {
  TEST_CASE("after a promotion the old id is still in INFO as master_replid2, and is not taken for the history") {
    const std::string info =
        "# Replication\r\nrole:master\r\nmaster_replid:bbbb\r\nmaster_replid2:aaaa\r\nmaster_repl_offset:10\r\n";
    CHECK(is_history(info, "bbbb"));
    CHECK_FALSE(is_history(info, "aaaa"));
    CHECK_FALSE(is_history(info, "bbb"));
    CHECK_FALSE(is_history(info, ""));
    CHECK(info_field(info, "role") == "master");
    CHECK(info_field(info, "absent") == "");
  }
}
