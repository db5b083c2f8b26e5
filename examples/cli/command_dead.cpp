// dead: the orders that a worker set aside, and what the operator decides about them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct DeadOptions {
  std::string sale;
  std::vector<std::string> orders;
};

Json to_json(const DeadRow& row) {
  return {{"order", to_string(row.order.id)},
          {"buyer", printable(row.order.buyer)},
          {"item", printable(row.order.item)},
          {"quantity", row.order.quantity},
          {"request", printable(row.order.request)},
          {"reason", row.reason},
          {"fate", name(row.fate)},
          {"told", row.told}};
}

int list(Session& session, const DeadOptions& options) {
  const auto rows = need(session.controller().dead(SaleId{options.sale}));
  Json listed = Json::array();
  std::string text = rows.empty() ? "no order was set aside\n" : "";
  for (const DeadRow& row : rows) {
    listed.push_back(to_json(row));
    text += fmt::format("{}  {}  {} x {}  {}  {}\n", to_string(row.order.id), printable(row.order.buyer),
                        row.order.quantity, printable(row.order.item), name(row.fate), row.reason);
  }
  return session.finish({{"sale", options.sale}, {"dead", std::move(listed)}}, text);
}

/// Ends at the first order that is refused; those before it are decided, and repeating them is harmless.
int decide(Session& session, const DeadOptions& options, Result<Done> (SaleController::*act)(SaleId, OrderId),
           std::string_view done) {
  SaleController sales = session.controller();
  std::vector<OrderId> orders;
  for (const std::string& text : options.orders) {
    const auto order = order_id(text);
    if (!order) usage(fmt::format("ORDER must be like 1-7.0, is '{}'", text));
    orders.push_back(*order);
  }
  for (const OrderId order : orders) need((sales.*act)(SaleId{options.sale}, order));
  return session.finish({{"sale", options.sale}, {done, options.orders}},
                        fmt::format("{} {}\n", fmt::join(options.orders, ", "), done));
}

}  // namespace

void add_dead(CLI::App& app, Run& run) {
  CLI::App* const dead = app.add_subcommand("dead", "Orders that a worker set aside: list, retry or drop them");
  dead->require_subcommand(1);
  const auto options = std::make_shared<DeadOptions>();
  const auto add = [&](const char* name, const char* help) {
    CLI::App* const verb = dead->add_subcommand(name, help);
    verb->add_option("SALE", options->sale, "The sale\'s id")->required();
    return verb;
  };
  add("list", "What was set aside, why, and what was decided")->callback([options, &run] {
    run = [options](Session& session) { return list(session, *options); };
  });
  CLI::App* const retry = add("retry", "Make them orders again, if their cause is gone");
  retry->add_option("ORDER", options->orders, "Their numbers, as list prints them: 1-2.0")->required();
  retry->callback([options, &run] {
    run = [options](Session& session) { return decide(session, *options, &SaleController::dead_retry, "retried"); };
  });
  CLI::App* const drop = add("drop", "Give them up: their units are for sale again");
  drop->add_option("ORDER", options->orders, "Their numbers, as list prints them: 1-2.0")->required();
  drop->callback([options, &run] {
    run = [options](Session& session) { return decide(session, *options, &SaleController::dead_drop, "dropped"); };
  });
}

}  // namespace cli
