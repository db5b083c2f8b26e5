// The reply to a batch: whatever reads gives every request an answer or an error, and an order only to a winner.
#include "core/reserve_codec.hpp"
#include "fuzz/replies.hpp"

using namespace flashsale;

namespace {

constexpr std::size_t kCount = 3;
constexpr std::string_view kNonce = "00000000000000aa";

core::SaleTerms terms() {
  core::SaleTerms terms{"spring"};
  terms.epoch = "1";
  terms.uuid = "u";
  terms.items = {"sneaker", "sock"};
  return terms;
}

void check_answer(const Result<Answer>& answer) {
  if (!answer) {
    CLAIM(!answer.error().detail.empty());
    return;
  }
  CLAIM(static_cast<int>(answer->outcome) > 0);
  CLAIM(answer->remaining >= -1 && answer->retry_after_ms >= 0);
  if (answer->holds_stock()) CLAIM(static_cast<bool>(answer->order));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const core::SaleTerms spring = terms();
  const auto reply = fuzz::first_reply(data, size);
  if (!reply) return 0;
  const auto batch = core::read_batch_reply(*reply, kNonce, kCount, spring);
  if (!batch) {
    CLAIM(batch.error().code == ErrorCode::protocol && batch.error().effect == Effect::unknown);
    return 0;
  }
  if (batch->verdict != core::Verdict::ok) return 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < kCount; ++i) check_answer(core::answer_of(*batch, i, i % 3, found));
  CLAIM(found == batch->found.size());
  return 0;
}
