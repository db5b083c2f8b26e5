// Records as the rebuild writes them. That reserve.lua reads them as its own is proven in tests/engine.
#include "core/record_codec.hpp"

#include <doctest/doctest.h>

using namespace flashsale;
using core::RecordLine;
using core::RecordState;

namespace {
std::string written(core::RecordWriter& writer) {
  std::string record;
  writer.finish(record);
  return record;
}
RecordLine line(std::string_view request, std::size_t item, std::uint32_t quantity, OrderId order,
                RecordState state = RecordState::reserved, std::int64_t hold_until_ms = 0) {
  return {request, item, quantity, order, state, hold_until_ms};
}
}  // namespace

TEST_CASE("a record is its count, the units held per item, and a line per order") {
  core::RecordWriter writer;
  writer.add(line("r1", 2, 3, {{1, 7}, 4}));
  writer.add(line("r2", 1, 1, {{1, 9}, 0}, RecordState::confirmed));
  writer.add(line("r3", 2, 2, {{2, 1}, 511}));
  CHECK(written(writer) == "3 2=5 1=1\nr1 2 3 4 1-7 r\nr2 1 1 0 1-9 c\nr3 2 2 511 2-1 r");
}

TEST_CASE("what was returned counts as an order but holds nothing; a dead order holds") {
  core::RecordWriter writer;
  writer.add(line("r1", 1, 1, {{1, 1}, 0}, RecordState::released));
  writer.add(line("r2", 1, 2, {{1, 2}, 0}, RecordState::expired));
  CHECK(written(writer) == "2\nr1 1 1 0 1-1 d\nr2 1 2 0 1-2 e");
  writer.add(line("r3", 1, 2, {{1, 3}, 0}, RecordState::dead));
  CHECK(written(writer) == "1 1=2\nr3 1 2 0 1-3 k");
}

TEST_CASE("only a reserved order carries its hold's end") {
  core::RecordWriter writer;
  writer.add(line("r1", 1, 1, {{1, 1}, 0}, RecordState::reserved, 1700000000123));
  writer.add(line("r2", 1, 1, {{1, 2}, 0}, RecordState::confirmed, 1700000000123));
  CHECK(written(writer) == "2 1=2\nr1 1 1 0 1-1 r 1700000000123\nr2 1 1 0 1-2 c");
}

TEST_CASE("a writer begins anew after each record and appends to what is there") {
  core::RecordWriter writer;
  std::string out = "before ";
  writer.add(line("r", 1, 1, {{1, 1}, 0}));
  writer.finish(out);
  CHECK(out == "before 1 1=1\nr 1 1 0 1-1 r");
  writer.add(line("s", 2, 3, {{1, 2}, 0}));
  CHECK(written(writer) == "1 2=3\ns 2 3 0 1-2 r");
}
