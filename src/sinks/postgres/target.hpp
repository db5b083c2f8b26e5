/// Where a PostgreSQL URL leads.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashsale/types.hpp"

namespace flashsale::sinks::postgres {

/// A parsed URL. Immutable.
class Target {
 public:
  /// Throws invalid_argument; the message never repeats the URL, which may hold a password.
  explicit Target(std::string_view url);

  /// `postgresql://host:port/database`: what may be shown.
  const std::string& name() const { return name_; }

  /// Begins to connect; libpq's own handle, to be finished by the caller. Names are looked up here, by `deadline`.
  PGconn* start(Deadline deadline) const;

 private:
  std::string option(std::string_view keyword) const;

  std::vector<std::pair<std::string, std::string>> options_;  // keyword and value, of those that the URL gave
  std::string name_;
};

}  // namespace flashsale::sinks::postgres
