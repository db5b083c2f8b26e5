// Compiled into each module with FLASHSALE_SINK_SCHEME, the scheme of the URLs that it serves.
#include "sinks/module.hpp"

#include <memory>
#include <utility>

#define FLASHSALE_SINK_PASTE(scheme) make_##scheme##_sink
#define FLASHSALE_SINK_EXPAND(scheme) FLASHSALE_SINK_PASTE(scheme)
#define FLASHSALE_SINK_MAKE FLASHSALE_SINK_EXPAND(FLASHSALE_SINK_SCHEME)

namespace flashsale::sinks {
Result<std::unique_ptr<OrderSink>> FLASHSALE_SINK_MAKE(std::string_view url);
}

extern "C" {

// We compile with hidden visibility, and module.map cannot bring back what the compiler hid.
[[gnu::visibility("default")]] const char* flashsale_sink_version() { return flashsale::sinks::kModuleVersion; }

[[gnu::visibility("default")]] flashsale::OrderSink* flashsale_sink_make(const char* url, std::size_t size,
                                                                         flashsale::Error* error) {
  auto sink = flashsale::sinks::FLASHSALE_SINK_MAKE(std::string_view(url, size));
  if (sink) return sink->release();
  *error = std::move(sink.error());
  return nullptr;
}
}
