/// What is concluded from a look at an endpoint: pure. endpoint.hpp of the API says what the look is.
#pragma once

#include <string>
#include <string_view>

#include "flashsale/endpoint.hpp"

namespace flashsale::engine {

/// One round of the look: a word that a script wrote, then what plain commands saw.
struct EndpointGlance {
  std::string word;
  std::string server_in_script;  ///< the text of INFO server
  Reply plain_word;              ///< HGET, right behind it
  Reply plain_server;            ///< INFO server
};

/// Server and version from the text of INFO server.
Endpoint read_server(std::string_view info);

/// Why a glance shows that something stands between; empty: it does not.
std::string seen_between(const EndpointGlance& glance);

/// The error of a look that could not be made: what no server that we support would say becomes `unsupported`.
Error explain_endpoint(Error error);

/// Looks, and says in the log what was found, once for each find in a process.
Result<Endpoint> meet_endpoint(ConnectionPool& pool, std::string_view sale, Deadline deadline);

}  // namespace flashsale::engine
