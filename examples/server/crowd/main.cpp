// flashsale-crowd: a crowd for the storefront, in three phases: it refreshes, it buys, it asks what became of it.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
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
  int phase_s = 5;
};

/// Requests of one phase, by status.
struct Count {
  std::map<int, std::uint64_t> by_status;
  std::uint64_t total = 0;
  void add(int status) {
    ++by_status[status];
    ++total;
  }
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
    std::this_thread::sleep_for(seconds{2});  // the feed's next frame has it all
    report(before, read_feed(s_.origin, s_.sale));
    return wrong_ ? 1 : 0;
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

  // Phase 2: everybody buys at once, and retries with the same key what was not answered.
  void buy() {
    const Json before = await_opening();
    Count count;
    Times times;
    std::map<std::string, std::uint64_t> outcomes;
    const auto since = Clock::now();
    std::uint32_t started = 0;
    const auto next = [&]() -> std::optional<Client> {
      if (started == s_.buyers) return std::nullopt;
      const auto buyer = started++;
      const std::string request =
          to_request("POST", sale_path_ + "/orders", token(buyer), key(buyer), R"({"item":")" + s_.item + R"("})");
      auto tries = std::make_shared<int>(0);
      return Client{buyer, request,
                    [&, buyer, request, tries](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
                      count.add(heard.status);
                      const bool again = heard.status == 0 || heard.status == 429 || heard.status == 503;
                      if (again && ++*tries < 20) {
                        pause = milliseconds{100 + (buyer % 10) * 20};
                        return request;
                      }
                      const Json body = Json::parse(heard.body, nullptr, false);
                      const auto name = body.is_object() ? body.value("outcome", body.value("code", "?")) : "nothing";
                      ++outcomes[name];
                      if (heard.status == 200 || heard.status == 201) winners_.push_back(buyer);
                      return std::nullopt;
                    }};
    };
    crowd::run(s_.edge, 2'000, next, since + seconds{120}, times);
    std::string text;
    for (const auto& [name, number] : outcomes) text += std::to_string(number) + " " + name + ", ";
    say("buy", count, times, Clock::now() - since, text.substr(0, text.size() - 2));
    count_batches(before, read_feed(s_.origin, s_.sale), Clock::now() - since);
    std::uint64_t told = 0;
    for (const auto& [name, number] : outcomes) told += number;
    if (told != s_.buyers) wrong("some buyers never heard an answer");
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
    Count polls, acts;
    Times times, act_times;
    const auto since = Clock::now();
    const auto until = since + seconds{s_.phase_s};
    const auto passed = at_origin([&] {
      std::size_t started = 0;
      const auto next = [&]() -> std::optional<Client> {
        if (started == winners_.size()) return std::nullopt;
        const auto buyer = winners_[started++];
        const std::string request = to_request("GET", order_path(buyer), token(buyer));
        return Client{buyer, request,
                      [&, request](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
                        polls.add(heard.status);
                        if (Clock::now() >= until) return std::nullopt;
                        if (heard.status != 200) pause = milliseconds{200};
                        return request;
                      }};
      };
      crowd::run(s_.edge, 2'000, next, until + seconds{10}, times);
    });
    say("ask", polls, times, Clock::now() - since,
        "the origin answered " + std::to_string(passed) + " of them (" + percent(passed, polls.total) + ")");
    const auto settled = Clock::now();
    std::size_t started = 0;
    const auto next = [&]() -> std::optional<Client> {
      if (started == winners_.size()) return std::nullopt;
      const bool cancels = started % 10 == 0;
      const auto buyer = winners_[started++];
      const std::string request = cancels ? to_request("DELETE", order_path(buyer), token(buyer))
                                          : to_request("POST", order_path(buyer) + "/confirm", token(buyer));
      auto tries = std::make_shared<int>(0);
      return Client{
          buyer, request,
          [&, request, tries, cancels](const Heard& heard, milliseconds& pause) -> std::optional<std::string> {
            acts.add(heard.status);
            if (heard.status != 200 && ++*tries < 20) {
              pause = milliseconds{200};
              return request;
            }
            if (heard.status == 200) ++(cancels ? cancelled_ : paid_);
            return std::nullopt;
          }};
    };
    crowd::run(s_.edge, 200, next, settled + seconds{60}, act_times);
    say("settle", acts, act_times, Clock::now() - settled,
        std::to_string(paid_) + " paid, " + std::to_string(cancelled_) + " cancelled");
    if (paid_ + cancelled_ != winners_.size()) wrong("some winners could neither pay nor cancel");
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
    const std::uint64_t all = after["funnel"]["edge"]["arrived"].get<std::uint64_t>() -
                              before["funnel"]["edge"]["arrived"].get<std::uint64_t>();
    for (const char* layer : {"edge", "admission", "view", "redis", "journal", "database"}) {
      const auto grown = [&](const char* what) {
        return after["funnel"][layer][what].get<std::uint64_t>() - before["funnel"][layer][what].get<std::uint64_t>();
      };
      std::printf("%-10s %12llu %14llu %8s\n", layer, static_cast<unsigned long long>(grown("arrived")),
                  static_cast<unsigned long long>(grown("answered")), percent(grown("answered"), all).c_str());
    }
    for (const auto& item : after["items"]) {
      if (item["item"] != s_.item) continue;
      std::printf("\n%s: %s of %s confirmed, %s held, %s available\n", s_.item.c_str(),
                  item["confirmed"].dump().c_str(), item["total"].dump().c_str(), item["held"].dump().c_str(),
                  item["available"].dump().c_str());
      const auto total = item["total"].get<std::uint64_t>();
      if (winners_.size() != std::min<std::uint64_t>(total, s_.buyers))
        wrong(std::to_string(winners_.size()) + " orders were won of " + std::to_string(total) + " units");
    }
    std::printf(wrong_ ? "The sale was WRONG.\n" : "Every buyer has one answer, every unit one buyer.\n");
  }

  void wrong(const std::string& what) {
    wrong_ = true;
    std::printf("WRONG: %s\n", what.c_str());
  }

  Settings s_;
  server::Tokens tokens_;
  std::string sale_path_;
  std::vector<std::uint32_t> winners_;
  std::uint64_t paid_ = 0, cancelled_ = 0;
  bool wrong_ = false;
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
