#include "core/sale_meta.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace flashsale::core;

namespace {

/// The meta of an open sale, with one field as given.
flashsale::Reply hgetall(const std::string& changed, const std::string& value) {
  std::map<std::string, std::string> fields{{"layout", "1"},      {"rec", ""},
                                            {"uuid", "u"},        {"state", "open"},
                                            {"queue", "journal"}, {"opens_ms", "0"},
                                            {"closes_ms", "0"},   {"reopen_ms", "0"},
                                            {"hold_ms", "0"},     {"probe_ms", "50"},
                                            {"last_ms", "1"},     {"replicas", "0"},
                                            {"epoch", "1"},       {"buyer_orders_max", "16"},
                                            {"seq", "2"},         {"hist", "ab"},
                                            {"link", "aa"},       {"sink", "s"},
                                            {"watermark", "1-1"}, {"items", "1"},
                                            {"item:1", "a"},      {"total:1", "9"},
                                            {"booked:1", "2"},    {"limit:1", "2"}};
  fields[changed] = value;
  flashsale::Reply reply;
  reply.type = flashsale::Reply::Type::array;
  for (const auto& [name, text] : fields)
    for (const auto& part : {name, text}) {
      reply.elements.emplace_back();
      reply.elements.back().type = flashsale::Reply::Type::text;
      reply.elements.back().text = part;
    }
  return reply;
}

}  // namespace

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

  TEST_CASE("a field that is no time is named, and no sum of it is ever made") {
    for (const char* field : {"opens_ms", "closes_ms", "reopen_ms", "hold_ms", "probe_ms", "last_ms"})
      for (const char* value : {"-1", "9223372036854775807", "-9223372036854775808", "soon"}) {
        const auto meta = read_meta(hgetall(field, value));
        REQUIRE_MESSAGE(!meta, field, " ", value);
        CHECK(meta.error().code == flashsale::ErrorCode::protocol);
        CHECK(meta.error().detail.find(field) != std::string::npos);
      }
    CHECK(read_meta(hgetall("opens_ms", "1700000000000")));
  }
}
