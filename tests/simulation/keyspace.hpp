/// The part of Redis' data and commands that the library uses, in memory, for the simulator. The same commands run
/// against the real server in differential_test.cpp, and the replies must be equal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flashsale/connection.hpp"

namespace flashsale::simulation {

using Words = std::vector<std::string>;
using StreamId = std::pair<std::uint64_t, std::uint64_t>;

struct Stream {
  std::vector<std::pair<StreamId, Words>> entries;
  StreamId last{0, 0};
};
using Hash = std::map<std::string, std::string>;
using SortedSet = std::map<std::string, double>;
using List = std::deque<std::string>;
using Value = std::variant<std::string, Hash, Stream, SortedSet, List>;

Reply nil();
Reply integer(std::int64_t number);
Reply text(std::string words);
Reply error(std::string words);
Reply array(std::vector<Reply> elements);

class Keyspace {
 public:
  /// Runs one data command. Unknown ones, and a wrong type, are errors, as in Redis.
  Reply run(const Words& words);
  static bool knows(std::string_view command);
  static bool writes(std::string_view command);
  /// The next XADD to a journal that is there refuses with an error: what a script in mid-sale must survive.
  void refuse_next_xadd(bool refuse = true) { refuse_xadd_ = refuse; }

  bool operator==(const Keyspace& other) const;
  const std::map<std::string, Value>& values() const { return values_; }
  void clear() { values_.clear(); }
  void erase(const std::string& key) { values_.erase(key); }

 private:
  template <class T>
  T* find(const std::string& key);
  template <class T>
  T& make(const std::string& key);
  void drop_empty(const std::string& key);

  Reply hash(const std::string& command, const Words& words);
  Reply stream(const std::string& command, const Words& words);
  Reply xadd(const Words& words);
  Reply sorted_set(const std::string& command, const Words& words);
  Reply list(const std::string& command, const Words& words);
  Reply any(const std::string& command, const Words& words);

  std::map<std::string, Value> values_;
  bool refuse_xadd_ = false;
};

}  // namespace flashsale::simulation
