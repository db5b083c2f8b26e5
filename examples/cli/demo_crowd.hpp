/// A made-up crowd: most buyers click once, some retry the same request, a few are scripts, some want too much.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include "pump.hpp"

namespace cli {

/// How large the demo is.
struct DemoSize {
  std::string sale;
  std::size_t attempts = 0, items = 0, buyers = 0;
  std::int64_t units = 0;  ///< of each item
  std::uint64_t seed = 0;
};

/// One attempt, and what it was answered.
struct DemoAttempt {
  std::uint32_t buyer = 0;
  std::uint32_t item = 0;
  std::uint32_t quantity = 1;
  std::uint64_t request = 0;
  std::int32_t code = 0;  ///< an Outcome (> 0), an ErrorCode (< 0), 0: not answered
  flashsale::Effect effect = flashsale::Effect::none;
  flashsale::OrderId order;
};

std::string item_name(std::size_t item);
std::int64_t item_limit(std::size_t item);  ///< units that one buyer may have
std::string buyer_name(std::uint32_t buyer);
std::string request_name(std::uint64_t request);

/// `next`, `again` and `hear` are for the pump's thread, `counts` for any, `attempts` for when the pump is done.
class DemoCrowd : public Crowd {
 public:
  explicit DemoCrowd(DemoSize size);

  bool next(flashsale::Call& call) override;
  flashsale::Call again(std::uint64_t tag) override;
  void hear(const flashsale::Event& event) override;

  struct Counts {
    std::uint64_t attempts = 0;                    ///< answered
    std::map<std::string, std::uint64_t> answers;  ///< by name
  };
  Counts counts() const;

  const std::vector<DemoAttempt>& attempts() const { return attempts_; }
  /// When the last order was won.
  flashsale::Deadline last_won() const { return last_won_; }

 private:
  DemoAttempt make_up();
  std::size_t roll(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }

  const DemoSize size_;
  std::mt19937_64 random_;
  std::vector<DemoAttempt> attempts_;  // its index is the tag
  struct Names {
    std::string buyer, item, request;
  };
  std::vector<Names> names_;  // of each attempt until it was heard
  flashsale::Deadline last_won_{};
  mutable std::mutex mutex_;
  Counts counts_;  // guarded by mutex_
};

}  // namespace cli
