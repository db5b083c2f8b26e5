// Peer (c): ioredis, run by Node.js as its users run it. The crowd and the script are the same; only the client
// differs.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/keyspace.hpp"
#include "core/scripts.hpp"
#include "peers.hpp"

namespace flashsale::bench {
namespace {

namespace fs = std::filesystem;
constexpr const char* kVersion = "5.4.1";

/// Beside this program: <build tree>/npm.
fs::path npm_dir() { return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "npm"; }

bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  char piece[4096];
  while (const std::size_t got = fread(piece, 1, sizeof(piece), pipe.get())) text.append(piece, got);
  return text;
}

}  // namespace

std::optional<std::string> ioredis_is_missing() {
  static const std::optional<std::string> why = []() -> std::optional<std::string> {
    if (!runs("node --version")) return "node is absent";
    const fs::path dir = npm_dir();
    if (fs::exists(dir / "node_modules/ioredis")) return std::nullopt;
    if (!runs("npm --version")) return "npm is absent";
    fs::create_directories(dir);
    if (!runs(fmt::format("npm install --prefix '{}' --no-audit --no-fund ioredis@{}", dir.string(), kVersion)))
      return "npm could not install ioredis";
    return std::nullopt;
  }();
  return why;
}

std::vector<Side> ioredis_sides(Bench& bench, const std::function<Score(bool)>& run) {
  if (const auto why = ioredis_is_missing()) {
    bench.skip("ioredis", *why);
    return {};
  }
  return {{"ioredis, 64 in flight", [run] { return run(false); }},
          {"ioredis, 1,024 in flight, auto-pipelined", [run] { return run(true); }}};
}

Score peer_ioredis(Stage& stage, const Crowd& crowd, std::size_t in_flight, bool auto_pipelined) {
  const core::Keys keys(stage.sale());
  nlohmann::json task{{"sha", core::script("reserve").sha1},
                      {"script", core::script("reserve").text},
                      {"keys", {keys.meta, keys.buyers, keys.journal}},
                      {"uuid", "u-" + stage.sale()},
                      {"count", crowd.size()},
                      {"inFlight", in_flight},
                      {"autoPipelining", auto_pipelined},
                      {"payload", crowd.payload}};
  if (stage.is_tcp())
    task["port"] = stage.redis.port();
  else
    task["path"] = stage.socket_path();
  const fs::path file = fs::path(stage.redis.dir()) / "ioredis.json";
  std::ofstream(file) << task.dump();
  const std::string text = output_of(fmt::format("NODE_PATH='{}' node '{}' '{}'", (npm_dir() / "node_modules").string(),
                                                 FLASHSALE_BENCH_DIR "/ioredis_crowd.js", file.string()));
  const auto result = nlohmann::json::parse(text, nullptr, false);
  if (!result.is_object()) throw std::runtime_error("ioredis_crowd.js said: " + text);
  const auto accepted = result.at("accepted").get<std::uint64_t>();
  stage.check(accepted);
  const auto orders = static_cast<double>(accepted);
  return {{"accepted_per_s", orders / result.at("seconds").get<double>()},
          {"cpu_us_per_order", result.at("cpuSeconds").get<double>() * 1e6 / orders},
          {"p50_us", result.at("p50").get<double>()},
          {"p99_us", result.at("p99").get<double>()},
          {"p999_us", result.at("p999").get<double>()}};
}

}  // namespace flashsale::bench
