#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "util/event_fd.hpp"
#include "util/fork_guard.hpp"
#include "util/futex.hpp"
#include "util/random.hpp"
#include "util/stop.hpp"
#include "util/thread.hpp"

using namespace flashsale::util;

TEST_SUITE("util") {
  TEST_CASE("an event descriptor is a level: raised twice and lowered once it is quiet") {
    EventFd event;
    REQUIRE(event.open());
    pollfd readable{event.fd(), POLLIN, 0};
    CHECK(poll(&readable, 1, 0) == 0);
    event.raise();
    event.raise();
    CHECK(poll(&readable, 1, 0) == 1);
    event.lower();
    CHECK(poll(&readable, 1, 0) == 0);
  }

  TEST_CASE("a latch set by another thread wakes its waiter, and one never set ends at the deadline") {
    Latch latch;
    std::thread setter([&] { latch.set(); });
    CHECK(latch.wait_until(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
    setter.join();
    CHECK_FALSE(Latch().wait_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(1)));
  }

  TEST_CASE("the library's threads block every signal that can be blocked") {
    sigset_t mask;
    sigemptyset(&mask);
    std::thread thread = start_thread("test", [&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
    thread.join();
    for (const int number : {SIGINT, SIGTERM, SIGALRM, SIGPIPE, SIGCHLD, SIGUSR1})
      CHECK(sigismember(&mask, number) == 1);
    sigset_t own;
    pthread_sigmask(SIG_SETMASK, nullptr, &own);
    CHECK(sigismember(&own, SIGINT) == 0);
  }

  TEST_CASE("a thread that is asked to stop is heard in its scope alone, and its waits end early") {
    const auto deadline = Clock::now() + std::chrono::hours(1);
    StopSource stop;
    {
      const StopScope scope(stop);
      const Wait wait(deadline);
      CHECK_FALSE(stop_requested());
      CHECK(wait.slice() < deadline);
      std::thread([&] { stop.request(); }).join();
      CHECK(stop_requested());
      while (!wait.is_over()) std::this_thread::sleep_until(wait.slice());
      CHECK(Clock::now() < deadline);
      CHECK(Wait(deadline).slice() > stop.requested_at());  // each wait has its grace, for a peer that answers
      const StopSource another;
      const StopScope inner(another);
      CHECK_FALSE(stop_requested());
    }
    CHECK_FALSE(stop_requested());
    CHECK(Wait(deadline).slice() == deadline);
  }

  TEST_CASE("a forked child has another generation and other random numbers") {
    const auto before = fork_generation();
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    const pid_t child = fork();
    if (child == 0) {
      const std::uint64_t said[2] = {fork_generation(), random_u64()};
      const bool wrote = write(pipes[1], said, sizeof(said)) == sizeof(said);
      _exit(wrote ? 0 : 1);
    }
    std::uint64_t said[2] = {0, 0};
    REQUIRE(read(pipes[0], said, sizeof(said)) == sizeof(said));
    waitpid(child, nullptr, 0);
    CHECK(said[0] != before);
    CHECK(said[1] != random_u64());
    CHECK(fork_generation() == before);
    CHECK(random_hex(16).size() == 32);
  }
}
