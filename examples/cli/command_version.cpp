// version: of the library that was linked.
#include "verbs.hpp"

namespace cli {

void add_version(CLI::App& app, Run& run) {
  app.add_subcommand("version", "The library's version")->callback([&run] {
    run = [](Session& session) {
      const std::string version(flashsale::version());
      return session.finish({{"version", version}}, "flashsale " + version);
    };
  });
}

}  // namespace cli
