// plant BUG ROOT OUT: writes the bug's source to OUT with the bug in it. An anchor that is not there exactly once is an
// error, so that a bug cannot silently stop being planted when the source changes.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace {

struct Bug {
  const char* name;
  const char* source;
  const char* anchor;
  const char* replacement;
};

constexpr Bug kBugs[] = {
    // A request whose copy was lost, and which then fails, is told that it had no effect.
    {"effect_forgotten", "src/engine/flight.cpp", "  request.effect = Effect::unknown;\n", ""},
    // One caller is told another's order.
    {"nonce_not_checked", "src/core/reserve_codec.cpp", "e[0].text != nonce)", "(false && e[0].text != nonce))"},
    {"one_replica_of_two", "src/engine/flight_settle.cpp", "core::acknowledged_by(now->replication, needed)",
     "core::acknowledged_by(now->replication, std::min<std::size_t>(needed, 1))"},
    // As if the number of a WAIT behind a batch that wrote nothing, or on another connection, proved anything.
    {"wait_believed", "src/engine/flight_settle.cpp", "*written, reached};",
     "*written, replies_[2].integer >= static_cast<std::int64_t>(needed) ? written : reached};"},
    // Among what a look reads by script: behind a proxy a replica answers it, and tells of the past.
    {"one_plain_read", "src/engine/sale_standing.cpp", "  const std::vector<Reply>& replies = read->replies;\n",
     "  auto plain = run_commands(pool, Role::primary, sale, {commands[5]}, deadline);\n"
     "  if (!plain) return tl::unexpected<Error>(std::move(plain.error()));\n"
     "  std::vector<Reply>& replies = read->replies;\n"
     "  replies[5] = std::move(plain->back());\n"},
    // In a transaction of its own.
    {"offset_before_its_orders", "src/engine/journal_applier.cpp",
     "  auto applied = apply_entries(**transaction, row, side);",
     "  SaleRow ahead = row;\n"
     "  for (const JournalEntry& entry : side.entries) step_to(ahead, entry);\n"
     "  if (!(*transaction)->put_sale(ahead) || !(*transaction)->commit()) return fail(ErrorCode::busy, \"\");\n"
     "  transaction = sink_->begin(OrderSink::Access::write, deadline);\n"
     "  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));\n"
     "  auto applied = apply_entries(**transaction, row, side);"},
    // By the gate, before the database has them; by the reconcile; and some of them by the reconcile.
    {"receipts_not_kept", "src/engine/receipt_keeper.cpp", "if (front.block->at() > row->watermark) break;",
     "if (front.block->at().epoch > row->watermark.epoch) break;"},
    {"receipts_not_applied", "src/engine/reconcile.cpp", "  if (ours && *ours) ours = receipts_->apply(deadline_);\n",
     ""},
    {"receipts_skipped", "src/engine/receipt_collector.cpp", "if (surely_has(row.watermark, receipt.at)) continue;",
     "if (surely_has({row.watermark.epoch, row.watermark.seq + 3}, receipt.at)) continue;"},
    // Nobody's night: the fence lets no two orders into one place, and the simulator has no cluster. Each makes the
    // claim of a test fail that CMakeLists.txt names. In a script, Lua turns a quantity into a number by itself where
    // it is added; where it is compared, planted_bugs_test.cpp has it.
    {"conflicts_ignored", "src/engine/entry_applier.cpp", "  if (known_ == Known::is_fork)\n",
     "  if (known_ == Known::is_fork && verdict == Insert::same)\n"},
    {"asking_once", "src/redis/pooled_connection.cpp", "if (!asking) return",
     "if (!std::exchange(asking, false)) return"},
};

int plant(const Bug& bug, const std::string& root, const char* out) {
  const std::string path = root + "/" + bug.source, anchor = bug.anchor;
  std::ostringstream read;
  read << std::ifstream(path).rdbuf();
  std::string text = read.str();
  const auto at = text.find(anchor);
  if (at == std::string::npos || text.find(anchor, at + 1) != std::string::npos) {
    std::fprintf(stderr, "%s: the anchor is not there exactly once: %s\n", path.c_str(), bug.anchor);
    return 1;
  }
  text.replace(at, anchor.size(), bug.replacement);
  std::ofstream file(out);
  file << text << std::flush;
  return file ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  for (const Bug& bug : kBugs)
    if (std::string(bug.name) == argv[1]) return plant(bug, argv[2], argv[3]);
  std::fprintf(stderr, "no such bug: %s\n", argv[1]);
  return 2;
}
