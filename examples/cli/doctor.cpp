// doctor: what this Redis reports, and which of it endangers a sale. Needs INFO; CONFIG GET where it is allowed.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "text.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

using Settings = std::map<std::string, std::string>;

constexpr const char* kParameters[] = {"appendfsync", "save", "repl-backlog-ttl", "min-replicas-to-write",
                                       "min-replicas-max-lag"};

struct Finding {
  std::string setting, value, why;
};

/// What one Redis says of itself. A configuration parameter that may not be read is absent.
struct Report {
  Settings info, config;
  std::string unread;  ///< why CONFIG GET failed; empty: it did not

  std::string get(const char* name) const {
    const auto at = info.find(name);
    return at == info.end() ? std::string() : at->second;
  }
  std::int64_t number(const char* name) const {
    const std::string text = get(name);
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
};

Settings parse_info(const std::string& text) {
  Settings info;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    std::string line = text.substr(from, end - from);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const auto colon = line.find(':');
    if (colon != std::string::npos) info[line.substr(0, colon)] = line.substr(colon + 1);
    from = end + 1;
  }
  return info;
}

Report ask_redis(Session& session) {
  const auto pool = session.pool();
  const auto deadline = session.deadline();
  const auto lease = need(pool->acquire(Role::primary, 0, deadline));
  Report report;
  RoundTrip trip = lease->roundtrip({{"INFO"}}, deadline);
  if (trip.error) throw Failure(std::move(*trip.error));
  if (trip.replies.at(0).type == Reply::Type::error)
    throw Failure(Error{ErrorCode::refused, Effect::none, "INFO: " + trip.replies[0].text});
  report.info = parse_info(trip.replies[0].text);
  for (const char* const parameter : kParameters) {
    trip = lease->roundtrip({{"CONFIG", "GET", parameter}}, deadline);
    if (trip.error) throw Failure(std::move(*trip.error));
    const Reply& reply = trip.replies.at(0);
    if (reply.elements.size() == 2)
      report.config[parameter] = reply.elements[1].text;
    else
      report.unread = reply.text;
  }
  return report;
}

bool is_older_than_7(const std::string& version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major < 7;
}

/// Valkey calls itself Redis 7.2.4 as well, for clients that ask for no other name.
bool is_valkey(const Report& report) { return !report.get("valkey_version").empty(); }

std::string server_name(const Report& report) { return is_valkey(report) ? "Valkey" : "Redis"; }

std::string server_version(const Report& report) {
  return report.get(is_valkey(report) ? "valkey_version" : "redis_version");
}

void examine_server(const Report& report, std::vector<Finding>& findings) {
  if (is_older_than_7(report.get("redis_version")))
    findings.push_back({"redis_version", report.get("redis_version"), "the scripts need Redis 7.0 or newer"});
  if (report.get("role") != "master")
    findings.push_back({"role", report.get("role"), "only a primary decides who gets a unit"});
  if (report.number("loading") != 0)
    findings.push_back({"loading", "1", "it still reads its data from disk and answers nothing"});
}

void examine_memory(const Report& report, std::vector<Finding>& findings) {
  const std::string policy = report.get("maxmemory_policy");
  if (policy != "noeviction")
    findings.push_back(
        {"maxmemory-policy", policy, "when memory is full it would drop a running sale's keys; it must be noeviction"});
  const auto used = report.number("used_memory"), most = report.number("maxmemory");
  if (most > 0 && used > most / 10 * 8)
    findings.push_back({"used_memory", fmt::format("{} of {} bytes", with_commas(used), with_commas(most)),
                        "a sale that reaches maxmemory is refused every order until there is room"});
}

void examine_persistence(const Report& report, std::vector<Finding>& findings) {
  const bool appends = report.number("aof_enabled") != 0;
  const auto save = report.config.find("save");
  const auto fsync = report.config.find("appendfsync");
  if (!appends && save != report.config.end())
    findings.push_back({"appendonly", "no",
                        save->second.empty() ? "nothing is kept on disk: a restart forgets every sale"
                                             : "a restart goes back to the last snapshot, and sales must be rebuilt"});
  else if (!appends)
    findings.push_back({"appendonly", "no", "a restart goes back to the last snapshot, or to nothing"});
  else if (fsync != report.config.end() && fsync->second == "no")
    findings.push_back({"appendfsync", "no", "a crash of the machine may forget many seconds; use everysec or always"});
  for (const char* const status : {"rdb_last_bgsave_status", "aof_last_write_status"})
    if (const std::string value = report.get(status); !value.empty() && value != "ok")
      findings.push_back({status, value, "the disk failed, and Redis refuses writes until it works again"});
}

