#include "core/sale_view.hpp"

#include <algorithm>

#include "core/winners_filter.hpp"
#include "core/words.hpp"

namespace flashsale::core {
namespace {

constexpr unsigned kItemsLog2 = 10;
constexpr std::size_t kItems = 1u << kItemsLog2;        // refused items that are known at a time, of all sales
constexpr std::size_t kFilters = 256;                   // sales whose filter is known at a time
constexpr std::size_t kReach = 8;                       // how far an item may lie from where its hash points
constexpr std::size_t kKeyWords = 2 * kIdBytesMax / 8;  // two ids
constexpr std::size_t kWordsBytesMax = 64u << 20;
constexpr std::int64_t kFilterPatience = 2000;  // ms: if there is no filter by then, nobody may be publishing one

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

std::uint32_t sizes_of(std::string_view sale, std::string_view item) {
  return static_cast<std::uint32_t>(sale.size() << 8 | item.size());
}

/// Where an item's record is looked for first. Names come from operators, so this need not withstand anybody.
std::size_t place_of(std::string_view sale, std::string_view item) {
  std::uint64_t hash = sizes_of(sale, item);
  const auto mix = [&hash](std::uint64_t word) { hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL; };
  for_each_word(sale, mix);
  for_each_word(item, mix);
  return static_cast<std::size_t>(hash >> (64 - kItemsLog2));
}

}  // namespace

/// A filter's blocks. Their number is kept here too: a reader who meets a change must not look behind the end.
struct SaleView::Words {
  explicit Words(std::size_t block_count) : blocks(block_count), bits(block_count * kFilterBlockWords) {}
  const std::size_t blocks;
  std::vector<std::atomic<std::uint64_t>> bits;
};

struct SaleView::Filter {
  std::atomic<std::uint32_t> version{0};  // odd while it is written
  std::atomic<std::uint64_t> epoch{0}, seq{0};
  std::atomic<std::size_t> blocks{0};
  std::atomic<Words*> words{nullptr};
  // Of the writer.
  std::string sale;
  std::uint64_t used = 0;
};

struct alignas(64) SaleView::Item {
  std::atomic<std::uint32_t> version{0};  // odd while it is written
  std::atomic<std::uint32_t> sizes{0};    // of the sale's and the item's id; 0: free
  std::atomic<std::int32_t> refusal{0}, reason{0};
  std::atomic<std::uint32_t> limit{0}, filter{0};
  std::atomic<std::int64_t> true_until{0}, probe_at{0}, half{0}, retry_at{0}, wait_until{0};
  std::atomic<std::uint64_t> epoch{0}, seq{0};  // what the filter must cover
  std::array<std::atomic<std::uint64_t>, kKeyWords> key{};
  // Of the writer.
  std::int64_t asked_at = 0;

