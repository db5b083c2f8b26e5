// Batches through the very text of reserve.lua, move.lua and look.lua, in Lua 5.1, against an oracle in C++: every
// letter and every unit as it says. Arguments that no gate sends are an error that changes nothing, or sell within the
// bounds.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>

#include "core/keyspace.hpp"
#include "core/numbers.hpp"
#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
#include "fuzz/claim.hpp"
#include "simulation/node.hpp"

using namespace flashsale;
using core::Asked;

namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000, kFarAway = 9'999'999'999'999;
constexpr std::size_t kOrdersMax = 3;
constexpr std::string_view kNonce = "00000000000000aa";

struct Item {
  std::string_view id;
  std::int64_t left, limit;
};
constexpr std::array<Item, 2> kItems{{{"phone", 9, 3}, {"case", 40, 5}}};

const simulation::ScriptTexts& scripts() {
  static const simulation::ScriptTexts texts = [] {
    simulation::ScriptTexts all;
    for (const core::Script& script : core::embedded_scripts()) all.emplace(script.sha1, script.text);
    return all;
  }();
  return texts;
}

/// What the sale should say, written down a second time and in another way: no records, no strings, no running totals.
class Oracle {
 public:
  char reserve(const Asked& asked) {
    const char letter = judge(asked, false);
    if (letter == 'o') orders_.push_back({std::string(asked.buyer), std::string(asked.request), asked, 'R'});
    return letter == 'o' ? 'a' : letter;
  }
  /// A look may ask about a request alone, naming no item.
  char look(const Asked& asked) { return judge(asked, item_of(asked.item) == nullptr && asked.quantity == 0); }
  char move(const Asked& asked, Verb verb) {
    if (!is_id(asked.buyer) || !is_id(asked.request)) return 'i';
    Won* const won = find(asked);
    if (won == nullptr) return 'u';
    if (won->letter != 'R') return won->letter;
    won->letter = verb == Verb::confirm ? 'C' : 'G';
    return 'M';
  }
  std::int64_t left(std::size_t item) const { return kItems[item].left - units(kItems[item].id, {}); }

 private:
  struct Won {
    Won(std::string its_buyer, std::string its_request, const Asked& asked, char its_letter)
        : buyer(std::move(its_buyer)),
          request(std::move(its_request)),
          item(asked.item),
          quantity(asked.quantity),
          letter(its_letter) {}
    bool is_for(const Asked& asked) const { return item == asked.item && quantity == asked.quantity; }
    std::string buyer, request, item;
    std::uint32_t quantity;
    char letter;
  };

  char judge(const Asked& asked, bool bare) {
    if (!is_id(asked.buyer) || !is_id(asked.request)) return 'i';
    if (!bare && (asked.quantity < 1 || asked.quantity > kQuantityMax)) return 'i';
    if (!bare && item_of(asked.item) == nullptr) return 'n';
    if (const Won* won = find(asked)) return !bare && !won->is_for(asked) ? 'c' : won->letter;
    if (bare) return 'u';
    const Item& item = *item_of(asked.item);
    if (units(item.id, asked.buyer) + asked.quantity > item.limit || orders_of(asked.buyer) >= kOrdersMax) return 'l';
    return units(item.id, {}) + asked.quantity > item.left ? 's' : 'o';
  }

  static bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= 64 &&
           id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@-") == id.npos;
  }
  static const Item* item_of(std::string_view id) {
    for (const Item& item : kItems)
      if (item.id == id) return &item;
    return nullptr;
  }
  Won* find(const Asked& asked) {
    for (Won& won : orders_)
      if (won.buyer == asked.buyer && won.request == asked.request) return &won;
    return nullptr;
  }
  /// Of one buyer, or of all. What is released counts until it is credited, which nobody does here.
  std::int64_t units(std::string_view item, std::string_view buyer) const {
    std::int64_t sum = 0;
    for (const Won& won : orders_)
      if (won.item == item && (buyer.empty() || won.buyer == buyer)) sum += won.quantity;
    return sum;
  }
  std::size_t orders_of(std::string_view buyer) const {
    std::size_t count = 0;
    for (const Won& won : orders_) count += won.buyer == buyer ? 1 : 0;
    return count;
  }

  std::vector<Won> orders_;
};

class Night {
 public:
  Night(const std::uint8_t* data, std::size_t size) : input_(data, size) {
    node_.promote(std::string(40, 'a'));
    for (const core::Script& script : core::embedded_scripts()) serve({"SCRIPT", "LOAD", std::string(script.text)});
    terms_.epoch = "1";
    terms_.uuid = "u";
    for (const Item& item : kItems) terms_.items.emplace_back(item.id);
    simulation::Words create{"EVALSHA",
                             std::string(core::script("create").sha1),
                             "5",
                             keys().meta,
                             keys().buyers,
                             keys().journal,
                             keys().holds,
                             keys().ops,
                             "1",
                             "u",
                             std::to_string(kFarAway),
                             "n",
                             "open",
                             "0",
                             "0",
                             "0",
                             "10",
                             "0",
                             std::to_string(kOrdersMax),
                             "journal",
                             "sink-1"};
    for (const Item& item : kItems)
      create.insert(create.end(), {std::string(item.id), std::to_string(item.left), std::to_string(item.limit)});
    CLAIM(serve(create).elements.at(1).text == "ok");
  }

  void run() {
    for (int batches = 0; batches < 16 && input_.remaining_bytes() > 0; ++batches)
      if (!batch()) return;
  }

 private:
  enum Kind : std::uint8_t { kReserve, kLook, kConfirm, kRelease };

  const core::Keys& keys() const { return terms_.keys; }
  Reply serve(const simulation::Words& words) { return node_.serve(words, kNowMs); }

