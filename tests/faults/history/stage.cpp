#include "faults/history/stage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/keyspace.hpp"
#include "core/numbers.hpp"
#include "core/sale_meta.hpp"
#include "engine/script_runner.hpp"
#include "faults/history/apart.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/served_sale.hpp"

namespace flashsale::history {
namespace {

constexpr const char* kSale = "spring";
constexpr std::int64_t kShoes = 300, kHats = 1'000'000;
constexpr milliseconds kProbe{20};
constexpr long kResidentKibMax = 256 * 1024;
constexpr std::size_t kDescriptorsMax = 256;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

Deadline in(milliseconds time) { return Deadline::clock::now() + time; }

std::string fresh_dir() {
  std::string path = (std::filesystem::temp_directory_path() / "flashsale-night-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return path;
}

std::string program(const char* name) { return std::string(FLASHSALE_BIN_DIR) + "/" + name; }

Call click(const std::string& buyer, const char* item) {
  Call call{SaleId{kSale}, ItemId{item}, BuyerId{buyer}, RequestId{"click"}};
  call.timeout = milliseconds{1000};
  call.level = Level::primary;
  return call;
}

}  // namespace

Stage::Stage(Plan with) : plan(std::move(with)), random_(plan.seed * 2654435761 + 1), dir_(fresh_dir()) {
  if (plan.small_disks) {
    mount_small_disk(dir("redis-disk"), 16);
    mount_small_disk(dir("db-disk"), plan.postgres ? 64 : 16);
    if (plan.postgres) chmod(dir_.c_str(), 0711);  // the server is another user's
  }
  if (plan.postgres && plan.small_disks)
    own_server_ = std::make_unique<test::PrivatePostgres>(
        std::vector<std::string>{"max_wal_size=2MB", "min_wal_size=2MB"}, dir("db-disk"));
  if (plan.postgres) server_ = own_server_ ? own_server_.get() : &test::shared_postgres();
  db_url_ = plan.postgres ? server_->fresh_database() : dir(plan.small_disks ? "db-disk/orders.db" : "orders.db");
  sink_ = test::open_sink(db_url_);
  start_nodes();
  create_sale();
  const auto processes = static_cast<std::size_t>(plan.clients + plan.workers);
  for (std::size_t i = 0; i < processes && plan.topology == Topology::own; ++i)
    wires_.push_back(std::make_unique<test::WireProxy>(upstream(0)));
  own_history_ = std::make_unique<Writer>(dir("own.history"));
  clients_.resize(static_cast<std::size_t>(plan.clients));
  workers_.resize(static_cast<std::size_t>(plan.workers));
  for (std::size_t i = 0; i < workers_.size(); ++i) restart_worker(i);
  for (std::size_t i = 0; i < clients_.size(); ++i) restart_client(i);
}

Stage::~Stage() {
  clients_.clear();
  workers_.clear();
  sink_.reset();
  own_server_.reset();
  if (shift_ != nullptr) unmap_clock(shift_);
  if (plan.small_disks)
    for (const char* disk : {"redis-disk", "db-disk"}) umount2(dir(disk).c_str(), MNT_DETACH);
  std::error_code ignored;
  if (!keeps_) std::filesystem::remove_all(dir_, ignored);
}

void Stage::create_sale() {
  SaleController controller(pool(), sink_);
  Sale sale{SaleId{kSale}};
  sale.item(ItemId{"shoe"}, kShoes, 2).item(ItemId{"hat"}, kHats, 3);
  sale.hold = plan.hold;
  sale.probe = kProbe;
  sale.replicas = replicas();
  night.first_totals = {{"shoe", kShoes}, {"hat", kHats}};
  if (plan.shifted_clock) {  // opens by the clock that will be set
    using std::chrono::system_clock;
    sale.opens_ms = std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    must(controller.create(sale));
    return;
  }
  must(controller.create(sale));
  must(controller.open(SaleId{kSale}));
}

void Stage::restart_client(std::size_t i, std::int64_t clock_shift_ms) {
  const std::size_t number = histories_.size();
  std::vector<std::string> environment = {"FLASHSALE_PLANT=" + plan.plant};
  if (clock_shift_ms != 0) {
    const std::string clock = dir(fmt::format("clock-{}", number));
    volatile std::int64_t* const shift = map_clock(clock);
    *shift = clock_shift_ms;
    unmap_clock(shift);
    environment.insert(environment.end(), {"LD_PRELOAD=" FLASHSALE_SHIFTED_CLOCK, "SHIFTED_CLOCK=" + clock});
  }
  histories_.push_back(dir(fmt::format("client-{}.history", number)));
  const char* const name = plan.plant.empty() ? "history_actor" : "history_actor_planted";
  clients_[i] = std::make_unique<test::Process>(
      program(name),
      std::vector<std::string>{"client", url(i), fmt::format("c{}", number),
                               std::to_string(plan.seed * 100'000 + number * 10'000), histories_.back(), plan.levels,
                               std::to_string(plan.pace_ms), std::to_string(plan.threads), plan.lie},
      environment);
}

void Stage::restart_worker(std::size_t i, const std::string& crash_at) {
  const char* const name = plan.plant.empty() ? "history_actor" : "history_actor_planted";
  const auto wire = static_cast<std::size_t>(plan.clients) + i;
  workers_[i] = std::make_unique<test::Process>(
      program(name), std::vector<std::string>{"worker", url(wire), db_url_, kSale},
      std::vector<std::string>{"FLASHSALE_PLANT=" + plan.plant, "FLASHSALE_CRASH_AT=" + crash_at});
}

std::string Stage::role(test::PrivateRedis& node) {
  const std::string text = ask(node, {"INFO", "replication"});
  return std::string(core::info_field(text, "role"));
}

std::string Stage::sees_shifted_clock(std::size_t i) {
  const std::string clock = dir(fmt::format("clock-{}", histories_.size() - 1));
  const bool mapped = await([&] {  // it may not have come that far yet
    std::ifstream maps(fmt::format("/proc/{}/maps", clients_[i]->pid()));
    for (std::string line; std::getline(maps, line);)
      if (line.find(clock) != std::string::npos) return true;
    return false;
  });
  return mapped ? "mapped by pid " + std::to_string(clients_[i]->pid()) : std::string();
}

std::string Stage::ask(const std::vector<std::string_view>& command) {
  try {
    return ask(primary(), command);
  } catch (const std::runtime_error&) {  // there is none just now
    return {};
  }
}

std::string Stage::meta(std::string_view field) { return ask({"HGET", core::Keys(kSale).meta, field}); }

std::string Stage::ask(test::PrivateRedis& node, const std::vector<std::string_view>& command) {
  try {
    const Reply reply = node.command(command);
    return reply.type == Reply::Type::integer ? std::to_string(reply.integer) : reply.text;
  } catch (const std::runtime_error&) {
    return {};
  }
}

std::string Stage::meta(test::PrivateRedis& node, std::string_view field) {
  return ask(node, {"HGET", core::Keys(kSale).meta, field});
}

std::int64_t Stage::seq(test::PrivateRedis& node) {
  const std::string text = meta(node, "seq");
  return text.empty() ? 0 : std::stoll(text);
}

Position Stage::watermark() {
  auto reading = sink().begin(OrderSink::Access::read, test::soon());
  if (!reading) return {};
  const auto row = (*reading)->lock_sale(SaleId{kSale});
  return row && *row ? (*row)->watermark : Position{};
}

std::uint64_t Stage::epoch() { return core::to_number<std::uint64_t>(meta("epoch")).value_or(0); }

std::string Stage::await_epoch_after(std::uint64_t before) {
  std::uint64_t now = 0;
  const bool risen = await([&] { return (now = epoch()) > before && meta("rec").empty(); });
  return risen ? fmt::format("epoch {} -> {}", before, now) : std::string();
}

std::int64_t Stage::errors(const std::string& code) {
  const std::string text = ask({"INFO", "errorstats"});
  const std::string field = "errorstat_" + code + ":count=";
  const auto at = text.find(field);
  return at == std::string::npos ? 0 : std::stoll(text.substr(at + field.size()));
}

std::size_t Stage::roll(std::size_t below) {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::size_t>(random_ >> 33) % below;
}

void Stage::pass(milliseconds time) {
  const Deadline until = in(time);
  while (Deadline::clock::now() < until) {
    std::this_thread::sleep_for(std::min(milliseconds{100}, time));
    look();
  }
}

bool Stage::await(const std::function<bool()>& holds) { return test::eventually(holds, plan.patience); }

/// I1, now. What cannot be read now is looked at the next time.
void Stage::look() {
  const core::Keys keys(kSale);
  auto replies =
      engine::run_commands(*direct_pool(), Role::primary, kSale,
                           {{"HMGET", keys.meta, "booked:1", "total:1", "booked:2", "total:2"}}, in(milliseconds{100}));
  if (replies && (*replies)[0].elements.size() == 4) {
    const auto& fields = (*replies)[0].elements;
    for (std::size_t i = 0; i < 4; i += 2)
      if (!fields[i].text.empty() && std::stoll(fields[i].text) > std::stoll(fields[i + 1].text))
        complain(fmt::format("I1 Redis has booked {} of {}", fields[i].text, fields[i + 1].text));
  }
  auto reading = sink_->begin(OrderSink::Access::read, in(milliseconds{200}));
  if (!reading) return;
  const auto row = (*reading)->lock_sale(SaleId{kSale});
  if (!row || !*row) return;
  for (const ItemRow& item : (*row)->items)
    if (item.sold > item.total) complain(fmt::format("I1 the database has sold {} of {}", item.sold, item.total));
}

void Stage::await_life() {
  const std::int64_t from = monotonic_ns();
  StockGate gate(pool());
  const bool lives = await([&] {
    const std::string buyer = fmt::format("probe-{}", ++probes_);
    const Call call = click(buyer, "hat");
    const std::uint64_t number = own_history_->invoked(call);
    const auto answer = gate.reserve(call);
    own_history_->heard(number, answer);
    return answer && answer->outcome == Outcome::reserved;
  });
  longest_pause_ms = std::max(longest_pause_ms, (monotonic_ns() - from) / 1'000'000);
  if (!lives) complain("I13 all is healed, and nothing is sold");
}

void Stage::insist(const std::string& what, const std::function<Result<Done>(SaleController&)>& act) {
  Error last;
  const bool done = await([&] {
    SaleController controller(pool(), sink_, {milliseconds{5000}});
    const auto answer = act(controller);
    if (!answer) last = answer.error();
    return answer.has_value();
  });
  if (!done) complain(fmt::format("I13 {} was never done: {}", what, to_string(last)));
}

void Stage::pause_a_while() {
  insist("a pause", [](SaleController& controller) { return controller.pause(SaleId{kSale}); });
  Shut shut;
  shut.from_ns = monotonic_ns();
  pass(milliseconds{100});
  shut.until_ns = monotonic_ns();
  night.shut.push_back(shut);
  insist("a resume", [](SaleController& controller) { return controller.resume(SaleId{kSale}); });
}

void Stage::restock() {
  const std::string operation = fmt::format("restock-{}", ++restocks_);
  insist("a restock", [&](SaleController& controller) {
    return controller.restock(SaleId{kSale}, ItemId{"shoe"}, 20, OperationId{operation});
  });
  night.restocked.push_back({"shoe", 20, monotonic_ns()});
}

Verdict Stage::finish() {
  heal();
  await_life();
  end_clients();
  await_rest();
  sell_out();
  await_rest();
  end_workers();
  gather();
  Verdict verdict = check(night);
  keeps_ = !verdict.violations.empty() && std::getenv("FLASHSALE_KEEP") != nullptr;
  if (keeps_) verdict.violations.push_back("kept in " + dir());
  return verdict;
}

void Stage::heal() {
  for (auto& wire : wires_) wire->pass();
  for (auto& link : links_)
    if (link) link->pass();
  for (auto& process : clients_) process->signal(SIGCONT);
  for (auto& process : workers_) process->signal(SIGCONT);
  if (server_ != nullptr && !server_->runs()) server_->start();
  heal_servers();
  for (std::size_t i = 0; i < workers_.size(); ++i)
    if (workers_[i]->await_end(milliseconds{0})) restart_worker(i);
}

void Stage::check_growth(test::Process& process) {
  resident_kib_max = std::max(resident_kib_max, process.resident_kib());
  if (process.resident_kib() > kResidentKibMax) complain(fmt::format("I13 {} KiB of memory", process.resident_kib()));
  if (process.descriptors() > kDescriptorsMax) complain(fmt::format("I13 {} descriptors", process.descriptors()));
}

void Stage::end_clients() {
  for (auto& process : clients_) {
    check_growth(*process);
    process->signal(SIGTERM);
  }
  for (auto& process : clients_) {
    const bool ended = process->await_end(plan.patience);
    if (!ended) complain("I13 a client did not end");
    if (ended && process->status() != 0) complain(fmt::format("I13 a client ended by {}", process->status()));
  }
}

void Stage::sell_out() {
  std::this_thread::sleep_for(2 * kProbe);  // what came back last is for sale only now
  StockGate gate(pool());
  const auto tell = [&](const Call& call, auto ask) {
    const std::uint64_t number = own_history_->invoked(call);
    const Result<Answer> answer = ask();
    own_history_->heard(number, answer);
    return answer;
  };
  bool is_sold_out = false;
  const Deadline until = in(plan.patience);
  for (int i = 0; !is_sold_out && Deadline::clock::now() < until; ++i) {
    const std::string buyer = fmt::format("last-{}", i);
    Call call = click(buyer, "shoe");
    const auto answer = tell(call, [&] { return gate.reserve(call); });
    is_sold_out = answer && answer->outcome == Outcome::sold_out;
    if (!answer || answer->outcome != Outcome::reserved) continue;
    call.verb = Verb::confirm;  // so that no hold ends meanwhile
    tell(call, [&] { return gate.confirm({call.sale, call.buyer, call.request}, {call.timeout, Level::primary}); });
  }
  if (meta("booked:1") != meta("total:1"))
    complain(fmt::format("I8 only {} of {} are sold, and nobody can buy the rest", meta("booked:1"), meta("total:1")));
}

void Stage::await_rest() {
  const std::string holds = core::Keys(kSale).holds;
  const auto rests = [&] {
    auto reading = sink_->begin(OrderSink::Access::read, in(milliseconds{1000}));
    if (!reading || ask({"ZCOUNT", holds, "-inf", "(inf"}) != "0") return false;
    const auto row = (*reading)->lock_sale(SaleId{kSale});
    const auto waiting = (*reading)->uncredited(SaleId{kSale}, 1);
    if (!row || !*row || !waiting || !waiting->empty() || !(*row)->rec_uuid.empty()) return false;
    const std::string at = meta("epoch") + "-" + meta("seq");
    return at == to_string((*row)->watermark) && at == meta("watermark");
  };
  if (!await(rests)) complain("I13 it does not come to rest");
}

void Stage::end_workers() {
  for (auto& process : workers_) {
    check_growth(*process);
    process->signal(SIGTERM);
  }
  for (auto& process : workers_) {
    const bool ended = process->await_end(plan.patience);
    if (!ended) complain("I13 a worker did not end");
    if (ended && process->status() != 0) complain(fmt::format("I13 a worker ended by {}", process->status()));
  }
}

}  // namespace flashsale::history
