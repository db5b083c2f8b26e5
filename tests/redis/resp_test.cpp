#include "redis/resp.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "util/random.hpp"

namespace flashsale::redis {
namespace {

using Step = ReplyDecoder::Step;

Step decode(std::string_view bytes, Reply& reply) {
  ReplyDecoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  return decoder.next(reply);
}

Step decode(std::string_view bytes) {
  Reply reply;
  return decode(bytes, reply);
}

std::string nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += "*1\r\n";
  return text + ":1\r\n";
}

TEST_CASE("commands are arrays of bulk strings, binary-safe") {
  std::string bytes = "kept";
  encode({"SET", std::string_view("\0\r\n", 3), ""}, bytes);
  CHECK(bytes == std::string("kept*3\r\n$3\r\nSET\r\n$3\r\n\0\r\n\r\n$0\r\n\r\n", 32));
}

TEST_CASE("every kind of reply is built as it was sent") {
  Reply reply;
  REQUIRE(decode("*6\r\n+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n*-1\r\n*0\r\n", reply) == Step::reply);
  REQUIRE(reply.elements.size() == 6);
  CHECK(reply.elements[0].text == "OK");
  CHECK(reply.elements[1].type == Reply::Type::error);
  CHECK(reply.elements[1].text == "ERR no");
  CHECK(reply.elements[2].integer == -42);
  CHECK(reply.elements[3].text == "a\r\n");
  CHECK(reply.elements[4].type == Reply::Type::nil);
  CHECK(reply.elements[5].elements.at(0).type == Reply::Type::nil);
  CHECK(reply.elements[5].elements.at(1).type == Reply::Type::array);
  CHECK(reply.elements[5].elements.at(1).elements.empty());
}

TEST_CASE("pieces of any size make the same replies") {
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += "*3\r\n$4\r\nabcd\r\n*2\r\n:7\r\n-E\r\n$-1\r\n";
  util::Random random(7);
  for (const std::size_t most : {1u, 2u, 3u, 17u, 1000u}) {
    ReplyDecoder decoder;
    int replies = 0;
    Reply reply;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::min(bytes.size() - at, 1 + random.below(most));
      decoder.feed(bytes.data() + at, size);
      at += size;
      while (decoder.next(reply) == Step::reply) {
        ++replies;
        CHECK(reply.elements.at(1).elements.at(1).text == "E");
      }
    }
    CHECK(replies == 200);
    CHECK(decoder.is_empty());
    CHECK(decoder.complaint().empty());
  }
}

TEST_CASE("eight arrays in one another are a reply, nine are nonsense") {
  CHECK(decode(nested(kReplyDepthMax)) == Step::reply);
  CHECK(decode(nested(kReplyDepthMax + 1)) == Step::nonsense);
  CHECK(decode(nested(100'000)) == Step::nonsense);
  CHECK(decode(nested(kReplyDepthMax - 1).replace(4 * (kReplyDepthMax - 1), 4, "*-1\r\n")) == Step::reply);
  CHECK(decode(nested(kReplyDepthMax).replace(4 * kReplyDepthMax, 4, "*-1\r\n")) == Step::nonsense);
  CHECK(decode(nested(kReplyDepthMax).replace(4 * kReplyDepthMax, 4, "*0\r\n")) == Step::nonsense);
}

TEST_CASE("nonsense is told at once, before what it announces has come") {
  const std::string table[] = {"$2147483648\r\n",
                               "$9223372036854775807\r\n",
                               "$9223372036854775808\r\n",
                               "$-2\r\n",
                               "$16777217\r\n",
                               "$x\r\n",
                               "$\r\n",
                               "$1x\r\n",
                               "*1048577\r\n",
                               "*2147483647\r\n",
                               "*4294967297\r\n",
                               "*9223372036854775807\r\n",
                               "*-2\r\n",
                               "*x\r\n",
                               ":x\r\n",
                               ":\r\n",
                               ":9223372036854775808\r\n",
                               "?\r\n",
                               "\r\n",
                               "HTTP/1.1 400\r\n",
                               ">1\r\n+push\r\n",
                               "%1\r\n",
                               "_\r\n",
                               "~1\r\n",
                               "|1\r\n",
                               ",1.5\r\n",
                               "#t\r\n",
                               "(1\r\n",
                               "=100\r\n",
                               "*1\r\n_\r\n",
                               "*1\r\n,1.5\r\n",
                               ">",
                               "=",
                               "+a\nb\r\n",
                               "-a\rb\r\n",
                               std::string("\0", 1),
                               "$" + std::string(40, '1'),
                               "*2\r\n*1048576\r\n",
                               "+" + std::string(kReplyLineBytesMax + 1, 'x'),
                               "*" + std::string(kReplyLineBytesMax + 1, '1')};
  for (const std::string& bytes : table) {
    CAPTURE(bytes.substr(0, 40));
    ReplyDecoder decoder;
    decoder.feed(bytes.data(), bytes.size());
    Reply reply;
    CHECK(decoder.next(reply) == Step::nonsense);
    CHECK_FALSE(decoder.complaint().empty());
    decoder.feed("+OK\r\n", 5);
    CHECK(decoder.next(reply) == Step::nonsense);
  }
}

TEST_CASE("an announced length costs no memory and is waited for") {
  CHECK(decode("*1048576\r\n") == Step::more);
  CHECK(decode("$16777216\r\n") == Step::more);
  CHECK(decode("*2\r\n*1048574\r\n") == Step::more);
  CHECK(decode("+no end") == Step::more);
  CHECK(decode("$1") == Step::more);
  CHECK(decode("") == Step::more);
}

TEST_CASE("the longest string passes, one byte more does not") {
  Reply reply;
  const std::string head = "$" + std::to_string(kReplyTextBytesMax) + "\r\n";
  REQUIRE(decode(head + std::string(kReplyTextBytesMax, 'x') + "\r\n", reply) == Step::reply);
  CHECK(reply.text.size() == kReplyTextBytesMax);
  const std::string more = "$" + std::to_string(kReplyTextBytesMax + 1) + "\r\n";
  CHECK(decode(more + std::string(kReplyTextBytesMax + 1, 'x') + "\r\n") == Step::nonsense);
}

TEST_CASE("strings that are each allowed may not be too long together") {
  const std::string one = "$16000000\r\n" + std::string(16'000'000, 'x') + "\r\n";
  ReplyDecoder decoder;
  Reply reply;
  decoder.feed("*6\r\n", 4);
  Step step = Step::more;
  for (int i = 0; i < 6 && step == Step::more; ++i) {
    decoder.feed(one.data(), one.size());
    step = decoder.next(reply);
  }
  CHECK(step == Step::nonsense);
}

TEST_CASE("any bytes make replies, wait for more, or are refused") {
  const std::string alphabet = "*$:+-0123456789\r\n\r\n\r\nax";
  util::Random random(42);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (std::uint64_t size = random.below(60); size > 0; --size) bytes += alphabet[random.below(alphabet.size())];
    ReplyDecoder decoder;
    Reply reply;
    decoder.feed(bytes.data(), bytes.size());
    Step step = Step::reply;
    while (step == Step::reply) step = decoder.next(reply);
    CHECK((step == Step::more || !decoder.complaint().empty()));
  }
}

}  // namespace
}  // namespace flashsale::redis
