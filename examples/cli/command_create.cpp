// create: what is to be sold, from the command line's words to a sale with its public facts.
#include <fmt/format.h>

#include <algorithm>

#include "sale_text.hpp"
#include "text.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct CreateOptions {
  std::string sale, opens_at, closes_at, info;
  std::vector<std::string> items;
  std::string queue = "journal", hold = "0", probe = "50ms", replicas = "0", buyer_orders = "16";
};

/// `NAME=UNITS:LIMIT`.
ItemRow parse_item(const std::string& text) {
  const auto equals = text.find('=');
  const auto colon = text.find(':', equals == std::string::npos ? 0 : equals);
  if (equals == std::string::npos || colon == std::string::npos)
    usage(fmt::format("--item must be NAME=UNITS:LIMIT, for instance sneaker-42=100:2, not {}", in_quotes(text)));
  ItemRow item;
  item.item = text.substr(0, equals);
  item.total = parse_number("--item: UNITS", text.substr(equals + 1, colon - equals - 1), 0, kUnitsMax);
  item.limit = parse_number("--item: LIMIT", text.substr(colon + 1), 1, kQuantityMax);
  return item;
}

using Facts = std::vector<std::pair<std::string, std::string>>;

/// The public facts by item; checked as a whole, so that a bad file creates nothing.
Facts read_info(const std::string& path, const std::vector<ItemRow>& items) {
  const Json object = Json::parse(read_file("--info", path), nullptr, false);
  if (!object.is_object()) usage(fmt::format("--info: {} must be a JSON object, item name to facts", in_quotes(path)));
  Facts facts;
  for (const auto& [item, value] : object.items()) {
    const auto named = [&name = item](const ItemRow& row) { return row.item == name; };
    if (std::none_of(items.begin(), items.end(), named))
      usage(fmt::format("--info: {} is no item of this sale", in_quotes(item)));
    facts.emplace_back(item, one_line(value));
    if (facts.back().second.size() > kInfoBytesMax)
      usage(fmt::format("--info: the facts of {} have {} bytes, at most {} are allowed", item,
                        facts.back().second.size(), kInfoBytesMax));
  }
  return facts;
}

Sale to_sale(const CreateOptions& options) {
  Sale sale{SaleId{options.sale}};
  for (const auto& item : options.items) sale.items.push_back(parse_item(item));
  sale.queue = options.queue == name(QueueMode::list) ? QueueMode::list : QueueMode::journal;
  using std::chrono::hours;
  sale.hold = parse_duration("--hold", options.hold, milliseconds{0}, hours{24 * 30});
  sale.probe = parse_duration("--probe", options.probe, milliseconds{10}, milliseconds{5000});
  sale.replicas = static_cast<std::uint32_t>(parse_number("--replicas", options.replicas, 0, 16));
  sale.buyer_orders_max =
      static_cast<std::uint32_t>(parse_number("--buyer-orders", options.buyer_orders, 1, kBuyerOrdersMax));
  return sale;
}

int create(Session& session, const CreateOptions& options) {
  Sale sale = to_sale(options);
  const auto facts = options.info.empty() ? Facts{} : read_info(options.info, sale.items);
  const Window window = parse_window(session, options.opens_at, options.closes_at);
  sale.opens_ms = window.opens_ms;
  sale.closes_ms = window.closes_ms;
  SaleController sales = sale.queue == QueueMode::list ? session.looking_controller() : session.controller();
  need(sales.create(sale));
  for (const auto& [item, text] : facts) need(sales.preload(SaleId{sale.id}, ItemId{item}, text));
  const SaleStatus status = need(sales.status(SaleId{sale.id}, Role::primary));
  return session.finish(to_json(status), "created " + describe(status));
}

}  // namespace

void add_create(CLI::App& app, Run& run) {
  const auto options = std::make_shared<CreateOptions>();
  CLI::App* const verb = app.add_subcommand("create", "Make a sale; an equal create finishes an earlier one");
  verb->add_option("SALE", options->sale, "Its id: 1 to 64 of A-Z a-z 0-9 _ . : -")->required();
  verb->add_option("--item", options->items, "An item, its units and how many one buyer may have; 1 to 64 of them")
      ->type_name("NAME=UNITS:LIMIT")
      ->required();
  verb->add_option("--opens-at", options->opens_at, "Opens by itself then: RFC 3339, +10s, +5m");
  verb->add_option("--closes-at", options->closes_at, "Ends by itself then");
  verb->add_option("--queue", options->queue, "How orders leave Redis: into a database, or as a plain list")
      ->check(CLI::IsMember({"journal", "list"}))
      ->capture_default_str();
  verb->add_option("--info", options->info, "JSON file: an object of item name to any facts for pages to show");
  verb->add_option("--hold", options->hold, "How long an unconfirmed order holds its units; 0: for ever")
      ->capture_default_str();
  verb->add_option("--probe", options->probe, "How stale a refusal may be, 10ms to 5s")->capture_default_str();
  verb->add_option("--replicas", options->replicas, "Least number of replicas that level 'replicas' waits for, 0 to 16")
      ->capture_default_str();
  verb->add_option("--buyer-orders", options->buyer_orders, "Orders of one buyer in this sale, 1 to 64")
      ->capture_default_str();
  verb->callback([options, &run] { run = [options](Session& session) { return create(session, *options); }; });
}

}  // namespace cli
