// Pages and their assets: fingerprints, and what cannot be served.
#include "files.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "served.hpp"
#include "support/private_redis.hpp"

using namespace server;
using namespace server::test;

namespace {

/// A page's folder.
class Folder {
 public:
  Folder() { std::filesystem::create_directory(path()); }
  std::string path() const { return home_.dir() + "/page"; }
  void write(const std::string& name, const std::string& bytes) { std::ofstream(path() + "/" + name) << bytes; }

 private:
  flashsale::test::PrivateRedis home_;  // for its folder alone
};

std::string page_of(const Files& files) {
  return Served([&](Exchange& exchange) { exchange.answer(files.page(exchange)); }).get("/");
}

std::string asset_in(const std::string& page) {
  const auto begin = page.find("/assets/main.");
  REQUIRE(begin != std::string::npos);
  const auto name = page.substr(begin, page.find('"', begin) - begin);
  CHECK(name.size() == std::string("/assets/main.0123456789ab.js").size());
  return name;
}

}  // namespace

TEST_SUITE("files") {
  TEST_CASE("an asset's name changes with its content, and with that of what it names") {
    Folder folder;
    folder.write("index.html", R"(<script src="/assets/main.js"></script>)");
    folder.write("main.js", R"(import "/assets/part.js";)");
    folder.write("part.js", "1;");
    const auto first = asset_in(page_of(Files(folder.path(), "")));
    CHECK(asset_in(page_of(Files(folder.path(), ""))) == first);
    folder.write("part.js", "2;");
    CHECK(asset_in(page_of(Files(folder.path(), ""))) != first);
  }

  TEST_CASE("what names an asset that is not there, has no type, or names itself in a circle does not start") {
    Folder folder;
    folder.write("index.html", "<p>");
    folder.write("a.js", R"(import "/assets/b.js";)");
    CHECK_THROWS_AS(Files(folder.path(), ""), std::runtime_error);
    folder.write("b.js", R"(import "/assets/a.js";)");
    CHECK_THROWS_AS(Files(folder.path(), ""), std::runtime_error);
    folder.write("b.js", "1;");
    CHECK_NOTHROW(Files(folder.path(), ""));
    folder.write("c.exe", "1");
    CHECK_THROWS_AS(Files(folder.path(), ""), std::runtime_error);
  }

  TEST_CASE("without a folder there is no page") { CHECK(has(page_of(Files("", "")), " 404 ")); }

  TEST_CASE("who has the page already is told so, whatever else it has") {
    Folder folder;
    folder.write("index.html", "<p>");
    const Files files(folder.path(), "");
    const Served served([&](Exchange& exchange) { exchange.answer(files.page(exchange)); });
    const std::string page = served.get("/");
    REQUIRE(has(page, "ETag: \""));
    const auto tag = page.substr(page.find("ETag: \"") + 6, 14);
    CHECK(has(served.get("/", "If-None-Match: \"x\", W/" + tag + "\r\n"), " 304 "));
    CHECK(has(served.get("/", "If-None-Match: \"x\"\r\n"), " 200 "));
  }
}
