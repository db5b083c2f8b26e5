/// One simulated Redis: its data, its history, the scripts it was told. PROTOCOL sections 2, 3 and 10 from the other
/// side.
///
/// A history is the list of what was written, one element a command or script, as replication and the AOF carry it. A
/// replica has a prefix of it; a restart may keep a prefix of it; both then go on under another id.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "simulation/keyspace.hpp"
#include "simulation/lua_host.hpp"

namespace flashsale::simulation {

using Writes = std::vector<Words>;  // what one script or command wrote
using History = std::vector<Writes>;

/// The scripts' texts by SHA1: those of the library, or with a bug planted in one.
using ScriptTexts = std::map<std::string, std::string, std::less<>>;

class Node {
 public:
  Node(LuaHost& lua, const ScriptTexts& scripts, std::string id) : lua_(lua), scripts_(scripts), id_(std::move(id)) {}

  /// Answers one command, by the clock `now_ms`.
  Reply serve(const Words& words, std::int64_t now_ms);

  bool is_primary() const { return is_primary_; }
  /// Scripts that write run on it as a replica too (replica-read-only no); what they write there nobody else hears of.
  void run_scripts_as_replica() { is_writable_ = true; }
  const std::string& id() const { return id_; }
  const Keyspace& data() const { return data_; }
  Keyspace& data() { return data_; }
  std::size_t written() const { return history_.size(); }

  /// Applies up to `count` effects of `primary` that are missing here; takes a full copy if the histories have parted.
  void follow(const Node& primary, std::size_t count);
  void promote(std::string new_id);
  /// Comes back with all but the last `lost` effects, under a new id and without scripts.
  void restart(std::size_t lost, std::string new_id);
  void forget_scripts() { known_.clear(); }
  void flush();
  /// Removes one key as an eviction would.
  void evict(const std::string& key);
  /// What each replica that INFO tells of has acknowledged.
  void see_replicas(std::vector<std::size_t> written) {
    replicas_ = std::move(written);
    had_replicas_ |= !replicas_.empty();
  }
  /// Refuses writes with this error, as for memory or missing replicas; empty: accepts them.
  void refuse_writes(std::string why) { refusal_ = std::move(why); }

 private:
  Reply evaluate(const Words& words, std::int64_t now_ms);
  Reply plain(const Words& words, std::int64_t now_ms, Writes* writes);
  std::string replication() const;
  static void apply(Keyspace& data, const Writes& writes);

  LuaHost& lua_;
  const ScriptTexts& scripts_;
  std::string id_, id_before_ = std::string(40, '0');
  bool is_primary_ = false;
  std::vector<std::size_t> replicas_;
  bool had_replicas_ = false;  // before, a primary counts no offset
  bool is_writable_ = false;
  std::string refusal_;
  Keyspace data_;
  History history_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace flashsale::simulation
