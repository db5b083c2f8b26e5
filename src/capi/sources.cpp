// Where things come from: pools of connections and sinks, both by URL.
#include "capi/guard.hpp"
#include "capi/handles.hpp"

using namespace flashsale::capi;

namespace {

/// A handle around a shared object.
template <class H, class Member, class Made>
void hand_out(H*& out, Member member, flashsale::Result<Made> made) {
  auto shared = need(std::move(made));
  auto handle = std::make_unique<H>();
  (*handle).*member = std::move(shared);
  out = handle.release();
}

}  // namespace

extern "C" {

int32_t flashsale_pool_create(const char* url, size_t url_size, const flashsale_options_t* options,
                              flashsale_pool_t** pool_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(pool_out, "pool_out");
    const Values& values = options == nullptr ? default_values() : need(options).values;
    hand_out(out, &flashsale_pool_t::pool, flashsale::make_pool(text(url, url_size, "url"), values.pool));
    return 0;
  });
}

void flashsale_pool_destroy(flashsale_pool_t** pool) { destroy(pool); }

int32_t flashsale_sink_create(const char* url, size_t url_size, flashsale_sink_t** sink_out,
                              flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(sink_out, "sink_out");
    hand_out(out, &flashsale_sink_t::sink, flashsale::make_sink(text(url, url_size, "url")));
    return 0;
  });
}

void flashsale_sink_destroy(flashsale_sink_t** sink) { destroy(sink); }
}
