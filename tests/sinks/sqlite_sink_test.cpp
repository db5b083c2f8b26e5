// What is SQLite's own: one file, which others may lock, fill, replace, spoil or inherit.
#include "sinks/sqlite/sqlite_sink.hpp"

#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sinks/sink_conformance.hpp"
#include "sinks/sqlite/open_files.hpp"

namespace flashsale::sink_test {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "flashsale-sinks-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::shared_ptr<OrderSink> open_sink(const std::string& path) {
  return must(sinks::make_sqlite_sink("sqlite:" + path));
}

void execute(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  const int code = sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
  sqlite3_close(handle);
  REQUIRE(code == SQLITE_OK);
}

/// Runs `work` in a child; what it returns is the child's exit status, 99 if it throws. A signal counts from 100.
template <class Work>
int in_child(Work work) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      _exit(work());
    } catch (...) {
      _exit(99);  // a failed claim must not run the rest of the program twice
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

ErrorCode begin_error(const std::shared_ptr<OrderSink>& sink) {
  const auto begun = sink->begin(Access::write, in_ms(500));
  return begun ? ErrorCode{} : begun.error().code;
}

TEST_CASE("SQLite keeps every promise of a sink") {
  const TemporaryFolder folder;
  check_sink_conformance([&] { return open_sink(folder.file("orders.db")); });
}

TEST_CASE("a database of a newer library is refused, naming both versions") {
  const TemporaryFolder folder;
  const std::string path = folder.file("orders.db");
  must(open_sink(path)->id(soon()));
  execute(path, "pragma user_version = 4711");
  const auto id = open_sink(path)->id(soon());
  REQUIRE_FALSE(id.has_value());
  CHECK(id.error().code == ErrorCode::unsupported);
  CHECK(id.error().detail.find("version 4711") != std::string::npos);
  CHECK(id.error().detail.find("up to 4") != std::string::npos);
}

TEST_CASE("a database of another application is refused and left as it was") {
  const TemporaryFolder folder;
  const std::string path = folder.file("other.db");
  execute(path, "pragma application_id = 77; create table mine (x)");
  const auto before = fs::file_size(path);
  CHECK(begin_error(open_sink(path)) == ErrorCode::refused);
  CHECK(fs::file_size(path) == before);
}

TEST_CASE("what is no database, or cannot be opened, is refused by its path") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("text.db")) << std::string(10'000, 'x');
  for (const std::string& path : {folder.file("text.db"), folder.file("absent/orders.db"), folder.path().string()}) {
    const auto begun = open_sink(path)->begin(Access::read, in_ms(500));
    REQUIRE_FALSE(begun.has_value());
    CHECK(begun.error().code == ErrorCode::refused);
    CHECK(begun.error().detail.find(path) != std::string::npos);
  }
  for (const char* url : {"sqlite:", "sqlite::memory:", "sqlite:folder/"}) {
    const auto sink = sinks::make_sqlite_sink(url);
    REQUIRE_FALSE(sink.has_value());
    CHECK(sink.error().code == ErrorCode::invalid_argument);
  }
}

TEST_CASE("a database of the first version is brought up to date, with its id and its orders") {
  const TemporaryFolder folder;
  const std::string path = folder.file("orders.db");
  SaleBed bed(open_sink(path));
  const std::string id = must(bed.sink().id(soon()));
  bed.insert({order_at(1, 0, "ann")});
  execute(
      path,
      "alter table flashsale_order drop column hold_until_ms; alter table flashsale_dead drop column hold_until_ms;"
      "alter table flashsale_dead drop column fate; drop table flashsale_receipt; drop table flashsale_receipt_holder;"
      "drop table flashsale_repair;"
      "pragma user_version = 1");
  const auto sink = open_sink(path);
  CHECK(must(sink->id(soon())) == id);
  auto t = must(sink->begin(Access::write, soon()));
  const auto rows = must(t->orders_by_buyer(bed.id(), "", 10));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].order.hold_until_ms == 0);
  must(t->set_aside(bed.id(), {order_at(2, 0, "bob"), "OVERSOLD", {1, 2}, false}));
  CHECK(must(t->dead(bed.id(), false))[0].fate == DeadFate::dead);
  CHECK(must(t->receipt_holders(bed.id())).empty());
  CHECK(must(t->repairs(bed.id())).empty());
}

TEST_CASE("a folder that cannot be written is refused") {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms(0555));
  const int status = in_child([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 1;
    return begin_error(open_sink(folder.file("orders.db"))) == ErrorCode::refused ? 0 : 2;
  });
  fs::permissions(folder.path(), fs::perms(0755));
  CHECK(status == 0);
}

