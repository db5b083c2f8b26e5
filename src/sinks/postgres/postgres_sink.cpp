#include "sinks/postgres/postgres_sink.hpp"

#include "flashsale/linked_sinks.hpp"

namespace flashsale::sinks {
namespace postgres {

PostgresSink::PostgresSink(const Target& target)
    : name_(target.name()), connections_(std::make_shared<Connections>([target](Deadline deadline) {
        return std::make_unique<Connection>(target, deadline);
      })) {}

/// A connection at rest may have lost its server without a word: one that fails to begin is replaced, once.
Result<std::unique_ptr<SinkTransaction>> PostgresSink::begin(Access access, Deadline deadline) {
  return guarded([&]() -> std::unique_ptr<SinkTransaction> {
    claim_.check(name_);
    for (bool again = true;; again = false) {
      try {
        return std::make_unique<PostgresTransaction>(connections_, connections_->take(deadline), access);
      } catch (const Failure& failure) {
        if (!again || failure.error.code != ErrorCode::disconnected) throw;
      }
    }
  });
}

Result<std::string> PostgresSink::id(Deadline deadline) {
  return guarded([&] {
    claim_.check(name_);
    auto connection = connections_->take(deadline);
    const Rows rows = connection->run({"select sink_id from flashsale.flashsale_schema"});
    if (rows.size() != 1) fail_with(ErrorCode::refused, name_ + " has lost its id");
    std::string id = rows.text(0, 0);
    connections_->give_back(std::move(connection));
    return id;
  });
}

}  // namespace postgres

Result<std::unique_ptr<OrderSink>> make_postgres_sink(std::string_view url) {
  return guarded(
      [&]() -> std::unique_ptr<OrderSink> { return std::make_unique<postgres::PostgresSink>(postgres::Target(url)); });
}

}  // namespace flashsale::sinks
