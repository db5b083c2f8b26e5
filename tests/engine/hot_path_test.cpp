// What a warm gate must not do: allocate for a request. The program's operator new is replaced by one that counts.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "flashsale/completion_queue.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace flashsale;
using namespace flashsale::test;

TEST_CASE("a warm gate allocates for a batch, but not for the requests in it") {
  constexpr std::size_t kBatch = 512, kBatches = 20;
  PrivateRedis redis;
  auto pool = make_pool(redis.url()).value();
  make_raw_sale(*pool, Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 1'000'000, 1));
  GateOptions one_lane;
  one_lane.lanes = 1;
  StockGate gate(pool, one_lane);
  CompletionQueue queue;
  std::vector<Event> events(kBatch);
  const std::string payload(200, 'p');
  std::vector<std::string> buyers;
  for (std::size_t i = 0; i < kBatch * (kBatches + 5); ++i) buyers.push_back("buyer-" + std::to_string(i));
  std::vector<Call> calls(kBatch);
  std::size_t sold = 0;
  const auto sell = [&](std::size_t batch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      calls[i] = {SaleId{"spring"}, ItemId{"shoe"}, BuyerId{buyers[batch * kBatch + i]}, RequestId{"r1"}, 1, payload};
      calls[i].timeout = milliseconds{20'000};
    }
    REQUIRE(gate.submit(calls.data(), kBatch, queue).value() == kBatch);
    std::size_t done = 0;
    while (done < kBatch) {
      const auto got = queue.drain(events.data(), kBatch, milliseconds{100});
      for (std::size_t i = 0; i < got; ++i) sold += events[i].code == static_cast<int>(Outcome::reserved) ? 1 : 0;
      done += got;
    }
  };
  for (std::size_t batch = 0; batch < 5; ++batch) sell(batch);
  const auto before = allocations.load();
  for (std::size_t batch = 5; batch < 5 + kBatches; ++batch) sell(batch);
  const auto counted_allocations = allocations.load() - before;
  CHECK(sold == buyers.size());
  // The requests of one submit are enqueued together, so they travelled in one batch or two.
  CHECK(counted_allocations < kBatches * kBatch / 2);
}
