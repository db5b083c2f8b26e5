// watch: a sale's funnel, live, from what Redis and the database say.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "funnel.hpp"
#include "sale_text.hpp"
#include "stop_signal.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct WatchOptions {
  std::string sale;
  std::string every = "500ms";
  bool once = false;
};

Json json_of(const Funnel& funnel, const SaleStatus& status) {
  Json object = to_json(status);
  object["persisted"] = funnel.persisted ? Json(*funnel.persisted) : Json();
  object["lag"] = funnel.lag;
  return object;
}

int watch(Session& session, const WatchOptions& options) {
  const auto every = parse_duration("--every", options.every, milliseconds{10}, std::chrono::hours{1});
  SaleController sales = session.looking_controller();
  const auto sink = session.sink_if_there();
  Canvas canvas(session.chat());
  const StopSignal signal;
  const auto start = Deadline::clock::now();
  while (true) {
    const SaleStatus status = need(sales.status(SaleId{options.sale}));
    Funnel funnel = funnel_of(status, sink.get(), session.deadline());
    funnel.seconds = std::chrono::duration<double>(Deadline::clock::now() - start).count();
    canvas.draw(funnel);
    const bool over = status.phase() == "ended" && status.waiting == 0;
    if (options.once || over || StopSignal::came())
      return session.json() ? session.finish(json_of(funnel, status), "") : int{kYes};
    // In short steps, so that Ctrl+C ends it at once.
    for (auto left = every; left.count() > 0 && !StopSignal::came(); left -= milliseconds{50})
      std::this_thread::sleep_for(std::min(left, milliseconds{50}));
  }
}

}  // namespace

void add_watch(CLI::App& app, Run& run) {
  const auto options = std::make_shared<WatchOptions>();
  CLI::App* const verb = app.add_subcommand("watch", "A sale's funnel, live; ends with Ctrl+C, or with the sale");
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_flag("--once", options->once, "One look only");
  verb->add_option("--every", options->every, "Time between two looks")->capture_default_str();
  verb->callback([options, &run] { run = [options](Session& session) { return watch(session, *options); }; });
}

}  // namespace cli
