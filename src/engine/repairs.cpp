#include "engine/repairs.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/checks.hpp"
#include "util/random.hpp"

namespace flashsale::engine {

std::vector<RepairRow> new_repair(const AuditReport& report, std::string_view by) {
  RepairRow row;
  row.repair = util::random_hex(8);
  row.by = by;
  std::vector<RepairRow> rows;
  for (const AuditItem& item : report.items) {
    row.item = item.item;
    row.difference = item.difference();
    if (row.difference != 0) rows.push_back(row);
  }
  for (const AuditOrder& order : report.orders) {
    row.item = order.item;
    row.difference = order.difference;
    row.order = order.order;
    row.buyer = order.buyer;
    row.request = order.request;
    row.why = order.why;
    rows.push_back(row);
  }
  return rows;
}

Result<std::vector<RepairRow>> list_repairs(const ControlledSale& sale) {
  auto transaction = sale.sink->begin(OrderSink::Access::read, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale.id});
  if (!row) return unexpected(std::move(row.error()));
  if (!*row) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sale.sink->describe(), sale.id));
  return (*transaction)->repairs(SaleId{sale.id});
}

std::string user_at_host() {
  char names[1024] = {}, host[65] = {};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, names, sizeof(names), &found) != 0) found = nullptr;
  if (gethostname(host, sizeof(host) - 1) != 0) std::strcpy(host, "unknown");
  std::string who = fmt::format("{}@{}", found != nullptr ? found->pw_name : fmt::format("{}", geteuid()), host);
  who.resize(std::min<std::size_t>(who.size(), 64));
  return core::check_buyer(who) ? "unknown" : who;
}

}  // namespace flashsale::engine
