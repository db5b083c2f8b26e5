#include "core/sale_meta.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace flashsale::core;

namespace {

/// The meta of an open sale, with one field as given.
flashsale::Reply hgetall(const std::string& changed, const std::string& value) {
  std::map<std::string, std::string> fields{{"layout", "2"},      {"rec", ""},
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

  TEST_CASE("a replica counts once it is in step, by what it has acknowledged, in the words of Redis and of Valkey") {
    const std::string info =
        "# Replication\r\nrole:master\r\nconnected_slaves:5\r\n"
        "slave0:ip=10.0.0.7,port=6379,state=online,offset=100,lag=0\r\n"
        "slave1:ip=10.0.0.8,port=6379,state=online,offset=99,lag=1\r\n"
        "slave2:ip=10.0.0.9,port=6379,state=wait_bgsave,offset=200,lag=0\r\n"
        "slave3:ip=10.0.0.9,port=6379,state=online,offset=200,lag=0,type=rdb-channel\r\n"
        "slave4:ip=10.0.0.9,port=6379,state=online,offset=300,lag=0,type=replica\r\nmaster_replid:aaaa\r\n";
    CHECK(acknowledged_by(info, 1) == 300);
    CHECK(acknowledged_by(info, 2) == 100);
    CHECK(acknowledged_by(info, 3) == 99);
    CHECK_FALSE(acknowledged_by(info, 4));
    CHECK_FALSE(acknowledged_by("", 1));
    CHECK_FALSE(acknowledged_by(info, 0));
  }
}
