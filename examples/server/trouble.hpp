/// What goes wrong again and again, told once it has lasted: a single failed look is none of an operator's business.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace server {

/// One thread at a time.
class Trouble {
 public:
  /// How one look went: why it failed, or empty.
  void note(std::string why) {
    if (why.empty())
      since_.reset();
    else if (!since_)
      since_ = std::chrono::steady_clock::now();
    why_ = std::move(why);
  }
  /// Why the last look failed, if every look did for so long; else empty.
  std::string lasting() const {
    return since_ && std::chrono::steady_clock::now() - *since_ >= kLasting ? why_ : std::string{};
  }

 private:
  static constexpr std::chrono::seconds kLasting{3};
  std::optional<std::chrono::steady_clock::time_point> since_;
  std::string why_;
};

}  // namespace server
