/// What every control act needs: the sale as Redis and the database have it, and what a script's verdict means.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/keyspace.hpp"
#include "core/sale_meta.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/sale_controller.hpp"

namespace flashsale::engine {

/// One act under way. Thread-bound; borrows all but its keys.
struct ControlledSale {
  ControlledSale(const std::shared_ptr<ConnectionPool>& pool_given, const std::shared_ptr<OrderSink>& sink_given,
                 std::string_view id_given, Deadline deadline_given)
      : pool(pool_given), sink(sink_given), id(id_given), keys(id_given), deadline(deadline_given) {}

  const std::shared_ptr<ConnectionPool>& pool;
  const std::shared_ptr<OrderSink>& sink;  ///< may be empty
  const std::string_view id;
  const core::Keys keys;
  const Deadline deadline;
};

/// The sale's row in the sink; nothing without a sink or a row.
Result<std::optional<SaleRow>> read_row(const ControlledSale& sale);

/// The sale as the primary has it. Not there: `refused` if part of it is, else what no_such_sale says.
Result<core::SaleMeta> read_sale(const ControlledSale& sale, core::Rebuilding rebuilding = core::Rebuilding::refuse);

/// The same, for an act that ends in the database: in journal mode `unsupported` without a sink, `conflict` if
/// the sale's orders go to another one, or if its create was cut off.
Result<core::SaleMeta> read_sale_to_change(const ControlledSale& sale,
                                           core::Rebuilding rebuilding = core::Rebuilding::refuse);

/// Why Redis has no such sale: `lost` if the database says that it should, else not_found.
Error no_such_sale(const ControlledSale& sale);

/// The error of a verdict that no script's caller can mend: fenced, absent, layout, or one it does not know.
Error error_of_verdict(const ControlledSale& sale, std::string_view verdict);

/// Writes the script call for the sale as it is now, or says why there is none.
using MakeCall = std::function<Result<ScriptCall>(const core::SaleMeta&)>;
/// What a verdict other than ok, same and stale means; for all it does not know itself it asks error_of_verdict.
using ToError = std::function<Error(const ScriptAnswer&)>;

/// Runs one act to its end: sends its script, anew where another epoch began meanwhile; in journal mode carries the
/// journal into the database up to the act's entry, also if the sale was so already, so that a retried act is durable;
/// and waits until the act is in force. For scripts that reply as control.lua does.
Result<Done> run_act(const ControlledSale& sale, const MakeCall& make_call, const ToError& to_error);

inline tl::unexpected<Error> unexpected(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace flashsale::engine
