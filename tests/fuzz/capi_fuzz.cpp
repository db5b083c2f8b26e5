// The C ABI as a careless caller uses it: any function, in any order, with handles that are NULL, of another kind or
// just destroyed, texts with any bytes, sizes and numbers of any value. Every call must come back, with a code that the
// header knows, an error object exactly on an error, and its outs written.
//
// Nothing listens where the handles point, and texts from the fuzzer never name a place that is then connected to.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "flashsale/flashsale.h"
#include "fuzz/claim.hpp"

namespace {

constexpr std::size_t kStructMax = 4096;  // what a struct_size may claim; more is refused unread
using Room = std::array<unsigned char, kStructMax>;

/// Handles that live as long as the process: making threads for every input would be slow.
struct Shop {
  flashsale_pool_t* pool = nullptr;
  flashsale_sink_t* sink = nullptr;
  flashsale_controller_t* controller = nullptr;
  flashsale_completions_t* completions = nullptr;
  flashsale_gate_t* gate = nullptr;
  flashsale_worker_t* worker = nullptr;

  Shop() {
    flashsale_options_t* options = nullptr;
    CLAIM(flashsale_options_create(FLASHSALE_ABI, &options, nullptr) == 0);
    const auto set = [&](const char* name, const char* value) {
      CLAIM(flashsale_options_set(options, name, std::strlen(name), value, std::strlen(value), nullptr) == 0);
    };
    set("controller.timeout_ms", "1");
    set("gate.timeout_ms", "1");
    set("worker.call_timeout_ms", "10");
    CLAIM(flashsale_pool_create(FLASHSALE_TEXT("redis+unix:///nonexistent/redis.sock"), options, &pool, nullptr) == 0);
    CLAIM(flashsale_sink_create(FLASHSALE_TEXT("sqlite:/nonexistent/orders.db"), &sink, nullptr) == 0);
    CLAIM(flashsale_controller_create(pool, sink, options, &controller, nullptr) == 0);
    CLAIM(flashsale_completions_create(64, &completions, nullptr) == 0);
    CLAIM(flashsale_gate_create(pool, options, &gate, nullptr) == 0);
    CLAIM(flashsale_worker_create(pool, sink, options, &worker, nullptr) == 0);
    flashsale_options_destroy(&options);
  }
};

/// One input: a list of calls, each with its arguments.
class Caller {
 public:
  Caller(Shop& shop, const std::uint8_t* data, std::size_t size) : shop_(shop), input_(data, size) {}
  ~Caller() {
    flashsale_options_destroy(&options_);
    flashsale_sale_destroy(&sale_);
    flashsale_error_destroy(&error_);
  }

  void run() {
    for (int calls = 0; calls < 32 && input_.remaining_bytes() > 0; ++calls) call();
  }

 private:
  using Act = int32_t (*)(flashsale_controller_t*, const char*, std::size_t, flashsale_error_t**);

  /// A text, with the length that the caller claims.
  struct Text {
    std::vector<char> bytes;  // on the heap, and exactly so many
    const char* data = nullptr;
    std::size_t size = 0;
  };
  Text text() {
    const std::string chosen = word();
    Text text;
    text.bytes.assign(chosen.begin(), chosen.end());
    text.size = text.bytes.size();
    text.data = input_.ConsumeIntegralInRange(0, 15) == 0 ? nullptr : text.bytes.data();
    if (input_.ConsumeIntegralInRange(0, 31) == 0)
      text.size = SIZE_MAX - input_.ConsumeIntegralInRange<std::size_t>(0, 9);
    return text;
  }
  std::string word() {
    static const char* const kWords[] = {"spring",         "sneaker",    "ann",  "click-1",      "gate.lanes",
                                         "sale.hold_ms",   "sale.queue", "list", "worker.sales", "redis://h",
                                         "redis+unix:///s"};
    if (input_.ConsumeBool()) return kWords[input_.ConsumeIntegralInRange<std::size_t>(0, std::size(kWords) - 1)];
    if (input_.ConsumeIntegralInRange(0, 31) == 0) return std::string(5000, 'x');
    return input_.ConsumeRandomLengthString(80);
  }

