// The journal and the list: an entry or element either reads, with every order in bounds, or says why it does not.
#include "core/checks.hpp"
#include "core/journal_codec.hpp"
#include "fuzz/replies.hpp"

using namespace flashsale;

namespace {

void check_order(const Order& order) {
  CLAIM(!core::check_buyer(order.buyer));
  CLAIM(order.quantity > 0);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const TakenOrder taken = core::read_element(std::string(fuzz::as_text(data, size)));
  CLAIM(taken.element == fuzz::as_text(data, size));
  CLAIM(static_cast<bool>(taken.order.id) == taken.defect.empty());
  if (taken.defect.empty()) check_order(taken.order);

  const auto reply = fuzz::first_reply(data, size);
  if (!reply) return 0;
  const auto entries = core::read_entries(*reply);
  if (!entries) {
    CLAIM(entries.error().code == ErrorCode::protocol);
    return 0;
  }
  CLAIM(entries->size() == reply->elements.size());
  for (const JournalEntry& entry : *entries)
    for (const Order& order : entry.orders)
      if (entry.defect.empty()) check_order(order);
  return 0;
}
