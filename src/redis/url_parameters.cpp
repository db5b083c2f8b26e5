// The part of a URL after its `?`.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/numbers.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {
namespace {

/// Puts a decoded value into its place; what it must be, if it is not.
using Put = std::string_view (*)(Url& url, const std::string& value);

struct Parameter {
  std::string_view name;
  Put put;
};

bool is_number(const std::string& text, std::int64_t least, std::int64_t most, std::int64_t& value) {
  const auto number = core::to_number<std::int64_t>(text);
  value = number.value_or(0);
  return number && value >= least && value <= most;
}

template <auto member>
std::string_view put_ms(Url& url, const std::string& value) {
  std::int64_t number = 0;
  if (!is_number(value, 1, 30'000, number)) return "a number of milliseconds from 1 to 30000";
  url.options.*member = milliseconds{number};
  return {};
}

std::string_view put_idle_check(Url& url, const std::string& value) {
  std::int64_t number = 0;
  if (!is_number(value, 0, 3'600'000, number)) return "a number of milliseconds from 0 to 3600000";
  url.options.idle_check = milliseconds{number};
  return {};
}

std::string_view put_connections_max(Url& url, const std::string& value) {
  std::int64_t number = 0;
  if (!is_number(value, 1, 1024, number)) return "a number from 1 to 1024";
  url.options.connections_max = static_cast<std::size_t>(number);
  return {};
}

std::string_view put_lag_bytes(Url& url, const std::string& value) {
  std::int64_t number = 0;
  if (!is_number(value, 0, kReplicaLagBytesMax, number)) return "a number of bytes from 0 to 1099511627776";
  url.options.replica_lag_bytes_max = number;
  return {};
}

std::string_view put_verify(Url& url, const std::string& value) {
  if (value != "full" && value != "none") return "full or none";
  url.tls.verify = value == "full";
  return {};
}

template <auto part, auto member>
std::string_view put_text(Url& url, const std::string& value) {
  if (value.empty()) return "not empty";
  url.*part.*member = value;
  return {};
}

template <auto user, auto member>
std::string_view put_secret(Url& url, const std::string& value) {
  if (value.empty()) return "not empty";
  Secret& secret = (url.*user).password;
  if (!secret.is_empty()) return "the only place of a password";
  secret.*member = value;
  return {};
}

constexpr Parameter kParameters[] = {
    {"db", nullptr},  // as after the host
    {"user", put_text<&Url::user, &User::name>},
    {"password", put_secret<&Url::user, &Secret::text>},
    {"password_file", put_secret<&Url::user, &Secret::file>},
    {"password_env", put_secret<&Url::user, &Secret::environment>},
    {"sentinel_user", put_text<&Url::sentinel_user, &User::name>},
    {"sentinel_password", put_secret<&Url::sentinel_user, &Secret::text>},
    {"sentinel_password_file", put_secret<&Url::sentinel_user, &Secret::file>},
    {"sentinel_password_env", put_secret<&Url::sentinel_user, &Secret::environment>},
    {"tls_ca", put_text<&Url::tls, &TlsTerms::authorities>},
    {"tls_cert", put_text<&Url::tls, &TlsTerms::certificate>},
    {"tls_key", put_text<&Url::tls, &TlsTerms::key>},
    {"tls_name", put_text<&Url::tls, &TlsTerms::name>},
    {"tls_verify", put_verify},
    {"connect_timeout_ms", put_ms<&PoolOptions::connect_timeout>},
    {"reconnect_min_ms", put_ms<&PoolOptions::reconnect_min>},
    {"reconnect_max_ms", put_ms<&PoolOptions::reconnect_max>},
    {"replica_lag_max_ms", put_ms<&PoolOptions::replica_lag_max>},
    {"replica_lag_max_bytes", put_lag_bytes},
    {"connections_max", put_connections_max},
    {"idle_check_ms", put_idle_check},
};

tl::unexpected<Error> unknown_parameter() {
  std::string names;
  for (const Parameter& known : kParameters) names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return bad_url("after the ? may only stand NAME=VALUE&..., with these names: " + names);
}

Result<Done> parse_parameter(std::string_view text, Url& url, std::set<std::string_view>& seen) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  const auto known = std::find_if(std::begin(kParameters), std::end(kParameters),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  if (equals == std::string_view::npos || known == std::end(kParameters)) return unknown_parameter();
  if (!seen.insert(known->name).second) return bad_url(fmt::format("{} stands twice", known->name));
  if (name.substr(0, 4) == "tls_" && !url.tls.on) return bad_url(fmt::format("{} needs a rediss scheme", known->name));
  if (name.substr(0, 9) == "sentinel_" && url.topology != Topology::sentinel)
    return bad_url(fmt::format("{} needs a sentinel scheme", known->name));
  const auto value = decoded(text.substr(equals + 1), known->name);
  if (!value) return tl::unexpected<Error>(value.error());
  if (known->put == nullptr) return parse_db(*value, url);
  const auto must = known->put(url, *value);
  if (!must.empty()) return bad_url(fmt::format("{} must be {}", known->name, must));
  return {};
}

}  // namespace

Result<Done> parse_parameters(std::string_view text, Url& url) {
  std::set<std::string_view> seen;
  for (;;) {
    const auto end = std::min(text.find('&'), text.size());
    if (auto parsed = parse_parameter(text.substr(0, end), url, seen); !parsed) return parsed;
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  if (url.tls.certificate.empty() != url.tls.key.empty()) return bad_url("tls_cert and tls_key stand together");
  return {};
}

}  // namespace flashsale::redis
