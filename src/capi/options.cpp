#include "capi/options.hpp"

#include <fmt/format.h>

#include <array>

#include "capi/guard.hpp"
#include "capi/records.hpp"
#include "core/numbers.hpp"
#include "core/times.hpp"

namespace flashsale::capi {
namespace {

// How each C++ type of an option is written, and set from a number.
std::string to_text(milliseconds value) { return std::to_string(value.count()); }
std::string to_text(std::size_t value) { return std::to_string(value); }
std::string to_text(std::uint32_t value) { return std::to_string(value); }
std::string to_text(std::int64_t value) { return std::to_string(value); }
std::string to_text(bool value) { return value ? "true" : "false"; }
std::string to_text(Level value) { return std::string(name(value)); }
std::string to_text(QueueMode value) { return std::string(name(value)); }
std::string to_text(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : ""; }

void assign(milliseconds& to, std::int64_t number) { to = milliseconds{number}; }
template <class T>
void assign(T& to, std::int64_t number) {
  to = static_cast<T>(number);
}

/// An option that is one member of one struct of Values.
template <auto group, auto member>
constexpr Option knob(const char* name, const char* type, std::int64_t least, std::int64_t most, const char* doc,
                      std::int64_t first_word = 0) {
  return {name,
          type,
          least,
          most,
          doc,
          [](const Values& values) { return to_text((values.*group).*member); },
          [](Values& values, std::int64_t number, std::string_view) { assign((values.*group).*member, number); },
          first_word};
}

constexpr std::int64_t kMonth = 30LL * 24 * 3600 * 1000;
constexpr std::int64_t kSalesBytesMax = 65'536;

using V = Values;
constexpr std::array kOptions{
    knob<&V::pool, &PoolOptions::connect_timeout>("pool.connect_timeout_ms", "integer", 1, 30'000,
                                                  "One attempt to connect: look-up, connect, TLS, AUTH, SELECT, ROLE."),
    knob<&V::pool, &PoolOptions::reconnect_min>("pool.reconnect_min_ms", "integer", 1, 30'000,
                                                "The first pause after a failed attempt; it grows twofold, jittered."),
    knob<&V::pool, &PoolOptions::reconnect_max>("pool.reconnect_max_ms", "integer", 1, 30'000,
                                                "The longest such pause; a recovered Redis is seen within it."),
    knob<&V::pool, &PoolOptions::replica_lag_max>("pool.replica_lag_max_ms", "integer", 1, 30'000,
                                                  "A replica further behind its primary is not read."),
    knob<&V::pool, &PoolOptions::replica_lag_bytes_max>("pool.replica_lag_max_bytes", "integer", 0, kReplicaLagBytesMax,
                                                        "The same in bytes of replication."),
    knob<&V::pool, &PoolOptions::connections_max>("pool.connections_max", "integer", 1, 1024,
                                                  "Connections to one node; more leases wait for one to come back."),
    knob<&V::pool, &PoolOptions::idle_check>("pool.idle_check_ms", "integer", 0, 3'600'000,
                                             "A connection idle for longer is PINGed before it is used."),
    knob<&V::gate, &GateOptions::timeout>("gate.timeout_ms", "integer", 1, 30'000,
                                          "Timeout of a call that names none."),
    knob<&V::gate, &GateOptions::level>("gate.level", "usual|primary|replicas|database", 0, 3,
                                        "Level of a call that names none; usual is database for a confirm where the "
                                        "sale has one, else primary.",
                                        0),
    knob<&V::gate, &GateOptions::payload_bytes_max>("gate.payload_bytes_max", "integer", 0, kPayloadBytesMax,
                                                    "A longer payload is invalid_argument."),
    knob<&V::gate, &GateOptions::view>("gate.view", "boolean", 0, 1,
                                       "Whether refusals that are known already are answered without Redis."),
    knob<&V::gate, &GateOptions::lanes>("gate.lanes", "integer", 1, 16,
                                        "Batches under way at once; two keep Redis' one core busy, one keeps the order "
                                        "in which calls were submitted."),
    knob<&V::gate, &GateOptions::batch_max>("gate.batch_max", "integer", 1, 512, "Requests in one batch."),
    knob<&V::gate, &GateOptions::waiting_max>("gate.waiting_max", "integer", 1, 1'048'576,
                                              "Requests accepted and not answered yet; one more is busy."),
    knob<&V::gate, &GateOptions::receipts_max>("gate.receipts_max", "integer", 1, 1'048'576,
                                               "Receipts that a gate with a sink keeps until the database has their "
                                               "orders, 64 MiB in all; one more drops the oldest."),
    knob<&V::controller, &ControllerOptions::timeout>("controller.timeout_ms", "integer", 1, 60'000,
                                                      "Timeout of one act, with its way to the database."),
    knob<&V::worker, &WorkerOptions::watch_every>("worker.watch_every_ms", "integer", 10, 60'000,
                                                  "How often the fence and what is untold are looked at."),
    knob<&V::worker, &WorkerOptions::call_timeout>("worker.call_timeout_ms", "integer", 10, 60'000,
                                                   "Timeout of one round trip or one transaction."),
    knob<&V::worker, &WorkerOptions::reconcile>("worker.reconcile", "boolean", 0, 1,
                                                "Whether it reconciles by itself when the fence fires."),
    knob<&V::worker, &WorkerOptions::idle>("worker.idle_ms", "integer", 1, 1000,
                                           "The pause after a look that found nothing."),
    knob<&V::worker, &WorkerOptions::orders_per_commit>("worker.orders_per_commit", "integer", 1, 10'000,
                                                        "Orders aimed at in one transaction; fsync is paid once each."),
    Option{"worker.sales", "text", 0, kSalesBytesMax,
           "The sales to serve, separated by commas; none means every sale of the sink that is not retired.",
           [](const Values& values) { return values.sales; },
           [](Values& values, std::int64_t, std::string_view text) { values.sales = text; }, 0},
    knob<&V::sale, &SaleOptions::opens_ms>("sale.opens_ms", "integer", 0, core::kTimeMax,
                                           "Unix ms by Redis' clock at which it opens by itself; none: by an open."),
    knob<&V::sale, &SaleOptions::closes_ms>("sale.closes_ms", "integer", 0, core::kTimeMax,
                                            "Unix ms by Redis' clock at which it ends by itself; none: by a close."),
    knob<&V::sale, &SaleOptions::queue>("sale.queue", "journal|list", 0, 1,
                                        "How won orders leave Redis: exactly once into a sink, or as a plain list."),
    knob<&V::sale, &SaleOptions::hold>("sale.hold_ms", "integer", 0, kMonth,
                                       "How long a reservation holds units unconfirmed; 0: for ever."),
    knob<&V::sale, &SaleOptions::probe>("sale.probe_ms", "integer", 10, 5000,
                                        "How stale a process's knowledge of a refusal may be."),
    knob<&V::sale, &SaleOptions::replicas>("sale.replicas", "integer", 0, 16,
                                           "Least number of replicas that level replicas waits for."),
    knob<&V::sale, &SaleOptions::buyer_orders_max>("sale.buyer_orders_max", "integer", 1, kBuyerOrdersMax,
                                                   "Orders that one buyer may have in the sale, in every state."),
};

/// The place of `word` among `a|b|c`.
std::optional<std::int64_t> find_word(std::string_view words, std::string_view word) {
  for (std::int64_t place = 0;; ++place) {
    const auto end = words.find('|');
    if (words.substr(0, end) == word) return place;
    if (end == words.npos) return std::nullopt;
    words.remove_prefix(end + 1);
  }
}

/// A value as it may stand in a message.
std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, 60));
  for (char& byte : shown)
    if (static_cast<unsigned char>(byte) < 0x20 || static_cast<unsigned char>(byte) >= 0x7f) byte = '?';
  return "'" + shown + "'";
}

