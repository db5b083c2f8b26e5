// make_sink: which URLs it takes, and where it looks for what serves them.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sinks/module.hpp"
#include "sinks/sink_fixture.hpp"

namespace flashsale::sink_test {
namespace {

namespace fs = std::filesystem;

Error error_of(std::string_view url) {
  const auto sink = make_sink(url);
  return sink ? Error{ErrorCode{}, Effect::none, "no error"} : sink.error();
}

/// Sets FLASHSALE_SINKS to a folder of its own while it lives.
class ModuleFolder {
 public:
  ModuleFolder() : path_(fs::temp_directory_path() / fresh_name("flashsale-modules")) {
    fs::create_directory(path_);
    setenv("FLASHSALE_SINKS", path_.c_str(), 1);
  }
  ~ModuleFolder() {
    unsetenv("FLASHSALE_SINKS");
    fs::remove_all(path_);
  }
  ModuleFolder(const ModuleFolder&) = delete;
  ModuleFolder& operator=(const ModuleFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST_CASE("a path and a sqlite URL name the same database") {
  const std::string path = fs::temp_directory_path() / fresh_name("flashsale-make");
  const auto by_path = make_sink(path);
  const auto by_url = make_sink("SQLite:" + path);
  REQUIRE_MESSAGE(by_path.has_value(), error_of(path).detail);
  REQUIRE(by_url.has_value());
  CHECK((*by_path)->describe() == "sqlite:" + path);
  CHECK((*by_url)->describe() == (*by_path)->describe());
  CHECK_FALSE(fs::exists(path));  // parses only
  CHECK(must((*by_path)->id(soon())) == must((*by_url)->id(soon())));
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
}

TEST_CASE("a colon behind a slash is part of a path") {
  const auto sink = make_sink("./odd:name.db");
  REQUIRE(sink.has_value());
  CHECK((*sink)->describe() == "sqlite:" + (fs::current_path() / "odd:name.db").string());
}

TEST_CASE("a URL is 1..4096 bytes without control characters") {
  CHECK(error_of("").code == ErrorCode::invalid_argument);
  CHECK(error_of(std::string(4097, 'x')).code == ErrorCode::invalid_argument);
  CHECK(error_of(std::string_view("a\0b", 3)).code == ErrorCode::invalid_argument);
  CHECK(error_of("orders\n.db").code == ErrorCode::invalid_argument);
  CHECK(error_of("sqlite:").code == ErrorCode::invalid_argument);
  CHECK(error_of(":memory:").code == ErrorCode::invalid_argument);
}

TEST_CASE("a scheme without a module is unsupported, naming the folders") {
  unsetenv("FLASHSALE_SINKS");
  const Error error = error_of("oracle://host/name");
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.detail.find("flashsale_sink_oracle.so") != std::string::npos);
  CHECK(error.detail.find(fs::canonical("/proc/self/exe").parent_path().string()) != std::string::npos);
}

TEST_CASE("FLASHSALE_SINKS is the only folder when it is set") {
  const ModuleFolder folder;
  const Error error = error_of("orders.db");
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.detail.find("in: " + folder.path().string()) != std::string::npos);
  CHECK(error.detail.find(',') == std::string::npos);
}

TEST_CASE("postgresql and postgres are one scheme") {
  const ModuleFolder folder;
  CHECK(error_of("postgresql://db/shop").detail.find("flashsale_sink_postgres.so") != std::string::npos);
  CHECK(error_of("postgres://db/shop").detail.find("flashsale_sink_postgres.so") != std::string::npos);
}

TEST_CASE("an error never repeats the URL, which may hold a password") {
  const ModuleFolder folder;
  CHECK(error_of("postgresql://shop:secret@db/shop").detail.find("secret") == std::string::npos);
}

TEST_CASE("a file that is no module is unsupported, with the loader's reason") {
  const ModuleFolder folder;
  std::ofstream(folder.path() / "flashsale_sink_sqlite.so") << "not a library";
  const Error error = error_of("orders.db");
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.detail.find("flashsale_sink_sqlite.so") != std::string::npos);
}

TEST_CASE("a module of another version is unsupported, naming both") {
  const fs::path real = fs::canonical("/proc/self/exe").parent_path().parent_path() / "lib/flashsale_sink_sqlite.so";
  std::ifstream file(real, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::string ours = sinks::kModuleVersion;
  const std::string theirs = "9" + ours.substr(1);
  for (auto at = bytes.find(ours); at != std::string::npos; at = bytes.find(ours))
    bytes.replace(at, ours.size(), theirs);
  const ModuleFolder folder;
  std::ofstream(folder.path() / "flashsale_sink_sqlite.so", std::ios::binary) << bytes;
  const Error error = error_of("orders.db");
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.detail.find("of version " + theirs + ", this library of " + ours) != std::string::npos);
}

}  // namespace
}  // namespace flashsale::sink_test
