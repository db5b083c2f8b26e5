/// Reserving from an event loop: submit never blocks, and the answers come through one descriptor.
/// Needs the sale that hello_sale made. Usage: epoll_loop [REDIS-URL]
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <flashsale/flashsale.hpp>
#include <iostream>
#include <string>
#include <vector>

using namespace flashsale;

int main(int argc, char** argv) {
  const auto pool = make_pool(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
  if (!pool) {
    std::cerr << to_string(pool.error()) << "\n";
    return 1;
  }
  CompletionQueue answers;
  StockGate gate(*pool);

  const int loop = epoll_create1(EPOLL_CLOEXEC);
  epoll_event interest{};
  interest.events = EPOLLIN;
  if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, answers.fd(), &interest) != 0) return 1;

  std::vector<std::string> buyers;
  for (int i = 0; i < 1000; ++i) buyers.push_back("loop-" + std::to_string(i));
  std::vector<Call> calls;  // what is submitted together travels together
  for (const std::string& buyer : buyers) {
    Call call{SaleId{"spring"}, ItemId{"sneaker-42"}, BuyerId{buyer}, RequestId{buyer}};
    call.tag = calls.size();  // comes back in the event
    calls.push_back(call);
  }
  const auto accepted = gate.submit(calls.data(), calls.size(), answers);
  if (!accepted || *accepted < calls.size()) return 1;  // fewer: busy from there on

  std::size_t won = 0, refused = 0, failed = 0;
  std::array<Event, 256> events;
  while (answers.outstanding() > 0) {
    epoll_event ready{};
    epoll_wait(loop, &ready, 1, 1000);
    for (std::size_t n = answers.drain(events.data(), events.size()); n > 0;
         n = answers.drain(events.data(), events.size()))
      for (std::size_t i = 0; i < n; ++i)
        ++(!events[i].is_outcome() ? failed : holds_stock(events[i].outcome()) ? won : refused);
  }
  std::cout << won << " won, " << refused << " refused, " << failed << " failed\n";
  close(loop);
  return failed == 0 ? 0 : 1;
}