std::optional<std::string> set_text(Values& values, const Option& option, std::string_view text) {
  if (text.size() > static_cast<std::size_t>(option.most))
    return fmt::format("{} must have at most {} bytes, has {}", option.name, option.most, text.size());
  option.set(values, 0, text);
  return std::nullopt;
}

}  // namespace

std::vector<std::string> Values::worker_sales() const {
  std::vector<std::string> ids;
  for (std::string_view rest = sales; !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    ids.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return ids;
}

const Values& default_values() {
  static const Values defaults;
  return defaults;
}

const Option* find_option(std::string_view name) {
  for (const Option& option : kOptions)
    if (name == option.name) return &option;
  return nullptr;
}

const Option* option_at(std::size_t index) { return index < kOptions.size() ? &kOptions[index] : nullptr; }

const char* default_text(const Option& option) {
  static const auto texts = [] {
    std::array<std::string, kOptions.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = kOptions[i].get(default_values());
    return all;
  }();
  return texts[static_cast<std::size_t>(&option - kOptions.data())].c_str();
}

std::optional<std::string> set_option(Values& values, const Option& option, std::string_view text) {
  const std::string_view type = option.type;
  if (text.empty()) text = default_text(option);
  if (type == "text") return set_text(values, option, text);
  if (text.empty()) {  // a time that is not set
    (option.name == std::string_view("sale.opens_ms") ? values.sale.opens_ms : values.sale.closes_ms).reset();
    return std::nullopt;
  }
  if (type == "integer") {
    const auto number = core::to_number<std::int64_t>(text);
    if (!number || *number < option.least || *number > option.most)
      return fmt::format("{} must be {} to {}, is {}", option.name, option.least, option.most, quoted(text));
    option.set(values, *number, {});
    return std::nullopt;
  }
  const std::string_view words = type == "boolean" ? "false|true" : type;
  const auto place = find_word(words, text);
  if (!place) return fmt::format("{} must be one of {}, is {}", option.name, words, quoted(text));
  option.set(values, *place + option.first_word, {});
  return std::nullopt;
}

}  // namespace flashsale::capi

