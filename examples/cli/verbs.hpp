/// Every verb adds itself to the command line and says what to run if it was named.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "session.hpp"

namespace cli {

/// Filled in by the verb that was named; returns the exit code.
using Run = std::function<int(Session&)>;

void add_demo(CLI::App& app, Run& run);
void add_create(CLI::App& app, Run& run);
void add_control(CLI::App& app, Run& run);  ///< open, pause, resume, drain, close, retire, schedule, restock
void add_status(CLI::App& app, Run& run);
void add_orders(CLI::App& app, Run& run);  ///< reserve, confirm, release, resolve
void add_replay(CLI::App& app, Run& run);
void add_work(CLI::App& app, Run& run);
void add_watch(CLI::App& app, Run& run);
void add_repair(CLI::App& app, Run& run);  ///< reconcile, reopen
void add_audit(CLI::App& app, Run& run);   ///< audit, repairs
void add_dead(CLI::App& app, Run& run);    ///< dead list, dead retry, dead drop
void add_acl(CLI::App& app, Run& run);
void add_doctor(CLI::App& app, Run& run);
void add_version(CLI::App& app, Run& run);

}  // namespace cli
