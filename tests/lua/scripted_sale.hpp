/// A sale in a private Redis, made and changed by the scripts themselves and by nothing else of the library.
#pragma once

#include <fmt/format.h>

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/keyspace.hpp"
#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {

inline constexpr std::string_view kNonce = "0123456789abcdef";
inline constexpr std::int64_t kFarAway = 9'999'999'999'999;  ///< ms; no test lives to see it

/// One server for the whole program: every test has sales of its own.
inline PrivateRedis& redis() {
  static PrivateRedis server({"--enable-debug-command", "yes"});
  [[maybe_unused]] static const bool loaded = [] {
    for (const core::Script& script : core::embedded_scripts()) server.command({"SCRIPT", "LOAD", script.text});
    return true;
  }();
  return server;
}

inline Reply run_lua(std::string_view script, const std::vector<std::string>& keys,
                     const std::vector<std::string>& arguments) {
  const std::string count = std::to_string(keys.size());
  Command command{"EVALSHA", core::script(script).sha1, count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return redis().command(command);
}

/// The verdict, or Redis' error.
inline std::string verdict(const Reply& reply) {
  if (reply.type == Reply::Type::error) return reply.text;
  return reply.elements.size() > 1 ? reply.elements[1].text : "no verdict";
}

struct ItemTerms {
  std::string item;
  std::int64_t units;
  std::int64_t limit;
};

struct ScriptedTerms {
  std::vector<ItemTerms> items{{"phone", 10, 2}};
  std::string state = "open";
  std::int64_t opens_ms = 0, closes_ms = 0, hold_ms = 0, probe_ms = 50, buyer_orders_max = 16;
  QueueMode queue = QueueMode::journal;
};

class ScriptedSale {
 public:
  explicit ScriptedSale(const ScriptedTerms& given = {})
      : id(fmt::format("sale-{}", ++count_)), keys(id), given_(given), terms(id) {
    terms.uuid = "uuid-1";
    terms.queue = given.queue;
    terms.holds = given.hold_ms > 0;
    for (const auto& item : given.items) terms.items.push_back(item.item);
    create_reply = create(terms.uuid);
    terms.epoch = create_reply.elements.at(3).text;
  }

  std::vector<std::string> create_arguments(const std::string& uuid) const {
    const bool list = given_.queue == QueueMode::list;
    std::vector<std::string> arguments{list ? "0" : "1", uuid, std::to_string(kFarAway), std::string(kNonce),
                                       given_.state};
    for (const auto number :
         {given_.opens_ms, given_.closes_ms, given_.hold_ms, given_.probe_ms, std::int64_t{0}, given_.buyer_orders_max})
      arguments.push_back(std::to_string(number));
    arguments.insert(arguments.end(), {list ? "list" : "journal", list ? "" : "sink-1"});
    for (const auto& item : given_.items)
      arguments.insert(arguments.end(), {item.item, std::to_string(item.units), std::to_string(item.limit)});
    return arguments;
  }
  std::vector<std::string> create_keys() const { return {keys.meta, keys.buyers, queue_key(), keys.holds, keys.ops}; }
  Reply create(const std::string& uuid) const { return run_lua("create", create_keys(), create_arguments(uuid)); }

  std::vector<std::string> control_arguments(const std::string& act, const std::string& opens = "",
                                             const std::string& closes = "") const {
    return {terms.epoch, terms.uuid, std::to_string(kFarAway), std::string(kNonce), act, opens, closes};
  }
  std::vector<std::string> control_keys() const { return {keys.meta, keys.buyers, queue_key()}; }
  Reply control(const std::string& act, const std::string& opens = "", const std::string& closes = "") const {
    return run_lua("control", control_keys(), control_arguments(act, opens, closes));
  }

  std::vector<std::string> restock_arguments(const std::string& item, const std::string& units,
                                             const std::string& operation) const {
    return {terms.epoch, terms.uuid, std::to_string(kFarAway), std::string(kNonce), item, units, operation};
  }
  std::vector<std::string> restock_keys() const { return {keys.meta, keys.buyers, queue_key(), keys.ops}; }
  Reply restock(const std::string& item, const std::string& units, const std::string& operation) const {
    return run_lua("restock", restock_keys(), restock_arguments(item, units, operation));
  }

  std::vector<std::string> retire_keys() const {
    return {keys.meta, keys.buyers, keys.journal, keys.holds,    keys.winners,
            keys.info, keys.ops,    keys.orders,  keys.consumers};
  }
  Reply retire(const std::string& uuid = "uuid-1", const std::string& database = "") const {
    return run_lua("retire", retire_keys(),
                   {terms.epoch, uuid, std::to_string(kFarAway), std::string(kNonce), database});
  }

  /// The reply to a batch, decoded. Throws where it does not decode.
  core::BatchReply reserve(const std::vector<core::Asked>& asked, std::int64_t not_after = kFarAway) {
    return decode(redis().command(encoder_.reserve(terms, asked, not_after, kNonce).front()), asked.size());
  }
  core::BatchReply move(Verb verb, const std::vector<core::Asked>& asked, std::int64_t not_after = kFarAway) {
    const Reply reply = redis().command(encoder_.move(terms, verb, asked, not_after, kNonce).front());
    return need(core::read_move_reply(no_error(reply), kNonce, asked.size(), terms));
  }
  core::BatchReply look(const std::vector<core::Asked>& asked, std::int64_t not_after = kFarAway) {
    return decode(redis().command(encoder_.look(terms, asked, not_after, kNonce).front()), asked.size());
  }
  std::vector<std::string> expire_keys() const { return {keys.meta, keys.buyers, keys.journal, keys.holds}; }
  std::vector<std::string> head_arguments() const {
    return {terms.epoch, terms.uuid, std::to_string(kFarAway), std::string(kNonce)};
  }
  Reply expire() const { return run_lua("expire", expire_keys(), head_arguments()); }
  /// Pairs: buyer, `<index> <epoch>-<seq>`.
  Reply credit(const std::vector<std::string>& orders) const {
    std::vector<std::string> arguments = head_arguments();
    arguments.insert(arguments.end(), orders.begin(), orders.end());
    return run_lua("credit", {keys.meta, keys.buyers}, arguments);
  }

  /// The arguments that a batch would have, to be spoilt.
  std::vector<std::string> reserve_command(const std::vector<core::Asked>& asked) {
    const Command& command = encoder_.reserve(terms, asked, kFarAway, kNonce).front();
    return {command.begin(), command.end()};
  }
  std::vector<std::string> move_command(Verb verb, const std::vector<core::Asked>& asked) {
    const Command& command = encoder_.move(terms, verb, asked, kFarAway, kNonce).front();
    return {command.begin(), command.end()};
  }

  std::string meta(std::string_view field) const { return redis().command({"HGET", keys.meta, field}).text; }
  void set_meta(std::string_view field, std::string_view value) const {
    redis().command({"HSET", keys.meta, field, value});
  }
  std::string buyer(std::string_view name) const { return redis().command({"HGET", keys.buyers, name}).text; }

  /// Every key of the sale with its content.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> all;
    for (const Reply& key : redis().command({"KEYS", fmt::format("fs:{{{}}}:*", id)}).elements)
      all[key.text] = redis().command({"DUMP", key.text}).text;
    return all;
  }

  /// The newest journal entry's fields.
  std::vector<std::string> newest_entry() const {
    const Reply reply = redis().command({"XREVRANGE", keys.journal, "+", "-", "COUNT", "1"});
    std::vector<std::string> fields{reply.elements.at(0).elements.at(0).text};
    for (const Reply& field : reply.elements[0].elements.at(1).elements) fields.push_back(field.text);
    return fields;
  }

  std::string queue_key() const { return given_.queue == QueueMode::list ? keys.orders : keys.journal; }

  const std::string id;
  const core::Keys keys;

 private:
  core::BatchReply decode(const Reply& reply, std::size_t count) const {
    return need(core::read_batch_reply(no_error(reply), kNonce, count, terms));
  }
  static const Reply& no_error(const Reply& reply) {
    if (reply.type == Reply::Type::error) throw std::runtime_error(reply.text);
    return reply;
  }
  static core::BatchReply need(Result<core::BatchReply> batch) {
    if (!batch) throw std::runtime_error(batch.error().detail);
    return std::move(*batch);
  }

  inline static int count_ = 0;
  const ScriptedTerms given_;
  core::BatchEncoder encoder_;

 public:
  core::SaleTerms terms;
  Reply create_reply;
};

/// One unit of the first item.
inline core::Asked one(std::string_view buyer, std::string_view request, std::string_view item = "phone",
                       std::uint32_t quantity = 1, std::string_view payload = {}) {
  return {buyer, request, item, payload, quantity};
}

}  // namespace flashsale::test
