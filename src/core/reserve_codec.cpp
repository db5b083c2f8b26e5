#include "core/reserve_codec.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/positions.hpp"
#include "core/scripts.hpp"
#include "core/times.hpp"

namespace flashsale::core {
namespace {

constexpr std::string_view kLetters = "ainceptwlsuoMRCGDXEK";
constexpr std::string_view kStandings = "oeptw";
constexpr std::size_t kKeptBytes = 1u << 20;  // of room between batches

void append(std::string& arena, std::uint64_t number) {
  const fmt::format_int digits(number);
  arena.append(digits.data(), digits.size());
}

bool is_found(char letter) { return letter >= 'A' && letter <= 'Z'; }

std::optional<Verdict> to_verdict(std::string_view text) {
  if (text == "ok") return Verdict::ok;
  if (text == "absent") return Verdict::absent;
  if (text == "layout") return Verdict::layout;
  if (text == "fenced") return Verdict::fenced;
  if (text == "stale") return Verdict::stale;
  if (text == "late") return Verdict::late;
  if (text == "not_primary") return Verdict::not_primary;
  return std::nullopt;
}

tl::unexpected<Error> nonsense(std::string_view what) {
  return fail(ErrorCode::protocol, fmt::format("the script's reply {}", what), Effect::unknown);
}

template <class Integer>
bool read_numbers(std::string_view text, std::size_t count, std::vector<Integer>& numbers) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = to_number<Integer>(next_word(text));
    if (!number) return false;
    numbers.push_back(*number);
  }
  return text.empty();
}

/// `<order id>[ <hold until>]`
bool read_found(std::string_view text, Found& found) {
  const auto order = to_order_id(next_word(text));
  if (!order) return false;
  found.order = *order;
  if (text.empty()) return true;
  const auto until = to_number<std::int64_t>(text);
  found.hold_until_ms = until.value_or(0);
  return until && is_time(*until);
}

}  // namespace

std::size_t SaleTerms::item_index(std::string_view item) const {
  for (std::size_t i = 0; i < items.size(); ++i)
    if (items[i] == item) return i + 1;
  return 0;
}

void BatchEncoder::begin(std::string_view script_name, const SaleTerms& terms, std::int64_t not_after_ms,
                         std::string_view nonce, std::size_t key_count) {
  static constexpr std::string_view kCounts[] = {"0", "1", "2", "3", "4"};
  command().clear();
  command().insert(command().end(),
                   {"EVALSHA", script(script_name).sha1, kCounts[key_count], terms.keys.meta, terms.keys.buyers});
  if (key_count >= 3) command().push_back(terms.queue == QueueMode::list ? terms.keys.orders : terms.keys.journal);
  if (key_count >= 4) command().push_back(terms.keys.holds);
  const auto number = [&](std::uint64_t value) {
    const auto from = arena_.size();
    append(arena_, value);
    return keep(from);
  };
  const auto not_after = number(static_cast<std::uint64_t>(std::max<std::int64_t>(not_after_ms, 1)));
  command().insert(command().end(), {terms.epoch, terms.uuid, not_after, nonce, number(terms.seen_seq)});
}

void BatchEncoder::put_terms(std::string& header, std::size_t item, std::uint32_t quantity) {
  header.push_back(static_cast<char>(item));
  header.push_back(static_cast<char>(quantity >> 14 & 127));
  header.push_back(static_cast<char>(quantity >> 7 & 127));
  header.push_back(static_cast<char>(quantity & 127));
}

void BatchEncoder::header(const SaleTerms& terms, const std::vector<Asked>& asked) {
  const auto from = arena_.size();
  for (const Asked& one : asked) put_terms(arena_, terms.item_index(one.item), one.quantity);
  command().push_back(keep(from));
}

void BatchEncoder::names(const std::vector<Asked>& asked) {
  for (const Asked& one : asked) command().push_back(one.buyer);
  for (const Asked& one : asked) command().push_back(one.request);
}

std::size_t BatchEncoder::body(const Asked& asked, std::size_t item, std::size_t index) {
  bodies_.push_back(' ');
  const auto from = bodies_.size();
  append(bodies_, item);
  bodies_.push_back(' ');
  append(bodies_, asked.quantity);
  bodies_.push_back(' ');
  append(bodies_, index);
  const auto stem_bytes = bodies_.size() - from;
  bodies_.push_back(' ');
  bodies_.append(asked.request).push_back(' ');
  append(bodies_, asked.payload.size());
  bodies_.push_back(' ');
  bodies_.append(asked.payload);
  return stem_bytes;
}

