// What Redis says of a sale and of itself: HGETALL, INFO, and the text of an error reply.
#include "core/error_reply.hpp"
#include "core/sale_meta.hpp"
#include "core/times.hpp"
#include "fuzz/replies.hpp"

using namespace flashsale;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  (void)core::sort_error_reply(text);
  const std::string_view id = core::info_field(text, "master_replid");
  if (!id.empty()) CLAIM(text.find(id) != std::string_view::npos);
  (void)core::is_history(text, "0123456789");

  const auto reply = fuzz::first_reply(data, size);
  if (!reply) return 0;
  if (const auto now_ms = core::read_time(*reply)) CLAIM(core::is_time(*now_ms));
  for (const auto rebuilding : {core::Rebuilding::refuse, core::Rebuilding::read}) {
    const auto meta = core::read_meta(*reply, rebuilding);
    if (!meta) {
      CLAIM(!meta.error().detail.empty() && meta.error().effect == Effect::none);
      continue;
    }
    CLAIM(meta->items.size() <= 64);
    CLAIM(core::is_time(meta->opens_ms) && core::is_time(meta->last_ms) && core::is_time(meta->hold_ms));
  }
  return 0;
}
