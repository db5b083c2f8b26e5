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

  /// Begins to connect; libpq's own handle, to be finished by the caller. Names are looked up here, by `deadline`,
  /// since libpq would wait for the name service as long as that likes.
  PGconn* start(Deadline deadline) const;

 private:
  struct Hosts;
  Hosts look_up(Deadline deadline) const;
  std::string option(std::string_view keyword) const;

  std::vector<std::pair<std::string, std::string>> options_;  // keyword and value, of those that the URL gave
  std::string name_;
};

}  // namespace flashsale::sinks::postgres
