// A recorded crowd, whose answers somebody else worked out: the same to the last one, with the local view and without.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flashsale/stock_gate.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;
using Json = nlohmann::json;

namespace {

const std::string kFolder = FLASHSALE_SOURCE_DIR "/tests/support/crowd/";

struct Attempt {
  std::string request, buyer, item, payload;
  std::uint32_t quantity = 0;
};

/// What is of the wrong type becomes what a gate refuses.
std::string text_of(const Json& line, const char* member) {
  return line.at(member).is_string() ? line.at(member).get<std::string>() : std::string();
}

std::vector<Attempt> recorded() {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen((kFolder + "crowd.jsonl.gz").c_str(), "rb"), &gzclose);
  REQUIRE(file);
  std::vector<Attempt> attempts;
  std::vector<char> text(1 << 16);
  while (gzgets(file.get(), text.data(), static_cast<int>(text.size())) != nullptr) {
    const Json line = Json::parse(text.data());
    const Json& quantity = line.at("quantity");
    const bool whole = quantity.is_number_unsigned() && quantity.get<std::uint64_t>() <= kQuantityMax;
    attempts.push_back({text_of(line, "request"), text_of(line, "buyer"), text_of(line, "item"),
                        text_of(line, "payload"), whole ? quantity.get<std::uint32_t>() : 0});
  }
  return attempts;
}

std::string sha256(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

/// The hash of all answers in file order, while a worker persists and publishes who won.
std::string answers_hash(const std::vector<Attempt>& attempts, const Json& expected, bool view) {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items.clear();
  for (const auto& [item, of] : expected.at("items").items())
    terms.items.push_back({item, of["total"], of["limit"], 0});
  terms.probe_ms = 20;
  ServedSale sale(redis, terms);
  const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
  GateOptions options;
  options.view = view;
  options.timeout = milliseconds{20'000};
  StockGate gate(sale.pool, options);
  std::string answers;
  for (const Attempt& attempt : attempts) {
    const auto answer = gate.reserve({SaleId{sale.id}, ItemId{attempt.item}, BuyerId{attempt.buyer},
                                      RequestId{attempt.request}, attempt.quantity, attempt.payload});
    answers += attempt.request + " ";
    answers += answer ? name(answer->outcome) : name(answer.error().code);
    answers += "\n";
  }
  return sha256(answers);
}

}  // namespace

TEST_CASE("the recorded crowd hears the same with the local view on and off") {
  const auto attempts = recorded();
  std::ifstream file(kFolder + "expected.json");
  const Json expected = Json::parse(file);
  REQUIRE(attempts.size() == expected.at("attempts").get<std::size_t>());
  CHECK(answers_hash(attempts, expected, false) == expected.at("answers_sha256").get<std::string>());
  CHECK(answers_hash(attempts, expected, true) == expected.at("answers_sha256").get<std::string>());
}
