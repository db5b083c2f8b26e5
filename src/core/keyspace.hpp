/// Every key of a sale, built here and nowhere else.
///
///   fs:{S}:meta      hash    the sale as a whole
///   fs:{S}:buyers    hash    '#' = epoch; buyer -> record of all that this buyer ever won
///   fs:{S}:journal   stream  journal mode: what changed the sale and is not trimmed yet
///   fs:{S}:holds     zset    with a hold time: `<epoch>-<seq> <buyer>...` of an entry by deadline
///   fs:{S}:winners   string  the winners' filter
///   fs:{S}:info      hash    preloaded public facts of each item
///   fs:{S}:ops       hash    operation ids of restocks
///   fs:{S}:orders    list    list mode: won orders, newest at the left
///   fs:{S}:orders:taken:<consumer>  list
///   fs:{S}:consumers zset    list mode: consumers by last heartbeat
///
/// The braces make Redis Cluster hash only the sale's id, so one sale is one slot. An id cannot hold a brace
/// (checks.hpp), so it cannot move the tag. Nothing in a live sale has a TTL, and nothing is stored for a loser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flashsale::core {

struct Keys {
  explicit Keys(std::string_view sale);
  std::string meta, buyers, journal, holds, winners, info, ops, orders, consumers;
  std::string taken(std::string_view consumer) const { return orders + ":taken:" + std::string(consumer); }
};

/// The hash slot of a sale's keys, 0..16383 (CRC16/XMODEM of the id; https://redis.io/docs/reference/cluster-spec).
std::uint16_t slot_of(std::string_view sale);

}  // namespace flashsale::core
