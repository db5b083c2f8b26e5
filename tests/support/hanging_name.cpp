#include "support/hanging_name.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "util/deadline.hpp"
#include "util/resolve.hpp"

namespace {
std::atomic<bool> hangs{false};
std::atomic<int> begun{0};
std::mutex mutex;
std::set<std::string> services;  // that were asked for
}  // namespace

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* host, const char* service,
                                                                  const addrinfo* hints, addrinfo** found) {
  const bool is_numeric_only = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (host != nullptr && std::strcmp(host, flashsale::test::HangingName::kHost) == 0 && !is_numeric_only) {
    ++begun;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      services.insert(service == nullptr ? "0" : service);
    }
    for (int i = 0; i < 3000 && hangs; ++i) usleep(10'000);
    return EAI_AGAIN;
  }
  static const auto libc = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return libc(host, service, hints, found);
}

namespace flashsale::test {

HangingName::HangingName() {
  begun = 0;
  hangs = true;
}

// Whoever asks once more waits for the look-up that hung, and joins its thread.
HangingName::~HangingName() {
  hangs = false;
  std::set<std::string> asked;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    asked.swap(services);
  }
  for (const std::string& service : asked)
    static_cast<void>(util::resolve(kHost, static_cast<std::uint16_t>(std::stoi(service)),
                                    util::Clock::now() + std::chrono::seconds(20)));
}

int HangingName::look_ups() const { return begun; }

}  // namespace flashsale::test
