// reserve, confirm, release, resolve: one buyer at a time.
#include <fmt/format.h>

#include "text.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct OrderOptions {
  std::string sale, item, buyer, request, payload;
  std::string quantity = "1", level = "usual";
};

Json to_json(const Answer& answer) {
  Json object = {{"outcome", name(answer.outcome)},
                 {"holds_stock", answer.holds_stock()},
                 {"order", to_string(answer.order)},
                 {"remaining", answer.remaining},
                 {"hold_until_ms", answer.hold_until_ms},
                 {"retry_after_ms", answer.retry_after_ms},
                 {"level", name(answer.level)}};
  if (answer.outcome == Outcome::paused) object["reason"] = name(answer.reason);
  return object;
}

Level parse_level(const std::string& text) {
  for (const Level level : {Level::primary, Level::replicas, Level::database})
    if (text == name(level)) return level;
  return Level::usual;
}

void add_level(CLI::App& app, OrderOptions& options) {
  app.add_option("--level", options.level, "How durable a yes must be; usual: database for a confirm, else primary")
      ->check(CLI::IsMember({"usual", "primary", "replicas", "database"}))
      ->capture_default_str();
}

/// A release that gave the units back is what was asked for, though nothing is held any more.
bool is_yes(Outcome outcome) { return holds_stock(outcome) || outcome == Outcome::released; }

/// An answer's last word, or its error's: either way the request is told, because a retry needs the same one.
int finish_order(Session& session, const OrderOptions& options, Result<Answer> answer) {
  Json object = {{"sale", options.sale}, {"buyer", options.buyer}, {"request", options.request}};
  if (!answer) {
    if (answer.error().effect == Effect::unknown)
      answer.error().detail += fmt::format("; ask again with --request {}", options.request);
    throw Failure(answer.error(), object);
  }
  object.update(to_json(*answer));
  std::string text(name(answer->outcome));
  if (answer->order) text += " " + to_string(answer->order);
  if (answer->outcome == Outcome::paused) text += fmt::format(" ({})", name(answer->reason));
  if (answer->outcome == Outcome::pending) text += fmt::format(" below level {}", options.level);
  if (answer->retry_after_ms > 0) text += fmt::format(", ask again in {} ms", answer->retry_after_ms);
  text += fmt::format("  (request {})", options.request);
  return session.finish(object, text, is_yes(answer->outcome) ? kYes : kRefusal);
}

int reserve(Session& session, OrderOptions options) {
  const auto quantity = parse_number("--quantity", options.quantity, 1, kQuantityMax);
  if (options.request.empty()) options.request = random_id();
  if (options.payload.rfind('@', 0) == 0) options.payload = read_file("--payload", options.payload.substr(1));
  StockGate gate(session.pool());
  Call call{SaleId{options.sale}, ItemId{options.item}, BuyerId{options.buyer}, RequestId{options.request}};
  call.quantity = static_cast<std::uint32_t>(quantity);
  call.payload = options.payload;
  call.timeout = session.timeout();
  call.level = parse_level(options.level);
  return finish_order(session, options, gate.reserve(call));
}

using Question = Result<Answer> (StockGate::*)(const OrderKey&, CallOptions);

int ask(Session& session, const OrderOptions& options, Question question) {
  StockGate gate(session.pool());
  CallOptions how;
  how.timeout = session.timeout();
  how.level = parse_level(options.level);
  const OrderKey key{SaleId{options.sale}, BuyerId{options.buyer}, RequestId{options.request}};
  return finish_order(session, options, (gate.*question)(key, how));
}

void add_question(CLI::App& app, Run& run, const char* verb, const char* help, Question question) {
  const auto options = std::make_shared<OrderOptions>();
  CLI::App* const asks = app.add_subcommand(verb, help);
  asks->add_option("SALE", options->sale, "The sale\'s id")->required();
  asks->add_option("--buyer", options->buyer, "Who bought")->required();
  asks->add_option("--request", options->request, "The purchase's own id")->required();
  add_level(*asks, *options);
  asks->callback(
      [options, &run, question] { run = [=](Session& session) { return ask(session, *options, question); }; });
}

}  // namespace

void add_orders(CLI::App& app, Run& run) {
  const auto options = std::make_shared<OrderOptions>();
  CLI::App* const asks = app.add_subcommand("reserve", "Ask for units; safe to repeat with the same request");
  asks->add_option("SALE", options->sale, "The sale\'s id")->required();
  asks->add_option("ITEM", options->item, "Which of the sale's items")->required();
  asks->add_option("--buyer", options->buyer, "Who buys: 1 to 64 of A-Z a-z 0-9 _ . : @ -")->required();
  asks->add_option("--request", options->request, "This purchase's own id, as --buyer (default: a new one, printed)");
  asks->add_option("--quantity", options->quantity, "Units, 1 to 1000000")->capture_default_str();
  asks->add_option("--payload", options->payload, "Bytes that end in the order's row, or @FILE; at most 1024");
  add_level(*asks, *options);
  asks->callback([options, &run] { run = [options](Session& session) { return reserve(session, *options); }; });

  add_question(app, run, "confirm", "The buyer paid: an order that holds units keeps them for good",
               &StockGate::confirm);
  add_question(app, run, "release", "Give an unconfirmed order's units back", &StockGate::release);
  add_question(app, run, "resolve", "What became of a request", &StockGate::resolve);
}

}  // namespace cli
