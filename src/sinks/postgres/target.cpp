#include "sinks/postgres/target.hpp"

#include <fmt/format.h>

#include <memory>

#include "sinks/failure.hpp"

namespace flashsale::sinks::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

Target::Target(std::string_view url) {
  char* reason = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(PQconninfoParse(std::string(url).c_str(), &reason));
  PQfreemem(reason);  // it quotes the URL
  if (parsed == nullptr) {
    fail_with(ErrorCode::invalid_argument,
              "a PostgreSQL URL is postgresql://[user[:password]@][host[:port]]/[database][?option=value&...]");
  }
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) options_.emplace_back(option->keyword, option->val);
  }
  const std::string port = option("port");
  name_ = fmt::format("postgresql://{}{}{}/{}", option("host"), port.empty() ? "" : ":", port, option("dbname"));
}

std::string Target::option(std::string_view keyword) const {
  for (const auto& [name, value] : options_)
    if (name == keyword) return value;
  return {};
}

PGconn* Target::start(Deadline) const {
  std::vector<const char*> keywords, values;
  const auto add = [&](const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  };
  for (const auto& [keyword, value] : options_) add(keyword.c_str(), value.c_str());
  add("fallback_application_name", "flashsale");
  add("client_encoding", "UTF8");
  add(nullptr, nullptr);
  return PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
}

}  // namespace flashsale::sinks::postgres
