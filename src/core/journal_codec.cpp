#include "core/journal_codec.hpp"

#include <fmt/format.h>

#include <array>

#include "core/checks.hpp"
#include "core/positions.hpp"

namespace flashsale::core {
namespace {

std::optional<EntryKind> to_kind(std::string_view text) {
  for (int i = static_cast<int>(EntryKind::create); i <= static_cast<int>(EntryKind::reopen); ++i)
    if (name(static_cast<EntryKind>(i)) == text) return static_cast<EntryKind>(i);
  return std::nullopt;
}

bool read_header(std::string_view text, JournalEntry& entry) {
  const auto version = next_word(text);
  const auto kind = to_kind(next_word(text));
  const auto nonce = next_word(text);
  const auto link = next_word(text);
  const auto at_ms = to_number<std::int64_t>(next_word(text));
  const auto hold = to_number<std::int64_t>(next_word(text));
  if (version != "1" || !kind || nonce.empty() || link.empty() || !at_ms || !hold || !text.empty()) return false;
  entry.kind = *kind;
  entry.nonce = nonce;
  entry.link = link;
  entry.at_ms = *at_ms;
  entry.hold_until_ms = *hold;
  return true;
}

/// `<item> <quantity> <request>`, and what follows.
bool read_terms(std::string_view& text, Order& order) {
  order.item = next_word(text);
  const auto quantity = to_number<std::uint32_t>(next_word(text));
  order.request = next_word(text);
  order.quantity = quantity.value_or(0);
  return quantity && !check_item(order.item) && !check_quantity(order.quantity) && !check_request(order.request);
}

/// An entry's items by their number, as views into its field `i`.
using ItemNames = std::array<std::string_view, kItemCountMax + 1>;

std::optional<std::size_t> read_item_number(std::string_view& text) {
  const auto number = to_number<std::size_t>(next_word(text));
  if (!number || *number < 1 || *number > kItemCountMax) return std::nullopt;
  return number;
}

/// `<number> <item>` of each item
bool read_item_names(std::string_view text, ItemNames& names) {
  while (!text.empty()) {
    const auto number = read_item_number(text);
    const auto item = next_word(text);
    if (!number || check_item(item)) return false;
    names[*number] = item;
  }
  return true;
}

/// `<buyer> <number of its item> <quantity> <index> <request> <bytes of payload> <payload>`, and what follows.
bool read_sold(std::string_view& text, Position at, const ItemNames& names, Order& order) {
  order.buyer = next_word(text);
  const auto number = read_item_number(text);
  const auto quantity = to_number<std::uint32_t>(next_word(text));
  const auto index = to_number<std::uint32_t>(next_word(text));
  order.request = next_word(text);
  const auto bytes = to_number<std::size_t>(next_word(text));
  if (!number || names[*number].empty() || !quantity || !index || !bytes || *bytes > text.size()) return false;
  order.item = names[*number];
  order.quantity = *quantity;
  order.id = {at, *index};
  order.payload = text.substr(0, *bytes);
  text.remove_prefix(*bytes);
  return !check_buyer(order.buyer) && !check_quantity(order.quantity) && !check_request(order.request);
}

/// `<buyer> <order id> <item> <quantity> <request>\n`, and what follows.
bool read_changed(std::string_view& text, Order& order) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return false;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  order.buyer = next_word(line);
  const auto id = to_order_id(next_word(line));
  if (!id || check_buyer(order.buyer) || !read_terms(line, order) || !line.empty()) return false;
  order.id = *id;
  return true;
}

bool changes_orders(EntryKind kind) {
  return kind == EntryKind::confirm || kind == EntryKind::release || kind == EntryKind::expire;
}

void read_orders(std::string_view text, const ItemNames& names, JournalEntry& entry) {
  while (!text.empty()) {
    Order order;
    const bool reads =
        entry.kind == EntryKind::reserve ? read_sold(text, entry.at, names, order) : read_changed(text, order);
    if (!reads) {
      entry.defect = fmt::format("its order number {} does not read", entry.orders.size() + 1);
      return;
    }
    order.hold_until_ms = entry.hold_until_ms;  // 0 in an entry that sells nothing
    entry.orders.push_back(std::move(order));
  }
  if (entry.orders.empty()) entry.defect = "it has no orders";
}

/// The fields in the order in which the scripts write them: nothing else is an entry of ours.
void read_fields(const std::vector<Reply>& fields, JournalEntry& entry) {
  const auto field = [&](std::size_t pair, std::string_view name) -> const std::string* {
    return fields.size() > 2 * pair + 1 && fields[2 * pair].text == name ? &fields[2 * pair + 1].text : nullptr;
  };
  const std::string* const header = field(0, "h");
  if (header == nullptr || !read_header(*header, entry)) {
    entry.defect = "its header does not read";
    return;
  }
  if (!changes_orders(entry.kind) && entry.kind != EntryKind::reserve) {
    const std::string* const arguments = field(1, "a");
    std::string_view words = arguments == nullptr ? std::string_view() : *arguments;
    while (!words.empty()) entry.arguments.emplace_back(next_word(words));
    return;
  }
  ItemNames names{};
  const bool sells = entry.kind == EntryKind::reserve;
  const std::string* const items = sells ? field(1, "i") : nullptr;
  if (sells && (items == nullptr || !read_item_names(*items, names))) {
    entry.defect = "its items do not read";
    return;
  }
  const std::string* const orders = field(sells ? 2 : 1, "o");
  if (orders == nullptr)
    entry.defect = "it has no orders";
  else
    read_orders(*orders, names, entry);
}

}  // namespace

Result<std::vector<JournalEntry>> read_entries(const Reply& xrange) {
  if (xrange.type != Reply::Type::array) return fail(ErrorCode::protocol, "the reply to XRANGE was no list");
  std::vector<JournalEntry> entries;
  entries.reserve(xrange.elements.size());
  for (const Reply& element : xrange.elements) {
    if (element.elements.size() != 2) return fail(ErrorCode::protocol, "the reply to XRANGE had no pairs");
    const auto at = to_position(element.elements[0].text);
    if (!at) return fail(ErrorCode::protocol, "the reply to XRANGE had an id that does not read");
    JournalEntry entry;
    entry.at = *at;
    read_fields(element.elements[1].elements, entry);
    entries.push_back(std::move(entry));
  }
  return entries;
}

TakenOrder read_element(std::string element) {
  TakenOrder taken;
  taken.element = std::move(element);
  std::string_view text = taken.element;
  const auto id = to_order_id(next_word(text));
  Order order;
  order.buyer = next_word(text);
  if (!id || check_buyer(order.buyer) || !read_terms(text, order)) {
    taken.defect = "the element is not `order buyer item quantity request payload`";
    return taken;
  }
  order.id = *id;
  order.payload = text;
  taken.order = std::move(order);
  return taken;
}

}  // namespace flashsale::core