  /// False: what follows is not worth running, since the oracle does not know the sale any more.
  bool batch() {
    asked_.clear();
    texts_.clear();
    texts_.reserve(64);
    const auto kind = input_.PickValueInArray({kReserve, kReserve, kLook, kConfirm, kRelease});
    const auto count = input_.ConsumeIntegralInRange<std::size_t>(1, 6);
    for (std::size_t i = 0; i < count; ++i) asked_.push_back(ask());
    const Command command = encode(kind);
    simulation::Words words(command.begin(), command.end());
    if (input_.ConsumeIntegralInRange(0, 7) == 0) return spoil(words);
    judge(kind, serve(words));
    return true;
  }

  Asked ask() {
    static const std::array<std::string, 9> kIds{
        "ann", "bob", "eve", "r1", "r2", "", "a b", "ann\n1 1 1 1-1 r", std::string(65, 'x')};
    const auto id = [&]() -> std::string_view {
      if (input_.ConsumeIntegralInRange(0, 15) != 0) return kIds[input_.ConsumeIntegralInRange<std::size_t>(0, 4)];
      if (input_.ConsumeBool()) return kIds[input_.ConsumeIntegralInRange<std::size_t>(5, kIds.size() - 1)];
      return texts_.emplace_back(input_.ConsumeRandomLengthString(70));
    };
    Asked asked;
    asked.buyer = id();
    asked.request = id();
    asked.item = input_.PickValueInArray<std::string_view>({"phone", "phone", "case", "case", "nothing", ""});
    asked.quantity = input_.ConsumeIntegralInRange(0, 7) == 0 ? input_.ConsumeIntegralInRange<std::uint32_t>(0, 2097151)
                                                              : input_.ConsumeIntegralInRange<std::uint32_t>(1, 3);
    if (input_.ConsumeIntegralInRange(0, 7) == 0)
      asked.payload = texts_.emplace_back(input_.ConsumeRandomLengthString());
    return asked;
  }

  Command encode(Kind kind) {
    if (kind == kReserve) return encoder_.reserve(terms_, asked_, kFarAway, kNonce).front();
    if (kind == kLook) return encoder_.look(terms_, asked_, kFarAway, kNonce).front();
    return encoder_.move(terms_, verb(kind), asked_, kFarAway, kNonce).front();
  }
  static Verb verb(Kind kind) { return kind == kConfirm ? Verb::confirm : Verb::release; }

  void judge(Kind kind, const Reply& reply) {
    const bool moves = kind == kConfirm || kind == kRelease;
    const auto batch = moves ? core::read_move_reply(reply, kNonce, asked_.size(), terms_)
                             : core::read_batch_reply(reply, kNonce, asked_.size(), terms_);
    CLAIM(batch && batch->verdict == core::Verdict::ok);
    std::string expected;
    for (const Asked& asked : asked_)
      expected += moves           ? oracle_.move(asked, verb(kind))
                  : kind == kLook ? oracle_.look(asked)
                                  : oracle_.reserve(asked);
    if (batch->letters != expected) fprintf(stderr, "said %s, not %s\n", batch->letters.c_str(), expected.c_str());
    CLAIM(batch->letters == expected);
    for (std::size_t i = 0; i < kItems.size() && !moves; ++i) CLAIM(batch->left[i] == oracle_.left(i));
  }

  /// One argument is another one, is missing, or is one too many.
  bool spoil(simulation::Words& words) {
    const std::size_t first = 3 + core::to_number<std::size_t>(words[2]).value();
    const auto at = input_.ConsumeIntegralInRange(first, words.size() - 1);
    switch (input_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(at), input_.ConsumeRandomLengthString());
        break;
      case 2:
        words[at] = input_.ConsumeRandomLengthString();
        break;
      default:
        if (!words[at].empty()) words[at][input_.ConsumeIntegralInRange<std::size_t>(0, words[at].size() - 1)] ^= 1;
    }
    const simulation::Keyspace before = node_.data();
    const Reply reply = serve(words);
    const bool is_error = reply.type == Reply::Type::error;
    if (is_error && reply.text.find("FLASHSALE ARGV") == std::string::npos) fprintf(stderr, "%s\n", reply.text.c_str());
    CLAIM(!is_error || reply.text.find("FLASHSALE ARGV") != std::string::npos);
    CLAIM(is_error || reply.elements.size() >= 3);
    const std::string verdict = is_error ? "" : reply.elements[1].text;
    if (verdict == "ok" || verdict == "fenced") {  // a higher seq was heard of: that closes the sale
      check_bounds();
      return false;
    }
    CLAIM(is_error || verdict == "stale" || verdict == "late");
    CLAIM(node_.data() == before);
    return true;
  }

  void check_bounds() {
    const auto number = [&](const std::string& field) {
      return core::to_number<std::int64_t>(serve({"HGET", keys().meta, field}).text).value();
    };
    for (std::size_t i = 0; i < kItems.size(); ++i) {
      const auto booked = number("booked:" + std::to_string(i + 1));
      CLAIM(booked >= 0 && booked <= kItems[i].left);
    }
  }

  FuzzedDataProvider input_;
  simulation::LuaHost lua_;  // of this input alone: nothing that one leaves behind is met by another
  simulation::Node node_{lua_, scripts(), std::string(40, 'b')};
  core::SaleTerms terms_{"spring"};
  core::BatchEncoder encoder_;
  Oracle oracle_;
  std::vector<Asked> asked_;
  std::vector<std::string> texts_;  // what `asked_` looks into; reserved, so that they stay where they are
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Night(data, size).run();
  return 0;
}
