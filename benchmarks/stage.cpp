#include "stage.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "core/sale_meta.hpp"
#include "support/raw_sale.hpp"
#include "util/random.hpp"

namespace flashsale::bench {
std::vector<std::string> Stage::redis_arguments() {
  if (options_.server.tls) {
    authority_ = std::make_unique<test::Authority>();
    tls_port_ = test::free_port();
    const auto ours = authority_->issue("IP:127.0.0.1");
    return {"--tls-port", std::to_string(tls_port_), "--tls-cert-file",  ours.certificate,     "--tls-key-file",
            ours.key,     "--tls-ca-cert-file",      authority_->file(), "--tls-auth-clients", "no"};
  }
  if (options_.server.replicas > 0) return {"--repl-diskless-sync-delay", "0"};
  if (!options_.server.fsync_always) return {};
  return {"--appendonly", "yes", "--appendfsync", "always"};
}

Stage::Stage(StageOptions options)
    : options_(options),
      redis(redis_arguments(), options.server.tcp || options.server.replicas > 0 ? test::Tcp::yes : test::Tcp::no) {
  for (std::size_t i = 0; i < options_.server.replicas; ++i) {
    replicas.push_back(std::make_unique<test::PrivateRedis>(redis_arguments(), test::Tcp::yes));
    replicas.back()->replica_of(redis);
  }
  std::string url = options_.server.tcp ? redis.tcp_url() : redis.url();
  if (options_.server.tls) url = fmt::format("rediss://127.0.0.1:{}?tls_ca={}", tls_port_, authority_->file());
  if (options_.server.latency.count() > 0) {
    proxy_ = std::make_unique<DelayProxy>(redis.socket_path(), options_.server.latency / 2);
    url = "redis+unix://" + proxy_->socket_path();
  }
  pool = make_pool(url).value();
  for (std::size_t i = 0; i < options_.sales; ++i) {
    sales_.push_back(fmt::format("bench-{}", i));
    Sale sale = Sale{SaleId{sales_.back()}};
    if (options_.items.empty()) sale.item(ItemId{kItem}, options_.units, 1);
    for (const ItemRow& item : options_.items) sale.item(ItemId{item.item}, item.total, item.limit);
    sale.hold = options_.hold;
    test::make_raw_sale(*pool, sale);
  }
  if (!replicas.empty()) await_replicas();
}

// A link that is up is not yet used: the primary holds the stream back until a replica has first acknowledged
// something, which it does once a second. Whoever began before would measure that second.
void Stage::await_replicas() {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds{10'000};
  auto lease = pool->acquire(Role::primary, 0, deadline).value();
  const std::string count = std::to_string(replicas.size());
  const RoundTrip trip = lease->roundtrip({{"SET", "attached", "1"}, {"WAIT", count, "5000"}}, deadline);
  if (trip.error || trip.replies[1].integer < std::stoll(count)) throw std::runtime_error("the replicas do not follow");
}

std::vector<std::string> Stage::items() const {
  if (options_.items.empty()) return {kItem};
  std::vector<std::string> names;
  for (const ItemRow& item : options_.items) names.push_back(item.item);
  return names;
}

void Stage::check(std::uint64_t accepted) {
  std::uint64_t booked = 0;
  for (const auto& sale : sales_) {
    const auto of_sale = std::stoll(redis.command({"HGET", "fs:{" + sale + "}:meta", "booked:1"}).text);
    if (of_sale > options_.units)
      throw std::runtime_error(fmt::format("OVERSOLD: {} of {} units of {}", of_sale, options_.units, sale));
    booked += static_cast<std::uint64_t>(of_sale);
    // One unit a buyer, so as many records, beside the one that marks the hash; and beside the entry of its creation
    // the journal has one for each batch that sold.
    const auto buyers = redis.command({"HLEN", "fs:{" + sale + "}:buyers"}).integer - 1;
    if (buyers != of_sale)
      throw std::runtime_error(fmt::format("{} buyers have {} units of {}", buyers, of_sale, sale));
    const auto entries = redis.command({"XLEN", "fs:{" + sale + "}:journal"}).integer - 1;
    const auto seq = std::stoll(redis.command({"HGET", "fs:{" + sale + "}:meta", "seq"}).text);
    if (entries != seq) throw std::runtime_error(fmt::format("{} of {} entries are in the journal", entries, seq));
  }
  if (booked != accepted) throw std::runtime_error(fmt::format("booked {}, but accepted {}", booked, accepted));
}

double Stage::used_memory() {
  const std::string info = redis.command({"INFO", "memory"}).text;
  const auto field = [&](const char* name) { return std::stod(std::string(core::info_field(info, name))); };
  return field("used_memory") - field("mem_clients_normal");
}

Crowd::Crowd(std::size_t count, std::size_t payload_bytes) : payload(payload_bytes, 'p') {
  buyers.reserve(count);
  requests.reserve(count);
  util::Random random(count);
  for (std::size_t i = 0; i < count; ++i) {
    buyers.push_back("u" + std::to_string(1'000'000 + i));
    requests.push_back(fmt::format("{:016x}{:016x}", random.next(), random.next()));
  }
}

}  // namespace flashsale::bench
