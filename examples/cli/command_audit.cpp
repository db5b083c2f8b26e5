// audit: Redis beside the database, item by item and order by order.
#include <fmt/format.h>

#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct AuditOptions {
  std::string sale;
  std::string within = "60s";
  bool repair = false;
};

std::string_view kind_of(std::int64_t difference) {
  if (difference > 0) return "OVERSOLD";
  return difference < 0 ? "LEAKED" : "DIFFERS";
}

Json to_json(const AuditReport& report) {
  Json items = Json::object(), orders = Json::array();
  for (const AuditItem& item : report.items) {
    items[item.item] = {{"total", item.total},
                        {"available", item.available},
                        {"held", item.held},
                        {"confirmed", item.confirmed},
                        {"dead", item.dead},
                        {"returning", item.returning},
                        {"difference", item.difference()}};
    if (item.difference() != 0) items[item.item]["kind"] = kind_of(item.difference());
  }
  for (const AuditOrder& order : report.orders)
    orders.push_back({{"order", to_string(order.order)},
                      {"buyer", order.buyer},
                      {"request", order.request},
                      {"item", order.item},
                      {"kind", kind_of(order.difference)},
                      {"units", order.difference},
                      {"why", order.why}});
  return {{"sale", report.sale},         {"at", to_string(report.at)}, {"sound", report.is_sound()},
          {"repaired", report.repaired}, {"items", std::move(items)},  {"differing", report.differing},
          {"orders", std::move(orders)}};
}

std::string describe(const AuditReport& report) {
  std::string text = fmt::format("{} at {}{}\n", report.sale, to_string(report.at),
                                 report.repaired ? ", rebuilt from the database" : "");
  for (const AuditItem& item : report.items) {
    text += fmt::format("  {}: {} = {} available + {} held + {} confirmed + {} dead + {} returning", item.item,
                        item.total, item.available, item.held, item.confirmed, item.dead, item.returning);
    const std::int64_t difference = item.difference();
    text += difference == 0 ? "\n" : fmt::format(": {} by {}\n", kind_of(difference), std::abs(difference));
  }
  for (const AuditOrder& order : report.orders)
    text += fmt::format("  {} {} of {}, {} x {}: {}\n", kind_of(order.difference), to_string(order.order), order.buyer,
                        std::abs(order.difference), order.item, order.why);
  if (report.differing > report.orders.size())
    text += fmt::format("  and {} orders more\n", report.differing - report.orders.size());
  return text + (report.is_sound() ? "  both sides agree\n" : "");
}

int audit(Session& session, const AuditOptions& options) {
  const Deadline deadline =
      Deadline::clock::now() + parse_duration("--within", options.within, milliseconds{1}, std::chrono::hours{24});
  const auto report = need(session.controller().audit(SaleId{options.sale}, options.repair, deadline));
  return session.finish(to_json(report), describe(report), report.is_sound() ? kYes : kRefusal);
}

}  // namespace

void add_audit(CLI::App& app, Run& run) {
  const auto options = std::make_shared<AuditOptions>();
  CLI::App* const verb = app.add_subcommand("audit", "Compare Redis and the database; exit code 3 if they differ");
  verb->add_option("SALE", options->sale)->required();
  verb->add_flag("--repair", options->repair, "Rebuild Redis from the database if they differ");
  verb->add_option("--within", options->within, "How long it may take")->capture_default_str();
  verb->callback([options, &run] { run = [options](Session& session) { return audit(session, *options); }; });
}

}  // namespace cli