void examine_replication(const Report& report, std::vector<Finding>& findings) {
  if (report.get("role") == "master" && report.number("connected_slaves") == 0)
    findings.push_back({"connected replicas", "0",
                        "if this machine is lost, all that the database does not have yet is lost with it"});
  const auto least = report.config.find("min-replicas-to-write");
  const auto lag = report.config.find("min-replicas-max-lag");
  if (least != report.config.end() && least->second == "0")
    findings.push_back({"min-replicas-to-write", "0",
                        "a primary that was cut off from its replicas goes on selling; it must be 1 or more"});
  else if (lag != report.config.end() && lag->second != "1")
    findings.push_back({"min-replicas-max-lag", lag->second,
                        "a primary that was cut off from its replicas sells for that many seconds; it should be 1"});
  const auto ttl = report.config.find("repl-backlog-ttl");
  if (ttl != report.config.end() && ttl->second != "0")
    findings.push_back({"repl-backlog-ttl", ttl->second,
                        "that many seconds without a replica change the history id, which fences a running sale; "
                        "it must be 0"});
}

/// What is worth knowing, but no danger by itself.
std::vector<std::string> notes_of(const Report& report) {
  std::vector<std::string> notes;
  if (!report.unread.empty())
    notes.push_back(
        "CONFIG GET is not allowed here, so nobody looked at appendfsync, save, repl-backlog-ttl (it must "
        "be 0), min-replicas-to-write and min-replicas-max-lag (they should be 1)");
  const auto fsync = report.config.find("appendfsync");
  if (report.number("aof_enabled") != 0 && fsync != report.config.end() && fsync->second == "everysec")
    notes.push_back("appendfsync is everysec: a crash of the machine may forget the last second");
  if (report.number("maxmemory") == 0) notes.push_back("maxmemory is 0: Redis may grow until the system ends it");
  return notes;
}

/// Of no sale in particular: any id leads to a node that may decide one.
void examine_endpoint(const Result<Endpoint>& endpoint, std::vector<Finding>& findings) {
  if (!endpoint) {
    findings.push_back({"scripts", std::string(name(endpoint.error().code)), endpoint.error().detail});
    return;
  }
  if (!endpoint->is_direct())
    findings.push_back(
        {"between", endpoint->between,
         "something answers for others; sales are safe if it sends EVALSHA and SCRIPT LOAD to the primary "
         "(docs/operations.md, Behind a proxy)"});
  if (!endpoint->knows_wait)
    findings.push_back({"WAIT", "unknown", "a sale that is to wait for replicas is refused here"});
}

int doctor(Session& session) {
  const Report report = ask_redis(session);
  const auto endpoint = find_endpoint(*session.pool(), SaleId{"doctor"}, session.deadline());
  std::vector<Finding> findings;
  examine_endpoint(endpoint, findings);
  examine_server(report, findings);
  examine_memory(report, findings);
  examine_persistence(report, findings);
  examine_replication(report, findings);

  Json list = Json::array();
  std::string text =
      fmt::format("{}: {} {}, {}\n", session.redis_name(), server_name(report), server_version(report),
                  findings.empty() ? "nothing endangers a sale" : fmt::format("{} findings", findings.size()));
  for (const auto& [setting, value, why] : findings) {
    list.push_back({{"setting", setting}, {"value", value}, {"why", why}});
    text += fmt::format("  {} = {}\n      {}\n", setting, value, why);
  }
  const auto notes = notes_of(report);
  for (const auto& note : notes) text += fmt::format("  note: {}\n", note);
  const Json object = {{"redis", session.redis_name()},
                       {"direct", endpoint && endpoint->is_direct()},
                       {"server", server_name(report)},
                       {"version", server_version(report)},
                       {"redis_version", report.get("redis_version")},
                       {"findings", std::move(list)},
                       {"notes", notes}};
  return session.finish(object, text, findings.empty() ? kYes : kRefusal);
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  app.add_subcommand("doctor", "Name every setting of this Redis that endangers a sale, and why")->callback([&run] {
    run = [](Session& session) { return doctor(session); };
  });
}

}  // namespace cli