  /// The right handle mostly; else NULL, one of another kind, or an odd address.
  template <class H>
  H* handle(H* right) {
    switch (input_.ConsumeIntegralInRange(0, 15)) {
      case 0:
        return nullptr;
      case 1:
        return reinterpret_cast<H*>(shop_.pool);
      case 2:
        return reinterpret_cast<H*>(shop_.completions);
      case 3:
        return reinterpret_cast<H*>(reinterpret_cast<char*>(shop_.gate) + 1);
      default:
        return right;
    }
  }
  template <class Out>
  Out* out(Out* right) {
    return input_.ConsumeIntegralInRange(0, 15) == 0 ? nullptr : right;
  }

  /// Room for a right struct, with any size that it may claim, and sometimes a field behind it that no version knows.
  /// What is inside stays right: it may be a pointer, which no library can check.
  template <class Record>
  Record* record(Room& room, const Record& right) {
    room.fill(0);
    std::memcpy(room.data(), &right, sizeof(right));
    auto* const made = reinterpret_cast<Record*>(room.data());
    if (input_.ConsumeIntegralInRange(0, 3) == 0) made->struct_size = input_.ConsumeIntegral<std::uint32_t>() % 8192;
    if (input_.ConsumeIntegralInRange(0, 7) == 0)
      room[input_.ConsumeIntegralInRange<std::size_t>(sizeof(Record), 4095)] = 1;
    return input_.ConsumeIntegralInRange(0, 15) == 0 ? nullptr : made;
  }

  flashsale_call_t one_call() {
    flashsale_call_t call = FLASHSALE_CALL_INIT;
    for (auto& field : texts_) field = text();
    call.verb = input_.ConsumeIntegralInRange<std::int32_t>(-1, 7);
    call.sale = texts_[0].data, call.sale_size = texts_[0].size;
    call.item = texts_[1].data, call.item_size = texts_[1].size;
    call.buyer = texts_[2].data, call.buyer_size = texts_[2].size;
    call.request = texts_[3].data, call.request_size = texts_[3].size;
    call.payload = texts_[4].data, call.payload_size = texts_[4].size;
    call.quantity = input_.ConsumeBool() ? 1 : input_.ConsumeIntegral<std::uint32_t>();
    // A right one is short, so that waiting for nobody does not slow the search.
    call.timeout_ms = input_.ConsumeBool() ? 1 : UINT32_MAX - input_.ConsumeIntegralInRange<std::uint32_t>(0, 1000);
    call.level = input_.ConsumeIntegralInRange<std::int32_t>(-1, 5);
    call.reserved = input_.ConsumeIntegralInRange<std::uint32_t>(0, 31) == 0 ? 1 : 0;
    call.tag = input_.ConsumeIntegral<std::uint64_t>();
    return call;
  }

  void check(std::int32_t code) {
    CLAIM(code >= FLASHSALE_E_INTERNAL && code <= FLASHSALE_SOLD_OUT);
    CLAIM(code != FLASHSALE_E_INTERNAL);
    CLAIM((error_ != nullptr) == (code < 0) && flashsale_error_code(error_) == (code < 0 ? code : 0));
    if (code < 0) CLAIM(*flashsale_error_name(error_) != '\0' && *flashsale_error_message(error_) != '\0');
    flashsale_error_destroy(&error_);
    CLAIM(error_ == nullptr);
  }

  void call() {
    switch (input_.ConsumeIntegralInRange(0, 5)) {
      case 0:
        return make_and_destroy();
      case 1:
        return set_options();
      case 2:
        return sell();
      case 3:
        return control();
      case 4:
        return drain();
      default:
        return ask_library();
    }
  }

