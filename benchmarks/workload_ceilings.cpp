// What the server could do at most: redis-benchmark's PING and SET, without any script.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

#include "bench.hpp"
#include "stage.hpp"

namespace flashsale::bench {
namespace {

/// Requests a second, as redis-benchmark reports them.
double redis_benchmark(const std::string& socket, const std::string& arguments) {
  const std::string command = fmt::format("redis-benchmark -s '{}' --csv {} 2>/dev/null", socket, arguments);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  if (pipe == nullptr) throw std::runtime_error("cannot run redis-benchmark");
  char line[512];
  double last = 0;
  while (fgets(line, sizeof(line), pipe.get()) != nullptr) {
    double rate = 0;
    if (std::sscanf(line, "\"%*[^\"]\",\"%lf\"", &rate) == 1) last = rate;
  }
  if (last <= 0) throw std::runtime_error("redis-benchmark reported nothing");
  return last;
}

const Registered kCeilings{
    {"ceilings", "redis-benchmark on the same server: what no client passes, with no script and no safety",
     [](Bench& bench) {
       test::PrivateRedis redis;
       const auto count = bench.scaled(500'000);
       const auto ceiling = [&](const std::string& name, const std::string& arguments) {
         bench.figure("requests_per_s", redis_benchmark(redis.socket_path(), arguments), name);
       };
       ceiling("PING, 64 connections", fmt::format("-n {} -c 64 -t ping_mbulk", count / 4));
       ceiling("PING, 64 connections, pipelines of 64", fmt::format("-n {} -c 64 -P 64 -t ping_mbulk", count));
       ceiling("SET of 60 bytes, 64 connections", fmt::format("-n {} -c 64 -d 60 -t set -r 1000000", count / 4));
     },
     30}};

}  // namespace
}  // namespace flashsale::bench
