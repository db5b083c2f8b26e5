#include "simulation/keyspace.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <stdexcept>

#include "core/numbers.hpp"

namespace flashsale::simulation {
namespace {

constexpr const char* kWrongType = "WRONGTYPE Operation against a key holding the wrong kind of value";

struct WrongType {};

StreamId stream_id(const std::string& word, bool is_end) {
  if (word == "-") return {0, 0};
  if (word == "+") return {UINT64_MAX, UINT64_MAX};
  const auto dash = word.find('-');
  const std::uint64_t first = std::strtoull(word.c_str(), nullptr, 10);
  if (dash == std::string::npos) return {first, is_end ? UINT64_MAX : 0};
  return {first, std::strtoull(word.c_str() + dash + 1, nullptr, 10)};
}

std::string to_text(StreamId id) { return std::to_string(id.first) + "-" + std::to_string(id.second); }

Reply entry_reply(const std::pair<StreamId, Words>& entry) {
  std::vector<Reply> fields;
  for (const std::string& word : entry.second) fields.push_back(text(word));
  return array({text(to_text(entry.first)), array(std::move(fields))});
}

double score_of(const std::string& word, bool& exclusive) {
  exclusive = !word.empty() && word[0] == '(';
  const std::string number = exclusive ? word.substr(1) : word;
  if (number == "-inf") return -1e300;
  if (number == "+inf" || number == "inf") return 1e300;
  return std::strtod(number.c_str(), nullptr);
}

std::string score_text(double score) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.17g", score);
  return buffer;
}

using Ranked = std::vector<std::pair<double, std::string>>;
Ranked ranked(const SortedSet& set) {
  Ranked members;
  for (const auto& [member, score] : set) members.emplace_back(score, member);
  std::sort(members.begin(), members.end());
  return members;
}

const std::map<std::string, char, std::less<>>& table() {
  static const std::map<std::string, char, std::less<>> commands{
      {"HGET", 'h'},   {"HMGET", 'h'},  {"HGETALL", 'h'}, {"HLEN", 'h'},          {"HSET", 'H'},   {"HDEL", 'H'},
      {"XRANGE", 's'}, {"XLEN", 's'},   {"XADD", 'S'},    {"XTRIM", 'S'},         {"ZADD", 'Z'},   {"ZREM", 'Z'},
      {"ZCARD", 'z'},  {"ZSCORE", 'z'}, {"ZRANGE", 'z'},  {"ZRANGEBYSCORE", 'z'}, {"LPUSH", 'L'},  {"LLEN", 'l'},
      {"LMOVE", 'L'},  {"LRANGE", 'l'}, {"LREM", 'L'},    {"EXISTS", 'a'},        {"UNLINK", 'A'}, {"DEL", 'A'},
      {"GET", 'a'},    {"SET", 'A'},    {"STRLEN", 'a'},  {"XREVRANGE", 's'},     {"RPUSH", 'L'}};
  return commands;
}

}  // namespace

Reply nil() { return {}; }
Reply integer(std::int64_t number) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = number;
  return reply;
}
Reply text(std::string words) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = std::move(words);
  return reply;
}
Reply error(std::string words) {
  Reply reply;
  reply.type = Reply::Type::error;
  reply.text = std::move(words);
  return reply;
}
Reply array(std::vector<Reply> elements) {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = std::move(elements);
  return reply;
}

template <class T>
T* Keyspace::find(const std::string& key) {
  const auto at = values_.find(key);
  if (at == values_.end()) return nullptr;
  T* value = std::get_if<T>(&at->second);
  if (value == nullptr) throw WrongType{};
  return value;
}

template <class T>
T& Keyspace::make(const std::string& key) {
  if (T* value = find<T>(key)) return *value;
  return std::get<T>(values_.emplace(key, T{}).first->second);
}

bool Keyspace::knows(std::string_view command) { return table().count(command) > 0; }
bool Keyspace::writes(std::string_view command) {
  const auto at = table().find(command);
  return at != table().end() && at->second >= 'A' && at->second <= 'Z';
}

Reply Keyspace::run(const Words& words) {
  const auto at = table().find(words.at(0));
  if (at == table().end()) return error("ERR unknown command '" + words[0] + "'");
  if (words.size() < 2) return error("ERR wrong number of arguments for '" + words[0] + "' command");
  try {
    switch (at->second) {
      case 'h':
      case 'H':
        return hash(at->first, words);
      case 's':
      case 'S':
        return stream(at->first, words);
      case 'z':
      case 'Z':
        return sorted_set(at->first, words);
      case 'l':
      case 'L':
        return list(at->first, words);
      default:
        return any(at->first, words);
    }
  } catch (const WrongType&) {
    return error(kWrongType);
  }
}

