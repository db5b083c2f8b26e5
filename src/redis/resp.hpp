/// RESP2: commands to bytes, bytes to replies. No I/O; one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "flashsale/connection.hpp"

struct redisReader;

namespace flashsale::redis {

// Bounds on one reply. Whoever exceeds them is not a Redis that we talk to, and must not be able to fill our memory.
inline constexpr int kReplyDepthMax = 8;                      ///< arrays within arrays; each hiredis has another
inline constexpr std::size_t kReplyBytesMax = 64u << 20;      ///< of a whole reply, as it travels
inline constexpr std::size_t kReplyElementsMax = 1u << 20;    ///< in all of its arrays together
inline constexpr std::size_t kReplyTextBytesMax = 16u << 20;  ///< of one bulk string
inline constexpr std::size_t kReplyLineBytesMax = 64u << 10;  ///< of one simple string, error or number

/// Appends `command` to `bytes`.
void encode(const Command& command, std::string& bytes);

/// Turns bytes, in pieces of any size, into replies. After `nonsense` it is of no more use.
class ReplyDecoder {
 public:
  enum class Step { reply, more, nonsense };

  ReplyDecoder();
  ~ReplyDecoder();
  ReplyDecoder(const ReplyDecoder&) = delete;
  ReplyDecoder& operator=(const ReplyDecoder&) = delete;

  void feed(const char* bytes, std::size_t size);

  /// The next whole reply, if it is there.
  Step next(Reply& reply);

  /// True if everything fed has been handed out as replies.
  bool is_empty() const;

  /// What was wrong, after `nonsense`; no bytes of the reply.
  const std::string& complaint() const { return complaint_; }

 private:
  struct Builder;
  struct FreeReader {
    void operator()(redisReader* reader) const;
  };
  Step nonsense(std::string_view why);
  std::string_view excess() const;

  std::unique_ptr<Builder> builder_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  std::size_t bytes_ = 0;  ///< fed since the last whole reply
  std::string complaint_;
};

}  // namespace flashsale::redis
