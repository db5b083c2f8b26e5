// What a careful engineer runs instead: a pool of blocking hiredis connections, one request a call, the same script
// with the same guarantees.
#include <hiredis/hiredis.h>

#include <memory>
#include <stdexcept>
#include <thread>

#include "bench.hpp"
#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
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

core::SaleTerms terms_of_stage() {
  core::SaleTerms terms(kSale);
  terms.epoch = "1";
  terms.uuid = std::string("u-") + kSale;
  terms.items = {kItem};
  return terms;
}

/// One connection that buys one unit a call.
class Buyer {
 public:
  explicit Buyer(const std::string& socket)
      : context_(redisConnectUnix(socket.c_str()), &redisFree), terms_(terms_of_stage()) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("hiredis does not connect");
  }

  void load() { run(context_.get(), {"SCRIPT", "LOAD", core::script("reserve").text}); }

  bool buy(const Call& call) {
    asked_.assign(1, {call.buyer.text(), call.request.text(), call.item.text(), call.payload, call.quantity});
    nonce_ = std::to_string(random_.next());
    const auto reply = run(context_.get(), encoder_.reserve(terms_, asked_, kNever, nonce_)[0]);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 5 || nonce_ != reply->element[0]->str)
      throw std::runtime_error("a reply that is not ours");
    return reply->element[4]->str[0] == 'a';
  }

 private:
  static constexpr std::int64_t kNever = 9'000'000'000'000;
  Context context_;
  core::SaleTerms terms_;
  core::BatchEncoder encoder_;
  std::vector<core::Asked> asked_;
  std::string nonce_;
  util::Random random_;
};

}  // namespace

Score peer_pool(const Crowd& crowd, std::size_t threads) {
  const std::size_t count = crowd.buyers.size();
  Stage stage(static_cast<std::int64_t>(count));
  std::vector<std::unique_ptr<Buyer>> pool;
  for (std::size_t t = 0; t < threads; ++t) pool.push_back(std::make_unique<Buyer>(stage.redis.socket_path()));
  pool[0]->load();
  std::vector<Latencies> latencies(threads);
  std::vector<std::uint64_t> accepted(threads, 0);
  std::vector<std::thread> running;
  const auto start = Clock::now();
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      latencies[t].reserve(count / threads + 1);
      for (std::size_t i = t; i < count; i += threads) {
        const auto before = Clock::now();
        if (pool[t]->buy(crowd.call(i))) ++accepted[t];
        latencies[t].push_back(std::chrono::duration<float, std::micro>(Clock::now() - before).count());
      }
    });
  }
  for (auto& thread : running) thread.join();
  Score score;
  score.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (const auto one : accepted) score.accepted += one;
  set_percentiles(score, latencies);
  stage.check(score.accepted);
  return score;
}

Score peer_memory(const Crowd& crowd) {
  Stage stage(static_cast<std::int64_t>(crowd.buyers.size()));
  Buyer buyer(stage.redis.socket_path());
  buyer.load();
  const double before = stage.used_memory();
  Score score;
  for (std::size_t i = 0; i < crowd.buyers.size(); ++i)
    if (buyer.buy(crowd.call(i))) ++score.accepted;
  stage.check(score.accepted);
  score.bytes_per_winner =
      (stage.used_memory() - before) / static_cast<double>(score.accepted) - static_cast<double>(crowd.payload.size());
  return score;
}

}  // namespace flashsale::bench