TEST_CASE("a full disk refuses, and nothing is half done") {
  const TemporaryFolder folder;
  const std::string path = folder.file("orders.db");
  auto bed = std::make_unique<SaleBed>(open_sink(path));
  const std::string sale(bed->id().text());
  bed.reset();
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200'000, 200'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto t = must(open_sink(path)->begin(Access::write, soon()));
    std::vector<Order> orders;
    for (std::uint32_t i = 0; i < 5; ++i) {
      orders.push_back(make_order({{1, 1}, i}, "buyer" + std::to_string(i), "r", "shoe", 1, std::string(65'000, 'x')));
    }
    const auto inserted = t->insert_orders(SaleId{sale}, orders.data(), orders.size());
    const auto committed = t->commit();
    if (committed) return 1;
    return (inserted ? committed.error() : inserted.error()).code == ErrorCode::refused ? 0 : 2;
  });
  CHECK(status == 0);
  auto t = must(open_sink(path)->begin(Access::write, soon()));
  CHECK(must(t->orders_by_buyer(SaleId{sale}, "", 10)).empty());
  CHECK(must(t->lock_sale(SaleId{sale}))->items[0].sold == 0);
}

TEST_CASE("processes that race to make the schema agree on one id") {
  const TemporaryFolder folder;
  for (int round = 0; round < 5; ++round) {
    const std::string path = folder.file("race" + std::to_string(round) + ".db");
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        const auto id = open_sink(path)->id(soon());
        std::ofstream(path + ".id" + std::to_string(i)) << (id ? *id : to_string(id.error()));
        _exit(id ? 0 : 1);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      CHECK(status == 0);
    }
    const std::string id = must(open_sink(path)->id(soon()));
    for (int i = 0; i < 4; ++i) {
      std::string seen;
      std::ifstream(path + ".id" + std::to_string(i)) >> seen;
      CHECK(seen == id);
    }
  }
}

TEST_CASE("each database has an id of 32 hexadecimal digits, its own") {
  const TemporaryFolder folder;
  const std::string first = must(open_sink(folder.file("first.db"))->id(soon()));
  CHECK(first.size() == 32);
  CHECK(first.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(must(open_sink(folder.file("first.db"))->id(soon())) == first);
  CHECK(must(open_sink(folder.file("second.db"))->id(soon())) != first);
}

TEST_CASE("a process killed in the middle of a transaction leaves nothing") {
  const TemporaryFolder folder;
  const std::string path = folder.file("orders.db");
  auto bed = std::make_unique<SaleBed>(open_sink(path));
  const std::string sale(bed->id().text());
  bed.reset();
  const int status = in_child([&] {
    auto t = must(open_sink(path)->begin(Access::write, soon()));
    const Order order = order_at(1, 0, "ann");
    must(t->insert_orders(SaleId{sale}, &order, 1));
    return std::raise(SIGKILL);
  });
  CHECK(status == 100 + SIGKILL);
  auto t = must(open_sink(path)->begin(Access::write, soon()));
  CHECK(must(t->orders_by_buyer(SaleId{sale}, "", 10)).empty());
  CHECK(must(t->lock_sale(SaleId{sale}))->items[0].sold == 0);
}

TEST_CASE("a sink used before a fork, and any other on its open file, belongs to the parent") {
  const TemporaryFolder folder;
  const std::string path = folder.file("orders.db");
  const auto sink = open_sink(path);
  const auto unused = open_sink(folder.file("later.db"));
  auto open = must(sink->begin(Access::write, soon()));
  must(open->put_operation(SaleId{"s"}, OperationId{"op"}, ItemId{"i"}, 1));
  const int status = in_child([&] {
    if (begin_error(sink) != ErrorCode::forked) return 1;
    if (open->now_ms().error().code != ErrorCode::forked) return 2;
    if (begin_error(open_sink(path)) != ErrorCode::forked) return 3;
    open.reset();
    return unused->begin(Access::write, soon()).has_value() ? 0 : 4;
  });
  CHECK(status == 0);
  must(open->commit());
}

TEST_CASE("a file that was replaced is not written through an old connection") {
  const TemporaryFolder folder;
  const auto sink = open_sink(folder.file("orders.db"));
  const std::string id = must(sink->id(soon()));
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(folder.file("orders.db") + suffix);
  CHECK(must(sink->id(soon())) != id);
}

TEST_CASE("writers on many threads take turns") {
  const TemporaryFolder folder;
  const auto sink = open_sink(folder.file("orders.db"));
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 25; ++k) {
        auto t = sink->begin(Access::write, soon());
        const std::string operation = std::to_string(i) + "." + std::to_string(k);
        const bool done = t && (*t)->put_operation(SaleId{"s"}, OperationId{operation}, ItemId{"i"}, 1).has_value() &&
                          (*t)->commit().has_value();
        if (!done) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(must(must(sink->begin(Access::read, soon()))->operations(SaleId{"s"})).size() == 100);
}

TEST_CASE("a transaction for reading does not write, and one that is over does nothing") {
  const TemporaryFolder folder;
  const auto sink = open_sink(folder.file("orders.db"));
  auto reading = must(sink->begin(Access::read, soon()));
  CHECK(reading->put_operation(SaleId{"s"}, OperationId{"o"}, ItemId{"i"}, 1).error().code == ErrorCode::internal);
  CHECK(reading->now_ms().error().code == ErrorCode::closed);
  auto writing = must(sink->begin(Access::write, soon()));
  must(writing->commit());
  CHECK(writing->commit().error().code == ErrorCode::closed);
}

TEST_CASE("a child can open a file although a thread of its parent was opening one") {
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    while (!stop) {
      sinks::claim_file("/one");
      sinks::release_file("/one");
    }
  });
  int status = 0;
  for (int i = 0; i < 100 && status == 0; ++i) {
    status = in_child([] {
      alarm(20);
      return sinks::claim_file("/another") ? 0 : 1;
    });
  }
  stop = true;
  thread.join();
  CHECK(status == 0);
}

}  // namespace
}  // namespace flashsale::sink_test
