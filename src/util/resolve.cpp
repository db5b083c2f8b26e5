#include "util/resolve.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "util/stop.hpp"
#include "util/thread.hpp"

namespace flashsale::util {
namespace {

/// getaddrinfo's status; `found` is filled if it is 0.
int look_up(const std::string& host, std::uint16_t port, int flags, std::vector<Address>& found) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (status != 0) return status;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    found.push_back(address);
  }
  freeaddrinfo(list);
  return found.empty() ? EAI_NONAME : 0;
}

struct LookUp {
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;
  int status = EAI_MEMORY;
  std::vector<Address> found;
};

struct Running {
  std::string host;
  std::uint16_t port;
  std::shared_ptr<LookUp> look_up;
  std::thread thread;
};

// getaddrinfo has no deadline and cannot be cancelled, so it runs on a thread that its caller may stop waiting for.
// That thread is neither detached nor waited for: it stays in this process-wide list, later callers for the same host
// wait for it instead of starting another, and whoever is there after its end joins it. So there is at most one thread
// a host, however long the name service hangs. getaddrinfo_a does much the same inside libc, but its threads are
// missing in a forked child, where it then waits for ever.
struct Registry {
  const pid_t owner = getpid();
  Registry* before = nullptr;  // the parent's, whose threads a forked child does not have; kept, never touched
  std::mutex mutex;
  std::vector<Running> running;
};

/// This process's registry, never destroyed: a look-up may outlive main.
Registry& registry() {
  static std::atomic<Registry*> current{nullptr};
  Registry* seen = current.load();
  if (seen != nullptr && seen->owner == getpid()) return *seen;
  auto fresh = std::make_unique<Registry>();
  fresh->before = seen;
  return current.compare_exchange_strong(seen, fresh.get()) ? *fresh.release() : *seen;
}

/// Its lock is held.
void join_finished_in(std::vector<Running>& running) {
  const auto finished = [](Running& entry) {
    {
      std::lock_guard lock(entry.look_up->mutex);
      if (!entry.look_up->done) return false;
    }
    entry.thread.join();
    return true;
  };
  running.erase(std::remove_if(running.begin(), running.end(), finished), running.end());
}

void join_finished() {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  join_finished_in(all.running);
}

void run(LookUp& asked, const std::string& host, std::uint16_t port) noexcept {
  std::vector<Address> found;
  int status = EAI_MEMORY;
  try {
    status = look_up(host, port, 0, found);
  } catch (const std::bad_alloc&) {
  }
  std::lock_guard lock(asked.mutex);
  asked.status = status;
  asked.found = std::move(found);
  asked.done = true;
  asked.done_changed.notify_all();
}

std::shared_ptr<LookUp> start(const std::string& host, std::uint16_t port) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  join_finished_in(all.running);
  for (const Running& entry : all.running) {
    if (entry.host == host && entry.port == port) return entry.look_up;
  }
  auto fresh = std::make_shared<LookUp>();
  all.running.reserve(all.running.size() + 1);  // a started thread must find its place
  Running entry{host, port, fresh, {}};
  entry.thread = start_thread("fs-resolve", [fresh, host, port] { run(*fresh, host, port); });
  all.running.push_back(std::move(entry));
  return fresh;
}

}  // namespace

std::string Address::numeric() const {
  char host[NI_MAXHOST] = "";
  getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return host;
}

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Deadline deadline) {
  std::vector<Address> numeric;
  if (look_up(host, port, AI_NUMERICHOST, numeric) == 0) return numeric;
  std::shared_ptr<LookUp> under_way;
  try {
    under_way = start(host, port);
  } catch (const std::system_error& error) {
    return fail(ErrorCode::disconnected, fmt::format("no thread to look up {}: {}", host, error.code().message()));
  }
  std::unique_lock lock(under_way->mutex);
  const util::Wait wait(deadline);
  while (!under_way->done && !wait.is_over()) under_way->done_changed.wait_until(lock, wait.slice());
  const bool done = under_way->done;
  lock.unlock();
  if (!done) {
    return fail(ErrorCode::timed_out, fmt::format("the look-up of {} took too long", host));
  }
  join_finished();
  if (under_way->status != 0) {
    return fail(ErrorCode::disconnected, fmt::format("cannot look up {}: {}", host, gai_strerror(under_way->status)));
  }
  return under_way->found;
}

}  // namespace flashsale::util
