/// Options by name, so that a binding passes strings through and never lags behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/options.hpp"
#include "flashsale/sale_controller.hpp"

namespace flashsale::capi {

/// What the options of a sale set; the rest of its terms is given by flashsale_sale_create and _item.
struct SaleOptions {
  std::optional<std::int64_t> opens_ms, closes_ms;
  QueueMode queue = QueueMode::journal;
  milliseconds hold{0};
  milliseconds probe{50};
  std::uint32_t replicas = 0;
  std::uint32_t buyer_orders_max = 16;
};

/// Every option's value.
struct Values {
  PoolOptions pool;
  GateOptions gate;
  ControllerOptions controller;
  WorkerOptions worker;
  SaleOptions sale;
  std::string sales;  ///< of a worker: ids, separated by commas

  std::vector<std::string> worker_sales() const;
};

/// Of no options at all: the defaults.
const Values& default_values();

/// One option, as it is looked up, set and described.
struct Option {
  const char* name;
  const char* type;  ///< `integer`, `boolean`, `text`, or words separated by `|`
  std::int64_t least, most;
  const char* doc;
  std::string (*get)(const Values&);
  void (*set)(Values&, std::int64_t number, std::string_view text);
  std::int64_t first_word;  ///< the number of the first of the words
};

const Option* find_option(std::string_view name);
/// Nothing past the last one.
const Option* option_at(std::size_t index);
/// The option's default as text; stays for ever.
const char* default_text(const Option& option);

/// Sets it from text; what is wrong with the text, if it is. An empty text brings back the default.
std::optional<std::string> set_option(Values& values, const Option& option, std::string_view text);

}  // namespace flashsale::capi
