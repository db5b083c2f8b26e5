// What the history fence costs on the accept path: reserve.lua as it is beside the same text without its look at INFO,
// batch by batch in turn on one server, timed by Redis itself.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "bench.hpp"
#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
#include "stage.hpp"

namespace flashsale::bench {
namespace {

/// It asks the node for its role and for its history.
constexpr std::string_view kFence[] = {
    "local info = call('INFO', 'replication')\n"
    "if not find(info, 'role:master', 1, true) then return refuse('not_primary') end\n",
    "if not find(info, '\\nmaster_replid:' .. m[7] .. '\\r', 1, true) then return refuse('fenced') end\n"};
constexpr std::int64_t kNever = 9'000'000'000'000;

std::string unfenced() {
  std::string text(core::script("reserve").text);
  for (const std::string_view part : kFence) {
    const auto at = text.find(part);
    if (at == std::string::npos) throw std::runtime_error("reserve.lua does not hold the fence as it is known here");
    text.erase(at, part.size());
  }
  return text;
}

/// Microseconds that Redis has spent in EVALSHA so far.
double evalsha_us(test::PrivateRedis& redis) {
  const std::string stats = redis.command({"INFO", "commandstats"}).text;
  const auto at = stats.find("cmdstat_evalsha:");
  return at == std::string::npos ? 0 : std::stod(stats.substr(stats.find("usec=", at) + 5));
}

/// One of the two: its script, and a sale that it alone sells.
struct Variant {
  std::string sha1;
  core::SaleTerms terms;
  std::size_t at = 0;        ///< in the crowd
  std::vector<double> us{};  ///< of each batch
};

class Duel {
 public:
  explicit Duel(const Crowd& crowd) : crowd_(crowd), stage_({static_cast<std::int64_t>(crowd.size()), 2, {}}) {
    for (const std::string& text : {std::string(core::script("reserve").text), unfenced()}) {
      Variant variant{stage_.redis.command({"SCRIPT", "LOAD", text}).text, core::SaleTerms(stage_.sale(sides_.size()))};
      variant.terms.epoch = "1";
      variant.terms.uuid = "u-" + stage_.sale(sides_.size());
      variant.terms.items = {kItem};
      sides_.push_back(std::move(variant));
    }
  }

  /// Redis' time for a batch of `size`, the median of so many: what the fenced ones take over the others.
  double ratio(std::size_t size, std::size_t batches) {
    for (std::size_t batch = 0; batch < batches; ++batch)
      for (std::size_t turn = 0; turn < 2; ++turn) sell(sides_[(batch + turn) % 2], size);
    return median(sides_[0].us) / median(sides_[1].us);
  }

 private:
  void sell(Variant& side, std::size_t size) {
    std::vector<core::Asked> asked;
    for (std::size_t i = 0; i < size; ++i, ++side.at) {
      if (side.at >= crowd_.size()) throw std::runtime_error("the crowd is too small");
      asked.push_back({crowd_.buyers[side.at], crowd_.requests[side.at], kItem, crowd_.payload, 1});
    }
    auto command = encoder_.reserve(side.terms, asked, kNever, "1").front();
    command[1] = side.sha1;
    const double before = evalsha_us(stage_.redis);
    const Reply reply = stage_.redis.command({command.begin(), command.end()});
    side.us.push_back(evalsha_us(stage_.redis) - before);
    if (reply.elements.size() < 5 || reply.elements[4].text != std::string(size, 'a'))
      throw std::runtime_error("a batch was not won");
  }

  const Crowd& crowd_;
  Stage stage_;
  std::vector<Variant> sides_;
  core::BatchEncoder encoder_;
};

double median_of_rounds(const Bench& bench, std::size_t size, std::size_t orders) {
  const Crowd crowd(orders);
  std::vector<double> ratios;
  for (int round = 0; round < std::max(bench.settings().rounds, 3); ++round)
    ratios.push_back(Duel(crowd).ratio(size, orders / size));
  return median(std::move(ratios));
}

const Registered kFencePrice{
    {"fence_price", "the history fence on the accept path, in Redis' own time: under 3% at batches of 64 and more",
     [](Bench& bench) {
       for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{512}}) {
         const std::size_t orders = std::max<std::size_t>(bench.scaled(size == 1 ? 20'000 : 100'000), size);
         bench.figure("percent", 100 * (median_of_rounds(bench, size, orders) - 1), fmt::format("batches of {}", size));
       }
     },
     31}};

}  // namespace
}  // namespace flashsale::bench
