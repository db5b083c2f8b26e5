/// Which path means what, and what every answer bears.
#pragma once

#include <string_view>

#include "admission.hpp"
#include "board.hpp"
#include "feed.hpp"
#include "files.hpp"
#include "funnel.hpp"
#include "http.hpp"
#include "orders.hpp"

namespace server {

/// The rooms of the server; all outlive it.
struct Rooms {
  Admission& admission;
  Orders& orders;
  Board& board;
  Feed& feed;
  const Files& files;
  Funnel& funnel;
};

class Routes {
 public:
  explicit Routes(Rooms rooms) : rooms_(rooms) {}

  /// Answers or holds the exchange.
  void handle(Exchange& exchange);
  /// The same, but /operator/, /metrics and /health are not there: for a listener that is the public's alone.
  void handle_public(Exchange& exchange);

  /// Headers against sniffing, framing and injection, a cache policy where there is none yet, the server's time.
  static void finish(Response& response);

 private:
  void dispatch(Exchange& exchange);
  void sale_path(Exchange& exchange, std::string_view rest);
  void order_path(Exchange& exchange, std::string_view sale, std::string_view rest);
  void reserve(Exchange& exchange, std::string_view sale);
  void ask(Exchange& exchange, flashsale::Verb verb, std::string_view sale, std::string_view request);
  void issue_token(Exchange& exchange, std::string_view sale);

  Rooms rooms_;
};

}  // namespace server
