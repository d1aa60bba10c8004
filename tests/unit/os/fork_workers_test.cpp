// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/fork_workers.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/error.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

struct Pool {
  EventLoop loop;
  ForkWorkers workers{loop, nullptr};
  std::string received;
  int status = -1;
  WorkerHandlers handlers() {
    return {[this](std::string message) { received += message; }, [this](int s) { status = s; }};
  }
  void run_until_exit() {
    for (int i = 0; i < 100 && status < 0; ++i) loop.run_once(100ms);
  }
};

}  // namespace

TEST_CASE("a worker's messages arrive whole, in order, and before its end is told") {
  Pool pool;
  const std::string large(3'000'000, 'x');
  const auto worker = pool.workers.start(
      "test",
      [&](WorkerChannel& c) {
        c.send("a");
        c.send(large);
        c.send("z");
      },
      pool.handlers());
  pool.run_until_exit();
  CHECK(pool.status == 0);
  CHECK(pool.received.size() == large.size() + 2);
  CHECK(pool.received.back() == 'z');
}

TEST_CASE("a worker hears the daemon") {
  Pool pool;
  const auto worker = pool.workers.start(
      "test", [](WorkerChannel& c) { c.send("heard " + c.wait(10'000).value_or("nothing")); },
      pool.handlers());
  worker->send("stop");
  pool.run_until_exit();
  CHECK(pool.received == "heard stop");
}

TEST_CASE("an exception in a worker is its own end, not the daemon's") {
  Pool pool;
  const auto worker = pool.workers.start(
      "test", [](WorkerChannel&) { throw std::runtime_error("expected"); }, pool.handlers());
  pool.run_until_exit();
  CHECK(pool.status == 1);
}

TEST_CASE("a worker that is forgotten is killed, reaped, and calls nobody") {
  Pool pool;
  auto worker = pool.workers.start(
      "test", [](WorkerChannel& c) { c.wait(-1); }, pool.handlers());
  const auto pid = worker->pid();
  worker.reset();
  for (int i = 0; i < 100 && ::kill(pid, 0) == 0; ++i) pool.loop.run_once(100ms);
  CHECK(::kill(pid, 0) == -1);
  CHECK(pool.status == -1);
}

TEST_CASE("a worker may be dropped when the loop has ended, and is killed all the same") {
  Pool pool;
  auto worker = pool.workers.start(
      "test", [](WorkerChannel&) { ::pause(); }, pool.handlers());
  const pid_t pid = worker->pid();
  pool.loop.stop(0);
  pool.loop.run();
  REQUIRE(pool.loop.has_ended());
  worker.reset();
  int status = 0;
  CHECK(::waitpid(pid, &status, 0) == pid);
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("what hangs in the kernel is bounded, and room comes back with it") {
  Pool pool;
  const auto begin = [&] {
    return pool.workers.start(
        "test", [](WorkerChannel& c) { c.wait(60'000); }, pool.handlers());
  };
  for (std::size_t i = 0; i < ForkWorkers::most_abandoned; ++i)
    begin().reset();  // not reaped before the loop runs
  CHECK_THROWS_WITH(begin(), doctest::Contains("128 earlier looks at devices hang in the kernel"));
  const auto can_begin = [&]() -> bool {
    try {
      return begin() != nullptr;
    } catch (const Error&) {
      return false;
    }
  };
  bool begun = false;
  for (int i = 0; i < 100 && !begun; ++i) pool.loop.run_once(100ms), begun = can_begin();
  CHECK(begun);
}

TEST_CASE("a handler may drop its worker") {
  Pool pool;
  std::unique_ptr<Worker> worker;
  int messages = 0;
  worker = pool.workers.start("test",
                              [](WorkerChannel& c) {
                                c.send("1");
                                c.send("2");
                                c.wait(-1);
                              },
                              {[&](const std::string&) {
                                 ++messages;
                                 worker.reset();
                               },
                               [](int) {}});
  for (int i = 0; i < 100 && worker; ++i) pool.loop.run_once(100ms);
  CHECK(messages == 1);
}

TEST_CASE("a descriptor kept from children is closed there") {
  Pool pool;
  pool.workers.keep_from_children(STDIN_FILENO);
  const auto worker = pool.workers.start(
      "test",
      [](WorkerChannel& c) {
        c.send(::lseek(STDIN_FILENO, 0, SEEK_CUR) == -1 && errno == EBADF ? "closed" : "open");
      },
      pool.handlers());
  pool.run_until_exit();
  CHECK(pool.received == "closed");
}
