// The acts on a sale that exists, and its status.
#include <fmt/format.h>

#include "sale_text.hpp"
#include "text.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct Act {
  const char* verb;
  const char* help;
  Result<Done> (SaleController::*call)(SaleId);
};

constexpr Act kActs[] = {
    {"open", "Sell now, whatever the schedule said", &SaleController::open},
    {"pause", "Sell nothing from the next batch on", &SaleController::pause},
    {"resume", "Sell again after pause or drain", &SaleController::resume},
    {"drain", "Sell nothing more while what was sold is handed over", &SaleController::drain},
    {"close", "End the sale for good", &SaleController::close},
};

/// The sale after an act. The act is done: a Redis that cannot tell of it now does not undo that.
int finish_act(Session& session, SaleController& sales, const std::string& sale, const std::string& done) {
  const auto status = sales.status(SaleId{sale}, Role::primary);
  if (status) return session.finish(to_json(*status), done + "\n" + describe(*status));
  return session.finish({{"sale", sale}}, done);
}

struct ScheduleOptions {
  std::string sale, opens_at, closes_at;
};

int schedule(Session& session, const ScheduleOptions& options) {
  if (options.opens_at.empty() && options.closes_at.empty()) usage("schedule needs --opens-at or --closes-at");
  const bool never = options.closes_at == "never";
  auto times = parse_window(session, options.opens_at, never ? "" : options.closes_at);
  if (never) times.closes_ms = 0;
  SaleController sales = session.controller();
  need(sales.schedule(SaleId{options.sale}, times.opens_ms, times.closes_ms));
  return finish_act(session, sales, options.sale, "scheduled");
}

struct RestockOptions {
  std::string sale, item, units, operation;
};

int restock(Session& session, const RestockOptions& options) {
  const auto units = parse_number("UNITS", options.units, -kUnitsMax, kUnitsMax);
  const std::string operation = options.operation.empty() ? random_id() : options.operation;
  SaleController sales = session.controller();
  const auto done = sales.restock(SaleId{options.sale}, ItemId{options.item}, units, OperationId{operation});
  if (!done) throw Failure(done.error(), {{"operation", operation}});
  return finish_act(session, sales, options.sale,
                    fmt::format("restocked {} by {} (operation {})", options.item, units, operation));
}

int retire(Session& session, const std::string& sale) {
  need(session.controller().retire(SaleId{sale}));
  return session.finish({{"sale", sale}, {"state", name(SaleState::retired)}},
                        fmt::format("{} is retired and gone from Redis", sale));
}

Json facts(SaleController& sales, const std::string& sale) {
  Json object = Json::object();
  for (const auto& [item, text] : need(sales.info(SaleId{sale}))) {
    Json value = Json::parse(text, nullptr, false);
    object[item] = value.is_discarded() ? Json(text) : std::move(value);
  }
  return object;
}

int status(Session& session, const std::string& sale) {
  SaleController sales = session.looking_controller();
  const SaleStatus status = need(sales.status(SaleId{sale}, Role::primary));
  Json object = to_json(status);
  object["info"] = facts(sales, sale);
  return session.finish(object, describe(status));
}

void add_schedule(CLI::App& app, Run& run) {
  const auto options = std::make_shared<ScheduleOptions>();
  CLI::App* const verb = app.add_subcommand("schedule", "Set when a sale opens and closes by itself");
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_option("--opens-at", options->opens_at, "RFC 3339, +10s, +5m");
  verb->add_option("--closes-at", options->closes_at, "The same, or 'never'");
  verb->callback([options, &run] { run = [options](Session& session) { return schedule(session, *options); }; });
}

void add_restock(CLI::App& app, Run& run) {
  const auto options = std::make_shared<RestockOptions>();
  CLI::App* const verb = app.add_subcommand("restock", "Add units to an item, or take unsold ones away");
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_option("ITEM", options->item, "Which of the sale's items")->required();
  verb->add_option("UNITS", options->units, "How many; negative takes away")->required();
  verb->add_option("--operation", options->operation, "Its id: a repeated restock counts once (default: a new one)");
  verb->callback([options, &run] { run = [options](Session& session) { return restock(session, *options); }; });
}

}  // namespace

void add_control(CLI::App& app, Run& run) {
  for (const Act& act : kActs) {
    const auto sale = std::make_shared<std::string>();
    CLI::App* const verb = app.add_subcommand(act.verb, act.help);
    verb->add_option("SALE", *sale, "The sale\'s id")->required();
    verb->callback([sale, act, &run] {
      run = [sale, act](Session& session) {
        SaleController sales = session.controller();
        need((sales.*act.call)(SaleId{*sale}));
        return finish_act(session, sales, *sale, fmt::format("{}: done", act.verb));
      };
    });
  }
  const auto sale = std::make_shared<std::string>();
  CLI::App* const verb = app.add_subcommand("retire", "Remove a closed sale from Redis once it is handed over");
  verb->add_option("SALE", *sale, "The sale\'s id")->required();
  verb->callback([sale, &run] { run = [sale](Session& session) { return retire(session, *sale); }; });
  add_schedule(app, run);
  add_restock(app, run);
}

void add_status(CLI::App& app, Run& run) {
  const auto sale = std::make_shared<std::string>();
  CLI::App* const verb = app.add_subcommand("status", "A sale as Redis has it now");
  verb->add_option("SALE", *sale, "The sale\'s id")->required();
  verb->callback([sale, &run] { run = [sale](Session& session) { return status(session, *sale); }; });
}

}  // namespace cli