Reply Keyspace::hash(const std::string& command, const Words& words) {
  if (command == "HSET") {
    if (words.size() < 4 || words.size() % 2 != 0) return error("ERR wrong number of arguments for 'hset' command");
    Hash& hash = make<Hash>(words[1]);
    std::int64_t added = 0;
    for (std::size_t i = 2; i < words.size(); i += 2) {
      added += hash.count(words[i]) == 0;
      hash[words[i]] = words[i + 1];
    }
    return integer(added);
  }
  Hash* hash = find<Hash>(words[1]);
  const auto value = [&](const std::string& field) {
    if (hash == nullptr) return nil();
    const auto at = hash->find(field);
    return at == hash->end() ? nil() : text(at->second);
  };
  if (command == "HGET") return value(words.at(2));
  if (command == "HMGET") {
    std::vector<Reply> replies;
    for (std::size_t i = 2; i < words.size(); ++i) replies.push_back(value(words[i]));
    return array(std::move(replies));
  }
  if (command == "HLEN") return integer(hash == nullptr ? 0 : static_cast<std::int64_t>(hash->size()));
  if (command == "HGETALL") {
    std::vector<Reply> replies;
    if (hash != nullptr)
      for (const auto& [field, held] : *hash) {
        replies.push_back(text(field));
        replies.push_back(text(held));
      }
    return array(std::move(replies));
  }
  std::int64_t removed = 0;  // HDEL
  if (hash != nullptr) {
    for (std::size_t i = 2; i < words.size(); ++i) removed += static_cast<std::int64_t>(hash->erase(words[i]));
    if (hash->empty()) values_.erase(words[1]);
  }
  return integer(removed);
}

Reply Keyspace::xadd(const Words& words) {
  std::size_t at = 2;
  const bool makes = words.at(at) != "NOMKSTREAM";
  if (!makes) ++at;
  if (!makes && refuse_xadd_) {
    refuse_xadd_ = false;
    return error("ERR The ID specified in XADD is refused by the simulation");
  }
  if (!makes && find<Stream>(words[1]) == nullptr) return nil();
  const StreamId id = stream_id(words.at(at), false);
  Stream& stream = make<Stream>(words[1]);
  if (id == StreamId{0, 0}) return error("ERR The ID specified in XADD must be greater than 0-0");
  if (id <= stream.last)
    return error("ERR The ID specified in XADD is equal or smaller than the target stream top item");
  stream.entries.emplace_back(id, Words(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end()));
  stream.last = id;
  return text(to_text(id));
}

Reply Keyspace::stream(const std::string& command, const Words& words) {
  if (command == "XADD") return xadd(words);
  Stream* stream = find<Stream>(words[1]);
  if (command == "XLEN") return integer(stream == nullptr ? 0 : static_cast<std::int64_t>(stream->entries.size()));
  if (command == "XTRIM") {  // MINID id
    if (stream == nullptr) return integer(0);
    const StreamId least = stream_id(words.at(3), false);
    auto& entries = stream->entries;
    const auto kept =
        std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first >= least; });
    const auto removed = kept - entries.begin();
    entries.erase(entries.begin(), kept);
    return integer(removed);
  }
  std::vector<Reply> replies;
  if (stream == nullptr) return array({});
  const bool is_reverse = command == "XREVRANGE";
  std::string low = words.at(is_reverse ? 3 : 2);
  const bool exclusive = !low.empty() && low[0] == '(';
  if (exclusive) low.erase(0, 1);
  const StreamId from = stream_id(low, false), to = stream_id(words.at(is_reverse ? 2 : 3), true);
  const std::size_t most = words.size() > 5 ? std::strtoull(words[5].c_str(), nullptr, 10) : SIZE_MAX;
  const auto take = [&](const auto& entry) {
    if (replies.size() < most && entry.first >= from && entry.first <= to && !(exclusive && entry.first == from))
      replies.push_back(entry_reply(entry));
  };
  if (is_reverse)
    std::for_each(stream->entries.rbegin(), stream->entries.rend(), take);
  else
    std::for_each(stream->entries.begin(), stream->entries.end(), take);
  return array(std::move(replies));
}

