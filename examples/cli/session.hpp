/// What every verb shares: where Redis and the database are, and how to end.
#pragma once

#include <exception>
#include <flashsale/flashsale.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace cli {

using Json = nlohmann::ordered_json;

/// The program's exit codes.
enum Exit : int {
  kYes = 0,
  kWrong = 1,    ///< `demo` found the sale wrong
  kUsage = 2,    ///< an argument is wrong
  kRefusal = 3,  ///< an answer that is not a yes
  kError = 4,    ///< no answer
};

/// Ends the verb: what went wrong, and what its JSON object should say besides.
struct Failure : std::exception {
  explicit Failure(flashsale::Error error_given, Json extra_given = Json::object())
      : error(std::move(error_given)), extra(std::move(extra_given)) {}
  const char* what() const noexcept override { return error.detail.c_str(); }

  flashsale::Error error;
  Json extra;
};

/// A wrong argument, named with its bound: exit code 2.
[[noreturn]] void usage(const std::string& detail);

/// The value, or the end of the verb.
template <class T>
T need(flashsale::Result<T> result) {
  if (!result) throw Failure(std::move(result.error()));
  return std::move(*result);
}
struct Globals {
  std::string redis = "redis://127.0.0.1:6379";
  std::string db = "flashsale.db";
  std::string timeout = "5s";
  bool json = false;
};

class Session {
 public:
  explicit Session(Globals globals);

  bool json() const { return globals_.json; }
  flashsale::milliseconds timeout() const { return timeout_; }
  flashsale::Deadline deadline() const { return flashsale::Deadline::clock::now() + timeout_; }
  std::string redis_name() const { return flashsale::redacted(globals_.redis); }
  const std::string& db_name() const { return globals_.db; }

  std::shared_ptr<flashsale::ConnectionPool> pool() const;
  std::shared_ptr<flashsale::OrderSink> sink() const;
  /// The database for verbs that only look: nothing where its file does not exist, so that looking makes none.
  std::shared_ptr<flashsale::OrderSink> sink_if_there() const;
  /// With the database; `by` is who acts, where that is recorded.
  flashsale::SaleController controller(const std::string& by = {}) const;
  flashsale::SaleController looking_controller() const;  ///< with the database if it is there

  /// Where chatter goes: stdout belongs to the one line of --json.
  std::FILE* chat() const { return globals_.json ? stderr : stdout; }
  /// The verb's last word: `text` for a person, or one line of JSON. Returns `code`.
  int finish(const Json& object, const std::string& text, Exit code = kYes) const;

 private:
  Globals globals_;
  flashsale::milliseconds timeout_{};
  std::shared_ptr<flashsale::ConnectionPool> pool_;
};

/// One line of JSON; bytes that are no UTF-8 are replaced.
std::string one_line(const Json& object);
/// An error as --json shows it.
Json to_json(const flashsale::Error& error);

}  // namespace cli