  bool is(std::string_view sale, std::string_view item) const noexcept {
    if (sizes.load(kAcquire) != sizes_of(sale, item)) return false;
    bool same = true;
    std::size_t i = 0;
    const auto compare = [&](std::uint64_t word) { same = same && key[i++].load(kAcquire) == word; };
    for_each_word(sale, compare);
    for_each_word(item, compare);
    return same;
  }
};

struct SaleView::Tables {
  std::array<Item, kItems> items;
  std::array<Filter, kFilters> filters;
  std::uint64_t uses = 0;
};

namespace {

/// Between its two ends a record's version is odd. What is stored in between is stored with release, so that nobody can
/// see any of it without seeing that the version is odd, or has moved on.
class Writing {
 public:
  explicit Writing(std::atomic<std::uint32_t>& version) : version_(version) {
    version_.store(version_.load(kRelaxed) + 1, kRelaxed);
  }
  ~Writing() { version_.store(version_.load(kRelaxed) + 1, kRelease); }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  std::atomic<std::uint32_t>& version_;
};

}  // namespace

ItemNews news_of(const BatchReply& reply, const SaleTerms& terms, std::size_t index, std::int64_t asked_at) {
  ItemNews news;
  news.asked_at = asked_at;
  news.limit = terms.limits[index];
  std::int64_t holds_for = reply.probe_ms;
  if (reply.changes_in_ms > 0) holds_for = std::min(holds_for, reply.changes_in_ms);
  if (reply.standing != 'o') {
    news.refusal = reply.standing == 'e'   ? Outcome::ended
                   : reply.standing == 'w' ? Outcome::not_started
                                           : Outcome::paused;
    if (news.refusal == Outcome::paused)
      news.reason = reply.standing == 't' ? PauseReason::draining : PauseReason::operator_paused;
    news.needs = reply.at;
    // Before its first opening a sale has sold nothing in its first epoch: nobody can be surprised.
    const bool untouched = reply.at.epoch == 1 &&
                           std::all_of(reply.sold_seq.begin(), reply.sold_seq.end(), [](auto seq) { return seq == 0; });
    if (news.refusal == Outcome::not_started && untouched) news.needs = {};
    if (news.refusal != Outcome::ended)
      news.retry_at = asked_at + (reply.opens_in_ms > 0 ? reply.opens_in_ms : reply.probe_ms);
  } else if (reply.left[index] <= 0) {
    news.refusal = Outcome::sold_out;
    news.needs = {reply.at.epoch, reply.sold_seq[index]};
    const std::int64_t reopens_in = reply.reopen_ms[index] - reply.now_ms;
    if (reopens_in > 0) {
      holds_for = std::min(holds_for, reopens_in);
      news.retry_at = asked_at + reopens_in;
    }
  }
  news.true_until = asked_at + holds_for;
  return news;
}

SaleView::SaleView() = default;
SaleView::~SaleView() { delete tables_.load(); }

SaleView::Found SaleView::find(Tables& tables, std::string_view sale, std::string_view item) noexcept {
  if (sale.size() > kIdBytesMax || item.size() > kIdBytesMax) return {};
  const std::size_t place = place_of(sale, item);
  for (std::size_t i = 0; i < kReach; ++i) {
    Item& at = tables.items[(place + i) % kItems];
    const auto version = at.version.load(kAcquire);
    if (at.is(sale, item)) return {&at, version};
  }
  return {};
}

SaleView::Winner SaleView::is_winner(const Filter& filter, std::string_view buyer, Position needs) noexcept {
  const auto version = filter.version.load(kAcquire);
  const Words* const words = filter.words.load(kAcquire);
  const std::size_t blocks = filter.blocks.load(kAcquire);
  const Position covers{filter.epoch.load(kAcquire), filter.seq.load(kAcquire)};
  if (version % 2 != 0 || words == nullptr || blocks > words->blocks || covers.epoch != needs.epoch || covers < needs)
    return Winner::unknown;
  const FilterPlace place(buyer, blocks);
  const auto* const word = &words->bits[place.block * kFilterBlockWords];
  // Four words at a time: where the first bit is missing cannot be predicted, that one of four is, nearly always can.
  const auto all_set = [&](std::size_t from) {
    std::uint64_t all = 1;
    for (std::size_t i = from; i < from + kFilterBlockWords / 2; ++i) all &= word[i].load(kAcquire) >> place.shift(i);
    return all != 0;
  };
  const bool perhaps = all_set(0) && all_set(kFilterBlockWords / 2);
  return perhaps || filter.version.load(kRelaxed) != version ? Winner::perhaps : Winner::no;
}

Advice SaleView::advise(const Call& call, std::int64_t now, Answer& answer) noexcept {
  Tables* const tables = tables_.load(kAcquire);
  if (tables == nullptr) return Advice::ask;
  const auto [item, version] = find(*tables, call.sale.text(), call.item.text());
  if (item == nullptr) return Advice::ask;
  const auto refusal = static_cast<Outcome>(item->refusal.load(kAcquire));
  if (refusal == Outcome{} || now >= item->true_until.load(kAcquire) || call.quantity > item->limit.load(kAcquire))
    return Advice::ask;
  const Position needs{item->epoch.load(kAcquire), item->seq.load(kAcquire)};
  const std::size_t filter = item->filter.load(kAcquire);
  const auto winner = needs.epoch == 0 ? Winner::no : is_winner(tables->filters[filter], call.buyer.text(), needs);
  const auto reason = static_cast<PauseReason>(item->reason.load(kAcquire));
  const auto retry_at = item->retry_at.load(kAcquire), wait_until = item->wait_until.load(kAcquire);
  // Was the record written, or made another item's, since its version was read?
  if (version % 2 != 0 || item->version.load(kRelaxed) != version) return Advice::ask;
  if (winner == Winner::unknown && now < wait_until) return Advice::wait;
  if (winner != Winner::no) return Advice::ask;
  auto probe_at = item->probe_at.load(kRelaxed);
  if (now >= probe_at && item->probe_at.compare_exchange_strong(probe_at, now + item->half.load(kRelaxed), kRelaxed))
    return Advice::ask;  // for all
  answer.outcome = refusal;
  answer.reason = reason;
  if (refusal == Outcome::sold_out) answer.remaining = 0;
  if (retry_at > 0) answer.retry_after_ms = std::max<std::int64_t>(retry_at - now, 1);
  return Advice::refuse;
}

SaleView::Item& SaleView::item_for(std::string_view sale, std::string_view item) {
  Tables& tables = *tables_.load(kRelaxed);
  const std::size_t place = place_of(sale, item);
  Item* oldest = &tables.items[place];
  for (std::size_t i = 1; i < kReach; ++i) {
    Item& at = tables.items[(place + i) % kItems];
    if (at.asked_at < oldest->asked_at) oldest = &at;
  }
  const Writing writing(oldest->version);
  oldest->sizes.store(0, kRelease);
  oldest->refusal.store(0, kRelease);
  std::size_t i = 0;
  const auto store = [&](std::uint64_t word) { oldest->key[i++].store(word, kRelease); };
  for_each_word(sale, store);
  for_each_word(item, store);
  oldest->filter.store(static_cast<std::uint32_t>(filter_for(sale)), kRelease);
  oldest->sizes.store(sizes_of(sale, item), kRelease);
  oldest->asked_at = 0;
  return *oldest;
}

SaleView::Item* SaleView::known_item(std::string_view sale, std::string_view item) const {
  Tables* const tables = tables_.load(kRelaxed);
  return tables == nullptr ? nullptr : find(*tables, sale, item).item;
}

void SaleView::learn(std::string_view sale, std::string_view item, const ItemNews& news) {
  if (sale.size() > kIdBytesMax || item.size() > kIdBytesMax) return;
  Item* known = known_item(sale, item);
  if (known == nullptr) {
    if (news.refusal == Outcome{}) return;
    if (tables_.load(kRelaxed) == nullptr) tables_.store(new Tables, kRelease);
    known = &item_for(sale, item);
  }
  if (news.asked_at < known->asked_at) return;
  known->asked_at = news.asked_at;
  const Writing writing(known->version);
  const bool sold_again = news.refusal == Outcome::sold_out &&
                          Position{known->epoch.load(kRelaxed), known->seq.load(kRelaxed)} != news.needs;
  if (sold_again || known->refusal.load(kRelaxed) != static_cast<std::int32_t>(news.refusal))
    known->wait_until.store(news.asked_at + kFilterPatience, kRelease);
  const std::int64_t half = std::max<std::int64_t>((news.true_until - news.asked_at) / 2, 1);
  known->refusal.store(static_cast<std::int32_t>(news.refusal), kRelease);
  known->reason.store(static_cast<std::int32_t>(news.reason), kRelease);
  known->limit.store(news.limit, kRelease);
  known->true_until.store(news.true_until, kRelease);
  known->half.store(half, kRelease);
  known->probe_at.store(news.asked_at + half, kRelease);
  known->retry_at.store(news.retry_at, kRelease);
  known->epoch.store(news.needs.epoch, kRelease);
  known->seq.store(news.needs.seq, kRelease);
}

void SaleView::end(std::string_view sale, std::string_view item) {
  Item* const known = known_item(sale, item);
  if (known == nullptr) return;
  const Writing writing(known->version);
  known->refusal.store(0, kRelease);
}

SaleView::Filter* SaleView::filter_of(std::string_view sale) const {
  Tables* const tables = tables_.load(kRelaxed);
  if (tables == nullptr) return nullptr;
  for (Filter& filter : tables->filters)
    if (filter.sale == sale) return &filter;
  return nullptr;
}

/// The sale's filter, empty at first. When all are taken the one that was wanted longest ago becomes it; whoever still
/// points there meets another epoch or a filter without words at worst, for its items are forgotten with it.
std::size_t SaleView::filter_for(std::string_view sale) {
  Tables& tables = *tables_.load(kRelaxed);
  Filter* filter = filter_of(sale);
  if (filter == nullptr) {
    filter = &*std::min_element(tables.filters.begin(), tables.filters.end(),
                                [](const Filter& a, const Filter& b) { return a.used < b.used; });
    const auto index = static_cast<std::uint32_t>(filter - tables.filters.data());
    for (Item& item : tables.items) {
      if (item.sizes.load(kRelaxed) == 0 || item.filter.load(kRelaxed) != index) continue;
      const Writing writing(item.version);
      item.refusal.store(0, kRelease);
      item.sizes.store(0, kRelease);
    }
    const Writing writing(filter->version);
    filter->epoch.store(0, kRelease);
    filter->seq.store(0, kRelease);
    filter->sale = sale;
  }
  filter->used = ++tables.uses;
  return static_cast<std::size_t>(filter - tables.filters.data());
}

/// Room for so many blocks, by powers of two, so that a filter that grows does not leave many rooms behind.
SaleView::Words* SaleView::words_for(std::size_t blocks) {
  std::size_t room = 16;
  while (room < blocks) room *= 2;
  const std::size_t bytes = room * kFilterBlockBytes;
  if (words_bytes_ + bytes > kWordsBytesMax) return nullptr;
  words_bytes_ += bytes;
  return words_.emplace_back(std::make_unique<Words>(room)).get();
}

void SaleView::put_filter(std::string_view sale, std::string_view published) {
  Filter* const filter = filter_of(sale);
  const auto header = read_filter_header(published);
  if (filter == nullptr || !header) return;
  if (published.size() != header->bytes + header->blocks * kFilterBlockBytes) return;
  const Position known{filter->epoch.load(kRelaxed), filter->seq.load(kRelaxed)};
  if (header->at <= known) return;
  Words* words = filter->words.load(kRelaxed);
  if (words == nullptr || words->blocks < header->blocks) words = words_for(header->blocks);
  if (words == nullptr) return;
  const Writing writing(filter->version);
  filter->epoch.store(header->at.epoch, kRelease);
  filter->seq.store(header->at.seq, kRelease);
  filter->blocks.store(header->blocks, kRelease);
  filter->words.store(words, kRelease);
  const char* at = published.data() + header->bytes;
  for (std::size_t i = 0; i < header->blocks * kFilterBlockWords; ++i, at += 8)
    words->bits[i].store(load_word(at), kRelease);
}

Position SaleView::covered(std::string_view sale) const {
  const Filter* const filter = filter_of(sale);
  if (filter == nullptr) return {};
  return {filter->epoch.load(kRelaxed), filter->seq.load(kRelaxed)};
}

}  // namespace flashsale::core
