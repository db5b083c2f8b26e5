#include "engine/receipt_block.hpp"

#include "engine/receipt_rules.hpp"

namespace flashsale::engine {
namespace {

bool is_done(Verb act, Outcome outcome) {
  switch (act) {
    case Verb::reserve:
      return outcome == Outcome::reserved || outcome == Outcome::already_reserved;
    case Verb::confirm:
      return outcome == Outcome::confirmed || outcome == Outcome::already_confirmed;
    case Verb::release:
      return outcome == Outcome::released || outcome == Outcome::already_released;
    case Verb::resolve:
    case Verb::status:
      break;
  }
  return false;
}

}  // namespace

void ReceiptBlock::add(const Request& request, const Result<Answer>& answer) {
  if (!answer || !is_done(request.verb, answer->outcome)) return;
  // Won under an earlier epoch: this one was rebuilt from the database, so it is there.
  if (request.verb == Verb::reserve && answer->order.at.epoch != at_.epoch) return;
  const std::string_view text = std::string_view(request.text).substr(request.sale_bytes);
  lines_.push_back({answer->order, answer->hold_until_ms, request.quantity, static_cast<std::uint32_t>(text.size()),
                    request.buyer_bytes, request.request_bytes, request.item_bytes, request.verb});
  text_ += text;
}

void ReceiptBlock::append_to(std::vector<Receipt>& receipts, Position watermark) const {
  std::string_view rest = text_;
  for (const Line& line : lines_) {
    std::string_view text = rest.substr(0, line.text_bytes);
    rest.remove_prefix(line.text_bytes);
    const Position at = line.act == Verb::reserve ? line.order.at : at_;
    if (surely_has(watermark, at)) continue;
    const auto take = [&](std::size_t bytes) {
      const std::string_view part = text.substr(0, bytes);
      text.remove_prefix(bytes);
      return std::string(part);
    };
    Receipt& receipt = receipts.emplace_back();
    receipt.act = line.act;
    receipt.at = at;
    receipt.order.id = line.order;
    receipt.order.buyer = take(line.buyer_bytes);
    receipt.order.request = take(line.request_bytes);
    receipt.order.item = take(line.item_bytes);
    receipt.order.payload = text;
    receipt.order.quantity = line.quantity;
    receipt.order.hold_until_ms = line.act == Verb::reserve ? line.hold_until_ms : 0;
  }
}

}  // namespace flashsale::engine
