#include "files.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "problem.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "/assets/";
constexpr std::size_t kFileBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kFilesMax = 200;

const std::map<std::string_view, const char*> kTypes{{".html", "text/html; charset=utf-8"},
                                                     {".css", "text/css; charset=utf-8"},
                                                     {".js", "text/javascript; charset=utf-8"},
                                                     {".svg", "image/svg+xml"},
                                                     {".png", "image/png"},
                                                     {".webp", "image/webp"},
                                                     {".woff2", "font/woff2"}};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path.string());
  if (bytes.tellp() > static_cast<std::streamoff>(kFileBytesMax))
    throw std::runtime_error(path.string() + " has more than 4 MiB");
  return bytes.str();
}

std::string fingerprint(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 failed");
  std::string text;
  for (unsigned i = 0; i < 6; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_text(std::string_view type) { return type.find("charset") != std::string_view::npos; }

}  // namespace

/// Reads the folders and gives every asset its name.
class Files::Reader {
 public:
  explicit Reader(Files& files) : files_(files) {}

  void add_folder(const std::string& folder) {
    if (folder.empty()) return;
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.is_regular_file() && entry.path().filename() != "index.html")
        if (!paths_.emplace(entry.path().filename().string(), entry.path()).second)
          throw std::runtime_error("two assets have the name " + entry.path().filename().string());
    if (paths_.size() > kFilesMax) throw std::runtime_error(folder + " has more than 200 files");
  }

  void make_assets() {
    for (const auto& [name, path] : paths_) named(name);
  }

  File index(const std::string& folder) {
    if (folder.empty()) return {};
    const std::string bytes = rewritten(read_file(fs::path(folder) / "index.html"));
    return {bytes, kTypes.at(".html"), '"' + fingerprint(bytes) + '"'};
  }

 private:
  /// The asset's name with its fingerprint; makes the asset first if nobody asked for it yet.
  std::string named(const std::string& name) {
    if (const auto done = names_.find(name); done != names_.end()) return done->second;
    const auto path = paths_.find(name);
    if (path == paths_.end()) throw std::runtime_error("there is no asset " + name);
    if (!under_way_.insert(name).second) throw std::runtime_error("the assets name each other in a circle at " + name);
    const std::string extension = path->second.extension().string();
    const auto type = kTypes.find(extension);
    if (type == kTypes.end() || !std::all_of(name.begin(), name.end(), is_name_byte))
      throw std::runtime_error(path->second.string() + ": no type for it, or a name that is not of [a-z0-9_-]");
    std::string bytes = read_file(path->second);
    if (is_text(type->second)) bytes = rewritten(bytes);
    const std::string print = fingerprint(bytes);
    const std::string full = path->second.stem().string() + "." + print + extension;
    files_.assets_[full] = {std::move(bytes), type->second, '"' + print + '"'};
    under_way_.erase(name);
    return names_[name] = full;
  }

  std::string rewritten(std::string_view text) {
    std::string out;
    for (;;) {
      const auto at = text.find(kPrefix);
      if (at == std::string_view::npos) return out.append(text);
      const auto begin = at + kPrefix.size();
      auto end = begin;
      while (end < text.size() && is_name_byte(text[end])) ++end;
      out.append(text.substr(0, begin));
      const std::string name(text.substr(begin, end - begin));
      // A comment may speak of /assets/ alone.
      out.append(name.find('.') == std::string::npos ? name : named(name));
      text.remove_prefix(end);
    }
  }

  Files& files_;
  std::map<std::string, fs::path> paths_;
  std::map<std::string, std::string> names_;
  std::set<std::string> under_way_;
};

Files::Files(const std::string& page, const std::string& dashboard) {
  Reader reader(*this);
  reader.add_folder(page);
  reader.add_folder(dashboard);
  reader.make_assets();
  page_ = reader.index(page);
  dashboard_ = reader.index(dashboard);
}

Response Files::serve(const Exchange& exchange, const File* file, const char* cache_control) {
  if (file == nullptr || file->type.empty()) {
    Problem problem;
    problem.status = 404;
    problem.code = "no_such_path";
    return to_response(problem);
  }
  Response response;
  response.content_type = file->type;
  response.headers = {{"ETag", file->etag}, {"Cache-Control", cache_control}};
  const auto known = exchange.header("If-None-Match");
  if (known && (*known == "*" || known->find(file->etag) != std::string_view::npos))
    response.status = 304;
  else
    response.kept_body = file->bytes;
  return response;
}

Response Files::page(const Exchange& exchange) const {
  return serve(exchange, &page_, "public, max-age=10, stale-while-revalidate=60, stale-if-error=86400");
}

Response Files::dashboard(const Exchange& exchange) const { return serve(exchange, &dashboard_, "no-cache"); }

Response Files::asset(const Exchange& exchange, std::string_view name) const {
  const auto found = assets_.find(name);
  return serve(exchange, found == assets_.end() ? nullptr : &found->second, "public, max-age=31536000, immutable");
}

}  // namespace server
