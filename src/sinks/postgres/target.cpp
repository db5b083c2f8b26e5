#include "sinks/postgres/target.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "sinks/failure.hpp"
#include "util/resolve.hpp"

namespace flashsale::sinks::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

constexpr std::uint16_t kUsualPort = 5432;

/// libpq's list: as many parts as commas and one, any of them may be empty.
std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

/// A folder of sockets, and not a name.
bool is_local(const std::string& host) { return host.empty() || host[0] == '/' || host[0] == '@'; }

}  // namespace

/// What libpq tries in turn: three lists of one length.
struct Target::Hosts {
  void add(std::string_view host, std::string_view address, std::string_view port) {
    const char* const comma = count++ == 0 ? "" : ",";
    names.append(comma).append(host);
    addresses.append(comma).append(address);
    ports.append(comma).append(port);
  }

  std::string names, addresses, ports;
  std::size_t count = 0;
};

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

/// Each name once for each of its addresses. One that nobody has is left out, as long as another is there: that may be
/// the server which took over.
Target::Hosts Target::look_up(Deadline deadline) const {
  const auto names = split(option("host")), ports = split(option("port"));
  if (ports.size() != 1 && ports.size() != names.size())
    fail_with(ErrorCode::invalid_argument, name_ + ": one port for each host, or one for all");
  Hosts hosts;
  std::optional<Error> missed;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& port = ports[ports.size() == 1 ? 0 : i];
    if (is_local(names[i])) {
      hosts.add(names[i], "", port);
      continue;
    }
    auto found = util::resolve(names[i], kUsualPort, deadline);
    if (!found) {
      missed = std::move(found.error());
      continue;
    }
    for (const util::Address& address : *found) hosts.add(names[i], address.numeric(), port);
  }
  if (hosts.count == 0) throw Failure{*missed};
  return hosts;
}

PGconn* Target::start(Deadline deadline) const {
  std::vector<const char*> keywords, values;
  const auto add = [&](const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  };
  for (const auto& [keyword, value] : options_) add(keyword.c_str(), value.c_str());
  Hosts hosts;
  if (!option("host").empty() && option("hostaddr").empty()) {
    hosts = look_up(deadline);
    // Of a keyword that is there twice the last one counts.
    add("host", hosts.names.c_str());
    add("hostaddr", hosts.addresses.c_str());
    add("port", hosts.ports.c_str());
  }
  add("fallback_application_name", "flashsale");
  add("client_encoding", "UTF8");
  add(nullptr, nullptr);
  return PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
}

}  // namespace flashsale::sinks::postgres
