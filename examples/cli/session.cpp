#include "session.hpp"

#include <cstdio>
#include <filesystem>

#include "text.hpp"
#include "times.hpp"

namespace cli {

using namespace flashsale;

void usage(const std::string& detail) { throw Failure(Error{ErrorCode::invalid_argument, Effect::none, detail}); }

Session::Session(Globals globals) : globals_(std::move(globals)) {
  timeout_ = parse_duration("--timeout", globals_.timeout, milliseconds{1}, kTimeoutMax);
  auto pool = make_pool(globals_.redis);
  if (!pool) usage("--redis: " + pool.error().detail);
  pool_ = std::move(*pool);
}

std::shared_ptr<ConnectionPool> Session::pool() const { return pool_; }

std::shared_ptr<OrderSink> Session::sink() const { return need(make_sink(globals_.db)); }

std::shared_ptr<OrderSink> Session::sink_if_there() const {
  std::string path = globals_.db;
  if (path.find("://") != std::string::npos) return sink();
  if (path.rfind("sqlite:", 0) == 0) path.erase(0, 7);
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? sink() : nullptr;
}

SaleController Session::controller(const std::string& by) const {
  return SaleController(pool_, sink(), ControllerOptions{timeout_, by});
}

SaleController Session::looking_controller() const {
  return SaleController(pool_, sink_if_there(), ControllerOptions{timeout_, {}});
}

int Session::finish(const Json& object, const std::string& text, Exit code) const {
  const std::string line = globals_.json ? one_line(object) : without_line_end(text);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  return code;
}

std::string one_line(const Json& object) {
  return object.dump(-1, ' ', false, nlohmann::detail::error_handler_t::replace);
}

Json to_json(const Error& error) {
  return {{"error", name(error.code)}, {"effect", name(error.effect)}, {"detail", error.detail}};
}

}  // namespace cli
