/// The bounds of PROTOCOL section 1, checked where a value enters. Each answers what is wrong, naming field and bound;
/// nothing if all is well.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flashsale/types.hpp"

namespace flashsale::core {

using Defect = std::optional<std::string>;

Defect check_sale(std::string_view id);
Defect check_item(std::string_view id);
Defect check_buyer(std::string_view id);
Defect check_request(std::string_view id);
Defect check_operation(std::string_view id);
Defect check_by(std::string_view who);  ///< may be empty
Defect check_consumer(std::string_view id);
Defect check_quantity(std::uint32_t quantity);
Defect check_payload(std::size_t bytes, std::size_t bytes_max);
Defect check_timeout(milliseconds timeout);

/// The first defect of a call, field by field in the order of `Call`. `timeout` 0 and `Level::usual` are fine.
Defect check_call(const Call& call, std::size_t payload_bytes_max);

/// The same, without words: what the hot path asks first.
bool is_well_formed(const Call& call, std::size_t payload_bytes_max);
/// The same of a call whose sale and item are known to be some that were checked.
bool is_well_formed_but_for_names(const Call& call, std::size_t payload_bytes_max);

}  // namespace flashsale::core
