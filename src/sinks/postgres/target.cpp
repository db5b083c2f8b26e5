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
constexpr char kSession[] = "target_session_attrs";

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
/// the server which took over. Each gets its share of the time, and connecting the last one: a name service that hangs
/// must leave some.
std::vector<Target::Place> Target::look_up(Deadline deadline) const {
  const std::string given = option("hostaddr");
  const auto names = split(option("host")), addresses = split(given), ports = split(option("port"));
  const auto count = given.empty() ? names.size() : addresses.size();
  if ((ports.size() != 1 && ports.size() != count) || (names.size() != 1 && names.size() != count))
    fail_with(ErrorCode::invalid_argument,
              name_ + ": hosts, addresses and ports must be as many as each other, or one for all");
  std::vector<Place> places;
  std::optional<Error> missed;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& name = names[names.size() == 1 ? 0 : i];
    const std::string& port = ports[ports.size() == 1 ? 0 : i];
    if (!given.empty() || is_local(name)) {
      places.push_back({name, given.empty() ? "" : addresses[i], port});
      continue;
    }
    const auto now = Deadline::clock::now();
    const Deadline share = count == 1 ? deadline : now + (deadline - now) / static_cast<std::int64_t>(count - i + 1);
    auto found = util::resolve(name, kUsualPort, share);
    if (!found) {
      missed = std::move(found.error());
      continue;
    }
    for (const util::Address& address : *found) places.push_back({name, address.numeric(), port});
  }
  if (places.empty()) throw Failure{*missed};
  return places;
}

std::vector<Target::Place> Target::places(Deadline deadline) const {
  std::vector<Place> places = look_up(deadline);
  if (option(kSession) != "prefer-standby") return places;
  const auto count = places.size();
  for (std::size_t i = 0; i < count; ++i) {
    Place again = places[i];
    places[i].session = "standby";
    again.session = "any";
    places.push_back(std::move(again));
  }
  return places;
}

PGconn* Target::start(const Place& place) const {
  std::vector<const char*> keywords, values;
  const auto add = [&](const char* keyword, const std::string& value) {
    keywords.push_back(keyword);
    values.push_back(value.c_str());
  };
  for (const auto& [keyword, value] : options_)
    if (keyword != "host" && keyword != "hostaddr" && keyword != "port") add(keyword.c_str(), value);
  add("host", place.host);  // an empty one is none
  add("hostaddr", place.address);
  add("port", place.port);
  add(kSession, place.session);  // of a keyword that is there twice the last one counts
  const std::string name = "flashsale", encoding = "UTF8";
  add("fallback_application_name", name);
  add("client_encoding", encoding);
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  return PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
}

}  // namespace flashsale::sinks::postgres
