// RESP: bytes make the same replies in whatever pieces they come, and what we encode reads as what we meant.
#include <algorithm>
#include <vector>

#include "fuzz/claim.hpp"
#include "redis/resp.hpp"

using namespace flashsale;
using Step = redis::ReplyDecoder::Step;

namespace {

bool operator==(const Reply& one, const Reply& other) {
  return one.type == other.type && one.integer == other.integer && one.text == other.text &&
         std::equal(one.elements.begin(), one.elements.end(), other.elements.begin(), other.elements.end(),
                    [](const Reply& a, const Reply& b) { return a == b; });
}

struct Decoded {
  std::vector<Reply> replies;
  Step end = Step::more;
};

Decoded decode(std::string_view bytes, std::size_t piece) {
  redis::ReplyDecoder decoder;
  Decoded decoded;
  for (std::size_t from = 0; from < bytes.size() && decoded.end != Step::nonsense; from += piece) {
    const auto part = bytes.substr(from, piece);
    decoder.feed(part.data(), part.size());
    Reply reply;
    while ((decoded.end = decoder.next(reply)) == Step::reply) decoded.replies.push_back(reply);
  }
  CLAIM((decoded.end == Step::nonsense) == !decoder.complaint().empty());
  return decoded;
}

void check_encoding(std::string_view bytes) {
  Command command;
  for (std::string_view rest = bytes; !rest.empty() && command.size() < 64;) {
    const std::size_t size = std::min<std::size_t>(static_cast<unsigned char>(rest[0]), rest.size());
    command.push_back(rest.substr(0, size));
    rest.remove_prefix(std::max<std::size_t>(size, 1));
  }
  if (command.empty()) return;
  std::string encoded;
  redis::encode(command, encoded);
  const Decoded back = decode(encoded, encoded.size());
  CLAIM(back.replies.size() == 1 && back.replies[0].elements.size() == command.size());
  for (std::size_t i = 0; i < command.size(); ++i) CLAIM(back.replies[0].elements[i].text == command[i]);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  const Decoded whole = decode(bytes, bytes.size());
  const Decoded pieces = decode(bytes, std::size_t{1} + data[0] % 32);
  CLAIM(whole.end == pieces.end && whole.replies.size() == pieces.replies.size());
  for (std::size_t i = 0; i < whole.replies.size(); ++i) CLAIM(whole.replies[i] == pieces.replies[i]);
  check_encoding(bytes);
  return 0;
}
