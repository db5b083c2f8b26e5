#include "support/recorded_crowd.hpp"

#include <zlib.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace flashsale::test {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& line, const char* member) {
  return line.at(member).is_string() ? line.at(member).get<std::string>() : std::string();
}

Attempt to_attempt(const Json& line) {
  const Json& quantity = line.at("quantity");
  const bool is_whole = quantity.is_number_unsigned() && quantity.get<std::uint64_t>() <= kQuantityMax;
  return {text_of(line, "request"), text_of(line, "buyer"), text_of(line, "item"), text_of(line, "payload"),
          is_whole ? quantity.get<std::uint32_t>() : 0};
}

}  // namespace

RecordedCrowd read_recorded_crowd(const std::string& folder) {
  RecordedCrowd crowd;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen((folder + "/crowd.jsonl.gz").c_str(), "rb"), &gzclose);
  if (file == nullptr) throw std::runtime_error("cannot read the crowd in " + folder);
  std::vector<char> text(1 << 16);
  while (gzgets(file.get(), text.data(), static_cast<int>(text.size())) != nullptr)
    crowd.attempts.push_back(to_attempt(Json::parse(text.data())));
  std::ifstream expected_file(folder + "/expected.json");
  const Json expected = Json::parse(expected_file);
  if (crowd.attempts.size() != expected.at("attempts").get<std::size_t>())
    throw std::runtime_error("the crowd is not the one whose answers are expected");
  for (const auto& [item, of] : expected.at("items").items())
    crowd.items.push_back({item, of.at("total"), of.at("limit"), 0});
  crowd.answers = expected.at("answers").get<std::map<std::string, std::size_t>>();
  crowd.answers_sha256 = expected.at("answers_sha256");
  return crowd;
}

}  // namespace flashsale::test