Reply Keyspace::sorted_set(const std::string& command, const Words& words) {
  if (command == "ZADD") {
    SortedSet& set = make<SortedSet>(words[1]);
    std::int64_t added = 0;
    const bool only_lower = words.at(2) == "LT";
    for (std::size_t i = only_lower ? 3 : 2; i + 1 < words.size(); i += 2) {
      const double score = std::strtod(words[i].c_str(), nullptr);
      const auto [member, is_new] = set.emplace(words[i + 1], score);
      added += is_new;
      if (!only_lower || score < member->second) member->second = score;
    }
    return integer(added);
  }
  SortedSet* set = find<SortedSet>(words[1]);
  if (command == "ZCARD") return integer(set == nullptr ? 0 : static_cast<std::int64_t>(set->size()));
  if (command == "ZSCORE") {
    if (set == nullptr || set->count(words.at(2)) == 0) return nil();
    return text(score_text(set->at(words[2])));
  }
  if (command == "ZREM") {
    std::int64_t removed = 0;
    if (set == nullptr) return integer(0);
    for (std::size_t i = 2; i < words.size(); ++i) removed += static_cast<std::int64_t>(set->erase(words[i]));
    if (set->empty()) values_.erase(words[1]);
    return integer(removed);
  }
  std::vector<Reply> replies;
  if (set == nullptr) return array({});
  const bool by_score =
      command == "ZRANGEBYSCORE" || std::find(words.begin() + 4, words.end(), "BYSCORE") != words.end();
  const auto has = [&](const char* word) { return std::find(words.begin() + 4, words.end(), word); };
  const bool with_scores = has("WITHSCORES") != words.end();
  const auto limit = has("LIMIT");
  std::size_t offset = limit == words.end() ? 0 : std::strtoull((limit + 1)->c_str(), nullptr, 10);
  const std::size_t most = limit == words.end() ? SIZE_MAX : std::strtoull((limit + 2)->c_str(), nullptr, 10);
  bool low_open = false, high_open = false;
  const double low = score_of(words.at(2), low_open), high = score_of(words.at(3), high_open);
  const Ranked members = ranked(*set);
  const auto count = static_cast<double>(members.size());
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    const auto& [score, member] = members[rank];
    const double at = by_score ? score : static_cast<double>(rank);
    const double from = by_score || low >= 0 ? low : low + count, to = by_score || high >= 0 ? high : high + count;
    if (at < from || at > to || (low_open && at == from) || (high_open && at == to)) continue;
    if (replies.size() / (with_scores ? 2 : 1) >= most) break;
    if (offset > 0) {
      --offset;
      continue;
    }
    replies.push_back(text(member));
    if (with_scores) replies.push_back(text(score_text(score)));
  }
  return array(std::move(replies));
}

Reply Keyspace::list(const std::string& command, const Words& words) {
  if (command == "LPUSH" || command == "RPUSH") {
    List& list = make<List>(words[1]);
    for (std::size_t i = 2; i < words.size(); ++i)
      command == "LPUSH" ? list.push_front(words[i]) : list.push_back(words[i]);
    return integer(static_cast<std::int64_t>(list.size()));
  }
  List* list = find<List>(words[1]);
  if (command == "LLEN") return integer(list == nullptr ? 0 : static_cast<std::int64_t>(list->size()));
  if (command == "LMOVE") {
    if (list == nullptr) return nil();
    const bool from_left = words.at(3) == "LEFT", to_left = words.at(4) == "LEFT";
    const std::string moved = from_left ? list->front() : list->back();
    from_left ? list->pop_front() : list->pop_back();
    if (list->empty()) values_.erase(words[1]);
    List& target = make<List>(words[2]);
    to_left ? target.push_front(moved) : target.push_back(moved);
    return text(moved);
  }
  if (command == "LREM") {
    if (list == nullptr) return integer(0);
    const auto at = std::find(list->begin(), list->end(), words.at(3));
    if (at == list->end()) return integer(0);
    list->erase(at);
    if (list->empty()) values_.erase(words[1]);
    return integer(1);
  }
  std::vector<Reply> replies;  // LRANGE 0 -1
  if (list != nullptr)
    for (const std::string& element : *list) replies.push_back(text(element));
  return array(std::move(replies));
}

Reply Keyspace::any(const std::string& command, const Words& words) {
  if (command == "SET") {
    values_[words[1]] = words.at(2);
    return text("OK");
  }
  if (command == "GET" || command == "STRLEN") {
    const std::string* value = find<std::string>(words[1]);
    if (command == "STRLEN") return integer(value == nullptr ? 0 : static_cast<std::int64_t>(value->size()));
    return value == nullptr ? nil() : text(*value);
  }
  std::int64_t count = 0;
  for (std::size_t i = 1; i < words.size(); ++i)
    count += static_cast<std::int64_t>(command == "EXISTS" ? values_.count(words[i]) : values_.erase(words[i]));
  return integer(count);
}

bool Keyspace::operator==(const Keyspace& other) const {
  if (values_.size() != other.values_.size()) return false;
  return std::equal(values_.begin(), values_.end(), other.values_.begin(), [](const auto& a, const auto& b) {
    if (a.first != b.first || a.second.index() != b.second.index()) return false;
    if (const Stream* stream = std::get_if<Stream>(&a.second))
      return stream->entries == std::get<Stream>(b.second).entries && stream->last == std::get<Stream>(b.second).last;
    if (const Hash* hash = std::get_if<Hash>(&a.second)) return *hash == std::get<Hash>(b.second);
    if (const SortedSet* set = std::get_if<SortedSet>(&a.second)) return *set == std::get<SortedSet>(b.second);
    if (const List* list = std::get_if<List>(&a.second)) return *list == std::get<List>(b.second);
    return std::get<std::string>(a.second) == std::get<std::string>(b.second);
  });
}

}  // namespace flashsale::simulation
