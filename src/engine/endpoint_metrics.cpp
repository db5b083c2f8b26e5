#include "engine/endpoint_metrics.hpp"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <mutex>
#include <string>

#include "util/metrics_writers.hpp"
#include "util/process_mutex.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kKindsMax = 32;  // labels come from a server, so their number is bounded here

struct Registry {
  std::mutex& mutex = util::process_mutex(util::ProcessWide::endpoints);
  std::map<std::string, std::uint64_t> looks;  // by labels; guarded by mutex
};

Registry& registry() {
  static Registry& one = *new Registry;  // a worker's thread may outlive main
  return one;
}

/// A version is a server's word, which a label must be able to hold.
std::string printable(std::string_view text) {
  std::string kept(text.substr(0, 32));
  for (char& c : kept)
    if (c < ' ' || c > '~' || c == '"' || c == '\\') c = '?';
  return kept;
}

void write(std::string& text) {
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  text += "# HELP flashsale_redis_endpoints_total Looks at what decides sales, by what was found.\n";
  text += "# TYPE flashsale_redis_endpoints_total counter\n";
  for (const auto& [labels, count] : all.looks)
    fmt::format_to(std::back_inserter(text), "flashsale_redis_endpoints_total{{{}}} {}\n", labels, count);
}

}  // namespace

bool note_endpoint(const Endpoint& endpoint) {
  const std::string labels = fmt::format("server=\"{}\",version=\"{}\",path=\"{}\"", printable(endpoint.server),
                                         printable(endpoint.version), endpoint.is_direct() ? "direct" : "through");
  util::add_metrics_writer(write);
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const bool is_room = all.looks.size() < kKindsMax || all.looks.count(labels) > 0;
  return ++all.looks[is_room ? labels : "server=\"other\",version=\"\",path=\"\""] == 1;
}

}  // namespace flashsale::engine
