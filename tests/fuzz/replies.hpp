/// The first whole reply in a fuzzer's bytes, as Redis might have sent it; nothing if there is none.
#pragma once

#include <optional>

#include "flashsale/connection.hpp"
#include "fuzz/claim.hpp"
#include "redis/resp.hpp"

namespace flashsale::fuzz {

inline std::optional<Reply> first_reply(const std::uint8_t* data, std::size_t size) {
  redis::ReplyDecoder decoder;
  decoder.feed(reinterpret_cast<const char*>(data), size);
  Reply reply;
  if (decoder.next(reply) != redis::ReplyDecoder::Step::reply) return std::nullopt;
  return reply;
}

}  // namespace flashsale::fuzz
