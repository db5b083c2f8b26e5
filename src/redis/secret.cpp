#include "redis/secret.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace flashsale::redis {
namespace {

constexpr std::size_t kSecretBytesMax = 4096;

tl::unexpected<Error> unreadable(const std::string& what, std::string_view why) {
  return fail(ErrorCode::refused, fmt::format("the password cannot be read from {}: {}", what, why));
}

Result<std::string> first_line_of(const std::string& path) {
  // Not blocking: a path that names a pipe must not hold up a call past its deadline.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return unreadable(path, std::generic_category().message(errno));
  char bytes[kSecretBytesMax + 1];
  std::size_t size = 0;
  ssize_t got = 1;
  while (size < sizeof(bytes) && got != 0) {
    got = ::read(fd, bytes + size, sizeof(bytes) - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    size += static_cast<std::size_t>(got);
  }
  const int error = got < 0 ? errno : 0;
  close(fd);
  if (error != 0) return unreadable(path, std::generic_category().message(error));
  std::string line(bytes, size);
  line.resize(std::min(line.find_first_of("\r\n"), line.size()));
  if (line.size() > kSecretBytesMax) return unreadable(path, fmt::format("more than {} bytes", kSecretBytesMax));
  if (line.empty()) return unreadable(path, "its first line is empty");
  return line;
}

}  // namespace

Result<std::string> Secret::read() const {
  if (!file.empty()) return first_line_of(file);
  if (environment.empty()) return text;
  const char* const value = std::getenv(environment.c_str());
  if (value == nullptr || *value == '\0') return unreadable("the variable " + environment, "it is not set");
  return std::string(value);
}

}  // namespace flashsale::redis