  void make_and_destroy() {
    const Text name = text();
    flashsale_pool_t* pool = nullptr;
    flashsale_sink_t* sink = nullptr;
    flashsale_completions_t* completions = nullptr;
    flashsale_gate_t* gate = nullptr;
    flashsale_worker_t* worker = nullptr;
    flashsale_controller_t* controller = nullptr;
    auto* const options = handle(options_);
    check(flashsale_pool_create(name.data, name.size, options, out(&pool), &error_));
    check(flashsale_sink_create(name.data, name.size, out(&sink), &error_));
    check(flashsale_completions_create(input_.ConsumeIntegralInRange<std::size_t>(0, 2'000'000), out(&completions),
                                       &error_));
    check(flashsale_gate_create(handle(shop_.pool), options, out(&gate), &error_));
    check(flashsale_worker_create(handle(shop_.pool), handle(shop_.sink), options, out(&worker), &error_));
    check(flashsale_controller_create(handle(shop_.pool), handle(shop_.sink), options, out(&controller), &error_));
    for (int twice = 0; twice < 2; ++twice) {
      flashsale_pool_destroy(&pool), flashsale_sink_destroy(&sink), flashsale_completions_destroy(&completions);
      flashsale_gate_destroy(&gate), flashsale_worker_destroy(&worker), flashsale_controller_destroy(&controller);
    }
    auto* wrong = reinterpret_cast<flashsale_gate_t*>(shop_.pool);
    flashsale_gate_destroy(&wrong);
    CLAIM(wrong == nullptr);
  }

  void set_options() {
    if (options_ == nullptr)
      check(flashsale_options_create(input_.ConsumeBool() ? FLASHSALE_ABI : input_.ConsumeIntegral<std::uint32_t>(),
                                     out(&options_), &error_));
    const Text name = text();
    const Text value = text();
    check(flashsale_options_set(handle(options_), name.data, name.size, value.data, value.size, &error_));
    Room room;
    flashsale_option_t empty = FLASHSALE_OPTION_INIT;
    check(flashsale_options_describe(input_.ConsumeIntegralInRange<std::size_t>(0, 40), record(room, empty), &error_));
    if (input_.ConsumeBool()) flashsale_options_destroy(&options_);
  }

  void sell() {
    Room call_room, answer_room;
    const flashsale_call_t right = one_call();
    flashsale_answer_t empty = FLASHSALE_ANSWER_INIT;
    auto* const call = record(call_room, right);
    auto* const answer = record(answer_room, empty);
    if (input_.ConsumeBool())
      check(flashsale_gate_call(handle(shop_.gate), call, answer, &error_));
    else
      check(flashsale_gate_reserve(handle(shop_.gate), call, answer, &error_));
    submit(right);
  }

  void submit(const flashsale_call_t& right) {
    std::size_t accepted = 9;
    const std::vector<flashsale_call_t> calls(input_.ConsumeIntegralInRange<std::size_t>(1, 80), right);
    const std::size_t count = input_.ConsumeIntegralInRange(0, 15) == 0 ? SIZE_MAX : calls.size();
    check(flashsale_gate_submit(handle(shop_.gate), count == 0 ? nullptr : calls.data(), count,
                                handle(shop_.completions), &accepted, &error_));
    CLAIM(accepted <= calls.size());
  }

  void drain() {
    std::array<flashsale_event_t, 8> events;
    std::size_t count = 9;
    std::int32_t fd = 0;
    const std::size_t event_size =
        input_.ConsumeBool() ? sizeof(events[0]) : input_.ConsumeIntegralInRange<std::size_t>(0, sizeof(events));
    const std::size_t capacity = event_size == 0 ? 1 : sizeof(events) / event_size;
    check(flashsale_completions_drain(handle(shop_.completions), out(events.data()), event_size, capacity, 0, &count,
                                      &error_));
    CLAIM(count <= capacity);
    check(flashsale_completions_fd(handle(shop_.completions), out(&fd), &error_));
    check(flashsale_completions_wake(handle(shop_.completions), &error_));
    check(flashsale_completions_outstanding(handle(shop_.completions), out(&count), &error_));
  }

  void control() {
    const Text sale = text();
    const Text item = text();
    const Text other = text();
    auto* const controller = handle(shop_.controller);
    switch (input_.ConsumeIntegralInRange(0, 6)) {
      case 0:
        return terms();
      case 1:
        return check(flashsale_controller_schedule(controller, sale.data, sale.size, input_.ConsumeIntegral<int64_t>(),
                                                   input_.ConsumeIntegral<int64_t>(), &error_));
      case 2:
        return check(flashsale_controller_restock(controller, sale.data, sale.size, item.data, item.size,
                                                  input_.ConsumeIntegral<int64_t>(), other.data, other.size, &error_));
      case 3:
        return check(flashsale_controller_preload(controller, sale.data, sale.size, item.data, item.size, other.data,
                                                  other.size, &error_));
      case 4:
        return look(controller, sale, item);
      case 5:
        return work();
      default:
        static constexpr Act kActs[] = {flashsale_controller_open,   flashsale_controller_pause,
                                        flashsale_controller_resume, flashsale_controller_drain,
                                        flashsale_controller_close,  flashsale_controller_retire};
        return check(kActs[input_.ConsumeIntegralInRange<std::size_t>(0, std::size(kActs) - 1)](controller, sale.data,
                                                                                                sale.size, &error_));
    }
  }

