// The hot path: records in, answers and events out. Nothing is thrown here for what can happen a thousand times a
// second.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/records.hpp"

using namespace flashsale::capi;
using flashsale::Answer;
using flashsale::BuyerId;
using flashsale::Call;
using flashsale::Effect;
using flashsale::ErrorCode;
using flashsale::ItemId;
using flashsale::Level;
using flashsale::RequestId;
using flashsale::Result;
using flashsale::SaleId;
using flashsale::StockGate;
using flashsale::Verb;

namespace {

constexpr std::size_t kCountMax = 1'048'576;
/// Calls are handed on in chunks of the largest batch.
constexpr std::size_t kChunk = 512;

/// The record as a call, whose views are the caller's memory. Values are checked by the gate.
Call to_call(const flashsale_call_t& record) {
  if (record.reserved != 0) refuse(ErrorCode::unsupported, "reserved must be 0");
  Call call;
  call.sale = SaleId{text(record.sale, record.sale_size, "sale")};
  call.item = ItemId{text(record.item, record.item_size, "item")};
  call.buyer = BuyerId{text(record.buyer, record.buyer_size, "buyer")};
  call.request = RequestId{text(record.request, record.request_size, "request")};
  call.quantity = record.quantity;
  call.payload = text(static_cast<const char*>(record.payload), record.payload_size, "payload");
  call.timeout = flashsale::milliseconds{record.timeout_ms};
  call.level = static_cast<Level>(record.level);
  call.verb = static_cast<Verb>(record.verb);
  call.tag = record.tag;
  return call;
}

flashsale_answer_t to_record(const Answer& answer) {
  flashsale_answer_t record = FLASHSALE_ANSWER_INIT;
  record.outcome = static_cast<int32_t>(answer.outcome);
  record.epoch = answer.order.at.epoch;
  record.seq = answer.order.at.seq;
  record.index = answer.order.index;
  record.level = static_cast<int32_t>(answer.level);
  record.remaining = answer.remaining;
  record.hold_until_ms = answer.hold_until_ms;
  record.retry_after_ms = answer.retry_after_ms;
  record.reason = static_cast<int32_t>(answer.reason);
  if (answer.order)
    fmt::format_to_n(record.order, sizeof(record.order) - 1, "{}-{}.{}", record.epoch, record.seq, record.index);
  return record;
}

Result<Answer> perform(StockGate& gate, const Call& call) {
  const flashsale::OrderKey order{call.sale, call.buyer, call.request};
  switch (call.verb) {
    case Verb::reserve:
      return gate.reserve(call);
    case Verb::resolve:
      return gate.resolve(order, {call.timeout, call.level});
    case Verb::status:
      return gate.status(order, {call.timeout, call.level});
    case Verb::confirm:
      return gate.confirm(order, {call.timeout, call.level});
    case Verb::release:
      return gate.release(order, {call.timeout, call.level});
  }
  return flashsale::fail(ErrorCode::invalid_argument, fmt::format("verb must be 1 to 5, is {}", int(call.verb)));
}

/// One blocking call; `verb` 0 is the record's own.
int32_t ask(flashsale_gate_t* gate, const flashsale_call_t* call, int32_t verb, flashsale_answer_t* answer_out,
            flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    if (answer_out != nullptr) clear(answer_out, "answer_out");
    StockGate& stock = need(gate).gate;
    auto record = read(call, "call");
    if (verb != 0) record.verb = verb;
    auto answer = perform(stock, to_call(record));
    if (!answer) return report(error, std::move(answer.error()));
    if (answer_out != nullptr) write(answer_out, to_record(*answer));
    return static_cast<int32_t>(answer->outcome);
  });
}

/// Element `index` of an array of records, all as long as the first one.
Call element(const flashsale_call_t* calls, std::size_t index) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(calls) + index * calls->struct_size;
  const auto* const record = reinterpret_cast<const flashsale_call_t*>(bytes);
  if (record->struct_size != calls->struct_size)
    refuse(ErrorCode::invalid_argument, fmt::format("call {} has another struct_size than the first", index));
  return to_call(read(record, "a call"));
}

}  // namespace

extern "C" {

int32_t flashsale_gate_create(flashsale_pool_t* pool, const flashsale_options_t* options, flashsale_gate_t** gate_out,
                              flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(gate_out, "gate_out");
    const Values& values = options == nullptr ? default_values() : need(options).values;
    out = new flashsale_gate_t(need(pool).pool, nullptr, values.gate);
    return 0;
  });
}

int32_t flashsale_gate_create_with_sink(flashsale_pool_t* pool, flashsale_sink_t* sink,
                                        const flashsale_options_t* options, flashsale_gate_t** gate_out,
                                        flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(gate_out, "gate_out");
    const Values& values = options == nullptr ? default_values() : need(options).values;
    out = new flashsale_gate_t(need(pool).pool, sink == nullptr ? nullptr : need(sink).sink, values.gate);
    return 0;
  });
}

int32_t flashsale_gate_reserve(flashsale_gate_t* gate, const flashsale_call_t* call, flashsale_answer_t* answer_out,
                               flashsale_error_t** error) {
  return ask(gate, call, FLASHSALE_VERB_RESERVE, answer_out, error);
}

int32_t flashsale_gate_call(flashsale_gate_t* gate, const flashsale_call_t* call, flashsale_answer_t* answer_out,
                            flashsale_error_t** error) {
  return ask(gate, call, 0, answer_out, error);
}

int32_t flashsale_gate_submit(flashsale_gate_t* gate, const flashsale_call_t* calls, size_t count,
                              flashsale_completions_t* completions, size_t* accepted_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& accepted = need_out(accepted_out, "accepted_out");
    StockGate& stock = need(gate).gate;
    auto& queue = *need_here(completions).queue;
    if (count > kCountMax)
      refuse(ErrorCode::invalid_argument, fmt::format("count must be 0 to {}, is {}", kCountMax, count));
    if (count == 0) return 0;
    need_struct(calls, "calls");
    if (calls->struct_size % alignof(flashsale_call_t) != 0)
      refuse(ErrorCode::invalid_argument, fmt::format("struct_size {} leaves calls unaligned", calls->struct_size));
    std::vector<Call> chunk(std::min(count, kChunk));
    while (accepted < count) {
      const std::size_t size = std::min(kChunk, count - accepted);
      for (std::size_t i = 0; i < size; ++i) chunk[i] = element(calls, accepted + i);
      const auto taken = stock.submit(chunk.data(), size, queue);
      if (!taken) return report(error, taken.error());
      accepted += *taken;
      if (*taken < size) return report(error, {ErrorCode::busy, Effect::none, "the gate or the completions are full"});
    }
    return 0;
  });
}

void flashsale_gate_destroy(flashsale_gate_t** gate) { destroy(gate); }
}
