// flashsale_codes against both sides: every enumerator of C++, and every constant in the text of flashsale.h.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <flashsale/flashsale.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "flashsale/flashsale.h"

namespace {

using namespace flashsale;

using Codes = std::map<std::pair<std::string, std::string>, int>;  // kind and name to value

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what.c_str());
  ++failures;
}

void expect_same(const Codes& left, const Codes& right, const std::string& what) {
  for (const auto& [key, value] : left) {
    const auto found = right.find(key);
    expect(found != right.end() && found->second == value, what + ": " + key.first + " " + key.second);
  }
}

Codes from_table() {
  Codes codes;
  std::size_t count = 0;
  const flashsale_code_t* const rows = flashsale_codes(&count);
  for (std::size_t i = 0; i < count; ++i) {
    expect(codes.emplace(std::pair(rows[i].kind, rows[i].name), rows[i].value).second, "a row comes once");
    if (rows[i].kind == std::string("outcome"))
      expect((rows[i].holds_stock == 1) == holds_stock(static_cast<Outcome>(rows[i].value)), rows[i].name);
  }
  return codes;
}

/// Every value that has a name, whether or not anybody listed it here.
template <class Enum>
void walk(Codes& codes, const char* kind, int from = -100, int to = 100) {
  for (int value = from; value <= to; ++value)
    if (const auto text = name(static_cast<Enum>(value)); text != "?") codes.emplace(std::pair(kind, text), value);
}

Codes from_cpp() {
  Codes codes;
  walk<Outcome>(codes, "outcome");
  walk<ErrorCode>(codes, "error");
  walk<Verb>(codes, "verb");
  walk<Level>(codes, "level");
  walk<PauseReason>(codes, "reason");
  walk<SaleState>(codes, "state", 0, 100);
  walk<LogLevel>(codes, "log");
  walk<Effect>(codes, "effect", 0, 1);
  walk<QueueMode>(codes, "queue", 0, 1);
  walk<DeadFate>(codes, "fate", 0, 100);
  codes[{"role", "primary"}] = static_cast<int>(Role::primary);
  codes[{"role", "replica"}] = static_cast<int>(Role::replica);
  return codes;
}

/// `E_BUSY` is the error busy; a word without one of these in front is an outcome.
std::pair<std::string, std::string> split(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  if (word.rfind("e_", 0) == 0) return {"error", word.substr(2)};
  for (const std::string kind : {"effect", "verb", "level", "reason", "state", "queue", "role", "log", "fate"})
    if (word.rfind(kind + "_", 0) == 0) return {kind, word.substr(kind.size() + 1)};
  return {"outcome", word};
}

/// Every `FLASHSALE_WORD = value` in the header's text.
Codes from_header() {
  const std::string prefix = "FLASHSALE_", letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_", between = " = ";
  std::ifstream file(FLASHSALE_HEADER_FILE);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Codes codes;
  for (auto at = text.find(prefix); at != text.npos; at = text.find(prefix, at)) {
    at += prefix.size();
    const auto end = text.find_first_not_of(letters, at);
    if (text.compare(end, between.size(), between) == 0)
      codes[split(text.substr(at, end - at))] = std::stoi(text.substr(end + between.size(), 4));
  }
  return codes;
}

}  // namespace

int main() {
  const Codes table = from_table(), cpp = from_cpp(), header = from_header();
  expect(table.size() == 60, "60 rows, has " + std::to_string(table.size()));
  expect_same(cpp, table, "of C++, in the table");
  expect_same(table, cpp, "of the table, in C++");
  expect_same(header, table, "of the header, in the table");
  expect_same(table, header, "of the table, in the header");
  expect(flashsale_version_string() == std::string(version()), "one version");
  return failures == 0 ? 0 : 1;
}
