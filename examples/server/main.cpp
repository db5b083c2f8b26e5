// flashsale-server: a flash sale behind HTTP, as openapi.yaml describes it.
#include <pthread.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <flashsale/flashsale.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "admission.hpp"
#include "board.hpp"
#include "feed.hpp"
#include "files.hpp"
#include "funnel.hpp"
#include "http.hpp"
#include "orders.hpp"
#include "routes.hpp"

namespace {

using namespace server;

struct Settings {
  std::string redis = "redis://127.0.0.1:6379";
  std::string db;
  std::string page, dashboard, edge_status;
  int timeout_ms = 250;
  HttpOptions http;
  int operator_port = -1;
  std::string operator_address = "127.0.0.1";
  AdmissionOptions admission;
};

void describe(CLI::App& app, Settings& s) {
  app.add_option("--redis", s.redis, "Redis, as a URL")->envname("FLASHSALE_REDIS");
  app.add_option("--db", s.db, "The database, read for the dashboard alone");
  app.add_option("--listen", s.http.address, "The IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", s.http.port, "The port; 0: any free one")->capture_default_str();
  app.add_option("--operator-port", s.operator_port,
                 "/operator/, /metrics and /health, which ask nobody who they are, are there alone; 0: any free one. "
                 "Without it they are on --port, for everybody who reaches that")
      ->check(CLI::Range(0, 65'535));
  app.add_option("--operator-listen", s.operator_address, "The IPv4 address of --operator-port")->capture_default_str();
  app.add_option("--threads", s.http.threads, "Threads of HTTP")->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--connections", s.http.connections_max, "Connections at once")
      ->check(CLI::Range(16, 1'000'000))
      ->capture_default_str();
  app.add_option("--idle-ms", s.http.idle_ms, "An idle connection is closed after so long")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  app.add_option("--request-ms", s.http.request_ms, "A request has so long to arrive, its answer to leave")
      ->check(CLI::Range(100, 600'000))
      ->capture_default_str();
  app.add_option("--timeout-ms", s.timeout_ms, "A purchase is answered within")
      ->check(CLI::Range(1, 30'000))
      ->capture_default_str();
  app.add_option("--page", s.page, "Folder of the sale's page")->check(CLI::ExistingDirectory);
  app.add_option("--dashboard", s.dashboard, "Folder of the operator's page")->check(CLI::ExistingDirectory);
  app.add_option("--edge", s.http.edge_address, "Address of the edge, whose X-Real-IP is believed");
  app.add_option("--edge-status", s.edge_status, "nginx' stub_status, http://127.0.0.1:PORT/PATH");
  app.add_option("--token-keys", s.admission.keys_path,
                 "Keys of purchase tokens, lines `<kid> <hex>`; SIGHUP reads anew")
      ->check(CLI::ExistingFile);
  app.add_flag("--guests", s.admission.guests, "Give purchase tokens to guests");
  app.add_option("--address-rate", s.admission.address_per_second, "Writes a second from one address; 0: no limit")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--address-burst", s.admission.address_burst, "and so many at once")->check(CLI::Range(1.0, 1e6));
  app.add_option("--buyer-rate", s.admission.buyer_per_second, "Writes a second of one buyer; 0: no limit")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--buyer-burst", s.admission.buyer_burst, "and so many at once")->check(CLI::Range(1.0, 1e6));
  app.set_version_flag("--version", std::string(flashsale::version()));
}

/// The library's log function while it lives.
struct Voice {
  explicit Voice(flashsale::LogFunction function) { flashsale::set_log(std::move(function)); }
  ~Voice() { flashsale::set_log({}); }
  Voice(const Voice&) = delete;
  Voice& operator=(const Voice&) = delete;
};

/// As many descriptors as we may have: one a connection.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// The signals that main waits for; blocked before any thread exists, so that no other one gets them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

template <class T>
T need(flashsale::Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

/// The operator's own listener, if there is to be one.
std::unique_ptr<HttpServer> listen_for_operator(const Settings& settings, Routes& routes) {
  if (settings.operator_port < 0) {
    if (settings.http.address != "127.0.0.1")
      std::fprintf(stderr, "warning: /operator/, /metrics and /health are open to all who reach %s: --operator-port\n",
                   settings.http.address.c_str());
    return nullptr;
  }
  HttpOptions options;
  options.address = settings.operator_address;
  options.port = static_cast<std::uint16_t>(settings.operator_port);
  options.threads = 1;
  options.connections_max = 256;
  auto http = std::make_unique<HttpServer>(
      options, [&](Exchange& exchange) { routes.handle(exchange); }, &Routes::finish);
  std::printf("the operator's: http://%s:%u\n", options.address.c_str(), unsigned{http->port()});
  return http;
}

void serve_until_stopped(const sigset_t& signals, Admission& admission) {
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (signal != SIGHUP) return;
    try {
      admission.read_keys();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the keys stay as they were: %s\n", error.what());
    }
  }
}

int run(const Settings& settings) {
  const sigset_t signals = block_signals();
  raise_descriptor_limit();
  auto pool = need(flashsale::make_pool(settings.redis));
  auto sink = settings.db.empty() ? nullptr : need(flashsale::make_sink(settings.db));
  flashsale::GateOptions gate_options;
  gate_options.timeout = flashsale::milliseconds{settings.timeout_ms};

  const Files files(settings.page, settings.dashboard);
  Funnel funnel;
  Admission admission(settings.admission);
  Orders orders(std::make_unique<flashsale::StockGate>(pool, gate_options), funnel);
  Board board(pool);
  Feed feed(pool, sink, funnel, settings.edge_status);
  const Voice voice([&](flashsale::LogLevel level, std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
    if (level != flashsale::LogLevel::info) feed.alarms().add(line);
  });
  Routes routes({admission, orders, board, feed, files, funnel});
  {
    const auto operators = listen_for_operator(settings, routes);
    const bool is_public = operators != nullptr;
    HttpServer http(
        settings.http,
        [&](Exchange& exchange) { is_public ? routes.handle_public(exchange) : routes.handle(exchange); },
        &Routes::finish);
    std::printf("listening on http://%s:%u\n", settings.http.address.c_str(), unsigned{http.port()});
    std::fflush(stdout);
    serve_until_stopped(signals, admission);
    // Nobody may be held when the HTTP server ends.
    http.stop_listening();
    if (operators) operators->stop_listening();
    admission.close();
    orders.close();
    board.close();
    feed.close();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("flashsale-server: a flash sale behind HTTP");
  Settings settings;
  describe(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return run(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flashsale-server: %s\n", error.what());
    return 4;
  }
}
