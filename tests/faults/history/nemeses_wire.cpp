// The bytes between processes and Redis: late, in pieces, lost, doubled, replaced.
#include <fmt/format.h>

#include <iterator>

#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

constexpr int kTimes = 12;

template <class Act>
void on_all(Stage& stage, Act act) {
  for (std::size_t i = 0; i < stage.wires(); ++i) act(stage.wire(i));
}

std::uint64_t carried(Stage& stage) {
  std::uint64_t bytes = 0;
  on_all(stage, [&](test::WireProxy& wire) { bytes += wire.request_bytes() + wire.reply_bytes(); });
  return bytes;
}

std::uint64_t disturbed(Stage& stage) {
  std::uint64_t count = 0;
  on_all(stage, [&](test::WireProxy& wire) { count += wire.disturbed(); });
  return count;
}

/// Does `act` to every wire some times; the proof is how many connections it broke or replies it changed.
template <class Act>
std::string disturb(Stage& stage, Act act) {
  const std::uint64_t before = disturbed(stage);
  for (int i = 0; i < kTimes; ++i) {
    on_all(stage, act);
    stage.pass(milliseconds(20 + stage.roll(40)));
  }
  on_all(stage, [](test::WireProxy& wire) { wire.pass(); });
  const std::uint64_t count = disturbed(stage) - before;
  return count == 0 ? std::string() : fmt::format("{} conversations disturbed", count);
}

/// Nothing is carried for a while, again and again.
std::string hold_up(Stage& stage, int times, milliseconds each) {
  int held = 0;
  for (int i = 0; i < times; ++i) {
    on_all(stage, [](test::WireProxy& wire) { wire.stall(); });
    const std::uint64_t before = carried(stage);
    stage.pass(each);
    held += carried(stage) == before ? 1 : 0;
    on_all(stage, [](test::WireProxy& wire) { wire.pass(); });
    stage.await([&] { return carried(stage) > before; });
  }
  return held == 0 ? std::string() : fmt::format("nothing carried for {} ms, {} times", each.count(), held);
}

std::string delay(Stage& stage) { return hold_up(stage, 10, milliseconds(5 + stage.roll(40))); }
std::string stall(Stage& stage) { return hold_up(stage, 1, milliseconds(400 + stage.roll(400))); }

std::string split(Stage& stage) {
  const std::uint64_t before = carried(stage);
  on_all(stage, [](test::WireProxy& wire) { wire.split_bytes(); });
  stage.await([&] { return carried(stage) > before + 10'000; });
  const std::uint64_t bytes = carried(stage) - before;
  on_all(stage, [](test::WireProxy& wire) { wire.pass(); });
  return bytes == 0 ? std::string() : fmt::format("{} bytes went one by one", bytes);
}

std::string reset(Stage& stage) {
  return disturb(stage, [](test::WireProxy& wire) { wire.cut_now(); });
}

std::string cut_requests(Stage& stage) {
  return disturb(stage, [&](test::WireProxy& wire) { wire.cut_requests_after(stage.roll(400)); });
}

std::string cut_replies(Stage& stage) {
  return disturb(stage, [&](test::WireProxy& wire) { wire.cut_replies_after(stage.roll(200)); });
}

std::string duplicate(Stage& stage) {
  return disturb(stage, [](test::WireProxy& wire) { wire.duplicate_next_reply(); });
}

std::string replace(Stage& stage) {
  static const std::string kGarbage[] = {"$2147483647\r\n", "*-2\r\n",  "?\r\n",      "+OK\r\n", "*1\r\n$-1\r\n",
                                         ":9\r\n",          "\xff\xfe", "-ERR x\r\n", "*0\r\n",  "$5\r\nabc"};
  return disturb(stage,
                 [&](test::WireProxy& wire) { wire.replace_next_reply(kGarbage[stage.roll(std::size(kGarbage))]); });
}

}  // namespace

Group wires() {
  return {"wires",
          [](Plan& plan) { plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500}; },
          false,
          {{"bytes delayed", delay},
           {"bytes stalled", stall},
           {"bytes one by one", split},
           {"connections reset", reset},
           {"requests cut off", cut_requests},
           {"replies cut off", cut_replies},
           {"replies duplicated", duplicate},
           {"replies replaced by garbage", replace}}};
}

}  // namespace flashsale::history
