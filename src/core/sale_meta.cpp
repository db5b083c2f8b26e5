#include "core/sale_meta.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/positions.hpp"
#include "core/times.hpp"

namespace flashsale::core {
namespace {

constexpr char kBeingRebuilt[] = "the sale is being rebuilt from the database";

using Fields = std::map<std::string_view, std::string_view>;

/// Reads fields and remembers the first that was missing or no number.
class Reader {
 public:
  explicit Reader(const Fields& fields) : fields_(fields) {}

  std::string_view text(std::string_view field) {
    const auto found = fields_.find(field);
    if (found == fields_.end()) defect(field);
    return found == fields_.end() ? std::string_view() : found->second;
  }
  template <class Integer>
  Integer number(std::string_view field) {
    const auto value = to_number<Integer>(text(field));
    if (!value) defect(field);
    return value.value_or(Integer{});
  }
  std::int64_t time(std::string_view field) {
    const auto ms = number<std::int64_t>(field);
    if (!is_time(ms)) defect(field);
    return ms;
  }
  void defect(std::string_view field) {
    if (defect_.empty()) defect_ = field;
  }
  const std::string& first_defect() const { return defect_; }

 private:
  const Fields& fields_;
  std::string defect_;
};

void read_items(Reader& reader, SaleMeta& meta) {
  const auto count = reader.number<std::size_t>("items");
  if (count < 1 || count > kItemCountMax) return reader.defect("items");
  for (std::size_t j = 1; j <= count; ++j) {
    SaleMeta::Item item;
    item.item = reader.text(fmt::format("item:{}", j));
    item.total = reader.number<std::int64_t>(fmt::format("total:{}", j));
    item.booked = reader.number<std::int64_t>(fmt::format("booked:{}", j));
    item.limit = reader.number<std::int64_t>(fmt::format("limit:{}", j));
    meta.items.push_back(std::move(item));
  }
}

}  // namespace

Result<SaleMeta> read_meta(const Reply& hgetall, Rebuilding rebuilding) {
  if (hgetall.type != Reply::Type::array || hgetall.elements.size() % 2 != 0)
    return fail(ErrorCode::protocol, "the reply to HGETALL was no list of pairs");
  if (hgetall.elements.empty()) return fail(ErrorCode::not_found, "there is no such sale");
  Fields fields;
  for (std::size_t i = 0; i < hgetall.elements.size(); i += 2)
    fields[hgetall.elements[i].text] = hgetall.elements[i + 1].text;

  Reader reader(fields);
  if (const auto layout = reader.text("layout"); layout != kLayout)
    return fail(ErrorCode::unsupported,
                fmt::format("the sale's layout is '{}', this library knows {}", layout, kLayout));
  SaleMeta meta;
  meta.rec = reader.text("rec");
  if (!meta.rec.empty() && rebuilding == Rebuilding::refuse) return fail(ErrorCode::refused, kBeingRebuilt);
  meta.uuid = reader.text("uuid");
  const auto state = sale_state(reader.text("state"));
  if (!state) reader.defect("state");
  meta.state = state.value_or(SaleState::created);
  meta.queue = reader.text("queue") == "list" ? QueueMode::list : QueueMode::journal;
  meta.opens_ms = reader.time("opens_ms");
  meta.closes_ms = reader.time("closes_ms");
  meta.reopen_ms = reader.time("reopen_ms");
  meta.hold_ms = reader.time("hold_ms");
  meta.probe_ms = reader.time("probe_ms");
  meta.last_ms = reader.time("last_ms");
  meta.replicas = reader.number<std::uint32_t>("replicas");
  meta.buyer_orders_max = reader.number<std::uint32_t>("buyer_orders_max");
  meta.epoch = reader.number<std::uint64_t>("epoch");
  meta.seq = reader.number<std::uint64_t>("seq");
  if (const auto held = fields.find("held"); held != fields.end())
    meta.held = to_number<std::uint64_t>(held->second).value_or(0);
  meta.hist = reader.text("hist");
  meta.link = reader.text("link");
  meta.sink = reader.text("sink");
  const auto watermark = to_position(reader.text("watermark"));
  if (!watermark) reader.defect("watermark");
  meta.watermark = watermark.value_or(Position{});
  read_items(reader, meta);
  if (!reader.first_defect().empty() && !meta.rec.empty()) return fail(ErrorCode::refused, kBeingRebuilt);
  if (!reader.first_defect().empty())
    return fail(ErrorCode::protocol, fmt::format("the sale's field '{}' is missing or wrong", reader.first_defect()));
  return meta;
}

bool is_history(std::string_view info, std::string_view hist) {
  return !hist.empty() && info_field(info, "master_replid") == hist;
}

std::string_view info_field(std::string_view info, std::string_view field) {
  const std::string key = "\n" + std::string(field) + ":";
  const auto at = info.find(key);
  if (at == std::string_view::npos) return {};
  const auto value = info.substr(at + key.size());
  return value.substr(0, value.find_first_of("\r\n"));
}

std::size_t connected_replicas(std::string_view info) {
  return to_number<std::size_t>(info_field(info, "connected_slaves")).value_or(0);
}

// `slave0:ip=10.0.0.7,port=6379,state=online,offset=4711,lag=0`, in Valkey with `type=` behind it: a replica that
// copies over two connections has a line for each.
std::optional<std::uint64_t> acknowledged_by(std::string_view info, std::size_t count) {
  std::vector<std::uint64_t> offsets;
  for (std::size_t i = 0;; ++i) {
    std::string_view line = info_field(info, fmt::format("slave{}", i));
    if (line.empty()) break;
    bool is_online = false, is_copy = false;
    std::uint64_t offset = 0;
    while (!line.empty()) {
      const std::string_view field = line.substr(0, line.find(','));
      line.remove_prefix(std::min(line.size(), field.size() + 1));
      if (field == "state=online") is_online = true;
      if (field == "type=rdb-channel") is_copy = true;
      if (field.substr(0, 7) == "offset=") offset = to_number<std::uint64_t>(field.substr(7)).value_or(0);
    }
    if (is_online && !is_copy) offsets.push_back(offset);
  }
  if (count == 0 || offsets.size() < count) return std::nullopt;
  std::sort(offsets.rbegin(), offsets.rend());
  return offsets[count - 1];
}

}  // namespace flashsale::core
