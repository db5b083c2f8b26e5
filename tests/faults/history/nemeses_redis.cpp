// What a living Redis can do to a sale: refuse, be busy, forget, tell another time.
#include <fmt/format.h>

#include "core/keyspace.hpp"
#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

/// Sets a parameter until some callers have heard the error that it causes; `back` ends it.
std::string refuse(Stage& stage, const char* parameter, const char* value, const char* back, const char* error) {
  const std::int64_t before = stage.errors(error);
  stage.ask({"CONFIG", "SET", parameter, value});
  stage.await([&] { return stage.errors(error) > before + 5; });
  stage.pass(milliseconds(stage.roll(300)));
  const std::int64_t count = stage.errors(error) - before;
  stage.ask({"CONFIG", "SET", parameter, back});
  return count == 0 ? std::string() : fmt::format("{} times {}", count, error);
}

std::string out_of_memory(Stage& stage) { return refuse(stage, "maxmemory", "1mb", "0", "OOM"); }

std::string too_few_replicas(Stage& stage) { return refuse(stage, "min-replicas-to-write", "3", "0", "NOREPLICAS"); }

std::string flush_scripts(Stage& stage) {
  const std::int64_t before = stage.errors("NOSCRIPT");
  stage.await([&] {
    stage.ask({"SCRIPT", "FLUSH"});
    return stage.errors("NOSCRIPT") > before + 10;
  });
  const std::int64_t count = stage.errors("NOSCRIPT") - before;
  return count == 0 ? std::string() : fmt::format("{} times NOSCRIPT", count);
}

std::string be_busy(Stage& stage) {
  const std::int64_t before = stage.errors("BUSY");
  stage.ask({"EVAL",
             "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
             "local from = now() while now() < from + 500 do end",
             "0"});
  const std::int64_t count = stage.errors("BUSY") - before;
  return count == 0 ? std::string() : fmt::format("{} times BUSY", count);
}

/// A command that keeps Redis from everybody for a while.
std::string occupy(Stage& stage, const std::vector<std::string_view>& command) {
  const std::int64_t from = monotonic_ns();
  stage.ask(command);
  stage.ask({"PING"});
  const std::int64_t ms = (monotonic_ns() - from) / 1'000'000;
  return ms < 250 ? std::string() : fmt::format("nothing was answered for {} ms", ms);
}

std::string sleep(Stage& stage) { return occupy(stage, {"DEBUG", "SLEEP", "0.4"}); }
std::string pause_clients(Stage& stage) { return occupy(stage, {"CLIENT", "PAUSE", "400", "ALL"}); }

std::string kill_connections(Stage& stage) {
  std::int64_t killed = 0;
  for (int i = 0; i < 10; ++i) {
    const std::string count = stage.ask({"CLIENT", "KILL", "TYPE", "normal"});
    killed += count.empty() ? 0 : std::stoll(count);
    stage.pass(milliseconds{20});
  }
  return killed == 0 ? std::string() : fmt::format("{} connections killed", killed);
}

/// Sees a fenced sale through to its next epoch, after `harm`, whose proof it returns. Nobody reaches Redis meanwhile.
template <class Harm>
std::string fenced_by(Stage& stage, Harm harm) {
  for (std::size_t i = 0; i < stage.wires(); ++i) stage.wire(i).stall();
  const std::uint64_t epoch = stage.epoch();
  const std::string proof = harm();
  for (std::size_t i = 0; i < stage.wires(); ++i) stage.wire(i).pass();
  const std::string risen = stage.await_epoch_after(epoch);
  return proof.empty() || risen.empty() ? std::string() : fmt::format("{}, {}", proof, risen);
}

std::string change_history(Stage& stage) {
  return fenced_by(stage, [&] { return "history: " + stage.ask({"DEBUG", "CHANGE-REPL-ID"}); });
}

std::string flush_all(Stage& stage) {
  stage.night.forgot_primary = stage.night.forgot_all = true;
  return fenced_by(stage, [&] {
    stage.ask({"FLUSHALL"});
    return stage.ask({"DBSIZE"}) == "0" ? std::string("no key left") : std::string();
  });
}

std::string delete_key(Stage& stage, const std::string& key) {
  return fenced_by(stage, [&] { return stage.ask({"DEL", key}) == "1" ? "one key deleted" : std::string(); });
}

std::string delete_meta(Stage& stage) { return delete_key(stage, core::Keys("spring").meta); }
std::string delete_buyers(Stage& stage) { return delete_key(stage, core::Keys("spring").buyers); }

std::string delete_journal(Stage& stage) {
  stage.night.forgot_primary = stage.night.forgot_all = true;  // what was not in the database yet
  return delete_key(stage, core::Keys("spring").journal);
}

/// Without it nothing would be wrong at once: it is what ends holds.
std::string delete_holds(Stage& stage) { return delete_key(stage, core::Keys("spring").holds); }

/// Without it a restock that is asked for again would count again.
std::string delete_operations(Stage& stage) {
  stage.restock();
  return delete_key(stage, core::Keys("spring").ops);
}

std::int64_t redis_seconds(Stage& stage) {
  const std::string text = stage.ask({"EVAL", "return redis.call('TIME')[1]", "0"});
  return text.empty() ? 0 : std::stoll(text);
}

constexpr std::int64_t kHourMs = 3'600'000;

std::string hour_back(Stage& stage) {
  stage.night.set_clock_back = true;
  const std::int64_t before = redis_seconds(stage);
  stage.shift_clock(-kHourMs);
  const std::int64_t during = redis_seconds(stage);
  stage.pass(milliseconds(200 + stage.roll(300)));
  stage.shift_clock(kHourMs);
  return during > before - 3000 ? std::string() : fmt::format("TIME went {} s back", before - during);
}

std::string hour_forward(Stage& stage) {
  const std::int64_t before = redis_seconds(stage);
  stage.shift_clock(kHourMs);
  const std::int64_t after = redis_seconds(stage);
  return after < before + 3000 ? std::string() : fmt::format("TIME went {} s forward", after - before);
}

std::string client_an_hour_off(Stage& stage) {
  const std::int64_t shift = stage.roll(2) == 0 ? kHourMs : -kHourMs;
  stage.restart_client(0, shift);
  const std::string proof = stage.sees_shifted_clock(0);
  stage.pass(milliseconds{200});
  return proof.empty() ? proof : fmt::format("{} ms beside the others, {}", shift, proof);
}

}  // namespace

Group servers() {
  return {"servers",
          [](Plan& plan) { plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500}; },
          false,
          {{"memory full", out_of_memory},
           {"too few replicas", too_few_replicas},
           {"scripts flushed", flush_scripts},
           {"Redis busy with a script", be_busy},
           {"Redis asleep", sleep},
           {"clients paused", pause_clients},
           {"connections killed", kill_connections},
           {"history id changed", change_history}}};
}

Group deletions() {
  return {"deletions",
          [](Plan& plan) { plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500}; },
          false,
          {{"all keys flushed", flush_all},
           {"meta deleted", delete_meta},
           {"buyers deleted", delete_buyers},
           {"journal deleted", delete_journal},
           {"holds deleted", delete_holds},
           {"operations deleted", delete_operations}}};
}

Group clocks() {
  return {"clocks",
          [](Plan& plan) {
            plan.shifted_clock = true;
            plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{800};
          },
          false,
          {{"Redis' clock an hour back", hour_back},
           {"Redis' clock an hour forward", hour_forward},
           {"a client's clock an hour off", client_an_hour_off}}};
}

}  // namespace flashsale::history
