#include "support/hanging_name.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace {
std::atomic<bool> hangs{false};
std::atomic<int> begun{0};
}  // namespace

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* host, const char* service,
                                                                  const addrinfo* hints, addrinfo** found) {
  const bool is_numeric_only = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (host != nullptr && std::strcmp(host, flashsale::test::HangingName::kHost) == 0 && !is_numeric_only) {
    ++begun;
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

HangingName::~HangingName() { hangs = false; }

int HangingName::look_ups() const { return begun; }

}  // namespace flashsale::test
