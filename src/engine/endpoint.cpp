#include "engine/endpoint.hpp"

#include <fmt/format.h>

#include "core/checks.hpp"
#include "core/error_reply.hpp"
#include "core/keyspace.hpp"
#include "core/sale_meta.hpp"
#include "engine/control_guard.hpp"
#include "engine/endpoint_metrics.hpp"
#include "engine/log.hpp"
#include "engine/script_runner.hpp"
#include "util/random.hpp"

namespace flashsale {
namespace engine {
namespace {

constexpr int kGlances = 3;

/// By script: the word is written, or with "" removed. The text of INFO server.
Result<std::string> write_word(ConnectionPool& pool, std::string_view sale, const std::string& field,
                               const std::string& word, Deadline deadline) {
  const core::Keys keys(sale);
  auto answer = run_script(pool, sale, {"probe", {keys.info}, {"", field, word}}, deadline);
  if (!answer) return tl::unexpected<Error>(explain_endpoint(std::move(answer.error())));
  return std::string(answer->text(3));
}

/// By plain commands, whatever they are answered with.
Result<std::vector<Reply>> ask_plainly(ConnectionPool& pool, std::string_view sale,
                                       const std::vector<Command>& commands, Deadline deadline) {
  auto lease = pool.acquire(Role::primary, core::slot_of(sale), deadline);
  if (!lease) return tl::unexpected<Error>(std::move(lease.error()));
  RoundTrip trip = (*lease)->roundtrip(commands, deadline);
  if (!trip.error) return std::move(trip.replies);
  lease->report(Heard::broken);
  trip.error->effect = Effect::none;
  return tl::unexpected<Error>(std::move(*trip.error));
}

Result<EndpointGlance> glance(ConnectionPool& pool, std::string_view sale, const std::string& field,
                              Deadline deadline) {
  EndpointGlance seen;
  seen.word = util::random_hex(8);
  auto server = write_word(pool, sale, field, seen.word, deadline);
  if (!server) return tl::unexpected<Error>(std::move(server.error()));
  seen.server_in_script = std::move(*server);
  const core::Keys keys(sale);
  auto plain = ask_plainly(pool, sale, {{"HGET", keys.info, field}, {"INFO", "server"}}, deadline);
  if (!plain) return tl::unexpected<Error>(std::move(plain.error()));
  seen.plain_word = std::move(plain->at(0));
  seen.plain_server = std::move(plain->at(1));
  return seen;
}

bool is_missing(const Reply& reply) {
  return reply.type == Reply::Type::error && core::sort_error_reply(reply.text) == core::ErrorReply::unknown_command;
}

Result<Endpoint> glance_about(ConnectionPool& pool, std::string_view sale, const std::string& field,
                              Deadline deadline) {
  Endpoint found;
  for (int i = 0; i < kGlances && found.between.empty(); ++i) {
    auto seen = glance(pool, sale, field, deadline);
    if (!seen) return tl::unexpected<Error>(std::move(seen.error()));
    if (i == 0) found = read_server(seen->server_in_script);
    found.between = seen_between(*seen);
  }
  // Some proxies hang up on a command that they do not know.
  auto waited = ask_plainly(pool, sale, {{"WAIT", "0", "1"}}, deadline);
  if (!waited && waited.error().code != ErrorCode::disconnected)
    return tl::unexpected<Error>(std::move(waited.error()));
  found.knows_wait = waited && !is_missing(waited->front());
  return found;
}

/// Whoever may not remove a word hears so before one is written, and whatever happens then, it is removed.
Result<Endpoint> look(ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  const std::string field = "#" + util::random_hex(8);
  if (auto removed = write_word(pool, sale, field, "", deadline); !removed)
    return tl::unexpected<Error>(std::move(removed.error()));
  auto found = glance_about(pool, sale, field, deadline);
  auto removed = write_word(pool, sale, field, "", deadline);
  if (found && !removed) return tl::unexpected<Error>(std::move(removed.error()));
  return found;
}

}  // namespace

Endpoint read_server(std::string_view info) {
  const auto valkey = core::info_field(info, "valkey_version");
  Endpoint found;
  found.server = valkey.empty() ? "Redis" : "Valkey";  // which calls itself Redis 7.2.4 as well
  found.version = valkey.empty() ? core::info_field(info, "redis_version") : valkey;
  return found;
}

std::string seen_between(const EndpointGlance& glance) {
  const Reply& word = glance.plain_word;
  const bool is_redirect = word.type == Reply::Type::error;  // of a slot that moves: it tells nothing of who answers
  if (!is_redirect && word.text != glance.word) return "a plain read was answered from elsewhere, and from the past";
  const auto inside = core::info_field(glance.server_in_script, "run_id");
  if (inside.empty()) return "";
  if (is_missing(glance.plain_server)) return "it does not know INFO, which the server behind it does";
  if (glance.plain_server.type == Reply::Type::error) return "";
  const auto outside = core::info_field(glance.plain_server.text, "run_id");
  return inside == outside ? "" : "INFO is answered by another than the one that runs the scripts";
}

Error explain_endpoint(Error error) {
  error.effect = Effect::none;  // but for the word, which means nothing to anybody
  if (error.code != ErrorCode::internal && error.code != ErrorCode::protocol) return error;
  return {ErrorCode::unsupported, Effect::none,
          "what answers there does not run the scripts that a sale is made of (it takes Redis 7.0 or newer, or Valkey, "
          "with INFO allowed in scripts): " +
              error.detail};
}

Result<Endpoint> meet_endpoint(ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  auto found = look(pool, sale, deadline);
  if (!found) return found;
  const std::string text = to_string(*found);
  if (note_endpoint(*found))
    log(found->is_direct() ? LogLevel::info : LogLevel::warning, "sales are decided by {}", text);
  return found;
}

}  // namespace engine

Result<Endpoint> find_endpoint(ConnectionPool& pool, SaleId sale, Deadline deadline) {
  auto found = engine::guarded([&]() -> Result<Endpoint> {
    if (auto defect = core::check_sale(sale.text())) return fail(ErrorCode::invalid_argument, *defect);
    return engine::look(pool, sale.text(), deadline);
  });
  if (!found) found.error().effect = Effect::none;  // also where memory ran out
  return found;
}

std::string to_string(const Endpoint& endpoint) {
  std::string text = endpoint.server;
  if (!endpoint.version.empty()) text += " " + endpoint.version;
  if (!endpoint.is_direct())
    text += ", through something that answers for others (" + endpoint.between +
            "); scripts must reach the primary, docs/operations.md says what else";
  if (!endpoint.knows_wait) text += ", without WAIT, which level 'replicas' needs";
  return text;
}

}  // namespace flashsale
