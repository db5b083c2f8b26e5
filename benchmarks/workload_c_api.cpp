// What the C ABI costs: the asynchronous crowd through flashsale.h, beside the same through the C++ API.
#include <flashsale/flashsale.h>

#include <stdexcept>

#include "ours.hpp"

namespace flashsale::bench {
namespace {

constexpr std::size_t kSlice = 512;
constexpr std::size_t kInFlight = 16'384;

void need(std::int32_t code, flashsale_error_t* error) {
  if (code >= 0) return;
  const std::string message = flashsale_error_message(error);
  flashsale_error_destroy(&error);
  throw std::runtime_error(message);
}

/// A gate and its completions, as a consumer in C has them.
struct Consumer {
  explicit Consumer(const std::string& socket) {
    const std::string url = "redis+unix://" + socket;
    flashsale_error_t* error = nullptr;
    flashsale_pool_t* pool = nullptr;
    need(flashsale_pool_create(url.data(), url.size(), nullptr, &pool, &error), error);
    const auto made = flashsale_gate_create(pool, nullptr, &gate, &error);
    flashsale_pool_destroy(&pool);
    need(made, error);
    need(flashsale_completions_create(0, &completions, &error), error);
  }
  ~Consumer() {
    flashsale_gate_destroy(&gate);
    flashsale_completions_destroy(&completions);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  flashsale_gate_t* gate = nullptr;
  flashsale_completions_t* completions = nullptr;
};

flashsale_call_t to_record(const Call& call) {
  flashsale_call_t record = FLASHSALE_CALL_INIT;
  const auto set = [](const char*& to, std::size_t& size, std::string_view text) {
    to = text.data();
    size = text.size();
  };
  set(record.sale, record.sale_size, call.sale.text());
  set(record.item, record.item_size, call.item.text());
  set(record.buyer, record.buyer_size, call.buyer.text());
  set(record.request, record.request_size, call.request.text());
  record.payload = call.payload.data();
  record.payload_size = call.payload.size();
  record.timeout_ms = static_cast<std::uint32_t>(call.timeout.count());
  return record;
}

/// As ours_async, call for call.
Score c_async(Stage& stage, const Crowd& crowd) {
  const std::size_t count = crowd.size();
  Consumer consumer(stage.socket_path());
  std::vector<flashsale_call_t> calls;
  calls.reserve(kSlice);
  std::vector<flashsale_event_t> events(1024);
  flashsale_error_t* error = nullptr;
  std::uint64_t accepted = 0;
  std::size_t sent = 0, done = 0;
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  while (done < count) {
    calls.clear();
    while (calls.size() < kSlice && sent + calls.size() < count && sent + calls.size() - done < kInFlight)
      calls.push_back(to_record(crowd.call(sent + calls.size(), stage.sale())));
    std::size_t taken = 0, got = 0;
    need(flashsale_gate_submit(consumer.gate, calls.data(), calls.size(), consumer.completions, &taken, &error), error);
    sent += taken;
    const bool full = sent == count || sent - done >= kInFlight;
    need(flashsale_completions_drain(consumer.completions, events.data(), sizeof(events[0]), events.size(),
                                     full ? 100 : 0, &got, &error),
         error);
    for (std::size_t i = 0; i < got; ++i) accepted += events[i].code == FLASHSALE_RESERVED ? 1 : 0;
    done += got;
  }
  const double seconds = seconds_since(start);
  const double cpu = cpu_seconds() - cpu_before;
  stage.check(accepted);
  const auto orders = static_cast<double>(accepted);
  return {{"accepted_per_s", orders / seconds}, {"cpu_us_per_order", cpu * 1e6 / orders}};
}

const Registered kCompletions{{"c_completions", "the asynchronous crowd through flashsale.h, beside the C++ API",
                               [](Bench& bench) {
                                 const Crowd crowd(bench.scaled(400'000));
                                 const auto staged = [&crowd](auto run) {
                                   return [&crowd, run] {
                                     Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
                                     return run(stage);
                                   };
                                 };
                                 bench.compare(
                                     {"accepted_per_s", "cpu_us_per_order"},
                                     {{"flashsale.h", staged([&](Stage& s) { return c_async(s, crowd); })},
                                      {"the C++ API", staged([&](Stage& s) { return ours_async(s, crowd); })}});
                               },
                               23}};

}  // namespace
}  // namespace flashsale::bench
