// Linked before the library's own table, so that history_actor_planted runs scripts with a guard taken out of one:
// FLASHSALE_PLANT is "<script>|<anchor>|<replacement>". An anchor that is not there exactly once ends the process, so
// that a guard cannot silently stay in.
#include <fmt/format.h>
#include <openssl/sha.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/scripts.hpp"

namespace flashsale::core {
namespace {

std::string sha1_of(const std::string& text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

void plant(std::string& text, const std::string& anchor, const std::string& replacement) {
  const auto at = text.find(anchor);
  if (at == std::string::npos || text.find(anchor, at + 1) != std::string::npos) {
    std::fprintf(stderr, "the anchor is not there exactly once: %s\n", anchor.c_str());
    std::abort();
  }
  text.replace(at, anchor.size(), replacement);
}

/// Reads lua/*.lua and keeps the strings that the table points into.
const std::vector<Script>& planted_table() {
  static std::deque<std::string> kept;
  static const std::vector<Script> table = [] {
    const char* const planted = std::getenv("FLASHSALE_PLANT");
    std::istringstream words(planted == nullptr ? "" : planted);
    std::string script, anchor, replacement;
    std::getline(words, script, '|');
    std::getline(words, anchor, '|');
    std::getline(words, replacement, '|');
    std::vector<Script> rows;
    for (const auto& file : std::filesystem::directory_iterator(FLASHSALE_SOURCE_DIR "/lua")) {
      std::ostringstream text;
      text << std::ifstream(file.path()).rdbuf();
      const std::string& name = kept.emplace_back(file.path().stem());
      std::string& body = kept.emplace_back(text.str());
      if (name == script) plant(body, anchor, replacement);
      const std::string& sha1 = kept.emplace_back(sha1_of(body));
      rows.push_back({name, sha1, body});
    }
    return rows;
  }();
  return table;
}

}  // namespace

ScriptTable embedded_scripts() { return {planted_table().data(), planted_table().size()}; }

}  // namespace flashsale::core
