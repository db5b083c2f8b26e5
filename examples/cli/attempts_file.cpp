#include "attempts_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <flashsale/types.hpp>

#include "session.hpp"
#include "text.hpp"

namespace cli {

namespace {

constexpr std::size_t kReadBytes = 1 << 18;
constexpr std::size_t kLineBytesMax = 1 << 20;  // room for the largest payload with every byte escaped

/// A string as it is; nothing is what the gate refuses as empty.
std::string text_of(const Json& line, const char* member) {
  const auto at = line.find(member);
  return at != line.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// 0, which the gate refuses, for everything that is no whole number within its bounds.
std::uint32_t quantity_of(const Json& line) {
  const auto at = line.find("quantity");
  if (at == line.end()) return 1;
  if (!at->is_number_integer()) return 0;
  if (at->is_number_unsigned() && at->get<std::uint64_t>() <= flashsale::kQuantityMax) return at->get<std::uint32_t>();
  return 0;
}

std::string payload_of(const Json& line) {
  const auto at = line.find("payload");
  if (at == line.end() || at->is_null()) return {};
  return at->is_string() ? at->get<std::string>() : one_line(*at);
}

}  // namespace

AttemptsFile::AttemptsFile(const std::string& path) {
  errno = 0;
  file_.reset(path == "-" ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path.c_str(), "rb"));
  if (!file_) usage(fmt::format("--file: cannot read {}: {}", in_quotes(path), std::strerror(errno)));
  gzbuffer(file_.get(), kReadBytes);
}

std::optional<Attempt> AttemptsFile::next() {
  std::string line;
  while (read_line(line)) {
    if (line.empty()) continue;
    if (line.size() > kLineBytesMax) {
      name_bad_line("is longer than 1 MiB");
      continue;
    }
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) {
      name_bad_line("is not a JSON object");
      continue;
    }
    return Attempt{text_of(object, "request"), text_of(object, "buyer"), text_of(object, "item"), payload_of(object),
                   quantity_of(object)};
  }
  return std::nullopt;
}

/// One line without its end; of a line that is too long only the beginning.
bool AttemptsFile::read_line(std::string& line) {
  line.clear();
  ++line_number_;
  bool any = false;
  while (true) {
    const auto end = buffer_.find('\n', begin_);
    const auto size = std::min(end, buffer_.size()) - begin_;
    if (line.size() <= kLineBytesMax) line.append(buffer_, begin_, size);
    any = any || size > 0;
    begin_ += size;
    if (end != std::string::npos) {
      ++begin_;
      return true;
    }
    if (!fill()) return any;
  }
}

bool AttemptsFile::fill() {
  if (broken_) return false;
  buffer_.resize(kReadBytes);
  begin_ = 0;
  const int got = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
  buffer_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  int code = Z_OK;
  const char* const why = gzerror(file_.get(), &code);
  if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) {
    broken_ = true;
    name_bad_line(code == Z_BUF_ERROR ? "is where the file's gzip data breaks off"
                                      : fmt::format("cannot be read: {}", why));
  }
  return got > 0;
}

void AttemptsFile::name_bad_line(const std::string& why) {
  ++bad_lines_;
  fmt::print(stderr, "flashsale: line {} {}\n", line_number_, why);
}

}  // namespace cli