void BatchEncoder::list_body(const Asked& asked, std::size_t index) {
  bodies_.push_back('.');
  append(bodies_, index);
  bodies_.push_back(' ');
  bodies_.append(asked.buyer).push_back(' ');
  bodies_.append(asked.item).push_back(' ');
  append(bodies_, asked.quantity);
  bodies_.push_back(' ');
  bodies_.append(asked.request).push_back(' ');
  bodies_.append(asked.payload);
}

const std::vector<Command>& BatchEncoder::reserve(const SaleTerms& terms, const std::vector<Asked>& asked,
                                                  std::int64_t not_after_ms, std::string_view nonce) {
  arena_.clear();
  arena_.reserve(64);
  for (std::string* part : {&header_, &ids_, &bodies_}) {
    if (part->capacity() > kKeptBytes) std::string().swap(*part);
    part->clear();
  }
  begin("reserve", terms, not_after_ms, nonce, terms.holds ? 4 : 3);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Asked& one = asked[i];
    const auto item = terms.item_index(one.item);
    const auto from = bodies_.size();
    std::size_t stem_bytes = 0;
    if (terms.queue == QueueMode::list)
      list_body(one, i);
    else
      stem_bytes = body(one, item, i);
    const auto body_bytes = bodies_.size() - from;
    put_terms(header_, item, one.quantity);
    for (const std::size_t bytes :
         {stem_bytes, one.buyer.size(), one.request.size(), body_bytes >> 16, body_bytes >> 8 & 255, body_bytes & 255})
      header_.push_back(static_cast<char>(bytes));
    ids_.append(one.buyer).append(one.request);
  }
  command().insert(command().end(), {header_, ids_, bodies_});
  return commands_;
}

const std::vector<Command>& BatchEncoder::move(const SaleTerms& terms, Verb verb, const std::vector<Asked>& asked,
                                               std::int64_t not_after_ms, std::string_view nonce) {
  arena_.clear();
  arena_.reserve(64);
  begin("move", terms, not_after_ms, nonce, 3);
  command().push_back(name(verb));
  names(asked);
  return commands_;
}

const std::vector<Command>& BatchEncoder::look(const SaleTerms& terms, const std::vector<Asked>& asked,
                                               std::int64_t not_after_ms, std::string_view nonce) {
  arena_.clear();
  arena_.reserve(64 + 4 * asked.size());
  begin("look", terms, not_after_ms, nonce, 2);
  header(terms, asked);
  names(asked);
  return commands_;
}

namespace {

/// What every script says first: nonce, verdict, time, and if it is ok position and letters.
Result<BatchReply> read_head(const Reply& reply, std::string_view nonce, std::size_t count, const SaleTerms& terms) {
  const auto& e = reply.elements;
  if (reply.type != Reply::Type::array || e.size() < 3 || e[0].text != nonce)
    return nonsense("does not carry the batch's nonce");
  const auto verdict = to_verdict(e[1].text);
  if (!verdict) return nonsense("has an unknown verdict");
  BatchReply batch;
  batch.verdict = *verdict;
  batch.now_ms = e[2].integer;
  if (!is_time(batch.now_ms)) return nonsense("has a time that is none");
  if (*verdict != Verdict::ok) return batch;
  if (e.size() < 5) return nonsense("is too short");
  const auto epoch = to_number<std::uint64_t>(terms.epoch);
  const auto seq = to_number<std::uint64_t>(e[3].text);
  if (!epoch || !seq) return nonsense("has no position");
  batch.at = {*epoch, *seq};
  batch.letters = e[4].text;
  if (batch.letters.size() != count || batch.letters.find_first_not_of(kLetters) != std::string::npos)
    return nonsense("does not have one known letter a request");
  return batch;
}

/// The orders found, one an upper-case letter, from element `first` on to the end.
Result<BatchReply> read_orders(const Reply& reply, std::size_t first, BatchReply batch) {
  const auto& e = reply.elements;
  const auto count = static_cast<std::size_t>(std::count_if(batch.letters.begin(), batch.letters.end(), is_found));
  if (e.size() != first + count) return nonsense("does not have one order a request that has one");
  batch.found.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    if (!read_found(e[first + i].text, batch.found[i])) return nonsense("has an order that does not read");
  return batch;
}

}  // namespace

Result<BatchReply> read_move_reply(const Reply& reply, std::string_view nonce, std::size_t count,
                                   const SaleTerms& terms) {
  auto batch = read_head(reply, nonce, count, terms);
  return !batch || batch->verdict != Verdict::ok ? batch : read_orders(reply, 5, std::move(*batch));
}

