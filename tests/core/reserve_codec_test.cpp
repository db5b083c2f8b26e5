// The caller's side of reserve.lua: what is written, and that no reply but the batch's own is believed.
#include "core/reserve_codec.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "core/times.hpp"

using namespace flashsale;
using namespace flashsale::core;

namespace {

SaleTerms terms(QueueMode queue = QueueMode::journal) {
  SaleTerms t("s");
  t.epoch = "7";
  t.uuid = "u";
  t.queue = queue;
  t.items = {"shoe", "hat"};
  return t;
}

Reply text(std::string value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = std::move(value);
  return reply;
}

Reply integer(std::int64_t value) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = value;
  return reply;
}

/// The reply to three requests: reserved, won before, sold out.
Reply good_reply() {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = {text("nonce"), text("ok"),     integer(1000), text("12"),  text("aRs"), text("3 0"),
                    text("12 9"),  text("0 1040"), text("o 0 0"), integer(50), integer(0),  text("6-3.5 2000")};
  return reply;
}

}  // namespace

TEST_SUITE("core/reserve_codec") {
  TEST_CASE("a batch is written as reserve.lua reads it") {
    BatchEncoder encoder;
    SaleTerms journal = terms();
    journal.seen_seq = 41;
    const SaleTerms list = terms(QueueMode::list);
    const std::vector<Asked> asked{{"ann", "r1", "hat", "pay load", 130}, {"bob", "r2", "sock", "", 1}};
    const auto& commands = encoder.reserve(journal, asked, 99, "nonce");
    REQUIRE(commands.size() == 1);
    const Command expected{"EVALSHA",
                           commands[0][1],
                           "3",
                           "fs:{s}:meta",
                           "fs:{s}:buyers",
                           "fs:{s}:journal",
                           "7",
                           "u",
                           "99",
                           "nonce",
                           "41",
                           std::string_view("\x02\x00\x01\x02\x07\x03\x02\x00\x00\x16"
                                            "\x00\x00\x00\x01\x05\x03\x02\x00\x00\x0c",
                                            20),
                           "annr1bobr2",
                           " 2 130 0 r1 8 pay load 0 1 1 r2 0 "};
    CHECK(commands[0] == expected);
    CHECK(encoder.reserve(list, asked, 99, "nonce")[0].back() == ".0 ann hat 130 r1 pay load.1 bob sock 1 r2 ");
  }

  TEST_CASE("a sale with holds passes its holds key, a look passes neither journal nor bodies") {
    BatchEncoder encoder;
    SaleTerms held = terms();
    held.holds = true;
    const std::vector<Asked> asked{{"ann", "r1", "", "", 0}};
    CHECK(encoder.reserve(held, asked, 9, "n")[0][6] == "fs:{s}:holds");
    const auto& look = encoder.look(held, asked, 9, "n")[0];
    CHECK(look.size() == 5 + 6 + 2);
    CHECK(look[2] == "2");
  }

  TEST_CASE("each letter becomes its request's answer, and retried requests their own orders") {
    const auto reply = read_batch_reply(good_reply(), "nonce", 3, terms());
    REQUIRE(reply);
    std::size_t found = 0;
    const auto won = answer_of(*reply, 0, 1, found);
    CHECK(won->outcome == Outcome::reserved);
    CHECK(to_string(won->order) == "7-12.0");
    CHECK(won->remaining == 3);
    const auto again = answer_of(*reply, 1, 1, found);
    CHECK(again->outcome == Outcome::already_reserved);
    CHECK(to_string(again->order) == "6-3.5");
    CHECK(again->hold_until_ms == 2000);
    const auto refused = answer_of(*reply, 2, 2, found);
    CHECK(refused->outcome == Outcome::sold_out);
    CHECK(refused->retry_after_ms == 40);
  }

  TEST_CASE("a reply that is not this batch's is nonsense with effect unknown, whichever part of it is wrong") {
    const auto spoil = [](std::size_t i, Reply with) {
      Reply reply = good_reply();
      reply.elements[i] = std::move(with);
      return read_batch_reply(reply, "nonce", 3, terms());
    };
    const auto is_nonsense = [](const Result<BatchReply>& reply) {
      return !reply && reply.error().code == ErrorCode::protocol && reply.error().effect == Effect::unknown;
    };
    CHECK(is_nonsense(spoil(0, text("other"))));
    CHECK(is_nonsense(spoil(1, text("maybe"))));
    CHECK(is_nonsense(spoil(3, text("-1"))));
    CHECK(is_nonsense(spoil(4, text("aR"))));
    CHECK(is_nonsense(spoil(4, text("aR?"))));
    CHECK(is_nonsense(spoil(4, text("aRR"))));
    CHECK(is_nonsense(spoil(4, text("ass"))));
    CHECK(is_nonsense(spoil(5, text("3"))));
    CHECK(is_nonsense(spoil(5, text("3 0 1"))));
    CHECK(is_nonsense(spoil(6, text("nan 0"))));
    for (const char* standing : {"", "o", "o 0", "o 0 x", "q 0 0", "oo 0 0"})
      CHECK(is_nonsense(spoil(8, text(standing))));
    CHECK(is_nonsense(spoil(11, text("6-3"))));
    CHECK(is_nonsense(spoil(11, text("0-3.5"))));
    for (const std::int64_t no_time : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), kTimeMax + 1}) {
      for (const std::size_t place : {2, 9, 10}) CHECK(is_nonsense(spoil(place, integer(no_time))));
      CHECK(is_nonsense(spoil(8, text("o " + std::to_string(no_time) + " 0"))));
      CHECK(is_nonsense(spoil(8, text("o 0 " + std::to_string(no_time)))));
      CHECK(is_nonsense(spoil(7, text("0 " + std::to_string(no_time)))));
      CHECK(is_nonsense(spoil(11, text("6-3.5 " + std::to_string(no_time)))));
    }
    CHECK(is_nonsense(read_batch_reply(text("ok"), "nonce", 3, terms())));
    CHECK(is_nonsense(read_batch_reply(good_reply(), "nonce", 4, terms())));
    CHECK(is_nonsense(read_batch_reply(Reply{}, "nonce", 3, terms())));
  }

  TEST_CASE("how the sale stands, and for how long, is read beside the letters") {
    Reply open = good_reply();
    open.elements[8] = text("w 1500 900");
    const auto reply = read_batch_reply(open, "nonce", 3, terms());
    REQUIRE(reply);
    CHECK(reply->standing == 'w');
    CHECK(reply->opens_in_ms == 1500);
    CHECK(reply->changes_in_ms == 900);
  }

  TEST_CASE("a verdict on the whole batch needs nothing else") {
    for (const auto& [word, verdict] : {std::pair{"absent", Verdict::absent},
                                        {"layout", Verdict::layout},
                                        {"fenced", Verdict::fenced},
                                        {"stale", Verdict::stale},
                                        {"late", Verdict::late}}) {
      Reply reply;
      reply.type = Reply::Type::array;
      reply.elements = {text("n"), text(word), integer(5)};
      CHECK(read_batch_reply(reply, "n", 3, terms())->verdict == verdict);
    }
  }
}
