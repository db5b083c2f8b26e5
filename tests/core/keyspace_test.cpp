#include "core/keyspace.hpp"

#include <doctest/doctest.h>

#include "core/scripts.hpp"

using namespace flashsale::core;

TEST_SUITE("core/keyspace") {
  TEST_CASE("every key of a sale carries the sale's hash tag, so one sale is one slot") {
    const Keys keys("spring:2026");
    for (const auto& key : {keys.meta, keys.buyers, keys.journal, keys.holds, keys.winners, keys.info, keys.ops,
                            keys.orders, keys.consumers, keys.taken("worker-1")}) {
      CHECK(key.rfind("fs:{spring:2026}:", 0) == 0);
    }
    CHECK(keys.taken("w") == "fs:{spring:2026}:orders:taken:w");
  }

  TEST_CASE("a slot is CRC16/XMODEM of the id, as the cluster specification says") {
    CHECK(slot_of("123456789") == (0x31C3 & 0x3fff));
    CHECK(slot_of("") == 0);
    CHECK(slot_of("foo") == 12182);
  }

  TEST_CASE("every script that the library names is embedded, with the digest of its text") {
    for (const char* name : {"reserve", "look", "create", "control", "restock", "retire", "settle", "close_gate",
                             "rebuild", "reopen", "beat", "give_back"}) {
      const Script& one = script(name);
      CHECK(one.sha1.size() == 40);
      CHECK(one.text.rfind("#!lua", 0) == 0);
    }
  }
}