Result<BatchReply> read_batch_reply(const Reply& reply, std::string_view nonce, std::size_t count,
                                    const SaleTerms& terms) {
  auto head = read_head(reply, nonce, count, terms);
  if (!head || head->verdict != Verdict::ok) return head;
  const auto& e = reply.elements;
  if (e.size() < 11) return nonsense("is too short");
  BatchReply batch = std::move(*head);
  if (!read_numbers(e[5].text, terms.items.size(), batch.left) ||
      !read_numbers(e[6].text, terms.items.size(), batch.sold_seq) ||
      !read_numbers(e[7].text, terms.items.size(), batch.reopen_ms))
    return nonsense("does not have one number an item");
  std::string_view standing = e[8].text;
  const auto letter = next_word(standing);
  const auto opens_in = to_number<std::int64_t>(next_word(standing));
  const auto changes_in = to_number<std::int64_t>(standing);
  if (letter.size() != 1 || kStandings.find(letter[0]) == std::string_view::npos || !opens_in || !changes_in)
    return nonsense("does not say how the sale stands");
  batch.standing = letter[0];
  batch.opens_in_ms = *opens_in;
  batch.changes_in_ms = *changes_in;
  batch.probe_ms = e[9].integer;
  batch.hold_until_ms = e[10].integer;
  if (!is_time(batch.opens_in_ms) || !is_time(batch.changes_in_ms) || !is_time(batch.probe_ms) ||
      !is_time(batch.hold_until_ms) || !std::all_of(batch.reopen_ms.begin(), batch.reopen_ms.end(), is_time))
    return nonsense("has a time that is none");
  return read_orders(reply, 11, std::move(batch));
}

namespace {

Answer found_answer(const BatchReply& reply, char letter, std::size_t& found) {
  const Found& order = reply.found[found++];
  Answer answer;
  answer.order = order.order;
  switch (letter) {
    case 'M':
      answer.outcome = Outcome::confirmed;
      break;
    case 'R':
      answer.outcome = Outcome::already_reserved;
      break;
    case 'C':
      answer.outcome = Outcome::already_confirmed;
      break;
    case 'G':
    case 'D':
      answer.outcome = Outcome::already_released;
      break;
    case 'K':
      answer.outcome = Outcome::dead;
      break;
    default:
      answer.outcome = Outcome::expired;
      break;  // X, E
  }
  if (letter == 'R') answer.hold_until_ms = order.hold_until_ms;
  return answer;
}

Answer paused_answer(const BatchReply& reply, PauseReason reason) {
  Answer answer;
  answer.outcome = Outcome::paused;
  answer.reason = reason;
  answer.retry_after_ms = reply.probe_ms;
  return answer;
}

}  // namespace

Result<Answer> answer_of(const BatchReply& reply, std::size_t index, std::size_t item, std::size_t& found) {
  const char letter = reply.letters[index];
  if (is_found(letter)) return found_answer(reply, letter, found);
  Answer answer;
  if (item > 0 && !reply.left.empty()) answer.remaining = std::max<std::int64_t>(reply.left[item - 1], 0);
  switch (letter) {
    case 'a':
      answer.outcome = Outcome::reserved;
      answer.order = {reply.at, static_cast<std::uint32_t>(index)};
      answer.hold_until_ms = reply.hold_until_ms;
      return answer;
    case 'e':
      answer.outcome = Outcome::ended;
      return answer;
    case 'p':
      return paused_answer(reply, PauseReason::operator_paused);
    case 't':
      return paused_answer(reply, PauseReason::draining);
    case 'w':
      answer.outcome = Outcome::not_started;
      answer.retry_after_ms = reply.opens_in_ms > 0 ? reply.opens_in_ms : reply.probe_ms;
      return answer;
    case 'l':
      answer.outcome = Outcome::limit_reached;
      return answer;
    case 's':
      answer.outcome = Outcome::sold_out;
      if (item > 0) answer.retry_after_ms = std::max<std::int64_t>(reply.reopen_ms[item - 1] - reply.now_ms, 0);
      return answer;
    case 'u':
      answer.outcome = Outcome::not_reserved;
      return answer;
    case 'n':
      return fail(ErrorCode::not_found, "the sale has no such item");
    case 'c':
      return fail(ErrorCode::conflict, "this request won before with another item or quantity");
    case 'o':
      return fail(ErrorCode::refused, "Redis refuses writes");
    default:
      return fail(ErrorCode::invalid_argument, "Redis found the buyer, request or quantity out of bounds");
  }
}

}  // namespace flashsale::core
