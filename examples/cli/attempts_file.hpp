/// A recorded crowd: lines of JSON, plain or gzip, from a file or stdin.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace cli {

/// One line: `{"request", "buyer", "item", "quantity", "payload"}`; other members are not looked at.
/// What is of the wrong type or absent becomes what the gate refuses; only quantity and payload may be absent.
struct Attempt {
  std::string request, buyer, item, payload;
  std::uint32_t quantity = 1;
};

class AttemptsFile {
 public:
  /// `-` is stdin. A usage error if it cannot be opened.
  explicit AttemptsFile(const std::string& path);

  /// The next attempt; nothing at the end. Lines that are no JSON object are named on stderr, counted and passed over.
  std::optional<Attempt> next();

  std::uint64_t bad_lines() const { return bad_lines_; }
  bool is_broken() const { return broken_; }  ///< it ended where it should not: damaged, or unreadable

 private:
  bool read_line(std::string& line);
  bool fill();
  void name_bad_line(const std::string& why);

  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::unique_ptr<gzFile_s, Close> file_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what was not handed out yet, in buffer_
  std::uint64_t line_number_ = 0;
  std::uint64_t bad_lines_ = 0;
  bool broken_ = false;
};

}  // namespace cli
