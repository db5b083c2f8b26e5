/// What the database says of a sale: its orders by item and state.
#pragma once

#include <cstdint>
#include <flashsale/flashsale.hpp>
#include <map>
#include <memory>
#include <string>

namespace server {

struct Written {
  std::int64_t orders = 0;                        ///< in every state
  std::map<std::string, std::int64_t> confirmed;  ///< units, by item
};

/// Counts anew only when the sale's watermark has moved. One thread at a time.
class WrittenDown {
 public:
  explicit WrittenDown(std::shared_ptr<flashsale::OrderSink> sink) : sink_(std::move(sink)) {}

  /// The newest count; what it was if the database does not answer in time. All 0 without a database.
  const Written& look(const std::string& sale);

 private:
  struct Seen {
    flashsale::Position at{};
    Written written;
  };
  flashsale::Result<flashsale::Done> count(const std::string& sale, Seen& seen);

  std::shared_ptr<flashsale::OrderSink> sink_;
  std::map<std::string, Seen> seen_;
};

}  // namespace server
