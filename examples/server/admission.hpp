/// Who may reach Redis: judged by the address, the purchase token and the buyer, in this order, in this process alone.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "buckets.hpp"
#include "challenges.hpp"
#include "http.hpp"
#include "tokens.hpp"

namespace server {

struct AdmissionOptions {
  double address_per_second = 0;  ///< of writes from one address (IPv6: one /64); 0: no limit
  double address_burst = 20;
  double buyer_per_second = 0;  ///< of writes of one buyer; 0: no limit
  double buyer_burst = 10;
  std::string keys_path{};        ///< of purchase tokens; empty: buyers are believed
  bool guests = false;            ///< give tokens to whoever asks (and passes the challenge)
  std::int64_t guest_s = 86'400;  ///< how long such a token is good
  /// A captcha or another challenge, judged before a guest gets a token: set its hook in main.cpp.
  ChallengeOptions challenge{};
};

/// Thread-safe. Its checks throw Refused.
class Admission {
 public:
  explicit Admission(AdmissionOptions options);

  /// Reads the keys again; on an error the old ones stay and it throws.
  void read_keys();

  /// 429 for an address that acts too often.
  void check_address(const Exchange& exchange);
  /// Who buys: the token's buyer, or `told` where there is no admission. 401 for a bad token or another `told`, 400 for
  /// nobody, 429 for a buyer that acts too often.
  std::string buyer(const Exchange& exchange, std::string_view sale, std::string_view told, bool writes);
  /// Answers with a token for a guest, as JSON; with a challenge, once that is judged.
  void give_token(Exchange& exchange, std::string_view sale);
  /// Answers the guests whose challenge is being judged.
  void close() { challenges_.close(); }

 private:
  std::shared_ptr<const Tokens> tokens() const;
  Response guest_token(const std::string& sale) const;

  AdmissionOptions options_;
  Buckets addresses_, buyers_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;  // guarded by mutex_
  Challenges challenges_;                 // ends before what its answers need
};

}  // namespace server
