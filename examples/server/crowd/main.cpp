// flashsale-crowd: a crowd for the storefront, in three phases: it refreshes, it buys, it asks what became of it.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "clients.hpp"
#include "feed_reader.hpp"
#include "tokens.hpp"

namespace {

using namespace crowd;
using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Settings {
  std::uint16_t edge = 0, origin = 0;
  std::string sale = "spring", item = "sneaker", keys;
  std::uint32_t buyers = 20'000, refreshers = 1'000;
  int phase_s = 5, patience_s = 60;
};

constexpr std::size_t kAtOnce = 2'000;  // buyers under way

/// What an answer says in its body; empty: it does not say it.
std::string member(const Heard& heard, const char* name) {
  const Json body = Json::parse(heard.body, nullptr, false);
  const auto found = body.is_object() ? body.find(name) : body.end();
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

/// Requests of one phase, by status.
struct Count {
  std::map<int, std::uint64_t> by_status;
  std::uint64_t total = 0;
  void add(int status) {
    ++by_status[status];
    ++total;
  }
};

struct Winner {
  std::uint32_t buyer = 0;
  std::string order;
};

class Crowd {
 public:
  explicit Crowd(Settings settings)
      : s_(std::move(settings)), tokens_(server::Tokens::read(s_.keys)), sale_path_("/sales/" + s_.sale) {}

  int run() {
    const Json before = read_feed(s_.origin, s_.sale);
    refresh();
    buy();
    ask_again();
    report(before, settled_feed(before));
    return wrong_.empty() ? 0 : 1;
  }

 private:
  std::string token(std::uint32_t buyer) const {
    const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    return tokens_.sign(s_.sale, {"buyer-" + std::to_string(buyer), now - 60, now + 3600});
  }
  static std::string key(std::uint32_t buyer) { return "click-" + std::to_string(buyer); }

  void say(const char* phase, const Count& count, Times& times, Clock::duration took, const std::string& more) {
    const double s = std::chrono::duration<double>(took).count();
    std::printf("%-8s %8llu requests in %4.1f s, %6.0f/s, p50 %.1f ms, p99 %.1f ms; %s\n", phase,
                static_cast<unsigned long long>(count.total), s, static_cast<double>(count.total) / s,
                times.quantile_ms(0.5), times.quantile_ms(0.99), more.c_str());
    std::fflush(stdout);
  }

  /// How many requests the origin answers while `phase` runs, without the looks themselves.
  template <class Phase>
  std::uint64_t at_origin(Phase phase) {
    const auto passed = [](const Json& feed) {
      const Json& edge = feed["funnel"]["edge"];
      return edge["arrived"].get<std::uint64_t>() - edge["answered"].get<std::uint64_t>();
    };
    const auto before = passed(read_feed(s_.origin, s_.sale));
    phase();
    return passed(read_feed(s_.origin, s_.sale)) - before;
  }

  // Phase 1: everybody refreshes the page and its state, until the sale opens.
  void refresh() {
    Count count;
    Times times;
    const auto since = Clock::now();
    const auto until = since + seconds{s_.phase_s};
    const auto passed = at_origin([&] {
      std::uint32_t started = 0;
      const auto next = [&]() -> std::optional<Client> {
        if (started == s_.refreshers) return std::nullopt;
        const auto number = started++;
        auto turn = std::make_shared<unsigned>(0);
        return Client{number, to_request("GET", "/?sale=" + s_.sale + "&visit=" + std::to_string(number)),
                      [&, turn](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
                        count.add(heard.status);
                        if (Clock::now() >= until) return std::nullopt;
                        if (heard.status != 200) pause = milliseconds{200};
                        return to_request("GET", ++*turn % 2 == 0 ? "/?sale=" + s_.sale : sale_path_);
                      }};
      };
      crowd::run(s_.edge, s_.refreshers, next, until + seconds{10}, times);
    });
    say("refresh", count, times, Clock::now() - since,
        "the origin answered " + std::to_string(passed) + " of them (" + percent(passed, count.total) + ")");
    if (count.by_status[200] < count.total * 999 / 1000) wrong("the page was refused to some who refreshed");
  }

  // Phase 2: everybody wants to buy from the opening on; kAtOnce are under way at a time, and a buyer's time counts
  // from when it was sent. Who was not answered retries with the same key.
  void buy() {
    const Json before = await_opening();
    Count count;
    Times times;
    std::map<std::string, std::uint64_t> outcomes;
    const auto since = Clock::now();
    const auto until = since + seconds{s_.patience_s};
    std::uint32_t started = 0;
    const auto next = [&]() -> std::optional<Client> {
      if (started == s_.buyers) return std::nullopt;
      const auto buyer = started++;
      const std::string request =
          to_request("POST", sale_path_ + "/orders", token(buyer), key(buyer), R"({"item":")" + s_.item + R"("})");
      return Client{
          buyer, request, [&, buyer, request](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
            count.add(heard.status);
            const bool again = heard.status == 0 || heard.status == 202 || heard.status == 429 || heard.status == 503;
            if (again && Clock::now() < until) {
              pause = milliseconds{100 + (buyer % 10) * 20};
              return request;
            }
            const bool won = heard.status == 200 || heard.status == 201;
            const auto name = member(heard, won ? "outcome" : "code");
            ++outcomes[name.empty() ? "nothing" : name];
            if (won) win(buyer, member(heard, "order"));
            return std::nullopt;
          }};
    };
    crowd::run(s_.edge, kAtOnce, next, until + seconds{10}, times);
    std::string text;
    for (const auto& [name, number] : outcomes) text += std::to_string(number) + " " + name + ", ";
    text += std::to_string(std::min<std::size_t>(kAtOnce, s_.buyers)) + " at a time";
    say("buy", count, times, Clock::now() - since, text);
    count_batches(before, read_feed(s_.origin, s_.sale), Clock::now() - since);
    judge(outcomes);
  }

  /// A winner's order is its own, and it is told which.
  void win(std::uint32_t buyer, const std::string& order) {
    if (order.empty() || !orders_.insert(order).second)
      wrong("buyer-" + std::to_string(buyer) + " won the order '" + order + "', which is none or another's");
    winners_.push_back({buyer, order});
  }

  /// Every buyer heard what became of it; that nobody could tell is no such answer.
  void judge(const std::map<std::string, std::uint64_t>& outcomes) {
    std::uint64_t told = 0;
    for (const auto& [name, number] : outcomes) {
      told += number;
      if (name != "reserved" && name != "already_reserved" && name != "sold_out")
        wrong(std::to_string(number) + " buyers ended with '" + name + "'");
    }
    if (told != s_.buyers) wrong(std::to_string(s_.buyers - told) + " buyers never heard an answer");
  }

  // A batch that sells makes one entry of the journal, and before the sell-out every batch of new buyers sells. Those
  // that came after it: what was under way, one each 20 ms until who won is published, and a probe each half second.
  void count_batches(const Json& before, const Json& after, Clock::duration took) {
    const auto grown = [&](const char* what) {
      return after[what].get<std::uint64_t>() - before[what].get<std::uint64_t>();
    };
    const auto all = grown("batches"), sold = grown("entries");
    std::printf("         %llu batches reached Redis: %llu sold, %llu came after the sell-out\n",
                static_cast<unsigned long long>(all), static_cast<unsigned long long>(sold),
                static_cast<unsigned long long>(all - sold));
    if (all - sold > 40 + 2 * static_cast<std::uint64_t>(took / seconds{1}))
      wrong("more than a few batches came after the sell-out");
  }

  Json await_opening() {
    for (int look = 0; look < 600; ++look) {
      Json feed = read_feed(s_.origin, s_.sale);
      if (feed["phase"] == "open") return feed;
      std::this_thread::sleep_for(milliseconds{100});
    }
    throw std::runtime_error("the sale never opened");
  }

  // Phase 3: winners ask for their order again and again; then a tenth cancels and the others pay.
  void ask_again() {
    Count polls;
    Times times;
    const auto since = Clock::now();
    const auto until = since + seconds{s_.phase_s};
    std::set<std::uint32_t> seen;
    const auto passed = at_origin([&] {
      std::size_t started = 0;
      const auto next = [&]() -> std::optional<Client> {
        if (started == winners_.size()) return std::nullopt;
        const Winner& winner = winners_[started++];
        const std::string request = to_request("GET", order_path(winner.buyer), token(winner.buyer));
        return Client{winner.buyer, request,
                      [&, request](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
                        polls.add(heard.status);
                        if (heard.status == 200 && is_of(winner, heard)) seen.insert(winner.buyer);
                        if (Clock::now() >= until) return std::nullopt;
                        if (heard.status != 200) pause = milliseconds{200};
                        return request;
                      }};
      };
      crowd::run(s_.edge, kAtOnce, next, until + seconds{10}, times);
    });
    say("ask", polls, times, Clock::now() - since,
        "the origin answered " + std::to_string(passed) + " of them (" + percent(passed, polls.total) + ")");
    if (seen.size() != winners_.size())
      wrong(std::to_string(winners_.size() - seen.size()) + " winners were never shown their order");
    settle();
  }

  void settle() {
    Count acts;
    Times times;
    const auto since = Clock::now();
    const auto until = since + seconds{s_.patience_s};
    std::size_t started = 0;
    const auto next = [&]() -> std::optional<Client> {
      if (started == winners_.size()) return std::nullopt;
      const bool cancels = started % 10 == 0;
      const Winner& winner = winners_[started++];
      const auto path = order_path(winner.buyer);
      const std::string request = cancels ? to_request("DELETE", path, token(winner.buyer))
                                          : to_request("POST", path + "/confirm", token(winner.buyer));
      return Client{winner.buyer, request,
                    [&, request, cancels](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
                      acts.add(heard.status);
                      if (heard.status != 200 && Clock::now() < until) {
                        pause = milliseconds{200};
                        return request;
                      }
                      if (heard.status == 200 && is_of(winner, heard)) ++(cancels ? cancelled_ : paid_);
                      return std::nullopt;
                    }};
    };
    crowd::run(s_.edge, 200, next, until + seconds{10}, times);
    say("settle", acts, times, Clock::now() - since,
        std::to_string(paid_) + " paid, " + std::to_string(cancelled_) + " cancelled");
    if (paid_ + cancelled_ != winners_.size()) wrong("some winners could neither pay nor cancel");
  }

  bool is_of(const Winner& winner, const Heard& heard) {
    const auto order = member(heard, "order");
    if (order == winner.order) return true;
    wrong("buyer-" + std::to_string(winner.buyer) + " won the order " + winner.order + " and was then told of '" +
          order + "'");
    return false;
  }

  /// The feed once it says what the buyers were told, or what it says when patience is over.
  Json settled_feed(const Json& before) {
    const auto until = Clock::now() + seconds{s_.patience_s};
    for (;;) {
      Json feed = read_feed(s_.origin, s_.sale);
      if (differences(before, feed).empty() || Clock::now() >= until) return feed;
    }
  }

  /// What the operator's feed, which is Redis' and the database's word, says otherwise than the buyers.
  std::vector<std::string> differences(const Json& before, const Json& after) const {
    std::vector<std::string> found;
    const auto same = [&](const std::string& what, const Json& has, std::uint64_t wanted) {
      if (has != wanted)
        found.push_back(what + ": " + has.dump() + ", and by what buyers heard " + std::to_string(wanted));
    };
    const auto item = std::find_if(after["items"].begin(), after["items"].end(),
                                   [&](const Json& row) { return row["item"] == s_.item; });
    if (item == after["items"].end()) return {"the sale has no item " + s_.item};
    const auto total = (*item)["total"].get<std::uint64_t>();
    same("orders won", winners_.size(), std::min<std::uint64_t>(total, s_.buyers));
    same("orders in the database", grown(before, after, "database", "arrived"), winners_.size());
    same("units confirmed", (*item)["confirmed"], paid_);
    same("units held", (*item)["held"], 0);
    same("units available", (*item)["available"], total - std::min<std::uint64_t>(total, paid_));
    same("entries not in the database", after["lag"], 0);
    return found;
  }

  static std::uint64_t grown(const Json& before, const Json& after, const char* layer, const char* what) {
    return after["funnel"][layer][what].get<std::uint64_t>() - before["funnel"][layer][what].get<std::uint64_t>();
  }

  std::string order_path(std::uint32_t buyer) const { return sale_path_ + "/orders/" + key(buyer); }

  static std::string percent(std::uint64_t part, std::uint64_t whole) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f %%",
                  whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
    return text;
  }

  void report(const Json& before, const Json& after) {
    std::printf("\n%-10s %12s %14s %8s\n", "layer", "arrived", "answered here", "share");
    const auto all = grown(before, after, "edge", "arrived");
    for (const char* layer : {"edge", "admission", "view", "redis", "journal", "database"}) {
      const auto arrived = grown(before, after, layer, "arrived"), answered = grown(before, after, layer, "answered");
      std::printf("%-10s %12llu %14llu %8s\n", layer, static_cast<unsigned long long>(arrived),
                  static_cast<unsigned long long>(answered), percent(answered, all).c_str());
    }
    for (const auto& item : after["items"])
      if (item["item"] == s_.item)
        std::printf("\n%s: %s of %s confirmed, %s held, %s available\n", s_.item.c_str(),
                    item["confirmed"].dump().c_str(), item["total"].dump().c_str(), item["held"].dump().c_str(),
                    item["available"].dump().c_str());
    for (const auto& difference : differences(before, after)) wrong(difference);
    std::printf(wrong_.empty() ? "Every buyer has one answer, every unit one buyer.\n" : "The sale was WRONG.\n");
  }

  /// Each defect once, and not every one of thousands.
  void wrong(const std::string& what) {
    if (wrong_.size() < 20 && wrong_.insert(what).second) std::printf("WRONG: %s\n", what.c_str());
  }

  Settings s_;
  server::Tokens tokens_;
  std::string sale_path_;
  std::vector<Winner> winners_;
  std::set<std::string> orders_;  // of the winners
  std::uint64_t paid_ = 0, cancelled_ = 0;
  std::set<std::string> wrong_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("flashsale-crowd: a crowd for the storefront; talks to 127.0.0.1 alone");
  Settings s;
  app.add_option("--edge", s.edge, "Port of the edge")->required();
  app.add_option("--origin", s.origin, "Port of flashsale-server")->required();
  app.add_option("--keys", s.keys, "Keys of purchase tokens: the crowd has logged in")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--sale", s.sale)->capture_default_str();
  app.add_option("--item", s.item)->capture_default_str();
  app.add_option("--buyers", s.buyers)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--refreshers", s.refreshers)->check(CLI::Range(1, 20'000))->capture_default_str();
  app.add_option("--phase-seconds", s.phase_s)->check(CLI::Range(1, 60))->capture_default_str();
  app.add_option("--patience-seconds", s.patience_s, "How long a buyer retries, and the database may take")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  try {
    return Crowd(std::move(s)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flashsale-crowd: %s\n", error.what());
    return 4;
  }
}
