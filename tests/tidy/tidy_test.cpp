// The house rules that a machine can hold: which room may look into which, and what no source may hold.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = FLASHSALE_SOURCE_DIR;

std::vector<fs::path> sources(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  return files;
}

std::string read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> includes(const fs::path& file) {
  static const std::regex line(R"(^\s*#\s*include\s*["<]([^">]+)[">])", std::regex::multiline);
  const std::string text = read(file);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it) found.push_back((*it)[1]);
  return found;
}

std::string room_of(const std::string& include) {
  static const std::set<std::string> rooms{"util", "core", "engine", "redis", "sinks", "capi"};
  const auto slash = include.find('/');
  const auto room = include.substr(0, slash);
  return slash != std::string::npos && rooms.count(room) > 0 ? room : "";
}

/// The names of crash points in a source: all that `before` is before.
std::set<std::string> crash_points(const std::string& text, const std::string& before) {
  const std::regex point(before + R"re("([a-z_]+\.[a-z_]+)")re");
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), point), end; it != end; ++it) found.insert((*it)[1]);
  return found;
}

/// What a manual says of URLs: the words of its list, without the marks and indents of its language.
std::string urls(const fs::path& manual) {
  const std::string text = read(kRoot / manual);
  const auto begin = text.find("redis://[[user]"), end = text.find("connections_max, idle_check_ms", begin);
  if (begin == std::string::npos || end == std::string::npos) return "no list of URLs in " + manual.string();
  static const std::regex indent(R"(\n *(///?|\*)?)"), space(R"(\s+)");
  return std::regex_replace(std::regex_replace(text.substr(begin, end - begin), indent, "\n"), space, " ");
}

}  // namespace

TEST_SUITE("tidy") {
  TEST_CASE("the manual of every language lists the URLs that redis.hpp lists") {
    const std::string list = urls("include/flashsale/redis.hpp");
    CHECK(list.find("redis+cluster://") != std::string::npos);
    for (const auto* manual :
         {"include/flashsale/flashsale.h", "bindings/python/flashsale/_pool.py", "bindings/go/pool.go"})
      CHECK(urls(manual) == list);
  }

  TEST_CASE("a test kills a worker or a controller at every point that has a name") {
    std::set<std::string> named, killed_at;
    for (const auto& file : sources("src")) named.merge(crash_points(read(file), "crash_point\\("));
    for (const char* const whom : {"worker", "controller"})
      killed_at.merge(crash_points(read(kRoot / "tests/faults" / (std::string(whom) + "_crash_test.cpp")), ""));
    CHECK(named.size() >= 25);
    CHECK(named == killed_at);
  }

  TEST_CASE("no room looks up: util <- core <- engine, core <- redis, core <- sinks") {
    const std::map<std::string, std::set<std::string>> may_see{
        {"util", {"util"}},
        {"core", {"util", "core"}},
        {"engine", {"util", "core", "engine"}},
        {"redis", {"util", "core", "redis"}},
        {"sinks", {"util", "core", "sinks"}},
        {"capi", {"util", "core", "engine", "redis", "sinks", "capi"}}};
    std::size_t seen = 0;
    for (const auto& [room, allowed] : may_see) {
      if (!fs::exists(kRoot / "src" / room)) continue;
      for (const auto& file : sources(fs::path("src") / room)) {
        for (const auto& include : includes(file)) {
          const auto other = room_of(include);
          ++seen;
          if (other.empty()) continue;
          CHECK_MESSAGE(allowed.count(other) == 1, file.string(), " includes ", include);
        }
      }
    }
    CHECK(seen > 100);
  }

  TEST_CASE("only src/redis includes hiredis or OpenSSL, only its own sink a database") {
    for (const auto& file : sources("src")) {
      const std::string path = fs::relative(file, kRoot).string();
      for (const auto& include : includes(file)) {
        if (include.rfind("hiredis/", 0) == 0 || include.rfind("openssl/", 0) == 0)
          CHECK_MESSAGE(path.rfind("src/redis/", 0) == 0, path, " includes ", include);
        if (include == "sqlite3.h") CHECK_MESSAGE(path.rfind("src/sinks/sqlite/", 0) == 0, path);
        if (include == "libpq-fe.h") CHECK_MESSAGE(path.rfind("src/sinks/postgres/", 0) == 0, path);
      }
    }
  }

  TEST_CASE("public headers include only the standard library, tl::expected and each other") {
    const std::regex standard("[a-z_0-9]+(\\.h)?");
    for (const auto& file : sources("include")) {
      for (const auto& include : includes(file)) {
        const bool fine =
            std::regex_match(include, standard) || include == "tl/expected.hpp" || include.rfind("flashsale/", 0) == 0;
        CHECK_MESSAGE(fine, file.string(), " includes ", include);
      }
    }
  }

  TEST_CASE("lines have at most 120 columns, and no marker says that something is left to do") {
    const std::regex marker(
        "\\b(TO"
        "DO|FIX"
        "ME|XX"
        "X|HA"
        "CK)\\b");
    for (const char* folder : {"include", "src", "lua", "tests", "examples", "benchmarks"}) {
      for (const auto& file : sources(folder)) {
        const auto kind = file.extension().string();
        if (kind != ".cpp" && kind != ".hpp" && kind != ".h" && kind != ".c" && kind != ".lua" && kind != ".py")
          continue;
        std::istringstream lines(read(file));
        int number = 0;
        for (std::string line; std::getline(lines, line);) {
          ++number;
          CHECK_MESSAGE(line.size() <= 120, file.string(), ":", number);
          CHECK_MESSAGE(!std::regex_search(line, marker), file.string(), ":", number);
        }
      }
    }
  }

  TEST_CASE("the library neither prints nor ends the process") {
    const std::regex banned(R"(\b(printf|puts|fputs|std::cout|std::cerr|std::exit|quick_exit)\s*[(<])");
    for (const auto& file : sources("src")) {
      const std::string text = read(file);
      CHECK_MESSAGE(!std::regex_search(text, banned), file.string());
      CHECK_MESSAGE(text.find(".detach()") == std::string::npos, file.string());
    }
  }
}
