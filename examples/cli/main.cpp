/// flashsale: the library's verbs on the command line. Parses, dispatches, and turns what went wrong into one line.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "verbs.hpp"

namespace {

using namespace cli;
using namespace flashsale;

constexpr char kFooter[] =
    "Global options stand before or after the verb. 'flashsale VERB --help' tells more.\n\n"
    "Exit codes: 0 yes; 1 demo found the sale wrong; 2 an argument is wrong;\n"
    "            3 a refusal (sold_out, limit_reached, ...); 4 an error: no answer.\n\n"
    "A first sale:\n"
    "  flashsale create spring --item sneaker-42=100:2\n"
    "  flashsale open spring\n"
    "  flashsale reserve spring sneaker-42 --buyer ann\n"
    "  flashsale work --drain";

int report(const Error& error, Json extra, bool json) {
  fmt::print(stderr, "flashsale: {}\n", to_string(error));
  if (json) {
    Json object = to_json(error);
    object.update(extra);
    fmt::print("{}\n", one_line(object));
  }
  return error.code == ErrorCode::invalid_argument ? kUsage : kError;
}

/// Of an option given twice the last one counts, so that scripts can add theirs before their callers'.
void add_globals(CLI::App& app, Globals& globals) {
  app.add_option(
         "--redis", globals.redis,
         "URL of Redis: redis://, rediss://, redis+unix://, redis+replicas://, redis+sentinel://, redis+cluster://")
      ->envname("FLASHSALE_REDIS")
      ->take_last()
      ->capture_default_str();
  app.add_option("--db", globals.db, "Database of the orders: a path (SQLite) or a URL")
      ->envname("FLASHSALE_DB")
      ->take_last()
      ->capture_default_str();
  app.add_option("--timeout", globals.timeout, "How long one call or act may take, 1ms to 30s")
      ->take_last()
      ->capture_default_str();
  app.add_flag("--json", globals.json, "One line of JSON on stdout; all chatter goes to stderr");
  app.set_version_flag("--version", "flashsale " + std::string(version()));
}

void add_verbs(CLI::App& app, Run& run) {
  for (const auto add : {add_demo, add_create, add_control, add_status, add_orders, add_replay, add_work, add_watch,
                         add_repair, add_audit, add_dead, add_acl, add_doctor, add_version})
    add(app, run);
}

/// Help and --version are a yes; everything else that stops the parser is a usage error.
int stopped_by_parser(CLI::App& app, const CLI::ParseError& stop, bool json) {
  if (stop.get_exit_code() == 0) return app.exit(stop);
  return report({ErrorCode::invalid_argument, Effect::none, stop.what()}, Json::object(), json);
}

int run_guarded(const Run& run, const Globals& globals) {
  try {
    if (!run) usage("a verb is required; 'flashsale --help' lists them");
    Session session(globals);
    return run(session);
  } catch (const Failure& failure) {
    return report(failure.error, failure.extra, globals.json);
  } catch (const std::exception& error) {
    return report({ErrorCode::internal, Effect::unknown, error.what()}, Json::object(), globals.json);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"flashsale sells scarce stock through Redis and persists every order.", "flashsale"};
  app.require_subcommand(0, 1);  // none is told below, better than the parser does
  app.fallthrough();
  app.footer(kFooter);
  Globals globals;
  Run run;
  add_globals(app, globals);
  add_verbs(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stop) {
    const bool json = std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
    return stopped_by_parser(app, stop, json);
  }
  set_log([](LogLevel level, std::string_view line) {
    if (level >= LogLevel::warning) fmt::print(stderr, "flashsale: {}: {}\n", name(level), line);
  });
  const int code = run_guarded(run, globals);
  set_log(nullptr);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  fmt::print(stderr, "flashsale: the answer could not be written to stdout\n");
  return kError;
}
