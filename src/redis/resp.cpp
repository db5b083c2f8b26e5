#include "redis/resp.hpp"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>

namespace flashsale::redis {
namespace {

// Room that hiredis may keep between replies; with its default of 16 KiB it would allocate anew for every batch.
constexpr std::size_t kKeptBytes = 1u << 20;
// "-9223372036854775808" and to spare.
constexpr std::size_t kLengthBytesMax = 32;

void append_length(char kind, std::size_t length, std::string& bytes) {
  char digits[24];
  char* end = std::to_chars(digits, digits + sizeof(digits), length).ptr;
  *end++ = '\r';
  *end++ = '\n';
  bytes.push_back(kind);
  bytes.append(digits, end);
}

// The value that hiredis waits for. Its stack of them was an array until 0.14, and is one of pointers since 1.0, which
// also brought the types of RESP3.
const redisReadTask& current_task(const redisReader& reader) {
#ifdef REDIS_REPLY_DOUBLE
  return *reader.task[reader.ridx];
#else
  return reader.rstack[reader.ridx];
#endif
}

// We never ask for RESP3 (HELLO 3), so whoever speaks it is not who we think it is. hiredis 0.14 knew none of its
// types, newer ones build them: what is accepted must not depend on the version that we were built with.
bool is_resp2(int type) {
  return type == REDIS_REPLY_STRING || type == REDIS_REPLY_ARRAY || type == REDIS_REPLY_INTEGER ||
         type == REDIS_REPLY_STATUS || type == REDIS_REPLY_ERROR;
}

// hiredis 0.14 refuses arrays that are too deep, 1.0 to 1.3 none, and later ones at another depth.
int depth_of(const redisReadTask* task) {
  int depth = 0;
  for (; task->parent != nullptr; task = task->parent) ++depth;
  return depth;
}

constexpr const char* kOtherProtocol = "a type that RESP2 does not have";

}  // namespace

// redisFormatCommandArgv would allocate a buffer for each command and want two more arrays of pointers and lengths; a
// batch has thousands of arguments, and the format is three lines. So hiredis only decodes, where its care counts.
void encode(const Command& command, std::string& bytes) {
  append_length('*', command.size(), bytes);
  for (const std::string_view argument : command) {
    append_length('$', argument.size(), bytes);
    bytes.append(argument);
    bytes.append("\r\n", 2);
  }
}

/// Builds `Reply` directly, as hiredis calls. An element's address is stable while its children come, because only
/// the innermost array grows.
struct ReplyDecoder::Builder {
  Reply root;
  std::size_t elements = 0;
  const char* refusal = nullptr;

  static Builder& of(const redisReadTask* task) { return *static_cast<Builder*>(task->privdata); }

