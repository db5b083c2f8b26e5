#include "peers.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
#include "ours.hpp"
#include "util/random.hpp"

namespace flashsale::bench {
namespace {

using Context = std::unique_ptr<redisContext, decltype(&redisFree)>;
using HiredisReply = std::unique_ptr<redisReply, decltype(&freeReplyObject)>;

HiredisReply run(redisContext* context, const Command& command) {
  std::vector<const char*> parts;
  std::vector<std::size_t> sizes;
  for (const auto part : command) {
    parts.push_back(part.data());
    sizes.push_back(part.size());
  }
  HiredisReply reply(
      static_cast<redisReply*>(redisCommandArgv(context, static_cast<int>(parts.size()), parts.data(), sizes.data())),
      &freeReplyObject);
  if (reply == nullptr) throw std::runtime_error(context->errstr);
  if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(reply->str);
  return reply;
}

Context connect(const Stage& stage) {
  for (int tries = 0;; ++tries) {
    Context context(
        stage.is_tcp() ? redisConnect("127.0.0.1", stage.redis.port()) : redisConnectUnix(stage.socket_path().c_str()),
        &redisFree);
    if (context != nullptr && context->err == 0) return context;
    // A thousand connections at once are more than a unix socket queues; it says so at once, so try again.
    if (tries == 1000) throw std::runtime_error("hiredis does not connect");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// One connection that buys one unit a call.
class Buyer {
 public:
  explicit Buyer(const Stage& stage)
      : context_(connect(stage)), replicas_(std::to_string(stage.replicas.size())), terms_(stage.sale()) {
    enter(stage.sale(), {kItem});
  }

  /// Buys there from now on.
  void enter(const std::string& sale, std::vector<std::string> items) {
    terms_ = core::SaleTerms(sale);
    terms_.epoch = "1";
    terms_.uuid = "u-" + sale;
    terms_.items = std::move(items);
  }

  void load() { run(context_.get(), {"SCRIPT", "LOAD", core::script("reserve").text}); }

  bool buy(const Call& call) { return ask(call) == 'a'; }

  /// The letter that the script answers.
  char ask(const Call& call) {
    asked_.assign(1, {call.buyer.text(), call.request.text(), call.item.text(), call.payload, call.quantity});
    nonce_ = std::to_string(random_.next());
    const auto reply = run(context_.get(), encoder_.reserve(terms_, asked_, kNever, nonce_)[0]);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 5 || nonce_ != reply->element[0]->str)
      throw std::runtime_error("a reply that is not ours");
    return reply->element[4]->str[0];
  }

  /// What the seed does with a winner's order.
  void push(const Call& call) {
    const std::string order =
        fmt::format("{} {} 1 {} {}", call.buyer.text(), call.item.text(), call.request.text(), call.payload);
    run(context_.get(), {"LPUSH", terms_.keys.orders, order});
  }

  void wait(const Call&) {
    if (run(context_.get(), {"WAIT", replicas_, "5000"})->integer < std::stoll(replicas_))
      throw std::runtime_error("a replica did not follow");
  }

 private:
  static constexpr std::int64_t kNever = 9'000'000'000'000;
  Context context_;
  std::string replicas_;
  core::SaleTerms terms_;
  core::BatchEncoder encoder_;
  std::vector<core::Asked> asked_;
  std::string nonce_;
  util::Random random_;
};

/// What each of the threads does with the crowd; `work(buyer, thread, start)` returns how many it won.
using Work = std::function<std::uint64_t(Buyer&, std::size_t thread, Clock::time_point start)>;

Ran run_threads(const Stage& stage, std::size_t threads, const Work& work) {
  std::vector<std::unique_ptr<Buyer>> pool;
  for (std::size_t t = 0; t < threads; ++t) pool.push_back(std::make_unique<Buyer>(stage));
  pool[0]->load();
  std::atomic<std::uint64_t> accepted{0};
  const double cpu_before = cpu_seconds();
  const double seconds =
      run_together(threads, [&](std::size_t t, Clock::time_point start) { accepted += work(*pool[t], t, start); });
  return {accepted, seconds, cpu_seconds() - cpu_before};
}

/// What follows a purchase that was won.
using After = void (Buyer::*)(const Call& call);

Score closed_loop(Stage& stage, const Crowd& crowd, std::size_t threads, After after) {
  Latencies latencies(threads);
  const Ran ran = run_threads(stage, threads, [&](Buyer& buyer, std::size_t t, Clock::time_point) {
    latencies.of(t).reserve(crowd.size() / threads + 1);
    std::uint64_t won = 0;
    for (std::size_t i = t; i < crowd.size(); i += threads) {
      const auto before = Clock::now();
      const Call call = crowd.call(i, stage.sale());
      const bool mine = buyer.buy(call);
      if (mine && after != nullptr) (buyer.*after)(call);
      latencies.of(t).push_back(std::chrono::duration<float, std::micro>(Clock::now() - before).count());
      won += mine ? 1 : 0;
    }
    return won;
  });
  stage.check(ran.accepted);
  Score score = ran.score();
  latencies.put_into(score);
  return score;
}

}  // namespace

Score peer_pool(Stage& stage, const Crowd& crowd, std::size_t threads) {
  return closed_loop(stage, crowd, threads, nullptr);
}

Score peer_evalsha_lpush(Stage& stage, const Crowd& crowd, std::size_t threads) {
  return closed_loop(stage, crowd, threads, &Buyer::push);
}

Score peer_wait(Stage& stage, const Crowd& crowd, std::size_t threads) {
  return closed_loop(stage, crowd, threads, &Buyer::wait);
}

Score peer_pool_refusals(Stage& stage, const Crowd& crowd, std::size_t threads) {
  const Ran ran = run_threads(stage, threads, [&](Buyer& buyer, std::size_t t, Clock::time_point) {
    std::uint64_t won = 0;
    for (std::size_t i = t; i < crowd.size(); i += threads) won += buyer.buy(crowd.call(i, stage.sale())) ? 1 : 0;
    return won;
  });
  if (ran.accepted != 0) throw std::runtime_error("OVERSOLD: a sold-out sale sold");
  return {{"refusals_per_s", static_cast<double>(crowd.size()) / ran.seconds}};
}

RecordedRun peer_pool_recorded(Stage& stage, const std::vector<test::Attempt>& attempts, std::size_t threads) {
  std::vector<std::map<char, std::size_t>> heard(threads);
  const Ran ran = run_threads(stage, threads, [&](Buyer& buyer, std::size_t t, Clock::time_point) -> std::uint64_t {
    for (std::size_t i = t; i < stage.sales().size(); i += threads) {
      buyer.enter(stage.sale(i), stage.items());
      for (const test::Attempt& attempt : attempts) ++heard[t][buyer.ask(attempt.call(stage.sale(i)))];
    }
    return 0;
  });
  RecordedRun run{{}, ran.seconds};
  for (const auto& each : heard)
    for (const auto& [letter, count] : each) run.heard[letter] += count;
  return run;
}

Score peer_pool_open_loop(Stage& stage, const Crowd& crowd, std::size_t threads, double rate_per_s) {
  Latencies latencies(threads);
  std::atomic<std::size_t> next{0};
  const Ran ran = run_threads(stage, threads, [&](Buyer& buyer, std::size_t t, Clock::time_point start) {
    std::uint64_t won = 0;
    for (std::size_t i = next++; i < crowd.size(); i = next++) {
      const auto due =
          start + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / rate_per_s));
      std::this_thread::sleep_until(due);
      won += buyer.buy(crowd.call(i, stage.sale())) ? 1 : 0;
      latencies.of(t).push_back(std::chrono::duration<float, std::micro>(Clock::now() - due).count());
    }
    return won;
  });
  stage.check(ran.accepted);
  Score score{{"rate_per_s", static_cast<double>(ran.accepted) / ran.seconds}};
  latencies.put_into(score);
  return score;
}

}  // namespace flashsale::bench
