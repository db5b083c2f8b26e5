/// The recorded crowd of tests/support/crowd, and what somebody else worked out that it must hear, in file order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flashsale/stock_gate.hpp"

namespace flashsale::test {

/// A member of the wrong type is here what a gate refuses: an empty text, a quantity of 0.
struct Attempt {
  std::string request, buyer, item, payload;
  std::uint32_t quantity = 0;

  Call call(std::string_view sale) const {
    return {SaleId{sale}, ItemId{item}, BuyerId{buyer}, RequestId{request}, quantity, payload};
  }
};

struct RecordedCrowd {
  std::vector<Attempt> attempts;
  std::vector<ItemRow> items;
  std::map<std::string, std::size_t> answers;  ///< how many hear it: an outcome or an error
  std::string answers_sha256;                  ///< of a line "<request> <answer>\n" an attempt
};

/// Reads both from `folder`; throws if it cannot.
RecordedCrowd read_recorded_crowd(const std::string& folder);

}  // namespace flashsale::test
