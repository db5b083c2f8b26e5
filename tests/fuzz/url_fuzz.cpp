// A URL of Redis: what parses names nodes that can be connected to, and no login survives `redacted`.
#include <algorithm>

#include "flashsale/redis.hpp"
#include "fuzz/claim.hpp"
#include "redis/url.hpp"

using namespace flashsale;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const std::string shown = redacted(text);
  const auto url = redis::parse_url(text);
  if (!url) {
    CLAIM(!url.error().detail.empty() && url.error().effect == Effect::none);
    return 0;
  }
  CLAIM(!url->nodes.empty());
  for (const redis::Node& node : url->nodes) CLAIM(node.path.empty() ? !node.host.empty() && node.port > 0 : true);
  // A login is never shown, in the authority or as a parameter; an @ stands there at most once, behind the stars.
  if (url->user.name.empty() && url->user.password.text.empty() && url->sentinel_user.password.text.empty()) return 0;
  CLAIM(shown.find("***") != std::string::npos);
  CLAIM(std::count(shown.begin(), shown.end(), '@') <= 1);
  return 0;
}
