#include "core/keyspace.hpp"

namespace flashsale::core {

Keys::Keys(std::string_view sale) {
  const std::string stem = "fs:{" + std::string(sale) + "}:";
  meta = stem + "meta";
  buyers = stem + "buyers";
  journal = stem + "journal";
  holds = stem + "holds";
  winners = stem + "winners";
  info = stem + "info";
  ops = stem + "ops";
  orders = stem + "orders";
  consumers = stem + "consumers";
}

std::uint16_t slot_of(std::string_view sale) {
  std::uint32_t crc = 0;
  for (const unsigned char byte : sale) {
    crc ^= static_cast<std::uint32_t>(byte) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return static_cast<std::uint16_t>(crc & 0x3fff);
}

}  // namespace flashsale::core
