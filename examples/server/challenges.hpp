/// The hook for a captcha or another challenge: a guest's request is held, without a thread, until the hook's verdict.
///
///   ask --hook called--> held --verdict(true)----> 201, a token
///                          |----verdict(false)---> 401
///                          |----no verdict in time, or too many wait---> 503, 429
///                          +----the server ends--> 500 closed
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "http.hpp"

namespace server {

/// What a guest said.
struct Challenge {
  std::string address;  ///< who asks, as the server believes it
  std::string sale;     ///< where the guest wants to buy
  std::string answer;   ///< what the page found; 2,048 bytes at most
};

/// Called once, from any thread, now or later; true: the answer is right. Copyable. Further calls, those that come too
/// late, and those after the server's end do nothing.
using Verdict = std::function<void(bool)>;

/// Judges an answer. It runs on the server's threads, so it begins (hands the answer to an HTTP client's loop, or to a
/// pool of its own) and returns; the verdict may come whenever it is known, within ChallengeOptions::within. What it
/// throws is a plain 500.
using ChallengeHook = std::function<void(const Challenge&, Verdict)>;

struct ChallengeOptions {
  ChallengeHook hook{};                     ///< none: nobody is asked
  std::chrono::milliseconds within{5'000};  ///< who has no verdict by then hears 503 and may try again
  std::size_t waiting_max = 10'000;         ///< guests without a verdict; one more hears 429
};

/// Thread-safe.
class Challenges {
 public:
  /// `pass` makes the answer of who passed; quick, called on the verdict's thread.
  using Pass = std::function<Response(const std::string& sale)>;

  Challenges(ChallengeOptions options, Pass pass);
  ~Challenges() { close(); }

  /// Answers the exchange, or holds it until its verdict.
  void ask(Exchange& exchange, Challenge challenge);
  /// Answers whoever waits.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Exchange* exchange = nullptr;
    std::string sale;
    Clock::time_point until;
  };
  /// What a verdict that outlives the server must still find.
  struct Desk {
    std::mutex mutex;
    std::condition_variable wake;
    std::map<std::uint64_t, Waiting> waiting;  // guarded by mutex: the oldest first
    std::uint64_t last = 0;                    // guarded by mutex
    bool closing = false;                      // guarded by mutex
    Pass pass;
    /// Answers one who still waits, under the lock, so that nobody is answered after `close`.
    void answer(std::uint64_t number, const std::function<Response(const std::string& sale)>& with);
  };
  void expire();

  ChallengeOptions options_;
  std::shared_ptr<Desk> desk_ = std::make_shared<Desk>();
  std::thread thread_;
};

}  // namespace server