  void terms() {
    const Text name = text();
    if (sale_ == nullptr) check(flashsale_sale_create(name.data, name.size, handle(options_), out(&sale_), &error_));
    const Text item = text();
    check(flashsale_sale_item(handle(sale_), item.data, item.size, input_.ConsumeIntegral<int64_t>(),
                              input_.ConsumeIntegral<int64_t>(), &error_));
    check(flashsale_controller_create_sale(handle(shop_.controller), handle(sale_), &error_));
    if (input_.ConsumeBool()) flashsale_sale_destroy(&sale_);
  }

  void look(flashsale_controller_t* controller, const Text& sale, const Text& item) {
    Room room;
    flashsale_status_t empty = FLASHSALE_STATUS_INIT;
    std::array<flashsale_item_t, 2> items;
    check(flashsale_controller_status(controller, sale.data, sale.size, input_.ConsumeIntegralInRange(-1, 3),
                                      record(room, empty), out(items.data()),
                                      input_.ConsumeIntegralInRange<std::size_t>(0, 200), 1, &error_));
    std::array<char, 16> info;
    std::size_t size = 9;
    check(flashsale_controller_info(controller, sale.data, sale.size, item.data, item.size, out(info.data()),
                                    input_.ConsumeIntegralInRange<std::size_t>(0, info.size()), out(&size), &error_));
    // The least that is allowed, or what is not.
    const std::uint32_t patience = input_.ConsumeBool() ? 1 : 600'001;
    check(flashsale_controller_reconcile(controller, sale.data, sale.size, patience, &error_));
    check(flashsale_controller_reopen_accepting_loss(controller, sale.data, sale.size, patience, &error_));
  }

  void work() {
    Room room;
    flashsale_report_t empty = FLASHSALE_REPORT_INIT;
    check(flashsale_worker_report(handle(shop_.worker), record(room, empty), &error_));
    check(flashsale_worker_drain(handle(shop_.worker), input_.ConsumeBool() ? 1 : 3'600'001, &error_));
    flashsale_worker_t* stopped = nullptr;
    check(flashsale_worker_create(shop_.pool, shop_.sink, nullptr, &stopped, &error_));
    flashsale_worker_stop(handle(stopped));
    flashsale_worker_stop(stopped);
    check(flashsale_worker_run(stopped, &error_));
    flashsale_worker_destroy(&stopped);
  }

  void ask_library() {
    std::array<char, 64> line;
    std::size_t size = 9;
    const auto capacity = input_.ConsumeIntegralInRange<std::size_t>(0, line.size());
    check(flashsale_metrics_text(out(line.data()), capacity, out(&size), &error_));
    check(flashsale_log_enable(handle(shop_.completions), &error_));
    check(flashsale_log_next(out(line.data()), capacity, out(&size), &error_));
    check(flashsale_log_disable(&error_));
    (void)flashsale_codes(out(&size));
    auto* const wrong = reinterpret_cast<flashsale_error_t*>(handle(shop_.gate));
    CLAIM(flashsale_error_code(wrong) == 0 && *flashsale_error_message(wrong) == '\0');
    CLAIM(*flashsale_error_name(wrong) == '\0' && flashsale_error_is_retryable(wrong) == 0);
    CLAIM(flashsale_error_effect(wrong) == FLASHSALE_EFFECT_NONE);
  }

  Shop& shop_;
  FuzzedDataProvider input_;
  std::array<Text, 5> texts_;  // of the call under way
  flashsale_options_t* options_ = nullptr;
  flashsale_sale_t* sale_ = nullptr;
  flashsale_error_t* error_ = nullptr;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Shop& shop = *new Shop;
  Caller(shop, data, size).run();
  return 0;
}
