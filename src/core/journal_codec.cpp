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

/// `<number of its item> <quantity> <index> <request> <payload>`
bool read_body(std::string_view text, Position at, const ItemNames& names, Order& order) {
  const auto number = read_item_number(text);
  const auto quantity = to_number<std::uint32_t>(next_word(text));
  const auto index = to_number<std::uint32_t>(next_word(text));
  order.request = next_word(text);
  if (!number || names[*number].empty() || !quantity || !index) return false;
  order.item = names[*number];
  order.quantity = *quantity;
  order.id = {at, *index};
  order.payload = text;
  return !check_quantity(order.quantity) && !check_request(order.request);
}

/// `<order id> <item> <quantity> <request>`
bool read_change(std::string_view text, Order& order) {
  const auto id = to_order_id(next_word(text));
  if (!id || !read_terms(text, order) || !text.empty()) return false;
  order.id = *id;
  return true;
}

bool changes_orders(EntryKind kind) {
  return kind == EntryKind::confirm || kind == EntryKind::release || kind == EntryKind::expire;
}

void read_fields(const std::vector<Reply>& fields, JournalEntry& entry) {
  if (fields.size() < 2 || fields.size() % 2 != 0 || fields[0].text != "h" || !read_header(fields[1].text, entry)) {
    entry.defect = "its header does not read";
    return;
  }
  ItemNames names{};
  std::size_t first = 2;
  if (entry.kind == EntryKind::reserve) {
    if (fields.size() < 4 || fields[2].text != "i" || !read_item_names(fields[3].text, names)) {
      entry.defect = "its items do not read";
      return;
    }
    first = 4;
  }
  for (std::size_t i = first; i < fields.size(); i += 2) {
    const std::string& field = fields[i].text;
    const std::string& value = fields[i + 1].text;
    if (entry.kind == EntryKind::reserve || changes_orders(entry.kind)) {
      Order order;
      order.buyer = field;
      const bool reads =
          entry.kind == EntryKind::reserve ? read_body(value, entry.at, names, order) : read_change(value, order);
      if (!reads || check_buyer(field)) {
        entry.defect = fmt::format("its order number {} does not read", i / 2);
        return;
      }
      order.hold_until_ms = entry.hold_until_ms;  // 0 in an entry that sells nothing
      entry.orders.push_back(std::move(order));
    } else {
      std::string_view words = value;
      while (!words.empty()) entry.arguments.emplace_back(next_word(words));
    }
  }
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
