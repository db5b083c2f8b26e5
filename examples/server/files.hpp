/// The pages and their assets, read once at the start and served from memory.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "http.hpp"

namespace server {

/// Every file of a page but its index.html is an asset, served under a name with its content's fingerprint, so that a
/// cache may keep it for ever: `/assets/page.css` in a page, a style or a script becomes
/// `/assets/page.0f1e2d3c4b5a.css`. An asset that names others is fingerprinted after them. Immutable, so thread-safe;
/// it must outlive its answers.
class Files {
 public:
  /// Either folder may be empty: no such page. Throws std::runtime_error naming the file that cannot be served.
  Files(const std::string& page, const std::string& dashboard);

  Response page(const Exchange& exchange) const;
  Response dashboard(const Exchange& exchange) const;
  Response asset(const Exchange& exchange, std::string_view name) const;

 private:
  struct File {
    std::string bytes, type, etag;
  };
  class Reader;

  static Response serve(const Exchange& exchange, const File* file, const char* cache_control);

  std::map<std::string, File, std::less<>> assets_;  // by name with fingerprint
  File page_, dashboard_;
};

}  // namespace server
