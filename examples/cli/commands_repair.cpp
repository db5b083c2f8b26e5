// reconcile and reopen: a sale whose Redis or database lost something.
#include <fmt/format.h>

#include "sale_text.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct RepairOptions {
  std::string sale;
  std::string within = "60s";
  bool accept_loss = false;
};

Deadline deadline(const RepairOptions& options) {
  return Deadline::clock::now() + parse_duration("--within", options.within, milliseconds{1}, std::chrono::hours{24});
}

int finish(Session& session, SaleController& sales, const std::string& sale, std::string_view done) {
  const SaleStatus status = need(sales.status(SaleId{sale}, Role::primary));
  return session.finish(to_json(status), fmt::format("{}\n{}", done, describe(status)));
}

int reconcile(Session& session, const RepairOptions& options) {
  SaleController sales = session.controller();
  need(sales.reconcile(SaleId{options.sale}, deadline(options)));
  return finish(session, sales, options.sale, "reconciled: Redis has what the database has");
}

int reopen(Session& session, const RepairOptions& options) {
  if (!options.accept_loss)
    usage("reopen goes on with what is left and forgets the rest: say so with --accept-loss, or use reconcile");
  SaleController sales = session.controller();
  need(sales.reopen_accepting_loss(SaleId{options.sale}, deadline(options)));
  return finish(session, sales, options.sale, "reopened; what only the lost side knew is lost");
}

CLI::App* add_verb(CLI::App& app, const char* name, const char* help, const std::shared_ptr<RepairOptions>& options) {
  CLI::App* const verb = app.add_subcommand(name, help);
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_option("--within", options->within, "How long it may take")->capture_default_str();
  return verb;
}

}  // namespace

void add_repair(CLI::App& app, Run& run) {
  const auto options = std::make_shared<RepairOptions>();
  add_verb(app, "reconcile", "Rebuild a sale that Redis lost from the database, and sell on", options)
      ->callback([options, &run] { run = [options](Session& session) { return reconcile(session, *options); }; });
  CLI::App* const verb =
      add_verb(app, "reopen", "Go on where nothing can be proven any more; for the operator alone", options);
  verb->add_flag("--accept-loss", options->accept_loss, "What only the lost side knew is lost");
  verb->callback([options, &run] { run = [options](Session& session) { return reopen(session, *options); }; });
}

}  // namespace cli
