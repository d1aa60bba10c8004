// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/event_loop.hpp"

#include <signal.h>

#include <stdexcept>

#include <doctest/doctest.h>

using namespace gpuctl;
using namespace std::chrono_literals;

TEST_CASE("a timer fires once, and not at all when its source is dropped") {
  EventLoop loop;
  int fired = 0;
  const auto kept = loop.after(1ms, [&] { ++fired; });
  loop.after(1ms, [&] { fired += 100; }).reset();
  for (int i = 0; i < 5; ++i) loop.run_once(10ms);
  CHECK(fired == 1);
}

TEST_CASE("a deferred call runs later, once, and may defer another") {
  EventLoop loop;
  int calls = 0;
  loop.defer([&] {
    ++calls;
    loop.defer([&] { ++calls; });
  });
  CHECK(calls == 0);
  for (int i = 0; i < 4; ++i) loop.run_once(0ms);
  CHECK(calls == 2);
}

TEST_CASE("what a callback throws does not end the loop") {
  EventLoop loop;
  bool later = false;
  const auto bad = loop.after(0ms, [] { throw std::runtime_error("expected"); });
  const auto good = loop.after(5ms, [&] { later = true; });
  for (int i = 0; i < 10 && !later; ++i) loop.run_once(10ms);
  CHECK(later);
}

TEST_CASE("what a deferred callback throws keeps no other from its turn") {
  EventLoop loop;
  int called = 0;
  loop.defer([&] { ++called; });
  loop.defer([] { throw std::runtime_error("expected"); });
  loop.defer([&] { ++called; });
  loop.run_once(10ms);
  CHECK(called == 2);
}

TEST_CASE("a callback may drop its own source") {
  EventLoop loop;
  EventLoop::Source source;
  int fired = 0;
  source = loop.after(0ms, [&] {
    ++fired;
    source.reset();
  });
  for (int i = 0; i < 3; ++i) loop.run_once(5ms);
  CHECK(fired == 1);
}

TEST_CASE("the hook before each wait is called in each round") {
  EventLoop loop;
  int rounds = 0;
  const auto hook = loop.before_wait([&] { ++rounds; });
  loop.run_once(0ms);
  loop.run_once(0ms);
  CHECK(rounds == 2);
}

TEST_CASE("signals arrive as callbacks") {
  EventLoop loop;
  bool got = false;
  const auto source = loop.on_signal(SIGUSR1, [&] { got = true; });
  ::raise(SIGUSR1);
  for (int i = 0; i < 10 && !got; ++i) loop.run_once(10ms);
  CHECK(got);
}
