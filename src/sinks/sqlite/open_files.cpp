#include "sinks/sqlite/open_files.hpp"

#include <unistd.h>

#include <map>
#include <mutex>

#include "util/process_mutex.hpp"

namespace flashsale::sinks {
namespace {

struct Claims {
  pid_t pid = 0;
  std::size_t count = 0;
};

std::mutex& mutex() { return util::process_mutex(util::ProcessWide::open_files); }

/// Never destroyed: a sink of static storage may end after everything else here.
std::map<std::string, Claims>& files() {
  static auto* const map = new std::map<std::string, Claims>;
  return *map;
}

}  // namespace

bool claim_file(const std::string& path) {
  const std::lock_guard lock(mutex());
  Claims& claims = files()[path];
  if (claims.count > 0 && claims.pid != getpid()) return false;
  claims.pid = getpid();
  ++claims.count;
  return true;
}

void release_file(const std::string& path) {
  const std::lock_guard lock(mutex());
  const auto found = files().find(path);
  if (found != files().end() && --found->second.count == 0) files().erase(found);
}

}  // namespace flashsale::sinks
