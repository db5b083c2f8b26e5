// audit, repairs: Redis beside the database, item by item and order by order.
#include <fmt/format.h>

#include "text.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct AuditOptions {
  std::string sale;
  std::string within = "60s";
  std::string by;
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
  const auto report = need(session.controller(options.by).audit(SaleId{options.sale}, options.repair, deadline));
  return session.finish(to_json(report), describe(report), report.is_sound() ? kYes : kRefusal);
}

int repairs(Session& session, const std::string& sale) {
  const auto rows = need(session.controller().repairs(SaleId{sale}));
  Json listed = Json::array();
  std::string text = rows.empty() ? "nothing was ever repaired\n" : "";
  std::string_view last;
  for (const RepairRow& row : rows) {
    if (row.repair != last) {
      listed.push_back({{"repair", row.repair},
                        {"by", row.by},
                        {"at", to_rfc3339(row.at_ms)},
                        {"epoch", row.done_epoch},
                        {"done", row.done_epoch != 0},
                        {"items", Json::object()},
                        {"orders", Json::array()}});
      text +=
          fmt::format("{} by {}: {}\n", to_rfc3339(row.at_ms), row.by,
                      row.done_epoch == 0 ? "begun, and no reconcile has finished since"
                                          : fmt::format("rebuilt from the database under epoch {}", row.done_epoch));
      last = row.repair;
    }
    const std::string_view kind = kind_of(row.difference);
    if (!row.order) {
      listed.back()["items"][row.item] = {{"kind", kind}, {"units", row.difference}};
      text += fmt::format("  {}: {} by {}\n", row.item, kind, std::abs(row.difference));
    } else {
      listed.back()["orders"].push_back({{"order", to_string(row.order)},
                                         {"buyer", printable(row.buyer)},
                                         {"request", printable(row.request)},
                                         {"item", row.item},
                                         {"kind", kind},
                                         {"units", row.difference},
                                         {"why", printable(row.why)}});
      text += fmt::format("  {} {} of {}, {} x {}: {}\n", kind, to_string(row.order), printable(row.buyer),
                          std::abs(row.difference), row.item, printable(row.why));
    }
  }
  return session.finish({{"sale", sale}, {"repairs", std::move(listed)}}, text);
}

}  // namespace

void add_audit(CLI::App& app, Run& run) {
  const auto options = std::make_shared<AuditOptions>();
  CLI::App* const verb = app.add_subcommand("audit", "Compare Redis and the database; exit code 3 if they differ");
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_flag("--repair", options->repair, "Rebuild Redis from the database if they differ");
  verb->add_option("--within", options->within, "How long it may take")->capture_default_str();
  verb->add_option("--by", options->by, "Who repairs, for the record; this user at this host by default");
  verb->callback([options, &run] { run = [options](Session& session) { return audit(session, *options); }; });
  CLI::App* const list = app.add_subcommand("repairs", "What audits have repaired: who, when, which units and orders");
  list->add_option("SALE", options->sale, "The sale\'s id")->required();
  list->callback([options, &run] { run = [options](Session& session) { return repairs(session, options->sale); }; });
}

}  // namespace cli
