#include "routes.hpp"

#include <chrono>
#include <cstdio>
#include <flashsale/metrics.hpp>
#include <initializer_list>

#include "input.hpp"
#include "problem.hpp"

namespace server {

using flashsale::Verb;

namespace {

// Nothing but what the server itself serves: no inline script or style, no frame, no form, no plug-in.
constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr char kDataPolicy[] = "default-src 'none'; frame-ancestors 'none'";

[[noreturn]] void refuse_path() {
  Problem problem;
  problem.status = 404;
  problem.code = "no_such_path";
  throw Refused{std::move(problem)};
}

/// Refuses every method but these. HEAD goes where GET goes.
void only(const Exchange& exchange, std::initializer_list<std::string_view> methods) {
  const auto method = exchange.method() == "HEAD" ? std::string_view("GET") : exchange.method();
  std::string allowed;
  for (const auto one : methods) {
    if (one == method) return;
    allowed.append(allowed.empty() ? "" : ", ").append(one);
  }
  Problem problem;
  problem.status = 405;
  problem.code = "method_not_allowed";
  problem.detail = "allowed: " + allowed;
  problem.allow = allowed;
  throw Refused{std::move(problem)};
}

/// The text before the next slash, taken off `rest` together with that slash; `more` tells whether there was one.
std::string_view step(std::string_view& rest, bool& more) {
  const auto slash = rest.find('/');
  const auto part = rest.substr(0, slash);
  more = slash != std::string_view::npos;
  rest.remove_prefix(more ? slash + 1 : rest.size());
  return part;
}

bool take(std::string_view& path, std::string_view prefix) {
  if (path.substr(0, prefix.size()) != prefix) return false;
  path.remove_prefix(prefix.size());
  return true;
}

}  // namespace

void Routes::handle(Exchange& exchange) {
  try {
    dispatch(exchange);
  } catch (const Refused& refused) {
    exchange.answer(to_response(refused.problem));
  } catch (const std::exception&) {  // thrown before anybody else could have heard of the exchange
    exchange.answer(to_response(flashsale::Error{flashsale::ErrorCode::internal, {}, "a defect, or no memory"}));
  }
}

void Routes::handle_public(Exchange& exchange) {
  const auto path = exchange.path();
  const bool is_operators = path == "/health" || path == "/metrics" || path.substr(0, 10) == "/operator/";
  if (!is_operators) return handle(exchange);
  Problem problem;
  problem.status = 404;
  problem.code = "no_such_path";
  exchange.answer(to_response(problem));
}

void Routes::dispatch(Exchange& exchange) {
  std::string_view path = exchange.path();
  const bool is_public = path == "/" || path.substr(0, 7) == "/sales/" || path.substr(0, 8) == "/assets/";
  if (is_public) Funnel::count(rooms_.funnel.requests);
  if (take(path, "/sales/")) return sale_path(exchange, path);
  if (path == "/") {
    only(exchange, {"GET"});
    return exchange.answer(rooms_.files.page(exchange));
  }
  if (take(path, "/assets/")) {
    only(exchange, {"GET"});
    return exchange.answer(rooms_.files.asset(exchange, path));
  }
  if (path == "/health") {
    only(exchange, {"GET"});
    return rooms_.board.show_health(exchange);
  }
  if (path == "/metrics") {
    only(exchange, {"GET"});
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = flashsale::metrics_text() + to_metrics(rooms_.funnel);
    return exchange.answer(std::move(response));
  }
  if (path == "/operator/") {
    only(exchange, {"GET"});
    return exchange.answer(rooms_.files.dashboard(exchange));
  }
  if (take(path, "/operator/sales/")) {
    bool more = false;
    const auto sale = step(path, more);
    if (path != "feed") refuse_path();
    only(exchange, {"GET"});
    check_sale(sale);
    return rooms_.feed.listen(exchange, std::string(sale));
  }
  refuse_path();
}

void Routes::sale_path(Exchange& exchange, std::string_view rest) {
  bool more = false;
  const auto sale = step(rest, more);
  if (!more) {
    only(exchange, {"GET"});
    check_sale(sale);
    no_parameters(exchange);
    return rooms_.board.show_sale(exchange, std::string(sale));
  }
  if (rest == "orders") {
    only(exchange, {"POST"});
    return reserve(exchange, sale);
  }
  if (rest == "tokens") {
    only(exchange, {"POST"});
    return issue_token(exchange, sale);
  }
  if (!take(rest, "orders/")) refuse_path();
  order_path(exchange, sale, rest);
}

void Routes::order_path(Exchange& exchange, std::string_view sale, std::string_view rest) {
  bool more = false;
  const auto request = step(rest, more);
  if (!more) {
    only(exchange, {"GET", "DELETE"});
    return ask(exchange, exchange.method() == "DELETE" ? Verb::release : Verb::status, sale, request);
  }
  if (rest != "confirm") refuse_path();
  only(exchange, {"POST"});
  ask(exchange, Verb::confirm, sale, request);
}

void Routes::reserve(Exchange& exchange, std::string_view sale) {
  Funnel::count(rooms_.funnel.arrived);
  Asked asked;
  try {
    rooms_.admission.check_address(exchange);
    check_sale(sale);
    no_parameters(exchange);
    asked.request = idempotency_key(exchange);
    Purchase wanted = purchase(exchange);
    asked.buyer = rooms_.admission.buyer(exchange, sale, wanted.buyer, true);
    asked.item = std::move(wanted.item);
    asked.quantity = wanted.quantity;
  } catch (const Refused&) {
    Funnel::count(rooms_.funnel.refused);
    throw;
  }
  asked.verb = Verb::reserve;
  asked.sale = sale;
  rooms_.orders.ask(exchange, std::move(asked));
}

void Routes::ask(Exchange& exchange, Verb verb, std::string_view sale, std::string_view request) {
  if (verb != Verb::status) rooms_.admission.check_address(exchange);
  check_sale(sale);
  check_request("request", request);
  no_body(exchange);
  Asked asked;
  asked.buyer = rooms_.admission.buyer(exchange, sale, buyer_parameter(exchange), verb != Verb::status);
  asked.verb = verb;
  asked.sale = sale;
  asked.request = request;
  rooms_.orders.ask(exchange, std::move(asked));
}

void Routes::issue_token(Exchange& exchange, std::string_view sale) {
  rooms_.admission.check_address(exchange);
  check_sale(sale);
  no_parameters(exchange);
  rooms_.admission.give_token(exchange, sale);
}

void Routes::finish(Response& response) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  char time[32];
  std::snprintf(time, sizeof time, "%lld.%03lld", static_cast<long long>(now.count() / 1000),
                static_cast<long long>(now.count() % 1000));
  const bool is_page = response.content_type.rfind("text/html", 0) == 0;
  bool has_cache_policy = false;
  for (const auto& header : response.headers) has_cache_policy = has_cache_policy || header.first == "Cache-Control";
  auto& headers = response.headers;
  if (!has_cache_policy) headers.emplace_back("Cache-Control", "no-store");
  headers.emplace_back("Server-Time", time);
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("X-Frame-Options", "DENY");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  headers.emplace_back("Content-Security-Policy", is_page ? kPagePolicy : kDataPolicy);
}

}  // namespace server
