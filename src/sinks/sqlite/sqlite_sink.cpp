#include "sinks/sqlite/sqlite_sink.hpp"

#include <filesystem>

namespace flashsale::sinks {

SqliteSink::SqliteSink(std::string path)
    : path_(std::move(path)), connections_(std::make_shared<SqliteConnections>([file = path_](Deadline deadline) {
        return std::make_unique<Connection>(file, deadline);
      })) {}

Result<std::unique_ptr<SinkTransaction>> SqliteSink::begin(Access access, Deadline deadline) {
  return guarded([&]() -> std::unique_ptr<SinkTransaction> {
    claim_.check(describe());
    auto connection = connections_->take(deadline);
    return std::make_unique<SqliteTransaction>(connections_, std::move(connection), access);
  });
}

Result<std::string> SqliteSink::id(Deadline deadline) {
  return guarded([&] {
    claim_.check(describe());
    auto connection = connections_->take(deadline);
    std::string id;
    if (Query query(*connection, "select sink_id from flashsale_schema"); query.next()) id = query.bytes(0);
    if (id.empty()) fail_with(ErrorCode::refused, path_ + " has lost its id");
    connections_->give_back(std::move(connection));
    return id;
  });
}

std::string SqliteSink::describe() const { return "sqlite:" + path_; }

Result<std::unique_ptr<OrderSink>> make_sqlite_sink(std::string_view url) {
  return guarded([&]() -> std::unique_ptr<OrderSink> {
    constexpr std::string_view kScheme = "sqlite:";
    const std::string_view path = url.substr(url.substr(0, kScheme.size()) == kScheme ? kScheme.size() : 0);
    if (path.empty() || path.back() == '/') fail_with(ErrorCode::invalid_argument, "sqlite: needs the path of a file");
    if (path == ":memory:") fail_with(ErrorCode::invalid_argument, "sqlite: a database in memory would forget orders");
    // Resolved once: connections opened later must find the same file, and two spellings of it are one.
    return std::make_unique<SqliteSink>(std::filesystem::weakly_canonical(std::filesystem::absolute(path)).string());
  });
}

}  // namespace flashsale::sinks
