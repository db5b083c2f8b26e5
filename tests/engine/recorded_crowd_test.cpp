// A recorded crowd, whose answers somebody else worked out: the same to the last one, with the local view and without.
#include "support/recorded_crowd.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <string>
#include <vector>

#include "flashsale/stock_gate.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

std::string sha256(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

/// The hash of all answers in file order, while a worker persists and publishes who won.
std::string answers_hash(const RecordedCrowd& crowd, bool view) {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = crowd.items;
  terms.probe_ms = 20;
  ServedSale sale(redis, terms);
  OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
  std::thread working([&] { static_cast<void>(worker.run()); });
  GateOptions options;
  options.view = view;
  options.timeout = milliseconds{20'000};
  StockGate gate(sale.pool, options);
  std::string answers;
  for (const Attempt& attempt : crowd.attempts) {
    const auto answer = gate.reserve(attempt.call(sale.id));
    answers += attempt.request + " ";
    answers += answer ? name(answer->outcome) : name(answer.error().code);
    answers += "\n";
  }
  worker.stop();
  working.join();
  return sha256(answers);
}

}  // namespace

TEST_CASE("the recorded crowd hears the same with the local view on and off") {
  const RecordedCrowd crowd = read_recorded_crowd(FLASHSALE_SOURCE_DIR "/tests/support/crowd");
  CHECK(answers_hash(crowd, false) == crowd.answers_sha256);
  CHECK(answers_hash(crowd, true) == crowd.answers_sha256);
}
