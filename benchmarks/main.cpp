// flashsale-bench: named workloads, each beside its peers in the same run.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench.hpp"
#include "core/sale_meta.hpp"

namespace flashsale::bench {
namespace {

constexpr const char* kPool = "pool of 64 blocking hiredis connections, 64 threads, one request a call";

struct Workload {
  const char* gloss;
  std::function<void(std::vector<Row>&, int rounds)> run;
};

const std::map<std::string, Workload>& workloads() {
  static const std::map<std::string, Workload> all{
      {"crowd_async",
       {"an asynchronous crowd, one submitting thread, 16,384 calls in flight; the peer is the pool of 64",
        [](std::vector<Row>& rows, int rounds) {
          const Crowd large(400'000), small(100'000);
          compare(
              rows, "crowd_async", {"accepted_per_s"}, rounds, [&] { return ours_async(large, 16'384); }, kPool,
              [&] { return peer_pool(small, 64); });
        }}},
      {"blocking_64",
       {"64 blocking callers",
        [](std::vector<Row>& rows, int rounds) {
          const Crowd crowd(150'000);
          compare(
              rows, "blocking_64", {"accepted_per_s", "p50_us", "p99_us"}, rounds,
              [&] { return ours_blocking(crowd, 64); }, kPool, [&] { return peer_pool(crowd, 64); });
        }}},
      {"memory_per_winner",
       {"Redis memory a winner, beside its payload of 60 bytes, with everything still in the journal",
        [](std::vector<Row>& rows, int) {
          const Crowd crowd(100'000);
          compare(
              rows, "memory_per_winner", {"bytes_per_winner"}, 1, [&] { return ours_memory(crowd); },
              "the same script, one request a call", [&] { return peer_memory(crowd); });
        }}},
  };
  return all;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

nlohmann::json environment() {
  test::PrivateRedis redis;
  utsname system{};
  uname(&system);
#ifdef NDEBUG
  const char* build = "optimised";
#else
  const char* build = "NOT OPTIMISED";
#endif
  return {{"flashsale", std::string(version())},
          {"redis", std::string(core::info_field(redis.command({"INFO", "server"}).text, "redis_version"))},
          {"cpu", cpu_model()},
          {"cores", std::thread::hardware_concurrency()},
          {"kernel", system.release},
          {"compiler", __VERSION__},
          {"build", build},
          {"transport", "unix socket"}};
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:<20} {:<18} {:>14} {:>14} {:>7}   {}\n", "workload", "metric", "ours", "peer", "ratio", "peer is");
  for (const Row& row : rows)
    fmt::print("{:<20} {:<18} {:>14.1f} {:>14.1f} {:>7}   {}\n", row.workload, row.metric, row.ours, row.peer,
               row.ratio ? fmt::format("{:.2f}", *row.ratio) : "-", row.peer_name);
}

nlohmann::json to_json(const std::vector<Row>& rows) {
  nlohmann::json results = nlohmann::json::array();
  for (const Row& row : rows)
    results.push_back({{"workload", row.workload},
                       {"metric", row.metric},
                       {"ours", row.ours},
                       {"peer", row.peer},
                       {"peer_name", row.peer_name},
                       {"ratio", row.ratio ? nlohmann::json(*row.ratio) : nlohmann::json()}});
  return results;
}

int usage() {
  fmt::print(stderr,
             "usage: flashsale-bench [--json] [--rounds N] [WORKLOAD...]\n\nworkloads (all, if none is named):\n");
  for (const auto& [name, workload] : workloads()) fmt::print(stderr, "  {:<20} {}\n", name, workload.gloss);
  return 2;
}

int run(const std::vector<std::string>& arguments) {
  bool json = false;
  int rounds = 3;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--json")
      json = true;
    else if (arguments[i] == "--rounds" && i + 1 < arguments.size())
      rounds = std::atoi(arguments[++i].c_str());
    else if (workloads().count(arguments[i]) > 0)
      names.push_back(arguments[i]);
    else
      return usage();
  }
  if (rounds < 1 || rounds > 99) return usage();
  if (names.empty())
    for (const auto& [name, workload] : workloads()) names.push_back(name);

  const auto where = environment();
  if (where["build"] != "optimised")
    fmt::print(stderr, "WARNING: this build is not optimised; its figures mean nothing\n");
  std::vector<Row> rows;
  for (const auto& name : names) {
    fmt::print(stderr, "{}: {}\n", name, workloads().at(name).gloss);
    workloads().at(name).run(rows, rounds);
  }
  if (json)
    fmt::print("{}\n", nlohmann::json{{"environment", where}, {"results", to_json(rows)}}.dump());
  else
    print_table(rows);
  return 0;
}

}  // namespace
}  // namespace flashsale::bench

int main(int argc, char** argv) {
  try {
    return flashsale::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "FAIL: {}\n", error.what());
    return 1;
  }
}
