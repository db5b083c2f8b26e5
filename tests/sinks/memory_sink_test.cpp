// A user's own sink: what the conformance suite says of one that the library did not write.
#include "support/memory_sink.hpp"

#include "sinks/sink_conformance.hpp"

namespace flashsale::sink_test {
namespace {

TEST_CASE("a user's own sink, in memory, keeps every promise of order_sink.hpp") {
  const auto sink = std::make_shared<test::MemorySink>();
  check_sink_conformance([&] { return sink; });
}

}  // namespace
}  // namespace flashsale::sink_test