using namespace flashsale::capi;
using flashsale::ErrorCode;

extern "C" {

int32_t flashsale_options_create(uint32_t abi, flashsale_options_t** options_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(options_out, "options_out");
    if (abi != FLASHSALE_ABI)
      refuse(ErrorCode::unsupported,
             fmt::format("the caller was compiled for ABI {}, this library has ABI {}", abi, FLASHSALE_ABI));
    out = new flashsale_options_t;
    return 0;
  });
}

int32_t flashsale_options_set(flashsale_options_t* options, const char* name, size_t name_size, const char* value,
                              size_t value_size, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    Values& values = need(options).values;
    const auto wanted = text(name, name_size, "name");
    const auto given = text(value, value_size, "value");
    const Option* const option = find_option(wanted);
    if (option == nullptr) refuse(ErrorCode::not_found, "there is no option " + quoted(wanted));
    if (auto defect = set_option(values, *option, given)) refuse(ErrorCode::invalid_argument, std::move(*defect));
    return 0;
  });
}

int32_t flashsale_options_describe(size_t index, flashsale_option_t* option_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    clear(option_out, "option_out");
    const Option* const option = option_at(index);
    if (option == nullptr) refuse(ErrorCode::not_found, fmt::format("there is no option number {}", index));
    flashsale_option_t row = FLASHSALE_OPTION_INIT;
    row.name = option->name;
    row.type = option->type;
    row.default_value = default_text(*option);
    row.doc = option->doc;
    row.least = option->least;
    row.most = option->most;
    write(option_out, row);
    return 0;
  });
}

void flashsale_options_destroy(flashsale_options_t** options) { destroy(options); }
}
