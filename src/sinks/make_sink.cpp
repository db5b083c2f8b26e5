// make_sink: from a URL's scheme to the module that serves it.
//
// Modules, not link-time components, so that libflashsale.so needs neither sqlite3 nor libpq of a process that uses
// neither. A module is never unloaded: its sinks' code must outlive them.
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "sinks/failure.hpp"
#include "sinks/module.hpp"

namespace flashsale {
namespace {

namespace fs = std::filesystem;
using sinks::fail_with;

constexpr std::size_t kUrlBytesMax = 4096;
constexpr std::size_t kSchemeBytesMax = 32;
// A program's table of segments stands behind its ELF header, in the first page.
constexpr std::uintptr_t kHeaderBytesMax = 4096;

struct Target {
  std::string scheme;  ///< of the module
  std::string url;     ///< as the module takes it: always with a scheme
};

bool is_letter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'); }

/// What stands before the first `:` if it can be a scheme (RFC 3986); empty for a path, which may have `/` before it.
std::string_view scheme_of(std::string_view url) {
  const auto scheme = url.substr(0, url.find(':'));
  if (scheme.size() == url.size() || scheme.empty() || scheme.size() > kSchemeBytesMax) return {};
  const auto allowed = [](char byte) {
    return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
  };
  return is_letter(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), allowed) ? scheme : std::string_view{};
}

Target parse(std::string_view url) {
  if (url.empty() || url.size() > kUrlBytesMax) {
    fail_with(ErrorCode::invalid_argument, fmt::format("a sink's URL has 1..{} bytes", kUrlBytesMax));
  }
  const auto is_control = [](unsigned char byte) { return byte < ' ' || byte == 0x7f; };
  if (std::any_of(url.begin(), url.end(), is_control)) {
    fail_with(ErrorCode::invalid_argument, "a sink's URL has no control characters");
  }
  Target target{std::string(scheme_of(url)), std::string(url)};
  if (target.scheme.empty()) return {"sqlite", "sqlite:" + target.url};
  for (char& byte : target.scheme) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  target.url.replace(0, target.scheme.size(), target.scheme);
  if (target.scheme == "postgresql") target.scheme = "postgres";
  return target;
}

/// The folder of the program or library that this code is in; empty if the system does not say.
fs::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&make_sink), &info) == 0 || info.dli_fname == nullptr) return {};
  // The program's own name there may be a word that was found by PATH. Only glibc's dladdr1 tells a program from a
  // library; everywhere the program is what has the entry point's headers.
  const auto program = getauxval(AT_PHDR);
  const auto base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  const bool is_program = program >= base && program - base < kHeaderBytesMax;
  std::error_code error;
  return fs::canonical(is_program ? "/proc/self/exe" : info.dli_fname, error).parent_path();
}

std::vector<fs::path> module_folders() {
  // A set-user-ID program must not load code that its caller names.
  if (const char* folder = secure_getenv("FLASHSALE_SINKS"); folder != nullptr && *folder != '\0') return {folder};
  std::vector<fs::path> folders;
  if (const fs::path own = own_folder(); !own.empty()) {
    const fs::path root = own.parent_path();
    // Beside it, as in a wheel; in a build tree; beside an installed library; from an installed program.
    folders = {own, root / "lib", own / "flashsale", root / FLASHSALE_LIBDIR / "flashsale"};
  }
  folders.emplace_back(FLASHSALE_SINK_FOLDER);
  return folders;
}

fs::path find_module(const std::string& scheme) {
  const std::string file = "flashsale_sink_" + scheme + ".so";
  std::string searched;
  for (const fs::path& folder : module_folders()) {
    std::error_code error;
    if (fs::exists(folder / file, error)) return fs::absolute(folder / file);
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  fail_with(ErrorCode::unsupported, fmt::format("no module {} for sinks of '{}' in: {}", file, scheme, searched));
}

template <class Function>
Function* find_function(void* module, const fs::path& file, const char* name) {
  void* found = dlsym(module, name);
  if (found == nullptr) {
    fail_with(ErrorCode::unsupported, fmt::format("{} is no sink's module: it has no {}", file.string(), name));
  }
  return reinterpret_cast<Function*>(found);
}

sinks::ModuleMake* load(const fs::path& file) {
  void* module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    const char* reason = dlerror();
    fail_with(ErrorCode::unsupported, fmt::format("cannot load a sink's module: {}", reason ? reason : file.string()));
  }
  const std::string_view theirs = find_function<sinks::ModuleVersion>(module, file, "flashsale_sink_version")();
  if (theirs != sinks::kModuleVersion) {
    fail_with(ErrorCode::unsupported,
              fmt::format("{} is of version {}, this library of {}", file.string(), theirs, sinks::kModuleVersion));
  }
  return find_function<sinks::ModuleMake>(module, file, "flashsale_sink_make");
}

}  // namespace

Result<std::shared_ptr<OrderSink>> make_sink(std::string_view url) {
  return sinks::guarded([&] {
    const Target target = parse(url);
    Error error;
    std::shared_ptr<OrderSink> sink(load(find_module(target.scheme))(target.url.data(), target.url.size(), &error));
    if (sink == nullptr) throw sinks::Failure{std::move(error)};
    return sink;
  });
}

}  // namespace flashsale
