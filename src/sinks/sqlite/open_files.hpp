/// Which process has which database file open.
///
/// SQLite keeps the locks it holds on a file in memory that a forked child inherits, while the kernel's locks stay with
/// the parent: a child that opens a file its parent had open believes in locks nobody holds, and another process may
/// then remove the log under it. So such a file is closed to the child, whichever sink asks.
#pragma once

#include <string>

namespace flashsale::sinks {

/// Counts one more connection of this process to `path`; false if a process above opened it before the fork.
/// Thread-safe.
bool claim_file(const std::string& path);

/// Gives one claim back, in the process that made it.
void release_file(const std::string& path);

}  // namespace flashsale::sinks