  /// Runs `fill` on the place of `task`'s value. No exception may pass through hiredis' C frames, and a null answer
  /// is how it is told that memory ran out.
  template <class Fill>
  static void* place(const redisReadTask* task, Reply::Type type, Fill fill) {
    try {
      if (!is_resp2(task->type)) return of(task).refuse(kOtherProtocol);
      if (task->type == REDIS_REPLY_ARRAY && depth_of(task) >= kReplyDepthMax) {
        return of(task).refuse("arrays are too deep in one another");
      }
      auto* parent = task->parent == nullptr ? nullptr : static_cast<Reply*>(task->parent->obj);
      Reply& reply = parent == nullptr ? of(task).root : parent->elements.emplace_back();
      reply.type = type;
      const char* why = fill(reply);
      return why == nullptr ? &reply : of(task).refuse(why);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void* create_string(const redisReadTask* task, char* bytes, std::size_t size) {
    const auto type = task->type == REDIS_REPLY_ERROR ? Reply::Type::error : Reply::Type::text;
    return place(task, type, [&](Reply& reply) -> const char* {
      if (size > kReplyTextBytesMax) return "a string is too long";
      const std::string_view text(bytes, size);
      // hiredis refuses it since 1.0.
      const bool is_line = task->type != REDIS_REPLY_STRING;
      if (is_line && text.find_first_of("\r\n") != std::string_view::npos) return "a line ends within a simple string";
      reply.text.assign(text);
      return nullptr;
    });
  }
  /// `Count` is int until 0.14, and size_t since.
  template <class Count>
  static void* create_array(const redisReadTask* task, Count count) {
    return place(task, Reply::Type::array, [&](Reply& reply) -> const char* {
      const auto wanted = static_cast<std::size_t>(count);
      Builder& builder = of(task);
      if (wanted > kReplyElementsMax - builder.elements) return "an array is too long";
      builder.elements += wanted;
      // A length is only a claim: a few bytes must not reserve memory for a million elements that never come.
      reply.elements.reserve(std::min<std::size_t>(wanted, 1024));
      return nullptr;
    });
  }
  static void* create_integer(const redisReadTask* task, long long value) {
    return place(task, Reply::Type::integer, [&](Reply& reply) -> const char* {
      reply.integer = value;
      return nullptr;
    });
  }
  static void* create_nil(const redisReadTask* task) {
    return place(task, Reply::Type::nil, [](Reply&) -> const char* { return nullptr; });
  }
#ifdef REDIS_REPLY_DOUBLE
  // Without these hiredis would take the value for built.
  static void* create_double(const redisReadTask* task, double, char*, std::size_t) {
    return of(task).refuse(kOtherProtocol);
  }
  static void* create_bool(const redisReadTask* task, int) { return of(task).refuse(kOtherProtocol); }
#endif
  static void free_object(void*) {}  // the builder owns the root, the root all else

  static redisReplyObjectFunctions functions() {
    redisReplyObjectFunctions table{};
    table.createString = create_string;
    table.createArray = create_array;
    table.createInteger = create_integer;
    table.createNil = create_nil;
#ifdef REDIS_REPLY_DOUBLE
    table.createDouble = create_double;
    table.createBool = create_bool;
#endif
    table.freeObject = free_object;
    return table;
  }

  /// Always null, which makes hiredis stop.
  void* refuse(const char* why) {
    refusal = why;
    return nullptr;
  }
};

ReplyDecoder::ReplyDecoder() : builder_(std::make_unique<Builder>()) {
  // hiredis asks for a pointer to non-const, and never writes through it.
  static redisReplyObjectFunctions functions = Builder::functions();
  reader_.reset(redisReaderCreateWithFunctions(&functions));
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = builder_.get();
  reader_->maxbuf = kKeptBytes;
}

ReplyDecoder::~ReplyDecoder() = default;

void ReplyDecoder::FreeReader::operator()(redisReader* reader) const { redisReaderFree(reader); }

void ReplyDecoder::feed(const char* bytes, std::size_t size) {
  // A failure stays in the reader and is what `next` then finds.
  redisReaderFeed(reader_.get(), bytes, size);
  bytes_ += size;
}

ReplyDecoder::Step ReplyDecoder::next(Reply& reply) {
  if (!complaint_.empty()) return Step::nonsense;
  void* done = nullptr;
  if (redisReaderGetReply(reader_.get(), &done) != REDIS_OK) {
    return nonsense(builder_->refusal != nullptr ? builder_->refusal : reader_->errstr);
  }
  if (done == nullptr) {
    const auto why = excess();
    return why.empty() ? Step::more : nonsense(why);
  }
  const std::size_t left = reader_->len - reader_->pos;
  if (bytes_ - left > kReplyBytesMax) return nonsense("a reply is too long");
  bytes_ = left;
  reply = std::exchange(builder_->root, Reply{});
  builder_->elements = 0;
  return Step::reply;
}

// hiredis waits for the whole of a string before it shows it, and scans an endless line from its start again and
// again. So what is already known to be too long is looked for here, before it has come.
std::string_view ReplyDecoder::excess() const {
  if (bytes_ > kReplyBytesMax) return "a reply is too long";
  if (reader_->ridx < 0) return {};
  const std::string_view unread(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  const int type = current_task(*reader_).type;
  if (type >= 0 && !is_resp2(type)) return kOtherProtocol;
  if (type != REDIS_REPLY_STRING) return unread.size() > kReplyLineBytesMax ? "a line is too long" : "";
  const auto end = unread.substr(0, kLengthBytesMax).find("\r\n");
  if (end == std::string_view::npos) return unread.size() >= kLengthBytesMax ? "a length is too long" : "";
  std::size_t length = 0;
  std::from_chars(unread.data(), unread.data() + end, length);
  return length > kReplyTextBytesMax ? "a string is too long" : "";
}

bool ReplyDecoder::is_empty() const {
  const bool between = reader_->ridx < 0 || (reader_->ridx == 0 && current_task(*reader_).type < 0);
  return between && reader_->pos == reader_->len;
}

ReplyDecoder::Step ReplyDecoder::nonsense(std::string_view why) {
  // A TLS alert begins with byte 21: it is the answer of a port that expected a handshake.
  if (why.find("got \"\\x15\"") != std::string_view::npos) why = "it speaks TLS; the URL's scheme must be rediss";
  complaint_ = why.empty() ? "no reason given" : why;
  return Step::nonsense;
}

}  // namespace flashsale::redis
