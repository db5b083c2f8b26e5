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

/// `<index> <item> <quantity> <request> <payload>`
bool read_body(std::string_view text, Position at, Order& order) {
  const auto index = to_number<std::uint32_t>(next_word(text));
  if (!index || !read_terms(text, order)) return false;
  order.id = {at, *index};
  order.payload = text;
  return true;
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
  for (std::size_t i = 2; i < fields.size(); i += 2) {
    const std::string& field = fields[i].text;
    const std::string& value = fields[i + 1].text;
    if (entry.kind == EntryKind::reserve || changes_orders(entry.kind)) {
      Order order;
      order.buyer = field;
      const bool reads =
          entry.kind == EntryKind::reserve ? read_body(value, entry.at, order) : read_change(value, order);
      if (!reads || check_buyer(field)) {
        entry.defect = fmt::format("its order number {} does not read", i / 2);
        return;
      }
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
