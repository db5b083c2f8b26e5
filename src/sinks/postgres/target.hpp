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

  /// One server at one address.
  struct Place {
    std::string host;     ///< a name, or a folder of sockets; empty: libpq's own choice
    std::string address;  ///< numeric; empty for a folder
    std::string port;
    std::string session{};  ///< in the place of the URL's target_session_attrs; empty: as that says
  };

  /// Where to connect, to be tried in this order: at least one. Names are looked up here, by `deadline`, since libpq
  /// would wait for the name service as long as that likes. Where standbys are preferred each place is there twice:
  /// first for a standby, then for whatever it is.
  std::vector<Place> places(Deadline deadline) const;

  /// Begins to connect to one place and no other; libpq's own handle, to be finished by the caller. Given several
  /// hosts, libpq would stay with one that swallows packets until our deadline.
  PGconn* start(const Place& place) const;

 private:
  std::vector<Place> look_up(Deadline deadline) const;
  std::string option(std::string_view keyword) const;

  std::vector<std::pair<std::string, std::string>> options_;  // keyword and value, of those that the URL gave
  std::string name_;
};

}  // namespace flashsale::sinks::postgres
