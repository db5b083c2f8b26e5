#include "simulation/node.hpp"

#include <algorithm>

#include "core/scripts.hpp"

namespace flashsale::simulation {
namespace {

constexpr char kReadOnly[] = "READONLY You can't write against a read only replica.";

}  // namespace

void Node::apply(Keyspace& data, const Writes& writes) {
  data.refuse_next_xadd(false);  // what has been written is refused nowhere
  for (const Words& words : writes) words[0] == "FLUSHALL" ? data.clear() : static_cast<void>(data.run(words));
}

std::string Node::replication() const {
  std::string lines;
  for (std::size_t i = 0; i < replicas_.size(); ++i)
    lines += "\r\nslave" + std::to_string(i) +
             ":ip=10.0.0.1,port=6379,state=online,offset=" + std::to_string(replicas_[i]) + ",lag=0";
  return std::string("# Replication\r\nrole:") + (is_primary_ ? "master" : "slave") +
         "\r\nconnected_slaves:" + std::to_string(replicas_.size()) + lines +
         "\r\nmaster_failover_state:no-failover\r\nmaster_replid:" + id_ + "\r\nmaster_replid2:" + id_before_ +
         "\r\nmaster_repl_offset:" + std::to_string(had_replicas_ ? history_.size() : 0) + "\r\n";
}

Reply Node::plain(const Words& words, std::int64_t now_ms, Writes* writes) {
  if (words[0] == "TIME")
    return array({text(std::to_string(now_ms / 1000)), text(std::to_string(now_ms % 1000 * 1000))});
  if (words[0] == "INFO") return text(replication());
  Reply reply = data_.run(words);
  if (writes != nullptr && Keyspace::writes(words[0]) && reply.type != Reply::Type::error) writes->push_back(words);
  return reply;
}

Reply Node::evaluate(const Words& words, std::int64_t now_ms) {
  const auto script = scripts_.find(words.at(1));
  if (known_.count(words[1]) == 0 || script == scripts_.end())
    return error("NOSCRIPT No matching script. Please use EVAL.");
  const std::string& source = script->second;
  const std::string first = source.substr(0, source.find('\n'));
  const bool may_write = first.find("no-writes") == std::string::npos;
  // One without `#!lua` is refused nowhere as a whole: only what it writes is.
  const bool is_judged_whole = first.substr(0, 2) == "#!";
  if (is_judged_whole && may_write && !is_primary_ && !is_writable_) return error(kReadOnly);
  if (is_judged_whole && may_write && !refusal_.empty()) return error(refusal_);
  const auto key_count = static_cast<std::ptrdiff_t>(std::stoul(words.at(2)));
  const Words keys(words.begin() + 3, words.begin() + 3 + key_count);
  const Words arguments(words.begin() + 3 + key_count, words.end());
  Writes writes;
  Reply reply = lua_.run(source, keys, arguments, [&](const Words& command) {
    if (!may_write && Keyspace::writes(command[0]))
      return error("ERR Write commands are not allowed from read-only scripts.");
    if (Keyspace::writes(command[0]) && !is_primary_ && !is_writable_) return error(kReadOnly);
    if (Keyspace::writes(command[0]) && !refusal_.empty()) return error(refusal_);
    return plain(command, now_ms, &writes);
  });
  if (!writes.empty() && is_primary_) history_.push_back(std::move(writes));
  return reply;
}

Reply Node::serve(const Words& words, std::int64_t now_ms) {
  if (words[0] == "EVALSHA") return evaluate(words, now_ms);
  if (words[0] == "SCRIPT" && words.at(1) == "EXISTS") {
    std::vector<Reply> there;
    for (std::size_t i = 2; i < words.size(); ++i) there.push_back(integer(known_.count(words[i]) > 0 ? 1 : 0));
    return array(std::move(there));
  }
  if (words[0] == "SCRIPT") {  // LOAD: the real text names the script, also where a bug is planted in it
    const core::ScriptTable scripts = core::embedded_scripts();
    for (const core::Script& script : scripts)
      if (script.text == words.at(2)) {
        known_.insert(std::string(script.sha1));
        return text(std::string(script.sha1));
      }
    return error("ERR the simulator knows the library's scripts only");
  }
  if (words[0] == "PING") return text("PONG");
  if (words[0] == "ECHO") return text(words.at(1));
  if (words[0] == "ROLE") return array({text(is_primary_ ? "master" : "slave")});
  if (Keyspace::writes(words[0])) {
    if (!is_primary_) return error(kReadOnly);
    if (!refusal_.empty()) return error(refusal_);
  }
  Writes writes;
  Reply reply = plain(words, now_ms, &writes);
  if (!writes.empty()) history_.push_back(std::move(writes));
  return reply;
}

void Node::follow(const Node& primary, std::size_t count) {
  const bool is_prefix = id_ == primary.id_ && history_.size() <= primary.history_.size();
  is_primary_ = false;
  if (!is_prefix) {
    id_ = primary.id_;
    id_before_ = primary.id_before_;
    data_ = primary.data_;
    history_ = primary.history_;
    return;
  }
  const std::size_t until = std::min(history_.size() + count, primary.history_.size());
  while (history_.size() < until) {
    history_.push_back(primary.history_[history_.size()]);
    apply(data_, history_.back());
  }
}

void Node::promote(std::string new_id) {
  id_before_ = std::exchange(id_, std::move(new_id));
  is_primary_ = true;
}

void Node::restart(std::size_t lost, std::string new_id) {
  history_.resize(history_.size() - std::min(lost, history_.size()));
  data_.clear();
  for (const Writes& writes : history_) apply(data_, writes);
  id_ = std::move(new_id);
  id_before_ = std::string(40, '0');
  had_replicas_ = false;
  forget_scripts();
}

void Node::flush() {
  data_.clear();
  history_.push_back({{"FLUSHALL"}});
}

void Node::evict(const std::string& key) {
  data_.erase(key);
  history_.push_back({{"UNLINK", key}});
}

}  // namespace flashsale::simulation
