#include "core/checks.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace flashsale;
using namespace flashsale::core;

TEST_SUITE("core/checks") {
  TEST_CASE("each alphabet holds exactly the bytes that PROTOCOL section 1 gives it") {
    struct Row {
      Defect (*check)(std::string_view);
      const char* extra;
    };
    for (const Row& row : {Row{check_sale, "_.:-"}, Row{check_item, "_.-"}, Row{check_buyer, "_.:@-"},
                           Row{check_request, "_.:@-"}, Row{check_operation, "_.:@-"}, Row{check_consumer, "_.:@-"}}) {
      for (int c = 0; c < 256; ++c) {
        const char byte = static_cast<char>(c);
        const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const bool allowed = alnum || (c != 0 && std::string_view(row.extra).find(byte) != std::string_view::npos);
        CAPTURE(c);
        CHECK(row.check(std::string("x") + byte).has_value() == !allowed);
      }
    }
  }

  TEST_CASE("an id has 1 to 64 bytes, and a defect names the field and the bound") {
    CHECK_FALSE(check_buyer(std::string(64, 'x')));
    CHECK(check_buyer("").value() == "buyer must have 1 to 64 bytes, has 0");
    CHECK(check_buyer(std::string(65, 'x')).value() == "buyer must have 1 to 64 bytes, has 65");
    CHECK(check_request("a b").value() == "request must consist of [A-Za-z0-9_.:@-]");
    CHECK(check_quantity(0).value() == "quantity must be 1 to 1000000, is 0");
    CHECK(check_quantity(1'000'001).value() == "quantity must be 1 to 1000000, is 1000001");
    CHECK_FALSE(check_quantity(1'000'000));
    CHECK(check_payload(1025, 1024).value() == "payload must have at most 1024 bytes, has 1025");
  }

  TEST_CASE("a byte that an id may not have is found at every place of an id of every length") {
    for (std::size_t size = 1; size <= kIdBytesMax; ++size) {
      std::string id(size, 'x');
      CHECK_FALSE(check_buyer(id));
      for (char& byte : id) {
        for (const char bad : {'\0', ' ', '/', '{', '\x80', '\xff'}) {
          byte = bad;
          CHECK(check_buyer(id));
        }
        byte = 'x';
      }
    }
  }

  TEST_CASE("a call is well formed exactly when it has no defect") {
    const std::string long_id(65, 'x'), payload(2000, 'p');
    Call good{SaleId{"s"}, ItemId{"i"}, BuyerId{"b"}, RequestId{"r"}};
    std::vector<Call> calls(16, good);
    calls[1].sale = SaleId{"a b"};
    calls[2].item = ItemId{"a:b"};
    calls[3].buyer = BuyerId{long_id};
    calls[4].request = RequestId{""};
    calls[5].quantity = 0;
    calls[6].payload = payload;
    calls[7].timeout = milliseconds{-1};
    calls[8].timeout = milliseconds{30'001};
    calls[9].level = static_cast<Level>(9);
    calls[10].verb = static_cast<Verb>(0);
    calls[11].verb = static_cast<Verb>(6);
    calls[12].verb = Verb::resolve;
    calls[12].item = ItemId{};
    calls[12].quantity = 0;
    calls[13].timeout = milliseconds{30'000};
    calls[14].sale = SaleId{"{tag}"};
    calls[15].level = Level::database;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      CAPTURE(i);
      CHECK(is_well_formed(calls[i], 1024) == !check_call(calls[i], 1024).has_value());
    }
    CHECK(is_well_formed(calls[0], 1024));
    CHECK(is_well_formed(calls[12], 1024));
    CHECK_FALSE(is_well_formed(calls[14], 1024));
  }
}
